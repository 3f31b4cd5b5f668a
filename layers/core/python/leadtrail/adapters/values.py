"""From items to the values that use cases know: one function an item. The other way is adapters/rows.py."""

from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import UTC, datetime

from leadtrail.adapters import cipher
from leadtrail.adapters.table import (
    AlertItem,
    BodyItem,
    EventItem,
    IdentityItem,
    PersonItem,
    Raw,
    RecordingItem,
    TellingItem,
)
from leadtrail.domain.delivery import Contact
from leadtrail.domain.instant import from_text
from leadtrail.domain.trail import Event
from leadtrail.services.ports import Alert, IdentityRow, Person, RawBody, Recording, Telling

UNREADABLE = datetime(1970, 1, 1, tzinfo=UTC)


def event_from_item(item: Raw) -> Event:
    """Read one event; its text stays encrypted (see `readable`).

    An event that was changed so that it cannot be read is returned with a seal that does not hold: `verify` names it.
    """
    try:
        return _event(EventItem.from_raw_data(item))
    except (TypeError, ValueError, OverflowError):
        return Event(
            lead_id=item["PK"]["S"].removeprefix("LEAD#"),
            seq=int(item["SK"]["S"].removeprefix("EVENT#")),
            kind="unreadable",
            occurred_at=UNREADABLE,
            recorded_at=UNREADABLE,
            actor="",
            facts={},
            text_hash=None,
            prev=item.get("prev", {}).get("S", ""),
            seal="",
        )


def _event(row: EventItem) -> Event:
    return Event(
        lead_id=row.PK.removeprefix("LEAD#"),
        seq=int(row.SK.removeprefix("EVENT#")),
        kind=row.kind,
        occurred_at=from_text(row.occurred_at),
        recorded_at=from_text(row.recorded_at),
        actor=row.actor,
        facts=row.facts,
        text_hash=row.text_hash,
        prev=row.prev,
        seal=row.seal,
        v=int(row.v),
        cipher=row.cipher,
    )


def readable(event: Event, person: Person | None) -> Event:
    """Return the event with its text in clear, where the person's key still exists."""
    if event.cipher is None or person is None:
        return event
    return replace(event, text=cipher.opened(event.cipher, person.key, event.lead_id, event.seq))


def identity_from_item(item: Raw) -> IdentityRow:
    """Read whom an identity belongs to."""
    row = IdentityItem.from_raw_data(item)
    return IdentityRow(row.person_id, row.lead_id)


def person_from_item(item: Raw) -> Person:
    """Read a person's contact, key and salt."""
    row = PersonItem.from_raw_data(item)
    contact = Contact(row.name, tuple(row.phones), tuple(row.emails))
    return Person(row.PK.removeprefix("PERSON#"), contact, row.key, row.salt)


def alert_from_item(item: Raw) -> Alert:
    """Read one alert."""
    row = AlertItem.from_raw_data(item)
    return Alert(
        id=row.id,
        lead_id=row.PK.removeprefix("LEAD#"),
        rule=row.rule,
        episode=int(row.episode),
        level=int(row.level),
        audience=row.audience,
        channel=row.channel,
        created_at=from_text(row.created_at),
        sent_at=from_text(row.sent_at) if row.sent_at else None,
    )


def recording_from_item(item: Raw) -> Recording:
    """Read one recording."""
    row = RecordingItem.from_raw_data(item)
    return Recording(
        id=row.PK.removeprefix("RECORDING#"),
        lead_id=row.lead_id,
        state=row.state,
        object_key=row.object_key,
        content_type=row.content_type,
        size=int(row.size),
        created_at=from_text(row.created_at),
        reason=row.reason,
        duration_ms=int(row.duration_ms) if row.duration_ms is not None else None,
        channels=int(row.channels) if row.channels is not None else None,
        sha256=row.sha256,
        transcript_key=row.transcript_key,
        progress=int(row.progress) if row.progress is not None else None,
    )


def body_from_item(item: Raw) -> RawBody:
    """Read a delivery's body as it was kept; of an archived one the bytes lie in S3."""
    row = BodyItem.from_raw_data(item)
    return RawBody(
        body=zlib.decompress(row.body) if row.body else b"",
        headers=row.headers,
        sha256=row.sha256,
        archived=row.archived,
        query=row.query or {},
    )


def telling_from_item(item: Raw) -> Telling:
    """Read one line of a lead's ledger."""
    row = TellingItem.from_raw_data(item)
    return Telling(
        id=row.SK.removeprefix("TOLD#"),
        lead_id=row.PK.removeprefix("LEAD#"),
        alert_id=row.alert_id,
        rule=row.rule,
        episode=int(row.episode),
        level=int(row.level),
        to=row.to,
        channel=row.channel,
        state=row.state,
        at=from_text(row.at),
        digest=bool(row.digest),
        seen_at=from_text(row.seen_at) if row.seen_at else None,
    )
