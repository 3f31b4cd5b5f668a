"""Intake: one delivery becomes one lead, one more source of a known lead, or a touch; and once only.

One batch read and one transaction for somebody new; one read more for somebody known; one read for
a repetition. What makes a repetition harmless is the receipt in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count

from leadtrail.domain import lifecycle, touch
from leadtrail.domain.company import Company, Rep, Source
from leadtrail.domain.delivery import Contact, Delivery
from leadtrail.domain.errors import BusyError, StaleLeadError
from leadtrail.domain.identity import Identity
from leadtrail.domain.ids import new_id
from leadtrail.domain.lead import BACKDATED, Lead
from leadtrail.domain.lifecycle import Timing
from leadtrail.domain.trail import Happening
from leadtrail.services.ports import (
    Change,
    Configuration,
    IdentityRow,
    IntakeView,
    Now,
    Person,
    RawBody,
    Receipt,
    Store,
)

CREATED, MERGED, DUPLICATE, PARKED = "created", "merged", "duplicate", "parked"
CONTACTS = 20  # numbers and addresses that one person's item keeps: whoever fills in a form cannot fill it up
PATIENCE = 3  # tries to take the rotation's turn
NO_LEAD_FOR_CALL = "呼出的号码没有对应的线索"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a delivery came to; ``lead_id`` is None where it made no lead."""

    lead_id: str | None
    outcome: str


@dataclass(frozen=True, slots=True)
class _Intake:
    """One attempt at one delivery: what was said, what was read, and who works here."""

    delivery: Delivery
    raw: RawBody
    view: IntakeView
    company: Company
    source: Source
    attempt: str
    received_at: datetime
    crowded: bool  # others keep taking the rotation's turn before us
    timing: Callable[[str], Timing]
    new_person: Callable[[Contact], Person]

    def receipt(self, outcome: str, lead_id: str | None, reason: str | None = None) -> Receipt:
        """Return the proof that this attempt took effect."""
        return Receipt(
            source=self.delivery.source,
            key=self.delivery.receipt,
            outcome=outcome,
            lead_id=lead_id,
            attempt=self.attempt,
            received_at=self.received_at,
            reason=reason,
            body_sha256=self.raw.sha256,
        )

    @property
    def actor(self) -> str:
        """The source, or the rep whom a call system names."""
        call = self.delivery.call
        rep = self.company.rep_of_agent(call.agent) if call else None
        return f"rep:{rep.id}" if rep else f"source:{self.delivery.source}"


def receive(
    delivery: Delivery,
    raw: RawBody,
    *,
    store: Store,
    config: Configuration,
    new_person: Callable[[Contact], Person],
    attempt: str,
    now: Now,
) -> Outcome:
    """Store a verified delivery with everything that follows from it, or nothing.

    Raises:
        BusyError: the table cannot take it now, or others were first eight times running.
    """
    received_at = now()
    tries = count(1)

    def once() -> Outcome:
        crowded = next(tries) > PATIENCE
        source = config.company().sources[delivery.source]
        view = store.intake_view(
            receipt=(delivery.source, delivery.receipt), identities=delivery.identities, team=source.team
        )
        if view.receipt is not None:
            # Our own answer may have been lost on the way: then this is the first time, not a repetition.
            known = view.receipt.outcome if view.receipt.attempt == attempt else DUPLICATE
            return Outcome(view.receipt.lead_id, known)
        company = config.company(view.stamp)
        source = company.sources[delivery.source]

        def timing(team: str) -> Timing:
            policy = company.policy_for(source=source.id, team=team)
            return Timing(policy, config.calendar(policy))

        intake = _Intake(delivery, raw, view, company, source, attempt, received_at, crowded, timing, new_person)
        return _decide(intake, store)

    try:
        return store.settled(once)
    except StaleLeadError as error:  # a provider understands "later", not "somebody was first"
        raise BusyError from error


