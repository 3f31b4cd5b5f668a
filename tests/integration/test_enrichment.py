"""From a message in the queue to a lead that knows its person: WeCom's API played on loopback, with its refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from functions.ingest import enrich as entry
from functions.ingest.webhook import handler as webhook
from infra.robot_server import RobotServer
from infra.robots import Robots
from leadtrail.adapters.https import fetched
from leadtrail.adapters.hubspot import HubSpot
from leadtrail.adapters.wecom import WeCom
from leadtrail.domain.identity import Identity
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Event
from leadtrail.services.enriching import EnrichedContact, ProviderBusyError, ProviderRefusedError
from tests.integration.conftest import NINE, WECOM, TestWorld, TimeTravel
from tests.integration.test_wecom import CONTACT, contact_event, lead_of, posted
from tests.integration.webhooks import Context, lead_created

WANG = {
    "external_contact": {"name": "王女士", "unionid": "ozynqsulJFCZ2z1aYeS8h-nuasdAAA", "corp_name": "晨光贸易"},
    "follow_user": [
        {"userid": "lisi", "remark": "李四的备注", "remark_mobiles": ["13900000009"]},
        {"userid": "zhangsan", "remark": "王总，下周二回电", "remark_mobiles": ["138 0000 0001"]},
    ],
}
SECRET = [{"corp_id": "ww1", "contact_secret": "right"}]
Answered = tuple[int, bytes]


class Stage:
    """WeCom on loopback, the world with a source that may ask it, and the queue's worker."""

    def __init__(self, world: TestWorld, server: RobotServer, clock: TimeTravel) -> None:
        self.world, self.server, self.clock = world, server, clock
        world.settings = replace(world.settings, wecom_api=f"{server.base}/wecom")
        self.secret({**WECOM, "contact_secret": "right"})

    def secret(self, value: Mapping[str, str]) -> None:
        self.world.secrets._client.update_secret(
            SecretId="leadtrail/source/wecom", SecretString=json.dumps({"valid": [value]})
        )
        self.world.secrets._known.clear()

    def added(self, userid: str = "zhangsan") -> dict[str, Any]:
        """A contact is added; return the question that the queue holds."""
        answer = webhook(posted(contact_event(self.clock(), UserID=userid), self.clock()), Context())
        assert answer["body"] == "success"
        self.clock.at += timedelta(minutes=1)
        lead = self.lead
        return {
            "lead": lead.lead_id,
            "person": lead.person_id,
            "source": "wecom",
            "receipt": "r" * 40,
            "provider": "wecom",
            "ref": CONTACT,
            "userid": userid,
        }

    def take(self, *wanted: Mapping[str, Any] | str) -> list[str]:
        """The worker gets these messages; return the ids of those that must come again."""
        bodies = [each if isinstance(each, str) else json.dumps(each) for each in wanted]
        records = [{"messageId": f"m{n}", "body": body} for n, body in enumerate(bodies)]
        answer = entry.handler({"Records": records}, Context())
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    @property
    def lead(self) -> Lead:
        return lead_of(self.world)

    def told(self, kind: str = "contact.enriched") -> list[Event]:
        person = self.world.store.persons([self.lead.person_id])[self.lead.person_id]
        events = self.world.store.readable(self.world.store.trail(self.lead.lead_id), person)
        return [event for event in events if event.kind == kind]


@pytest.fixture
def server() -> Iterator[RobotServer]:
    with RobotServer(Robots([]), port=0) as running:
        yield running


@pytest.fixture
def stage(world: TestWorld, server: RobotServer, clock: TimeTravel) -> Stage:
    server.robots.give_contacts({CONTACT: WANG})
    return Stage(world, server, clock)


def metrics(printed: str, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith('{"_aws"')]
    return [line for line in lines if name in line]


def test_an_added_contact_gets_name_numbers_and_identities_later(stage: Stage) -> None:
    failed = stage.take(stage.added())

    store, lead = stage.world.store, stage.lead
    contact = store.persons([lead.person_id])[lead.person_id].contact
    [told] = stage.told()
    assert failed == []
    assert (contact.name, contact.phones) == ("王女士", ("+8613800000001", "+8613900000009"))
    assert told.facts["filled"] == ["name", "phone", "unionid", "corp_name", "remark"]
    assert told.text == {"corp_name": "晨光贸易", "remark": "王总，下周二回电"}
    for identity in (
        Identity("phone", "+8613800000001"),
        Identity("unionid", "ozynqsulJFCZ2z1aYeS8h-nuasdAAA"),
    ):
        row = store.identified(identity)
        assert row is not None
        assert (row.person_id, row.lead_id) == (lead.person_id, lead.lead_id)


