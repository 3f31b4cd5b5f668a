"""`due()` against a walk by minutes: equal everywhere, and how many times faster."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import Any

from chinese_calendar import constants

from console.company import OFFICE
from leadtrail.adapters import calendars
from leadtrail.domain.worktime import WorkCalendar
from tests.bench.figure import Figure, Section
from tests.minute_walk import due_by_minutes

NAME = "Working time"
STARTS = 10_000
SAMPLE = 300
SMALLEST = 500
LENGTHS, FLAT = (10, 100, 1_000), 1.2
SEED = 20260126
DAY = timedelta(hours=7, minutes=30)  # of the simulated company: 09:00 to 12:00 and 13:30 to 18:00
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
LAST = datetime(2026, 10, 31, tzinfo=UTC)  # 30 working days later it is still 2026, whose holidays are published
Task = tuple[datetime, timedelta]


def section(*, quick: bool = False) -> Section:
    """Compare the two on random starts, to the second, with budgets of 5 to 30 working days, to the second."""
    tasks = list(_tasks(SAMPLE if quick else STARTS))
    office = calendars.resolve({"tz": "Asia/Shanghai", "cn": True, "hours": OFFICE})
    began = time.process_time()
    ours = [office.due(start, budget) for start, budget in tasks]
    ours_s = time.process_time() - began
    theirs, theirs_s = _walked(tasks)
    different = sum(our != their for our, their in zip(ours, theirs, strict=True))
    ratio = theirs_s / ours_s
    size = f"{len(tasks):,} random starts" + (f" (a quick sample; the promise is of {STARTS:,})" if quick else "")
    return Section(
        NAME,
        (
            Figure(
                f"due(), {size}",
                f"at least {SMALLEST} times faster than a walk by minutes, and equal",
                f"{ratio:,.0f} times, {different} different",
                "processor time of all:"
                f" {ours_s * 1e6 / len(tasks):.1f} µs against {theirs_s * 1e3 / len(tasks):.1f} ms each",
                ratio >= SMALLEST and different == 0,
            ),
            _flat(office),
        ),
        (
            f"Starts from {FIRST:%Y-%m} to {LAST:%Y-%m}, to the second, seed {SEED}; budgets of 5 to 30 working days of"
            " 7.5 hours with a lunch break, to the second; the Chinese calendar with its make-up workdays. The walk"
            " (`tests/minute_walk.py`) shares no code with `due()`, and takes the published days straight from the"
            " package.",
        ),
    )


def _flat(office: WorkCalendar) -> Figure:
    """Return what a counted day costs, for budgets of ever more of them; the least of five rounds each."""
    dice = random.Random(SEED)
    span = int((LAST - FIRST).total_seconds())
    starts = [FIRST + timedelta(seconds=dice.randrange(span)) for _ in range(500)]
    costs = {days: min(_round(office, starts, DAY * days) for _ in range(5)) / days for days in LENGTHS}
    ratio = costs[LENGTHS[-1]] / costs[LENGTHS[0]]
    return Figure(
        f"due(), budgets of {LENGTHS[0]} to {LENGTHS[-1]:,} working days",
        f"a counted day costs at most {FLAT} times as much at {LENGTHS[-1]:,} days as at {LENGTHS[0]}",
        f"{ratio:.2f} times",
        "processor time a counted day: "
        + ", ".join(f"{cost * 1e9:,.0f} ns at {days:,}" for days, cost in costs.items()),
        ratio <= FLAT,
    )


def _round(office: WorkCalendar, starts: Sequence[datetime], budget: timedelta) -> float:
    began = time.process_time()
    for start in starts:
        office.due(start, budget)
    return (time.process_time() - began) / len(starts)


def _tasks(number: int) -> Iterator[Task]:
    dice = random.Random(SEED)
    span = int((LAST - FIRST).total_seconds())
    seconds = int(DAY.total_seconds())
    for _ in range(number):
        yield (
            FIRST + timedelta(seconds=dice.randrange(span)),
            timedelta(seconds=dice.randint(5 * seconds, 30 * seconds)),
        )


def _raw() -> dict[str, Any]:
    """Return the calendar with every published day spelled out, as the walk reads it."""
    weekend = {day for day in constants.workdays if day.weekday() >= 5}
    return {
        "tz": "Asia/Shanghai",
        "hours": OFFICE,
        "holidays": [str(day) for day in constants.holidays],
        "date_hours": {str(day): OFFICE["mon"] for day in weekend},
    }


def _walk(tasks: Sequence[Task]) -> tuple[list[datetime], float]:
    raw = _raw()
    began = time.process_time()
    return [due_by_minutes(raw, start, budget) for start, budget in tasks], time.process_time() - began


def _walked(tasks: Sequence[Task], *, at_once: int = 100) -> tuple[list[datetime], float]:
    """Return what the walk says, in two processes, and the processor time of both."""
    pieces = [tasks[place : place + at_once] for place in range(0, len(tasks), at_once)]
    found: list[datetime] = []
    seconds = 0.0
    with get_context("spawn").Pool(2) as pool:
        for walked, taken in pool.imap(_walk, pieces):
            found += walked
            seconds += taken
            print(f"\rwalking minute by minute: {len(found):,} of {len(tasks):,}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found, seconds
