"""What the API says of leads: the answers of API.md as models, and how each is made of what services return.

Times are ISO 8601 in the company's zone, but for a trail's, which read as they were sealed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from leadtrail.domain import identity
from leadtrail.domain.instant import to_text
from leadtrail.domain.lead import Lead
from leadtrail.domain.policy import Policy
from leadtrail.domain.trail import Event
from leadtrail.services.leads import LeadView, Verified
from leadtrail.services.ports import Person

NAMELESS = "未留名"
Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Cursor = Annotated[str | None, Field(description="下一页的游标；没有下一页时为 null")]


class SourceAnswer(BaseModel):
    """One channel through which the lead came."""

    source: str
    at: Instant


class ClockSummary(BaseModel):
    """One promise of a lead; ``state``: running, paused, met, breached or cancelled."""

    rule: str
    state: str
    due_at: Instant


class LeadAnswer(BaseModel):
    """A lead as lists show it: the number masked, the name 未留名 where nobody gave one."""

    id: str
    person_id: str
    name: str
    phone: str | None
    source: str
    sources: list[SourceAnswer]
    stage: str
    status: str = Field(description="open、won、lost；已并入另一条线索的为 merged")
    merged_into: str | None = Field(description="并入的线索编号")
    owner: str | None
    team: str
    received_at: Instant
    risk: list[str]
    unverified: bool = Field(description="来源不签名，且还没有人联系上")
    clocks: list[ClockSummary]
    version: int


class ContactAnswer(BaseModel):
    """A person's contact in clear."""

    name: str
    phones: list[str]
    emails: list[str]


class WholeLead(LeadAnswer):
    """A lead with its contact; ``contact`` is null when the person was erased."""

    contact: ContactAnswer | None


class LeadList(BaseModel):
    """A page of leads."""

    items: list[LeadAnswer]
    cursor: Cursor


class EventAnswer(BaseModel):
    """One sealed event: all that a stranger needs to check its seal, and ``text`` beside it."""

    v: int
    lead_id: str
    seq: int
    kind: str
    occurred_at: Instant
    recorded_at: Instant
    actor: str
    facts: dict[str, Any]
    text: dict[str, str] | None
    text_hash: str | None
    erased: bool = Field(description="文字连同密钥已删除，封印仍可核对")
    prev: str
    seal: str


class EventList(BaseModel):
    """A page of a trail, by seq."""

    items: list[EventAnswer]
    cursor: Cursor


class BreakAnswer(BaseModel):
    """The first event that does not hold, and why."""

    seq: int
    why: str


class VerifyAnswer(BaseModel):
    """What checking the trail has shown; events after ``anchored_until_seq`` are not anchored yet."""

    whole: bool
    events: int
    head: str
    fold_matches: bool
    anchored_until_seq: int
    broken: BreakAnswer | None


class PolicyAnswer(BaseModel):
    """One version of a policy; its id is its name."""

    id: str
    name: str
    version: int
    active_from: Instant
    when: dict[str, Any]
    order: int
    leave: str | None
    calendar: dict[str, Any]
    rules: list[dict[str, Any]]


class PolicyList(BaseModel):
    """The newest version of every policy."""

    items: list[PolicyAnswer]
    cursor: Cursor


def lead(view: LeadView, zone: ZoneInfo) -> LeadAnswer:
    """Return a lead as lists show it."""
    return LeadAnswer(**_lead(view.lead, view.person, zone))


def whole(view: LeadView, zone: ZoneInfo) -> WholeLead:
    """Return a lead with its contact."""
    person = view.person
    return WholeLead(**_lead(view.lead, person, zone), contact=_contact(person) if person else None)


def _contact(person: Person) -> ContactAnswer:
    said = person.contact
    return ContactAnswer(name=said.name, phones=list(said.phones), emails=list(said.emails))


def _lead(lead: Lead, person: Person | None, zone: ZoneInfo) -> dict[str, Any]:
    phones = person.contact.phones if person else ()
    return {
        "id": lead.lead_id,
        "person_id": lead.person_id,
        "name": identity.veiled(person.contact.name if person else "") or NAMELESS,
        "phone": identity.masked(phones[0]) if phones else None,
        "source": lead.source,
        "sources": [SourceAnswer(source=entry.source, at=local(entry.at, zone)) for entry in lead.sources],
        "stage": lead.stage,
        "status": lead.status,
        "merged_into": lead.merged_into,
        "owner": lead.owner,
        "team": lead.team,
        "received_at": local(lead.received_at, zone),
        "risk": list(lead.risk),
        "unverified": lead.is_unverified,
        "clocks": [ClockSummary(rule=c.rule, state=c.state, due_at=local(c.due_at, zone)) for c in lead.clocks],
        "version": lead.seq,
    }


def event(sealed: Event, *, is_erased: bool) -> EventAnswer:
    """Return an event with its times as they were sealed."""
    return EventAnswer(
        v=sealed.v,
        lead_id=sealed.lead_id,
        seq=sealed.seq,
        kind=sealed.kind,
        occurred_at=to_text(sealed.occurred_at),
        recorded_at=to_text(sealed.recorded_at),
        actor=sealed.actor,
        facts=dict(sealed.facts),
        text=dict(sealed.text) if sealed.text is not None else None,
        text_hash=sealed.text_hash,
        erased=is_erased and sealed.text_hash is not None,
        prev=sealed.prev,
        seal=sealed.seal,
    )


def verified(found: Verified) -> VerifyAnswer:
    """Return what checking a trail has shown."""
    return VerifyAnswer(
        whole=found.is_whole,
        events=found.events,
        head=found.head,
        fold_matches=found.fold_matches,
        anchored_until_seq=found.anchored_until_seq,
        broken=BreakAnswer(seq=found.broken.seq, why=found.broken.why) if found.broken else None,
    )


def policy(version: Policy, zone: ZoneInfo) -> PolicyAnswer:
    """Return a policy version as it was sent."""
    body: Mapping[str, Any] = version.body
    return PolicyAnswer(
        id=version.name,
        name=version.name,
        version=version.version,
        active_from=local(version.active_from, zone),
        when=dict(version.when),
        order=version.order,
        leave=version.leave,
        calendar=dict(body["calendar"]),
        rules=list(body["rules"]),
    )


def local(at: datetime, zone: ZoneInfo) -> str:
    """Return an instant in the company's zone, with offset and milliseconds."""
    return at.astimezone(zone).isoformat(timespec="milliseconds")
