"""Working time: when a company is open, when a budget of it runs out, and which segments were counted.

`opening` says what is open, `calendar_input` reads it, `opening_block` keeps it at hand, `segment` puts it into words;
here are the questions.

- A budget that runs out exactly at closing (or as a pause begins) is due then. A budget of zero is due at the next
  open instant.
- N working days keep the wall time. The closing instant counts as open there, at both ends (so zero days from a
  closing are that closing). A start outside working time counts from the next opening, a result outside it rolls to
  the next opening, and pauses shift it by the working time that they took before it.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from leadtrail.domain import calendar_input
from leadtrail.domain.calendar_input import WEEKDAYS, CalendarError
from leadtrail.domain.opening import Hours, OpeningHours
from leadtrail.domain.opening_block import HORIZON_BLOCKS, Blocks, first_number, number_of
from leadtrail.domain.segment import Counted, Segment, words
from leadtrail.domain.span import Span, merged, utc, without

__all__ = ["WEEKDAYS", "CalendarError", "Counted", "Segment", "WorkCalendar"]

_ZERO: Final = timedelta(0)
_NEVER_OPENS: Final = "起点之后一百年内没有足够的工作时间"


@dataclass(frozen=True, slots=True, eq=False)
class WorkCalendar:
    """When a company works, in its own zone. Takes aware datetimes of any zone, gives aware UTC.

    Every method raises ValueError for a naive datetime, a negative budget or a pause that ends before it begins, and
    CalendarError when the calendar does not open (often enough) in the hundred years after the start.
    Pauses are (start, end) pairs in any order; they may overlap, lie outside working time, or begin before the start.
    """

    hours: OpeningHours
    _blocks: Blocks

    @classmethod
    def from_dict(cls, calendar: Mapping[str, object]) -> "WorkCalendar":
        """Read a calendar as policies carry it.

        Shape: ``{"tz": "Asia/Shanghai", "hours": {"mon": [["09:00", "18:00"]]}, "holidays": [date],
        "date_hours": {date: [[from, to]]}, "breaks": {date: [[from, to]]}, "off": [date], "on": {date: [[from, to]]},
        "makeup": [date], "published": {"from": 2004, "to": 2026} or [year]}``, all optional but one open segment.
        Dates are those of the wall clock, for breaks too. Without ``published`` nothing counts as estimated; without
        ``makeup`` the date hours of a weekday that is otherwise closed count as make-up work.

        Raises:
            CalendarError: names the field and the rule that it breaks.
        """
        hours = calendar_input.read(calendar)
        return cls(hours, Blocks(hours))

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the company's wall clock."""
        return self.hours.zone

    @property
    def weekly(self) -> tuple[Hours, ...]:
        """The hours of seven days from Monday."""
        return self.hours.weekly

    @property
    def special(self) -> Mapping[date, Hours]:
        """The dates that keep hours of their own; empty hours are a closed day."""
        return self.hours.special

    @property
    def published(self) -> frozenset[int] | None:
        """The years whose holidays are known; None says that nothing is a guess."""
        return self.hours.published

    def due(self, start: datetime, budget: timedelta, pauses: Iterable[Span] = ()) -> datetime:
        """Return the instant at which ``budget`` of unpaused working time after ``start`` has run out."""
        if budget < _ZERO:
            raise ValueError("a budget of working time must not be negative")
        return self._due(utc(start), budget, merged(pauses))

    def due_days(self, start: datetime, days: int, pauses: Iterable[Span] = ()) -> datetime:
        """Return the same wall time ``days`` working days after ``start``, or the next opening if that is closed."""
        if days < 0:
            raise ValueError("a number of working days must not be negative")
        begin = self._counted_from(utc(start))
        due_at = self._same_time(begin, days)
        spans = merged(pauses)
        lost = sum((self._between(max(begin, since), min(due_at, until)) for since, until in spans), _ZERO)
        return self._due(due_at, lost, spans) if lost else due_at

    def elapsed(self, start: datetime, end: datetime, pauses: Iterable[Span] = ()) -> timedelta:
        """Return the unpaused working time between two instants; nothing when ``end`` lies before ``start``."""
        begin, finish = utc(start), utc(end)
        lost = (self._between(max(begin, since), min(finish, until)) for since, until in merged(pauses))
        return self._between(begin, finish) - sum(lost, _ZERO)

    def periods(self, start: datetime) -> Iterator[Span]:
        """Iterate over the working intervals after ``start``; the first is cut there. Ends with the calendar."""
        return ((segment.start, segment.end) for segment in self._segments_from(utc(start)))

    def is_open(self, at: datetime) -> bool:
        """Say whether work is on at this instant; at a closing it is not."""
        return self._blocks.covering_day(utc(at)) is not None

    def is_workday(self, day: date) -> bool:
        """Say whether any working segment starts on this day of the calendar's zone."""
        return self._blocks.is_workday(day)

    def is_estimated(self, day: date) -> bool:
        """Say whether the day is known by its weekday only: its year is unpublished, and nobody named the date."""
        return self.hours.is_estimated(day)

    def next_opening(self, at: datetime) -> datetime:
        """Return ``at`` itself when open, else the next instant at which work starts; a closing instant is not open."""
        instant = utc(at)
        for block, index in self._blocks.after(instant, first_number(instant) + HORIZON_BLOCKS):
            if index < len(block.opens):
                return max(instant, block.opens[index])
        raise CalendarError(field="hours", rule=_NEVER_OPENS)

    def segments(self, start: datetime, end: datetime, pauses: Iterable[Span] = ()) -> tuple[Segment, ...]:
        """Return the working time between two instants piece by piece, pauses cut out, oldest first."""
        begin, finish = utc(start), utc(end)
        spans = merged(pauses)
        found: list[Segment] = []
        for segment in self._segments_from(begin):
            if segment.start >= finish:
                break
            whole = (segment.start, min(segment.end, finish))
            found += [
                Segment(since, until, segment.day, segment.kind, segment.estimated)
                for since, until in without(whole, spans)
            ]
        return tuple(found)

    def due_counted(self, start: datetime, budget: timedelta, pauses: Iterable[Span] = ()) -> Counted:
        """Return what ``due`` returns, together with the segments that it counted and how sure it is."""
        spans = tuple(pauses)
        return self._counted(start, self.due(start, budget, spans), spans)

    def due_days_counted(self, start: datetime, days: int, pauses: Iterable[Span] = ()) -> Counted:
        """Return what ``due_days`` returns, together with the working time that it passed and how sure it is."""
        spans = tuple(pauses)
        return self._counted(start, self.due_days(start, days, spans), spans)

    def describe(self, segments: Iterable[Segment]) -> list[str]:
        """Put counted segments into Chinese, in local time: 「01-04(周日·调休上班) 09:00–11:00 计2小时」."""
        return [words(segment, self.zone) for segment in segments]

    def _due(self, start: datetime, budget: timedelta, pauses: Sequence[Span]) -> datetime:
        cursor = start
        for since, until in pauses:
            if until <= cursor:
                continue
            if not budget:
                if self.next_opening(cursor) < since:
                    break
            else:
                counted = self._between(cursor, since)
                if counted >= budget:
                    break
                budget -= counted
            cursor = until
        return self._advance(cursor, budget) if budget else self.next_opening(cursor)

    def _advance(self, start: datetime, budget: timedelta) -> datetime:
        """Count a positive budget forward, pauses aside."""
        number, block = self._blocks.at(start)
        horizon = number + HORIZON_BLOCKS
        left = budget + block.worked_by(start)
        while left > block.total:
            left -= block.total
            number += 1
            if number > horizon:
                raise CalendarError(field="budget", rule=_NEVER_OPENS)
            block = self._blocks.block(number)
        index = bisect_left(block.worked, left)
        return block.closes[index] - (block.worked[index] - left)

    def _between(self, start: datetime, end: datetime) -> timedelta:
        """Return the working time between two instants, pauses aside."""
        if end <= start:
            return _ZERO
        (first, opening), (last, closing) = self._blocks.at(start), self._blocks.at(end)
        worked = closing.worked_by(end) - opening.worked_by(start)
        for number in range(first, last):
            worked += self._blocks.block(number).total
        return worked

    def _counted_from(self, start: datetime) -> datetime:
        return start if self._blocks.working_day(start) is not None else self.next_opening(start)

    def _same_time(self, begin: datetime, days: int) -> datetime:
        """Return the wall time of ``begin`` (open, or a closing) so many working days later, or the next opening."""
        day = self._blocks.working_day(begin)
        if day is None or not days:
            return begin
        local = begin.astimezone(self.zone)
        target = self._workday_after(day, days) + (local.date() - day)
        wall = datetime.combine(target, local.time().replace(fold=0), tzinfo=self.zone)
        return self._counted_from(wall.astimezone(UTC))

    def _workday_after(self, day: date, days: int) -> date:
        number = number_of(day)
        horizon = number + HORIZON_BLOCKS
        workdays = self._blocks.block(number).workdays
        index = bisect_left(workdays, day) + days
        while index >= len(workdays):
            index -= len(workdays)
            number += 1
            if number > horizon:
                raise CalendarError(field="days", rule=_NEVER_OPENS)
            workdays = self._blocks.block(number).workdays
        return workdays[index]

    def _counted(self, start: datetime, due_at: datetime, pauses: tuple[Span, ...]) -> Counted:
        segments = self.segments(start, due_at, pauses)
        begin = utc(start)
        first = self._blocks.working_day(begin) or begin.astimezone(self.zone).date()
        # A due time at an opening lies on a day of which nothing was counted yet.
        last = self._blocks.working_day(due_at) or due_at.astimezone(self.zone).date()
        # A guessed day matters when it was passed over as well: a Saturday may become a make-up workday.
        passed = range(first.toordinal(), last.toordinal() + 1)
        guessed = any(self.is_estimated(date.fromordinal(ordinal)) for ordinal in passed)
        return Counted(due_at, segments, "estimated" if guessed else "published")

    def _segments_from(self, start: datetime) -> Iterator[Segment]:
        for block, first in self._blocks.after(start, self._blocks.last_number()):
            for index in range(first, len(block.opens)):
                day = block.days[index]
                opened = max(start, block.opens[index])
                yield Segment(opened, block.closes[index], day, self.hours.kind(day), self.hours.is_estimated(day))
