"""The page of a lead in words: one that was warned, breached, escalated, corrected, paused, rebased or reopened."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.reports import page
from leadtrail.domain import schedule
from leadtrail.domain.company import Channel, Company, Rep, Team
from leadtrail.domain.delivery import Contact
from leadtrail.domain.policy import Policy
from leadtrail.domain.trail import Happening
from leadtrail.domain.worktime import WorkCalendar
from leadtrail.services import lead_page
from leadtrail.services.ports import Alert, Telling
from tests.builders import NINE, OFFICE, Story, call, happening, policy_body, rule, timing

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


class FakeConfiguration:
    """One company with one policy, from memory."""

    def __init__(self, policy: Policy, calendar: WorkCalendar | None = None) -> None:
        self.one, self.known = policy, calendar or WorkCalendar.from_dict(policy.calendar)

    def company(self, stamp: int | None = None) -> Company:
        channels = (
            Channel("app", "wecom-app", ("owner", "manager"), "secret"),
            Channel("huadong-group", "wecom", ("team",), "secret", "huadong", "华东一组群"),
        )
        return Company(
            stamp=1,
            name="示例公司",
            zone="Asia/Shanghai",
            teams={"huadong": Team("huadong", "华东一组")},
            reps={
                "rep-li": Rep("rep-li", "李雷", "rep", "huadong"),
                "mgr-wang": Rep("mgr-wang", "王芳", "manager", "huadong"),
            },
            sources={},
            channels={channel.id: channel for channel in channels},
            policies={"default": self.one},
        )

    def current(self) -> Company:
        return self.company()

    def put(self, kind: str, name: str, body: dict[str, Any], *, now: datetime) -> int:
        raise AssertionError("a page changes no configuration")

    def policy(self, name: str, version: int) -> Policy:
        assert (name, version) == ("default", 1)
        return self.one

    def calendar(self, policy: Policy) -> WorkCalendar:
        return self.known


def alert(level: int, at: datetime, audience: str) -> Alert:
    return Alert(f"ALERT{level}", "L", "first_response", 1, level, audience, "app", at)


def telling(level: int, to: str | None, at: datetime, **changes: Any) -> Telling:
    channel = "app" if to else "huadong-group"
    known = Telling(f"TOLD{level}", "L", f"ALERT{level}", "first_response", 1, level, to, channel, "sent", at)
    return replace(known, **changes)


def shown(
    story: Story,
    now: datetime,
    *,
    alerts: tuple[Alert, ...] = (),
    tellings: tuple[Telling, ...] = (),
    said: Telling | None = None,
    config: FakeConfiguration | None = None,
) -> Mapping[str, Any]:
    """Return the snapshot of a lead's page, which renders."""
    known = config or FakeConfiguration(story.timing.policy, story.timing.calendar)
    found = lead_page.describe(
        story.lead,
        events=tuple(story.events),
        contact=Contact("王磊", ("+8613800130001",), ()),
        company=known.company(),
        config=known,
        now=now,
        alerts=alerts,
        tellings=tellings,
        said=said,
    )
    assert "None" not in page.lead(found)
    return found


def first(found: Mapping[str, Any]) -> Mapping[str, Any]:
    clock: Mapping[str, Any] = found["clocks"][0]
    return clock


def summaries(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(event["title"], event["summary"]) for event in found["trail"]]


def test_a_clock_that_runs_says_what_comes_next() -> None:
    story = Story(timing())

    clock = first(shown(story, NINE))

    assert clock["next"] == "01-26(周一) 10:30 提前提醒负责人"
    assert clock["policy"] == {"name": "default", "version": 1}
    assert [(level["title"], level["state"]) for level in clock["levels"]] == [
        ("到期前提醒负责人", "尚未到时"),
        ("第1级：提醒负责人", "尚未到时"),
        ("第2级：升级至主管", "尚未到时"),
        ("第3级：升级至总监", "尚未到时"),
    ]


