"""Rules as people send them, read field by field: what starts and meets them, budgets, levels, pauses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import timedelta

from leadtrail.domain import instant
from leadtrail.domain import rule as rules_of
from leadtrail.domain.errors import PolicyInvalidError
from leadtrail.domain.faults import NOT_A_MAPPING, Faults
from leadtrail.domain.rule import Distance, Level, Rule

FIELDS = ("name", "title", "starts", "meets", "measure", "budget", "warn_at", "levels", "pause")
LEVEL_FIELDS = ("after", "to", "any_hour")
MOST_RULES, MOST_MEETS = 20, 20
NOT_A_NAME = "只能用小写字母、数字和下划线，以字母开头，最多40个字符"
_NOT_A_SPAN = "需要 ISO 8601 时长，如 PT2H 或 P5D"


def read(items: object, faults: Faults) -> tuple[Rule, ...]:
    """Read the rules of a policy; what is wrong within one of them goes to ``faults``.

    Raises:
        PolicyInvalidError: they are no list of 1 to 20 rules.
    """
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_RULES:
        raise PolicyInvalidError("rules", f"需要1到{MOST_RULES}条规则")
    rules: list[Rule] = []
    for index, item in enumerate(items):
        rule = faults.of(None, _rule, f"rules[{index}]", item, faults)
        if rule is None:
            continue
        if rule.name and rule.name in [earlier.name for earlier in rules]:
            faults.found.append(PolicyInvalidError(f"rules[{index}].name", "规则名称重复"))
        rules.append(rule)
    return tuple(rules)


def _rule(path: str, item: object, faults: Faults) -> Rule | None:
    if not isinstance(item, Mapping):
        raise PolicyInvalidError(path, NOT_A_MAPPING)
    faults.unknown(f"{path}.", item, FIELDS)
    measure = faults.of("", one_of, f"{path}.measure", item.get("measure"), rules_of.MEASURES)
    no_budget = (timedelta(0), 0)
    budget, days = (
        faults.of(no_budget, _budget, f"{path}.budget", item.get("budget"), measure) if measure else no_budget
    )
    return Rule(
        name=faults.of("", _name, f"{path}.name", item.get("name")),
        starts=faults.of("", _starts, f"{path}.starts", item.get("starts")),
        meets=faults.of((), _meets, f"{path}.meets", item.get("meets")),
        measure=measure,
        budget=budget,
        days=days,
        warn_at=faults.of(None, _fraction, f"{path}.warn_at", item.get("warn_at")),
        levels=faults.of((), _levels, f"{path}.levels", item.get("levels"), faults),
        own_title=faults.of(None, _title, f"{path}.title", item.get("title")),
        pause_cap=faults.of(None, _pause, f"{path}.pause", item.get("pause", rules_of.PAUSE_CAP)),
    )


def _name(path: str, value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(rules_of.NAME, value):
        raise PolicyInvalidError(path, NOT_A_NAME)
    return value


def _title(path: str, value: object) -> str | None:
    if value is None:
        return None
    if (
        not isinstance(value, str)
        or not re.fullmatch(rules_of.TITLE, value)
        or any(unicodedata.category(letter)[0] == "C" for letter in value)
    ):
        raise PolicyInvalidError(path, "需要1到20个看得见的字符，不含 <>[](){}@*_#`~\\!|&:/. 等符号")
    return value


def one_of(path: str, value: object, allowed: tuple[str, ...]) -> str:
    """Return one of the words allowed; raises PolicyInvalidError."""
    if not isinstance(value, str) or value not in allowed:
        raise PolicyInvalidError(path, f"只能是 {'、'.join(allowed)} 之一")
    return value


def _starts(path: str, value: object) -> str:
    if isinstance(value, str) and _names_stage(value, rules_of.STAGE_STARTS):
        return value
    return one_of(path, value, rules_of.STARTS)


def _meets(path: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_MEETS:
        raise PolicyInvalidError(path, f"需要1到{MOST_MEETS}项能满足时限的动作")
    for index, what in enumerate(value):
        if not isinstance(what, str) or not _names_stage(what, rules_of.STAGE_MEETS):
            one_of(f"{path}[{index}]", what, rules_of.MEETS)
    return tuple(value)


def _names_stage(text: str, prefix: str) -> bool:
    return text.startswith(prefix) and re.fullmatch(rules_of.STAGE, text.removeprefix(prefix)) is not None


def _budget(path: str, value: object, measure: str) -> tuple[timedelta, int]:
    distance = _distance(path, value)
    if measure == "working_days":
        if not 1 <= distance.days <= rules_of.MOST_WORKING_DAYS:
            raise PolicyInvalidError(path, f"按工作日计时需写成 P1D 到 P{rules_of.MOST_WORKING_DAYS}D")
        return timedelta(0), distance.days
    span = distance.time + timedelta(days=distance.days)
    if measure == "business" and distance.days:
        raise PolicyInvalidError(path, "按工作时间计时需写成小时，如 PT2H；按天请用 working_days")
    if not timedelta(0) < span < rules_of.LONGEST:
        raise PolicyInvalidError(path, "必须大于0且小于一年")
    return span, 0


def _fraction(path: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise PolicyInvalidError(path, "需要0到1之间的小数，或 null")
    return float(value)


def _levels(path: str, value: object, faults: Faults) -> tuple[Level, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= rules_of.MOST_LEVELS:
        raise PolicyInvalidError(path, f"需要1到{rules_of.MOST_LEVELS}级提醒")
    before = len(faults.found)
    levels = [faults.of(None, _level, f"{path}[{index}]", item, faults) for index, item in enumerate(value)]
    known = tuple(level for level in levels if level is not None)
    if len(faults.found) == before:
        _check_levels(path, known)
    return known


def _level(path: str, item: object, faults: Faults) -> Level | None:
    if not isinstance(item, Mapping):
        raise PolicyInvalidError(path, NOT_A_MAPPING)
    faults.unknown(f"{path}.", item, LEVEL_FIELDS)
    any_hour = item.get("any_hour", False)
    if not isinstance(any_hour, bool):
        raise PolicyInvalidError(f"{path}.any_hour", "只能是 true 或 false")
    after = _distance(f"{path}.after", item.get("after"))
    return Level(after, one_of(f"{path}.to", item.get("to"), rules_of.AUDIENCES), any_hour)


def _check_levels(path: str, levels: tuple[Level, ...]) -> None:
    """Check that no two come at once (one sweep tells the highest only), and that nobody is told after the pool."""
    for index, level in enumerate(levels):
        at = f"{path}[{index}]"
        earlier = [_place(other) for other in levels[:index]]
        if _place(level) in earlier:
            raise PolicyInvalidError(f"{at}.after", "每一级提醒的时间必须不同")
        is_last = len(levels) > 1 and _place(level) == max(map(_place, levels))
        if level.to == rules_of.POOL and not is_last:
            raise PolicyInvalidError(f"{at}.to", "公海只能是最后一级，且之前至少有一级提醒")


def _place(level: Level) -> tuple[int, timedelta]:
    return level.after.days, level.after.time


def _pause(path: str, value: object) -> timedelta | None:
    if value is None or isinstance(value, timedelta):  # null forbids a pause, what is not said allows the usual one
        return value
    if not isinstance(value, Mapping) or set(value) != {"cap"}:
        raise PolicyInvalidError(path, '需要写作 {"cap": "P14D"}，或 null 表示不可暂停')
    distance = _distance(f"{path}.cap", value["cap"], limit=timedelta(days=rules_of.LONGEST_PAUSE_DAYS, seconds=1))
    cap = distance.time + timedelta(days=distance.days)
    if not timedelta(0) < cap <= timedelta(days=rules_of.LONGEST_PAUSE_DAYS):
        raise PolicyInvalidError(f"{path}.cap", f"必须大于0，最多{rules_of.LONGEST_PAUSE_DAYS}个自然日")
    return cap


def _distance(path: str, value: object, *, limit: timedelta = rules_of.LONGEST) -> Distance:
    if not isinstance(value, str):
        raise PolicyInvalidError(path, _NOT_A_SPAN)
    if re.fullmatch(rules_of.DAYS, value):
        return Distance(days=int(value[1:-1]))
    if re.fullmatch(r"P[0-9]+[WD](?:T.*)?", value):
        raise PolicyInvalidError(path, "天和小时不能混写，也不能写周：按天写 P5D，最多三位数；按小时写 PT2H")
    if not re.fullmatch(rules_of.TIME, value):
        raise PolicyInvalidError(path, _NOT_A_SPAN)
    time = instant.duration(value)
    if time >= limit:
        raise PolicyInvalidError(path, "必须小于一年")
    return Distance(time=time)
