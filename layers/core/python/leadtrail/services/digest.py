"""Digests: which of the waiting messages go next, one by one or folded into one, the worst first.

A group that would be told six times at once reads one list instead; so does a person whose hour is nearly used up,
and whoever comes back from quiet hours. What does not fit stays where it is, and comes with the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from leadtrail.services.ports import OutboxRow

CROWD: Final = 5  # messages that a group is told one by one; more at once become a list
MOST: Final = 32  # rows of one digest: its three steps each fit one transaction of a hundred items
FOLDED: Final = ("alert", "retraction")
_RANKS: Final[Mapping[str, int]] = {"director": 2, "manager": 1, "pool": 1}


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of the next message: to a person (a rep's id) or to the channel's group (None).

    ``repeat``: it went out before, and no answer came. ``more`` are the alerts that wait for the message after it.
    """

    rows: tuple[OutboxRow, ...]
    to: str | None
    is_digest: bool = False
    repeat: bool = False
    more: int = 0


def recipient(row: OutboxRow, *, personal: bool) -> str | None:
    """Return who reads a row's message: the person whom it names, where the channel reaches persons."""
    return row.facts.get("to") if personal else None


def by_urgency(row: OutboxRow) -> tuple[int, int, str, str]:
    """Return the place of a row among those that are due: a higher audience, a higher level, the longest waiting."""
    facts = row.facts
    return -_RANKS.get(facts.get("audience", ""), 0), -int(facts.get("level", 0)), str(facts.get("at", "")), row.id


def plan(rows: Sequence[OutboxRow], *, personal: bool, left: Callable[[str | None], int]) -> Batch:
    """Return the next message of ``rows``, which are due and at least one.

    ``left`` tells how many messages may go now to a recipient.
    """
    first = min(rows, key=by_urgency)
    to, repeat = recipient(first, personal=personal), first.unsure > 0
    alike = [row for row in rows if recipient(row, personal=personal) == to and (row.unsure > 0) == repeat]
    if first.kind not in FOLDED:
        return Batch((first,), to, repeat=repeat)
    units = _units(sorted((row for row in alike if row.kind in FOLDED), key=by_urgency), personal=personal)
    held = sum(any(row.held for row in unit) for unit in units)
    if len(units) > left(to) or held > 1 or len(units) > CROWD:
        chosen = _fitting(units)
        rows_of_it = tuple(row for unit in units[:chosen] for row in unit)
        return Batch(rows_of_it, to, is_digest=True, repeat=repeat, more=len(units) - chosen)
    return Batch(units[0][:MOST], to, repeat=repeat)


def _units(rows: Sequence[OutboxRow], *, personal: bool) -> list[tuple[OutboxRow, ...]]:
    """Return the rows by what they say: one alert that several people should get is said to a group once."""
    if personal:
        return [(row,) for row in rows]
    units: dict[tuple[str, str], list[OutboxRow]] = {}
    for row in rows:
        units.setdefault((row.kind, row.facts.get("alert", row.id)), []).append(row)
    return [tuple(unit) for unit in units.values()]


def _fitting(units: Sequence[Sequence[OutboxRow]]) -> int:
    """Return how many of the first units are one digest; at least one."""
    total = 0
    for index, unit in enumerate(units):
        total += len(unit)
        if total > MOST:
            return max(index, 1)
    return len(units)
