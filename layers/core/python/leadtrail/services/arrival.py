"""One attempt at one delivery: what was said, what was read, who works here, and what that makes of a lead.

Every function returns a change, or a part of one; `intake` decides which, and commits it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from leadtrail.domain import lifecycle, touch
from leadtrail.domain.company import Company, Source
from leadtrail.domain.delivery import Contact, Delivery
from leadtrail.domain.identity import Identity
from leadtrail.domain.ids import new_id
from leadtrail.domain.instant import to_text
from leadtrail.domain.lead import BACKDATED, Lead
from leadtrail.domain.lifecycle import Timing
from leadtrail.domain.policy import Policy
from leadtrail.domain.trail import Happening
from leadtrail.domain.worktime import WorkCalendar
from leadtrail.services.ports import Change, IdentityRow, IntakeView, OutboxRow, Person, RawBody, Receipt

CREATED, MERGED, DUPLICATE, PARKED, CORRECTED = "created", "merged", "duplicate", "parked", "corrected"
FETCHES, ENRICHMENTS = "@fetch", "@enrich"  # channels of the outbox whose messages go to workers, not to people


@dataclass(frozen=True, slots=True)
class Arrival:
    """One attempt at one delivery.

    ``received_at`` (aware UTC) is when we were handed it; ``derived`` stands for what today's parser makes of it;
    ``crowded`` when others keep taking the rotation's turn. A receipt in ``view`` is replaced by the new one.
    """

    delivery: Delivery
    raw: RawBody | None
    view: IntakeView
    company: Company
    source: Source
    attempt: str
    received_at: datetime
    derived: str
    crowded: bool
    calendar: Callable[[Policy], WorkCalendar]
    new_person: Callable[[Contact], Person]

    def timing(self, team: str) -> Timing:
        """Return the policy that clocks of a new lead of this delivery pin in ``team``, with its calendar."""
        said = self.delivery
        policy = self.company.policy_for(source=self.source.id, team=team, amount_fen=said.amount_fen, tags=said.tags)
        return Timing(policy, self.calendar(policy))

    def timing_of(self, lead: Lead) -> Timing:
        """Return the policy that clocks of a known lead pin now, with its calendar."""
        policy = self.company.policy_of(lead)
        return Timing(policy, self.calendar(policy))

    def receipt(self, outcome: str, lead_id: str | None, reason: str | None = None, *, waits: bool = False) -> Receipt:
        """Return the proof that this attempt took effect."""
        return Receipt(
            source=self.delivery.source,
            key=self.delivery.receipt,
            outcome=outcome,
            lead_id=lead_id,
            attempt=self.attempt,
            received_at=self.received_at,
            reason=reason,
            body_sha256=self.raw.sha256 if self.raw else None,
            derived=self.derived,
            waits=waits,
            replaces=self.view.receipt.outcome if self.view.receipt else None,
        )

    @property
    def by_source(self) -> str:
        """The source as an actor."""
        return f"source:{self.delivery.source}"

    @property
    def actor(self) -> str:
        """The source, or the rep whom a call system names."""
        call = self.delivery.call
        rep = self.company.rep_of_agent(call.agent) if call else None
        return f"rep:{rep.id}" if rep else self.by_source

    @property
    def is_outbound(self) -> bool:
        """True for a call that we made: it makes no lead."""
        return self.delivery.call is not None and self.delivery.call.direction == "out"

    @property
    def is_about_known(self) -> bool:
        """True for what only says more of a lead that is there: a recording, or a change of a contact."""
        return self.delivery.kind in ("recording", "contact")

    def unclaimed(self) -> Sequence[Identity]:
        """Return the identities that nobody has."""
        return [identity for identity in self.delivery.identities if identity not in self.view.identities]

    def moves(self, person_id: str, lead_id: str) -> Sequence[tuple[Identity, IdentityRow]]:
        """Return the identities of this person that point to another lead."""
        rows = self.view.identities.items()
        return [(identity, row) for identity, row in rows if row.person_id == person_id and row.lead_id != lead_id]

    def others(self, person_id: str) -> Sequence[str]:
        """Return the other people whom these identities name."""
        return sorted({row.person_id for row in self.view.identities.values()} - {person_id})


def create(arrival: Arrival, person: Person, *, known: bool, owner: str | None, team: str, by: str) -> Change:
    """Return the change that makes a lead of ``person``, with the call that brought it."""
    delivery = arrival.delivery
    timing = arrival.timing(team)
    lead_id = new_id(arrival.received_at)
    facts: dict[str, Any] = {"ref": delivery.source_ref} if delivery.source_ref else {}
    if delivery.amount_fen is not None:
        facts["amount_fen"] = delivery.amount_fen
    if delivery.tags:
        facts["tags"] = list(delivery.tags)
    if not delivery.signed:
        facts["unverified"] = True
    happenings = lifecycle.receive(
        source=delivery.source,
        person=person.person_id,
        team=team,
        owner=owner,
        actor=arrival.by_source,
        receipt=delivery.receipt,
        occurred_at=delivery.occurred_at,
        received_at=arrival.received_at,
        signed=delivery.signed,
        timing=timing,
        assigned_by=by,
        facts=facts,
        text=dict(delivery.fields) or None,
    )
    happenings += proposals(arrival, arrival.others(person.person_id))
    if delivery.call is not None:
        fresh = lifecycle.preview(lead_id, happenings, recorded_at=arrival.received_at)
        happenings += lifecycle.touch(fresh, touched(arrival), timing=timing, now=arrival.received_at)
    change = Change(
        lead_id=lead_id,
        recorded_at=arrival.received_at,
        happenings=happenings,
        person=person,
        new_person=not known,
        claims=arrival.unclaimed(),
        moves=arrival.moves(person.person_id, lead_id),
        receipt=arrival.receipt(CREATED, lead_id),
        raw=arrival.raw,
        contact=grown(person.contact, delivery.contact) if known else None,
    )
    return with_work(arrival, change, person.person_id)


def merge(arrival: Arrival, lead: Lead, person: Person, proposed: Sequence[str]) -> Change:
    """Return the change that brings a delivery to an open lead: one more source, or a call.

    ``proposed`` are the other people whom it names, and whom nobody was told of yet.
    """
    delivery = arrival.delivery
    happenings: tuple[Happening, ...] = ()
    if delivery.call is None or delivery.source not in [entry.source for entry in lead.sources]:
        happenings = (source_added(arrival),)
    if delivery.call is not None:
        touching = touched(arrival, since=lead.received_at - BACKDATED)
        happenings += lifecycle.touch(lead, touching, timing=arrival.timing_of(lead), now=arrival.received_at)
    happenings += proposals(arrival, proposed)
    change = Change(
        lead_id=lead.lead_id,
        recorded_at=arrival.received_at,
        lead=lead,
        happenings=happenings,
        person=person,
        claims=arrival.unclaimed(),
        moves=arrival.moves(person.person_id, lead.lead_id),
        contact=grown(person.contact, delivery.contact),
        receipt=arrival.receipt(MERGED, lead.lead_id),
        raw=arrival.raw,
    )
    return with_work(arrival, change, person.person_id)


def attach(arrival: Arrival, lead: Lead, person: Person) -> Change:
    """Return the change that brings a recording, or what happened to a contact, to the lead that it speaks of."""
    delivery = arrival.delivery
    happenings: tuple[Happening, ...] = ()
    if delivery.kind == "contact":
        facts = {"userid": delivery.owner_hint} if delivery.owner_hint else {}
        happenings = (_happening(arrival, "contact.changed", change=delivery.change or "edited", **facts),)
    change = Change(
        lead_id=lead.lead_id,
        recorded_at=arrival.received_at,
        lead=lead,
        happenings=happenings,
        person=person,
        claims=arrival.unclaimed(),
        receipt=arrival.receipt(MERGED, lead.lead_id),
        raw=arrival.raw,
    )
    return with_work(arrival, change, person.person_id)


def _happening(arrival: Arrival, kind: str, **facts: Any) -> Happening:
    """Return something that this delivery brought, at the provider's time, never in the future."""
    delivery = arrival.delivery
    said_at = delivery.occurred_at or arrival.received_at
    known = {"source": delivery.source, "receipt": delivery.receipt}
    return Happening(kind, min(said_at, arrival.received_at), arrival.by_source, known | facts)


