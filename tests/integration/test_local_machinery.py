"""The local mode's machinery: the emulator as a process, the deployment by boto3, and what `make demo` leaves behind.

The emulator itself is not needed here: a small program of the test plays a well-behaved, a deaf and a dying one. What
only the real one can show (a restart with its data, presigned addresses) belongs to the end-to-end tests.
"""

import base64
import fcntl
import io
import json
import os
import signal
import socket
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from infra import local
from infra.deploy import Assembly, Asset, Aws, DeployError, assembly, deploy, upload, zipped
from infra.local import Home, Interrupt
from infra.ministack import (
    DiedError,
    Listener,
    LocalError,
    Ministack,
    Ports,
    PortTakenError,
    exposed,
    listeners,
    ports,
    rewind_streams,
)

EMULATOR = """
import http.server, json, os, signal, sys, time
mode = sys.argv[1]
print("reading the state", flush=True)
if mode == "dies":
    print("cannot read the state: disk on fire", flush=True)
    sys.exit(3)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/_ministack/ready" else 404)
        self.end_headers()
        if self.path == "/die":
            os._exit(9)
    def log_message(self, *arguments):
        pass
def stop(*arguments):
    if mode == "deaf":
        return
    time.sleep(0.3)
    with open(os.path.join(os.environ["STATE_DIR"] + ".saved"), "w") as file:
        json.dump(dict(os.environ), file)
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
http.server.HTTPServer((os.environ["BIND_HOST"], int(os.environ["GATEWAY_PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def emulator(home: Path, port: int, mode: str = "works") -> Ministack:
    return Ministack(home, port=port, command=(sys.executable, "-c", EMULATOR, mode))


# the process


def test_the_emulator_is_ready_when_it_is_started_and_saved_when_it_is_stopped(tmp_path: Path, port: int) -> None:
    with emulator(tmp_path, port) as ministack:
        ministack.check()
        saved_early = (tmp_path / "state.saved").exists()

    assert not saved_early
    assert (tmp_path / "state.saved").exists()
    assert not (tmp_path / "work").exists()


def test_the_emulator_sees_only_what_it_needs_of_this_machine(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    with emulator(tmp_path, port):
        pass

    seen = json.loads((tmp_path / "state.saved").read_text())
    assert not {"AWS_PROFILE", "PYTHONPATH", "HTTPS_PROXY"} & set(seen)
    assert {name: seen[name] for name in ("BIND_HOST", "AUTH", "PERSIST_STATE", "S3_PERSIST")} == {
        "BIND_HOST": "127.0.0.1",
        "AUTH": "true",
        "PERSIST_STATE": "1",
        "S3_PERSIST": "1",
    }
    assert Path(seen["STATE_DIR"]) == tmp_path / "state"
    assert Path(seen["TMPDIR"]) == tmp_path / "work"


def test_what_workers_left_behind_is_cleared_at_the_start(tmp_path: Path, port: int) -> None:
    leaked = tmp_path / "work" / "ministack-lambda-x" / "av.so"
    leaked.parent.mkdir(parents=True)
    leaked.write_bytes(b"x")

    with emulator(tmp_path, port):
        left = leaked.exists()

    assert not left


def test_an_emulator_that_dies_at_the_start_shows_its_last_words(tmp_path: Path, port: int) -> None:
    with pytest.raises(DiedError, match=r"代码 3[\s\S]*disk on fire"):
        emulator(tmp_path, port, "dies").start()


def test_an_emulator_that_dies_later_is_named_as_the_cause(tmp_path: Path, port: int) -> None:
    def use() -> None:
        with emulator(tmp_path, port), socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(b"GET /die HTTP/1.0\r\n\r\n")
            while line.recv(100):
                pass
            time.sleep(0.2)
            raise ConnectionError("nobody answers")

    with pytest.raises(DiedError, match="代码 9"):
        use()


def test_a_taken_port_is_named_together_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]

        with pytest.raises(PortTakenError, match=rf"端口 {taken} 已被占用[\s\S]*make demo PORT=\d+") as caught:
            emulator(tmp_path, taken).start()

    assert f"进程 {os.getpid()}" in str(caught.value) or not Path("/proc/net/tcp").exists()


def test_a_missing_emulator_is_named_with_the_command_that_installs_it(tmp_path: Path, port: int) -> None:
    missing = Ministack(tmp_path, port=port, command=(str(tmp_path / "python"), "-m", "ministack"))

    with pytest.raises(LocalError, match="make demo"):
        missing.start()


def test_an_emulator_that_does_not_end_is_reported_and_ended(tmp_path: Path, port: int) -> None:
    ministack = emulator(tmp_path, port, "deaf")
    ministack.start()

    with pytest.raises(LocalError, match="没有结束"):
        ministack.stop(timeout_s=0.3)

    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        pytest.param({}, Ports(4566, 4580), id="default"),
        pytest.param({"PORT": "4600"}, Ports(4600, 4614), id="PORT moves both"),
        pytest.param({"LEADTRAIL_PORT": "4700", "PORT": "8080"}, Ports(4700, 4714), id="our own name wins"),
        pytest.param({"ROBOTS_PORT": "4999"}, Ports(4566, 4999), id="robots alone"),
    ],
)
def test_ports_come_from_the_environment(environment: Mapping[str, str], expected: Ports) -> None:
    assert ports(environment) == expected


@pytest.mark.parametrize("text", ["80", "70000", "port", "-1", "٤٥٦٦"])
def test_a_port_that_makes_no_sense_is_named(text: str) -> None:
    with pytest.raises(LocalError, match="PORT"):
        ports({"PORT": text})


# the socket table


def table(*rows: tuple[str, str, int]) -> str:
    """Rows (address:port in the kernel's hex, state, inode) as /proc/net/tcp shows them."""
    lines = [f" 0: {address} 00000000:0000 {state} 0:0 00:0 0 0 0 {inode} 1 0 100" for address, state, inode in rows]
    return "  sl  local_address rem_address st\n" + "\n".join(lines) + "\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A process 10 with child 11 and grandchild 12, and a stranger 20; each holds the sockets of its number."""
    (tmp_path / "net").mkdir()
    for pid, parent in ((10, 1), (11, 10), (12, 11), (20, 1)):
        (tmp_path / str(pid) / "fd").mkdir(parents=True)
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (na me) S) S {parent} 0 0")
        (tmp_path / str(pid) / "fd" / "3").symlink_to(f"socket:[{pid}]")
        (tmp_path / str(pid) / "fd" / "4").symlink_to("/dev/null")
    return tmp_path


