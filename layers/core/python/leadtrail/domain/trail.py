"""The trail: sealed events, each holding the hash of the one before.

Nothing personal stands in ``facts``. What people wrote or said goes into ``text``, which rests
encrypted with the person's own key and is sealed by a salted hash, so that erasing key and salt
leaves a chain that still verifies. The canonical form is held by a vector in tests/unit/test_trail.py.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from leadtrail.domain.instant import to_text

SCHEMA = 1
GENESIS = "0" * 64
Facts = Mapping[str, Any]
_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened and is not sealed yet; ``occurred_at`` is aware UTC."""

    kind: str
    occurred_at: datetime
    actor: str
    facts: Facts = field(default_factory=dict)
    text: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One sealed link of a lead's trail; both times are aware UTC with milliseconds.

    ``text`` is the clear text where the reader holds the person's key, ``cipher`` what rests in the
    table; neither is sealed, ``text_hash`` is.
    """

    lead_id: str
    seq: int
    kind: str
    occurred_at: datetime
    recorded_at: datetime
    actor: str
    facts: Facts
    text_hash: str | None
    prev: str
    seal: str
    v: int = SCHEMA
    text: Mapping[str, str] | None = None
    cipher: str | None = None


@dataclass(frozen=True, slots=True)
class Break:
    """The first event whose seal does not hold, and why."""

    seq: int
    why: str


def canonical(value: object) -> bytes:
    """Return the bytes that are hashed: UTF-8, sorted keys, no spaces, NFC, integers but no floats.

    Raises:
        TypeError: a float or an object that canonical JSON has no form for.
    """
    return _CANONICAL.encode(_plain(value)).encode()


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _composed(value)
    if isinstance(value, Mapping):
        return {_composed(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    raise TypeError(f"a trail holds no {type(value).__name__}")


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def text_hash(text: Mapping[str, str] | None, salt: bytes) -> str | None:
    """Return sha256(salt || canonical(text)), or None where nobody wrote anything."""
    return None if text is None else hashlib.sha256(salt + canonical(text)).hexdigest()


def sealed_form(event: Event) -> dict[str, object]:
    """Return the event as it is sealed: all but ``seal``, ``text`` and ``cipher``."""
    return {
        "v": event.v,
        "lead_id": event.lead_id,
        "seq": event.seq,
        "kind": event.kind,
        "occurred_at": to_text(event.occurred_at),
        "recorded_at": to_text(event.recorded_at),
        "actor": event.actor,
        "facts": event.facts,
        "text_hash": event.text_hash,
        "prev": event.prev,
    }


def seal_of(event: Event) -> str:
    """Return the seal that this event should carry."""
    return hashlib.sha256(canonical(sealed_form(event))).hexdigest()


def append(
    happenings: Iterable[Happening], *, lead_id: str, seq: int, head: str, recorded_at: datetime, salt: bytes
) -> tuple[Event, ...]:
    """Seal happenings behind ``head`` (the seal of event ``seq``; GENESIS and 0 for a new trail)."""
    events = []
    for happening in happenings:
        seq += 1
        event = Event(
            lead_id=lead_id,
            seq=seq,
            kind=happening.kind,
            occurred_at=happening.occurred_at,
            recorded_at=recorded_at,
            actor=happening.actor,
            facts=happening.facts,
            text_hash=text_hash(happening.text, salt),
            prev=head,
            seal="",
            text=happening.text,
        )
        event = replace(event, seal=seal_of(event))
        head = event.seal
        events.append(event)
    return tuple(events)


def verify(events: Iterable[Event], *, salt: bytes | None = None) -> Break | None:
    """Return the first break of a whole trail, ordered by seq, or None.

    With ``salt``, texts that can be read are compared with their hashes as well. What this cannot
    show is a tail that was cut off: the nightly anchors do.
    """
    head = GENESIS
    for seq, event in enumerate(events, start=1):
        if event.seq != seq:
            return Break(seq, "事件缺失")
        if event.prev != head:
            return Break(seq, "与上一条事件的封印不衔接")
        if not _holds(event):
            return Break(seq, "内容与封印不符")
        if salt is not None and event.text is not None and event.text_hash != text_hash(event.text, salt):
            return Break(seq, "文字与封印不符")
        head = event.seal
    return None


def _holds(event: Event) -> bool:
    """Tell whether an event carries its seal; what canonical JSON has no form for was never sealed."""
    try:
        return event.seal == seal_of(event)
    except (TypeError, ValueError, AttributeError, RecursionError):  # a float, a lone surrogate, no facts at all
        return False