def test_a_warned_lead_says_who_was_warned_and_what_comes_when_nobody_answers() -> None:
    story = Story(timing())
    at = NINE + timedelta(minutes=90)
    story.sweep(at)

    clock = first(
        shown(story, at, alerts=(alert(0, at, "owner"),), tellings=(telling(0, "rep-li", at, seen_at=at + MINUTE),))
    )

    assert clock["levels"][0]["told"] == ["李雷 01-26(周一) 10:30（企业微信应用，已读 10:31）"]
    assert clock["next"] == "01-26(周一) 11:00 到期，仍未完成则提醒负责人"
    assert clock["state_title"] == "计时中"


def test_a_breached_and_escalated_lead_says_who_was_told_and_what_they_answered() -> None:
    story = Story(timing())
    story.sweep_every_minute(NINE + 4 * HOUR)
    due, later = NINE + 2 * HOUR, NINE + 3 * HOUR
    pressed = {"rule": "first_response", "episode": 1, "level": 1, "alert": "ALERT1", "telling": "TOLD1"}
    story.write(
        [
            Happening("alert.acknowledged", due + MINUTE, "rep:rep-li", {**pressed, "by": "rep-li"}),
            Happening(
                "alert.snoozed",
                due + 2 * MINUTE,
                "channel:huadong-group",
                {**pressed, "by": "channel:huadong-group", "until": "2026-01-26T05:30:00.000Z"},
            ),
        ],
        due + 2 * MINUTE,
    )

    found = shown(
        story,
        later,
        alerts=(alert(1, due, "owner"), alert(2, later, "manager")),
        tellings=(telling(1, "rep-li", due), telling(2, "mgr-wang", later, state="unconfirmed", digest=True)),
    )

    clock = first(found)
    assert (clock["state_title"], clock["next"]) == ("已超时", "01-27(周二) 11:00 升级至总监")
    levels = {level["level"]: level for level in clock["levels"]}
    assert levels[1]["told"] == ["李雷 01-26(周一) 11:00（企业微信应用，未读）"]
    assert levels[1]["answers"] == [
        "李雷 01-26(周一) 11:01 表示已知晓，正在处理",
        "已选择稍后提醒，01-26(周一) 13:30 再次提醒",
    ]
    assert levels[2]["told"] == ["王芳 01-26(周一) 12:00（企业微信应用，与其他提醒合并发送，未确认送达）"]
    assert ("已知晓", "首次响应，李雷") in summaries(found)
    assert ("稍后提醒", "首次响应，华东一组群成员，至 01-26(周一) 13:30") in summaries(found)
    assert ("升级提醒", "首次响应，通知主管") in summaries(found)


def test_a_level_that_a_late_sweep_skipped_says_that_a_higher_one_spoke_for_it() -> None:
    story = Story(timing())
    story.sweep(NINE + 5 * HOUR)

    levels = first(shown(story, NINE + 5 * HOUR, alerts=(alert(2, NINE + 5 * HOUR, "manager"),)))["levels"]

    assert [(level["level"], level["state"]) for level in levels] == [
        (0, "由超时提醒代替"),
        (1, "与更高一级合并提醒"),
        (2, "等待发送"),
        (3, "尚未到时"),
    ]


def test_a_corrected_lead_shows_what_had_been_said_struck_out_and_what_is_true() -> None:
    story = Story(timing())
    story.sweep_every_minute(NINE + 3 * HOUR)
    learned = NINE + 3 * HOUR + 20 * MINUTE
    story.touch(call(NINE + HOUR), learned)

    found = shown(
        story,
        learned,
        alerts=(alert(1, NINE + 2 * HOUR, "owner"),),
        tellings=(telling(1, "rep-li", NINE + 2 * HOUR),),
    )

    clock = first(found)
    assert clock["state_title"] == "已按时完成"
    assert clock["correction"] == {
        "was": "01-26(周一) 11:00 超时",
        "now": "实际已于 01-26(周一) 10:00 完成，01-26(周一) 12:20 得知，预警已撤回",
    }
    assert [level["retracted"] for level in clock["levels"]] == [False, True, False, False]
    assert clock["history"][-1] == "01-26(周一) 12:20 更正：因跟进撤回超时预警"
    assert "01-26(周一) 10:00 以跟进完成（01-26(周一) 12:20 得知）" in clock["history"]
    assert clock["next"] is None
    assert "<s>01-26(周一) 11:00 超时</s>" in page.lead(found)


