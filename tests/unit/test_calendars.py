"""Published Chinese holidays, company overrides on top, and years that nobody has published yet."""

import time
from datetime import date, datetime, timedelta

import pytest
from chinese_calendar import is_workday

from leadtrail.adapters.calendars import check_year, resolve
from leadtrail.domain.worktime import CalendarError

HOUR = timedelta(hours=1)
WEEK = {name: [["09:00", "18:00"]] for name in ("mon", "tue", "wed", "thu", "fri")}
OFFICE = {"tz": "Asia/Shanghai", "cn": True, "hours": WEEK}


def china(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


def test_every_published_day_is_as_the_state_council_said() -> None:
    office = resolve(OFFICE)
    days = [date(2004, 1, 1) + timedelta(days=away) for away in range((date(2026, 12, 31) - date(2004, 1, 1)).days + 1)]

    wrong = [day for day in days if office.is_workday(day) != is_workday(day)]

    assert wrong == []


@pytest.mark.parametrize("day", ["01-04", "02-14", "02-28", "05-09", "09-20", "10-10"])
def test_a_make_up_workday_of_2026_is_named_in_the_explanation(day: str) -> None:
    office = resolve(OFFICE)

    (segment,) = office.segments(china(f"2026-{day}T00:00:00"), china(f"2026-{day}T23:59:00"))

    assert (segment.kind, segment.estimated) == ("makeup", False)
    assert office.describe([segment])[0].endswith("·调休上班) 09:00–18:00 计9小时")


def test_spring_festival_is_skipped_and_its_make_up_saturday_counts() -> None:
    office = resolve(OFFICE)

    counted = office.due_counted(china("2026-02-13T17:30:00"), 10 * HOUR)

    assert counted.due_at == china("2026-02-24T09:30:00")
    assert counted.certainty == "published"


def test_five_working_days_into_an_unpublished_year_are_estimated() -> None:
    office = resolve(OFFICE)

    counted = office.due_days_counted(china("2026-12-25T10:00:00"), 5)

    assert counted.due_at == china("2027-01-01T10:00:00")
    assert counted.certainty == "estimated"
    assert office.describe(counted.segments)[-1] == "01-01(周五) 09:00–10:00 计1小时(按周历推算)"


def test_a_published_year_can_be_taken_back_and_given_again() -> None:
    before = resolve({**OFFICE, "published": {"from": 2004, "to": 2025}})

    counted = before.due_counted(china("2025-12-31T17:00:00"), 2 * HOUR)

    assert (counted.due_at, counted.certainty) == (china("2026-01-01T10:00:00"), "estimated")
    assert resolve(OFFICE).due(china("2025-12-31T17:00:00"), 2 * HOUR) == china("2026-01-04T10:00:00")


def test_the_company_has_the_last_word_on_every_date() -> None:
    office = resolve(
        {
            **OFFICE,
            "holidays": ["2026-01-04"],
            "date_hours": {"2026-01-01": [["10:00", "12:00"]], "2026-02-14": [["09:00", "12:00"]]},
            "off": ["2026-02-28"],
            "on": {"2026-05-01": [["09:00", "10:00"]]},
        }
    )

    assert not office.is_workday(date(2026, 1, 4))
    assert office.elapsed(china("2026-01-01T00:00:00"), china("2026-01-02T00:00:00")) == 2 * HOUR
    assert office.elapsed(china("2026-02-14T00:00:00"), china("2026-02-15T00:00:00")) == 3 * HOUR
    assert not office.is_workday(date(2026, 2, 28))
    assert office.is_workday(date(2026, 5, 1))


def test_a_break_of_the_company_is_kept_on_a_make_up_workday() -> None:
    office = resolve({**OFFICE, "breaks": {"2026-01-04": [["12:00", "13:00"]]}})

    assert office.elapsed(china("2026-01-04T00:00:00"), china("2026-01-05T00:00:00")) == 8 * HOUR


def test_a_make_up_workday_takes_its_own_hours_before_those_of_the_week() -> None:
    short_saturdays = resolve({**OFFICE, "hours": {**WEEK, "mon": [["10:00", "12:00"]], "sat": [["09:00", "11:00"]]}})

    saturday = short_saturdays.segments(china("2026-02-14T00:00:00"), china("2026-02-15T00:00:00"))
    sunday = short_saturdays.segments(china("2026-01-04T00:00:00"), china("2026-01-05T00:00:00"))

    assert short_saturdays.describe(saturday) == ["02-14(周六·调休上班) 09:00–11:00 计2小时"]
    assert short_saturdays.describe(sunday) == ["01-04(周日·调休上班) 10:00–12:00 计2小时"]


def test_without_cn_a_calendar_knows_no_holidays() -> None:
    office = resolve({**OFFICE, "cn": False})

    assert office.is_workday(date(2026, 1, 1))
    assert office.due_counted(china("2026-12-31T17:00:00"), 2 * HOUR).certainty == "published"


def test_equal_calendars_are_opened_once() -> None:
    assert resolve(dict(reversed(OFFICE.items()))) is resolve(OFFICE)


def test_resolving_a_new_calendar_takes_milliseconds() -> None:
    resolve(OFFICE)
    times_s = []

    for minute in range(10, 15):
        begun = time.process_time()
        resolve({**OFFICE, "hours": {**WEEK, "sat": [["09:00", f"09:{minute}"]]}})
        times_s.append(time.process_time() - begun)

    assert min(times_s) < 0.005


def test_years_are_known_as_published_or_not() -> None:
    assert check_year(2004)
    assert check_year(2026)
    assert not check_year(2003)
    assert not check_year(2027)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"cn": "yes"}, "cn"),
        ({"cn": 1}, "cn"),
        ({"name": float("nan")}, "calendar"),
        ({"name": date(2026, 1, 1)}, "calendar"),
        ({"hours": {}}, "hours"),
        ({"hours": []}, "hours"),
        ({"tz": "Mars/Olympus"}, "tz"),
        ({"holidays": "2026-01-01"}, "holidays"),
    ],
)
def test_a_calendar_that_makes_no_sense_is_refused_by_name(changes: dict[str, object], field: str) -> None:
    with pytest.raises(CalendarError) as refusal:
        resolve({**OFFICE, **changes})

    assert refusal.value.field == field
