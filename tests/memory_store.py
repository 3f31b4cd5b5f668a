"""A store of one process that keeps the table's conditions: versions, receipts, alerts and identities, each once.

For tests that live through tens of thousands of decisions. What the real table does beyond that is tested against moto
and ministack. ``dies`` makes the next commit die before or after it is written, as a process does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from leadtrail.domain import lead as leads_of
from leadtrail.domain import trail as trails
from leadtrail.domain.company import Company
from leadtrail.domain.identity import Identity
from leadtrail.domain.lead import Lead, NeedsTrailError
from leadtrail.domain.policy import Policy
from leadtrail.domain.trail import GENESIS, Event
from leadtrail.domain.worktime import WorkCalendar
from leadtrail.services.ports import (
    Alert,
    Change,
    CommandView,
    Committed,
    ConflictError,
    IdentityRow,
    IntakeView,
    OutboxRow,
    Person,
    Receipt,
    Rotation,
    Telling,
    Waking,
)

T = TypeVar("T")
SALT = bytes(16)


class CrashError(Exception):
    """The process died here."""


@dataclass
class MemoryStore:
    """The table in dictionaries."""

    projections: dict[str, Lead] = field(default_factory=dict)
    events: dict[str, list[Event]] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    owned: dict[Identity, IdentityRow] = field(default_factory=dict)
    receipts: dict[tuple[str, str], Receipt] = field(default_factory=dict)
    raised: dict[tuple[str, str, int, int], Alert] = field(default_factory=dict)
    outbox: list[OutboxRow] = field(default_factory=list)
    turns: dict[str, int] = field(default_factory=dict)
    dies: str | None = None

    def settled(self, attempt: Callable[[], T]) -> T:
        """Call again while somebody else was first; in one process nobody is."""
        return attempt()

    def commit(self, change: Change) -> Committed:
        """Write one decision, or none of it."""
        dies, self.dies = self.dies, None
        if dies == "before":
            raise CrashError
        self._check(change)
        done = self._write(change)
        if dies == "after":
            raise CrashError
        return done

    def _check(self, change: Change) -> None:
        known = self.projections.get(change.lead_id)
        if change.happenings and (known.seq if known else None) != (change.lead.seq if change.lead else None):
            raise ConflictError
        before = self.receipts.get((change.receipt.source, change.receipt.key)) if change.receipt else None
        if change.receipt and (before.outcome if before else None) != change.receipt.replaces:
            raise ConflictError
        if any(identity in self.owned for identity in change.claims):
            raise ConflictError
        if any(_of(alert) in self.raised for alert in change.alerts):
            raise AssertionError(f"told twice: {change.alerts}")

    def _write(self, change: Change) -> Committed:
        lead = self._folded(change) if change.happenings else change.lead
        if change.new_person and change.person:
            self.people[change.person.person_id] = change.person
        if lead and change.happenings:
            self.projections[lead.lead_id] = lead
            self.owned |= {identity: IdentityRow(lead.person_id, lead.lead_id) for identity in change.claims}
        for identity, row in change.moves:
            self.owned[identity] = replace(row, lead_id=change.lead_id)
        if change.receipt:
            self.receipts[change.receipt.source, change.receipt.key] = change.receipt
        if change.rotation:
            self.turns[change.rotation.team] = change.rotation.turn + 1
        self.raised |= {_of(alert): alert for alert in change.alerts}
        self.outbox += change.outbox
        return Committed(lead, (), tuple(change.alerts))

    def _folded(self, change: Change) -> Lead:
        known = self.events.setdefault(change.lead_id, [])
        bare = [replace(happening, text=None) for happening in change.happenings]
        head = known[-1].seal if known else GENESIS
        at = change.recorded_at
        known += trails.append(bare, lead_id=change.lead_id, seq=len(known), head=head, recorded_at=at, salt=SALT)
        try:
            return leads_of.evolve(change.lead, known[-len(bare) :])
        except NeedsTrailError:
            return leads_of.fold(known)

    def is_outage(self, error: BaseException) -> bool:
        """A process that dies is no lead's fault."""
        return isinstance(error, CrashError)

    def fingerprint(self, text: str) -> str:
        """Return what tells texts apart."""
        return text

    def intake_view(
        self, *, receipt: tuple[str, str], identities: Sequence[Identity], team: str, loads: Sequence[str] = ()
    ) -> IntakeView:
        """Read a delivery's surroundings."""
        known = {identity: self.owned[identity] for identity in identities if identity in self.owned}
        return IntakeView(self.receipts.get(receipt), known, self.rotation(team), 1, dict.fromkeys(loads, 0))

    def rotation(self, name: str) -> Rotation:
        """Return a team's turn."""
        return Rotation(name, self.turns.get(name, 0))

    def command_view(self, receipt: tuple[str, str] | None, lead_id: str) -> CommandView:
        """Read what a command needs."""
        return CommandView(self.receipts.get(receipt) if receipt else None, self.lead(lead_id), 1)

    def lead(self, lead_id: str) -> Lead | None:
        """Return the projection."""
        return self.projections.get(lead_id)

    def lead_and_person(self, lead_id: str, person_id: str) -> tuple[Lead | None, Person | None]:
        """Return both."""
        return self.lead(lead_id), self.people.get(person_id)

    def persons(self, person_ids: Iterable[str]) -> dict[str, Person]:
        """Return contacts."""
        return {each: self.people[each] for each in person_ids if each in self.people}

    def person_leads(self, person_id: str) -> tuple[str, ...]:
        """Return a person's leads."""
        return tuple(sorted(each.lead_id for each in self.projections.values() if each.person_id == person_id))

    def trail(self, lead_id: str, *, after: int = 0, limit: int | None = None) -> tuple[Event, ...]:
        """Return events by seq."""
        return tuple(self.events.get(lead_id, ())[after:][:limit])

    def tellings(self, lead_id: str) -> tuple[Telling, ...]:
        """Nothing was sent yet."""
        return ()

    def waking(self, now: datetime) -> Iterator[Waking]:
        """Yield the clocks that want to be woken, the longest overdue first."""
        due = [
            Waking(lead.lead_id, clock.wakes_at, clock.key)
            for lead in self.projections.values()
            for clock in lead.clocks
            if clock.wakes_at and clock.wakes_at <= now
        ]
        yield from sorted(due, key=lambda waking: waking.wakes_at)


def _of(alert: Alert) -> tuple[str, str, int, int]:
    return alert.lead_id, alert.rule, alert.episode, alert.level


@dataclass
class MemoryConfiguration:
    """A company whose policies are versioned; ``versions`` are all that there ever were, by name and number."""

    at_hand: Company
    versions: dict[tuple[str, int], Policy]

    def company(self, stamp: int | None = None) -> Company:
        """Return the company."""
        return self.at_hand

    def current(self) -> Company:
        """Return the company."""
        return self.at_hand

    def put(self, kind: str, name: str, body: dict[str, Any], *, now: datetime) -> int:
        """Nobody configures this one over the API."""
        raise AssertionError("the model edits its calendar by `publish`")

    def publish(self, policy: Policy) -> None:
        """Make a policy the newest of its name."""
        self.versions[policy.name, policy.version] = policy
        self.at_hand = replace(self.at_hand, policies={**self.at_hand.policies, policy.name: policy})

    def policy(self, name: str, version: int) -> Policy:
        """Return one version."""
        return self.versions[name, version]

    def calendar(self, policy: Policy) -> WorkCalendar:
        """Return its working time."""
        return WorkCalendar.from_dict({name: value for name, value in policy.calendar.items() if name != "cn"})