def test_listening_sockets_are_read_for_both_families(proc: Path) -> None:
    (proc / "net/tcp").write_text(table(("0100007F:11D6", "0A", 10), ("0100007F:11D6", "01", 99)))
    (proc / "net/tcp6").write_text(
        table(("00000000000000000000000001000000:11D6", "0A", 11), ("0000000000000000FFFF00000100007F:0050", "0A", 12))
    )

    found = listeners(proc)

    assert [(one.port, one.inode) for one in found] == [(4566, "10"), (4566, "11"), (80, "12")]
    assert [one.address for one in found[:2]] == ["127.0.0.1", "::1"]
    assert all(one.is_loopback for one in found)


def test_what_the_emulator_or_its_workers_open_to_the_network_is_found(proc: Path) -> None:
    rows = [("0100007F:11D6", "0A", 10), ("00000000:0050", "0A", 12), ("00000000:0016", "0A", 20)]
    (proc / "net/tcp").write_text(table(*rows))
    (proc / "net/tcp6").write_text(table(("00000000000000000000000000000000:0051", "0A", 11)))

    found = exposed(10, proc)

    assert found == [Listener("0.0.0.0", 80, "12"), Listener("::", 81, "11")]  # noqa: S104 - that it is found is the point


# restarts


def test_stream_mappings_read_again_from_the_first_record_after_a_restart(tmp_path: Path) -> None:
    state = {"esms": {"data": {"k": {"UUID": "u"}}}, "dynamodb_stream_positions": {"data": {"a\x00b\x00'u'": 41}}}
    (tmp_path / "lambda.json").write_text(json.dumps({"__ministack_format__": 1, "payload": state}))

    rewind_streams(tmp_path)

    after = json.loads((tmp_path / "lambda.json").read_text())
    assert after["payload"]["dynamodb_stream_positions"]["data"] == {"a\x00b\x00'u'": 0}
    assert after["payload"]["esms"] == state["esms"]


