"""Spans of time, and what may be done with them: brought to UTC, put in order, joined, cut.

A span is a (start, end) pair that begins no later than it ends. Working hours are spans on the wall clock (timedelta
from midnight), what is open and what is paused are spans of UTC; ``without`` works on both.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeAlias, TypeVar

Span: TypeAlias = tuple[datetime, datetime]
Edge = TypeVar("Edge", datetime, timedelta)


def utc(at: datetime) -> datetime:
    """Return the same instant in UTC; ValueError for a naive datetime."""
    if at.tzinfo is UTC:
        return at
    if at.utcoffset() is None:
        raise ValueError("a datetime without a zone is no instant")
    return at.astimezone(UTC)


def merged(pauses: Iterable[Span]) -> list[Span]:
    """Return pauses as UTC spans in order, overlaps joined and empty ones left out; ValueError for a reversed one."""
    spans = sorted((utc(since), utc(until)) for since, until in pauses)
    if any(until < since for since, until in spans):
        raise ValueError("a pause must not end before it begins")
    return joined([span for span in spans if span[0] < span[1]])


def joined(spans: Iterable[Span]) -> list[Span]:
    """Join spans that touch or overlap; they come in order of their starts."""
    whole: list[Span] = []
    for since, until in spans:
        if whole and since <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(whole[-1][1], until))
        else:
            whole.append((since, until))
    return whole


def without(whole: tuple[Edge, Edge], cuts: Iterable[tuple[Edge, Edge]]) -> Iterator[tuple[Edge, Edge]]:
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
