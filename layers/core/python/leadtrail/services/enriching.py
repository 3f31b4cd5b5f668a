"""Enrichment: what a provider kept back of a contact is asked for later, and joins the lead that stands already.

What has been filled in once stands in the table (contact, identities, trail), so that a message that comes again
finds itself answered, or nothing new, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from leadtrail.domain import identity, lifecycle
from leadtrail.domain.company import Company
from leadtrail.domain.delivery import CONTACTS, Contact
from leadtrail.domain.identity import Identity
from leadtrail.domain.lead import Lead
from leadtrail.domain.lifecycle import Timing
from leadtrail.domain.policy import Policy
from leadtrail.domain.trail import Event, Happening
from leadtrail.domain.worktime import WorkCalendar
from leadtrail.services.ports import Change, Configuration, IdentityRow, Now, Person, Store

ACTOR = "system:enrichment"
ENRICHED, UNCHANGED, UNKNOWN, ERASED, NO_LEAD = "enriched", "unchanged", "unknown-contact", "erased", "no-lead"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a lead waits for: the provider's object ``ref``, and the WeCom UserID that the event named."""

    lead_id: str
    person_id: str
    source: str
    receipt: str
    provider: str  # wecom or hubspot
    ref: str
    userid: str | None = None


@dataclass(frozen=True, slots=True)
class EnrichedContact:
    """What a provider answered: texts as people typed them, the most trusted numbers and addresses first."""

    name: str = ""
    unionid: str | None = None
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    owner_userid: str | None = None
    corp_name: str = ""
    remark: str = ""


class ProviderBusyError(Exception):
    """The provider cannot answer now; ``reason`` is of a bounded set. Waiting mends it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ProviderRefusedError(Exception):
    """The provider answers nobody like us until an operator changes something; ``reason`` says what."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Provider(Protocol):
    """The API of a provider of contacts."""

    def contact(self, secret: str, ref: str, userid: str | None) -> EnrichedContact | None:
        """Return what it knows (None: no such contact); raises ProviderBusyError, ProviderRefusedError."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an enrichment came to, and which things it filled: name, phone, email, unionid, ..."""

    outcome: str
    filled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Known:
    """What the table says of one lead, as read for one attempt; ``told`` are its events with texts in clear."""

    wanted: Wanted
    lead: Lead
    person: Person
    rows: Mapping[Identity, IdentityRow]
    told: Sequence[Event]
    company: Company
    calendar: Callable[[Policy], WorkCalendar]
    now: datetime


def enrich(wanted: Wanted, *, provider: Provider, store: Store, config: Configuration, now: Now) -> Outcome:
    """Ask the provider for one contact, and write what is new about it in one transaction.

    Raises:
        ProviderBusyError, ProviderRefusedError: nothing was written; ask again later.
        StaleLeadError, BusyError: the table could not take it; ask again later.
    """
    missing = _missing(*_read(wanted, store))
    if missing:
        return Outcome(missing)
    source = config.company().sources.get(wanted.source)
    if source is None:
        raise ProviderRefusedError("unknown-source")
    found = provider.contact(source.secret, wanted.ref, wanted.userid)
    if found is None:
        return Outcome(UNKNOWN)
    return store.settled(lambda: _merged(wanted, found, store=store, config=config, now=now()))


def _read(wanted: Wanted, store: Store) -> tuple[Lead | None, Person | None]:
    """Return the lead with its person; where it was merged meanwhile, those that it was merged into."""
    lead, person = store.lead_and_person(wanted.lead_id, wanted.person_id)
    while lead is not None and lead.merged_into:
        lead = store.lead(lead.merged_into)
    if lead is None or lead.person_id in ("", wanted.person_id):
        return lead, person
    return store.lead_and_person(lead.lead_id, lead.person_id)


def _missing(lead: Lead | None, person: Person | None) -> str | None:
    if lead is None:
        return NO_LEAD
    return ERASED if person is None else None


def _merged(wanted: Wanted, found: EnrichedContact, *, store: Store, config: Configuration, now: datetime) -> Outcome:
    lead, person = _read(wanted, store)
    if lead is None or person is None:  # erased while the provider was asked
        return Outcome(_missing(lead, person) or ERASED)
    said, named = _said(found), _identities(wanted, found)
    view = store.intake_view(receipt=(wanted.source, wanted.receipt), identities=named, team=lead.team)
    told = store.readable(store.trail(lead.lead_id), person)
    if any(_is_answer(event, wanted) for event in told):  # what people corrected since then stays corrected
        return Outcome(UNCHANGED)
    known = _Known(wanted, lead, person, view.identities, told, config.company(view.stamp), config.calendar, now)
    change, filled = _change(known, said, named, found)
    if not change.happenings:
        return Outcome(UNCHANGED)
    store.commit(change)
    return Outcome(ENRICHED, filled)


