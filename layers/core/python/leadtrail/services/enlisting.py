"""Enlisting: what a person keyed in about one lead goes through the same intake as any webhook.

What identifies the delivery is what was said: the same again is a repetition, whatever file it stands in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from leadtrail.domain import lifecycle
from leadtrail.domain.company import Rep
from leadtrail.domain.delivery import Contact, Delivery
from leadtrail.domain.identity import Identity
from leadtrail.domain.instant import cut
from leadtrail.domain.lead import NEW_STAGE
from leadtrail.domain.lifecycle import Timing
from leadtrail.domain.trail import Happening, canonical
from leadtrail.services import intake
from leadtrail.services.intake import Outcome
from leadtrail.services.ports import Change, Configuration, Now, Person, RawBody, Receipt, Store


@dataclass(frozen=True, slots=True)
class Entry:
    """A row as it would be taken; ``team`` is a team's id, ``stage`` one of the company's, ``fields`` what is kept."""

    line: int
    contact: Contact
    identities: tuple[Identity, ...]
    owner: Rep | None
    team: str
    stage: str
    fields: Mapping[str, str]

    @property
    def body(self) -> bytes:
        """The row in its normal form: what the receipt keeps, and what makes two rows the same."""
        said = {
            "name": self.contact.name,
            "phones": self.contact.phones,
            "emails": self.contact.emails,
            "owner": self.owner.id if self.owner else None,
            "stage": self.stage,
            "fields": dict(self.fields),
        }
        return canonical(said)

    @property
    def key(self) -> str:
        """The delivery key: a hash of the normal form."""
        return hashlib.sha256(self.body).hexdigest()


def enlist(
    entry: Entry,
    *,
    source: str,
    store: Store,
    config: Configuration,
    new_person: Callable[[Contact], Person],
    attempt: str,
    now: Now,
) -> Outcome:
    """Take an entry as a delivery of ``source``, with clocks from now on, and put a new lead into its stage.

    A run that ended between the two is mended by the next: the stage has a receipt of its own.

    Raises:
        BusyError, StaleLeadError: the table cannot take it now; the same entry again goes on.
    """
    body = entry.body
    delivery = Delivery(
        source=source,
        key=entry.key,
        kind="lead",
        occurred_at=None,
        signed=True,  # by whoever may run the command
        identities=entry.identities,
        contact=entry.contact,
        fields=entry.fields,
        owner=entry.owner.id if entry.owner else None,
    )
    outcome = intake.receive(
        delivery,
        RawBody(body, {"content-type": "application/json"}, hashlib.sha256(body).hexdigest()),
        store=store,
        config=config,
        new_person=new_person,
        attempt=attempt,
        now=now,
    )
    is_new = outcome.outcome in (intake.CREATED, intake.DUPLICATE)
    if is_new and outcome.lead_id and entry.stage != NEW_STAGE:
        _place(delivery, outcome.lead_id, entry.stage, store=store, config=config, attempt=attempt, now=now)
    return outcome


def _place(
    delivery: Delivery,
    lead_id: str,
    stage: str,
    *,
    store: Store,
    config: Configuration,
    attempt: str,
    now: Now,
) -> None:
    """Move a lead that is as new as intake made it to the stage where its row says it stands."""
    key = f"{delivery.receipt}:stage"

    def once() -> None:
        view = store.command_view((delivery.source, key), lead_id)
        lead = view.lead
        if view.receipt is not None or lead is None or not lead.is_open or lead.stage != NEW_STAGE:
            return
        at = cut(now())
        policy = config.company(view.stamp).policy_of(lead)
        facts = {"from": lead.stage, "to": stage, "gate": "legacy", "receipt": delivery.receipt}
        change = Happening("stage.changed", at, f"source:{delivery.source}", facts)
        happenings = lifecycle.advance(lead, change, timing=Timing(policy, config.calendar(policy)))
        receipt = Receipt(delivery.source, key, "imported", lead_id, attempt, at)
        store.commit(Change(lead_id=lead_id, recorded_at=at, lead=lead, happenings=happenings, receipt=receipt))

    store.settled(once)