def _decide(intake: _Intake, store: Store) -> Outcome:
    delivery = intake.delivery
    if delivery.parked:
        return _park(intake, store, delivery.parked)
    known = _oldest(intake.view.identities)
    if known is not None:
        lead, person = store.lead_and_person(known.lead_id, known.person_id)
        lead = _latest(lead, known.person_id, store)
        if person is not None and lead is not None and lead.is_open:
            return _commit(_merge(intake, lead, person), MERGED, store)
        if person is not None and not _is_outbound(delivery):
            return _commit(_create(intake, person, known=True), CREATED, store)
    if _is_outbound(delivery):
        return _park(intake, store, NO_LEAD_FOR_CALL)
    return _commit(_create(intake, intake.new_person(delivery.contact), known=False), CREATED, store)


def _commit(change: Change, outcome: str, store: Store) -> Outcome:
    store.commit(change)
    return Outcome(change.lead_id, outcome)


def _park(intake: _Intake, store: Store, reason: str) -> Outcome:
    """Keep a delivery that makes no lead, with its body and the reason, where an operator sees it."""
    receipt = intake.receipt(PARKED, None, reason)
    store.commit(Change(lead_id="", recorded_at=intake.received_at, receipt=receipt, raw=intake.raw))
    return Outcome(None, PARKED)


def _is_outbound(delivery: Delivery) -> bool:
    return delivery.call is not None and delivery.call.direction == "out"


def _oldest(rows: Mapping[Identity, IdentityRow]) -> IdentityRow | None:
    """Of identities of several persons, the older person wins, with their newest lead (DESIGN section 9)."""
    oldest = min((row.person_id for row in rows.values()), default=None)
    own = [row for row in rows.values() if row.person_id == oldest]
    return max(own, key=lambda row: row.lead_id, default=None)


def _latest(lead: Lead | None, person_id: str, store: Store) -> Lead | None:
    """Return a person's newest lead, where the one that an identity names is closed.

    Who came back by telephone left the address pointing at the old lead: one read more for people who come back.
    """
    if lead is None or lead.is_open:
        return lead
    newest = max(store.person_leads(person_id), default=lead.lead_id)
    return lead if newest <= lead.lead_id else store.lead(newest)


def _owner(intake: _Intake) -> tuple[Rep | None, str]:
    """Return who gets the lead, and by what: wecom, rotation (its turn is taken) or crowd.

    Many leads at the same moment would all wait for one turn: after a few tries the lead goes to a
    rep by the clock's last digits, and the turn stays where it is.
    """
    if rep := intake.company.rep_of_wecom(intake.delivery.owner_hint):
        return rep, "wecom"
    members = intake.company.rotation(intake.source.team)
    if not members:
        return None, "nobody"
    if intake.crowded:
        return members[intake.received_at.microsecond % len(members)], "crowd"
    return members[intake.view.rotation.turn % len(members)], "rotation"


def _create(intake: _Intake, person: Person, *, known: bool) -> Change:
    delivery = intake.delivery
    owner, by = _owner(intake)
    team = owner.team if owner and owner.team else intake.source.team
    timing = intake.timing(team)
    lead_id = new_id(intake.received_at)
    happenings = lifecycle.receive(
        source=delivery.source,
        person=person.person_id,
        team=team,
        owner=owner.id if owner else None,
        actor=f"source:{delivery.source}",
        receipt=delivery.receipt,
        occurred_at=delivery.occurred_at,
        received_at=intake.received_at,
        signed=delivery.signed,
        timing=timing,
        assigned_by=by,
        facts={"ref": delivery.source_ref} if delivery.source_ref else None,
        text=dict(delivery.fields) or None,
    )
    change = Change(
        lead_id=lead_id,
        recorded_at=intake.received_at,
        happenings=happenings,
        person=person,
        new_person=not known,
        claims=_unclaimed(intake),
        moves=_moves(intake, person.person_id, lead_id),
        receipt=intake.receipt(CREATED, lead_id),
        raw=intake.raw,
        rotation=intake.view.rotation if by == "rotation" else None,
        contact=_contact(person.contact, delivery.contact) if known else None,
    )
    change = replace(change, happenings=(*change.happenings, *_proposals(intake, person.person_id)))
    return _with_call(intake, change, lead_id, timing)


