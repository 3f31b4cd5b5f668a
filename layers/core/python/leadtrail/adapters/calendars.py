"""Published Chinese holidays for a calendar that asks for them with ``"cn": true``.

The days come from the package chinese-calendar (State Council notices, from 2004 on). It is imported when the first
such calendar is read, since an always-open calendar must not pay for it, and its day tables are read directly: asking
it day by day would raise for years that nobody has published yet. Those keep the weekday rule, marked as estimated.

Order: what the company says of a date > what is published > the weekday.
"""

import json
from collections.abc import Mapping
from datetime import date
from functools import cache, lru_cache
from typing import Any

from leadtrail.domain.worktime import WEEKDAYS, CalendarError, WorkCalendar


def resolve(calendar: Mapping[str, object]) -> WorkCalendar:
    """Return the calendar of a policy, its published holidays filled in; equal contents give the same object.

    Takes the shape of ``WorkCalendar.from_dict`` plus ``"cn": true``. A ``published`` of the caller's own replaces the
    years that the package covers: holidays of other years are left out, and years may be named that the company
    entered itself.

    Raises:
        CalendarError: names the field and the rule that it breaks.
    """
    try:
        text = json.dumps(calendar, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as unreadable:  # a value or key that JSON does not have; NaN; a circle
        raise CalendarError(field="calendar", rule="日历只能由 JSON 的值组成") from unreadable
    return _resolved(text)


def check_year(year: int) -> bool:
    """Say whether the holidays of a year are published, as far as the installed package knows."""
    return year in _published_years()


@lru_cache(maxsize=256)
def _resolved(text: str) -> WorkCalendar:
    calendar = json.loads(text)
    asks = calendar.pop("cn", False)
    if not isinstance(asks, bool):
        raise CalendarError(field="cn", rule="须为 true 或 false")
    plain = WorkCalendar.from_dict(calendar)  # names what is wrong before anything is added
    return WorkCalendar.from_dict(_with_published_days(calendar, plain)) if asks else plain


def _with_published_days(calendar: dict[str, Any], plain: WorkCalendar) -> dict[str, Any]:
    """Add published days of rest and make-up work to all dates of which the company says nothing."""
    holidays, workdays = _day_tables()
    years = _published_years() if plain.published is None else plain.published

    def is_ours(day: date) -> bool:
        return day.year in years and day not in plain.special

    rest = [day for day in holidays if is_ours(day) and plain.weekly[day.weekday()]]
    makeup = [day for day in workdays if is_ours(day) and (day.weekday() >= 5 or not plain.weekly[day.weekday()])]
    return {
        **calendar,
        "holidays": [*calendar.get("holidays", []), *map(str, rest)],
        "date_hours": {**{str(day): _hours_of(day, calendar) for day in makeup}, **calendar.get("date_hours", {})},
        "makeup": [*calendar.get("makeup", []), *map(str, makeup)],
        "published": sorted(years),
    }


def _hours_of(day: date, calendar: Mapping[str, Any]) -> list[list[str]]:
    """Return the hours of a make-up workday: its weekday's own, else those of the first weekday that has any."""
    hours = calendar.get("hours", {})
    choices = (hours.get(name) for name in (WEEKDAYS[day.weekday()], *WEEKDAYS))
    return next((segments for segments in choices if segments), [])


@cache
def _published_years() -> frozenset[int]:
    holidays, _ = _day_tables()
    return frozenset(range(holidays[0].year, holidays[-1].year + 1))


@cache
def _day_tables() -> tuple[tuple[date, ...], tuple[date, ...]]:
    """Return the published days of rest and days of make-up work, oldest first."""
    from chinese_calendar import constants  # noqa: PLC0415  only calendars with "cn" pay for its import

    return tuple(sorted(constants.holidays)), tuple(sorted(constants.workdays))
