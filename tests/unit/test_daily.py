from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from functions.reports import page
from leadtrail.domain import clock as clocks_of
from leadtrail.domain import policy as policies
from leadtrail.domain import schedule
from leadtrail.domain.clock import Clock
from leadtrail.domain.company import Channel, Company, Rep, Source, Team
from leadtrail.domain.delivery import Contact
from leadtrail.domain.instant import from_text
from leadtrail.domain.lead import Lead
from leadtrail.domain.policy import Policy
from leadtrail.domain.report import morning_of, report_id
from leadtrail.domain.worktime import WorkCalendar
from leadtrail.services import daily, explaining, links
from leadtrail.services.daily import Sight
from leadtrail.services.lateness import LateLead
from leadtrail.services.ports import Correction, Telling

NINE = datetime(2026, 1, 26, 1, tzinfo=UTC)  # Monday, 09:00 in Shanghai
TEAM = Team("huadong", "华东一组")
LEVELS = [{"after": "PT0S", "to": "owner"}, {"after": "PT1H", "to": "manager"}, {"after": "P1D", "to": "director"}]
OFFICE = {day: [["09:00", "12:00"], ["13:30", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
CALENDAR = {"tz": "Asia/Shanghai", "hours": OFFICE, "on": {"2026-02-14": [["09:00", "18:00"]]}, "published": [2026]}


def rule(name: str, measure: str, budget: str) -> dict[str, Any]:
    limits = {"measure": measure, "budget": budget, "warn_at": None, "levels": LEVELS}
    return {"name": name, "starts": "lead.received", "meets": ["touch"], **limits}


class FakeConfiguration:
    """One policy of one company, from memory."""

    def __init__(self) -> None:
        rules = [
            rule("first_response", "business", "PT2H"),
            rule("second_touch", "natural", "PT72H"),
            rule("no_progress", "working_days", "P5D"),
            rule("long_promise", "working_days", "P60D"),
        ]
        self.default = policies.parse("default", 3, NINE, {"calendar": CALENDAR, "rules": rules})

    def company(self, stamp: int | None = None) -> Company:
        return Company(
            stamp=1,
            name="示例公司",
            zone="Asia/Shanghai",
            teams={TEAM.id: TEAM},
            reps={"rep-zhang": Rep("rep-zhang", "张三", "rep", TEAM.id)},
            sources={"wecom-main": Source("wecom-main", "wecom", TEAM.id, "secret")},
            channels={
                "app": Channel("app", "wecom-app", ("owner",), "secret"),
                "managers": Channel("managers", "dingtalk", ("manager",), "secret", None, "主管群"),
            },
            policies={"default": self.default},
        )

    def current(self) -> Company:
        return self.company()

    def put(self, kind: str, name: str, body: dict[str, Any], *, now: datetime) -> int:
        raise AssertionError("a report changes no configuration")

    def policy(self, name: str, version: int) -> Policy:
        assert (name, version) == ("default", 3)
        return self.default

    def calendar(self, policy: Policy) -> WorkCalendar:
        return WorkCalendar.from_dict(policy.calendar)


CONFIG = FakeConfiguration()


def clock(name: str = "first_response", *, at: datetime = NINE, level: int = 0, **changes: Any) -> Clock:
    """A clock of the policy that started at ``at``; with a level it is broken."""
    wanted = CONFIG.default.rule(name)
    assert wanted is not None
    started = schedule.start(CONFIG.default, wanted, CONFIG.calendar(CONFIG.default), at=at, episode=1)
    made = clocks_of.started(started.facts, at)
    broken = {"state": "breached", "breached_at": made.due_at, "level": level} if level else {}
    return replace(made, **(broken | changes))


def late(
    number: int, *clocks: Clock, owner: str | None = "rep-zhang", overdue: timedelta = timedelta(hours=3)
) -> LateLead:
    lead = Lead(
        lead_id=f"01K{number:023d}",
        person_id=f"person-{number}",
        source="wecom-main",
        received_at=NINE,
        team=TEAM.id,
        stage="新线索",
        stage_at=NINE,
        owner=owner,
        clocks=clocks,
    )
    return LateLead(lead, clocks, overdue)


def snapshot(
    *leads: LateLead,
    as_of: datetime = NINE + timedelta(hours=5),
    told: Mapping[str, Sequence[Telling]] | None = None,
    corrections: Sequence[Correction] = (),
    paused: int = 0,
    **contacts: Contact,
) -> Mapping[str, Any]:
    return daily.snapshot(
        TEAM,
        date(2026, 1, 26),
        leads,
        sight=Sight(CONFIG.company(), CONFIG, as_of),
        contacts=contacts,
        public_base_url="https://leads.example.com",
        told=told or {},
        corrections=corrections,
        paused=paused,
    )


def telling(lead: LateLead, level: int, to: str | None, at: datetime, **changes: Any) -> Telling:
    channel = "app" if to else "managers"
    known = Telling(f"T{level}", lead.lead.lead_id, f"A{level}", "first_response", 1, level, to, channel, "sent", at)
    return replace(known, **changes)


def test_a_day_without_late_leads_has_all_three_tags_and_renders() -> None:
    said = snapshot()

    text = page.daily({**said, "version": 1})

    assert said["tags"] == {"超时未响应": 0, "反复退回同一阶段": 0, "连续3次跳过SOP项": 0}
    assert "今天没有人超时" in text
    assert "None" not in text


def test_the_figures_are_counted_from_the_leads_that_are_listed() -> None:
    leads = (
        late(1, clock(level=3), overdue=timedelta(hours=30)),
        late(2, clock(level=1), owner=None, overdue=timedelta(minutes=59)),
        late(3, clock(level=1), overdue=timedelta(hours=1)),
    )

    said = snapshot(*leads)

    assert said["at_risk"] == said["tags"]["超时未响应"] == len(said["leads"]) == 3
    assert [(row["label"], row["count"]) for row in said["by_severity"]] == [
        ("总监级", 1),
        ("主管级", 0),
        ("负责人级", 2),
    ]
    assert [row["count"] for row in said["by_overdue"]] == [1, 1, 0, 0, 1]
    assert said["by_overdue"][0]["leads"] == [leads[1].lead.lead_id]
    assert said["by_owner"] == [
        {"owner": {"id": "rep-zhang", "name": "张三"}, "count": 2},
        {"owner": None, "count": 1},
    ]


def test_severity_comes_before_how_long_and_how_long_before_the_rest() -> None:
    mild = late(1, clock(level=1), overdue=timedelta(hours=90))
    grave = late(2, clock(level=3), overdue=timedelta(hours=1))
    graver = late(3, clock(level=3), overdue=timedelta(hours=2))

    ordered = sorted([mild, grave, graver], key=lambda item: item.order)

    assert ordered == [graver, grave, mild]


def test_a_person_who_was_erased_has_neither_name_nor_number() -> None:
    said = snapshot(late(1, clock(level=1)))

    assert (said["leads"][0]["name"], said["leads"][0]["phone"]) == ("未留名", "未留电话")


def test_numbers_are_masked_and_sources_have_names() -> None:
    contact = Contact("王磊", ("+8613800130001",), ())

    said = snapshot(late(1, clock(level=2)), **{"person-1": contact})

    [row] = said["leads"]
    assert (row["name"], row["phone"], row["source"]) == ("王磊", "138****0001", "企业微信")


def test_an_unpublished_year_is_said_to_be_a_guess() -> None:
    at = datetime(2026, 12, 30, 2, tzinfo=UTC)
    guessed = clock("no_progress", at=at, level=1)

    said = snapshot(late(1, guessed), as_of=guessed.due_at + timedelta(hours=1))

    assert said["notes"] == ["2027年节假日安排尚未公布，相关时限按周历推算"]
    assert said["leads"][0]["clocks"][0]["certainty"] == "estimated"


def test_a_late_clock_says_who_was_told_and_whether_they_saw_it() -> None:
    lead = late(1, clock(level=2))
    due = NINE + timedelta(hours=2)
    said = (
        telling(lead, 1, "rep-zhang", due, seen_at=due + timedelta(minutes=5)),
        telling(lead, 2, None, due + timedelta(hours=1)),
        telling(lead, 1, "rep-zhang", due, rule="no_progress"),
    )

    found = snapshot(lead, told={lead.lead.lead_id: said})

    assert found["leads"][0]["clocks"][0]["told"] == [
        "负责人 张三 01-26(周一) 11:00（企业微信应用，已读 11:05）",
        "主管 主管群 01-26(周一) 12:00（未读）",
    ]
    html = page.daily({**found, "version": 1})
    assert "已提醒 负责人 张三 01-26(周一) 11:00（企业微信应用，已读 11:05）；主管 主管群" in html


def test_a_late_clock_of_which_nobody_heard_says_so() -> None:
    found = snapshot(late(1, clock(level=1)))

    assert "没有送达记录" in page.daily({**found, "version": 1})


def test_corrections_stand_apart_with_when_the_answer_came_and_when_it_was_known() -> None:
    due = NINE + timedelta(hours=2)
    answered = Correction(
        "01K", "person-1", "rep-zhang", "first_response", "default", 3, due, due - timedelta(hours=1), due
    )
    recounted = replace(answered, lead_id="01L", person_id="", answered_at=None)
    contact = Contact("王磊", ("+8613800130001",), ())

    found = snapshot(corrections=(answered, recounted), paused=2, **{"person-1": contact})

    assert found["corrections"][0] == {
        "id": "01K",
        "name": "王磊",
        "phone": "138****0001",
        "owner": {"id": "rep-zhang", "name": "张三"},
        "title": "首次响应",
        "due_at": "2026-01-26T11:00:00+08:00",
        "answered_at": "2026-01-26T10:00:00+08:00",
        "learned_at": "2026-01-26T11:00:00+08:00",
    }
    html = page.daily({**found, "version": 1})
    for said in ("<h2>更正</h2>", "按新公布的日历尚未到期", "另有 2 条线索暂停计时"):
        assert said in html


@pytest.mark.parametrize(
    ("day", "since"),
    [
        (date(2026, 1, 27), "2026-01-26T08:30:00+08:00"),
        (date(2026, 1, 26), "2026-01-23T08:30:00+08:00"),
        (date(2026, 2, 16), "2026-02-14T08:30:00+08:00"),
    ],
    ids=["the day before", "over a weekend", "a make-up Saturday"],
)
def test_a_report_tells_of_corrections_since_the_report_before(day: date, since: str) -> None:
    assert daily.corrected_since(day, config=CONFIG) == from_text(since)


def test_a_report_is_made_again_to_the_byte() -> None:
    leads = late(1, clock(level=2)), late(2, clock("second_touch", level=1))

    first, second = (page.daily({**snapshot(*leads), "version": 1}) for _ in range(2))

    assert first == second


@pytest.mark.parametrize(
    ("name", "now", "words"),
    [
        ("first_response", NINE + timedelta(hours=2, seconds=45), "45秒(工作时间)"),
        ("first_response", NINE + timedelta(hours=5), "1小时30分(工作时间)"),
        ("first_response", NINE + timedelta(days=1), "5小时30分(工作时间)"),
        ("first_response", NINE + timedelta(days=7), "35小时30分(工作时间)"),
        ("second_touch", NINE + timedelta(days=4, hours=3), "1天3小时"),
        ("second_touch", NINE, "0秒"),
    ],
    ids=["seconds", "over lunch", "over night", "over the weekend", "natural", "not late at all"],
)
def test_lateness_is_told_in_the_time_that_the_promise_was_made_in(name: str, now: datetime, words: str) -> None:
    told = explaining.overdue_words(clock(name), now, config=CONFIG)

    assert told == words


def test_a_late_answer_ends_the_lateness() -> None:
    answered = clock(level=1, met_at=NINE + timedelta(hours=2, minutes=10))

    told = explaining.overdue_words(answered, NINE + timedelta(days=3), config=CONFIG)

    assert told == "10分(工作时间)"


def test_every_budget_is_explained_in_the_calendars_own_time() -> None:
    lines = {name: explaining.explain(clock(name), config=CONFIG) for name in ("first_response", "second_touch")}

    assert lines == {
        "first_response": ["01-26(周一) 09:00–11:00 计2小时"],
        "second_touch": ["自然时间 01-26(周一) 09:00 至 01-29(周四) 09:00 计72小时"],
    }


def test_a_long_budget_shows_how_it_began_and_ended_and_sums_up_the_middle() -> None:
    lines = explaining.explain(clock("long_promise"), config=CONFIG)

    assert len(lines) == 17
    assert lines[8].startswith("……中间")
    assert lines[0].startswith("01-26(周一) 09:00")


def test_a_due_time_that_was_put_off_says_so() -> None:
    put_off = clock("second_touch", due_at=NINE + timedelta(days=5), starts="touch.first")

    lines = explaining.explain(put_off, config=CONFIG)

    assert lines[-1] == "前一次触达补录较晚，截止时间顺延至 01-31(周六) 09:00"


@pytest.mark.parametrize(
    ("level", "severity", "title"),
    [(1, 1, "已提醒负责人"), (2, 2, "已升级至主管"), (3, 3, "已升级至总监"), (0, 1, "已超时")],
)
def test_severity_is_whom_the_highest_level_told(level: int, severity: int, title: str) -> None:
    reached = clock(state="breached", level=level)

    told = explaining.severity(reached), explaining.level_title(reached)

    assert told == (severity, title)


def test_a_report_has_one_id_for_its_team_and_day() -> None:
    ids = {report_id("daily", team, date(2026, 1, day)) for team in ("huadong", "huanan") for day in (26, 27)}

    assert report_id("daily", "huadong", date(2026, 1, 26)) in ids
    assert len(ids) == 4


def test_a_morning_is_half_past_eight_of_the_companys_day() -> None:
    morning = morning_of(date(2026, 1, 27), ZoneInfo("Asia/Shanghai"))

    assert morning == from_text("2026-01-27T08:30:00+08:00")


@pytest.mark.parametrize(
    ("address", "masked"),
    [("203.0.113.77", "203.0.113.*"), ("2001:db8:1:2::3", "2001:db8:1:*"), ("", ""), ("unknown", "")],
)
def test_addresses_of_openings_are_masked(address: str, masked: str) -> None:
    assert links.masked_address(address) == masked
