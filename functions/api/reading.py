"""Reading what people send: pydantic models in, refusals in Chinese that name the field out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.instant import from_text
from leadtrail.services.idempotency import Command
from leadtrail.services.people import Caller

M = TypeVar("M", bound=BaseModel)
KEY = re.compile(r"[\x21-\x7e]{1,255}")
RULES = {
    "missing": "缺少这个字段",
    "extra_forbidden": "没有这个字段",
    "string_type": "需要一段文字",
    "string_too_long": "最多{max_length}个字符",
    "string_too_short": "最少{min_length}个字符",
    "string_pattern_mismatch": "格式不正确",
    "int_type": "需要整数",
    "int_parsing": "需要整数",
    "int_from_float": "需要整数",
    "float_type": "需要数字",
    "bool_type": "只能是 true 或 false",
    "bool_parsing": "只能是 true 或 false",
    "list_type": "需要一个列表",
    "dict_type": "需要一个对象",
    "model_type": "需要一个对象",
    "literal_error": "只能是 {expected}",
    "greater_than": "必须大于{gt}",
    "greater_than_equal": "不能小于{ge}",
    "less_than_equal": "不能大于{le}",
    "too_long": "最多{max_length}项",
    "too_short": "最少{min_length}项",
}


class Request(BaseModel):
    """What people send: fields that we do not know are refused, and nothing is taken for another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Nothing(Request):
    """No parameters, or no body."""


def checked(model: type[M], values: Mapping[str, Any], *, strings: bool = False) -> M:
    """Return ``values`` as ``model``; ``strings`` reads numbers and booleans from text, as queries carry them.

    An empty text in a query (``?owner=``) asks for nothing.

    Raises:
        InvalidInputError: names the first field that makes no sense, and lists all of them.
    """
    try:
        if strings:
            asked = {name: text for name, text in values.items() if text or name not in model.model_fields}
            return model.model_validate_strings(asked)
        return model.model_validate(dict(values))
    except ValidationError as error:
        errors = [
            {"field": _path(item["loc"]), "rule": _rule(item["type"], item.get("ctx", {}))}
            for item in error.errors(include_url=False, include_input=False)
        ]
    raise InvalidInputError(errors[0]["field"], errors[0]["rule"], errors=errors)


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _rule(kind: str, context: Mapping[str, Any]) -> str:
    return RULES.get(kind, "内容不正确").format_map(context)


def command(
    headers: Mapping[str, str], caller: Caller, method: str, event: Mapping[str, Any], document: Mapping[str, Any]
) -> Command | None:
    """Return what the Idempotency-Key stands for, or None without one.

    Raises:
        InvalidInputError: the key is not 1 to 255 visible ASCII characters.
    """
    key = headers.get("idempotency-key")
    if key is None:
        return None
    if not KEY.fullmatch(key):
        raise InvalidInputError("Idempotency-Key", "需要1到255个可见的 ASCII 字符")
    return Command.of(caller.rep_id, key, f"{method} {event.get('rawPath', '')}", document)


def instant(field: str, text: str) -> datetime:
    """Read a time with an offset into aware UTC, cut to milliseconds.

    Raises:
        InvalidInputError: no such time; names ``field``.
    """
    try:
        return from_text(text)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(field, "需要带时区的 ISO 8601 时间，如 2026-01-26T09:00:00+08:00") from error