def test_a_first_start_has_no_streams_to_rewind(tmp_path: Path) -> None:
    rewind_streams(tmp_path)

    assert list(tmp_path.iterdir()) == []


# the deployment


@dataclass
class FakeCloudFormation:
    """Keeps one stack; `failing` makes every creation and update roll back."""

    status: str | None = None
    template: Any = None
    failing: bool = False
    calls: list[str] = field(default_factory=list)
    s3: Any = None

    def describe_stacks(self, **request: str) -> dict[str, Any]:
        if self.status is None:
            error = {"Code": "ValidationError", "Message": f"Stack with id {request['StackName']} does not exist"}
            raise ClientError({"Error": error}, "DescribeStacks")  # type: ignore[arg-type]
        outputs = [{"OutputKey": "ApiId", "OutputValue": "leadtrail"}]
        return {"Stacks": [{"StackStatus": self.status, "Outputs": outputs}]}

    def create_stack(self, **request: Any) -> None:
        self._take("create", request)

    def update_stack(self, **request: Any) -> None:
        self._take("update", request)

    def delete_stack(self, **request: str) -> None:
        self.calls.append("delete")
        self.status = None

    def get_template(self, **request: str) -> dict[str, Any]:
        return {"TemplateBody": json.dumps(self.template)}

    def describe_stack_events(self, **request: str) -> dict[str, Any]:
        event = {"LogicalResourceId": "Table", "ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "no keys"}
        return {"StackEvents": [event]}

    def _take(self, verb: str, request: Mapping[str, Any]) -> None:
        self.calls.append(verb)
        self.status = "ROLLBACK_COMPLETE" if self.failing else f"{verb.upper()}_COMPLETE"
        bucket, key = request["TemplateURL"].rsplit("/", 2)[1:]
        self.template = json.load(self.s3.get_object(Bucket=bucket, Key=key)["Body"])


@dataclass
class FakeApis:
    """Takes the CORS rules of an HTTP API."""

    rules: dict[str, Any] = field(default_factory=dict)

    def update_api(self, **request: Any) -> None:
        self.rules[request["ApiId"]] = request["CorsConfiguration"]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield boto3.client("s3", region_name="us-east-1")


@pytest.fixture
def cloudformation(s3: Any) -> FakeCloudFormation:
    return FakeCloudFormation(s3=s3)


def synthesized(folder: Path, **resources: object) -> Path:
    """A cloud assembly of one stack with one folder as asset, as the CDK writes it."""
    code = folder / "asset.1"
    code.mkdir(parents=True, exist_ok=True)
    (code / "handler.py").write_text("def handler(event, context): ...\n")
    template = {"Resources": {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": resources}}}
    (folder / "Leadtrail.template.json").write_text(json.dumps(template))
    version = str(abs(hash(json.dumps(template))))
    bucket = "cdk-assets-${AWS::AccountId}-${AWS::Region}"
    files = {
        "code": {
            "source": {"path": "asset.1", "packaging": "zip"},
            "destinations": {"here": {"bucketName": bucket, "objectKey": "1.zip"}},
        },
        "template": {
            "source": {"path": "Leadtrail.template.json", "packaging": "file"},
            "destinations": {"here": {"bucketName": bucket, "objectKey": f"{version}.json"}},
        },
    }
    (folder / "Leadtrail.assets.json").write_text(json.dumps({"files": files}))
    artifacts = {
        "Leadtrail.assets": {"type": "cdk:asset-manifest", "properties": {"file": "Leadtrail.assets.json"}},
        "Leadtrail": {
            "type": "aws:cloudformation:stack",
            "properties": {"templateFile": "Leadtrail.template.json"},
        },
        "Tree": {"type": "cdk:tree", "properties": {"file": "tree.json"}},
    }
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    return folder


def put(
    wanted: Assembly, cloudformation: FakeCloudFormation, log: Path, apis: FakeApis | None = None
) -> dict[str, str]:
    clients = {"s3": cloudformation.s3, "cloudformation": cloudformation, "apigatewayv2": apis or FakeApis()}
    return deploy(wanted, aws=Aws("http://127.0.0.1:1"), log=log, client=lambda service: clients[service])


def test_an_assembly_names_its_stack_and_where_each_asset_goes(tmp_path: Path) -> None:
    wanted = assembly(synthesized(tmp_path))

    assert wanted.stack == "Leadtrail"
    assert [(asset.bucket, asset.packaging) for asset in wanted.assets] == [
        ("cdk-assets-000000000000-us-east-1", "zip"),
        ("cdk-assets-000000000000-us-east-1", "file"),
    ]
    assert wanted.template_asset == wanted.assets[1]


def test_an_assembly_without_a_stack_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"artifacts": {}}')

    with pytest.raises(DeployError, match="0"):
        assembly(tmp_path)


def test_a_zip_depends_on_names_contents_and_executable_bits_only(tmp_path: Path) -> None:
    for name, order in (("first", ("b.py", "a/x")), ("second", ("a/x", "b.py"))):
        for file in order:
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file)
        os.utime(tmp_path / name / "b.py", (1_000_000_000, 1_000_000_000 if name == "first" else 1_700_000_000))
        (tmp_path / name / "a/x").chmod(0o755)

    first, second = zipped(tmp_path / "first"), zipped(tmp_path / "second")

    assert first == second
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.namelist() == ["a/x", "b.py"]
        assert archive.getinfo("a/x").external_attr >> 16 & 0o777 == 0o755


def test_only_assets_that_are_not_there_yet_are_uploaded(tmp_path: Path, s3: Any) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text("1")
    old = Asset(tmp_path / "code", "zip", "assets", "old.zip")
    new = Asset(tmp_path / "code" / "a.py", "file", "assets", "new.py")
    upload((old,), s3=s3)

    uploaded = upload((old, new), s3=s3)

    assert uploaded == ["new.py"]
    assert s3.get_object(Bucket="assets", Key="new.py")["Body"].read() == b"1"


def test_a_new_stack_is_created_from_the_template_as_it_is(tmp_path: Path, cloudformation: FakeCloudFormation) -> None:
    wanted = assembly(synthesized(tmp_path, TableName="leads"))

    outputs = put(wanted, cloudformation, tmp_path / "log")

    assert cloudformation.calls == ["create"]
    assert cloudformation.template == wanted.template
    assert outputs == {"ApiId": "leadtrail"}


def test_an_unchanged_stack_is_left_alone(tmp_path: Path, cloudformation: FakeCloudFormation) -> None:
    wanted = assembly(synthesized(tmp_path))
    put(wanted, cloudformation, tmp_path / "log")

    put(wanted, cloudformation, tmp_path / "log")

    assert cloudformation.calls == ["create"]


def test_a_changed_stack_is_updated(tmp_path: Path, cloudformation: FakeCloudFormation) -> None:
    put(assembly(synthesized(tmp_path)), cloudformation, tmp_path / "log")

    put(assembly(synthesized(tmp_path, TableName="leads")), cloudformation, tmp_path / "log")

    assert cloudformation.calls == ["create", "update"]


def test_what_is_left_of_a_failed_creation_is_replaced(tmp_path: Path, cloudformation: FakeCloudFormation) -> None:
    cloudformation.status = "ROLLBACK_COMPLETE"

    put(assembly(synthesized(tmp_path)), cloudformation, tmp_path / "log")

    assert cloudformation.calls == ["delete", "create"]


def test_a_failed_deployment_says_why(tmp_path: Path, cloudformation: FakeCloudFormation) -> None:
    class Log(FakeCloudFormation):
        def create_stack(self, **request: Any) -> None:
            super().create_stack(**request)
            with (tmp_path / "log").open("a") as log:
                log.write("INFO fine\nERROR [cloudformation] Table: keys are missing\n")

    (tmp_path / "log").write_text("ERROR of another day\n")
    failing = Log(failing=True, s3=cloudformation.s3)

    with pytest.raises(DeployError) as caught:
        put(assembly(synthesized(tmp_path)), failing, tmp_path / "log")

    said = str(caught.value)
    assert "ROLLBACK_COMPLETE" in said
    assert "Table: no keys" in said
    assert "Table: keys are missing" in said
    assert "another day" not in said


def test_the_origins_of_the_template_are_set_again(tmp_path: Path, cloudformation: FakeCloudFormation) -> None:
    found = assembly(synthesized(tmp_path))
    rules = {"AllowOrigins": ["https://crm.example.com"]}
    api = {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"CorsConfiguration": rules}}
    wanted = Assembly(found.stack, {"Resources": {"Api": api}}, found.template_asset, found.assets)
    apis = FakeApis()

    put(wanted, cloudformation, tmp_path / "log", apis)

    assert apis.rules == {"leadtrail": rules}


