"""What a person's team puts right about them: a wrong number or name, and a second deal beside the first.

What is corrected stands in the contact alone; the trail says which kinds and how many. Identities follow: a number
that was removed identifies nobody any more, an added one this person. Somebody else's number is never taken: that
takes a merge, which a human decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from leadtrail.domain import identity, ids, lifecycle
from leadtrail.domain.delivery import CONTACTS, Contact
from leadtrail.domain.errors import InvalidInputError, MergeNeededError, NotFoundError
from leadtrail.domain.identity import Identity
from leadtrail.domain.lead import Lead
from leadtrail.domain.lifecycle import Timing
from leadtrail.domain.trail import Happening
from leadtrail.services.idempotency import Command
from leadtrail.services.people import Caller, workable
from leadtrail.services.ports import Change, Configuration, IdentityRow, Person, Store

NOT_THERE = "联系方式里没有这一项"
Read = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to be added to and removed from a list, as people write it."""

    add: Sequence[str] = ()
    remove: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person corrects; ``name`` None leaves the name."""

    reason: str
    name: str | None = None
    phones: Edit = Edit()
    emails: Edit = Edit()


@dataclass(frozen=True, slots=True)
class Corrected:
    """What was corrected, and the lead's version now; ``repeated`` when it was done already."""

    corrected: dict[str, Any]
    version: int
    repeated: bool = False

    def answer(self) -> dict[str, Any]:
        """Return the wire shape of docs/api.md, as its receipt keeps it."""
        return {"corrected": self.corrected, "version": self.version}


@dataclass(frozen=True, slots=True)
class Opened:
    """The new lead; ``repeated`` when it was there already."""

    lead_id: str
    repeated: bool = False

    def answer(self) -> dict[str, Any]:
        """Return the wire shape of docs/api.md, as its receipt keeps it."""
        return {"id": self.lead_id}


def correct(
    lead_id: str, said: Correction, *, caller: Caller, command: Command | None, store: Store, now: datetime
) -> Corrected:
    """Correct a person's contact, once per command.

    Raises:
        NotFoundError: absent, or not the caller's to see.
        InvalidInputError: names the field that makes no sense, or changes nothing.
        MergeNeededError: a number or address is somebody else's.
        AlreadyMergedError: the lead has become part of another.
        IdempotencyMismatchError, StaleLeadError: as any command.
    """
    if not ids.is_id(lead_id):
        raise NotFoundError

    def once() -> Corrected:
        view = store.command_view(command.receipt_at if command else None, lead_id)
        known = command.repeated(view.receipt) if command else None
        if known is not None:
            return Corrected(known["corrected"], known["version"], repeated=True)
        lead = workable(view.lead, caller)
        person = _person(lead, store)
        before, after = person.contact, _contact(person.contact, said)
        facts = _facts(before, after)
        if not facts:
            raise InvalidInputError("contact", "没有任何更正")
        claims, releases = _identities(before, after, person, caller, store)
        done = Corrected(facts, lead.seq + 1)
        store.commit(
            Change(
                lead_id=lead_id,
                recorded_at=now,
                lead=lead,
                happenings=[Happening("contact.corrected", now, caller.actor, facts, {"reason": said.reason})],
                person=person,
                claims=claims,
                releases=releases,
                contact=after,
                receipt=command.receipt(done.answer(), lead_id=lead_id, now=now) if command else None,
            )
        )
        return done

    return store.settled(once)


def open_beside(
    lead_id: str,
    reason: str,
    *,
    caller: Caller,
    command: Command | None,
    store: Store,
    config: Configuration,
    now: datetime,
) -> Opened:
    """Open a second lead of the same person beside this one, with clocks of its own, once per command.

    Raises:
        NotFoundError: absent, or not the caller's to see.
        InvalidInputError: the person was erased.
        AlreadyMergedError: the lead has become part of another.
        IdempotencyMismatchError, StaleLeadError: as any command.
    """
    if not ids.is_id(lead_id):
        raise NotFoundError

    def once() -> Opened:
        view = store.command_view(command.receipt_at if command else None, lead_id)
        known = command.repeated(view.receipt) if command else None
        if known is not None:
            return Opened(known["id"], repeated=True)
        lead = workable(view.lead, caller)
        person = _person(lead, store)
        policy = config.company(view.stamp).policy_for(source=lead.source, team=lead.team)
        happenings = _received(
            lead,
            reason,
            caller=caller,
            receipt=command.key if command else "",
            timing=Timing(policy, config.calendar(policy)),
            now=now,
        )
        opened = Opened(ids.new_id(now))
        store.commit(
            Change(
                lead_id=opened.lead_id,
                recorded_at=now,
                happenings=happenings,
                person=person,
                receipt=command.receipt(opened.answer(), lead_id=opened.lead_id, now=now) if command else None,
            )
        )
        return opened

    return store.settled(once)


