"""Quiet hours: when a channel keeps still, and what it says all the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from leadtrail.domain.errors import InvalidInputError

_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Quiet:
    """A time of every day, over midnight where ``until`` is not after ``since``; both are local, ``until`` excluded.

    ``excepted`` are audiences, rules, rep ids and kinds of message that are not held back.
    """

    since: time
    until: time
    excepted: tuple[str, ...] = ()

    def ends(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """Return when the quiet time that ``now`` (aware) lies in is over, aware UTC; None outside of it."""
        local = now.astimezone(zone)
        at, overnight = local.time(), self.until <= self.since
        is_quiet = (at >= self.since or at < self.until) if overnight else self.since <= at < self.until
        if not is_quiet:
            return None
        day = local.date() + timedelta(days=1 if overnight and at >= self.since else 0)
        return datetime.combine(day, self.until, zone).astimezone(UTC)

    def excepts(self, what: Iterable[object]) -> bool:
        """Tell whether one of these (audience, rule, rep id, kind) is said in quiet hours, too."""
        return any(one in self.excepted for one in what)


def read_quiet(value: object, place: str) -> Quiet | None:
    """Read and check quiet hours as they are configured: ``{"from": "21:00", "to": "08:00", "except": [...]}``.

    Raises:
        InvalidInputError: names the place, such as ``channel.managers.quiet.from``.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping) or not {"from", "to"} <= set(value) <= {"from", "to", "except"}:
        raise InvalidInputError(place, "需要 from 和 to，可以另加 except")
    since, until = _time(value["from"], f"{place}.from"), _time(value["to"], f"{place}.to")
    if since == until:
        raise InvalidInputError(f"{place}.to", "不能与开始时间相同")
    excepted = value.get("except", [])
    if not isinstance(excepted, list) or not all(isinstance(one, str) and one for one in excepted):
        raise InvalidInputError(f"{place}.except", "需要一个列表，每项是受众、规则或人员编号")
    return Quiet(since, until, tuple(excepted))


def _time(value: object, place: str) -> time:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise InvalidInputError(place, '需要写作 "21:00" 的时间')
    return time.fromisoformat(value)
