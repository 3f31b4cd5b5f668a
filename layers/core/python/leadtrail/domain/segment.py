"""Counted working time piece by piece, and how people read it: 「01-04(周日·调休上班) 09:00–11:00 计2小时」."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

Kind: TypeAlias = Literal["workday", "makeup", "special"]
Certainty: TypeAlias = Literal["published", "estimated"]

_DAY: Final = timedelta(days=1)
_WEEKDAY_NAMES: Final = "一二三四五六日"
_KIND_NOTES: Final[Mapping[Kind, str]] = {"workday": "", "makeup": "·调休上班", "special": "·特殊工时"}


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


def words(segment: Segment, zone: ZoneInfo) -> str:
    """Put a segment into Chinese, in the zone's local time; what lies after its day's midnight is 次日."""
    opened = segment.start.astimezone(zone)
    closed = segment.end.astimezone(zone)
    weekday = f"周{_WEEKDAY_NAMES[segment.day.weekday()]}{_KIND_NOTES[segment.kind]}"
    begins_later = opened.date() > segment.day
    at_midnight = closed.date() == segment.day + _DAY and closed.time().replace(fold=0) == datetime.min.time()
    if at_midnight and not begins_later:
        end = "24:00"
    else:
        end = ("次日" if closed.date() > segment.day and not begins_later else "") + _wall_time(closed)
    begin = ("次日" if begins_later else "") + _wall_time(opened)
    guess = "(按周历推算)" if segment.estimated else ""
    return f"{segment.day:%m-%d}({weekday}) {begin}–{end} 计{_duration(segment.end - segment.start)}{guess}"


def _wall_time(local: datetime) -> str:
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


def _duration(duration: timedelta) -> str:
    """Put a duration into Chinese, to the second: 1小时30分，45分，10秒."""
    minutes, seconds = divmod(round(duration.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{count}{unit}" for count, unit in ((hours, "小时"), (minutes, "分"), (seconds, "秒")) if count]
    return "".join(parts) or "0秒"