def test_a_touch_that_is_withdrawn_makes_the_breach_true_again() -> None:
    story = Story(timing())
    story.sweep_every_minute(NINE + 3 * HOUR)
    story.touch(call(NINE + HOUR), NINE + 3 * HOUR + 20 * MINUTE)
    touched = next(event for event in story.events if event.kind == "touch.recorded")
    story.withdraw(touched.seq, NINE + 5 * HOUR)

    found = shown(story, NINE + 5 * HOUR)

    assert first(found)["correction"] is None
    assert first(found)["state_title"] == "已超时"
    assert ("撤回误录跟进", f"第 {touched.seq} 条不再算数") in summaries(found)


def test_a_paused_lead_says_why_and_until_when_and_how_much_it_put_off() -> None:
    story = Story(timing())
    until = NINE + timedelta(days=1, hours=1)
    story.pause(until, NINE + HOUR, "first_response")

    found = shown(story, NINE + HOUR)

    clock = first(found)
    assert clock["state_title"] == "已暂停"
    assert clock["next"] == "01-27(周二) 10:00 恢复计时"
    assert clock["pauses"] == [
        {"from": "2026-01-26T10:00:00+08:00", "until": "2026-01-27T10:00:00+08:00", "reason": "客户要求稍后联系"}
    ]
    assert clock["due_at"] == "2026-01-27T11:00:00+08:00"
    assert ("暂停计时", "首次响应，客户要求稍后联系，至 01-27(周二) 10:00") in summaries(found)
    assert "01-26(周一) 10:00 暂停计时至 01-27(周二) 10:00（客户要求稍后联系）" in clock["history"]


def test_a_pause_that_was_broken_off_says_when_time_counts_again() -> None:
    story = Story(timing())
    story.pause(NINE + timedelta(days=1), NINE + HOUR, "first_response")
    story.resume(NINE + HOUR + 30 * MINUTE)

    clock = first(shown(story, NINE + 2 * HOUR))

    assert clock["pauses"][0]["until"] == "2026-01-26T10:30:00+08:00"
    assert "01-26(周一) 10:30 恢复计时，应在 01-26(周一) 11:30 前完成" in clock["history"]


def test_a_rebased_clock_shows_the_old_due_time_the_new_one_and_why() -> None:
    story = Story(timing())
    known = story.timing
    wider = WorkCalendar.from_dict({"tz": "Asia/Shanghai", "hours": OFFICE, "off": ["2026-01-26"]})
    rebased = schedule.rebase(
        story.clock("first_response"), known.policy, known.policy.rules[0], wider, at=NINE + HOUR, why="calendar"
    )
    assert rebased is not None
    story.write([rebased], NINE + HOUR)

    found = shown(story, NINE + HOUR, config=FakeConfiguration(known.policy, wider))

    clock = first(found)
    assert clock["rebased"] == [
        {
            "why": "节假日安排公布",
            "at": "2026-01-26T10:00:00+08:00",
            "due_before": "2026-01-26T11:00:00+08:00",
            "due_after": "2026-01-27T11:00:00+08:00",
        }
    ]
    assert ("重新计算时限", "首次响应，节假日安排公布，改为 01-27(周二) 11:00 前完成") in summaries(found)


