"""Merging two leads and undoing it: commands of managers, each one transaction over both trails.

Identities of the loser's person go to the winner, and its numbers and addresses to the winner's contact; what went is
kept beside the winner by keyed hash, so that a split brings back exactly that. The loser's person stays, with the key
of the texts on the loser's trail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from leadtrail.domain import ids, merging
from leadtrail.domain.clock import Clock
from leadtrail.domain.delivery import Contact
from leadtrail.domain.errors import InvalidInputError, NotFoundError, TooMuchToMergeError
from leadtrail.domain.identity import Identity
from leadtrail.domain.lead import Lead
from leadtrail.domain.lifecycle import Timing
from leadtrail.domain.merging import Instruction, Told
from leadtrail.domain.trail import Happening
from leadtrail.services import retracting
from leadtrail.services.idempotency import Command
from leadtrail.services.people import Caller, require_lead_of_people, visible
from leadtrail.services.ports import (
    Change,
    Configuration,
    ConflictError,
    IdentityRow,
    MergeRecord,
    Person,
    Repoint,
    Store,
)

MOST_IDENTITIES = 40  # of the 100 items that one transaction may hold; the rest are events and clocks of two leads


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks for: the other lead, why, and for a merge which of the two is to win (None: the older)."""

    other: str
    reason: str
    winner: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """Who won and who lost, and the winner's version now; ``repeated`` when it was done already."""

    winner: str
    loser: str
    version: int
    repeated: bool = False

    def answer(self) -> dict[str, Any]:
        """Return the wire shape of docs/api.md, as its receipt keeps it."""
        return {"winner": self.winner, "loser": self.loser, "version": self.version}


@dataclass(frozen=True, slots=True)
class _Pair:
    """Both leads of one attempt as read, with their people (None: erased)."""

    winner: Lead
    loser: Lead
    people: Mapping[str, Person]
    asked: Asked
    caller: Caller
    now: datetime

    @property
    def instruction(self) -> Instruction:
        return Instruction(self.caller.actor, self.now, self.asked.reason)

    @property
    def is_one_person(self) -> bool:
        return self.winner.person_id == self.loser.person_id

    def change(self, lead: Lead, happenings: tuple[Happening, ...]) -> Change:
        """Return what one of the trails takes; the trail of somebody who was erased goes without the reason."""
        person = self.people.get(lead.person_id)
        told = happenings if person else tuple(replace(each, text=None) for each in happenings)
        return Change(lead.lead_id, self.now, lead=lead, happenings=told, person=person)

    def done(self, happenings: tuple[Happening, ...]) -> Done:
        return Done(self.winner.lead_id, self.loser.lead_id, self.winner.seq + len(happenings))


def merge(
    lead_id: str,
    asked: Asked,
    *,
    caller: Caller,
    command: Command | None,
    store: Store,
    config: Configuration,
    now: datetime,
) -> Done:
    """Make one lead of two, once per command.

    Raises:
        ForbiddenError: the caller is a rep.
        NotFoundError: one of them is absent, or not the caller's to see.
        InvalidInputError: a lead and itself, a winner that is neither, or somebody who was erased.
        AlreadyMergedError, LeadClosedError, TooMuchToMergeError: why these two cannot be merged.
        IdempotencyMismatchError: the command's key was used for something else.
        StaleLeadError: others were first eight times running.
    """
    _check(lead_id, asked, caller)

    def once() -> Done:
        found = _read(lead_id, asked, caller, command, store)
        if isinstance(found, Done):
            return found
        winner, loser = merging.ranked(*found, asked.winner)
        pair = _Pair(winner, loser, _people(winner, loser, store), asked, caller, now)
        person, other = pair.people.get(winner.person_id), pair.people.get(loser.person_id)
        if person is None or other is None:
            raise InvalidInputError("other", "此人的资料已删除，不能合并")
        repoints = _to_winner(pair, store)
        decided = merging.merge(
            winner, _told(loser, store), pair.instruction, identities=len(repoints), timing=_timing(winner, config)
        )
        contact = person.contact.with_(other.contact)
        record = MergeRecord(
            winner.lead_id,
            loser.lead_id,
            [(repoint.key, repoint.before.lead_id) for repoint in repoints],
            _hashed(store, _fields(contact) - _fields(person.contact)),
        )
        done = pair.done(decided.winner)
        won = replace(
            pair.change(winner, decided.winner),
            repoints=repoints,
            contact=contact if contact != person.contact else None,
            merge=record,
            receipt=command.receipt(done.answer(), lead_id=winner.lead_id, now=now) if command else None,
        )
        changes = (won, pair.change(loser, decided.loser))
        company = config.company()
        store.commit_together([retracting.with_corrections(each, store=store, company=company) for each in changes])
        return done

    return store.settled(once)


