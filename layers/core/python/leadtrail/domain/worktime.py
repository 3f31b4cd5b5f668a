"""Working time: when a company is open, when a budget of it runs out, and which segments were counted.

One definition carries everything: *an instant is open when the wall clock of the calendar's zone shows a time inside a
segment*. Clock changes need no rule of their own then: a night shift lasts seven real hours in spring and nine in
autumn, and a wall time that does not exist is simply never shown.

- A segment belongs to the day on which it starts, also when it runs over midnight: the small hours of Saturday are
  Friday's shift, and a holiday closes what starts on it, not what is still running.
- Order of the sources of one date: company override (``on``, ``off``) > ``date_hours`` > ``holidays`` > weekday.
- A budget that runs out exactly at closing (or as a pause begins) is due then. A budget of zero is due at the next
  open instant.
- N working days keep the wall time. The closing instant counts as open there, at both ends (so zero days from a
  closing are that closing). A start outside working time counts from the next opening, a result outside it rolls to
  the next opening, and pauses shift it by the working time that they took before it.

Days are opened in blocks, which carry running sums and are kept per calendar: a question costs two bisections and one
step per block that it crosses, however many minutes it counts.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Final, Literal, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

Kind: TypeAlias = Literal["workday", "makeup", "special"]
Certainty: TypeAlias = Literal["published", "estimated"]
Span: TypeAlias = tuple[datetime, datetime]
Edge = TypeVar("Edge", datetime, timedelta)
Hours: TypeAlias = tuple[tuple[timedelta, timedelta], ...]
"""Segments of one day as distances from its midnight on the wall clock; the end may lie in the next day."""

DEFAULT_ZONE: Final = "Asia/Shanghai"
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONGEST_NIGHT: Final = timedelta(hours=12)
"""A longer "night shift" is a day shift with its ends swapped; a real one is written as two segments."""

_FIELDS: Final = frozenset(
    {"tz", "hours", "holidays", "date_hours", "breaks", "off", "on", "published", "makeup", "cn", "name", "version"}
)
_TIME: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_ZERO: Final = timedelta(0)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)

_BLOCK_DAYS: Final = 32
_FIRST_DAY: Final = 4  # a margin of days, so that neighbours and offsets never leave what datetime can hold
_LAST_DAY: Final = date.max.toordinal() - 4
_HORIZON_BLOCKS: Final = 100 * 366 // _BLOCK_DAYS

_WEEKDAY_NAMES: Final = "一二三四五六日"
_KIND_NOTES: Final[Mapping[Kind, str]] = {"workday": "", "makeup": "·调休上班", "special": "·特殊工时"}


class CalendarError(ValueError):
    """A calendar that makes no sense or cannot hold a budget; ``field`` is the path, ``rule`` what it breaks."""

    def __init__(self, *, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of counted working time; ``start`` and ``end`` are aware UTC, ``day`` is the working day it belongs to.

    ``estimated`` says that the day lies in a year without published holidays, and is a working day by its weekday only.
    """

    start: datetime
    end: datetime
    day: date
    kind: Kind
    estimated: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """A due time (aware UTC) with its reasons: the segments counted, and whether a guessed day could still move it."""

    due_at: datetime
    segments: tuple[Segment, ...]
    certainty: Certainty


@dataclass(frozen=True, slots=True)
class _Block:
    """The open segments of consecutive days: UTC opens and closes, running sums, and the working day of each."""

    opens: tuple[datetime, ...]
    closes: tuple[datetime, ...]
    worked: tuple[timedelta, ...]
    days: tuple[date, ...]
    workdays: tuple[date, ...]
    total: timedelta

    def worked_by(self, at: datetime) -> timedelta:
        """Return the working time of this block that lies before ``at``."""
        index = bisect_right(self.closes, at)
        if index == len(self.closes):
            return self.total
        return self.worked[index] - (self.closes[index] - max(at, self.opens[index]))


