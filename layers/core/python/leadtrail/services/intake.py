"""Intake: one delivery becomes one lead, one more source of a known lead, or a touch; and once only.

One batch read and one transaction for somebody new; one read more for somebody known; one read for
a repetition. What makes a repetition harmless is the receipt in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from leadtrail.domain.company import Company
from leadtrail.domain.delivery import Contact, Delivery
from leadtrail.domain.errors import BusyError, StaleLeadError
from leadtrail.domain.lead import BACKDATED, Lead
from leadtrail.services import arrival as arrivals
from leadtrail.services import assigning, correcting, retracting
from leadtrail.services.arrival import CREATED, DUPLICATE, MERGED, PARKED, Arrival
from leadtrail.services.ports import (
    Change,
    Configuration,
    ConflictError,
    IdentityRow,
    IntakeView,
    Now,
    Person,
    RawBody,
    Store,
)

__all__ = ["CREATED", "DUPLICATE", "MERGED", "PARKED", "Outcome", "receive"]
MERGES = 5  # one into the next that an identity is followed through
PATIENCE = 3  # tries to take the rotation's turn
NO_LEAD_FOR_CALL = "呼出的号码没有对应的线索"
NO_LEAD_FOR_RECORDING = "通话录音早于它的话单，或话单没有留下线索"
NO_LEAD_FOR_CONTACT = "这位联系人没有对应的线索"
_WAITING = {"recording": NO_LEAD_FOR_RECORDING, "contact": NO_LEAD_FOR_CONTACT}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a delivery came to; ``lead_id`` is None where it made no lead."""

    lead_id: str | None
    outcome: str


def receive(
    delivery: Delivery,
    raw: RawBody | None,
    *,
    store: Store,
    config: Configuration,
    new_person: Callable[[Contact], Person],
    attempt: str,
    now: Now,
    again: bool = False,
) -> Outcome:
    """Store a verified delivery with everything that follows from it, or nothing.

    ``again`` when a delivery that we have is derived once more: a parked one is decided anew, and of any other the
    differences become corrections. ``raw`` is None then: the body is kept already.

    Raises:
        BusyError: the table cannot take it now, or others were first eight times running.
    """
    received_at = now()
    tries = count(1)
    derived = store.fingerprint(delivery.canonical())

    def once() -> Outcome:
        crowded = next(tries) > PATIENCE
        view = _view(delivery, config.company(), store)
        receipt = view.receipt
        if receipt is not None and receipt.attempt == attempt:
            # Our own answer may have been lost on the way: then this is the first time, not a repetition.
            return Outcome(receipt.lead_id, receipt.outcome)
        if receipt is not None and not again:
            return Outcome(receipt.lead_id, DUPLICATE)
        company = config.company(view.stamp)
        if _rotation(delivery, company) != view.rotation.team:  # the rules have just been changed
            raise ConflictError("the team's assignment")
        arrived = Arrival(
            delivery=delivery,
            raw=raw,
            view=view,
            company=company,
            source=company.sources[delivery.source],
            attempt=attempt,
            received_at=received_at,
            derived=derived,
            crowded=crowded,
            calendar=config.calendar,
            new_person=new_person,
        )
        if receipt is not None and receipt.outcome != PARKED:
            return _correct(arrived, store)
        return _decide(arrived, store)

    try:
        return store.settled(once)
    except StaleLeadError as error:  # a provider understands "later", not "somebody was first"
        raise BusyError from error


def _view(delivery: Delivery, company: Company, store: Store) -> IntakeView:
    team = company.teams[company.sources[delivery.source].team]
    capped = company.rotation(team.id) if team.assignment.cap is not None else ()
    return store.intake_view(
        receipt=(delivery.source, delivery.receipt),
        identities=delivery.identities,
        team=_rotation(delivery, company),
        loads=[rep.id for rep in capped],
    )


def _rotation(delivery: Delivery, company: Company) -> str:
    team = company.teams[company.sources[delivery.source].team]
    return team.assignment.rotation_name(team.id, delivery.source, delivery.fields)


