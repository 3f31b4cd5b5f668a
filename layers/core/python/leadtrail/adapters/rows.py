"""What a decision writes: one function per item, each with the condition under which it may be written."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from leadtrail.adapters import cipher
from leadtrail.adapters.projection import lead_to_json
from leadtrail.adapters.table import (
    AlertItem,
    BodyItem,
    ClockItem,
    EventItem,
    IdentityItem,
    Item,
    Key,
    LeadItem,
    OutboxItem,
    PersonItem,
    Raw,
    ReceiptItem,
    RecordingItem,
    RotationItem,
    RowItem,
    event_sort,
    lead_key,
    outbox_sort,
    person_key,
    receipt_key,
    shard_of,
    wake_sort,
)
from leadtrail.domain.clock import Clock
from leadtrail.domain.delivery import PARSER
from leadtrail.domain.instant import to_text
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Event
from leadtrail.services.ports import Alert, IdentityRow, OutboxRow, Person, RawBody, Receipt, Recording, Rotation

ABSENT = "attribute_not_exists(PK)"
BODY_KEPT = timedelta(days=30)
ALERT_KEPT = timedelta(days=3 * 365)


@dataclass(frozen=True, slots=True)
class Write:
    """One item with its condition, before the table's name is known."""

    item: Item
    condition: str | None = None
    values: Raw = field(default_factory=dict)
    names: Key = field(default_factory=dict)

    def request(self, table: str) -> Raw:
        """Return the member of TransactItems."""
        put: Raw = {"TableName": table, "Item": self.item.serialize()}
        if self.condition:
            put["ConditionExpression"] = self.condition
        if self.values:
            put["ExpressionAttributeValues"] = self.values
        if self.names:
            put["ExpressionAttributeNames"] = self.names
        return {"Put": put}


def lead(before: Lead | None, after: Lead) -> Write:
    """Return the projection, conditional on the version that was read."""
    index: dict[str, Any] = {"GSI3PK": f"TEAM#{after.team}", "GSI3SK": after.lead_id}
    if after.owner:
        index |= {"GSI2PK": f"OWNER#{after.owner}", "GSI2SK": after.lead_id}
    if after.late_clocks:
        since = min(clock.due_at for clock in after.late_clocks)
        index |= {
            "GSI4PK": f"RISK#{after.team}",
            "GSI4SK": f"{9 - after.severity}#{to_text(since)}#{after.lead_id}",
        }
    item = LeadItem(
        **lead_key(after.lead_id),
        version=after.seq,
        status=after.status,
        stage=after.stage,
        lead=lead_to_json(after),
        **index,
    )
    if before is None:
        return Write(item, ABSENT)
    return Write(item, "version = :version", {":version": {"N": str(before.seq)}})


def event(sealed: Event, person: Person | None) -> Write:
    """Return one sealed event; its text is encrypted here, with the person's key.

    Raises:
        ValueError: the event carries text, and nobody's key was given.
    """
    secret = None
    if sealed.text is not None:
        if person is None:
            raise ValueError("text needs its person's key")
        secret = cipher.encrypt(sealed.text, person.key, sealed.lead_id, sealed.seq)
    item = EventItem(
        **lead_key(sealed.lead_id, event_sort(sealed.seq)),
        v=sealed.v,
        kind=sealed.kind,
        occurred_at=to_text(sealed.occurred_at),
        recorded_at=to_text(sealed.recorded_at),
        actor=sealed.actor,
        facts=dict(sealed.facts),
        text_hash=sealed.text_hash,
        prev=sealed.prev,
        seal=sealed.seal,
        cipher=secret,
    )
    return Write(item, ABSENT)


def clocks(before: Lead | None, after: Lead) -> Iterator[Write]:
    """Yield the wake index rows of the clocks that changed."""
    known = {clock.key: clock for clock in before.clocks} if before else {}
    for clock in after.clocks:
        if known.get(clock.key) != clock:
            yield Write(_clock_item(after.lead_id, clock))


def _clock_item(lead_id: str, clock: Clock) -> ClockItem:
    wakes_at = clock.wakes_at
    index: Key = {}
    if wakes_at:
        index = {"GSI1PK": shard_of(lead_id), "GSI1SK": wake_sort(wakes_at, lead_id, clock.key)}
    key = lead_key(lead_id, f"CLOCK#{clock.key}")
    return ClockItem(**key, state=clock.state, due_at=to_text(clock.due_at), **index)