@dataclass(frozen=True, slots=True, eq=False)
class WorkCalendar:
    """When a company works, in its own zone. Takes aware datetimes of any zone, gives aware UTC.

    Every method raises ValueError for a naive datetime, a negative budget or a pause that ends before it begins, and
    CalendarError when the calendar does not open (often enough) in the hundred years after the start.
    Pauses are (start, end) pairs in any order; they may overlap, lie outside working time, or begin before the start.
    """

    zone: ZoneInfo
    weekly: tuple[Hours, ...]
    special: Mapping[date, Hours]
    breaks: Mapping[date, Hours]
    makeup: frozenset[date]
    published: frozenset[int] | None
    _blocks: dict[int, _Block] = field(default_factory=dict, init=False, repr=False)

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
        _reject_unknown_fields(calendar)
        zone = _read_zone(calendar.get("tz", DEFAULT_ZONE))
        weekly = _read_weekly(calendar.get("hours", {}))
        special = _read_special(calendar)
        if not any(weekly) and not any(special.values()):
            raise CalendarError(field="hours", rule="日历中没有任何工作时段")
        return cls(
            zone=zone,
            weekly=weekly,
            special=special,
            breaks=_read_date_hours(calendar.get("breaks", {}), "breaks", may_overlap=True),
            makeup=_read_makeup(calendar, weekly),
            published=_read_published(calendar.get("published")),
        )

    def due(self, start: datetime, budget: timedelta, pauses: Iterable[Span] = ()) -> datetime:
        """Return the instant at which ``budget`` of unpaused working time after ``start`` has run out."""
        if budget < _ZERO:
            raise ValueError("a budget of working time must not be negative")
        return self._due(_utc(start), budget, _merged(pauses))

    def due_days(self, start: datetime, days: int, pauses: Iterable[Span] = ()) -> datetime:
        """Return the same wall time ``days`` working days after ``start``, or the next opening if that is closed."""
        if days < 0:
            raise ValueError("a number of working days must not be negative")
        begin = self._counted_from(_utc(start))
        due_at = self._same_time(begin, days)
        spans = _merged(pauses)
        lost = sum((self._between(max(begin, since), min(due_at, until)) for since, until in spans), _ZERO)
        return self._due(due_at, lost, spans) if lost else due_at

    def elapsed(self, start: datetime, end: datetime, pauses: Iterable[Span] = ()) -> timedelta:
        """Return the unpaused working time between two instants; nothing when ``end`` lies before ``start``."""
        begin, finish = _utc(start), _utc(end)
        lost = (self._between(max(begin, since), min(finish, until)) for since, until in _merged(pauses))
        return self._between(begin, finish) - sum(lost, _ZERO)

    def periods(self, start: datetime) -> Iterator[Span]:
        """Iterate over the working intervals after ``start``; the first is cut there. Ends with the calendar."""
        return ((segment.start, segment.end) for segment in self._segments_from(_utc(start)))

    def is_open(self, at: datetime) -> bool:
        """Say whether work is on at this instant; at a closing it is not."""
        return self._covering_day(_utc(at)) is not None

    def is_workday(self, day: date) -> bool:
        """Say whether any working segment starts on this day of the calendar's zone."""
        workdays = self._block(day.toordinal() // _BLOCK_DAYS).workdays
        index = bisect_left(workdays, day)
        return index < len(workdays) and workdays[index] == day

    def is_estimated(self, day: date) -> bool:
        """Say whether the day is known by its weekday only: its year is unpublished, and nobody named the date."""
        return self.published is not None and day.year not in self.published and day not in self.special

    def next_opening(self, at: datetime) -> datetime:
        """Return ``at`` itself when open, else the next instant at which work starts; a closing instant is not open."""
        instant = _utc(at)
        number = _number(instant)
        for block, index in self._blocks_from(instant, number + _HORIZON_BLOCKS):
            if index < len(block.opens):
                return max(instant, block.opens[index])
        raise CalendarError(field="hours", rule="起点之后一百年内没有足够的工作时间")

    def segments(self, start: datetime, end: datetime, pauses: Iterable[Span] = ()) -> tuple[Segment, ...]:
        """Return the working time between two instants piece by piece, pauses cut out, oldest first."""
        begin, finish = _utc(start), _utc(end)
        spans = _merged(pauses)
        found: list[Segment] = []
        for segment in self._segments_from(begin):
            if segment.start >= finish:
                break
            whole = (segment.start, min(segment.end, finish))
            found += [
                Segment(since, until, segment.day, segment.kind, segment.estimated)
                for since, until in _without(whole, spans)
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
        return [self._line(segment) for segment in segments]

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
        number, block = self._block_at(start)
        horizon = number + _HORIZON_BLOCKS
        left = budget + block.worked_by(start)
        while left > block.total:
            left -= block.total
            number += 1
            if number > horizon:
                raise CalendarError(field="budget", rule="起点之后一百年内没有足够的工作时间")
            block = self._block(number)
        index = bisect_left(block.worked, left)
        return block.closes[index] - (block.worked[index] - left)

    def _between(self, start: datetime, end: datetime) -> timedelta:
        """Return the working time between two instants, pauses aside."""
        if end <= start:
            return _ZERO
        (first, opening), (last, closing) = self._block_at(start), self._block_at(end)
        worked = closing.worked_by(end) - opening.worked_by(start)
        for number in range(first, last):
            worked += self._block(number).total
        return worked

    def _counted_from(self, start: datetime) -> datetime:
        return start if self._working_day(start) is not None else self.next_opening(start)

    def _same_time(self, begin: datetime, days: int) -> datetime:
        """Return the wall time of ``begin`` (open, or a closing) so many working days later, or the next opening."""
        day = self._working_day(begin)
        if day is None or not days:
            return begin
        local = begin.astimezone(self.zone)
        target = self._workday_after(day, days) + (local.date() - day)
        wall = datetime.combine(target, local.time().replace(fold=0), tzinfo=self.zone)
        return self._counted_from(wall.astimezone(UTC))

    def _workday_after(self, day: date, days: int) -> date:
        number = day.toordinal() // _BLOCK_DAYS
        horizon = number + _HORIZON_BLOCKS
        workdays = self._block(number).workdays
        index = bisect_left(workdays, day) + days
        while index >= len(workdays):
            index -= len(workdays)
            number += 1
            if number > horizon:
                raise CalendarError(field="days", rule="起点之后一百年内没有足够的工作时间")
            workdays = self._block(number).workdays
        return workdays[index]

    def _covering_day(self, at: datetime) -> date | None:
        """Return the working day whose segment holds ``at``, the closing instant excluded."""
        for block, index in self._blocks_from(at, _number(at) + 1):
            if index < len(block.opens):
                return block.days[index] if block.opens[index] <= at else None
        return None

    def _working_day(self, at: datetime) -> date | None:
        """Return the working day to which ``at`` belongs, the closing instant included."""
        day = self._covering_day(at)
        if day is not None:
            return day
        for block, _ in self._blocks_from(at, _number(at) + 1):
            index = bisect_left(block.closes, at)
            if index < len(block.closes) and block.closes[index] == at:
                return block.days[index]
        return None

    def _counted(self, start: datetime, due_at: datetime, pauses: tuple[Span, ...]) -> Counted:
        segments = self.segments(start, due_at, pauses)
        begin = _utc(start)
        first = self._working_day(begin) or begin.astimezone(self.zone).date()
        last = segments[-1].day if segments else self._working_day(due_at) or due_at.astimezone(self.zone).date()
        # A guessed day matters when it was passed over as well: a Saturday may become a make-up workday.
        passed = range(first.toordinal(), last.toordinal() + 1)
        guessed = any(self.is_estimated(date.fromordinal(ordinal)) for ordinal in passed)
        return Counted(due_at, segments, "estimated" if guessed else "published")

    def _segments_from(self, start: datetime) -> Iterator[Segment]:
        for block, first in self._blocks_from(start, self._last_number()):
            for index in range(first, len(block.opens)):
                day = block.days[index]
                opened = max(start, block.opens[index])
                yield Segment(opened, block.closes[index], day, self._kind(day), self.is_estimated(day))

    def _kind(self, day: date) -> Kind:
        if day in self.makeup:
            return "makeup"
        return "special" if day in self.special else "workday"

    def _last_number(self) -> int:
        """Return the number of the last block that can hold anything."""
        last = _LAST_DAY if any(self.weekly) else max(self.special).toordinal()
        return last // _BLOCK_DAYS

    def _blocks_from(self, at: datetime, last: int) -> Iterator[tuple[_Block, int]]:
        """Iterate over blocks up to number ``last``, each with its first segment that closes after ``at``."""
        for number in range(_number(at), last + 1):
            block = self._block(number)
            yield block, bisect_right(block.closes, at)

    def _block_at(self, at: datetime) -> tuple[int, _Block]:
        """Return the block in whose sums ``at`` stands: all before it has closed, and nothing after it has opened."""
        number = _number(at)
        block = self._block(number)
        if block.closes and at < block.closes[-1]:
            return number, block
        return number + 1, self._block(number + 1)

    def _block(self, number: int) -> _Block:
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = self._open_block(number)
        return block

    def _open_block(self, number: int) -> _Block:
        first = max(number * _BLOCK_DAYS, _FIRST_DAY)
        last = min((number + 1) * _BLOCK_DAYS - 1, _LAST_DAY)
        opens, closes, worked, days = [], [], [], []
        total = _ZERO
        night = self._open_day(first - 1) if first <= last else []
        floor = night[-1][1] if night else datetime.min.replace(tzinfo=UTC)
        for ordinal in range(first, last + 1):
            for opened, closed in self._open_day(ordinal):
                since = max(opened, floor)  # special hours may begin while the last night shift still runs
                if since >= closed:
                    continue
                floor = closed
                total += closed - since
                opens.append(since)
                closes.append(closed)
                worked.append(total)
                days.append(date.fromordinal(ordinal))
        return _Block(tuple(opens), tuple(closes), tuple(worked), tuple(days), tuple(dict.fromkeys(days)), total)

    def _open_day(self, ordinal: int) -> list[Span]:
        """Return the segments that start on one day as UTC spans, breaks cut out."""
        day = date.fromordinal(ordinal)
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
        return tuple(piece for segment in hours for piece in _without(segment, cuts))

    def _offset_at_midnight(self, midnight: datetime) -> timedelta:
        return midnight.replace(tzinfo=self.zone).utcoffset() or _ZERO

    def _across_clock_change(self, midnight: datetime, hours: Hours) -> list[Span]:
        """Return the spans in which the wall clock shows these hours, though its offset changes about this day."""
        spans = []
        for since, until in hours:
            for begin, end, offset in self._steady_stretches(midnight - _DAY, midnight + 3 * _DAY):
                opened = max(begin, midnight + since - offset)
                closed = min(end, midnight + until - offset)
                if opened < closed:
                    spans.append((opened, closed))
        return _joined(spans)

    def _steady_stretches(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
        """Cut a span of UTC where the zone changes its offset."""
        begin, offset = start, self._offset(start)
        cursor = start
        while cursor < end:
            following = cursor + _HOUR
            if self._offset(following) != offset:
                change = self._offset_change(cursor, following)
                yield begin, change, offset
                begin, offset = change, self._offset(change)
            cursor = following
        yield begin, end, offset

    def _offset(self, instant: datetime) -> timedelta:
        return instant.astimezone(self.zone).utcoffset() or _ZERO

    def _offset_change(self, before: datetime, after: datetime) -> datetime:
        """Return the second at which the offset becomes another one between two instants."""
        old = self._offset(before)
        low, high = 0, int((after - before).total_seconds())
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._offset(before + timedelta(seconds=middle)) == old else (low, middle)
        return before + timedelta(seconds=high)

    def _line(self, segment: Segment) -> str:
        opened = segment.start.astimezone(self.zone)
        closed = segment.end.astimezone(self.zone)
        weekday = f"周{_WEEKDAY_NAMES[segment.day.weekday()]}{_KIND_NOTES[segment.kind]}"
        begins_later = opened.date() > segment.day
        at_midnight = closed.date() == segment.day + _DAY and closed.time().replace(fold=0) == datetime.min.time()
        if at_midnight and not begins_later:
            end = "24:00"
        else:
            end = ("次日" if closed.date() > segment.day and not begins_later else "") + _wall_time(closed)
        begin = ("次日" if begins_later else "") + _wall_time(opened)
        guess = "(按周历推算)" if segment.estimated else ""
        return f"{segment.day:%m-%d}({weekday}) {begin}–{end} 计{_in_words(segment.end - segment.start)}{guess}"


def _number(instant: datetime) -> int:
    """Return the number of a block that begins early enough to hold whatever is open at a UTC instant."""
    return (instant.toordinal() - 2) // _BLOCK_DAYS  # the zone and a night shift reach back by less than two days


def _utc(at: datetime) -> datetime:
    if at.tzinfo is UTC:
        return at
    if at.utcoffset() is None:
        raise ValueError("a datetime without a zone is no instant")
    return at.astimezone(UTC)


def _merged(pauses: Iterable[Span]) -> list[Span]:
    """Return pauses as UTC spans in order, overlaps joined and empty ones left out."""
    spans = sorted((_utc(since), _utc(until)) for since, until in pauses)
    if any(until < since for since, until in spans):
        raise ValueError("a pause must not end before it begins")
    return _joined([span for span in spans if span[0] < span[1]])


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Join spans that touch or overlap; they come in order of their starts."""
    joined: list[Span] = []
    for since, until in spans:
        if joined and since <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], until))
        else:
            joined.append((since, until))
    return joined


def _without(whole: tuple[Edge, Edge], cuts: Iterable[tuple[Edge, Edge]]) -> Iterator[tuple[Edge, Edge]]:
    """Iterate over what is left of a span when sorted cuts are taken out."""
    begin, end = whole
    for since, until in cuts:
        if since >= end:
            break
        if since > begin:
            yield begin, since
        begin = max(begin, until)
    if begin < end:
        yield begin, end


def _wall_time(local: datetime) -> str:
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


def _in_words(duration: timedelta) -> str:
    """Put a duration into Chinese, to the second: 1小时30分, 45分, 10秒."""
    minutes, seconds = divmod(round(duration.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{count}{unit}" for count, unit in ((hours, "小时"), (minutes, "分"), (seconds, "秒")) if count]
    return "".join(parts) or "0秒"


def _reject_unknown_fields(calendar: Mapping[str, object]) -> None:
    for name in calendar:
        if name not in _FIELDS and not str(name).startswith("_"):
            raise CalendarError(field=str(name), rule="日历中没有这个字段")
    if calendar.get("cn"):
        raise CalendarError(field="cn", rule="法定节假日须先展开为具体日期")


def _read_zone(name: object) -> ZoneInfo:
    if not isinstance(name, str) or not name:
        raise CalendarError(field="tz", rule="时区不存在")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as unknown:  # unknown name; path-like or unprintable; name of a folder
        raise CalendarError(field="tz", rule="时区不存在") from unknown


def _read_weekly(value: object) -> tuple[Hours, ...]:
    hours = _mapping(value, "hours")
    for name in hours:
        if name not in WEEKDAYS:
            raise CalendarError(field=f"hours.{name}", rule="星期须为 mon 至 sun")
    weekly = tuple(_read_hours(hours.get(name, []), f"hours.{name}") for name in WEEKDAYS)
    for index, today in enumerate(weekly):
        before = weekly[index - 1]
        if before and today and before[-1][1] - _DAY > today[0][0]:
            raise CalendarError(field=f"hours.{WEEKDAYS[index]}", rule="时段互相重叠")
    return weekly


def _read_special(calendar: Mapping[str, object]) -> dict[date, Hours]:
    """Lay what is said of single dates over each other, the stronger word last."""
    on = _read_date_hours(calendar.get("on", {}), "on")
    off = _read_dates(calendar.get("off", []), "off")
    for day in off:
        if day in on:
            raise CalendarError(field=f"off.{day}", rule="同一天不能既安排上班又安排休息")
    holidays = _read_dates(calendar.get("holidays", []), "holidays")
    return {
        **dict.fromkeys(holidays, ()),
        **_read_date_hours(calendar.get("date_hours", {}), "date_hours"),
        **dict.fromkeys(off, ()),
        **on,
    }


def _read_makeup(calendar: Mapping[str, object], weekly: tuple[Hours, ...]) -> frozenset[date]:
    if "makeup" in calendar:
        return frozenset(_read_dates(calendar["makeup"], "makeup"))
    date_hours = _read_date_hours(calendar.get("date_hours", {}), "date_hours")
    return frozenset(day for day, hours in date_hours.items() if hours and not weekly[day.weekday()])


def _read_published(value: object) -> frozenset[int] | None:
    if value is None:
        return None
    if isinstance(value, Mapping):
        first = _read_year(value.get("from"), "published.from")
        last = _read_year(value.get("to"), "published.to")
        return frozenset(range(first, last + 1))
    return frozenset(_read_year(year, "published") for year in _list(value, "published"))


def _read_year(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not date.min.year <= value <= date.max.year:
        raise CalendarError(field=where, rule="年份须为整数")
    return value


def _read_date_hours(value: object, where: str, *, may_overlap: bool = False) -> dict[date, Hours]:
    return {
        _read_date(text, where): _read_hours(hours, f"{where}.{text}", may_overlap=may_overlap)
        for text, hours in _mapping(value, where).items()
    }


def _read_dates(value: object, where: str) -> tuple[date, ...]:
    return tuple(_read_date(text, where) for text in _list(value, where))


def _read_date(text: object, where: str) -> date:
    if not isinstance(text, str) or not _DATE.fullmatch(text):
        raise CalendarError(field=f"{where}.{text}", rule="日期须写作 YYYY-MM-DD,且真实存在")
    try:
        return date.fromisoformat(text)
    except ValueError as impossible:
        raise CalendarError(field=f"{where}.{text}", rule="日期须写作 YYYY-MM-DD,且真实存在") from impossible


def _read_hours(value: object, where: str, *, may_overlap: bool = False) -> Hours:
    """Read the segments of one day, in order; only breaks may overlap."""
    hours = sorted(_read_segment(pair, where) for pair in _list(value, where))
    for (_, until), (since, _) in pairwise(hours):
        if until > since and not may_overlap:
            raise CalendarError(field=where, rule="时段互相重叠")
    return tuple(hours)


def _read_segment(pair: object, where: str) -> tuple[timedelta, timedelta]:
    edges = _list(pair, where, rule="时段须为 [开始, 结束] 两个时间")
    if len(edges) != 2:
        raise CalendarError(field=where, rule="时段须为 [开始, 结束] 两个时间")
    since, until = (_read_time(edge, where) for edge in edges)
    if since == _DAY:
        raise CalendarError(field=where, rule="时间须写作 HH:MM,仅结束时间可为 24:00")
    if since == until:
        raise CalendarError(field=where, rule="时段的开始与结束不能相同")
    if since < until:
        return since, until
    if until + _DAY - since > LONGEST_NIGHT:
        raise CalendarError(field=where, rule="时段的开始与结束颠倒(跨夜时段最长十二小时)")
    return since, until + _DAY


def _read_time(text: object, where: str) -> timedelta:
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        raise CalendarError(field=where, rule="时间须写作 HH:MM,仅结束时间可为 24:00")
    return timedelta(hours=int(text[:2]), minutes=int(text[3:]))


def _mapping(value: object, where: str) -> Mapping[object, object]:
    if not isinstance(value, Mapping):
        raise CalendarError(field=where, rule="须为对象")
    return value


def _list(value: object, where: str, *, rule: str = "须为列表") -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise CalendarError(field=where, rule=rule)
    return value