def _decide(arrived: Arrival, store: Store) -> Outcome:
    if arrived.delivery.parked:
        return _park(arrived, store, arrived.delivery.parked)
    known = arrivals.oldest(arrived.view.identities)
    lead, person = _found(known, store) if known else (None, None)
    if arrived.is_about_known:
        if lead is None or person is None:
            return _park(arrived, store, _WAITING[arrived.delivery.kind], waits=True)
        return _commit(arrivals.attach(arrived, lead, person), MERGED, arrived, store)
    lead = _latest(lead, person, store)
    if person is not None and lead is not None and (lead.is_open or _was_of(arrived, lead)):
        proposed = _unproposed(arrived, lead, person, store)
        return _commit(arrivals.merge(arrived, lead, person, proposed), MERGED, arrived, store)
    if arrived.is_outbound:
        return _park(arrived, store, NO_LEAD_FOR_CALL, waits=True)
    return _commit(_create(arrived, person, lead.owner if lead else None), CREATED, arrived, store)


def _was_of(arrived: Arrival, lead: Lead) -> bool:
    """Tell whether a call that we learn late was of a lead which has been closed since."""
    call = arrived.delivery.call
    return call is not None and lead.received_at - BACKDATED <= call.started_at <= lead.stage_at


def _found(known: IdentityRow, store: Store) -> tuple[Lead | None, Person | None]:
    """Return the lead and person that an identity names; of a merged lead what it was merged into."""
    lead, person = store.lead_and_person(known.lead_id, known.person_id)
    for _ in range(MERGES):
        if lead is None or lead.merged_into is None:
            break
        lead = store.lead(lead.merged_into)
        person = store.persons([lead.person_id]).get(lead.person_id) if lead else None
    return lead, person


def _create(arrived: Arrival, person: Person | None, previous: str | None) -> Change:
    assigned = assigning.assign(arrived, previous)
    change = arrivals.create(
        arrived,
        person or arrived.new_person(arrived.delivery.contact),
        known=person is not None,
        owner=assigned.rep.id if assigned.rep else None,
        team=assigned.team,
        by=assigned.by,
    )
    return assigning.with_notice(arrived, change, assigned)


def _correct(arrived: Arrival, store: Store) -> Outcome:
    """Bring what today's parser reads differently to the lead; what reads the same changes nothing."""
    receipt = arrived.view.receipt
    if receipt is None or receipt.lead_id is None or receipt.derived == arrived.derived:
        return Outcome(receipt.lead_id if receipt else None, DUPLICATE)
    change = correcting.corrected(arrived, receipt, store)
    if change is None:
        return Outcome(receipt.lead_id, DUPLICATE)
    return _commit(change, arrivals.CORRECTED, arrived, store)


def _commit(change: Change, outcome: str, arrived: Arrival, store: Store) -> Outcome:
    store.commit(retracting.with_corrections(change, store=store, company=arrived.company))
    return Outcome(change.lead_id, outcome)


def _park(arrived: Arrival, store: Store, reason: str, *, waits: bool = False) -> Outcome:
    """Keep a delivery that makes no lead, with its body and the reason, where an operator sees it.

    One that ``waits`` for another message is tried again by itself for some hours.
    """
    if arrived.view.receipt is not None and arrived.view.receipt.reason == reason:
        return Outcome(None, PARKED)  # tried again, and nothing is new
    receipt = arrived.receipt(PARKED, None, reason, waits=waits)
    store.commit(Change(lead_id="", recorded_at=arrived.received_at, receipt=receipt, raw=arrived.raw))
    return Outcome(None, PARKED)


def _latest(lead: Lead | None, person: Person | None, store: Store) -> Lead | None:
    """Return a person's newest lead, where the one that an identity names is closed.

    Who came back by telephone left the address pointing at the old lead: one read more for people who come back.
    """
    if lead is None or person is None or lead.is_open:
        return lead
    newest = max(store.person_leads(person.person_id), default=lead.lead_id)
    return lead if newest <= lead.lead_id else store.lead(newest)


def _unproposed(arrived: Arrival, lead: Lead, person: Person, store: Store) -> list[str]:
    """Return the other people whom this names too, and whom nobody was told of: one read more, where there are some."""
    others = arrived.others(person.person_id)
    if not others:
        return []
    trail = store.trail(lead.lead_id)
    known = {event.facts["person"] for event in trail if event.kind == "merge.proposed"}
    return [other for other in others if other not in known]
