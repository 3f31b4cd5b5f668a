"""Policies as people send them, read field by field; everything that makes no sense is named by its path and its rule.

All of a body is read before it is refused, so that whoever wrote it mends it once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leadtrail.domain import calendar_input, rule_input
from leadtrail.domain import rule as rules_of
from leadtrail.domain.calendar_input import CalendarError
from leadtrail.domain.errors import PolicyInvalidError
from leadtrail.domain.faults import NOT_A_MAPPING, SHOWN, UNKNOWN, Faults
from leadtrail.domain.rule import Rule

DEFAULT = "default"
FIELDS = ("when", "order", "leave", "calendar", "rules")
CONDITIONS = ("source", "team", "amount", "tag")
LEAVES = ("pause", "reassign")
MOST_ALTERNATIVES = 50
LONGEST_WORD = {"source": 64, "team": 64, "tag": 40}
LAST_ORDER, USUAL_ORDER = 1000, 100
MOST_FEN = 10**14  # a trillion yuan


@dataclass(frozen=True, slots=True)
class Reading:
    """What a body says; ``when`` and ``calendar`` in their wire shape."""

    when: dict[str, Any]
    order: int
    leave: str | None
    calendar: dict[str, Any]
    rules: tuple[Rule, ...]


def read(name: str, body: object) -> Reading:
    """Read and check the wire shape (docs/policies.md) of the policy ``name``.

    Raises:
        PolicyInvalidError: names the first field (``rules[0].budget``) and the rule that it breaks; ``errors`` lists
            all of them.
    """
    if not re.fullmatch(rules_of.NAME, name):
        raise PolicyInvalidError("name", rule_input.NOT_A_NAME)
    if not isinstance(body, Mapping):
        raise PolicyInvalidError("body", NOT_A_MAPPING)
    faults = Faults()
    faults.unknown("", body, FIELDS)
    reading = Reading(
        when=faults.of({}, _conditions, name, {} if body.get("when") is None else body["when"], faults),
        order=faults.of(USUAL_ORDER, _order, body.get("order")),
        leave=faults.of(None, _leave, body.get("leave")),
        calendar=faults.of({}, _calendar, body.get("calendar")),
        rules=faults.of((), rule_input.read, body.get("rules"), faults),
    )
    faults.refuse()
    return reading


def _conditions(name: str, when: object, faults: Faults) -> dict[str, Any]:
    if not isinstance(when, Mapping):
        raise PolicyInvalidError("when", NOT_A_MAPPING)
    if name == DEFAULT and when:
        raise PolicyInvalidError("when", "默认规则不能带条件")
    for key, value in when.items():
        if key not in CONDITIONS:
            raise PolicyInvalidError(f"when.{str(key)[:SHOWN]}", f"条件只能是 {'、'.join(CONDITIONS)}")
        faults.of(None, _amount if key == "amount" else _alternatives, f"when.{key}", value)
    return dict(when)


def _alternatives(path: str, value: object) -> None:
    """Check one text, or a list of texts of which any will do."""
    longest = LONGEST_WORD[path.removeprefix("when.")]
    words = value if isinstance(value, list) else [value]
    if not 1 <= len(words) <= MOST_ALTERNATIVES:
        raise PolicyInvalidError(path, f"需要1到{MOST_ALTERNATIVES}段文字")
    for index, word in enumerate(words):
        place = f"{path}[{index}]" if isinstance(value, list) else path
        if not isinstance(word, str) or not 1 <= len(word) <= longest or word != word.strip():
            raise PolicyInvalidError(place, f"需要1到{longest}个字符的文字，前后没有空格")


def _amount(path: str, value: object) -> None:
    if not isinstance(value, Mapping) or not value:
        raise PolicyInvalidError(path, '需要写作 {"min": 分, "max": 分}，至少一项')
    for key, fen in value.items():
        if key not in ("min", "max"):
            raise PolicyInvalidError(f"{path}.{str(key)[:SHOWN]}", UNKNOWN)
        if isinstance(fen, bool) or not isinstance(fen, int) or not 0 <= fen <= MOST_FEN:
            raise PolicyInvalidError(f"{path}.{key}", f"需要0到{MOST_FEN}之间的整数，单位为分")
    if value.get("min", 0) > value.get("max", MOST_FEN):
        raise PolicyInvalidError(f"{path}.max", "不能小于 min")


def _order(value: object) -> int:
    if value is None:
        return USUAL_ORDER
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LAST_ORDER:
        raise PolicyInvalidError("order", f"需要0到{LAST_ORDER}之间的整数")
    return value


def _leave(value: object) -> str | None:
    return None if value is None else rule_input.one_of("leave", value, LEAVES)


def _calendar(calendar: object) -> dict[str, Any]:
    if not isinstance(calendar, Mapping):
        raise PolicyInvalidError("calendar", "需要一个日历对象")
    if not isinstance(calendar.get("cn", False), bool):
        raise PolicyInvalidError("calendar.cn", "只能是 true 或 false")
    if not isinstance(calendar.get("name", ""), str):
        raise PolicyInvalidError("calendar.name", "需要一段文字")
    if isinstance(calendar.get("version", 0), bool) or not isinstance(calendar.get("version", 0), int | str):
        raise PolicyInvalidError("calendar.version", "需要整数或一段文字")
    if isinstance(published := calendar.get("published"), Mapping) and set(published) != {"from", "to"}:
        raise PolicyInvalidError("calendar.published", '需要写作 {"from": 年, "to": 年}，或年份的列表')
    try:
        calendar_input.read({key: value for key, value in calendar.items() if key != "cn"})
    except CalendarError as error:
        raise PolicyInvalidError(f"calendar.{error.field}", error.rule) from error
    return dict(calendar)