# what the demo leaves behind


@dataclass(frozen=True)
class Person:
    name: str
    role: str
    rep_id: str | None = None
    wecom_userid: str | None = None
    team: str | None = None


@dataclass
class FakeCognito:
    """Signs in everybody who knows the password, with a token of `life_s` seconds."""

    life_s: float

    def initiate_auth(self, **request: Any) -> dict[str, Any]:
        assert request["AuthParameters"]["PASSWORD"] == local.PASSWORD
        claims = {"sub": request["AuthParameters"]["USERNAME"], "exp": time.time() + self.life_s}
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return {"AuthenticationResult": {"IdToken": f"head.{body}.seal"}}


WANG = Person("王芳", "rep", "R001", "wangfang", "huadong")
ZHAO = Person("赵敏", "manager", team="huadong")
OUTPUTS = {
    "TableName": "leads",
    "UploadsBucket": "uploads-1",
    "ReportsBucket": "reports-1",
    "ArchiveBucket": "archive-1",
    "KeySecret": "key-1",
    "UserPoolId": "pool-1",
    "UserPoolClientId": "client-1",
    "Functions": '{"sweep": "Leadtrail-Sweep", "daily": "Leadtrail-Daily"}',
}


def test_people_can_sign_up_twice_with_role_and_rep(s3: Any) -> None:
    cognito = boto3.client("cognito-idp", region_name="us-east-1")
    pool = cognito.create_user_pool(
        PoolName="people", Schema=[{"Name": "rep_id", "AttributeDataType": "String", "Mutable": True}]
    )["UserPool"]["Id"]
    for role in ("rep", "manager"):
        cognito.create_group(GroupName=role, UserPoolId=pool)

    local.sign_up([WANG, ZHAO], pool, cognito)
    local.sign_up([WANG, ZHAO], pool, cognito)

    wang = cognito.admin_get_user(UserPoolId=pool, Username="王芳")
    groups = cognito.admin_list_groups_for_user(UserPoolId=pool, Username="赵敏")["Groups"]
    assert {"Name": "custom:rep_id", "Value": "R001"} in wang["UserAttributes"]
    assert wang["UserStatus"] == "CONFIRMED"
    assert [group["GroupName"] for group in groups] == ["manager"]


