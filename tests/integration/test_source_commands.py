"""`leadtrail source …` over the webhook's own handler: a source is added, tried and rotated by the console alone."""

import io
import json
import re
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from rich.console import Console
from typer.testing import CliRunner

from console import main, source_trial, sources
from console.source_guide import GUIDES, TOKEN
from console.source_trial import PATIENCE_S, Said, Way
from console.source_wish import Wish
from functions.ingest.sources import PROVIDERS
from functions.ingest.webhook import handler
from leadtrail.domain.errors import InvalidInputError
from tests.integration.conftest import SETTINGS, WECOM, TestWorld
from tests.integration.webhooks import Context

NAME = "guanwang"
CALL_FIELDS = ("id=uuid", "direction=type", "customer=tel", "started_at=begin", "talk_s=billsec", "agent=seat")
GIVEN = {
    "Token": WECOM["token"],
    "EncodingAESKey（43个字符）": WECOM["encoding_aes_key"],
    "企业ID（ww 开头）": WECOM["corp_id"],
    "应用的 Client secret": "client-secret",
    "读取联系人的 Access token": "access-token",
    "Auth Token": "auth-token",
}


def answer(question: str) -> str:
    """What somebody at the keyboard knows; all else is left empty."""
    return GIVEN.get(question, "")


def other(question: str) -> str:
    """What they know when it is time to change it."""
    known = GIVEN.get(question.removesuffix("，不变则直接回车"), "")
    return known if known.startswith("ww") or len(known) == 43 else known and f"new-{known}"


def nobody(question: str) -> str:
    raise AssertionError(question)


class Internet:
    """The way to the address, ending in the handler; remembers what was sent, and can be slow to know a source."""

    def __init__(self, ignorant: int = 0) -> None:
        self.ignorant = ignorant
        self.sent: list[tuple[str, bytes, Mapping[str, str]]] = []
        self.slept = 0.0

    def way(self) -> Way:
        return Way(self.post, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Said:
        self.sent.append((url, body, headers))
        if len(self.sent) <= self.ignorant:
            return Said(404, "{}")
        return self.deliver(url, body, headers)

    def deliver(self, url: str, body: bytes, headers: Mapping[str, str]) -> Said:
        parts = urlsplit(url)
        assert url.startswith(f"{SETTINGS.public_base_url}/webhooks/")
        names = ("source", "token")
        event = {
            "version": "2.0",
            "rawPath": parts.path,
            "rawQueryString": parts.query,
            "headers": dict(headers),
            "queryStringParameters": dict(parse_qsl(parts.query)),
            "pathParameters": dict(zip(names, parts.path.split("/")[2:], strict=False)),
            "requestContext": {"http": {"method": "POST", "path": parts.path, "sourceIp": "203.0.113.9"}},
            "body": body.decode(),
        }
        said = handler(event, Context(f"request-{len(self.sent)}"))
        return Said(said["statusCode"], said["body"])


class Desk:
    """An operator's screen and commands."""

    def __init__(self, world: TestWorld) -> None:
        self.world = world
        self.internet = Internet()

    def screen(self) -> Console:
        return Console(file=io.StringIO(), width=200)

    def add(self, provider: str, **options: Any) -> str:
        fields = CALL_FIELDS if provider == "generic_cdr" else ()
        wish = Wish(NAME, provider, "huadong", **{"fields": fields, **options})
        screen = self.screen()
        sources.add(wish, self.world, ask=answer, console=screen)
        return said_on(screen)

    def trial(self, token: str | None = None) -> tuple[int, str]:
        self.world.clock.at += timedelta(seconds=1)
        screen = self.screen()
        status = source_trial.run(NAME, self.world, token=token, ask=nobody, way=self.internet.way(), console=screen)
        return status, said_on(screen)

    def secrets(self) -> list[dict[str, str]]:
        return self.world.source_secrets(f"source/{NAME}")

    def configured(self) -> dict[str, Any] | None:
        return self.world.config.configured("source", NAME)


def said_on(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def token_in(text: str) -> str | None:
    [line] = [line for line in text.splitlines() if line.startswith("  地址  ")]
    given = line.rpartition("/")[2]
    return None if given == NAME else given


@pytest.fixture
def desk(world: TestWorld) -> Desk:
    return Desk(world)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_source_added_by_the_console_alone_takes_what_its_provider_sends(desk: Desk, provider: str) -> None:
    added = desk.add(provider)
    token = token_in(added)

    status, tried = desk.trial(token)

    assert status == 0
    assert "HTTP 200" in tried
    assert "结果 created，线索 01" in tried
    assert f"{SETTINGS.public_base_url}/webhooks/{NAME}" in added
    assert GUIDES[provider].menu in added
    assert bool(token) == GUIDES[provider].is_open
    assert desk.internet.slept == 0


def test_the_lead_of_a_trial_is_closed_so_that_nobody_is_told_of_it(desk: Desk) -> None:
    token = token_in(desk.add("standard"))

    _, tried = desk.trial(token)

    [lead_id] = re.findall(r"线索 (01\w{24})", tried)
    lead = desk.world.store.lead(lead_id)
    assert "测试线索已关闭" in tried
    assert lead is not None
    assert (lead.is_open, [clock.wakes_at for clock in lead.clocks]) == (False, [None, None])


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if GUIDES[name].is_open])
def test_a_token_stands_nowhere_but_on_the_screen(desk: Desk, provider: str) -> None:
    token = token_in(desk.add(provider))
    desk.trial(token)

    rows = json.dumps(desk.world.dynamodb.scan(TableName=SETTINGS.table)["Items"], default=repr)

    assert token
    assert token not in rows
    assert token not in json.dumps(desk.secrets())
    assert desk.trial(f"{SETTINGS.public_base_url}/webhooks/{NAME}/{token}")[0] == 0  # the whole address, pasted


