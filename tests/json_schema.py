"""As much of JSON Schema (2020-12) as our schemas use; a word that is not understood is an error, never passed over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

SILENT = ("$schema", "title", "description", "default", "examples", "required", "additionalProperties", "propertyNames")
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}
BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda value, bound: value >= bound,
    "maximum": lambda value, bound: value <= bound,
    "exclusiveMinimum": lambda value, bound: value > bound,
    "exclusiveMaximum": lambda value, bound: value < bound,
}
SIZES: dict[str, tuple[type, Callable[[int, int], bool]]] = {
    "minLength": (str, int.__ge__),
    "maxLength": (str, int.__le__),
    "minItems": (list, int.__ge__),
    "maxItems": (list, int.__le__),
    "minProperties": (dict, int.__ge__),
}


def fits(schema: dict[str, Any], value: object) -> bool:
    """Tell whether a value is what a schema describes."""
    return all(check for word in schema if word not in SILENT for check in _checks(schema, word, value)) and (
        not isinstance(value, dict) or all(_of_object(schema, value))
    )


def _checks(schema: dict[str, Any], word: str, value: Any) -> Iterator[bool]:
    said = schema[word]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if word == "type":
        yield any(_is(name, value) for name in ([said] if isinstance(said, str) else said))
    elif word == "enum":
        yield any(type(value) is type(one) and value == one for one in said)
    elif word == "anyOf":
        yield any(fits(one, value) for one in said)
    elif word == "pattern":
        yield not isinstance(value, str) or re.fullmatch(said.removeprefix("^").removesuffix("$"), value) is not None
    elif word == "items":
        yield not isinstance(value, list) or all(fits(said, item) for item in value)
    elif word in BOUNDS:
        yield not is_number or BOUNDS[word](value, said)
    elif word in SIZES:
        of, compare = SIZES[word]
        yield not isinstance(value, of) or compare(len(value), said)
    elif word not in ("properties", "patternProperties"):
        raise AssertionError(f"a word that nobody understands: {word}")


def _is(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, TYPES[name])


def _of_object(schema: dict[str, Any], value: dict[str, Any]) -> Iterator[bool]:
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    yield all(name in value for name in schema.get("required", ()))
    for key, item in value.items():
        matching = [of for pattern, of in patterns.items() if re.search(pattern, key)]
        if key in known:
            matching.append(known[key])
        rest = schema.get("additionalProperties", True)
        yield (
            all(fits(of, item) for of in matching) if matching else rest if isinstance(rest, bool) else fits(rest, item)
        )
        yield "propertyNames" not in schema or fits(schema["propertyNames"], key)
