"""`leadtrail calendar check`: what is published, what a year counts, and what is a guess, in words for an operator."""

import io
from copy import deepcopy
from datetime import date, timedelta
from typing import Any

import chinese_calendar
import pytest
from rich.console import Console
from typer.testing import CliRunner

from console import calendars, main
from console.calendars import Guessed, Kept, days_of, estimated_clocks, guessed_from, kept, needed
from console.company import DEFAULT_POLICY, OFFICE
from leadtrail.domain import policy as policies
from leadtrail.domain.instant import from_text
from tests.integration.conftest import NINE, TestWorld, TimeTravel
from tests.integration.people import arrive

UP_TO_2026 = {"from": 2004, "to": 2026}
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")
ROUND_THE_CLOCK = {day: [["00:00", "24:00"]] for day in WEEKDAYS}


def counting(**calendar: Any) -> Kept:
    """Return the default policy as it counts by the office's calendar with these changes."""
    body = deepcopy(DEFAULT_POLICY)
    body["calendar"] = {"tz": "Asia/Shanghai", "cn": True, "published": UP_TO_2026, "hours": OFFICE, **calendar}
    [one] = kept([policies.parse("default", 1, NINE, body)])
    return one


def configure(world: TestWorld, name: str = "default", when: dict[str, str] | None = None, **calendar: Any) -> None:
    body = deepcopy(DEFAULT_POLICY)
    body["calendar"] = {"tz": "Asia/Shanghai", "cn": True, "published": UP_TO_2026, "hours": OFFICE, **calendar}
    world.config.put("policy", name, body | ({"when": when} if when else {}), now=world.now())


def said(world: TestWorld, *, year: int | None = None) -> tuple[int, list[str]]:
    page = io.StringIO()
    status = calendars.run(world, year=year, console=Console(file=page, width=80))
    return status, page.getvalue().splitlines()


def test_a_year_lists_its_holidays_and_make_up_workdays_as_the_state_council_said() -> None:
    days = [date(2026, 1, 1) + timedelta(days=away) for away in range(365)]

    year = days_of(counting().calendar, 2026)

    assert list(year.rest) == [day for day in days if day.weekday() < 5 and not chinese_calendar.is_workday(day)]
    assert list(year.makeup) == [day for day in days if day.weekday() >= 5 and chinese_calendar.is_workday(day)]
    assert year.special == ()
    assert date(2026, 1, 4) in year.makeup


def test_what_the_company_says_of_a_day_is_counted_and_listed() -> None:
    one = counting(off=["2026-03-13"], on={"2026-03-14": [["10:00", "12:00"]]})

    year = days_of(one.calendar, 2026)

    assert date(2026, 3, 13) in year.rest
    assert year.special == (date(2026, 3, 14),)


@pytest.mark.parametrize(
    ("today", "years"),
    [
        ("2026-11-01T12:00:00+08:00", (2026,)),
        ("2026-11-01T23:59:59+08:00", (2026,)),
        ("2026-11-02T00:00:00+08:00", (2026, 2027)),
        ("2026-12-31T23:59:59+08:00", (2026, 2027)),
        ("2027-01-01T00:00:00+08:00", (2027,)),
    ],
)
def test_the_years_that_are_needed_are_those_of_the_next_sixty_days_where_the_company_is(
    today: str, years: tuple[int, ...]
) -> None:
    assert needed(counting(), from_text(today)) == years


def test_an_unpublished_year_matters_from_the_first_day_whose_clocks_reach_it() -> None:
    one = counting(hours=ROUND_THE_CLOCK)

    since = guessed_from(one, 2027)

    # 5 working days from Friday 25 December end on 1 January; from the 24th they end on the 31st.
    assert since == date(2026, 12, 25)
    assert guessed_from(one, 2026) is None


def test_dates_that_the_company_names_itself_are_no_guess() -> None:
    named = {f"2027-01-{day:02d}": OFFICE["mon"] for day in range(4, 32)}

    since = guessed_from(counting(off=[f"2027-01-{day:02d}" for day in (1, 2, 3)], on=named), 2027)

    assert since is None


def test_an_unpublished_year_that_is_needed_is_said_and_ends_with_1(world: TestWorld, clock: TimeTravel) -> None:
    configure(world, hours=ROUND_THE_CLOCK)
    clock.at = from_text("2026-11-02T09:00:00+08:00")

    status, lines = said(world)

    assert status == 1
    assert "  已公布：2004–2026 年" in lines
    assert "  2027 年：尚未公布（国务院通常在 11 月公布下一年的安排）" in lines
    assert "  从 2026-12-25（周五）起开始的时钟会数到 2027 年，按周历推算" in lines
    assert lines[-1].startswith(
        "2027 年的节假日与调休尚未公布，而 60 天内（到 2027-01-01）就要用到（规则 default）。国务院公布后"
    )