def test_a_source_keeps_what_was_wished(desk: Desk) -> None:
    desk.add("jinshuju", fields=("phone=field_2", "name = field_1"), owner="rep-li", allow_ips=("203.0.113.0/24",))

    assert desk.configured() == {
        "provider": "jinshuju",
        "team": "huadong",
        "secret": "source/guanwang",
        "fields": {"phone": "field_2", "name": "field_1"},
        "owner": "rep-li",
        "allow_ips": ["203.0.113.0/24"],
    }
    assert desk.world.config.current().sources[NAME].allow_ips == ("203.0.113.0/24",)


@pytest.mark.parametrize(
    ("hosts", "kept"), [((), [".aliyuncs.com"]), (("Rec.Example.com",), ["rec.example.com"])], ids=["usual", "own"]
)
def test_recordings_come_from_the_providers_hosts_unless_others_are_named(
    desk: Desk, hosts: tuple[str, ...], kept: list[str]
) -> None:
    desk.add("aliyun", recording_hosts=hosts)

    known = desk.configured()
    assert known is not None
    assert known["recording_hosts"] == kept


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("name", {"name": "官网"}),
    ("provider", {"provider": "import"}),
    ("team", {"team": "huabei"}),
    ("owner", {"owner": "mgr-wang"}),
    ("field", {"fields": ("phone",)}),
    ("field", {"fields": ("电话=field_1",)}),
    ("field", {"fields": ("phone=a", "phone=b")}),
    ("field", {"provider": "generic_cdr", "fields": ("id=uuid",)}),
    ("allow-ip", {"allow_ips": ("203.0.113.9/24",)}),
    ("allow-ip", {"provider": "typeform", "allow_ips": ("203.0.113.0/24",)}),
    ("recording-host", {"recording_hosts": ("https://rec.example.com/",)}),
]


