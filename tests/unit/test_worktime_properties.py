"""Laws of working time, tried on calendars, zones, nights, pauses and clock changes that nobody chose."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from leadtrail.domain.worktime import WorkCalendar
from tests.minute_walk import due_by_minutes, elapsed_by_minutes

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")
OPEN_DAYS = (
    [["09:00", "18:00"]],
    [["13:30", "18:00"], ["09:00", "12:00"]],
    [["10:00", "10:45"]],
    [["06:00", "10:00"], ["22:00", "06:00"]],
    [["22:00", "06:00"]],
    [["18:00", "24:00"]],
)
# Hours that a clock change cuts, lengthens or repeats; no night shift may run into them.
SMALL_HOURS = ([["01:30", "02:30"], ["09:00", "12:00"]], [["02:00", "03:00"]], [["00:00", "24:00"]])
BREAKS = ([["10:00", "10:30"]], [["23:00", "01:00"]], [["00:00", "24:00"]], [["01:45", "02:15"], ["02:00", "09:30"]])
# Weeks about clock changes of the zones above, about Chinese holidays, and an ordinary one.
WEEKS = tuple(
    date.fromisoformat(text) for text in ("2026-03-05", "2026-03-26", "2026-10-01", "2026-10-22", "2026-06-11")
)

thrifty = settings(max_examples=40, deadline=None)
budgets = st.integers(0, 40 * 60).map(lambda minutes: timedelta(minutes=minutes))


@st.composite
def calendars(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a raw calendar that opens at least on Wednesdays."""
    choices = draw(st.sampled_from([OPEN_DAYS, SMALL_HOURS]))
    hours = {name: draw(st.sampled_from([[], *choices])) for name in WEEKDAYS}
    hours["wed"] = draw(st.sampled_from(choices))
    days = st.sampled_from([str(week + timedelta(days=away)) for week in WEEKS for away in range(14)])
    return {
        "tz": draw(st.sampled_from(ZONES)),
        "hours": hours,
        "holidays": draw(st.lists(days, max_size=6)),
        "date_hours": draw(st.dictionaries(days, st.sampled_from([[], *choices]), max_size=6)),
        "breaks": draw(st.dictionaries(days, st.sampled_from(BREAKS), max_size=6)),
        "off": draw(st.lists(days, max_size=3)),
    }


@st.composite
def starts(draw: st.DrawFn) -> datetime:
    """Draw an instant in or before the weeks that matter, to the second."""
    midnight = datetime.combine(draw(st.sampled_from(WEEKS)), datetime.min.time(), tzinfo=UTC)
    return midnight + timedelta(seconds=draw(st.integers(0, 7 * 86400)))


@st.composite
def pauses(draw: st.DrawFn) -> list[tuple[datetime, datetime]]:
    """Draw up to four pauses, in any order, of up to three days."""
    found = []
    for since in draw(st.lists(starts(), max_size=4)):
        found.append((since, since + timedelta(minutes=draw(st.integers(0, 3 * 1440)))))
    return found


@thrifty
@given(calendars(), starts(), budgets)
def test_a_due_time_is_where_a_walk_by_minutes_ends(raw: dict[str, Any], start: datetime, budget: timedelta) -> None:
    assert WorkCalendar.from_dict(raw).due(start, budget) == due_by_minutes(raw, start, budget)


@thrifty
@given(calendars(), starts(), st.integers(0, 15 * 1440))
def test_elapsed_time_is_what_a_walk_by_minutes_counts(raw: dict[str, Any], start: datetime, minutes: int) -> None:
    end = start + timedelta(minutes=minutes)

    assert WorkCalendar.from_dict(raw).elapsed(start, end) == elapsed_by_minutes(raw, start, end)


@settings(max_examples=25, deadline=None)
@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)), st.integers(1, 25))  # noqa: DTZ001  hypothesis wants naive bounds
def test_wherever_a_month_of_counting_begins_the_walk_agrees(start: datetime, hours: int) -> None:
    raw = {"tz": "Europe/Berlin", "hours": {"mon": [["22:00", "04:00"]], "thu": [["09:00", "12:00"]]}}

    assert WorkCalendar.from_dict(raw).due(start, timedelta(hours=hours)) == due_by_minutes(
        raw, start, timedelta(hours=hours)
    )


