"""Calendars as policies carry them, read field by field; what makes no sense is refused by its path.

Order of the sources of one date: company override (``on``, ``off``) > ``date_hours`` > ``holidays`` > weekday.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from leadtrail.domain.opening import Hours, OpeningHours

DEFAULT_ZONE: Final = "Asia/Shanghai"
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONGEST_NIGHT: Final = timedelta(hours=12)
"""A longer "night shift" is a day shift with its ends swapped; a real one is written as two segments."""

FIELDS: Final = frozenset(
    {"tz", "hours", "holidays", "date_hours", "breaks", "off", "on", "published", "makeup", "cn", "name", "version"}
)
TIME: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00", re.ASCII)
DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_DAY: Final = timedelta(days=1)


class CalendarError(ValueError):
    """A calendar that makes no sense or cannot hold a budget; ``field`` is the path, ``rule`` what it breaks."""

    def __init__(self, *, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule


def read(calendar: Mapping[str, object]) -> OpeningHours:
    """Read the opening hours of a calendar; ``WorkCalendar.from_dict`` names its shape. Raises CalendarError."""
    _reject_unknown_fields(calendar)
    zone = _read_zone(calendar.get("tz", DEFAULT_ZONE))
    weekly = _read_weekly(calendar.get("hours", {}))
    special = _read_special(calendar)
    if not any(weekly) and not any(special.values()):
        raise CalendarError(field="hours", rule="日历中没有任何工作时段")
    return OpeningHours(
        zone=zone,
        weekly=weekly,
        special=special,
        breaks=_read_date_hours(calendar.get("breaks", {}), "breaks", may_overlap=True),
        makeup=_read_makeup(calendar, weekly),
        published=_read_published(calendar.get("published")),
    )


def _reject_unknown_fields(calendar: Mapping[str, object]) -> None:
    for name in calendar:
        if name not in FIELDS and not str(name).startswith("_"):
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
        if last < first:
            raise CalendarError(field="published.to", rule="不能早于 from")
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
    if not isinstance(text, str) or not DATE.fullmatch(text):
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
    edges = _list(pair, where, rule="时段须为 [开始，结束] 两个时间")
    if len(edges) != 2:
        raise CalendarError(field=where, rule="时段须为 [开始，结束] 两个时间")
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
    if not isinstance(text, str) or not TIME.fullmatch(text):
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
