"""HTTP at the edge: raw bodies in, JSON and problem+json out."""

from __future__ import annotations

import base64
import binascii
import json
import unicodedata
from collections.abc import Mapping
from typing import Any

from leadtrail.domain.errors import BodyTooLargeError, LeadtrailError, MalformedBodyError

LIMIT_BYTES = 256 * 1024
DEPTH = 32
DIGITS = 30  # a number with more digits is nobody's amount, and DynamoDB takes 38
Answer = dict[str, Any]


def raw_body(event: Mapping[str, Any], *, limit: int = LIMIT_BYTES) -> bytes:
    """Return the body's bytes as the sender signed them.

    Raises:
        BodyTooLargeError: over ``limit`` bytes.
        MalformedBodyError: claims to be base64 and is not.
    """
    body = event.get("body") or ""
    if len(body) > limit * 4 // 3 + 4:
        raise BodyTooLargeError(limit=limit)
    try:
        raw = (
            base64.b64decode(body, validate=True)
            if event.get("isBase64Encoded")
            else body.encode("utf-8", "surrogatepass")
        )
    except (binascii.Error, ValueError) as error:
        raise MalformedBodyError("not base64") from error
    if len(raw) > limit:
        raise BodyTooLargeError(limit=limit)
    return raw


def headers(event: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers by lower-case name."""
    return {name.lower(): value for name, value in (event.get("headers") or {}).items()}


def query(event: Mapping[str, Any]) -> dict[str, str]:
    """Return the query parameters."""
    return dict(event.get("queryStringParameters") or {})


def json_object(raw: bytes) -> dict[str, Any]:
    """Read a JSON object that the table can hold.

    Raises:
        MalformedBodyError: not UTF-8, not JSON, not an object; nested over 32 deep; NaN, duplicate
            keys, NUL, a lone surrogate or a number of more than 30 digits.
    """
    value = _document(raw)
    if not isinstance(value, dict):
        raise MalformedBodyError("需要一个 JSON 对象")
    return value


def json_array(raw: bytes) -> list[Any]:
    """Read a JSON array that the table can hold, as strictly as an object.

    Raises:
        MalformedBodyError: no array, or as for ``json_object``.
    """
    value = _document(raw)
    if not isinstance(value, list):
        raise MalformedBodyError("需要一个 JSON 数组")
    return value


def _document(raw: bytes) -> object:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedBodyError("内容不是 UTF-8") from error
    if _depth(text) > DEPTH:
        raise MalformedBodyError(f"嵌套超过{DEPTH}层")
    try:
        value: object = json.loads(
            text, parse_constant=_refuse, parse_int=_integer, parse_float=_decimal, object_pairs_hook=_object
        )
    except (ValueError, RecursionError) as error:
        raise MalformedBodyError("不是有效的 JSON") from error
    _check_text(value)
    return value


def _depth(text: str) -> int:
    """Return how deep brackets nest outside strings, without recursion."""
    depth = deepest = 0
    quoted = escaped = False
    for letter in text:
        if quoted:
            quoted = escaped or letter != '"'
            escaped = letter == "\\" and not escaped
        elif letter == '"':
            quoted = True
        elif letter in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in "]}":
            depth -= 1
    return deepest


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > DIGITS:
        raise ValueError("too many digits")
    return int(digits)


def _decimal(digits: str) -> float:
    if len(digits) > DIGITS:
        raise ValueError("too many digits")
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError("not a finite number")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands twice")
    return value


def _check_text(value: object) -> None:
    if isinstance(value, str):
        if "\0" in value or any(unicodedata.category(letter) == "Cs" for letter in value if letter >= "\ud800"):
            raise MalformedBodyError("文字中含有无效字符")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check_text(item)
    elif isinstance(value, list):
        for item in value:
            _check_text(item)


def answer(status: int, body: Mapping[str, Any] | None = None, **extra: str) -> Answer:
    """Return a JSON answer for the HTTP API."""
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json; charset=utf-8", **extra},
        "body": json.dumps(body, ensure_ascii=False) if body is not None else "",
    }


def text_answer(status: int, text: str, content_type: str = "text/plain; charset=utf-8", **extra: str) -> Answer:
    """Return a text answer for the HTTP API."""
    return {"statusCode": status, "headers": {"content-type": content_type, **extra}, "body": text}


def problem(error: LeadtrailError) -> Answer:
    """Return an error as application/problem+json (RFC 9457); 503 asks the sender to come again."""
    extra = {"retry-after": "5"} if error.status == 503 else {}
    return {
        "statusCode": error.status,
        "headers": {"content-type": "application/problem+json; charset=utf-8", **extra},
        "body": json.dumps(error.problem(), ensure_ascii=False),
    }