def person(someone: Person, *, new: bool) -> Write:
    """Return a person's contact with key and salt."""
    item = PersonItem(
        **person_key(someone.person_id),
        name=someone.contact.name,
        phones=list(someone.contact.phones),
        emails=list(someone.contact.emails),
        key=someone.key,
        salt=someone.salt,
    )
    return Write(item, ABSENT if new else "attribute_exists(PK)")


def lead_of_person(person_id: str, lead_id: str) -> Write:
    """Return the row that lists a lead under its person."""
    return Write(RowItem(**person_key(person_id, f"LEAD#{lead_id}")))


def claim(key: Key, person_id: str, lead_id: str) -> Write:
    """Return an identity that becomes this person's, unless somebody has it."""
    return Write(IdentityItem(**key, person_id=person_id, lead_id=lead_id), ABSENT)


def move(key: Key, before: IdentityRow, lead_id: str) -> Write:
    """Return an identity that now points to another lead of the same person, unless it was moved meanwhile."""
    item = IdentityItem(**key, person_id=before.person_id, lead_id=lead_id)
    return Write(item, "lead_id = :before", {":before": {"S": before.lead_id}})


def receipt(proof: Receipt, raw: RawBody | None) -> Iterator[Write]:
    """Yield the receipt and, beside it, the body that it was given for."""
    item = ReceiptItem(
        **receipt_key(proof.source, proof.key),
        outcome=proof.outcome,
        attempt=proof.attempt,
        received_at=to_text(proof.received_at),
        parser=PARSER,
        lead_id=proof.lead_id,
        reason=proof.reason,
        body_sha256=proof.body_sha256,
        answer=dict(proof.answer) if proof.answer is not None else None,
        expires_at=int(proof.expires_at.timestamp()) if proof.expires_at else None,
    )
    stale = {":now": {"N": str(int(proof.received_at.timestamp()))}}
    yield Write(item, f"{ABSENT} OR expires_at <= :now", stale)
    if raw:
        body = BodyItem(
            **receipt_key(proof.source, proof.key, "BODY"),
            headers=dict(raw.headers),
            sha256=raw.sha256,
            body=None if raw.archived else zlib.compress(raw.body),
            archived=raw.archived,
            expires_at=int((proof.received_at + BODY_KEPT).timestamp()),
        )
        yield Write(body)


def rotation(turn: Rotation) -> Write:
    """Return a team's next turn, conditional on the turn that was read."""
    item = RotationItem(PK=f"TEAM#{turn.team}", SK="ROTATION", turn=turn.turn + 1)
    return Write(item, f"{ABSENT} OR turn = :turn", {":turn": {"N": str(turn.turn)}})


def alert(notice: Alert) -> Write:
    """Return an alert, which is created once."""
    key = lead_key(notice.lead_id, f"ALERT#{notice.rule}#{notice.episode}#{notice.level}")
    item = AlertItem(
        **key,
        id=notice.id,
        rule=notice.rule,
        episode=notice.episode,
        level=notice.level,
        audience=notice.audience,
        channel=notice.channel,
        created_at=to_text(notice.created_at),
        sent_at=to_text(notice.sent_at) if notice.sent_at else None,
        expires_at=int((notice.created_at + ALERT_KEPT).timestamp()),
    )
    return Write(item, ABSENT)


def outbox(row: OutboxRow) -> Write:
    """Return a message that waits in its channel."""
    item = OutboxItem(
        PK=f"OUTBOX#{row.channel}",
        SK=row.id,
        kind=row.kind,
        send_at=to_text(row.send_at),
        attempts=row.attempts,
        facts=dict(row.facts),
        GSI1PK="OUTBOX",
        GSI1SK=outbox_sort(row.channel, row.send_at, row.id),
    )
    return Write(item, ABSENT)


def recording(call: Recording) -> Iterator[Write]:
    """Yield a recording's own row, which never leaves ready or failed again, and its row in the lead's partition."""
    fields: dict[str, Any] = {
        "lead_id": call.lead_id,
        "state": call.state,
        "object_key": call.object_key,
        "content_type": call.content_type,
        "size": call.size,
        "created_at": to_text(call.created_at),
        "reason": call.reason,
        "duration_ms": call.duration_ms,
        "channels": call.channels,
        "sha256": call.sha256,
        "transcript_key": call.transcript_key,
        "progress": call.progress,
    }
    item = RecordingItem(PK=f"RECORDING#{call.id}", SK="RECORDING", **fields)
    ended = {":ready": {"S": "ready"}, ":failed": {"S": "failed"}}
    yield Write(item, f"{ABSENT} OR NOT #state IN (:ready, :failed)", ended, {"#state": "state"})
    yield Write(RowItem(**lead_key(call.lead_id, f"RECORDING#{call.id}"), doc={"state": call.state}))
