"""What a decision writes: one function per item, each with the condition under which it may be written.

A row is put whole (`Write`), counted up or joined to (`Update`), or taken away (`Delete`).
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias

from leadtrail.adapters import cipher
from leadtrail.adapters.projection import lead_to_json
from leadtrail.adapters.table import (
    BodyItem,
    ClockItem,
    EventItem,
    IdentityItem,
    Item,
    Key,
    LeadItem,
    PersonItem,
    Raw,
    ReceiptItem,
    RecordingItem,
    RotationItem,
    RowItem,
    breach_end,
    estimate_sort,
    event_sort,
    lead_key,
    load_key,
    parked_sort,
    person_key,
    raw_key,
    receipt_key,
    rotation_key,
    shard_of,
    wake_sort,
)
from leadtrail.domain.clock import OPEN_STATES, Clock
from leadtrail.domain.delivery import PARSER, Contact
from leadtrail.domain.instant import to_text
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Event
from leadtrail.services.ports import (
    IdentityRow,
    MergeRecord,
    Person,
    RawBody,
    Receipt,
    Recording,
    Repoint,
    Rotation,
)

ABSENT = "attribute_not_exists(PK)"
BODY_KEPT = timedelta(days=30)
ALERT_KEPT = timedelta(days=3 * 365)
IDENTITIES = "IDENTITIES"
SESSION = "session"  # identifies a call, and nobody: a merge leaves it where it is


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
        return {"Put": put | _conditional(self.condition, self.values, self.names)}


@dataclass(frozen=True, slots=True)
class Update:
    """One attribute of one item that is added to: a number, or a set of texts; what is not there begins empty."""

    key: Key
    attribute: str
    value: Raw

    def request(self, table: str) -> Raw:
        """Return the member of TransactItems."""
        update: Raw = {"TableName": table, "Key": raw_key(self.key), "UpdateExpression": "ADD #attribute :value"}
        return {"Update": update | _conditional(None, {":value": self.value}, {"#attribute": self.attribute})}


@dataclass(frozen=True, slots=True)
class Delete:
    """One item that goes, with the condition under which it may."""

    key: Key
    condition: str | None = None
    values: Raw = field(default_factory=dict)

    def request(self, table: str) -> Raw:
        """Return the member of TransactItems."""
        delete: Raw = {"TableName": table, "Key": raw_key(self.key)}
        return {"Delete": delete | _conditional(self.condition, self.values, {})}


@dataclass(frozen=True, slots=True)
class Mark:
    """One attribute of an item that is there, set once: what it says already stays."""

    key: Key
    attribute: str
    value: Raw

    def request(self, table: str) -> Raw:
        """Return the member of TransactItems."""
        update: Raw = {"TableName": table, "Key": raw_key(self.key), "UpdateExpression": "SET #attribute = :value"}
        condition = "attribute_exists(PK) AND attribute_not_exists(#attribute)"
        return {"Update": update | _conditional(condition, {":value": self.value}, {"#attribute": self.attribute})}


Row: TypeAlias = Write | Update | Delete | Mark


def _conditional(condition: str | None, values: Raw, names: Key) -> Raw:
    parts = {
        "ConditionExpression": condition,
        "ExpressionAttributeValues": values,
        "ExpressionAttributeNames": names,
    }
    return {name: part for name, part in parts.items() if part}


def lead(before: Lead | None, after: Lead) -> Write:
    """Return the projection, conditional on the version that was read."""
    index: dict[str, Any] = {"GSI3PK": f"TEAM#{after.team}", "GSI3SK": after.lead_id}
    index |= {"GSI5PK": f"STAGE#{after.team}#{after.stage}", "GSI5SK": after.lead_id}
    if after.owner:
        index |= {"GSI2PK": f"OWNER#{after.owner}", "GSI2SK": after.lead_id}
    elif after.is_open and after.origin != "import":  # what an import found sleeps, and waits for nobody
        index |= {"GSI2PK": f"UNOWNED#{after.team}", "GSI2SK": after.lead_id}
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
    has_moved = before is not None and before.team != after.team
    for clock in after.clocks:
        if known.get(clock.key) != clock or (has_moved and clock.breached_at):
            yield Write(_clock_item(after, clock))


def _clock_item(lead: Lead, clock: Clock) -> ClockItem:
    index: Key = {}
    if clock.wakes_at:
        index = {"GSI1PK": shard_of(lead.lead_id), "GSI1SK": wake_sort(clock.wakes_at, lead.lead_id, clock.key)}
    if clock.breached_at and not clock.dormant:
        ended = breach_end(clock.met_at, lead.newest_at if clock.state == "cancelled" else None)
        index |= {"GSI4PK": f"BREACHED#{lead.team}", "GSI4SK": f"{ended}#{lead.lead_id}#{clock.key}"}
    if clock.state in OPEN_STATES and not clock.dormant and clock.certainty == "estimated":  # answered late, too
        index |= {"GSI5PK": "ESTIMATED", "GSI5SK": estimate_sort(clock.due_at, lead.lead_id, clock.key)}
    key = lead_key(lead.lead_id, f"CLOCK#{clock.key}")
    return ClockItem(**key, state=clock.state, due_at=to_text(clock.due_at), **index)


def person(someone: Person) -> Write:
    """Return the contact of somebody new, with key and salt."""
    return Write(_person_item(someone, someone.contact), ABSENT)


def contact(someone: Person, after: Contact) -> Write:
    """Return a known person's new contact, unless it says something else by now than what was read.

    Several leads of one person share it, so that the version of one lead does not guard it.
    """
    read = _person_item(someone, someone.contact).serialize()
    names = {f"#{name}": name for name in ("name", "phones", "emails")}
    condition = " AND ".join(f"#{name} = :{name}" for name in names.values())
    return Write(_person_item(someone, after), condition, {f":{name}": read[name] for name in names.values()}, names)


def _person_item(someone: Person, contact: Contact) -> PersonItem:
    return PersonItem(
        **person_key(someone.person_id),
        name=contact.name,
        phones=list(contact.phones),
        emails=list(contact.emails),
        key=someone.key,
        salt=someone.salt,
    )


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


def repoint(change: Repoint) -> Write:
    """Return an identity that goes to another person and lead, unless it was moved meanwhile."""
    item = IdentityItem(**identity_key(change.key), person_id=change.after.person_id, lead_id=change.after.lead_id)
    condition = "person_id = :person AND lead_id = :before"
    return Write(item, condition, {":person": {"S": change.before.person_id}, ":before": {"S": change.before.lead_id}})


def release(key: Key, before: IdentityRow) -> Delete:
    """Return the end of an identity that is nobody's from now on, unless it became somebody else's meanwhile."""
    return Delete(key, "person_id = :person", {":person": {"S": before.person_id}})


def identities(person_id: str, keys: Iterable[str]) -> Iterator[Update]:
    """Yield the joining of identities to a person's list.

    What leaves a person stays listed: whose an identity is now, its own item says.
    """
    own = sorted(key for key in keys if not key.startswith(f"{SESSION}#"))
    if own:
        yield Update(person_key(person_id, IDENTITIES), "keys", {"SS": own})


def identity_key(key: str) -> Key:
    """Return the key of an identity's item; ``key`` is kind and keyed hash."""
    return {"PK": f"IDENTITY#{key}", "SK": "PERSON"}