def test_the_first_response_clock_runs_on_as_it_was(stage: Stage) -> None:
    wanted = stage.added()
    before = stage.lead

    stage.take(wanted)

    assert stage.lead.clocks == before.clocks
    assert (stage.lead.owner, stage.lead.touches) == (before.owner, before.touches)


def test_nothing_of_the_contact_rests_in_the_open(stage: Stage) -> None:
    stage.take(stage.added())

    scanned = stage.world.dynamodb.scan(TableName="leadtrail-test")["Items"]  # moto's whole table, in a test only
    others = [item for item in scanned if not (item["PK"]["S"].startswith("PERSON#") and item["SK"]["S"] == "CONTACT")]
    assert not re.search("王女士|13800000001|王总|晨光|ozynqsul", str(others))


def test_a_message_that_comes_three_times_is_one_event(stage: Stage) -> None:
    wanted = stage.added()

    failed = stage.take(wanted, wanted) + stage.take(wanted)

    assert (failed, len(stage.told())) == ([], 1)


def test_a_number_of_a_known_person_stays_theirs_and_a_merge_is_proposed_once(stage: Stage) -> None:
    answer = webhook(lead_created(stage.clock(), phone="13800000001"), Context("form"))
    known = stage.world.store.lead(json.loads(answer["body"])["id"])
    assert known is not None

    wanted = stage.added()
    failed = stage.take(wanted, wanted)

    [proposed] = stage.told("merge.proposed")
    row = stage.world.store.identified(Identity("phone", "+8613800000001"))
    assert failed == []
    assert proposed.facts == {"person": known.person_id}
    assert row is not None
    assert row.person_id == known.person_id


def test_an_address_that_wecom_does_not_trust_is_counted_and_asked_from_again_later(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = stage.added()
    stage.server.robots.control({"untrusted": 1})

    refused = stage.take(wanted)
    stage.server.robots.control({"untrusted": 0})
    mended = stage.take(wanted)

    [counted] = metrics(capsys.readouterr().out, "EnrichmentRefused")
    assert (refused, mended) == (["m0"], [])
    assert counted["reason"] == "untrusted-address"
    assert len(stage.told()) == 1


def test_wecom_down_leaves_the_lead_and_the_message(stage: Stage) -> None:
    wanted = stage.added()
    stage.server.robots.control({"down": 1})

    failed = stage.take(wanted)

    assert (failed, stage.told()) == (["m0"], [])
    assert stage.lead.owner == "rep-zhang"


@pytest.mark.parametrize("wish", [{"drop": 1}, {"ambiguous": 1}], ids=["dropped", "answer lost"])
def test_a_call_without_an_answer_is_made_again(stage: Stage, wish: dict[str, int]) -> None:
    wanted = stage.added()
    stage.server.robots.control(wish)

    assert stage.take(wanted) == ["m0"]


def test_a_token_that_ended_early_is_renewed_unnoticed(stage: Stage) -> None:
    wanted = stage.added()
    stage.take(wanted)
    stage.server.robots.control({"expire_token": 1})
    stage.server.robots.give_contacts({CONTACT: {"external_contact": {"name": "王女士"}, "follow_user": []}})

    assert stage.take(wanted) == []


def test_a_contact_that_is_gone_is_settled(stage: Stage) -> None:
    wanted = stage.added()
    stage.server.robots.give_contacts({CONTACT: None})

    assert (stage.take(wanted), stage.told()) == ([], [])


@pytest.mark.parametrize(
    ("secret", "reason"),
    [(WECOM, "no-secret"), ({**WECOM, "contact_secret": "wrong"}, "bad-secret")],
    ids=["none", "a wrong one"],
)
def test_a_secret_that_does_not_open_is_told_to_the_operator(
    stage: Stage, capsys: pytest.CaptureFixture[str], secret: dict[str, str], reason: str
) -> None:
    wanted = stage.added()
    stage.secret(secret)

    failed = stage.take(wanted)

    [counted] = metrics(capsys.readouterr().out, "EnrichmentRefused")
    assert (failed, counted["reason"]) == (["m0"], reason)


def test_a_log_names_no_person_and_no_token(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = stage.added()
    stage.server.robots.control({"untrusted": 1})
    stage.take(wanted)
    stage.server.robots.control({"untrusted": 0})

    stage.take(wanted)

    printed = capsys.readouterr().out
    assert '"outcome":"enriched"' in printed.replace(" ", "")
    assert not re.search("王女士|13800000001|access_token|corpsecret", printed)


def test_a_message_that_makes_no_sense_holds_up_no_other(stage: Stage) -> None:
    wanted = stage.added()

    failed = stage.take("{", {"lead": "x"}, {**wanted, "provider": "nobody"}, wanted)

    assert failed == ["m0", "m1", "m2"]
    assert len(stage.told()) == 1


def test_a_person_who_was_erased_is_asked_about_no_more(stage: Stage) -> None:
    wanted = stage.added()
    key = {"PK": {"S": f"PERSON#{wanted['person']}"}, "SK": {"S": "CONTACT"}}
    stage.world.dynamodb.delete_item(TableName="leadtrail-test", Key=key)
    stage.server.robots.control({"down": 1})  # a question would fail

    assert stage.take(wanted) == []


# What WeCom is asked, and how its answers are understood


class Line:
    """A network that answers by the path's last part, one answer after the other, and keeps what was asked."""

    def __init__(self, **answers: list[object]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, str]]] = []

    def __call__(self, url: str, headers: Mapping[str, str]) -> Answered:
        parts = urlsplit(url)
        name = parts.path.rsplit("/", 1)[-1]
        self.asked.append((name, {key: values[0] for key, values in parse_qs(parts.query).items()}))
        answers = self.answers[name]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return 200, answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    def times(self, name: str) -> int:
        return [each for each, _ in self.asked].count(name)