def split(
    lead_id: str,
    asked: Asked,
    *,
    caller: Caller,
    command: Command | None,
    store: Store,
    config: Configuration,
    now: datetime,
) -> Done:
    """Undo the merge of two leads, once per command; either may be named first.

    Raises:
        ForbiddenError, NotFoundError, IdempotencyMismatchError, StaleLeadError: as `merge`.
        NotMergedError: neither has become part of the other.
        AlreadyMergedError: the winner was merged into a third since; that merge is undone first.
    """
    _check(lead_id, asked, caller)

    def once() -> Done:
        found = _read(lead_id, asked, caller, command, store)
        if isinstance(found, Done):
            return found
        winner, loser = merging.merged_pair(*found)
        pair = _Pair(winner, loser, _people(winner, loser, store), asked, caller, now)
        record = store.merge_record(winner.lead_id, loser.lead_id)
        if record is None:  # somebody undid it while we read
            raise ConflictError
        decided = merging.split(
            _told(winner, store),
            _told(loser, store),
            pair.instruction,
            timing=_timing(winner, config),
            pinned=lambda clock: _pinned(clock, config),
        )
        done = pair.done(decided.winner)
        won = replace(
            pair.change(winner, decided.winner),
            repoints=_back(pair, record, store),
            contact=_without(pair.people.get(winner.person_id), record, store),
            unmerge=record,
            receipt=command.receipt(done.answer(), lead_id=winner.lead_id, now=now) if command else None,
        )
        changes = (won, pair.change(loser, decided.loser))
        company = config.company()
        store.commit_together([retracting.with_corrections(each, store=store, company=company) for each in changes])
        return done

    return store.settled(once)


def _check(lead_id: str, asked: Asked, caller: Caller) -> None:
    require_lead_of_people(caller)
    if not ids.is_id(lead_id) or not ids.is_id(asked.other):
        raise NotFoundError


def _read(
    lead_id: str, asked: Asked, caller: Caller, command: Command | None, store: Store
) -> Done | tuple[Lead, Lead]:
    """Return what this command came to before, or both leads."""
    view = store.command_view(command.receipt_at if command else None, lead_id)
    known = command.repeated(view.receipt) if command else None
    if known is not None:
        return Done(known["winner"], known["loser"], known["version"], repeated=True)
    return visible(view.lead, caller), visible(store.lead(asked.other), caller)


def _people(winner: Lead, loser: Lead, store: Store) -> dict[str, Person]:
    return store.persons({winner.person_id, loser.person_id} - {""})


def _told(lead: Lead, store: Store) -> Told:
    events = store.trail(lead.lead_id)
    if len(events) != lead.seq:  # somebody wrote meanwhile; the condition of the write would fail too
        raise ConflictError
    return Told(lead, events)


def _pinned(clock: Clock, config: Configuration) -> Timing:
    policy = config.policy(clock.policy, clock.policy_version)
    return Timing(policy, config.calendar(policy))


def _timing(lead: Lead, config: Configuration) -> Timing:
    policy = config.company().policy_of(lead)
    return Timing(policy, config.calendar(policy))


def _to_winner(pair: _Pair, store: Store) -> list[Repoint]:
    """Return the loser's identities on their way to the winner; of one person, those that point to the loser's lead."""
    after = IdentityRow(pair.winner.person_id, pair.winner.lead_id)
    own = store.identities_of(pair.loser.person_id)
    going = {key: row for key, row in own.items() if not pair.is_one_person or row.lead_id == pair.loser.lead_id}
    if len(going) > MOST_IDENTITIES:
        raise TooMuchToMergeError(identities=len(going), most=MOST_IDENTITIES)
    return [Repoint(key, before, after) for key, before in sorted(going.items())]


def _back(pair: _Pair, record: MergeRecord, store: Store) -> list[Repoint]:
    """Return the identities on their way back; what has gone elsewhere since stays there."""
    now_at = store.identity_rows(key for key, _ in record.identities)
    return [
        Repoint(key, row, IdentityRow(pair.loser.person_id, lead_id))
        for key, lead_id in record.identities
        for row in [now_at.get(key)]
        if row and row.person_id == pair.winner.person_id
        if not pair.is_one_person or row.lead_id == pair.winner.lead_id
    ]


def _fields(contact: Contact) -> set[Identity]:
    """Return what a contact says, as things that can be hashed."""
    said = {Identity("phone", phone) for phone in contact.phones}
    said |= {Identity("email", address) for address in contact.emails}
    return said | ({Identity("name", contact.name)} if contact.name else set())


def _hashed(store: Store, fields: set[Identity]) -> list[str]:
    return sorted(f"{field.kind}#{store.hash_identity(field)}" for field in fields)


def _without(person: Person | None, record: MergeRecord, store: Store) -> Contact | None:
    """Return the winner's contact without what the merge had added, or None if that changes nothing."""
    if person is None or not record.added:
        return None
    added = set(record.added)

    def stays(kind: str, value: str) -> bool:
        return f"{kind}#{store.hash_identity(Identity(kind, value))}" not in added

    known = person.contact
    left = Contact(
        name=known.name if stays("name", known.name) else "",
        phones=tuple(phone for phone in known.phones if stays("phone", phone)),
        emails=tuple(address for address in known.emails if stays("email", address)),
    )
    return left if left != known else None