@pytest.mark.parametrize(("place", "change"), WRONG)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    desk: Desk, place: str, change: dict[str, Any]
) -> None:
    wish = {"name": NAME, "provider": "jinshuju", "team": "huadong", **change}

    with pytest.raises(InvalidInputError) as refused:
        sources.add(Wish(**wish), desk.world, ask=nobody)

    assert refused.value.facts["field"] == place
    assert desk.configured() is None
    assert desk.secrets() == []


def test_nothing_is_written_where_nobody_knows_the_address(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.world, "settings", type(SETTINGS)(table=SETTINGS.table))

    with pytest.raises(InvalidInputError) as refused:
        desk.add("jinshuju")

    assert refused.value.facts["field"] == "PUBLIC_BASE_URL"
    assert desk.secrets() == []


def test_the_same_source_again_changes_nothing_and_another_one_is_refused(desk: Desk) -> None:
    desk.add("jinshuju")
    before = desk.secrets()

    again = desk.add("jinshuju")
    with pytest.raises(InvalidInputError) as other_fields:
        desk.add("jinshuju", fields=("phone=field_2",))
    with pytest.raises(InvalidInputError) as other_provider:
        desk.add("wjx")

    assert "没有变化" in again
    assert "/webhooks/guanwang/<令牌>" in again
    assert "--replace" in str(other_fields.value)
    assert "jinshuju" in str(other_provider.value)
    assert desk.secrets() == before
    assert "fields" not in (desk.configured() or {})


def test_a_source_can_be_replaced_and_keeps_its_secret(desk: Desk) -> None:
    token = token_in(desk.add("jinshuju"))
    before = desk.secrets()

    wish = Wish(NAME, "jinshuju", "huanan", ("phone=field_2",))
    sources.add(wish, desk.world, ask=nobody, replace=True, console=desk.screen())

    known = desk.configured()
    assert known is not None
    assert (known["team"], known["fields"]) == ("huanan", {"phone": "field_2"})
    assert desk.secrets() == before
    assert desk.trial(token)[0] == 0


@pytest.mark.parametrize("provider", PROVIDERS)
def test_while_a_secret_is_changed_both_are_valid_and_then_the_new_one_alone(desk: Desk, provider: str) -> None:
    token = token_in(desk.add(provider))
    assert desk.trial(token)[0] == 0
    with_old = desk.internet.sent[-1]
    screen = desk.screen()

    sources.rotate(NAME, desk.world, ask=other, console=screen)
    new = token_in(said_on(screen))

    new_one, old_one = desk.secrets()
    assert new_one != old_one
    assert desk.trial(new)[0] == 0
    assert desk.internet.deliver(*with_old).status == 200
    sources.finish(NAME, desk.world, console=desk.screen())
    assert desk.secrets() == [new_one]
    assert desk.internet.deliver(*with_old).status == 401
    assert desk.trial(new)[0] == 0


def test_a_rotation_ends_before_the_next_one_begins(desk: Desk) -> None:
    desk.add("typeform")
    sources.rotate(NAME, desk.world, ask=nobody, console=desk.screen())
    before = desk.secrets()

    with pytest.raises(InvalidInputError) as refused:
        sources.rotate(NAME, desk.world, ask=nobody)

    assert "--done" in str(refused.value)
    assert desk.secrets() == before


def test_a_rotation_that_is_over_cannot_end_again(desk: Desk) -> None:
    desk.add("typeform")
    before = desk.secrets()
    screen = desk.screen()

    sources.finish(NAME, desk.world, console=screen)

    assert "没有变化" in said_on(screen)
    assert desk.secrets() == before


def test_a_configured_source_without_a_secret_gets_its_first_one(desk: Desk) -> None:
    body = {"provider": "jinshuju", "team": "huadong", "secret": f"source/{NAME}"}
    desk.world.config.put("source", NAME, body, now=desk.world.now())

    token = token_in(desk.add("jinshuju"))

    assert [set(value) for value in desk.secrets()] == [{TOKEN}]
    assert desk.trial(token)[0] == 0