def token(text: str = "t1", lasts_s: int = 7200) -> dict[str, object]:
    return {"errcode": 0, "errmsg": "ok", "access_token": text, "expires_in": lasts_s}


def page(*followers: dict[str, Any], **more: object) -> dict[str, object]:
    return {"errcode": 0, "external_contact": {"name": "王女士"}, "follow_user": list(followers), **more}


def wecom(line: Line, now: Callable[[], datetime] = lambda: NINE) -> WeCom:
    return WeCom("https://wecom.example", lambda _: SECRET, now, line)


def test_one_token_serves_until_five_minutes_before_its_end() -> None:
    line, clock = Line(gettoken=[token("t1"), token("t2")], get=[page()]), TimeTravel()
    adapter = wecom(line, clock)

    for minutes in (0, 114, 115):
        clock.at = NINE + timedelta(minutes=minutes)
        adapter.contact("source/wecom", "wo1", None)

    used = [query["access_token"] for name, query in line.asked if name == "get"]
    assert used == ["t1", "t1", "t2"]


@pytest.mark.parametrize("code", [40001, 40014, 42001])
def test_a_token_that_is_refused_is_renewed_once(code: int) -> None:
    line = Line(gettoken=[token("t1"), token("t2")], get=[{"errcode": code}, page()])

    answer = wecom(line).contact("source/wecom", "wo1", None)

    assert answer == EnrichedContact(name="王女士")
    assert line.times("gettoken") == 2


def test_a_token_that_is_refused_again_is_not_renewed_for_ever() -> None:
    line = Line(gettoken=[token()], get=[{"errcode": 40014}])

    with pytest.raises(ProviderBusyError, match="40014"):
        wecom(line).contact("source/wecom", "wo1", None)

    assert (line.times("gettoken"), line.times("get")) == (2, 2)


def test_after_the_limit_nobody_asks_for_a_minute() -> None:
    line, clock = Line(gettoken=[token()], get=[{"errcode": 45009}, page()]), TimeTravel()
    adapter = wecom(line, clock)
    for _ in range(3):
        with pytest.raises(ProviderBusyError, match="limit"):
            adapter.contact("source/wecom", "wo1", None)
    silent = line.times("get")

    clock.at += timedelta(seconds=62)
    answer = adapter.contact("source/wecom", "wo1", None)

    assert (silent, answer) == (1, EnrichedContact(name="王女士"))


def test_followers_of_every_page_are_read_and_ours_comes_first() -> None:
    first = page({"userid": "a", "remark_mobiles": ["1"]}, next_cursor="c1")
    second = page({"userid": "zhangsan", "remark_mobiles": ["2", "1"], "remark": "老客户"}, next_cursor="")
    line = Line(gettoken=[token()], get=[first, second])

    answer = wecom(line).contact("source/wecom", "wo1", "zhangsan")

    assert answer == EnrichedContact("王女士", phones=("2", "1"), owner_userid="zhangsan", remark="老客户")
    assert [query.get("cursor") for name, query in line.asked if name == "get"] == [None, "c1"]


def test_a_cursor_that_never_ends_is_followed_to_a_limit() -> None:
    line = Line(gettoken=[token()], get=[page(next_cursor="again")])

    wecom(line).contact("source/wecom", "wo1", None)

    assert line.times("get") == 20


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[]",
        b"[" * 100_000,
        b'{"errcode": "x"}',
        {"errcode": 0},
        {"errcode": -1},
        {"errcode": 7},
        OSError(),
    ],
    ids=["nothing", "html", "a list", "deep", "no code", "no contact", "busy", "unheard of", "no answer"],
)
def test_an_answer_that_is_none_is_asked_for_again(answer: object) -> None:
    with pytest.raises(ProviderBusyError):
        wecom(Line(gettoken=[token()], get=[answer])).contact("source/wecom", "wo1", None)


