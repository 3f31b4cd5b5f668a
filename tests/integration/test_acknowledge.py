"""The two buttons behind an alert's link: what they write, once each, and what they never do."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from functions.reports import link
from functions.sla import sweep
from leadtrail.adapters import telling_rows
from leadtrail.domain.clock import WARNING
from leadtrail.domain.ids import new_id
from leadtrail.domain.trail import Event
from leadtrail.services import links
from leadtrail.services.ports import OutboxRow, Telling
from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.people import arrive, ask
from tests.integration.test_sweep_and_dispatch import FunctionCalls
from tests.integration.webhooks import Context

PHONE = "Mozilla/5.0 (iPhone) MicroMessenger/8.0 wxwork/4.1"
OWNER = "rep:rep-zhang"
GROUP = "channel:huadong-group"
FORM = "application/x-www-form-urlencoded"
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _functions(world: TestWorld) -> None:
    world.functions = FunctionCalls()


@pytest.fixture
def lead_id(world: TestWorld, clock: TimeTravel) -> str:
    """A lead of 09:00 whose first response has been late for a minute, at 11:01."""
    made = arrive(world)
    clock.at += 2 * HOUR + timedelta(minutes=1)
    sweep.handler({}, Context())
    return made


def tell(world: TestWorld, lead_id: str, *, to: str | None = "rep-zhang", level: int = 1) -> Telling:
    """Write the line of the ledger that a message leaves behind."""
    alert = next(one for one in world.store.alerts(lead_id) if (one.rule, one.level) == ("first_response", level))
    said = Telling(
        id=new_id(world.now()),
        lead_id=lead_id,
        alert_id=alert.id,
        rule=alert.rule,
        episode=alert.episode,
        level=alert.level,
        to=to,
        channel="app" if to else "huadong-group",
        state="sent",
        at=world.now(),
    )
    world.store.write([telling_rows.telling(said)])
    return said


def link_of(world: TestWorld, lead_id: str, row_id: str, recipient: str = OWNER) -> str:
    target = f"alert:{lead_id}:{row_id}"
    [url] = links.make([target], recipient=recipient, reports=world.reports, public_base_url="", now=world.now())
    return url


def send(url: str, method: str, *, body: str = "", agent: str = PHONE, **headers: str) -> dict[str, Any]:
    token = url.rsplit("/r/", 1)[1]
    event = {
        "version": "2.0",
        "rawPath": f"/r/{token}",
        "headers": {"user-agent": agent, "host": "127.0.0.1:4566", "content-type": FORM, **headers},
        "pathParameters": {"token": token},
        "requestContext": {"http": {"method": method, "path": f"/r/{token}", "sourceIp": "203.0.113.77"}},
        "body": body,
    }
    return link.handler(event, Context())


def click(url: str, **more: Any) -> dict[str, Any]:
    return send(url, "GET", **more)


def press(url: str, action: str, **headers: str) -> dict[str, Any]:
    return send(url, "POST", body=f"action={action}", **headers)


def answers(world: TestWorld, lead_id: str) -> list[Event]:
    kinds = ("alert.acknowledged", "alert.snoozed")
    return [event for event in world.store.trail(lead_id) if event.kind in kinds]


def waiting(world: TestWorld, channel: str = "huadong-group") -> list[OutboxRow]:
    return [row for row in world.outbox.due(channel, world.now() + timedelta(days=9), 100) if row.kind == "alert"]


def seen_at(world: TestWorld, lead_id: str, row_id: str) -> Any:
    return next(said.seen_at for said in world.store.tellings(lead_id) if said.id == row_id)


def test_a_message_is_seen_from_its_first_opening_by_a_person_on(
    world: TestWorld, clock: TimeTravel, lead_id: str
) -> None:
    said = tell(world, lead_id)
    url = link_of(world, lead_id, said.id)

    click(url, agent="Mozilla/5.0 (compatible; WeWork LinkPreview)")
    unseen = seen_at(world, lead_id, said.id)
    clock.at += timedelta(minutes=4)
    first = clock()
    click(url)
    clock.at += HOUR
    page = click(url)

    assert unseen is None
    assert seen_at(world, lead_id, said.id) == first
    assert "张三 01-26(周一) 11:01（app，已读 11:05）" in page["body"]


def test_opening_a_link_writes_nothing_on_the_trail(world: TestWorld, lead_id: str) -> None:
    said = tell(world, lead_id)
    before = world.store.trail(lead_id)

    answer = click(link_of(world, lead_id, said.id))

    assert world.store.trail(lead_id) == before
    assert "我已知晓，正在处理" in answer["body"]
    assert "1小时后再提醒" in answer["body"]
    assert "form-action 'self'" in answer["headers"]["content-security-policy"]


def test_the_link_of_a_message_whose_line_is_not_written_yet_opens_and_answers(world: TestWorld, lead_id: str) -> None:
    row = next(row for row in waiting(world) if row.facts["lead"] == lead_id)
    url = link_of(world, lead_id, row.id, GROUP)

    page, pressed = click(url), press(url, "acknowledge")

    assert "我已知晓，正在处理" in page["body"]
    assert pressed["statusCode"] == 303
    assert [event.facts["by"] for event in answers(world, lead_id)] == [GROUP]


def test_a_message_that_is_nowhere_any_more_opens_its_lead_without_buttons(world: TestWorld, lead_id: str) -> None:
    url = link_of(world, lead_id, new_id(world.now()))

    page, pressed = click(url), press(url, "acknowledge")

    assert (page["statusCode"], pressed["statusCode"]) == (200, 410)
    assert "<form" not in page["body"]


def test_acknowledging_writes_once_and_leads_back_to_a_page_that_says_so(
    world: TestWorld, clock: TimeTravel, lead_id: str
) -> None:
    said = tell(world, lead_id)
    url = link_of(world, lead_id, said.id)

    first = press(url, "acknowledge")
    clock.at += timedelta(minutes=5)
    second = press(url, "acknowledge")
    page = click(url)["body"]

    assert (first["statusCode"], first["headers"]["location"]) == (303, f"{url.rsplit('/', 1)[1]}#alert")
    assert (second["statusCode"], second["headers"]) == (303, first["headers"])
    [event] = answers(world, lead_id)
    assert (event.kind, event.actor) == ("alert.acknowledged", OWNER)
    assert event.facts == {
        "alert": said.alert_id,
        "rule": "first_response",
        "episode": 1,
        "level": 1,
        "telling": said.id,
        "by": "rep-zhang",
    }
    assert "张三 01-26(周一) 11:01 表示已知晓，正在处理" in page
    assert "我已知晓，正在处理" not in page
    assert "1小时后再提醒" in page


def test_everybody_who_was_told_may_say_that_they_know(world: TestWorld, lead_id: str) -> None:
    owner, group = tell(world, lead_id), tell(world, lead_id, to=None)

    press(link_of(world, lead_id, owner.id), "acknowledge")
    press(link_of(world, lead_id, group.id, GROUP), "acknowledge")

    assert [event.actor for event in answers(world, lead_id)] == [OWNER, GROUP]


def test_putting_off_brings_the_message_again_in_an_hour_and_holds_up_no_level(
    world: TestWorld, clock: TimeTravel, lead_id: str
) -> None:
    said = tell(world, lead_id, to=None)
    before = {row.id for row in waiting(world)}

    answer = press(link_of(world, lead_id, said.id, GROUP), "snooze")
    press(link_of(world, lead_id, said.id, GROUP), "snooze")

    [row] = [row for row in waiting(world) if row.id not in before]
    assert answer["statusCode"] == 303
    # 12:01 is the lunch break of this company: the next opening.
    assert row.send_at.isoformat() == "2026-01-26T05:30:00+00:00"
    assert {key: row.facts[key] for key in ("lead", "alert", "level", "audience", "to", "repeat")} == {
        "lead": lead_id,
        "alert": said.alert_id,
        "level": 1,
        "audience": "owner",
        "to": None,
        "repeat": 1,
    }
    [event] = answers(world, lead_id)
    assert event.facts["until"] == "2026-01-26T05:30:00.000Z"
    clock.at += timedelta(minutes=60 + 90)
    sweep.handler({}, Context())
    assert [alert.level for alert in world.store.alerts(lead_id)][-1] == 2


def test_what_is_put_off_in_the_evening_comes_again_in_the_morning(world: TestWorld, clock: TimeTravel) -> None:
    clock.at += timedelta(hours=6)  # 15:00, due at 17:00
    lead_id = arrive(world)
    clock.at += timedelta(hours=2, minutes=30)
    sweep.handler({}, Context())
    said = tell(world, lead_id, to=None)

    press(link_of(world, lead_id, said.id, GROUP), "snooze")

    assert answers(world, lead_id)[0].facts["until"] == "2026-01-27T01:00:00.000Z"


def test_an_alert_may_be_put_off_three_times(world: TestWorld, lead_id: str) -> None:
    told = [tell(world, lead_id, to=None) for _ in range(4)]

    pressed = [press(link_of(world, lead_id, said.id, GROUP), "snooze") for said in told]
    page = click(link_of(world, lead_id, told[-1].id, GROUP))["body"]

    assert [answer["statusCode"] for answer in pressed] == [303] * 4
    assert len(answers(world, lead_id)) == 3
    assert sorted(row.facts["repeat"] for row in waiting(world) if "repeat" in row.facts) == [1, 2, 3]
    assert "这项提醒已推迟3次，不能再推迟。" in page
    assert "1小时后再提醒" not in page


def test_a_warning_may_be_answered_too(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world)
    clock.at += timedelta(minutes=91)
    sweep.handler({}, Context())
    said = tell(world, lead_id, level=WARNING)

    press(link_of(world, lead_id, said.id), "acknowledge")

    assert answers(world, lead_id)[0].facts["level"] == WARNING


@pytest.mark.parametrize("action", ["acknowledge", "snooze"])
def test_what_is_settled_says_so_and_writes_nothing(
    world: TestWorld, clock: TimeTravel, lead_id: str, action: str
) -> None:
    said = tell(world, lead_id)
    url = link_of(world, lead_id, said.id)
    touch = {"kind": "call", "direction": "out", "occurred_at": clock().isoformat(), "talk_s": 60}
    ask("POST", f"/leads/{lead_id}/touches", body=touch)

    pressed, page = press(url, action), click(url)["body"]

    assert pressed["statusCode"] == 303
    assert answers(world, lead_id) == []
    assert "这项提醒已经了结，不必再处理。" in page
    assert "<form" not in page


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("action=delete", {}, 400),
        ("", {}, 400),
        ("action=", {}, 400),
        ("action=snooze&action=acknowledge", {}, 400),
        ("action=acknowledge&until=2030", {}, 400),
        ("action=acknowledge;%00", {}, 400),
        ('{"action": "acknowledge"}', {"content-type": "application/json"}, 400),
        ("action=acknowledge", {"content-type": "text/plain"}, 400),
        ("action=acknowledge&x=" + "x" * 2000, {}, 413),
        ("action=acknowledge", {"origin": "https://evil.example"}, 403),
        ("action=acknowledge", {"origin": "https://127.0.0.1:4566.evil.example"}, 403),
    ],
)
def test_a_form_that_is_not_ours_is_refused_with_a_page(
    world: TestWorld, lead_id: str, body: str, headers: dict[str, str], status: int
) -> None:
    said = tell(world, lead_id)

    answer = send(link_of(world, lead_id, said.id), "POST", body=body, **headers)

    assert answer["statusCode"] == status
    assert "这个操作无法识别" in answer["body"]
    assert answers(world, lead_id) == []


@pytest.mark.parametrize("origin", ["http://127.0.0.1:4566", "null", "http://app.localhost:4566"])
def test_a_form_of_our_own_page_is_taken_under_every_name_of_its_address(
    world: TestWorld, lead_id: str, origin: str
) -> None:
    said = tell(world, lead_id)

    answer = press(link_of(world, lead_id, said.id), "acknowledge", origin=origin, host="app.localhost:4566")

    assert answer["statusCode"] == 303


def test_a_link_that_died_or_is_somebody_elses_answers_no_button(
    world: TestWorld, clock: TimeTravel, lead_id: str
) -> None:
    said = tell(world, lead_id)
    of_lead = links.make_lead_link(lead_id, recipient=OWNER, reports=world.reports, public_base_url="", now=world.now())
    strange, own = link_of(world, lead_id, said.id, "rep:rep-zhao"), link_of(world, lead_id, said.id)
    clock.at += timedelta(hours=1)

    tried = [press(url, "acknowledge")["statusCode"] for url in (of_lead, strange, own[:-1] + "_")]
    clock.at += timedelta(hours=72)

    assert tried == [422, 410, 404]
    assert press(own, "acknowledge")["statusCode"] == 410
    assert answers(world, lead_id) == []


def test_a_deputy_opens_and_answers_while_they_stand_in(world: TestWorld, clock: TimeTravel, lead_id: str) -> None:
    said = tell(world, lead_id, to="rep-li")
    url = link_of(world, lead_id, said.id, "rep:rep-li")
    before = press(url, "acknowledge")["statusCode"]
    body = world.config.configured("rep", "rep-zhang")
    assert body is not None
    away = [["2026-01-26", "2026-01-28"]]
    world.config.put("rep", "rep-zhang", {**body, "deputy": "rep-li", "away": away}, now=world.now())

    after = press(url, "acknowledge")["statusCode"]

    assert (before, after) == (410, 303)
    assert [event.actor for event in answers(world, lead_id)] == ["rep:rep-li"]


def test_the_ledger_of_a_clock_says_who_was_told_who_saw_it_and_who_knows(
    world: TestWorld, clock: TimeTravel, lead_id: str
) -> None:
    said = tell(world, lead_id, to=None)
    url = link_of(world, lead_id, said.id, GROUP)
    click(url)
    press(url, "acknowledge")
    press(url, "snooze")

    first = ask("GET", f"/leads/{lead_id}/clocks").body["items"][0]

    [alert] = first["alerts"]
    assert alert["told"] == [
        {
            "to": None,
            "name": "华东一组群机器人",
            "channel": "huadong-group",
            "channel_name": "华东一组群机器人",
            "at": "2026-01-26T11:01:00.000+08:00",
            "state": "sent",
            "digest": False,
            "seen_at": "2026-01-26T11:01:00.000+08:00",
        }
    ]
    assert alert["acknowledged"] == {
        "by": GROUP,
        "name": "华东一组群机器人成员",
        "at": "2026-01-26T11:01:00.000+08:00",
    }
    assert alert["snoozed_until"] == "2026-01-26T13:30:00.000+08:00"
    assert alert["retracted"] is False
    assert first["history"] == [
        "01-26(周一) 09:00 开始计时，应在 01-26(周一) 11:00 前完成",
        "01-26(周一) 11:00 超时",
        "01-26(周一) 11:00 第1级：提醒负责人",
        "01-26(周一) 11:01 华东一组群机器人成员表示已知晓，正在处理",
        "01-26(周一) 11:01 华东一组群机器人成员选择稍后提醒，01-26(周一) 13:30 再次提醒",
        "01-26(周一) 11:01 已告知华东一组群机器人（已读 11:01）",
    ]


def test_a_message_that_is_written_anew_keeps_what_was_said_of_it(world: TestWorld, lead_id: str) -> None:
    said = tell(world, lead_id)

    click(link_of(world, lead_id, said.id))
    [found] = world.store.tellings(lead_id)

    assert found == replace(said, seen_at=world.now())
