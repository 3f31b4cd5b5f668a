"""Blocks of consecutive days, opened once and kept: what makes a question about working time cheap.

A block carries the open segments of its days with running sums, so that a question costs two bisections and one step
per block that it crosses, however many minutes it counts.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

from leadtrail.domain.opening import OpeningHours

_BLOCK_DAYS: Final = 32
_FIRST_DAY: Final = 4  # a margin of days, so that neighbours and offsets never leave what datetime can hold
_LAST_DAY: Final = date.max.toordinal() - 4
_ZERO: Final = timedelta(0)

HORIZON_BLOCKS: Final = 100 * 366 // _BLOCK_DAYS
"""How many blocks a question may look ahead: a hundred years."""


@dataclass(frozen=True, slots=True)
class Block:
    """The open segments of consecutive days: UTC opens and closes, running sums, and the working day of each.

    ``workdays`` names each day of ``days`` once, ``total`` is the working time of the whole block.
    """

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
class Blocks:
    """The blocks of one company's opening hours by number, each opened when it is first asked for. Instants are UTC."""

    hours: OpeningHours
    _opened: dict[int, Block] = field(default_factory=dict, init=False, repr=False)

    def block(self, number: int) -> Block:
        """Return one block; beyond what datetime can hold it is empty."""
        block = self._opened.get(number)
        if block is None:
            block = self._opened[number] = _open(self.hours, number)
        return block

    def at(self, instant: datetime) -> tuple[int, Block]:
        """Return the block in whose sums an instant stands: all before it has closed, nothing after it has opened."""
        number = first_number(instant)
        block = self.block(number)
        if block.closes and instant < block.closes[-1]:
            return number, block
        return number + 1, self.block(number + 1)

    def after(self, instant: datetime, last: int) -> Iterator[tuple[Block, int]]:
        """Iterate over blocks up to number ``last``, each with its first segment that closes after an instant."""
        for number in range(first_number(instant), last + 1):
            block = self.block(number)
            yield block, bisect_right(block.closes, instant)

    def last_number(self) -> int:
        """Return the number of the last block that can hold anything."""
        last = _LAST_DAY if any(self.hours.weekly) else max(self.hours.special).toordinal()
        return last // _BLOCK_DAYS

    def covering_day(self, instant: datetime) -> date | None:
        """Return the working day whose segment holds an instant, the closing instant excluded."""
        for block, index in self.after(instant, first_number(instant) + 1):
            if index < len(block.opens):
                return block.days[index] if block.opens[index] <= instant else None
        return None

    def working_day(self, instant: datetime) -> date | None:
        """Return the working day to which an instant belongs, the closing instant included."""
        day = self.covering_day(instant)
        if day is not None:
            return day
        for block, _ in self.after(instant, first_number(instant) + 1):
            index = bisect_left(block.closes, instant)
            if index < len(block.closes) and block.closes[index] == instant:
                return block.days[index]
        return None

    def is_workday(self, day: date) -> bool:
        """Say whether any segment starts on this day."""
        workdays = self.block(number_of(day)).workdays
        index = bisect_left(workdays, day)
        return index < len(workdays) and workdays[index] == day


def first_number(instant: datetime) -> int:
    """Return the number of a block that begins early enough to hold whatever is open at a UTC instant."""
    return (instant.toordinal() - 2) // _BLOCK_DAYS  # the zone and a night shift reach back by less than two days


def number_of(day: date) -> int:
    """Return the number of the block that holds the segments which start on a day."""
    return day.toordinal() // _BLOCK_DAYS


def _open(hours: OpeningHours, number: int) -> Block:
    first = max(number * _BLOCK_DAYS, _FIRST_DAY)
    last = min((number + 1) * _BLOCK_DAYS - 1, _LAST_DAY)
    opens, closes, worked, days = [], [], [], []
    total = _ZERO
    night = hours.open_day(date.fromordinal(first - 1)) if first <= last else []
    floor = night[-1][1] if night else datetime.min.replace(tzinfo=UTC)
    for day in map(date.fromordinal, range(first, last + 1)):
        for opened, closed in hours.open_day(day):
            since = max(opened, floor)  # special hours may begin while the last night shift still runs
            if since >= closed:
                continue
            floor = closed
            total += closed - since
            opens.append(since)
            closes.append(closed)
            worked.append(total)
            days.append(day)
    return Block(tuple(opens), tuple(closes), tuple(worked), tuple(days), tuple(dict.fromkeys(days)), total)