@pytest.mark.parametrize("answer", [{"errcode": 0}, {"errcode": 0, "access_token": "t"}, b"x"])
def test_a_token_that_is_none_is_asked_for_again(answer: object) -> None:
    with pytest.raises(ProviderBusyError):
        wecom(Line(gettoken=[answer], get=[page()])).contact("source/wecom", "wo1", None)


def test_odd_fields_of_a_contact_are_left_out() -> None:
    odd = {"userid": 7, "remark": None, "remark_mobiles": [None, 5, "13800000001"]}
    said = {"name": "王\ud800" + "长" * 3000, "unionid": ["x"]}
    answer = {"errcode": 0, "external_contact": said, "follow_user": ["x", odd]}

    found = wecom(Line(gettoken=[token()], get=[answer])).contact("source/wecom", "wo1", None)

    assert found == EnrichedContact(name="王?" + "长" * 1998, phones=("13800000001",))


@pytest.mark.parametrize("secrets", [[], [{}], [{"corp_id": "ww1"}]])
def test_a_source_without_a_contact_secret_waits_for_an_operator(secrets: list[dict[str, str]]) -> None:
    adapter = WeCom("https://wecom.example", lambda _: secrets, lambda: NINE, Line())

    with pytest.raises(ProviderRefusedError, match="no-secret"):
        adapter.contact("source/wecom", "wo1", None)


@pytest.mark.parametrize("url", ["http://example.com/x", "file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_token_never_leaves_the_machine_unencrypted(url: str) -> None:
    with pytest.raises(OSError, match="https"):
        fetched(url, {})


def test_a_redirection_is_not_followed_and_takes_no_token_along() -> None:
    visited: list[tuple[str, str | None]] = []

    class Redirecting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            visited.append((self.path, self.headers["Authorization"]))
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Redirecting) as elsewhere:
        Thread(target=elsewhere.handle_request, daemon=True).start()

        status, _ = fetched(f"http://127.0.0.1:{elsewhere.server_address[1]}/here", {"Authorization": "Bearer x"})

    assert status == 302
    assert visited == [("/here", "Bearer x")]


# HubSpot


def hubspot(status: int, answer: object) -> tuple[HubSpot, list[tuple[str, Mapping[str, str]]]]:
    asked: list[tuple[str, Mapping[str, str]]] = []

    def get(url: str, headers: Mapping[str, str]) -> Answered:
        asked.append((url, headers))
        return status, answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    return HubSpot("https://hubspot.example", lambda _: [{"secret": "s", "access_token": "pat-1"}], get), asked


@pytest.mark.parametrize(
    ("first", "last", "name"), [("三", "张", "张三"), ("Ada", "Lovelace", "Ada Lovelace"), (None, "王", "王")]
)
def test_a_hubspot_contact_is_read_with_the_sources_token(first: str | None, last: str, name: str) -> None:
    properties = {
        "firstname": first,
        "lastname": last,
        "phone": "010-61234567",
        "mobilephone": "13800000001",
        "email": "a@example.com",
        "company": "晨光贸易",
    }
    adapter, asked = hubspot(200, {"id": "51", "properties": properties})

    found = adapter.contact("source/hubspot", "51/../x", None)

    [(url, headers)] = asked
    assert found == EnrichedContact(
        name, phones=("13800000001", "010-61234567"), emails=("a@example.com",), corp_name="晨光贸易"
    )
    assert url.startswith("https://hubspot.example/crm/v3/objects/contacts/51%2F..%2Fx?properties=firstname,")
    assert headers == {"Authorization": "Bearer pat-1"}


def test_a_hubspot_contact_that_is_gone_is_none() -> None:
    assert hubspot(404, b"")[0].contact("source/hubspot", "51", None) is None


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (401, b"", ProviderRefusedError("bad-secret")),
        (403, b"", ProviderRefusedError("not-permitted")),
        (429, b"", ProviderBusyError("limit")),
        (502, b"", ProviderBusyError("HTTP 502")),
        (302, b"", ProviderBusyError("HTTP 302")),
        (200, b"[]", ProviderBusyError("unexpected-answer")),
        (200, b"{}", ProviderBusyError("unexpected-answer")),
    ],
    ids=str,
)
def test_what_hubspot_refuses_says_whether_waiting_helps(status: int, answer: bytes, error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)):
        hubspot(status, answer)[0].contact("source/hubspot", "51", None)


def test_the_adapter_understands_the_played_api_over_the_wire(stage: Stage) -> None:
    adapter = WeCom(f"{stage.server.base}/wecom", lambda _: SECRET, lambda: datetime.now(UTC))

    found = adapter.contact("source/wecom", CONTACT, "zhangsan")

    assert found is not None
    assert found.phones == ("138 0000 0001", "13900000009")