def _received(
    lead: Lead, reason: str, *, caller: Caller, receipt: str, timing: Timing, now: datetime
) -> tuple[Happening, ...]:
    received, *rest = lifecycle.receive(
        source=lead.source,
        person=lead.person_id,
        team=lead.team,
        owner=lead.owner,
        actor=caller.actor,
        receipt=receipt,
        occurred_at=None,
        received_at=now,
        signed=False,
        timing=timing,
        assigned_by="beside",
        facts={"beside": lead.lead_id},
        text={"reason": reason},
    )
    return (received, *(replace(each, actor=caller.actor) if each.kind == "owner.assigned" else each for each in rest))


def _person(lead: Lead, store: Store) -> Person:
    person = store.persons([lead.person_id]).get(lead.person_id) if lead.person_id else None
    if person is None:
        raise InvalidInputError("contact", "此人的资料已删除")
    return person


def _contact(known: Contact, said: Correction) -> Contact:
    return Contact(
        name=known.name if said.name is None else said.name.strip(),
        phones=_edited("phones", known.phones, said.phones, _number),
        emails=_edited("emails", known.emails, said.emails, identity.email),
    )


def _number(text: str) -> str | None:
    number = identity.phone(text)
    return number.number if number else None


def _edited(field: str, known: tuple[str, ...], edit: Edit, read: Read) -> tuple[str, ...]:
    """Return the list with what is right in the place of the first that was wrong: it is what people will call next."""
    wrong = [_of(known, text, f"{field}.remove[{index}]", read) for index, text in enumerate(edit.remove)]
    right = [_read(text, f"{field}.add[{index}]", read) for index, text in enumerate(edit.add)]
    place = min((known.index(text) for text in wrong), default=len(known))
    front = [text for text in known[:place] if text not in wrong]
    back = [text for text in known[place:] if text not in wrong]
    new = [text for text in right if text not in front and text not in back]
    edited = tuple(dict.fromkeys((*front, *new, *back)))
    if len(edited) > max(CONTACTS, len(known)):
        raise InvalidInputError(f"{field}.add", f"一个人最多保留{CONTACTS}项")
    return edited


def _read(text: str, field: str, read: Read) -> str:
    value = read(text)
    if value is None:
        raise InvalidInputError(field, "格式不正确")
    return value


def _of(known: tuple[str, ...], text: str, field: str, read: Read) -> str:
    """Return the entry that is meant: as it stands there, or in any spelling of it."""
    for value in (text, text.strip(), read(text)):
        if value in known and value is not None:
            return value
    raise InvalidInputError(field, NOT_THERE)


def _facts(before: Contact, after: Contact) -> dict[str, Any]:
    """Return which kinds were corrected and how many of each: never a value."""
    facts: dict[str, Any] = {"name": True} if before.name != after.name else {}
    for kind, was, now in (("phones", before.phones, after.phones), ("emails", before.emails, after.emails)):
        added, removed = len(set(now) - set(was)), len(set(was) - set(now))
        if added or removed:
            facts[kind] = {"added": added, "removed": removed}
    return facts


def _identities(
    before: Contact, after: Contact, person: Person, caller: Caller, store: Store
) -> tuple[list[Identity], list[tuple[Identity, IdentityRow]]]:
    """Return which identities become this person's, and which are nobody's any more."""
    was, now = _named(before), _named(after)
    rows = store.identities([*was, *now])
    added, removed = [each for each in now if each not in was], [each for each in was if each not in now]
    for each in added:
        if each in rows and rows[each].person_id != person.person_id:
            raise _merge_needed(rows[each], caller, store)
    releases = [(each, rows[each]) for each in removed if each in rows and rows[each].person_id == person.person_id]
    return [each for each in added if each not in rows], releases


def _named(contact: Contact) -> list[Identity]:
    """Return what of a contact identifies its person: no landlines, and nothing that is no number."""
    numbers = (identity.phone(phone) for phone in contact.phones)
    addresses = (identity.email(address) for address in contact.emails)
    named = [Identity("phone", number.number) for number in numbers if number and number.identifies]
    return list(dict.fromkeys([*named, *(Identity("email", address) for address in addresses if address)]))


def _merge_needed(row: IdentityRow, caller: Caller, store: Store) -> MergeNeededError:
    """Name the other's lead only to those who may see it."""
    theirs = store.lead(row.lead_id)
    return MergeNeededError(lead=row.lead_id) if theirs and caller.sees(theirs) else MergeNeededError()
