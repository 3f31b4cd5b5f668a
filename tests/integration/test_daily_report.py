import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.ingest import webhook
from functions.reports import daily, page
from functions.sla import dispatch, sweep
from leadtrail.adapters.robots import Robots
from leadtrail.adapters.table import OutboxItem
from leadtrail.services.ports import OutboxRow
from tests.integration.conftest import SETTINGS, TestWorld, TimeTravel
from tests.integration.people import ask
from tests.integration.test_sweep_and_dispatch import FunctionCalls, RobotNetwork
from tests.integration.webhooks import Context, call_completed, lead_created

TUESDAY = datetime(2026, 1, 27, 0, 30, tzinfo=UTC)  # 08:30 in Shanghai
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def network(world: TestWorld) -> RobotNetwork:
    made = RobotNetwork()
    world.robots = Robots(world.secrets.valid, world.clock, made)
    world.functions = FunctionCalls()
    return made


def late_lead(clock: TimeTravel, number: int = 1, **data: Any) -> str:
    """A lead of Monday 09:00 that nobody answers."""
    body = lead_created(clock(), message_id=f"m{number}", phone=f"1380013{number:04d}", **data)
    return str(json.loads(webhook.handler(body, Context())["body"])["id"])


def run(**event: str) -> list[str]:
    return daily.handler(event, Context())["reports"]


def stored(world: TestWorld, report_id: str, end: str = "json") -> bytes:
    report = world.reports.report(report_id)
    assert report is not None
    body = world.objects.get(SETTINGS.reports_bucket, f"{report.folder}.{end}")
    assert body is not None
    return body


def snapshot(world: TestWorld, report_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stored(world, report_id))
    return found


def of_team(world: TestWorld, ids: list[str], team: str = "huadong") -> str:
    return next(report_id for report_id in ids if world.reports.report(report_id).team == team)


def pushes(world: TestWorld, team: str = "huadong") -> list[OutboxRow]:
    rows = world.outbox.due("managers", world.now(), 100)
    return [row for row in rows if row.kind == "report" and row.facts["team"] == team]


