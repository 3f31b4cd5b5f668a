"""`leadtrail replay`: what we have, read anew; what reads the same changes nothing, and a better reading repairs."""

import base64
import hashlib
import hmac
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from console import main, replaying, sources
from console.replaying import Tally
from console.source_wish import Wish
from functions.ingest.webhook import handler
from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.identity import Identity
from tests.integration.conftest import NINE, SETTINGS, TestWorld
from tests.integration.webhooks import Context, http_event, lead_created

FORM = "biaodan"
PHONE, EMAIL = "13800138000", "wang@example.com"
SINCE = "2026-01-26"


class Desk:
    """A form whose questions say nothing of what they ask for, and an operator who maps them sooner or later."""

    def __init__(self, world: TestWorld) -> None:
        self.world = world
        self.count = 0
        self.form()
        [self.secret] = [value["secret"] for value in world.source_secrets(f"source/{FORM}")]

    def form(self, *fields: str) -> None:
        wish = Wish(FORM, "typeform", "huadong", fields)
        sources.add(wish, self.world, ask=lambda _: "", replace=True, console=Console(file=io.StringIO()))
        self.world.config.current()  # a function would notice within a minute

    def fill_in(self, *answers: tuple[str, str, str]) -> dict[str, Any]:
        """Send one response of (ref, kind, said)."""
        self.count += 1
        self.world.clock.at += timedelta(minutes=1)
        said = [{"type": kind, kind: text, "field": {"ref": ref}} for ref, kind, text in answers]
        response = {"form_id": "f", "token": f"t{self.count}", "submitted_at": "2026-01-26T00:58:00Z", "answers": said}
        return self.send({"event_type": "form_response", "form_response": response})

    def send(self, event: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps(event)
        digest = base64.b64encode(hmac.new(self.secret.encode(), body.encode(), hashlib.sha256).digest()).decode()
        request = http_event(FORM, body, headers={"typeform-signature": f"sha256={digest}"})
        answer: dict[str, Any] = json.loads(handler(request, Context(f"request-{self.count}"))["body"])
        return answer

    def replay(self, **options: Any) -> tuple[Tally, str]:
        self.world.clock.at += timedelta(hours=1)
        screen = Console(file=io.StringIO(), width=200)
        if not options.get("only_parked"):
            options = {"source": FORM, "since": SINCE, **options}
        tally = replaying.run(self.world, console=screen, **options)
        assert isinstance(screen.file, io.StringIO)
        return tally, screen.file.getvalue()

    def dump(self) -> dict[str, Any]:
        """Return the table as it is."""
        pages = self.world.dynamodb.get_paginator("scan").paginate(TableName=SETTINGS.table)
        return {f"{item['PK']['S']} {item['SK']['S']}": item for page in pages for item in page["Items"]}

    def kinds(self, lead_id: str) -> list[str]:
        return [event.kind for event in self.world.store.trail(lead_id)]

    def screen_of(self, show: Any, **options: Any) -> str:
        screen = Console(file=io.StringIO(), width=200)
        show(self.world, console=screen, **options)
        assert isinstance(screen.file, io.StringIO)
        return screen.file.getvalue()


@pytest.fixture
def desk(world: TestWorld) -> Desk:
    return Desk(world)


def test_a_delivery_that_was_parked_for_want_of_a_field_becomes_its_lead(desk: Desk) -> None:
    answered = desk.fill_in(("q1", "text", "王五"), ("q2", "text", PHONE))
    assert answered == {"id": None, "outcome": "parked"}

    desk.form("name=q1", "phone=q2")
    tally, said = desk.replay()
    known = desk.world.store.identified(Identity("phone", f"+86{PHONE}"))
    after = desk.dump()
    again, _ = desk.replay()

    assert tally.counts == {"created": 1}
    assert "新建线索 1" in said
    assert known is not None
    assert desk.kinds(known.lead_id)[:2] == ["lead.received", "owner.assigned"]
    assert again.counts == {"unchanged": 1}
    assert desk.dump() == after


def test_a_number_that_was_not_mapped_is_added_to_the_lead_that_the_address_made(desk: Desk) -> None:
    answered = desk.fill_in(("q1", "email", EMAIL), ("q2", "text", PHONE))
    assert answered["outcome"] == "created"

    desk.form("phone=q2")
    tally, said = desk.replay()
    lead = desk.world.store.lead(answered["id"])
    assert lead is not None
    contact = desk.world.store.persons([lead.person_id])[lead.person_id].contact
    known = desk.world.store.identified(Identity("phone", f"+86{PHONE}"))
    after = desk.dump()
    again, _ = desk.replay()

    assert tally.counts == {"corrected": 1}
    assert "已补正 1" in said
    assert (contact.phones, contact.emails) == ((f"+86{PHONE}",), (EMAIL,))
    assert known is not None
    assert known.lead_id == answered["id"]
    assert desk.kinds(answered["id"])[-1] == "delivery.corrected"
    assert again.counts == {"unchanged": 1}
    assert desk.dump() == after


def test_what_reads_the_same_changes_nothing_at_all(desk: Desk) -> None:
    desk.fill_in(("q1", "email", EMAIL))
    desk.fill_in(("q1", "email", EMAIL), ("q2", "text", "还有一个问题"))
    desk.fill_in(("q2", "text", "没有留下联系方式"))
    before = desk.dump()

    tally, _ = desk.replay()

    assert tally.counts == {"unchanged": 2, "parked": 1}
    assert desk.dump() == before


def test_a_dry_run_says_what_would_come_and_writes_nothing(desk: Desk) -> None:
    desk.fill_in(("q1", "email", EMAIL), ("q2", "text", PHONE))
    desk.fill_in(("q2", "text", "13900139000"))
    desk.form("phone=q2")
    before = desk.dump()

    tally, said = desk.replay(dry_run=True)
    afterwards = desk.dump()
    done, _ = desk.replay()

    assert tally.counts == done.counts == {"corrected": 1, "created": 1}
    assert "没有写入任何内容" in said
    assert afterwards == before != desk.dump()


def test_only_what_came_since_then_is_replayed_in_the_companys_zone(desk: Desk) -> None:
    desk.world.clock.at = NINE - timedelta(hours=9, minutes=2)  # 23:59 of the day before, in Shanghai
    desk.fill_in(("q2", "text", "13700137000"))
    desk.fill_in(("q2", "text", PHONE))
    desk.form("phone=q2")

    later, _ = desk.replay(since="2026-01-26T00:00", dry_run=True)
    both, _ = desk.replay(since="2026-01-25T15:59:00Z", dry_run=True)

    assert (later.counts["created"], both.counts["created"]) == (1, 2)


def test_the_oldest_is_taken_first(desk: Desk) -> None:
    for name in ("甲", "乙", "丙", "丁"):
        desk.fill_in(("q1", "text", name), ("q2", "text", PHONE))
    desk.form("name=q1", "phone=q2")

    tally, _ = desk.replay()

    known = desk.world.store.identified(Identity("phone", f"+86{PHONE}"))
    assert known is not None
    assert desk.world.store.persons([known.person_id])[known.person_id].contact.name == "甲"
    assert tally.counts == {"created": 1, "merged": 3}


def test_parked_deliveries_alone_can_be_replayed_whatever_their_source(desk: Desk) -> None:
    handler(lead_created(desk.world.now(), phone="座机", email=""), Context("standard-1"))
    desk.fill_in(("q1", "email", EMAIL))
    desk.fill_in(("q2", "text", PHONE))
    desk.form("phone=q2")

    tally, _ = desk.replay(only_parked=True)

    assert tally.counts == {"created": 1, "parked": 1}


def test_a_body_that_is_not_kept_any_more_is_counted(desk: Desk) -> None:
    desk.fill_in(("q2", "text", PHONE))
    [body] = [item for item in desk.dump().values() if item["SK"]["S"] == "BODY"]
    desk.world.dynamodb.delete_item(TableName=SETTINGS.table, Key={name: body[name] for name in ("PK", "SK")})

    tally, said = desk.replay()

    assert (tally.counts, tally.status) == ({"gone": 1}, 0)
    assert "原文已过期 1" in said


def test_what_todays_parser_refuses_is_named_and_the_others_go_on(desk: Desk) -> None:
    calls = ("id=uuid", "direction=type", "customer=tel", "started_at=begin", "talk_s=billsec")
    wish = Wish("hujiao", "generic_cdr", "huadong", calls)
    screen = Console(file=io.StringIO(), width=200)
    sources.add(wish, desk.world, ask=lambda _: "", console=screen)
    desk.world.config.current()
    assert isinstance(screen.file, io.StringIO)
    [line] = [line for line in screen.file.getvalue().splitlines() if "/webhooks/" in line]
    call = {"uuid": "1", "type": "in", "begin": "2026-01-26 08:59:00", "billsec": 9, "tel": PHONE}
    for each in (call, {**call, "uuid": "2", "talked": 9}):
        event = http_event("hujiao", json.dumps(each))
        event["pathParameters"]["token"] = line.rpartition("/")[2]
        assert handler(event, Context(each["uuid"]))["statusCode"] == 200

    again = Wish("hujiao", "generic_cdr", "huadong", (*calls[:-1], "talk_s=talked"))
    sources.add(again, desk.world, ask=lambda _: "", replace=True, console=screen)
    tally, said = desk.replay(source="hujiao")

    assert (tally.counts, tally.status) == ({"failed": 1, "unchanged": 1}, 1)
    assert "talked" in said
    assert PHONE not in said


def test_lists_that_people_import_are_not_replayed(desk: Desk) -> None:
    body = {"provider": "import", "team": "huadong", "secret": "source/lists"}
    desk.world.config.put("source", "lists", body, now=desk.world.now())

    with pytest.raises(InvalidInputError) as refused:
        desk.replay(source="lists")
    everything, _ = desk.replay(only_parked=True)

    assert refused.value.facts["field"] == "source"
    assert everything.counts == {}


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"source": None, "since": SINCE}, "replay"),
        ({"source": FORM, "since": None}, "replay"),
        ({"source": "nobody", "since": SINCE}, "source"),
        ({"source": FORM, "since": "yesterday"}, "since"),
        ({"source": FORM, "since": "2026-13-01"}, "since"),
    ],
)
def test_a_replay_that_nobody_can_mean_is_refused(desk: Desk, options: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        desk.replay(**options)

    assert refused.value.facts["field"] == place


def test_what_is_parked_is_listed_with_its_reason_and_without_the_person(desk: Desk) -> None:
    desk.fill_in(("q2", "text", PHONE))
    [receipt] = [key for key in desk.dump() if key.endswith(" RECEIPT")]

    said = desk.screen_of(replaying.parked)

    assert "没有可识别的联系方式" in said
    assert "2026-01-26 09:01" in said
    assert receipt.split("#")[2][:8] in said
    assert PHONE not in said
    assert "没有搁置的投递" in desk.screen_of(replaying.parked, source="standard")


def test_an_expired_receipt_is_none(desk: Desk) -> None:
    desk.fill_in(("q2", "text", PHONE))
    [receipt] = [item for item in desk.dump().values() if item["SK"]["S"] == "RECEIPT"]
    expired = {**receipt, "expires_at": {"N": str(int(desk.world.now().timestamp()))}}
    desk.world.dynamodb.put_item(TableName=SETTINGS.table, Item=expired)

    assert "没有搁置的投递" in desk.screen_of(replaying.parked)
    assert desk.replay()[0].counts == {}


def test_what_was_refused_is_shown_as_an_outline(desk: Desk) -> None:
    desk.send({"event_type": "form_response", "form_response": {"token": 7, "answers": PHONE}})

    said = desk.screen_of(replaying.rejected)
    desk.world.clock.at += timedelta(days=8)

    assert f"{FORM}  2026-01-26 09:00  invalid-input  form_response.token" in said
    assert '"answers": "<text 11>"' in said
    assert PHONE not in said
    assert "没有被拒绝的投递样本" in desk.screen_of(replaying.rejected)


def test_the_commands_say_what_is_wrong_and_do_what_is_right(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "_world", lambda: desk.world)
    runner = CliRunner()
    desk.fill_in(("q2", "text", PHONE))

    wrong = runner.invoke(main.app, ["replay", "--source", "nobody", "--since", SINCE])
    tried = runner.invoke(main.app, ["replay", "--source", FORM, "--since", SINCE, "--dry-run"])
    parked = runner.invoke(main.app, ["parked", "--source", FORM])
    rejected = runner.invoke(main.app, ["rejected"])

    assert [one.exit_code for one in (wrong, tried, parked, rejected)] == [1, 0, 0, 0]
    assert "仍然搁置 1" in tried.output
    assert FORM in parked.output
