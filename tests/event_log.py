"""A small event log of the shape of the real one (BPI Challenge 2012): generated, the same for the same seed."""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

HEADER = ("case_id", "activity", "lifecycle", "resource", "timestamp", "amount_requested")
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
OPENING = datetime(2011, 10, 10, 9, 0, 0, 123000, tzinfo=AMSTERDAM)
SYSTEM = "112"
RESOURCES = ("", "10862", "10913", "11049")
ENDINGS = (("A_DECLINED",), ("A_CANCELLED",), ("A_REGISTERED", "A_APPROVED", "A_ACTIVATED"), ())
Row = tuple[str, str, str, str, str, str]


class Writer:
    """Rows of one case, each a while after the one before."""

    def __init__(self, case: str, at: datetime, amount: str = "20000") -> None:
        self.rows: list[Row] = []
        self._case = case
        self._at = at
        self._amount = amount

    def add(self, activity: str, lifecycle: str = "COMPLETE", resource: str = SYSTEM, *, after_s: float = 0) -> Writer:
        """Add a row ``after_s`` seconds after the last one."""
        self._at += timedelta(seconds=after_s)
        when = self._at.isoformat(timespec="milliseconds")
        self.rows.append((self._case, activity, lifecycle, resource, when, self._amount))
        return self

    def submit(self) -> Writer:
        """Add what every case begins with."""
        return self.add("A_SUBMITTED").add("A_PARTLYSUBMITTED", after_s=0.3)

    def call(self, activity: str, resource: str, *, after_s: float, talk_s: float) -> Writer:
        """Add both ends of a call."""
        return self.add(activity, "START", resource, after_s=after_s).add(
            activity, "COMPLETE", resource, after_s=talk_s
        )


def case(number: int, draw: random.Random) -> list[Row]:
    """Return the rows of one case: submitted, called, perhaps offered, ended or not; sometimes with half a call."""
    story = Writer(str(173688 + 3 * number), OPENING + timedelta(hours=7 * number), str(draw.randrange(1, 99) * 500))
    story.submit()
    if draw.random() < 0.7:
        story.add("A_PREACCEPTED", after_s=50).add("W_Completeren aanvraag", "SCHEDULE", after_s=1)
        for _ in range(draw.randrange(1, 4)):
            story.call(
                "W_Completeren aanvraag",
                draw.choice(RESOURCES),
                after_s=draw.randrange(600, 200_000),
                talk_s=draw.choice((9.5, 53.2, 391.6)),
            )
        story.add("A_ACCEPTED", after_s=20).add("O_SELECTED", after_s=90).add("A_FINALIZED")
        story.add("O_CREATED", after_s=2).add("O_SENT", after_s=0.1)
        story.add("W_Nabellen offertes", draw.choice(("START", "COMPLETE")), draw.choice(RESOURCES), after_s=4000)
        if draw.random() < 0.5:
            story.add("O_SENT_BACK", "COMPLETE", "11049", after_s=500_000)
    for activity in draw.choice(ENDINGS):
        story.add(activity, "COMPLETE", "10629", after_s=600)
    return story.rows


def rows(cases: int, *, seed: int = 2012) -> list[Row]:
    """Return the rows of so many cases."""
    draw = random.Random(seed)
    return [row for number in range(cases) for row in case(number, draw)]


def long_case(calls: int) -> list[Row]:
    """Return one case with so many calls: beyond forty it needs more than one transaction."""
    story = Writer("200000", OPENING).submit()
    for number in range(calls):
        story.call("W_Nabellen offertes", RESOURCES[number % 4], after_s=3600, talk_s=40)
        story.add("W_Nabellen offertes", "SCHEDULE", after_s=1)
    return story.add("A_DECLINED", after_s=60).rows


def write(file: Path, lines: Iterable[Sequence[str]]) -> Path:
    """Write a log, gzipped where the name says so."""
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "wt", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(_with_header(lines))
    return file


def _with_header(lines: Iterable[Sequence[str]]) -> Iterator[Sequence[str]]:
    yield HEADER
    yield from lines
