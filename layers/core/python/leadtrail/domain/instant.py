"""Instants and durations as text: aware UTC inside, ISO 8601 outside."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_DURATION = re.compile(
    r"P(?=[0-9T])(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?=[0-9])(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,7})M)?(?:(?P<seconds>\d{1,9})S)?)?"
)


def to_text(at: datetime) -> str:
    """Return ``at`` as UTC with milliseconds, the form that seals use: ``2026-11-23T01:00:00.000Z``."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """Read ISO 8601 with an offset into aware UTC, cut to milliseconds as seals keep them.

    Raises:
        ValueError: not ISO 8601, without an offset, or outside the years 1970 to 9998.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("an offset such as +08:00 or Z is missing")
    if not 1970 <= at.year <= 9998:
        raise ValueError("the year is outside 1970 to 9998")
    return cut(at.astimezone(UTC))


def cut(at: datetime) -> datetime:
    """Return ``at`` in UTC, cut to whole milliseconds."""
    at = at.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def duration(text: str) -> timedelta:
    """Read an ISO 8601 duration of weeks, days, hours, minutes and seconds: ``PT2H``, ``P5D``.

    Raises:
        ValueError: not such a duration.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("not an ISO 8601 duration such as PT2H or P5D")
    return timedelta(**{unit: int(value) for unit, value in match.groupdict().items() if value})


def duration_words(span: timedelta) -> str:
    """Return a span in Chinese, in its two largest units: 2天3小时，5小时20分，45秒."""
    seconds = max(0, round(span.total_seconds()))
    units = (("天", 86400), ("小时", 3600), ("分", 60), ("秒", 1))
    words: list[str] = []
    for name, size in units:
        count, seconds = divmod(seconds, size)
        if count:
            words.append(f"{count}{name}")
        elif words:
            break
    return "".join(words[:2]) or "0秒"
