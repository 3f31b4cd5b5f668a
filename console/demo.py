"""The demo's content: the simulated company, its secrets, its leads, and the morning report of a team that is late.

Today's leads come in over HTTP, signed as any provider signs. Yesterday's are taken by the same
intake, at yesterday's time, so that there is something to be late with; the real sweep then finds them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import string
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from botocore.exceptions import ClientError

from console.company import DEFAULT_POLICY, MORE_CHANNELS, USERS, configure
from console.connection import LocalWorld
from infra.chat_provider import Robot
from infra.mail_server import Mailbox
from infra.wecom_app import App
from leadtrail.domain.delivery import CallRecord, Contact, Delivery
from leadtrail.domain.identity import Identity
from leadtrail.services import intake
from leadtrail.services.ports import RawBody

__all__ = ["ROBOTS", "USERS", "fill"]

ROBOTS: tuple[Robot | App | Mailbox, ...] = (
    Robot("huadong-group", "wecom", "华东一组(销售群)", "huadong-group-key"),
    Robot("huanan-group", "wecom", "华南一组(销售群)", "huanan-group-key"),
    Robot("managers", "dingtalk", "主管与总监", "managers-token", "SECmanagers-of-the-demo"),
    Robot("huanan-feishu", "feishu", "华南一组(飞书群)", "huanan-feishu-key", "feishu-secret-of-the-demo"),
    App(
        "app",
        "ww00000000000demo1",
        1000002,
        "app-secret-of-the-demo",
        {user.wecom_userid: user.full_name for user in USERS if user.wecom_userid},
    ),
    Mailbox("mail", {user.email: user.full_name for user in USERS}),
)
ALWAYS_OPEN = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
# The southern team answers around the clock, so that the demo shows its messages at any hour of the day.
HUANAN_POLICY: dict[str, Any] = {
    "when": {"team": "huanan"},
    "calendar": {"tz": "Asia/Shanghai", "hours": ALWAYS_OPEN},
    "rules": DEFAULT_POLICY["rules"],
}
TODAY = (
    ("王建国", "13800138001", {"需求": "采购200套门店收银系统", "来源页": "官网首页"}),
    ("刘敏", "13912345602", {"需求": "了解教育行业数据安全方案"}),
    ("陈志强", "13700137003", {"需求": "制造业排产系统，三月上线"}),
    ("杨丽华", "15800158004", {"需求": "希望先看演示"}),
    ("周杰", "18600186005", {"需求": "价格与竞品对比"}),
    ("吴秀英", "13600136006", {"需求": "连锁门店会员管理"}),
)
# Name, number, hours ago, whether the rep called back within the hour.
EARLIER = (
    ("郑浩然", "13500135007", 30, False),
    ("冯雪", "15000150008", 9, False),
    ("褚一鸣", "13400134009", 4, False),
    ("沈清", "18900189011", 2.5, False),
    ("卫兰", "17700177010", 26, True),
)


def fill(stack: Mapping[str, Any], outputs: Mapping[str, str]) -> Mapping[str, Mapping[str, str]]:
    """Seed configuration, secrets and leads, once however often it is called; return `sources` of stack.json."""
    del outputs  # all that is needed stands in the stack
    world = LocalWorld(stack)
    configure(world.config, now=world.now(), more_channels=MORE_CHANNELS)
    if world.config.configured("policy", "huanan") is None:
        world.config.put("policy", "huanan", HUANAN_POLICY, now=world.now())
    if world.config.configured("source", "huanan") is None:
        body = {"provider": "standard", "team": "huanan", "secret": "source/huanan"}
        world.config.put("source", "huanan", body, now=world.now())
    manager = world.client("secretsmanager")
    for played in ROBOTS:
        _keep(manager, f"leadtrail/channel/{played.channel}", _secret(played, stack["robots"]), renew=True)
    sources = _sources(stack, manager)
    if not any(world.store.items("TEAM#huadong", index="GSI3", limit=1)):
        _earlier(world)
        _today(sources["standard"])
        _morning(stack, world)
    return sources


def _secret(played: Robot | App | Mailbox, robots: Mapping[str, Any]) -> dict[str, str]:
    """Return what a channel's secret holds, with the addresses of this start."""
    match played:
        case App():
            return {"corp_id": played.corp_id, "agent_id": str(played.agent_id), "secret": played.secret}
        case Mailbox():
            return {"from": "leadtrail@example.com", "host": "127.0.0.1", "port": str(robots["smtp_port"])}
    return {"url": played.url(robots["base"])} | ({"secret": played.secret} if played.secret else {})