def test_stack_json_has_every_entry_that_tools_rely_on() -> None:
    stack = local.describe(
        Aws("http://127.0.0.1:4566"),
        OUTPUTS,
        api=local.api_base(4566),
        robots="http://127.0.0.1:4580",
        users=[WANG, ZHAO],
        cognito=FakeCognito(24 * 3600),
    )

    assert {"api", "aws", "table", "buckets", "functions", "users", "sources", "robots"} <= set(stack)
    assert stack["api"] == "http://127.0.0.1:4566/_aws/execute-api/leadtrail/$default"
    assert set(stack["aws"]) == {"endpoint", "region", "access_key_id", "secret_access_key"}
    assert {"uploads": "uploads-1", "reports": "reports-1"}.items() <= stack["buckets"].items()
    assert stack["functions"]["sweep"] == "Leadtrail-Sweep"
    assert [set(user) for user in stack["users"]] == [{"name", "role", "rep_id", "wecom_userid", "team", "token"}] * 2
    assert stack["robots"] == {"base": "http://127.0.0.1:4580", "inbox": "http://127.0.0.1:4580/inbox"}


def test_a_token_that_would_not_last_twelve_hours_is_refused() -> None:
    with pytest.raises(LocalError, match="12 小时"):
        local.sign_in(FakeCognito(3600), "client-1", "王芳")