def test_a_reopened_lead_goes_on_with_a_new_episode_without_the_closed_span() -> None:
    story = Story(timing())
    story.close(NINE + HOUR)
    story.reopen(NINE + timedelta(days=1))

    found = shown(story, NINE + timedelta(days=1))

    former, goes_on = (next(c for c in found["clocks"] if c["state"] == state) for state in ("cancelled", "running"))
    assert (former["rule"], goes_on["rule"]) == ("first_response", "first_response")
    assert former["history"][-1] == "01-26(周一) 10:00 取消计时（输单）"
    assert goes_on["pauses"] == [
        {"from": "2026-01-26T10:00:00+08:00", "until": "2026-01-27T09:00:00+08:00", "reason": "线索关闭期间"}
    ]
    assert goes_on["due_at"] == "2026-01-27T10:00:00+08:00"
    assert "重新打开" in [event["title"] for event in found["trail"]]


def test_a_reopened_lead_still_says_why_it_was_paused_before() -> None:
    story = Story(timing())
    story.pause(NINE + HOUR, NINE + timedelta(minutes=30), "first_response")
    story.sweep(NINE + HOUR)
    story.close(NINE + 2 * HOUR)
    story.reopen(NINE + timedelta(days=1))

    found = shown(story, NINE + timedelta(days=1))

    goes_on = next(c for c in found["clocks"] if (c["rule"], c["state"]) == ("first_response", "running"))
    assert [pause["reason"] for pause in goes_on["pauses"]] == ["客户要求稍后联系", "线索关闭期间"]


def test_an_estimated_clock_says_what_was_guessed() -> None:
    calendar = {"tz": "Asia/Shanghai", "hours": OFFICE, "published": [2025]}
    story = Story(timing(calendar=calendar))

    found = shown(story, NINE)

    assert first(found)["estimated"] == "2026年节假日安排尚未公布，按周历推算"
    assert "2026年节假日安排尚未公布，按周历推算" in page.lead(found)


def test_a_rule_of_the_companys_own_is_called_as_its_policy_calls_it() -> None:
    body = policy_body(rules=[rule(name="quote", title="报价回复")])
    story = Story(timing(rules=body["rules"]))

    found = shown(story, NINE)

    assert first(found)["title"] == "报价回复"
    assert ("开始计时", "报价回复") in summaries(found)


def test_a_lead_that_went_back_to_the_pool_says_so() -> None:
    story = Story(timing())
    story.write([happening("owner.released", NINE + HOUR, **{"from": "rep-li", "why": "pool"})], NINE + HOUR)

    found = shown(story, NINE + HOUR)

    assert ("退回公海", "长时间无人跟进") in summaries(found)
    assert found["owner"] is None


def test_a_number_in_a_name_is_masked_on_a_page_that_opens_without_signing_in() -> None:
    story = Story(timing())
    config = FakeConfiguration(story.timing.policy)

    found = lead_page.describe(
        story.lead,
        events=tuple(story.events),
        contact=Contact("张三13988880099", (), ()),
        company=config.company(),
        config=config,
        now=NINE,
    )

    assert found["name"] == "张三139****0099"


@pytest.mark.parametrize(
    ("answered", "buttons"),
    [(False, ["acknowledge", "snooze"]), (True, [])],
    ids=["open", "answered"],
)
def test_the_panel_over_the_page_asks_only_while_something_is_owed(answered: bool, buttons: list[str]) -> None:
    story = Story(timing())
    story.sweep_every_minute(NINE + 2 * HOUR)
    said = telling(1, "rep-li", NINE + 2 * HOUR)
    if answered:
        story.touch(call(NINE + 2 * HOUR + MINUTE), NINE + 2 * HOUR + MINUTE)

    found = shown(story, NINE + 3 * HOUR, tellings=(said,), alerts=(alert(1, NINE + 2 * HOUR, "owner"),), said=said)

    html = page.lead(found)
    assert [value for value in ("acknowledge", "snooze") if f'value="{value}"' in html] == buttons
    assert found["alert"]["lines"] == (["这项提醒已经了结，不必再处理。"] if answered else [])
    assert "form-action 'self'" in html
