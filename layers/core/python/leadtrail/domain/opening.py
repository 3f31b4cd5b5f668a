"""Opening hours: which spans of UTC are open on a day, with all that a company and its zone's clock say about it.

One definition carries everything: *an instant is open when the wall clock of the calendar's zone shows a time inside a
segment*. Clock changes need no rule of their own then: a night shift lasts seven real hours in spring and nine in
autumn, and a wall time that does not exist is simply never shown.

A segment belongs to the day on which it starts, also when it runs over midnight: the small hours of Saturday are
Friday's shift, and a holiday closes what starts on it, not what is still running.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from leadtrail.domain.segment import Kind
from leadtrail.domain.span import Span, joined, without

Hours: TypeAlias = tuple[tuple[timedelta, timedelta], ...]
"""Segments of one day as distances from its midnight on the wall clock; the end may lie in the next day."""

_ZERO: Final = timedelta(0)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, eq=False)
class OpeningHours:
    """What a company says about its working hours, dates on the wall clock of its zone.

    ``weekly`` holds seven days from Monday; ``special`` replaces it on single dates (empty: closed), and ``breaks`` are
    cut out of either. ``makeup`` and ``published`` only explain: days worked in exchange for a holiday, and the years
    whose holidays are known (None: nothing is a guess).
    """

    zone: ZoneInfo
    weekly: tuple[Hours, ...]
    special: Mapping[date, Hours]
    breaks: Mapping[date, Hours]
    makeup: frozenset[date]
    published: frozenset[int] | None

    def kind(self, day: date) -> Kind:
        """Return why the day is worked."""
        if day in self.makeup:
            return "makeup"
        return "special" if day in self.special else "workday"

    def is_estimated(self, day: date) -> bool:
        """Say whether the day is known by its weekday only: its year is unpublished, and nobody named the date."""
        return self.published is not None and day.year not in self.published and day not in self.special

    def open_day(self, day: date) -> list[Span]:
        """Return the segments that start on one day as UTC spans, breaks cut out.

        The day keeps at least three days of distance from both ends of what a datetime can hold.
        """
        hours = self.special.get(day)
        if hours is None:
            hours = self.weekly[day.weekday()]
        if self.breaks and hours:
            hours = self._without_breaks(day, hours)
        if not hours:
            return []
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        offset = self._offset_at_midnight(midnight)
        if offset == self._offset_at_midnight(midnight + _DAY) == self._offset_at_midnight(midnight + 2 * _DAY):
            return [(midnight + since - offset, midnight + until - offset) for since, until in hours]
        return self._across_clock_change(midnight, hours)

    def _without_breaks(self, day: date, hours: Hours) -> Hours:
        cuts = sorted(
            (since + away, until + away)
            for away in (-_DAY, _ZERO, _DAY)
            for since, until in self.breaks.get(day + away, ())
        )
        return tuple(piece for segment in hours for piece in without(segment, cuts))

    def _offset_at_midnight(self, midnight: datetime) -> timedelta:
        return midnight.replace(tzinfo=self.zone).utcoffset() or _ZERO

    def _across_clock_change(self, midnight: datetime, hours: Hours) -> list[Span]:
        """Return the spans in which the wall clock shows these hours, though its offset changes about this day."""
        spans = []
        for since, until in hours:
            for begin, end, offset in _steady_stretches(self.zone, midnight - _DAY, midnight + 3 * _DAY):
                opened = max(begin, midnight + since - offset)
                closed = min(end, midnight + until - offset)
                if opened < closed:
                    spans.append((opened, closed))
        return joined(spans)


def _steady_stretches(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """Cut a span of UTC where the zone changes its offset; each piece comes with its offset."""
    begin, offset = start, _offset(zone, start)
    cursor = start
    while cursor < end:
        following = cursor + _HOUR
        if _offset(zone, following) != offset:
            change = _offset_change(zone, cursor, following)
            yield begin, change, offset
            begin, offset = change, _offset(zone, change)
        cursor = following
    yield begin, end, offset


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset() or _ZERO


def _offset_change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Return the second at which the offset becomes another one between two instants."""
    old = _offset(zone, before)
    low, high = 0, int((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        is_old = _offset(zone, before + timedelta(seconds=middle)) == old
        low, high = (middle, high) if is_old else (low, middle)
    return before + timedelta(seconds=high)