def _is_answer(event: Event, wanted: Wanted) -> bool:
    facts = event.facts
    return event.kind == "contact.enriched" and (facts["source"], facts["receipt"]) == (wanted.source, wanted.receipt)


def _said(found: EnrichedContact) -> Contact:
    """Return what goes into the contact: numbers and addresses in one spelling where they can be read."""
    numbers = ((identity.phone(text), text.strip()) for text in found.phones)
    addresses = ((identity.email(text), text.strip()) for text in found.emails)
    return Contact(
        name=found.name.strip(),
        phones=tuple(number.number if number else text for number, text in numbers if text)[:CONTACTS],
        emails=tuple(address or text for address, text in addresses if text)[:CONTACTS],
    )


def _identities(wanted: Wanted, found: EnrichedContact) -> tuple[Identity, ...]:
    """Return what identifies this person, without the numbers that never do (landlines, 400)."""
    named = [Identity("external_userid", wanted.ref)] if wanted.provider == "wecom" else []
    named += [Identity("unionid", found.unionid)] if found.unionid else []
    phones = (identity.phone(text) for text in found.phones[:CONTACTS])
    named += [Identity("phone", phone.number) for phone in phones if phone and phone.identifies]
    addresses = (identity.email(text) for text in found.emails[:CONTACTS])
    named += [Identity("email", address) for address in addresses if address]
    return tuple(dict.fromkeys(named))


def _change(
    known: _Known, said: Contact, named: Sequence[Identity], found: EnrichedContact
) -> tuple[Change, tuple[str, ...]]:
    before, contact = known.person.contact, known.person.contact.with_(said)
    claims = [each for each in named if each not in known.rows]
    text = _new_text(known.told, found)
    owner = _assigned(known, found)
    new = [
        *(["name"] if contact.name != before.name else []),
        *(["phone"] if contact.phones != before.phones else []),
        *(["email"] if contact.emails != before.emails else []),
        *(claim.kind for claim in claims),
        *(["owner"] if owner else []),
        *text,
    ]
    filled = tuple(dict.fromkeys(new))
    happenings = (*_enriched(known, filled, text), *owner, *_proposals(known))
    change = Change(
        lead_id=known.lead.lead_id,
        recorded_at=known.now,
        lead=known.lead,
        happenings=happenings,
        person=known.person,
        claims=claims,
        contact=contact if contact != before else None,
    )
    return change, filled


def _enriched(known: _Known, filled: Sequence[str], text: Mapping[str, str]) -> tuple[Happening, ...]:
    if not filled:
        return ()
    wanted = known.wanted
    facts = {
        "source": wanted.source,
        "receipt": wanted.receipt,
        "provider": wanted.provider,
        "filled": list(filled),
    }
    return (Happening("contact.enriched", known.now, ACTOR, facts, dict(text) or None),)


def _new_text(told: Iterable[Event], found: EnrichedContact) -> dict[str, str]:
    """Return company and remark, each unless the trail's last word about it is the same."""
    last: dict[str, str] = {}
    for event in told:
        if event.kind == "contact.enriched":
            last |= event.text or {}
    now = {"corp_name": found.corp_name.strip(), "remark": found.remark.strip()}
    return {name: words for name, words in now.items() if words and words != last.get(name)}


def _assigned(known: _Known, found: EnrichedContact) -> tuple[Happening, ...]:
    """Give a lead that nobody owns to the rep who has the contact in WeCom."""
    lead = known.lead
    rep = known.company.rep_of_wecom(known.wanted.userid) or known.company.rep_of_wecom(found.owner_userid)
    if rep is None or lead.owner or not lead.is_open:
        return ()
    assigned = lifecycle.assign(rep.id, rep.team or lead.team, known.now, by="wecom")
    policy = known.company.policy_of(lead)
    return lifecycle.give(lead, assigned, timing=Timing(policy, known.calendar(policy)))


def _proposals(known: _Known) -> tuple[Happening, ...]:
    """Propose each other person whom these identities name to a human, once per trail."""
    proposed = {event.facts["person"] for event in known.told if event.kind == "merge.proposed"}
    others = {row.person_id for row in known.rows.values()} - {known.person.person_id} - proposed
    return tuple(Happening("merge.proposed", known.now, ACTOR, {"person": other}) for other in sorted(others))
