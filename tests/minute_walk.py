"""The slow truth about working time: walk minute by minute and look at the wall clock.

Written apart from leadtrail.domain.worktime and from the raw calendar, so that the two can be held against each other
and their times compared. It knows no pauses, no blocks and no sums.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def due_by_minutes(calendar: Mapping[str, Any], start: datetime, budget: timedelta) -> datetime:
    """Return when ``budget`` has run out after ``start``, in UTC; a budget of zero runs out at the next open minute."""
    shop = _Shop(calendar)
    at = start.astimezone(UTC)
    left = budget
    while True:
        following = at.replace(second=0, microsecond=0) + MINUTE
        if shop.is_open(at):
            if left <= following - at:
                return at + left
            left -= following - at
        at = following


def elapsed_by_minutes(calendar: Mapping[str, Any], start: datetime, end: datetime) -> timedelta:
    """Return the working time between two instants."""
    shop = _Shop(calendar)
    at = start.astimezone(UTC)
    worked = timedelta(0)
    while at < end:
        following = min(at.replace(second=0, microsecond=0) + MINUTE, end)
        if shop.is_open(at):
            worked += following - at
        at = following
    return worked


class _Shop:
    """Answers one question: does the wall clock show a time inside a segment, and outside every break?"""

    def __init__(self, calendar: Mapping[str, Any]) -> None:
        self.calendar = calendar
        self.zone = ZoneInfo(calendar["tz"])
        self.minutes: dict[date, frozenset[int]] = {}

    def is_open(self, at: datetime) -> bool:
        local = at.astimezone(self.zone)
        return local.hour * 60 + local.minute in self.open_minutes(local.date())

    def open_minutes(self, day: date) -> frozenset[int]:
        """Return the minutes of one date at which work is on, those of the night before among them."""
        if day not in self.minutes:
            tonight = {minute for pair in self.hours(day) for minute in _minutes(pair)}
            last_night = {minute - 1440 for pair in self.hours(day - DAY) for minute in _minutes(pair)}
            breaks = self.calendar.get("breaks", {})
            rest = {minute for pair in breaks.get(str(day), []) for minute in _minutes(pair)}
            rest |= {minute - 1440 for pair in breaks.get(str(day - DAY), []) for minute in _minutes(pair)}
            self.minutes[day] = frozenset((tonight | last_night) - rest)
        return self.minutes[day]

    def hours(self, day: date) -> list[list[str]]:
        text = str(day)
        if text in self.calendar.get("on", {}):
            return self.calendar["on"][text]
        if text in self.calendar.get("off", []):
            return []
        if text in self.calendar.get("date_hours", {}):
            return self.calendar["date_hours"][text]
        if text in self.calendar.get("holidays", []):
            return []
        return self.calendar.get("hours", {}).get(WEEKDAYS[day.weekday()], [])


def _minutes(pair: list[str]) -> range:
    """Return the minutes of a segment, counted from the midnight before it: 22:00-06:00 is 1320 to 1800."""
    since, until = (int(text[:2]) * 60 + int(text[3:]) for text in pair)
    return range(since, until if until > since else until + 1440)
