"""Handing over: when somebody leaves, their open leads go to others, each once and in a transaction of its own.

It can be stopped and run again: who has been moved is no longer listed under the old owner. Clocks run on, and from the
next alert on the new owner is told. New leads no longer come in once the configuration says that the rep has left;
those that came while we walked are found by walking again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from leadtrail.domain import assignment, lifecycle
from leadtrail.domain.assignment import Assignment
from leadtrail.domain.company import Company, Rep
from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Happening
from leadtrail.services.ports import Change, Configuration, Now, Person, Store

BY = "handover"
PAGE = 100
LONGEST_REASON = 500
RECEIVERS = ("rep", "manager")


@dataclass(frozen=True, slots=True)
class Turn:
    """What became of one lead: its new owner, or None where nobody is free and it stays where it was."""

    lead_id: str
    owner: str | None


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What a run did: leads by new owner, leads that nobody was free for, and leads that could not be written."""

    moved: Mapping[str, int]
    stayed: tuple[str, ...] = ()
    failed: tuple[tuple[str, Exception], ...] = ()

    @property
    def is_complete(self) -> bool:
        """True when the rep has no open lead left."""
        return not self.stayed and not self.failed


def check(rep_id: str, *, to: str | None, reason: str | None, company: Company) -> None:
    """Refuse a handover that makes no sense, before anything is changed.

    Raises:
        InvalidInputError: names ``to`` or ``reason``.
    """
    receiver = company.reps.get(to) if to is not None else None
    if to is not None and to == rep_id:
        raise InvalidInputError("to", "不能移交给本人")
    if to is not None and (receiver is None or not receiver.active or receiver.role not in RECEIVERS):
        raise InvalidInputError("to", "需要一位在职的销售或主管")
    if reason is not None and not 1 <= len(reason.strip()) <= LONGEST_REASON:
        raise InvalidInputError("reason", f"需要 1 到 {LONGEST_REASON} 个字")


def hand_over(
    rep_id: str,
    *,
    to: str | None,
    actor: str,
    reason: str | None,
    store: Store,
    config: Configuration,
    now: Now,
    tell: Callable[[Turn], None] = lambda _: None,
) -> HandedOver:
    """Give the open leads of a rep to ``to``, or to whom their team's rules choose without that rep.

    ``actor`` did it, ``tell`` hears of each lead when its turn is over; one lead's failure never stops the others.
    ``reason`` is kept with the person's texts, encrypted; the trail of somebody who was erased goes without. One batch
    read and one transaction a lead, and one read more each for a cap and for rules that ask what the form said.

    Raises:
        InvalidInputError: names ``to`` or ``reason``; nothing was changed.
    """
    company = config.current()
    check(rep_id, to=to, reason=reason, company=company)
    job = _Job(rep_id, to, actor, reason, store, company, now)
    seen: set[str] = set()
    done = -1
    while len(seen) > done:
        done = len(seen)
        for listed in store.listed("owner", rep_id, size=PAGE):
            lead_id = listed.lead.lead_id
            if lead_id in seen or not listed.lead.is_open:
                continue
            seen.add(lead_id)
            turn = job.attempt(listed.lead)
            if turn is not None:
                tell(turn)
    return HandedOver(dict(job.moved), tuple(job.stayed), tuple(job.failed))


@dataclass(slots=True)
class _Job:
    """One run: what it was told, and what it has done so far."""

    rep_id: str
    to: str | None
    actor: str
    reason: str | None
    store: Store
    company: Company
    now: Now
    moved: Counter[str] = field(default_factory=Counter)
    stayed: list[str] = field(default_factory=list)
    failed: list[tuple[str, Exception]] = field(default_factory=list)
    turns: Counter[str] = field(default_factory=Counter)  # a run shares evenly what it moves; intake's turns stay

    def attempt(self, listed: Lead) -> Turn | None:
        """Move one lead, and note what became of it; None where it failed or was no longer theirs."""
        try:
            turn = self.store.settled(lambda: self._once(listed))
        except Exception as error:
            self.failed.append((listed.lead_id, error))
            return None
        if turn is None:
            return None
        if turn.owner is None:
            self.stayed.append(turn.lead_id)
        else:
            self.moved[turn.owner] += 1
        return turn

    def _once(self, listed: Lead) -> Turn | None:
        lead, person = self.store.lead_and_person(listed.lead_id, listed.person_id)
        if lead is None or not lead.is_open or lead.owner != self.rep_id:  # others were first
            return None
        owner, rotation = self._receiver(lead, person)
        if owner is None:
            return Turn(lead.lead_id, None)
        now = self.now()
        change = Change(
            lead_id=lead.lead_id,
            recorded_at=now,
            lead=lead,
            happenings=(self._assigned(owner, lead, person),),
            person=person,
        )
        self.store.commit(change)
        self.turns[rotation] += 1
        return Turn(lead.lead_id, owner.id)

    def _assigned(self, owner: Rep, lead: Lead, person: Person | None) -> Happening:
        assigned = lifecycle.assign(owner.id, owner.team or lead.team, self.now(), by=BY)
        text = {"reason": self.reason.strip()} if self.reason and person else None
        return replace(assigned, actor=self.actor, facts={**assigned.facts, "from": self.rep_id}, text=text)

    def _receiver(self, lead: Lead, person: Person | None) -> tuple[Rep | None, str]:
        """Return who gets the lead, and whose turn that was."""
        if self.to is not None:
            return self.company.reps[self.to], ""
        team = self.company.teams.get(lead.team)
        rules = team.assignment if team else Assignment()
        members = [rep for rep in self.company.rotation(lead.team) if rep.id != self.rep_id]
        fields = self._fields(lead, person) if rules.reads_fields else {}
        rotation = rules.rotation_name(lead.team, lead.source, fields)
        choice = assignment.choose(
            rules,
            members,
            turn=self.turns[rotation],
            load=self.store.loads([rep.id for rep in members]) if rules.cap is not None else {},
            source=lead.source,
            fields=fields,
            previous=None,
            is_working=lambda _: True,  # who is at work this minute says nothing about leads that are kept for weeks
            now=self.now(),
        )
        return choice.rep, rotation

    def _fields(self, lead: Lead, person: Person | None) -> Mapping[str, str]:
        """Return what the form said that brought the lead."""
        first = self.store.readable(self.store.trail(lead.lead_id, limit=1), person)
        return first[0].text or {} if first else {}