def with_work(arrival: Arrival, change: Change, person_id: str) -> Change:
    """Return the change with what workers have to do after it: fetch recordings, ask the provider for more."""
    delivery, at = arrival.delivery, arrival.received_at
    known = {"lead": change.lead_id, "source": delivery.source, "receipt": delivery.receipt}
    offered = tuple(_happening(arrival, "recording.offered", party=offer.party) for offer in delivery.recordings)
    sessions = [identity.value for identity in delivery.identities if identity.kind == "session"]
    rows = [
        OutboxRow(
            FETCHES,
            new_id(at),
            "fetch",
            at,
            {
                **known,
                "session": sessions[0] if sessions else None,
                "url": offer.url,
                "party": offer.party,
                "started_at": to_text(offer.started_at) if offer.started_at else None,
            },
        )
        for offer in delivery.recordings
    ]
    asked = delivery.enrichment
    if asked is not None:
        facts = {**known, "person": person_id, "provider": asked.provider, "ref": asked.ref, "userid": asked.userid}
        rows.append(OutboxRow(ENRICHMENTS, new_id(at), "enrich", at, facts))
    return replace(change, happenings=(*change.happenings, *offered), outbox=(*change.outbox, *rows))


def proposals(arrival: Arrival, others: Sequence[str]) -> tuple[Happening, ...]:
    """Propose to a human that these others are the same person."""
    return tuple(
        Happening("merge.proposed", arrival.received_at, arrival.by_source, {"person": other}) for other in others
    )


def source_added(arrival: Arrival) -> Happening:
    """Return that one more channel brought this person."""
    delivery = arrival.delivery
    facts = {"ref": delivery.source_ref} if delivery.source_ref else {}
    return replace(_happening(arrival, "source.added", **facts), text=dict(delivery.fields) or None)


def touched(arrival: Arrival, *, since: datetime | None = None) -> Happening:
    """Return the touch that a call is; one that had ended before ``since`` was of another matter."""
    call = arrival.delivery.call
    if call is None:
        raise ValueError("only a call is a touch")
    rep = arrival.company.rep_of_agent(call.agent)
    return touch.call(
        direction=call.direction,
        started_at=min(call.started_at, arrival.received_at),  # a provider's clock ahead of ours (RELIABILITY row 20)
        talk_s=call.talk_s,
        actor=arrival.actor,
        agent=rep.id if rep else None,
        receipt=arrival.delivery.receipt,
        is_of_lead=since is None or call.started_at + timedelta(seconds=call.talk_s) >= since,
    )


def grown(known: Contact, said: Contact) -> Contact | None:
    """Return the contact with what is new in it, or None if nothing is."""
    merged = known.with_(said)
    return merged if merged != known else None


def oldest(rows: Mapping[Identity, IdentityRow]) -> IdentityRow | None:
    """Of identities of several persons, the older person wins, with their newest lead (DESIGN section 9)."""
    first = min((row.person_id for row in rows.values()), default=None)
    own = [row for row in rows.values() if row.person_id == first]
    return max(own, key=lambda row: row.lead_id, default=None)
