"""Reading fields of a webhook's body: the right type, or a refusal that names the field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from leadtrail.domain import instant
from leadtrail.domain.errors import InvalidInputError

LONGEST = 2000
TOGETHER_BYTES = 100_000  # what one event can hold of a form, encrypted; the receipt keeps the body in full


def text(body: Mapping[str, Any], key: str, path: str, *, required: bool = False) -> str:
    """Return a text of at most 2,000 characters, empty where it is absent or null."""
    value = body.get(key)
    if value is None or value == "":
        if required:
            raise InvalidInputError(path, "不能为空")
        return ""
    if not isinstance(value, str):
        raise InvalidInputError(path, "需要一段文字")
    if len(value) > LONGEST:
        raise InvalidInputError(path, f"最多{LONGEST}个字符")
    return value


def whole(body: Mapping[str, Any], key: str, path: str, *, largest: int) -> int:
    """Return a whole number from 0 to ``largest``."""
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
        raise InvalidInputError(path, f"需要0到{largest}之间的整数")
    return value


def one_of(body: Mapping[str, Any], key: str, path: str, allowed: tuple[str, ...]) -> str:
    """Return one of the words allowed."""
    value = body.get(key)
    if not isinstance(value, str) or value not in allowed:
        raise InvalidInputError(path, f"只能是 {'、'.join(allowed)} 之一")
    return value


def mapping(body: Mapping[str, Any], key: str, path: str, *, required: bool = False) -> Mapping[str, Any]:
    """Return an object, empty where it is absent or null."""
    value = body.get(key)
    if value is None and not required:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInputError(path, "需要一个对象")
    return value


def moment(body: Mapping[str, Any], key: str, path: str, *, required: bool = False) -> datetime | None:
    """Return an instant, aware UTC, or None where it is absent."""
    value = body.get(key)
    if value is None and not required:
        return None
    try:
        if not isinstance(value, str):
            raise ValueError("not a text")
        return instant.from_text(value)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(path, "需要带时区的 ISO 8601 时间，如 2026-01-26T09:00:00+08:00") from error


def spoken(value: object) -> str:
    """Return an answer of a form as text: what people typed as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def kept(answers: Iterable[tuple[str, object]]) -> dict[str, str]:
    """Return the answers of a form as text, each cut to 2,000 characters, as many as an event can hold."""
    found: dict[str, str] = {}
    size = 0
    for question, answer in answers:
        key, said = _cut(question), _cut(spoken(answer))
        size += len(json.dumps([key, said], ensure_ascii=False).encode())
        if size > TOGETHER_BYTES:
            break
        found[key] = said
    return found


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