def _with_call(intake: _Intake, change: Change, lead_id: str, timing: Timing) -> Change:
    """Return the change with the call that brought the lead in, and what that call answers."""
    if intake.delivery.call is None:
        return change
    fresh = lifecycle.preview(lead_id, change.happenings, recorded_at=intake.received_at)
    touched = lifecycle.touch(fresh, _touched(intake), timing=timing, now=intake.received_at)
    return replace(change, happenings=(*change.happenings, *touched))


def _merge(intake: _Intake, lead: Lead, person: Person) -> Change:
    delivery = intake.delivery
    happenings: tuple[Happening, ...] = ()
    if delivery.call is None or delivery.source not in [entry.source for entry in lead.sources]:
        happenings = (_source_added(intake),)
    if delivery.call is not None:
        timing = intake.timing(lead.team)
        touched = _touched(intake, since=lead.received_at - BACKDATED)
        happenings += lifecycle.touch(lead, touched, timing=timing, now=intake.received_at)
    happenings += _proposals(intake, person.person_id)
    return Change(
        lead_id=lead.lead_id,
        recorded_at=intake.received_at,
        lead=lead,
        happenings=happenings,
        person=person,
        claims=_unclaimed(intake),
        moves=_moves(intake, person.person_id, lead.lead_id),
        contact=_contact(person.contact, delivery.contact),
        receipt=intake.receipt(MERGED, lead.lead_id),
        raw=intake.raw,
    )


def _proposals(intake: _Intake, person_id: str) -> tuple[Happening, ...]:
    """Propose to a human that the others whom these identities name are the same person."""
    others = {row.person_id for row in intake.view.identities.values()} - {person_id}
    actor = f"source:{intake.delivery.source}"
    return tuple(Happening("merge.proposed", intake.received_at, actor, {"person": other}) for other in sorted(others))


def _source_added(intake: _Intake) -> Happening:
    delivery = intake.delivery
    facts = {"source": delivery.source, "receipt": delivery.receipt}
    if delivery.source_ref:
        facts["ref"] = delivery.source_ref
    happened_at = min(delivery.occurred_at or intake.received_at, intake.received_at)
    return Happening("source.added", happened_at, f"source:{delivery.source}", facts, dict(delivery.fields) or None)


def _touched(intake: _Intake, *, since: datetime | None = None) -> Happening:
    """Return the touch that a call is; one that had ended before ``since`` was of another matter."""
    call = intake.delivery.call
    if call is None:
        raise ValueError("only a call is a touch")
    rep = intake.company.rep_of_agent(call.agent)
    return touch.call(
        direction=call.direction,
        started_at=min(call.started_at, intake.received_at),  # a provider's clock ahead of ours (RELIABILITY row 20)
        talk_s=call.talk_s,
        actor=intake.actor,
        agent=rep.id if rep else None,
        receipt=intake.delivery.receipt,
        is_of_lead=since is None or call.started_at + timedelta(seconds=call.talk_s) >= since,
    )


def _unclaimed(intake: _Intake) -> Sequence[Identity]:
    return [identity for identity in intake.delivery.identities if identity not in intake.view.identities]


def _moves(intake: _Intake, person_id: str, lead_id: str) -> Sequence[tuple[Identity, IdentityRow]]:
    """Return the identities of this person that pointed to an older lead."""
    rows = intake.view.identities.items()
    return [(identity, row) for identity, row in rows if row.person_id == person_id and row.lead_id != lead_id]


def _contact(known: Contact, said: Contact) -> Contact | None:
    """Return the contact with what is new in it, or None if nothing is."""
    merged = Contact(
        name=known.name or said.name,
        phones=tuple(dict.fromkeys((*known.phones, *said.phones)))[:CONTACTS],
        emails=tuple(dict.fromkeys((*known.emails, *said.emails)))[:CONTACTS],
    )
    return merged if merged != known else None
