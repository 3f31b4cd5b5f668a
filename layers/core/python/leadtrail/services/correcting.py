"""Correcting: a delivery derived again by a better parser; only what differs is written (DESIGN section 9).

Nothing is taken back: a number that was read wrong stays known until a person corrects the contact, and what a call
had answered stays answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from leadtrail.domain import lifecycle
from leadtrail.domain.delivery import PARSER
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Event, Happening
from leadtrail.services import arrival as arrivals
from leadtrail.services.arrival import Arrival
from leadtrail.services.ports import Change, Receipt, Store


def corrected(arrival: Arrival, receipt: Receipt, store: Store) -> Change | None:
    """Return what today's reading of a delivery adds to its lead, or None where it reads the same.

    ``receipt`` names the lead that the delivery came to; a lead or person that is gone needs no correction.
    """
    lead = store.lead(receipt.lead_id or "")
    if lead is not None and lead.merged_into is not None:  # what came later belongs to the winner
        return None
    person = store.persons([lead.person_id]).get(lead.person_id) if lead else None
    if lead is None or person is None:
        return None
    known = store.readable(_of_receipt(store.trail(lead.lead_id), receipt.key), person)
    contact = arrivals.grown(person.contact, arrival.delivery.contact)
    fields = _other_fields(known, arrival.delivery.fields)
    touching = _touching(arrival, lead, known)
    changed = [
        name
        for name, differs in (
            ("contact", contact is not None),
            ("identity", bool(arrival.unclaimed())),
            ("fields", bool(fields)),
            ("call", bool(touching)),
        )
        if differs
    ]
    if not changed:
        return None
    facts = {"source": receipt.source, "receipt": receipt.key, "parser": PARSER, "changed": changed}
    event = Happening("delivery.corrected", arrival.received_at, arrival.by_source, facts, fields or None)
    proof = replace(
        arrival.receipt(receipt.outcome, lead.lead_id), received_at=receipt.received_at, replaces=receipt.outcome
    )
    return Change(
        lead_id=lead.lead_id,
        recorded_at=arrival.received_at,
        lead=lead,
        happenings=(event, *touching),
        person=person,
        claims=arrival.unclaimed(),
        contact=contact,
        receipt=replace(proof, body_sha256=receipt.body_sha256),
    )


def _of_receipt(trail: Sequence[Event], key: str) -> list[Event]:
    return [event for event in trail if event.facts.get("receipt") == key]


def _other_fields(known: Sequence[Event], fields: Mapping[str, str]) -> dict[str, str]:
    """Return the answers that no event of this delivery has in these words."""
    said = {name: text for event in known for name, text in (event.text or {}).items()}
    return {name: text for name, text in fields.items() if said.get(name) != text}


def _touching(arrival: Arrival, lead: Lead, known: Sequence[Event]) -> tuple[Happening, ...]:
    """Return the touch that a call turns out to be, where it had not counted before."""
    if arrival.delivery.call is None or not lead.is_open:
        return ()
    touched = arrivals.touched(arrival)
    had_counted = any(event.kind == "touch.recorded" and event.facts["effective"] for event in known)
    if had_counted or not touched.facts["effective"]:
        return ()
    return lifecycle.touch(lead, touched, timing=arrival.timing_of(lead), now=arrival.received_at)
