"""ULIDs: 128 bits, sortable by millisecond, 26 characters (https://github.com/ulid/spec)."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


def new_id(at: datetime, entropy: int | None = None) -> str:
    """Return a ULID of instant ``at`` (aware); ``entropy`` (80 bits) is random unless given."""
    low = secrets.randbits(80) if entropy is None else entropy & ((1 << 80) - 1)
    value = (round(at.timestamp() * 1000) << 80) | low
    return "".join(ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))


def is_id(text: str) -> bool:
    """Tell whether ``text`` is a ULID in its canonical spelling."""
    return ULID.fullmatch(text) is not None


def instant_of(ulid: str) -> datetime:
    """Return the millisecond that a ULID carries, aware UTC."""
    value = 0
    for letter in ulid[:10]:
        value = value << 5 | ALPHABET.index(letter)
    return datetime.fromtimestamp(value / 1000, UTC)