def test_the_morning_report_names_who_is_late_by_how_much_and_why(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    lead_id = late_lead(clock, name="王磊")
    clock.at = TUESDAY
    sweep.handler({}, Context())

    ids = run()

    said = snapshot(world, of_team(world, ids))
    assert said["tags"] == {"超时未响应": 1, "反复退回同一阶段": 0, "连续3次跳过SOP项": 0}
    assert (said["day"], said["as_of"]) == ("2026-01-27", "2026-01-27T08:30:00+08:00")
    [lead] = said["leads"]
    assert (lead["id"], lead["name"], lead["phone"]) == (lead_id, "王磊", "138****0001")
    assert lead["tags"] == ["超时未响应"]
    assert (lead["severity"], said["at_risk"]) == (2, 1)
    [late] = lead["clocks"]
    assert late["title"] == "首次响应"
    assert late["overdue"] == "5小时30分(工作时间)"
    assert late["level_title"] == "已升级至主管"
    assert late["explain"] == ["01-26(周一) 09:00–11:00 计2小时"]


def test_every_team_has_a_report_and_one_without_late_leads_says_so(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    clock.at = TUESDAY

    ids = run()

    assert len(ids) == 2
    text = stored(world, of_team(world, ids, "huanan"), "html").decode()
    assert "今天没有人超时" in text
    for tag in ("超时未响应", "反复退回同一阶段", "连续3次跳过SOP项"):
        assert tag in text


def test_the_page_is_the_same_to_the_byte_whenever_it_is_made_of_its_snapshot(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    late_lead(clock)
    clock.at = TUESDAY
    sweep.handler({}, Context())

    report_id = of_team(world, run())

    assert page.daily(snapshot(world, report_id)).encode() == stored(world, report_id, "html")


def test_a_schedule_that_fires_twice_changes_nothing_and_pushes_once(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    late_lead(clock)
    clock.at = TUESDAY
    sweep.handler({}, Context())

    first, second = run(), run()

    report = world.reports.report(of_team(world, first))
    assert first == second
    assert report is not None
    assert report.version == 1
    assert len(pushes(world)) == 1


def test_a_report_that_says_more_is_a_new_version_of_the_same_id_and_is_not_pushed_again(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    late_lead(clock)
    clock.at = TUESDAY
    before = of_team(world, run())
    clock.at += timedelta(minutes=5)
    sweep.handler({}, Context())

    [after] = run(team="huadong", day="2026-01-27")

    report = world.reports.report(after)
    assert before == after
    assert report is not None
    assert (report.version, dict(report.tags)["超时未响应"]) == (2, 1)
    assert len(pushes(world)) == 1


def test_the_push_reaches_the_managers_channel_only_with_a_link(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    late_lead(clock)
    clock.at = TUESDAY
    run()
    [row] = pushes(world)

    dispatch.handler({"channel": "managers"}, Context())
    dispatch.handler({"channel": "huadong-group"}, Context())

    reports = [(url, text) for url, text in network.taken if "日报" in text]
    assert row.facts == {
        "report": row.facts["report"],
        "team": "huadong",
        "day": "2026-01-27",
        "tags": row.facts["tags"],
        "to": None,
        "channels": ["managers"],
        "tried": [],
    }
    assert len(reports) == 2  # one for each team
    assert all("dingtalk" in url and "http://127.0.0.1:4566/r/" in text for url, text in reports)


def test_where_managers_have_no_group_the_report_comes_to_each_of_them(world: TestWorld, clock: TimeTravel) -> None:
    app = {"bot": "wecom-app", "audiences": ["owner", "manager", "director"], "secret": "channel/app", "name": "应用"}
    world.config.put("channel", "app", app, now=clock())
    body = world.config.configured("channel", "managers")
    assert body is not None
    world.config.put("channel", "managers", {**body, "audiences": ["owner"], "team": "huadong"}, now=clock())
    clock.at = TUESDAY

    run()

    pushed = [OutboxItem.from_raw_data(item) for item in world.store.items("OUTBOX#app")]
    assert sorted(row.facts["to"] for row in pushed) == ["mgr-sun", "mgr-wang"]


def test_a_day_off_has_no_report(world: TestWorld, clock: TimeTravel, network: RobotNetwork) -> None:
    clock.at = datetime(2026, 1, 31, 0, 30, tzinfo=UTC)  # Saturday

    ids = run()

    assert ids == []
    assert pushes(world) == []


def test_a_make_up_saturday_has_a_report(world: TestWorld, clock: TimeTravel, network: RobotNetwork) -> None:
    clock.at = datetime(2026, 2, 14, 0, 30, tzinfo=UTC)

    ids = run()

    assert len(ids) == 2


def test_a_day_off_has_a_report_when_a_manager_orders_it(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    clock.at = datetime(2026, 1, 31, 4, tzinfo=UTC)

    [report_id] = run(team="huadong", day="2026-01-31")

    assert snapshot(world, report_id)["as_of"] == "2026-01-31T12:00:00+08:00"


def test_a_past_day_is_told_as_it_was_though_the_lead_has_been_answered_since(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    late_lead(clock)
    clock.at = TUESDAY
    sweep.handler({}, Context())
    clock.at += timedelta(hours=1)
    answered = call_completed(clock(), phone="13800130001", talk_s=60, message_id="c1")
    webhook.handler(answered, Context())
    clock.at += timedelta(days=1)

    [past] = run(team="huadong", day="2026-01-27")
    [today] = run(team="huadong", day="2026-01-28")

    said = snapshot(world, past)
    assert said["as_of"] == "2026-01-27T08:30:00+08:00"
    assert said["leads"][0]["clocks"][0]["overdue"] == "5小时30分(工作时间)"
    assert snapshot(world, today)["leads"] == []


def test_a_breach_that_was_put_right_is_told_the_next_morning_and_the_same_whenever_that_is_made_again(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    lead_id = late_lead(clock, name="王磊")
    began = clock.at
    clock.at += timedelta(hours=4)
    sweep.handler({}, Context())
    began_at = (began + timedelta(hours=1)).isoformat()
    called = call_completed(clock(), phone="13800130001", started_at=began_at, message_id="c1")
    webhook.handler(called, Context())
    clock.at = TUESDAY
    report_id = of_team(world, run())
    first = stored(world, report_id)
    clock.at += timedelta(days=2)

    [again] = run(team="huadong", day="2026-01-27")
    [later] = run(team="huadong", day="2026-01-29")

    said = snapshot(world, report_id)
    assert said["leads"] == []
    assert [(each["id"], each["name"], each["title"]) for each in said["corrections"]] == [
        (lead_id, "王磊", "首次响应")
    ]
    assert said["corrections"][0]["answered_at"] == "2026-01-26T10:00:00+08:00"
    assert said["corrections"][0]["learned_at"] == "2026-01-26T13:00:00+08:00"
    assert (again, stored(world, again)) == (report_id, first)
    assert snapshot(world, later)["corrections"] == []


def test_leads_that_rest_are_counted_as_they_were_at_the_time(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    resting, broken_off = late_lead(clock, 1), late_lead(clock, 2)
    clock.at += timedelta(minutes=30)
    until = (TUESDAY + timedelta(hours=8)).isoformat()
    asked = {"until": until, "reason": "customer-asked", "note": "客户说周二下午再联系"}
    replies = [ask("POST", f"/leads/{lead_id}/pause", body=asked, user="wangfang") for lead_id in (resting, broken_off)]
    clock.at += timedelta(hours=1)
    reason = {"reason": "客户回电，继续跟进"}
    replies.append(ask("POST", f"/leads/{broken_off}/resume", body=reason, user="wangfang"))
    moments = (clock.at - timedelta(minutes=30), clock.at + timedelta(minutes=1), TUESDAY + timedelta(days=1))

    counted = [world.reports.paused("huadong", at) for at in moments]

    assert [reply.status for reply in replies] == [200] * 3
    assert counted == [2, 1, 0]


def test_what_was_told_and_seen_by_then_stands_in_the_report(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    lead_id = late_lead(clock)
    clock.at += timedelta(hours=2, minutes=1)
    sweep.handler({}, Context())
    dispatch.handler({"channel": "huadong-group"}, Context())
    [said] = world.store.tellings(lead_id)
    clock.at = TUESDAY
    ids = run()
    unseen = snapshot(world, of_team(world, ids))
    clock.at += timedelta(minutes=1)
    world.reports.note_seen(lead_id, said.id, clock.at)

    again = run(now="2026-01-27T08:30:00+08:00")

    [late] = unseen["leads"][0]["clocks"]
    assert late["told"] == ["负责人 华东一组群机器人 01-26(周一) 11:01（未读）"]
    assert snapshot(world, of_team(world, again)) == unseen


def test_a_report_asks_one_query_more_for_each_late_lead_and_two_for_the_team(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        late_lead(clock, number)
    clock.at = TUESDAY
    sweep.handler({}, Context())
    asked: list[str] = []
    real = world.store.query

    def query(partition: str, **options: Any) -> Any:
        asked.append(partition.split("#", maxsplit=1)[0])
        return real(partition, **options)

    monkeypatch.setattr(world.store, "query", query)

    run(team="huadong", day="2026-01-27")

    assert sorted(asked) == ["CORRECTED", "LEAD", "LEAD", "LEAD", "PAUSED", "RISK"]


def test_a_breach_after_the_named_moment_is_not_in_the_report(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    late_lead(clock)
    clock.at += timedelta(hours=2, minutes=1)
    sweep.handler({}, Context())

    ids = run(now="2026-01-26T10:59:00+08:00")

    assert snapshot(world, of_team(world, ids))["leads"] == []


def test_the_worst_stand_first(world: TestWorld, clock: TimeTravel, network: RobotNetwork) -> None:
    early = late_lead(clock, 1)
    clock.at += timedelta(minutes=30)
    late = late_lead(clock, 2)
    clock.at += timedelta(hours=8)  # 17:30, due on Tuesday at 10:30
    latest = late_lead(clock, 3)
    clock.at = datetime(2026, 1, 27, 2, tzinfo=UTC)
    sweep.handler({}, Context())

    [report_id] = run(team="huadong", day="2026-01-27")

    said = snapshot(world, report_id)
    assert [lead["id"] for lead in said["leads"]] == [early, late]
    assert latest not in json.dumps(said)
    assert [(row["severity"], row["count"]) for row in said["by_severity"]] == [(3, 0), (2, 2), (1, 0)]


def test_what_a_stand_in_leaves_of_a_schedules_time_is_taken_as_missing(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    clock.at = TUESDAY

    ids = run(now="<aws.scheduler.scheduled-time>")

    assert len(ids) == 2


def test_a_hostile_name_stays_text(world: TestWorld, clock: TimeTravel, network: RobotNetwork) -> None:
    late_lead(clock, name=HOSTILE)
    clock.at = TUESDAY
    sweep.handler({}, Context())

    report_id = of_team(world, run())

    assert HOSTILE not in stored(world, report_id, "html").decode()
    assert "&lt;img src=x" in stored(world, report_id, "html").decode()


def test_one_teams_trouble_does_not_keep_the_report_from_the_others(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    late_lead(clock)
    clock.at = TUESDAY
    sweep.handler({}, Context())
    monkeypatch.setattr(page, "daily", broken_for_late_leads(page.daily))

    with pytest.raises(ExceptionGroup):
        run()

    assert [
        report.team for report in world.reports.listed("daily", ["huadong", "huanan"], day=None, after=None, limit=9)
    ] == ["huanan"]


def broken_for_late_leads(render: Any) -> Any:
    def broken(said: dict[str, Any]) -> str:
        if said["leads"]:
            raise ValueError("broken")
        return str(render(said))

    return broken
