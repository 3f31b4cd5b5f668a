"""Working time against the cases of other products, and against what they do not test."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from leadtrail.domain.worktime import CalendarError, WorkCalendar

FILE = json.loads((Path(__file__).parent / "working_time_vectors.json").read_text(encoding="utf-8"))
CASES = FILE["vectors"]
HOUR = timedelta(hours=1)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")
OFFICE = {"tz": "Asia/Shanghai", "hours": {name: [["09:00", "18:00"]] for name in WEEKDAYS}}
LUNCH = {"tz": "Asia/Shanghai", "hours": {name: [["09:00", "12:00"], ["13:30", "18:00"]] for name in WEEKDAYS}}
NIGHT = {"tz": "Asia/Shanghai", "hours": {name: [["22:00", "06:00"]] for name in WEEKDAYS}}
ALWAYS = {"tz": "UTC", "hours": {name: [["00:00", "24:00"]] for name in (*WEEKDAYS, "sat", "sun")}}
SEVEN_NIGHTS = {name: [["22:00", "06:00"]] for name in (*WEEKDAYS, "sat", "sun")}


def calendar(raw: dict[str, Any], **changes: object) -> WorkCalendar:
    return WorkCalendar.from_dict({**raw, **changes})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def china(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


def spans(pairs: list[list[str]]) -> list[tuple[datetime, datetime]]:
    return [(at(since), at(until)) for since, until in pairs]


def answer(case: dict[str, Any]) -> object:
    subject = WorkCalendar.from_dict(FILE["calendars"][case["calendar"]])
    start, pauses = at(case["start"]), spans(case.get("pauses", []))
    match case["kind"]:
        case "due":
            return subject.due(start, timedelta(seconds=case["target_seconds"]), pauses)
        case "due_days":
            return subject.due_days(start, case["target_working_days"], pauses)
        case "elapsed":
            return subject.elapsed(start, at(case["end"]), pauses).total_seconds()
        case "periods":
            return list(islice(subject.periods(start), len(case["expected"])))
    raise AssertionError(case["kind"])


def expected(case: dict[str, Any]) -> object:
    match case["kind"]:
        case "elapsed":
            return case["expected"]
        case "periods":
            return spans(case["expected"])
    return at(case["expected"])


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_case_of_another_product_or_of_the_chinese_calendar_is_right(case: dict[str, Any]) -> None:
    assert answer(case) == expected(case)


def test_all_seventy_four_cases_are_there() -> None:
    assert len({case["id"] for case in CASES}) == 74


# Clock changes


@pytest.mark.parametrize(
    ("zone", "start", "hours"),
    [
        ("Europe/Berlin", "2026-03-28T22:00:00+01:00", 7),
        ("Europe/Berlin", "2026-10-24T22:00:00+02:00", 9),
        ("America/New_York", "2026-03-07T22:00:00-05:00", 7),
        ("America/New_York", "2026-10-31T22:00:00-04:00", 9),
        ("Asia/Shanghai", "2026-03-28T22:00:00+08:00", 8),
    ],
)
def test_a_night_shift_lasts_its_real_hours_when_the_clock_changes(zone: str, start: str, hours: int) -> None:
    shifts = WorkCalendar.from_dict({"tz": zone, "hours": SEVEN_NIGHTS})

    first = next(shifts.periods(at(start)))

    assert first == (at(start), at(start) + hours * HOUR)


@pytest.mark.parametrize(
    ("segment", "day", "minutes"),
    [
        (["01:00", "02:30"], "2026-03-29", 60),
        (["02:30", "03:30"], "2026-03-29", 30),
        (["02:00", "03:00"], "2026-03-29", 0),
        (["02:00", "03:00"], "2026-10-25", 120),
        (["02:30", "03:30"], "2026-10-25", 90),
        (["01:30", "02:30"], "2026-10-25", 90),
    ],
)
def test_a_segment_counts_for_as_long_as_the_wall_clock_shows_it(segment: list[str], day: str, minutes: int) -> None:
    shop = WorkCalendar.from_dict({"tz": "Europe/Berlin", "hours": {"sun": [segment]}})
    midnight = at(f"{day}T00:00:00+00:00")

    counted = shop.elapsed(midnight - 12 * HOUR, midnight + 24 * HOUR)

    assert counted == timedelta(minutes=minutes)


def test_a_day_that_the_zone_skipped_is_no_working_day() -> None:
    samoa = WorkCalendar.from_dict({"tz": "Pacific/Apia", "hours": OFFICE["hours"]})

    due_at = samoa.due_days(at("2011-12-29T10:00:00-10:00"), 1)

    assert not samoa.is_workday(date(2011, 12, 30))
    assert due_at == at("2012-01-02T10:00:00+14:00")


def test_a_due_time_keeps_the_wall_time_over_a_clock_change() -> None:
    berlin = calendar(OFFICE, tz="Europe/Berlin")

    due_at = berlin.due_days(at("2026-03-27T10:00:00+01:00"), 2)

    assert due_at == at("2026-03-31T10:00:00+02:00")


def test_the_second_half_past_two_of_autumn_becomes_half_past_three_in_spring() -> None:
    berlin = WorkCalendar.from_dict({"tz": "Europe/Berlin", "hours": SEVEN_NIGHTS})
    nights = (date(2027, 3, 27) - date(2026, 10, 24)).days

    due_at = berlin.due_days(at("2026-10-25T02:30:00+01:00"), nights)

    assert due_at == at("2027-03-28T03:30:00+02:00")


def test_a_zone_that_changes_by_half_an_hour_counts_real_time() -> None:
    island = WorkCalendar.from_dict({"tz": "Australia/Lord_Howe", "hours": SEVEN_NIGHTS})

    first = next(island.periods(at("2026-04-04T22:00:00+11:00")))

    assert first[1] - first[0] == timedelta(hours=8, minutes=30)


# Night shifts


def test_the_small_hours_of_saturday_are_fridays_shift() -> None:
    nights = calendar(NIGHT)

    due_at = nights.due_days(china("2026-01-17T02:00:00"), 1)

    assert due_at == china("2026-01-20T02:00:00")
    assert not nights.is_workday(date(2026, 1, 17))


def test_a_holiday_does_not_stop_the_shift_that_is_still_running() -> None:
    nights = calendar(NIGHT, holidays=["2026-01-14"])

    shifts = list(islice(nights.periods(china("2026-01-13T12:00:00")), 2))

    assert shifts == [
        (china("2026-01-13T22:00:00"), china("2026-01-14T06:00:00")),
        (china("2026-01-15T22:00:00"), china("2026-01-16T06:00:00")),
    ]


def test_a_break_is_taken_on_the_date_that_the_wall_clock_shows() -> None:
    nights = calendar(NIGHT, breaks={"2026-01-14": [["02:00", "02:30"]]})

    shifts = list(islice(nights.periods(china("2026-01-13T12:00:00")), 3))

    assert [shift[1] - shift[0] for shift in shifts] == [4 * HOUR, 3.5 * HOUR, 8 * HOUR]


def test_special_hours_that_begin_in_a_running_night_shift_count_once() -> None:
    nights = calendar(NIGHT, date_hours={"2026-01-17": [["05:00", "09:00"]]})

    counted = nights.elapsed(china("2026-01-16T22:00:00"), china("2026-01-17T12:00:00"))

    assert counted == 11 * HOUR


# Edges of budgets


def test_a_budget_of_zero_is_due_at_the_next_open_instant() -> None:
    office = calendar(OFFICE)

    assert office.due(china("2026-01-13T10:00:00"), timedelta(0)) == china("2026-01-13T10:00:00")
    assert office.due(china("2026-01-13T18:00:00"), timedelta(0)) == china("2026-01-14T09:00:00")
    assert office.due_days(china("2026-01-17T10:00:00"), 0) == china("2026-01-19T09:00:00")


def test_a_budget_of_zero_in_a_pause_is_due_when_the_pause_ends() -> None:
    office = calendar(OFFICE)
    pause = (china("2026-01-13T09:30:00"), china("2026-01-13T11:00:00"))

    due_at = office.due(china("2026-01-13T10:00:00"), timedelta(0), [pause])

    assert due_at == china("2026-01-13T11:00:00")


def test_the_closing_instant_counts_as_open_for_working_days() -> None:
    office = calendar(OFFICE)

    due_at = office.due_days(china("2026-01-16T18:00:00"), 1)

    assert due_at == china("2026-01-19T18:00:00")
    assert office.due_days(china("2026-01-16T18:00:01"), 1) == china("2026-01-20T09:00:00")


def test_a_start_at_lunch_counts_from_the_afternoon() -> None:
    lunch = calendar(LUNCH)

    due_at = lunch.due_days(china("2026-01-13T12:30:00"), 1)

    assert due_at == china("2026-01-14T13:30:00")


def test_a_result_after_a_short_day_rolls_to_the_next_opening() -> None:
    office = calendar(OFFICE, date_hours={"2026-01-16": [["09:00", "12:00"]]})

    due_at = office.due_days(china("2026-01-15T15:00:00"), 1)

    assert due_at == china("2026-01-19T09:00:00")


def test_midnight_between_two_open_days_is_an_opening() -> None:
    always = calendar(ALWAYS)
    midnight = at("2026-01-13T00:00:00+00:00")

    assert always.is_open(midnight)
    assert always.next_opening(midnight) == midnight
    assert always.due_days(midnight, 1) == midnight + 24 * HOUR


def test_closing_is_not_open_and_opening_is() -> None:
    office = calendar(OFFICE)

    assert office.is_open(china("2026-01-13T09:00:00"))
    assert not office.is_open(china("2026-01-13T18:00:00"))
    assert office.next_opening(china("2026-01-13T18:00:00")) == china("2026-01-14T09:00:00")


def test_a_start_in_another_zone_is_the_same_instant() -> None:
    office = calendar(OFFICE)
    start = datetime(2026, 1, 12, 21, 0, tzinfo=timezone(timedelta(hours=-5)))

    due_at = office.due(start, 2 * HOUR)

    assert due_at == china("2026-01-13T12:00:00")
    assert due_at.tzinfo is UTC


def test_microseconds_survive_every_count() -> None:
    office = calendar(OFFICE)
    start = china("2026-01-13T17:59:59.000001")

    due_at = office.due(start, 2 * HOUR)

    assert due_at == china("2026-01-14T10:59:59.000001")
    assert office.elapsed(start, due_at) == 2 * HOUR


@pytest.mark.parametrize("days_on", range(70))
def test_a_count_is_the_same_wherever_it_starts(days_on: int) -> None:
    office = calendar(ALWAYS)
    start = datetime(2025, 2, 1, 22, 52, tzinfo=UTC) + timedelta(days=days_on)

    assert office.due(start, 100 * HOUR) == start + 100 * HOUR
    assert office.elapsed(start, start + 1000 * HOUR) == 1000 * HOUR


# Pauses


def test_pauses_may_overlap_come_in_any_order_and_begin_before_the_start() -> None:
    office = calendar(OFFICE)
    pauses = [
        (china("2026-01-13T14:00:00"), china("2026-01-13T15:00:00")),
        (china("2026-01-13T11:00:00"), china("2026-01-13T12:00:00")),
        (china("2026-01-13T11:30:00"), china("2026-01-13T12:30:00")),
        (china("2026-01-01T00:00:00"), china("2026-01-13T10:00:00")),
        (china("2026-01-13T19:00:00"), china("2026-01-13T20:00:00")),
    ]

    due_at = office.due(china("2026-01-13T09:00:00"), 4 * HOUR, pauses)

    assert due_at == china("2026-01-13T16:30:00")
    assert office.elapsed(china("2026-01-13T09:00:00"), due_at, pauses) == 4 * HOUR


def test_a_pause_within_a_pause_takes_nothing_more_and_gives_nothing_back() -> None:
    office = calendar(OFFICE)
    outer = (china("2026-01-13T10:00:00"), china("2026-01-13T12:00:00"))
    inner = (china("2026-01-13T10:30:00"), china("2026-01-13T11:00:00"))

    due_at = office.due(china("2026-01-13T09:00:00"), 2 * HOUR, [outer, inner])

    assert due_at == china("2026-01-13T13:00:00")


def test_a_budget_that_runs_out_as_a_pause_begins_is_due_there() -> None:
    office = calendar(OFFICE)
    pause = (china("2026-01-13T11:00:00"), china("2026-01-15T11:00:00"))

    due_at = office.due(china("2026-01-13T09:00:00"), 2 * HOUR, [pause])

    assert due_at == china("2026-01-13T11:00:00")


def test_a_pause_moves_working_days_by_the_working_time_that_it_took() -> None:
    office = calendar(OFFICE)
    start = china("2026-01-13T10:00:00")
    two_hours = (china("2026-01-14T17:00:00"), china("2026-01-15T10:00:00"))
    weekend = (china("2026-01-16T18:00:00"), china("2026-01-19T09:00:00"))
    later = (china("2026-01-26T09:00:00"), china("2026-01-27T09:00:00"))

    assert office.due_days(start, 5, [two_hours]) == china("2026-01-20T12:00:00")
    assert office.due_days(start, 5, [weekend]) == china("2026-01-20T10:00:00")
    assert office.due_days(start, 5, [later]) == china("2026-01-20T10:00:00")


def test_a_pause_over_the_due_time_moves_it_behind_the_pause() -> None:
    office = calendar(OFFICE)
    pause = (china("2026-01-14T09:30:00"), china("2026-01-14T12:00:00"))

    due_at = office.due_days(china("2026-01-13T10:00:00"), 1, [pause])

    assert due_at == china("2026-01-14T12:30:00")


# What is said of single dates


def test_the_company_beats_date_hours_and_these_beat_holidays() -> None:
    office = calendar(
        OFFICE,
        holidays=["2026-01-13", "2026-01-14", "2026-01-15"],
        date_hours={
            "2026-01-14": [["10:00", "12:00"]],
            "2026-01-15": [["10:00", "12:00"]],
            "2026-01-18": [["10:00", "11:00"]],
        },
        on={"2026-01-17": [["09:00", "10:00"]], "2026-01-15": [["14:00", "15:00"]]},
        off=["2026-01-18", "2026-01-19"],
    )

    counted = office.segments(china("2026-01-13T00:00:00"), china("2026-01-20T00:00:00"))

    assert [(segment.day.day, segment.kind, segment.end - segment.start) for segment in counted] == [
        (14, "special", 2 * HOUR),
        (15, "special", HOUR),
        (16, "workday", 9 * HOUR),
        (17, "special", HOUR),
    ]


def test_a_break_over_the_whole_day_makes_it_no_working_day() -> None:
    office = calendar(OFFICE, breaks={"2026-01-14": [["00:00", "24:00"]]})

    due_at = office.due_days(china("2026-01-13T10:00:00"), 1)

    assert due_at == china("2026-01-15T10:00:00")


# Explanations


def test_a_make_up_sunday_is_explained_as_such() -> None:
    cn = WorkCalendar.from_dict(FILE["calendars"]["cn_0918"])

    counted = cn.due_counted(china("2026-01-03T20:00:00"), 2 * HOUR)

    assert counted.due_at == china("2026-01-04T11:00:00")
    assert counted.certainty == "published"
    assert cn.describe(counted.segments) == ["01-04(周日·调休上班) 09:00–11:00 计2小时"]


def test_an_explanation_leaves_out_lunch_and_pauses() -> None:
    lunch = calendar(LUNCH)
    pause = (china("2026-01-13T14:00:00"), china("2026-01-13T14:15:00"))

    counted = lunch.due_counted(china("2026-01-13T10:30:00"), 2.75 * HOUR, [pause])

    assert lunch.describe(counted.segments) == [
        "01-13(周二) 10:30–12:00 计1小时30分",
        "01-13(周二) 13:30–14:00 计30分",
        "01-13(周二) 14:15–15:00 计45分",
    ]
    assert sum((segment.end - segment.start for segment in counted.segments), timedelta(0)) == 2.75 * HOUR


def test_a_night_shift_is_explained_with_the_day_on_which_it_starts() -> None:
    nights = calendar(NIGHT, date_hours={"2026-01-18": [["20:00", "24:00"]]})

    lines = nights.describe(nights.segments(china("2026-01-15T22:00:00"), china("2026-01-19T23:00:10")))

    assert lines == [
        "01-15(周四) 22:00–次日06:00 计8小时",
        "01-16(周五) 22:00–次日06:00 计8小时",
        "01-18(周日·调休上班) 20:00–24:00 计4小时",
        "01-19(周一) 22:00–23:00:10 计1小时10秒",
    ]
    assert nights.describe(nights.segments(china("2026-01-16T02:00:00"), china("2026-01-16T03:00:00"))) == [
        "01-15(周四) 次日02:00–03:00 计1小时"
    ]


def test_working_days_are_explained_by_the_time_that_they_passed() -> None:
    office = calendar(OFFICE)

    counted = office.due_days_counted(china("2026-01-16T10:00:00"), 1)

    assert counted.due_at == china("2026-01-19T10:00:00")
    assert office.describe(counted.segments) == [
        "01-16(周五) 10:00–18:00 计8小时",
        "01-19(周一) 09:00–10:00 计1小时",
    ]


def test_days_of_an_unpublished_year_are_marked_as_estimated() -> None:
    office = calendar(OFFICE, published={"from": 2004, "to": 2026})

    counted = office.due_counted(china("2026-12-31T17:00:00"), 2 * HOUR)

    assert counted.certainty == "estimated"
    assert office.describe(counted.segments) == [
        "12-31(周四) 17:00–18:00 计1小时",
        "01-01(周五) 09:00–10:00 计1小时(按周历推算)",
    ]


@pytest.mark.parametrize(
    ("start", "budget", "certainty"),
    [
        ("2026-12-31T17:00:00", HOUR, "published"),
        ("2026-12-31T17:00:01", HOUR, "estimated"),
        ("2027-05-06T10:00:00", HOUR, "estimated"),
        ("2026-05-06T10:00:00", 30 * HOUR, "published"),
    ],
)
def test_certainty_asks_only_for_the_days_up_to_the_due_time(start: str, budget: timedelta, certainty: str) -> None:
    office = calendar(OFFICE, published=[2025, 2026])

    assert office.due_counted(china(start), budget).certainty == certainty


def test_a_guessed_day_that_was_passed_over_makes_the_due_time_a_guess() -> None:
    known = {"2027-01-04": [["09:00", "18:00"]]}
    office = calendar(OFFICE, published=[2026], on=known, off=["2027-01-01"])

    counted = office.due_counted(china("2026-12-31T17:00:00"), 2 * HOUR)

    assert [segment.estimated for segment in counted.segments] == [False, False]
    assert counted.certainty == "estimated"  # 2027-01-02 or -03 may still become make-up workdays


def test_a_due_time_at_the_opening_of_a_guessed_day_is_a_guess() -> None:
    office = calendar(OFFICE, published=[2026])

    counted = office.due_days_counted(china("2026-12-24T20:00:00"), 5)

    assert (counted.due_at, counted.certainty) == (china("2027-01-01T09:00:00"), "estimated")


def test_nothing_is_estimated_where_nothing_is_published() -> None:
    office = calendar(OFFICE)

    assert office.due_counted(china("2099-05-06T10:00:00"), HOUR).certainty == "published"


# Bad input


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"hours": {"mon": [["09:00", "12:00"], ["11:00", "18:00"]]}}, "hours.mon", "重叠"),
        ({"hours": {"mon": [["22:00", "06:00"]], "tue": [["05:00", "09:00"]]}}, "hours.tue", "重叠"),
        ({"hours": {"sun": [["22:00", "06:00"]], "mon": [["05:00", "09:00"]]}}, "hours.mon", "重叠"),
        ({"hours": {"mon": [["09:00", "09:00"]]}}, "hours.mon", "不能相同"),
        ({"hours": {"mon": [["18:00", "09:00"]]}}, "hours.mon", "颠倒"),
        ({"hours": {"mon": [["24:00", "06:00"]]}}, "hours.mon", "HH:MM"),
        ({"hours": {"mon": [["9:00", "18:00"]]}}, "hours.mon", "HH:MM"),
        ({"hours": {"mon": [["09:60", "18:00"]]}}, "hours.mon", "HH:MM"),
        ({"hours": {"mon": [["09:00", "24:30"]]}}, "hours.mon", "HH:MM"),
        ({"hours": {"mon": [[9, 18]]}}, "hours.mon", "HH:MM"),
        ({"hours": {"mon": [["09:00"]]}}, "hours.mon", "两个时间"),
        ({"hours": {"mon": ["09:00-18:00"]}}, "hours.mon", "两个时间"),
        ({"hours": {"mon": "09:00-18:00"}}, "hours.mon", "列表"),
        ({"hours": {"monday": [["09:00", "18:00"]]}}, "hours.monday", "星期"),
        ({"hours": [["09:00", "18:00"]]}, "hours", "对象"),
        ({"hours": {}}, "hours", "没有任何工作时段"),
        ({"hours": {"mon": []}, "date_hours": {"2026-01-04": []}}, "hours", "没有任何工作时段"),
        ({"tz": "Mars/Olympus"}, "tz", "时区"),
        ({"tz": "../etc/passwd"}, "tz", "时区"),
        ({"tz": "Europe"}, "tz", "时区"),
        ({"tz": ""}, "tz", "时区"),
        ({"tz": 8}, "tz", "时区"),
        ({"holidays": ["2026-02-30"]}, "holidays.2026-02-30", "日期"),
        ({"holidays": ["20260101"]}, "holidays.20260101", "日期"),
        ({"holidays": "2026-01-01"}, "holidays", "列表"),
        ({"date_hours": {"2026-13-01": []}}, "date_hours.2026-13-01", "日期"),
        ({"date_hours": {"2026-01-04": [["10:00", "09:00"]]}}, "date_hours.2026-01-04", "颠倒"),
        ({"breaks": {"2026-01-04": [["10:00", "10:00"]]}}, "breaks.2026-01-04", "不能相同"),
        ({"off": ["2026-01-05"], "on": {"2026-01-05": [["09:00", "10:00"]]}}, "off.2026-01-05", "同一天"),
        ({"published": {"from": 2004}}, "published.to", "年份"),
        ({"published": ["2026"]}, "published", "年份"),
        ({"published": 2026}, "published", "列表"),
        ({"makeup": [20260104]}, "makeup.20260104", "日期"),
        ({"holiday": ["2026-01-01"]}, "holiday", "没有这个字段"),
        ({"cn": True}, "cn", "展开"),
    ],
)
def test_a_calendar_that_makes_no_sense_is_refused_by_field_and_rule(
    changes: dict[str, object], field: str, rule: str
) -> None:
    with pytest.raises(CalendarError) as refusal:
        calendar(OFFICE, **changes)

    assert refusal.value.field == field
    assert rule in refusal.value.rule
    assert isinstance(refusal.value, ValueError)


def test_a_longer_night_is_written_as_two_segments() -> None:
    nights = calendar(OFFICE, hours={"mon": [["18:00", "24:00"]], "tue": [["00:00", "09:00"]]})

    assert nights.due(china("2026-01-12T12:00:00"), 10 * HOUR) == china("2026-01-13T04:00:00")


def test_a_time_without_a_zone_is_refused() -> None:
    office, naive = calendar(OFFICE), at("2026-01-13T10:00:00")
    aware = naive.replace(tzinfo=UTC)

    for question in (
        lambda: office.due(naive, HOUR),
        lambda: office.due_days(naive, 1),
        lambda: office.elapsed(naive, aware),
        lambda: office.elapsed(aware, naive),
        lambda: office.periods(naive),
        lambda: office.is_open(naive),
        lambda: office.next_opening(naive),
        lambda: office.due(aware, HOUR, [(naive, aware)]),
    ):
        with pytest.raises(ValueError, match="without a zone"):
            question()


def test_negative_budgets_and_reversed_pauses_are_refused() -> None:
    office, start = calendar(OFFICE), china("2026-01-13T10:00:00")

    with pytest.raises(ValueError, match="negative"):
        office.due(start, -HOUR)
    with pytest.raises(ValueError, match="negative"):
        office.due_days(start, -1)
    with pytest.raises(ValueError, match="before it begins"):
        office.due(start, HOUR, [(start + HOUR, start)])


def test_a_calendar_that_stops_opening_says_so_instead_of_searching_for_ever() -> None:
    fair = calendar(OFFICE, hours={}, on={"2026-01-17": [["09:00", "12:00"]]})
    start = china("2026-01-16T10:00:00")

    assert fair.due(start, 3 * HOUR) == china("2026-01-17T12:00:00")
    assert len(list(fair.periods(start))) == 1
    assert not fair.is_open(china("2026-01-17T12:00:00"))
    for question in (
        lambda: fair.due(start, 4 * HOUR),
        lambda: fair.due_days(start, 1),
        lambda: fair.next_opening(china("2026-01-17T12:00:00")),
    ):
        with pytest.raises(CalendarError, match="一百年"):
            question()