@pytest.mark.parametrize("token", ["", "another-token", "令牌"])
def test_a_token_that_is_not_the_sources_is_refused_before_anything_is_sent(desk: Desk, token: str) -> None:
    desk.add("jinshuju")

    with pytest.raises(InvalidInputError) as refused:
        source_trial.run(NAME, desk.world, token=token or None, ask=lambda _: "", way=desk.internet.way())

    assert refused.value.facts["field"] == "token"
    assert desk.internet.sent == []


def test_a_trial_waits_while_the_functions_do_not_know_the_source_yet(desk: Desk) -> None:
    desk.add("standard")
    desk.internet.ignorant = 3

    status, said = desk.trial()

    assert (status, desk.internet.slept) == (0, 15)
    assert said.count("正在等待") == 1


def test_a_trial_gives_up_when_the_functions_should_have_known(desk: Desk) -> None:
    desk.add("standard")
    desk.internet.ignorant = 100

    status, said = desk.trial()

    assert (status, desk.internet.slept) == (1, PATIENCE_S)
    assert "HTTP 404" in said


@pytest.mark.parametrize("name", ["nobody", "lists"])
def test_only_a_source_that_a_provider_delivers_to_can_be_tried(desk: Desk, name: str) -> None:
    body = {"provider": "import", "team": "huadong", "secret": "source/lists"}
    desk.world.config.put("source", "lists", body, now=desk.world.now())

    with pytest.raises(InvalidInputError) as refused:
        source_trial.run(name, desk.world, token=None, ask=nobody, way=desk.internet.way())

    assert refused.value.facts["field"] == "source"


def test_the_list_says_where_sources_are_and_never_a_secret(desk: Desk) -> None:
    desk.add("jinshuju")
    screen = desk.screen()

    sources.listing(desk.world, console=screen)

    said = said_on(screen)
    assert f"{SETTINGS.public_base_url}/webhooks/guanwang/<令牌>" in said
    assert f"{SETTINGS.public_base_url}/webhooks/standard " in said
    assert not [text for value in desk.secrets() for text in value.values() if text in said]


@pytest.fixture
def address() -> Iterator[str]:
    """An address on loopback that says what it was sent, as 422."""

    class Echo(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(422)
            self.end_headers()
            self.wfile.write(self.headers["x-proof"].encode() + body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/webhooks/x"
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_posted_arrives_as_it_was_signed(address: str) -> None:
    said = source_trial.post(address, b"\x00body", {"x-proof": "signed:"})

    assert said == Said(422, "signed:\x00body")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/webhooks/x", "file:///etc/hosts"])
def test_an_address_that_cannot_be_reached_is_named(url: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        source_trial.post(url, b"", {})

    assert refused.value.facts["field"] == "PUBLIC_BASE_URL"


def test_the_commands_say_what_is_wrong_and_do_what_is_right(
    world: TestWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(main, "_world", lambda: world)
    runner = CliRunner()
    secret = tmp_path / "auth-token"
    secret.write_text("auth-token", "utf-8")
    twilio = ["source", "add", NAME, "--provider", "twilio", "--team", "huadong", "--secret-from-file", str(secret)]

    wrong = runner.invoke(main.app, ["source", "add", NAME, "--provider", "pigeon", "--team", "huadong"])
    added = runner.invoke(main.app, twilio)
    asked = runner.invoke(main.app, ["source", "rotate", NAME], input="new-token\n\n\n")
    done = runner.invoke(main.app, ["source", "rotate", NAME, "--done"])
    listed = runner.invoke(main.app, ["source", "list"])
    nobody_there = runner.invoke(main.app, ["source", "test", "nobody"])

    assert (wrong.exit_code, added.exit_code, asked.exit_code, done.exit_code, listed.exit_code) == (1, 0, 0, 0, 0)
    assert (nobody_there.exit_code, "nobody" in nobody_there.output) == (1, True)
    assert world.source_secrets(f"source/{NAME}") == [{"secret": "new-token"}]
    assert "new-token" not in asked.output
    assert NAME in listed.output
