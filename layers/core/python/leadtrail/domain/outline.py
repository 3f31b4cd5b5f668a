"""The outline of a message: its structure with each value's type and length, and nothing that anybody said."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl

DEPTH, WIDTH, NAME = 6, 40, 40
_FIELD = re.compile(r"[\w.\[\]-]+", re.ASCII)
_DIGITS = re.compile(r"\d")
_TAG = re.compile(r"<([A-Za-z_][\w.-]{0,39})[\s>/]")


def of(body: bytes) -> Any:
    """Return the outline of JSON, XML or a form; of anything else that it is none of these.

    Names longer than 40 characters are cut, and their digits are blotted out: a form may use a number as a name.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return "<not UTF-8>"
    if text.lstrip()[:1] in ("{", "["):
        try:
            return _value(json.loads(text), DEPTH)
        except (ValueError, RecursionError):
            return "<broken JSON>"
    if text.lstrip()[:1] == "<":
        return [_name(tag) for tag in _TAG.findall(text)[:WIDTH]]
    return {_name(name): f"<text {len(value)}>" for name, value in _form(text)[:WIDTH]} or "<text>"


def _form(text: str) -> list[tuple[str, str]]:
    """Return the pairs of a form; none where a part is no pair or a name is no word: then it is what somebody said."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        return []
    return pairs if all(_FIELD.fullmatch(name) for name, _ in pairs) else []


def _value(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        inside = list(value.items())[:WIDTH]
        return {_name(str(name)): _value(one, depth - 1) for name, one in inside} if depth else "<object>"
    if isinstance(value, list):
        return [_value(one, depth - 1) for one in value[:3]] if depth else "<list>"
    if isinstance(value, str):
        return f"<text {len(value)}>"
    return {bool: "<yes or no>", type(None): "<null>"}.get(type(value), "<number>")


def _name(name: str) -> str:
    return _DIGITS.sub("#", name[:NAME])