def loads(changed: Iterable[tuple[Lead | None, Lead]]) -> Iterator[Update]:
    """Yield the counts of open leads per rep that leads change, each before and after.

    A bare ADD would count twice when it is tried twice: each of these stands in the transaction of its lead, whose
    condition on the version that was read holds once. So the count moves exactly once a decision.
    """
    moved: Counter[str] = Counter()
    for before, after in changed:
        moved.update(_holders(after))
        moved.subtract(_holders(before))
    yield from (Update(load_key(rep), "open", {"N": str(by)}) for rep, by in sorted(moved.items()) if by)


def _holders(known: Lead | None) -> list[str]:
    return [known.owner] if known and known.owner and known.is_open else []


def merge(record: MergeRecord) -> Write:
    """Return what a merge moved, beside the winner."""
    doc = {"identities": [list(pair) for pair in record.identities], "added": list(record.added)}
    return Write(RowItem(**merge_key(record.winner_id, record.loser_id), doc=doc))


def unmerge(record: MergeRecord) -> Delete:
    """Return the end of what a merge moved, once it is undone."""
    return Delete(merge_key(record.winner_id, record.loser_id), "attribute_exists(PK)")


def merge_key(winner_id: str, loser_id: str) -> Key:
    """Return the key of what a merge moved."""
    return lead_key(winner_id, f"MERGE#{loser_id}")


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
        derived=proof.derived,
        GSI1PK="PARKED" if proof.waits else None,
        GSI1SK=parked_sort(proof.received_at, proof.source, proof.key) if proof.waits else None,
        expires_at=int(proof.expires_at.timestamp()) if proof.expires_at else None,
    )
    if proof.replaces:
        yield Write(item, "outcome = :before", {":before": {"S": proof.replaces}})
    else:
        yield _new_receipt(item, proof)
    if raw:
        yield _body(proof, raw)


def _new_receipt(item: ReceiptItem, proof: Receipt) -> Write:
    stale = {":now": {"N": str(int(proof.received_at.timestamp()))}}
    return Write(item, f"{ABSENT} OR expires_at <= :now", stale)


def _body(proof: Receipt, raw: RawBody) -> Write:
    return Write(
        BodyItem(
            **receipt_key(proof.source, proof.key, "BODY"),
            headers=dict(raw.headers),
            query=dict(raw.query) or None,
            sha256=raw.sha256,
            body=None if raw.archived else zlib.compress(raw.body),
            archived=raw.archived,
            expires_at=int((proof.received_at + BODY_KEPT).timestamp()),
        )
    )


def rotation(turn: Rotation) -> Write:
    """Return a team's next turn, conditional on the turn that was read."""
    item = RotationItem(**rotation_key(turn.team), turn=turn.turn + 1)
    return Write(item, f"{ABSENT} OR turn = :turn", {":turn": {"N": str(turn.turn)}})


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
