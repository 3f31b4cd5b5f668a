"""Policies: the company's time limits as versioned data, pinned to each clock when it starts.

Wire shape: API.md `PUT /policies/{name}`. Distances of levels count from the breach: in business
time when given in hours, in working days when given in days (DESIGN section 5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from leadtrail.domain import instant
from leadtrail.domain.errors import PolicyInvalidError
from leadtrail.domain.worktime import CalendarError, WorkCalendar

DEFAULT = "default"
STARTS = ("lead.received", "touch.first", "stage.entered")
MEETS = ("touch", "stage")
MEASURES = ("business", "natural", "working_days")
AUDIENCES = ("owner", "manager", "director")
CONDITIONS = ("source", "team")
LONGEST = timedelta(days=366)
TITLES = {"first_response": "首次响应", "second_touch": "二次触达", "no_progress": "阶段推进"}

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_DAYS = re.compile(r"P(\d{1,3})D")


@dataclass(frozen=True, slots=True)
class Distance:
    """A span from one instant on: whole working days, or business time; exactly one is not zero, or both are."""

    days: int = 0
    time: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Level:
    """Who is told, how long after the breach."""

    after: Distance
    to: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One promise: what starts it, what meets it, how long it may take, who is told when it breaks.

    ``budget`` is business or natural time; where ``measure`` is working_days, ``days`` counts instead.
    """

    name: str
    starts: str
    meets: tuple[str, ...]
    measure: str
    budget: timedelta
    days: int
    warn_at: float | None
    levels: tuple[Level, ...]

    @property
    def title(self) -> str:
        """The rule's name as people read it."""
        return TITLES.get(self.name, self.name)

    @property
    def budget_words(self) -> str:
        """The budget in Chinese: 2个工作小时，72小时，5个工作日."""
        if self.measure == "working_days":
            return f"{self.days}个工作日"
        hours, rest = divmod(round(self.budget.total_seconds()), 3600)
        business = self.measure == "business"
        if rest:
            return ("工作时间" if business else "") + instant.duration_words(self.budget)
        return f"{hours}个工作小时" if business else f"{hours}小时"


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of one policy; ``active_from`` is aware UTC, ``body`` the wire shape as it was sent."""

    name: str
    version: int
    active_from: datetime
    calendar: Mapping[str, Any]
    rules: tuple[Rule, ...]
    when: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)

    def rule(self, name: str) -> Rule | None:
        """Return the rule of that name, if this version has it."""
        return next((rule for rule in self.rules if rule.name == name), None)


def choose(policies: Iterable[Policy], *, source: str, team: str) -> Policy:
    """Return the first policy (by name) whose conditions all hold, else the newest without any, else the default.

    Raises:
        LookupError: there is no default policy.
    """
    facts = {"source": source, "team": team}
    by_name = sorted(policies, key=lambda policy: policy.name)
    for policy in by_name:
        if policy.when and all(facts.get(key) == value for key, value in policy.when.items()):
            return policy
    for_all = [policy for policy in by_name if not policy.when and policy.name != DEFAULT]
    if for_all:
        return max(for_all, key=lambda policy: policy.active_from)
    for policy in by_name:
        if policy.name == DEFAULT:
            return policy
    raise LookupError("there is no default policy")


def parse(name: str, version: int, active_from: datetime, body: Mapping[str, Any]) -> Policy:
    """Read and check the wire shape.

    Raises:
        PolicyInvalidError: names the field (``rules[0].budget``) and the rule that it breaks.
    """
    if not _NAME.fullmatch(name):
        raise PolicyInvalidError("name", "只能用小写字母、数字和下划线，以字母开头，最多40个字符")
    unknown = sorted(set(body) - {"when", "calendar", "rules"})
    if unknown:
        raise PolicyInvalidError(unknown[0], "没有这个字段")
    when = _conditions(name, {} if body.get("when") is None else body["when"])
    calendar = _calendar(body.get("calendar"))
    items = body.get("rules")
    if not isinstance(items, list) or not 1 <= len(items) <= 20:
        raise PolicyInvalidError("rules", "需要1到20条规则")
    rules = tuple(_rule(f"rules[{index}]", item) for index, item in enumerate(items))
    names = [rule.name for rule in rules]
    for index, rule in enumerate(rules):
        if rule.name in names[:index]:
            raise PolicyInvalidError(f"rules[{index}].name", "规则名称重复")
    return Policy(name, version, active_from, calendar, rules, when, dict(body))


def _conditions(name: str, when: object) -> dict[str, str]:
    if not isinstance(when, Mapping):
        raise PolicyInvalidError("when", "需要一个对象")
    for key, value in when.items():
        if key not in CONDITIONS:
            raise PolicyInvalidError(f"when.{key}", f"条件只能是 {'、'.join(CONDITIONS)}")
        if not isinstance(value, str) or not value:
            raise PolicyInvalidError(f"when.{key}", "需要一段文字")
    if name == DEFAULT and when:
        raise PolicyInvalidError("when", "默认规则不能带条件")
    return dict(when)


def _calendar(calendar: object) -> dict[str, Any]:
    if not isinstance(calendar, Mapping):
        raise PolicyInvalidError("calendar", "需要一个日历对象")
    if not isinstance(calendar.get("cn", False), bool):
        raise PolicyInvalidError("calendar.cn", "只能是 true 或 false")
    try:
        WorkCalendar.from_dict({key: value for key, value in calendar.items() if key != "cn"})
    except CalendarError as error:
        raise PolicyInvalidError(f"calendar.{error.field}", error.rule) from error
    return dict(calendar)


def _rule(path: str, item: object) -> Rule:
    if not isinstance(item, Mapping):
        raise PolicyInvalidError(path, "需要一个对象")
    unknown = sorted(set(item) - {"name", "starts", "meets", "measure", "budget", "warn_at", "levels"})
    if unknown:
        raise PolicyInvalidError(f"{path}.{unknown[0]}", "没有这个字段")
    name = item.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PolicyInvalidError(f"{path}.name", "只能用小写字母、数字和下划线，以字母开头，最多40个字符")
    measure = _one_of(f"{path}.measure", item.get("measure"), MEASURES)
    budget, days = _budget(f"{path}.budget", item.get("budget"), measure)
    return Rule(
        name=name,
        starts=_one_of(f"{path}.starts", item.get("starts"), STARTS),
        meets=_meets(f"{path}.meets", item.get("meets")),
        measure=measure,
        budget=budget,
        days=days,
        warn_at=_fraction(f"{path}.warn_at", item.get("warn_at")),
        levels=_levels(f"{path}.levels", item.get("levels")),
    )


def _one_of(path: str, value: object, allowed: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise PolicyInvalidError(path, f"只能是 {'、'.join(allowed)} 之一")
    return value


def _meets(path: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise PolicyInvalidError(path, "至少写一项能满足时限的动作")
    return tuple(_one_of(f"{path}[{index}]", item, MEETS) for index, item in enumerate(value))


def _budget(path: str, value: object, measure: str) -> tuple[timedelta, int]:
    distance = _distance(path, value)
    if measure == "working_days":
        if not 1 <= distance.days <= 260:
            raise PolicyInvalidError(path, "按工作日计时需写成 P1D 到 P260D")
        return timedelta(0), distance.days
    span = distance.time + timedelta(days=distance.days)
    if measure == "business" and distance.days:
        raise PolicyInvalidError(path, "按工作时间计时需写成小时，如 PT2H;按天请用 working_days")
    if not timedelta(0) < span < LONGEST:
        raise PolicyInvalidError(path, "必须大于0且小于一年")
    return span, 0


def _fraction(path: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise PolicyInvalidError(path, "需要0到1之间的小数，或 null")
    return float(value)


def _levels(path: str, value: object) -> tuple[Level, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= 5:
        raise PolicyInvalidError(path, "需要1到5级提醒")
    levels: list[Level] = []
    for index, item in enumerate(value):
        at = f"{path}[{index}]"
        if not isinstance(item, Mapping) or set(item) != {"after", "to"}:
            raise PolicyInvalidError(at, "需要 after 和 to 两个字段")
        level = Level(_distance(f"{at}.after", item["after"]), _one_of(f"{at}.to", item["to"], AUDIENCES))
        if level.after in [earlier.after for earlier in levels]:  # one sweep tells the highest level only
            raise PolicyInvalidError(f"{at}.after", "每一级提醒的时间必须不同")
        levels.append(level)
    return tuple(levels)


def _distance(path: str, value: object) -> Distance:
    if not isinstance(value, str):
        raise PolicyInvalidError(path, "需要 ISO 8601 时长，如 PT2H 或 P5D")
    if days := _DAYS.fullmatch(value):
        return Distance(days=int(days[1]))
    try:
        time = instant.duration(value)
    except (ValueError, OverflowError) as error:
        raise PolicyInvalidError(path, "需要 ISO 8601 时长，如 PT2H 或 P5D") from error
    if "D" in value or "W" in value:
        raise PolicyInvalidError(path, "天和小时不能混写：按天写 P5D,按小时写 PT2H")
    if time >= LONGEST:
        raise PolicyInvalidError(path, "必须小于一年")
    return Distance(time=time)