def test_an_unpublished_year_that_is_far_away_is_said_and_does_no_harm(world: TestWorld, clock: TimeTravel) -> None:
    configure(world)
    clock.at = from_text("2026-11-01T09:00:00+08:00")

    status, lines = said(world)

    assert status == 0
    assert "  2027 年：尚未公布（国务院通常在 11 月公布下一年的安排）" in lines
    assert lines[-1] == "60 天内要用到的年份都已公布"


def test_a_published_year_next_year_is_said(world: TestWorld, clock: TimeTravel) -> None:
    configure(world, published={"from": 2004, "to": 2025})
    clock.at = from_text("2024-12-20T09:00:00+08:00")

    status, lines = said(world)

    assert status == 0
    assert "  2025 年：已公布" in lines


def test_the_days_of_a_year_are_listed_with_weekday_and_working_time(world: TestWorld) -> None:
    configure(world)

    _, lines = said(world, year=2026)

    [makeup] = [line for line in lines if line.startswith("  2026 年调休上班")]
    [rest] = [line for line in lines if line.startswith("  2026 年休息的工作日")]
    assert makeup.startswith("  2026 年调休上班（6 天）：01-04（周日，7小时30分）、02-14（周六，7小时30分）")
    assert "10-01（周四）" in rest
    assert "  2026 年另有工时（0 天）：无" in lines


def test_the_days_of_an_unpublished_year_are_marked_as_a_guess(world: TestWorld) -> None:
    configure(world)

    _, lines = said(world, year=2027)

    assert "  2027 年休息的工作日（0 天，按周历推算）：无" in lines


def test_a_company_that_takes_no_notice_of_holidays_misses_no_year(world: TestWorld, clock: TimeTravel) -> None:
    configure(world, cn=False, published=None)
    clock.at = from_text("2035-12-20T09:00:00+08:00")

    status, lines = said(world)

    assert status == 0
    assert "  不看法定节假日：只有星期，与日历里写明的日期" in lines


def test_policies_that_count_alike_stand_together_and_others_apart(world: TestWorld, clock: TimeTravel) -> None:
    configure(world)
    configure(world, "hot", {"source": "wecom"})
    configure(world, "south", {"team": "huanan"}, published={"from": 2004, "to": 2027})
    clock.at = from_text("2026-12-20T09:00:00+08:00")

    status, lines = said(world)

    assert [line for line in lines if line.startswith("规则")] == [
        "规则 default、hot（Asia/Shanghai）",
        "规则 south（Asia/Shanghai）",
    ]
    assert status == 1
    assert len([line for line in lines if "就要用到" in line]) == 1


def test_a_night_shift_counts_to_the_day_on_which_it_begins(world: TestWorld) -> None:
    configure(world, hours={day: [["20:00", "04:00"]] for day in WEEKDAYS})

    _, lines = said(world)

    [makeup] = [line for line in lines if line.startswith("  2026 年调休上班")]
    assert "01-04（周日，8小时）" in makeup


def test_the_clocks_that_count_into_an_unpublished_year_are_counted(world: TestWorld, clock: TimeTravel) -> None:
    configure(world)
    arrive(world)
    clock.at = from_text("2026-12-28T10:00:00+08:00")
    for number in range(2):
        arrive(world, phone=f"+861390013900{number}")

    guessed = estimated_clocks(world.store)
    _, lines = said(world)

    assert guessed == Guessed(clocks=2, leads=2)  # five working days in a stage; two hours stay within the year
    assert "现在按周历推算的时钟：2 个（2 条线索）" in lines


def test_the_command_ends_as_its_check_does(
    world: TestWorld, clock: TimeTravel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "_world", lambda: world)
    configure(world)

    well = CliRunner().invoke(main.app, ["calendar", "check"])
    clock.at = from_text("2026-12-20T09:00:00+08:00")
    missing = CliRunner().invoke(main.app, ["calendar", "check", "--year", "2027"])
    wrong = CliRunner().invoke(main.app, ["calendar", "check", "--year", "27"])

    assert (well.exit_code, missing.exit_code, wrong.exit_code) == (0, 1, 2)
    assert "2027 年休息的工作日（0 天，按周历推算）" in missing.output