@thrifty
@given(calendars(), starts(), budgets, pauses())
def test_what_elapsed_until_the_due_time_is_the_budget(
    raw: dict[str, Any], start: datetime, budget: timedelta, stops: list[tuple[datetime, datetime]]
) -> None:
    calendar = WorkCalendar.from_dict(raw)

    counted = calendar.due_counted(start, budget, stops)

    assert calendar.elapsed(start, counted.due_at, stops) == budget
    assert sum((segment.end - segment.start for segment in counted.segments), timedelta(0)) == budget


@thrifty
@given(calendars(), starts(), budgets, budgets, pauses())
def test_more_budget_or_a_later_start_is_never_due_earlier(
    raw: dict[str, Any], start: datetime, budget: timedelta, more: timedelta, stops: list[tuple[datetime, datetime]]
) -> None:
    calendar = WorkCalendar.from_dict(raw)

    due_at = calendar.due(start, budget, stops)

    assert due_at <= calendar.due(start + more, budget, stops)
    assert not budget or due_at <= calendar.due(start, budget + more, stops)


@thrifty
@given(calendars(), starts(), st.integers(0, 20_000), st.integers(0, 20_000), pauses())
def test_elapsed_time_adds_up(
    raw: dict[str, Any], start: datetime, first: int, second: int, stops: list[tuple[datetime, datetime]]
) -> None:
    calendar = WorkCalendar.from_dict(raw)
    middle = start + timedelta(minutes=first)
    end = middle + timedelta(minutes=second)

    whole = calendar.elapsed(start, end, stops)

    assert whole == calendar.elapsed(start, middle, stops) + calendar.elapsed(middle, end, stops)


@thrifty
@given(calendars(), starts(), budgets, st.integers(1, 12), pauses())
def test_pauses_only_lengthen(
    raw: dict[str, Any], start: datetime, budget: timedelta, days: int, stops: list[tuple[datetime, datetime]]
) -> None:
    calendar = WorkCalendar.from_dict(raw)

    assert calendar.due(start, budget, stops) >= calendar.due(start, budget)
    assert calendar.due_days(start, days, stops) >= calendar.due_days(start, days)


@thrifty
@given(calendars(), starts(), st.integers(1, 12), pauses())
def test_pauses_move_working_days_by_exactly_the_working_time_that_they_took(
    raw: dict[str, Any], start: datetime, days: int, stops: list[tuple[datetime, datetime]]
) -> None:
    calendar = WorkCalendar.from_dict(raw)

    plain, paused = calendar.due_days(start, days), calendar.due_days(start, days, stops)

    assert calendar.elapsed(start, paused, stops) == calendar.elapsed(start, plain)


@thrifty
@given(calendars(), starts(), budgets, st.integers(0, 12))
def test_a_due_time_is_open_or_a_closing(raw: dict[str, Any], start: datetime, budget: timedelta, days: int) -> None:
    calendar = WorkCalendar.from_dict(raw)
    moment = timedelta(microseconds=1)

    for due_at in (calendar.due(start, budget), calendar.due_days(start, days)):
        assert calendar.is_open(due_at) or calendar.is_open(due_at - moment)


@thrifty
@given(calendars(), starts(), st.integers(1, 12), st.integers(1, 12))
def test_working_days_add_up_where_they_end_at_the_same_wall_time(
    raw: dict[str, Any], start: datetime, first: int, second: int
) -> None:
    calendar = WorkCalendar.from_dict(
        {**raw, "hours": {name: [["06:00", "20:00"]] for name in WEEKDAYS}, "breaks": {}, "date_hours": {}}
    )

    begin = calendar.next_opening(start)

    assert calendar.due_days(calendar.due_days(begin, first), second) == calendar.due_days(begin, first + second)


@thrifty
@given(calendars(), starts())
def test_periods_come_in_order_never_overlap_and_are_open(raw: dict[str, Any], start: datetime) -> None:
    calendar = WorkCalendar.from_dict(raw)
    before = start

    for opened, closed in (pair for _, pair in zip(range(12), calendar.periods(start), strict=False)):
        assert before <= opened < closed
        assert calendar.is_open(opened)
        before = closed
