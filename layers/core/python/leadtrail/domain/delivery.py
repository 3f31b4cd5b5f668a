"""Deliveries: what a provider's message says, after its bytes were verified and before anything is decided."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime

from leadtrail.domain import worth
from leadtrail.domain.identity import Identity

PARSER = 1  # the version of the parsers; a replay with a newer one derives the delivery again
CONTACTS = 20  # numbers and addresses that one person's item keeps: whoever fills in a form cannot fill it up


def _slots(value: object) -> object:
    """Return what an encoder does not know: a dataclass by its fields, anything else (an instant) as text."""
    if is_dataclass(value):
        return {one.name: getattr(value, one.name) for one in fields(value)}
    return str(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, default=_slots)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One finished call; ``started_at`` is aware UTC, ``talk_s`` seconds of talk (never ring time)."""

    direction: str
    started_at: datetime
    talk_s: int
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class RecordingOffer:
    """A recording that a call system offers by URL; ``party``: customer, rep or both (mixed or one channel each)."""

    url: str
    party: str = "both"
    started_at: datetime | None = None
    duration_s: int | None = None


@dataclass(frozen=True, slots=True)
class Enrichment:
    """What the provider keeps back and answers when asked: which object of it (``ref``), and who may see it there."""

    provider: str  # wecom or hubspot
    ref: str
    userid: str | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """Who the person is: personal data, kept in the contact item only."""

    name: str = ""
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()

    def with_(self, said: Contact) -> Contact:
        """Return this contact with what is new in another: its own name stays, numbers and addresses are added."""
        return Contact(
            name=self.name or said.name,
            phones=tuple(dict.fromkeys((*self.phones, *said.phones)))[:CONTACTS],
            emails=tuple(dict.fromkeys((*self.emails, *said.emails)))[:CONTACTS],
        )


@dataclass(frozen=True, slots=True)
class Delivery:
    """One verified message of one source.

    ``key`` is the provider's delivery key (CONTRACTS section 8); ``occurred_at`` (aware UTC) is the
    provider's time, believed up to 15 minutes where the source signs (``signed``). What nobody signed
    makes a lead that is `unverified` until somebody reaches it. ``parked`` says why the message makes
    no lead; it is kept, and an operator sees it.

    ``kind``: ``lead`` (somebody wrote or was added), ``call`` (with ``call``), ``recording`` (a recording of a
    call that another message tells of), ``contact`` (a known contact was edited, deleted or handed over).
    """

    source: str
    key: str
    kind: str  # lead, call, recording or contact
    occurred_at: datetime | None
    signed: bool
    identities: tuple[Identity, ...] = ()
    contact: Contact = field(default_factory=Contact)
    fields: Mapping[str, str] = field(default_factory=dict)
    source_ref: str | None = None
    owner_hint: str | None = None  # the WeCom UserID that added the contact
    owner: str | None = None  # a rep's id that whoever enters the lead names
    call: CallRecord | None = None
    recordings: tuple[RecordingOffer, ...] = ()
    change: str | None = None  # of a contact: edited, deleted, removed_by_customer, transferred or transfer_failed
    enrichment: Enrichment | None = None
    parked: str | None = None

    @property
    def amount_fen(self) -> int | None:
        """What the lead may be worth, in fen, where a field says so in a way that can be read."""
        return worth.amount_fen(self.fields)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that a field names."""
        return worth.tags(self.fields)

    @property
    def receipt(self) -> str:
        """The receipt's key: a hash, since some providers' keys name the person."""
        return hashlib.sha256(f"{self.source}\n{self.key}".encode()).hexdigest()[:40]

    def canonical(self) -> str:
        """Return all that was read as one text: equal for equal readings, whatever the order of fields."""
        return _ENCODER.encode(_slots(self))
