"""The wire shape of a policy as a JSON Schema (2020-12), made of the very words and bounds that the reader knows.

What a schema cannot say (levels at one time, segments that overlap, a calendar that opens) `policy_input` refuses.
"""

from __future__ import annotations

from typing import Any

from leadtrail.domain import calendar_input, policy_input, rule_input
from leadtrail.domain import rule as rules_of

Json = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> Json:
    """Return the schema of what `PUT /policies/{name}` takes, without references."""
    optional: dict[str, Json] = {"when": _when(), "order": _order(), "leave": _leave()}
    return {
        "title": "PolicyBody",
        "description": "一套时限规则；各字段见 docs/policies.md",
        **_object(optional | {"calendar": _calendar(), "rules": _rules()}, required=("calendar", "rules")),
    }


def document() -> Json:
    """Return the schema as a document of its own."""
    return {"$schema": DIALECT, **schema()}


def _object(properties: dict[str, Json], *, required: tuple[str, ...] = ()) -> Json:
    needed: Json = {"required": list(required)} if required else {}
    return {"type": "object", "properties": properties, **needed, "additionalProperties": False}


def _text(pattern: str, **more: object) -> Json:
    return {"type": "string", "pattern": f"^(?:{pattern})$", **more}


def _list(items: Json, least: int | None, most: int | None) -> Json:
    bounds = {"minItems": least, "maxItems": most}
    return {"type": "array", "items": items, **{key: bound for key, bound in bounds.items() if bound is not None}}


def _or_null(wanted: Json) -> Json:
    return {"anyOf": [wanted, {"type": "null"}]}


def _when() -> Json:
    words = {key: _alternatives(longest) for key, longest in policy_input.LONGEST_WORD.items()}
    fen = {"type": "integer", "minimum": 0, "maximum": policy_input.MOST_FEN}
    amount = {**_object({"min": fen, "max": fen}), "minProperties": 1, "description": "单位为分，两端都包括在内"}
    return {**_or_null(_object({**words, "amount": amount})), "description": "全部条件都成立时适用"}


def _alternatives(longest: int) -> Json:
    word = {"type": "string", "minLength": 1, "maxLength": longest}
    return {"anyOf": [word, _list(word, 1, policy_input.MOST_ALTERNATIVES)]}


def _order() -> Json:
    return {
        **_or_null({"type": "integer", "minimum": 0, "maximum": policy_input.LAST_ORDER}),
        "default": policy_input.USUAL_ORDER,
        "description": "小的先试，相同时按名称",
    }


def _leave() -> Json:
    return {"enum": [*policy_input.LEAVES, None], "default": None, "description": "负责人请假时：暂停，或改派"}


def _calendar() -> Json:
    segments = _list(_list(_text(calendar_input.TIME.pattern), 2, 2), None, None)
    day = _text(calendar_input.DATE.pattern)
    by_date = {"type": "object", "propertyNames": day, "additionalProperties": segments}
    year = {"type": "integer", "minimum": 1, "maximum": 9999}
    known: dict[str, Json] = {
        "tz": {"type": "string", "minLength": 1, "default": calendar_input.DEFAULT_ZONE},
        "hours": _object(dict.fromkeys(calendar_input.WEEKDAYS, segments)),
        "cn": {"type": "boolean", "default": False, "description": "采用已公布的法定节假日与调休"},
        "off": _list(day, None, None),
        "on": by_date,
        "holidays": _list(day, None, None),
        "date_hours": by_date,
        "breaks": by_date,
        "makeup": _list(day, None, None),
        "published": {
            "anyOf": [
                _object({"from": year, "to": year}, required=("from", "to")),
                _list(year, None, None),
                {"type": "null"},
            ]
        },
        "name": {"type": "string"},
        "version": {"type": ["integer", "string"]},
    }
    return {**_object(known), "patternProperties": {"^_": {}}}


def _rules() -> Json:
    rule = _object(
        {
            "name": _text(rules_of.NAME),
            "title": _or_null(_text(rules_of.TITLE)),
            "starts": {"anyOf": [{"enum": list(rules_of.STARTS)}, _staged(rules_of.STAGE_STARTS)]},
            "meets": _list(
                {"anyOf": [{"enum": list(rules_of.MEETS)}, _staged(rules_of.STAGE_MEETS)]}, 1, rule_input.MOST_MEETS
            ),
            "measure": {"enum": list(rules_of.MEASURES)},
            "budget": _span(examples=["PT2H", "P5D"]),
            "warn_at": {"type": ["number", "null"], "exclusiveMinimum": 0, "exclusiveMaximum": 1, "default": None},
            "levels": _list(_level(), 1, rules_of.MOST_LEVELS),
            "pause": {
                **_or_null(_object({"cap": _span(examples=["P14D"])}, required=("cap",))),
                "default": {"cap": f"P{rules_of.PAUSE_CAP.days}D"},
                "description": "一次暂停最长多久；null 表示不可暂停",
            },
        },
        required=("name", "starts", "meets", "measure", "budget", "levels"),
    )
    return _list(rule, 1, rule_input.MOST_RULES)


def _level() -> Json:
    return _object(
        {
            "after": _span(examples=["PT0S", "PT1H", "P1D"]),
            "to": {"enum": list(rules_of.AUDIENCES)},
            "any_hour": {"type": "boolean", "default": False, "description": "不等到上班时间"},
        },
        required=("after", "to"),
    )


def _staged(prefix: str) -> Json:
    return _text(f"{prefix}{rules_of.STAGE}", description=f"{prefix}阶段名")


def _span(**more: object) -> Json:
    return _text(f"{rules_of.DAYS}|{rules_of.TIME}", **more)
