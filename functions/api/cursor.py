"""Cursors: opaque to who holds them; inside stands the place from which a list goes on."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, TypeVar

from pydantic import Field

from functions.api.reading import Request
from leadtrail.domain.errors import InvalidInputError

T = TypeVar("T")


class PageQuery(Request):
    """Which page of a list."""

    limit: Annotated[int, Field(ge=1, le=100)] = 100
    cursor: Annotated[str | None, Field(max_length=200)] = None


def write(place: str | int | None) -> str | None:
    """Return the cursor of a place, None at the end of a list."""
    return None if place is None else base64.urlsafe_b64encode(str(place).encode()).decode().rstrip("=")


def read(cursor: str | None) -> str:
    """Return the place of a cursor, empty without one; what the place means is checked by who uses it.

    Raises:
        InvalidInputError: no cursor of ours; names ``cursor``.
    """
    if cursor is None:
        return ""
    try:
        place = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise InvalidInputError("cursor", "不是这个列表的游标") from error
    if not place:
        raise InvalidInputError("cursor", "不是这个列表的游标")
    return place


def number(cursor: str | None) -> int:
    """Return the place of a cursor that counts, 0 without one; raises as `read` does."""
    place = read(cursor)
    if place and not (place.isascii() and place.isdigit() and len(place) <= 8):
        raise InvalidInputError("cursor", "不是这个列表的游标")
    return int(place or 0)


def page(items: Sequence[T], asked: PageQuery) -> tuple[Sequence[T], str | None]:
    """Return a page of a short list that stands whole in memory, and the cursor of the next one."""
    start = number(asked.cursor)
    end = start + asked.limit
    return items[start:end], write(end) if end < len(items) else None