def test_a_token_for_somebody_unknown_names_those_who_are_known() -> None:
    stack = {"users": [{"name": "王芳"}, {"name": "赵敏"}]}

    with pytest.raises(LocalError, match="王芳、赵敏"):
        local.token(stack, "nobody")


def test_stack_json_is_written_at_once_and_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "stack.json"
    file.write_text("{}")

    local.publish({"api": "http://127.0.0.1:4566", "users": [{"name": "王芳"}]}, file)

    assert json.loads(file.read_text(encoding="utf-8"))["users"] == [{"name": "王芳"}]
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]


def test_a_fresh_start_forgets_data_and_keeps_the_assembly(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for kept in ("state/dynamodb.json", "assembly/manifest.json", "inbox.ndjson"):
        (tmp_path / kept).parent.mkdir(exist_ok=True)
        (tmp_path / kept).write_text("")

    home.empty()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["assembly"]


def test_the_synthesis_is_told_the_address_that_clients_will_use() -> None:
    chosen = local.context(4600)

    assert chosen["local"] == chosen["allow_now"] == "true"
    assert chosen["public_base_url"] == f"http://127.0.0.1:4600/_aws/execute-api/{chosen['api_id']}/$default"
    assert (Path(chosen["model_path"]) / "am").is_dir()


def test_the_first_signal_ends_the_demo_and_later_ones_wait(capfd: pytest.CaptureFixture[str]) -> None:
    interrupt = Interrupt()

    with pytest.raises(KeyboardInterrupt):
        interrupt(signal.SIGINT, None)
    interrupt(signal.SIGINT, None)

    assert "正在保存数据" in capfd.readouterr().err


def test_a_second_demo_in_the_same_folder_is_refused(tmp_path: Path, port: int) -> None:
    (tmp_path / "stack.json").write_text("{}")
    with (tmp_path / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        with pytest.raises(LocalError, match="已经在运行"):
            local.run(Home(tmp_path), Ports(port, port), fresh=True, interrupt=Interrupt())

    assert (tmp_path / "stack.json").exists()


def test_a_demo_that_cannot_start_leaves_no_stack_json_of_an_earlier_one(tmp_path: Path, port: int) -> None:
    (tmp_path / "stack.json").write_text("{}")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()

        with pytest.raises(PortTakenError, match="ROBOTS_PORT="):
            local.run(Home(tmp_path), Ports(port, other.getsockname()[1]), fresh=False, interrupt=Interrupt())

    assert not (tmp_path / "stack.json").exists()
