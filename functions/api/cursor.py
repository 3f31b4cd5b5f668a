"""Cursors: opaque to who holds them; inside stands the place from which a list goes on."""

from __future__ import annotations

import base64
import binascii

from leadtrail.domain.errors import InvalidInputError


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