def _sources(stack: Mapping[str, Any], manager: Any) -> dict[str, dict[str, str]]:
    """Return each source's address with its secrets, which are drawn at the first start and kept."""
    wecom = _keep(
        manager,
        "leadtrail/source/wecom",
        {
            "token": _letters(24),
            "encoding_aes_key": _aes_key(),
            "corp_id": "ww" + secrets.token_hex(8),
            "contact_secret": secrets.token_urlsafe(32),
        },
    )
    standard = _keep(manager, "leadtrail/source/standard", {"secret": _whsec()})
    huanan = _keep(manager, "leadtrail/source/huanan", {"secret": _whsec()})
    typeform = _keep(manager, "leadtrail/source/typeform", {"secret": _letters(32)})
    named = {"wecom": wecom, "standard": standard, "typeform": typeform, "huanan": huanan}
    return {name: {"url": f"{stack['api']}/webhooks/{name}", **value} for name, value in named.items()}


def _keep(manager: Any, name: str, value: dict[str, str], *, renew: bool = False) -> dict[str, str]:
    """Create a secret, or return what it already is; ``renew`` overwrites it."""
    text = json.dumps({"valid": [value]})
    try:
        manager.create_secret(Name=name, SecretString=text)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceExistsException":
            raise
        if not renew:
            known: dict[str, str] = json.loads(manager.get_secret_value(SecretId=name)["SecretString"])["valid"][0]
            return known
        manager.put_secret_value(SecretId=name, SecretString=text)
    return value


def _letters(count: int) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(count))


def _aes_key() -> str:
    """Return 43 letters that decode to 32 bytes, as WeCom's console draws them."""
    return base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")


def _whsec() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def _today(source: Mapping[str, str]) -> None:
    for name, phone, fields in TODAY:
        data = {"name": name, "phone": phone, "fields": fields}
        said = {"type": "lead.created", "timestamp": datetime.now(UTC).isoformat(), "data": data}
        post_signed(source, json.dumps(said, ensure_ascii=False).encode())


def post_signed(source: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """POST a body to a Standard Webhooks source of the demo, signed, and return its answer."""
    message_id, timestamp = f"msg_{_letters(20)}", str(int(datetime.now(UTC).timestamp()))
    key = base64.b64decode(source["secret"].removeprefix("whsec_"))
    signature = base64.b64encode(hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest())
    headers = {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature.decode()}",
    }
    request = urllib.request.Request(source["url"], body, headers)  # noqa: S310 - the demo's own address
    with _direct().open(request, timeout=30) as answer:
        said: dict[str, Any] = json.load(answer)
        return said


def _direct() -> urllib.request.OpenerDirector:
    """Return an opener that no proxy of this machine comes between."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _earlier(world: LocalWorld) -> None:
    now = world.now()
    for number, (name, phone, hours, answered) in enumerate(EARLIER):
        identity = (Identity("phone", f"+86{phone}"),)
        received_at = now - timedelta(hours=hours)
        contact = Contact(name=name, phones=(f"+86{phone}",))
        _take(world, Delivery("huanan", f"demo-{number}", "lead", None, True, identity, contact), received_at)
        if answered:
            called_at = received_at + timedelta(minutes=40)
            call = CallRecord("out", called_at, 186, "rep-zhao")
            _take(
                world,
                Delivery("huanan", f"demo-call-{number}", "call", called_at, True, identity, call=call),
                called_at,
            )


def _take(world: LocalWorld, delivery: Delivery, at: datetime) -> None:
    body = f"demo {delivery.key}".encode()
    raw = RawBody(body, {}, hashlib.sha256(body).hexdigest())
    intake.receive(
        delivery,
        raw,
        store=world.store,
        config=world.config,
        new_person=world.new_person,
        attempt=f"demo {delivery.key}",
        now=lambda: at,
    )


def _morning(stack: Mapping[str, Any], world: LocalWorld) -> None:
    """Sweep once, and make the report of the team that is late, as its schedule would."""
    functions = world.client("lambda")
    for name, event in (("sweep", {}), ("daily", {"team": "huanan", "day": f"{_local_day(world)}"})):
        answer = functions.invoke(FunctionName=stack["functions"][name], Payload=json.dumps(event).encode())
        if "FunctionError" in answer:
            raise RuntimeError(f"{name}: {answer['Payload'].read().decode(errors='replace')}")


def _local_day(world: LocalWorld) -> str:
    return world.now().astimezone(ZoneInfo(world.settings.zone)).date().isoformat()
