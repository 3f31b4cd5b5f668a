"""Sharing: one lead that stands in the table already goes to whom its team's rules choose, in one transaction.

It was somebody's who leaves, or nobody was free when it came. Each move reads the lead again and decides on what it is
now; one batch read and one transaction, one read more for a cap, for rules that ask what the form said, and for a turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from leadtrail.domain import assignment, lifecycle
from leadtrail.domain.assignment import Assignment, Choice
from leadtrail.domain.company import Company, Rep
from leadtrail.domain.lead import Lead
from leadtrail.domain.lifecycle import Timing
from leadtrail.domain.trail import Happening
from leadtrail.services.ports import Change, Configuration, Now, Person, Rotation, Store

BY = "handover"
RECEIVERS = ("rep", "manager")


@dataclass(frozen=True, slots=True)
class Turn:
    """What became of one lead: its new owner, or None where nobody is free and it stays where it was."""

    lead_id: str
    owner: str | None


def takes_leads(rep: Rep | None) -> bool:
    """Tell whether somebody can be named as an owner: a rep or manager who works here."""
    return rep is not None and rep.active and rep.role in RECEIVERS


@dataclass(frozen=True, slots=True)
class Leaver:
    """Somebody whose leads go to ``to``, or round their team without them."""

    rep_id: str
    to: str | None
    actor: str
    reason: str | None
    store: Store
    config: Configuration
    company: Company
    now: Now
    turns: Counter[str] = field(default_factory=Counter)  # a run shares evenly what it moves; intake's turns stay

    def move(self, listed: Lead) -> Turn | None:
        """Move a lead as it was listed; None where it is no longer theirs. Raises as `Store.commit`."""
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
            happenings=_given(lead, self._assigned(owner, lead, person), self.company, self.config),
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
        share = _share(lead, person, store=self.store, company=self.company)
        choice = _choose(
            share,
            [rep for rep in self.company.rotation(lead.team) if rep.id != self.rep_id],
            turn=self.turns[share.rotation],
            previous=None,
            is_working=lambda _: True,  # who is at work this minute says nothing about leads that are kept for weeks
            store=self.store,
            now=self.now(),
        )
        return choice.rep, share.rotation


@dataclass(frozen=True, slots=True)
class Waiting:
    """Leads of a team that nobody was free for when they came, or that went back to the pool."""

    team: str
    actor: str
    store: Store
    config: Configuration
    company: Company
    now: Now

    def move(self, listed: Lead) -> Turn | None:
        """Assign a lead as it was listed; None where it waits no longer. Raises as `Store.commit`."""
        lead, person = self.store.lead_and_person(listed.lead_id, listed.person_id)
        if lead is None or not lead.is_open or lead.owner is not None or lead.team != self.team:  # others were first
            return None
        now = max(self.now(), lead.newest_at or self.now())  # behind the release, whatever clock wrote that
        choice = _chosen(
            lead,
            person,
            without=lead.released_from,  # whom it was taken from
            store=self.store,
            config=self.config,
            company=self.company,
            now=now,
        )
        if choice.rep is None:
            return Turn(lead.lead_id, None)
        assigned = lifecycle.assign(choice.rep.id, lead.team, now, by=choice.by)
        self.store.commit(
            Change(
                lead_id=lead.lead_id,
                recorded_at=now,
                lead=lead,
                happenings=_given(lead, replace(assigned, actor=self.actor), self.company, self.config),
                rotation=choice.rotation,
            )
        )
        return Turn(lead.lead_id, choice.rep.id)


def _given(lead: Lead, assigned: Happening, company: Company, config: Configuration) -> tuple[Happening, ...]:
    """Return that a lead changed hands, with what its clocks make of that."""
    policy = company.policy_of(lead)
    return lifecycle.give(lead, assigned, timing=Timing(policy, config.calendar(policy)))


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who gets a lead (None: nobody is free), by what, and the rotation that the choice moves on, as it was read."""

    rep: Rep | None
    by: str
    rotation: Rotation | None


def choose_present(
    lead: Lead, *, without: str, store: Store, config: Configuration, company: Company, now: datetime
) -> Chosen:
    """Return who of the lead's team gets it by its rules at ``now`` (aware UTC), but for ``without``."""
    team = company.teams.get(lead.team)
    reads = team is not None and team.assignment.reads_fields
    person = store.persons([lead.person_id]).get(lead.person_id) if reads else None
    return _chosen(lead, person, without=without, store=store, config=config, company=company, now=now)


def _chosen(
    lead: Lead,
    person: Person | None,
    *,
    without: str | None,
    store: Store,
    config: Configuration,
    company: Company,
    now: datetime,
) -> Chosen:
    """Return whom the team's rules choose as at intake, but for ``without``: the rotation, and what else they ask."""
    share = _share(lead, person, store=store, company=company)
    rotation = store.rotation(share.rotation)
    policy = company.policy_of(lead)
    choice = _choose(
        share,
        [rep for rep in company.rotation(lead.team) if rep.id != without],
        turn=rotation.turn,
        previous=_previous(lead, store) if share.rules.sticky else None,
        is_working=lambda rep: config.calendar(rep.shift(policy)).is_open(now),
        store=store,
        now=now,
    )
    return Chosen(choice.rep, choice.by, rotation if choice.took_turn else None)


def _previous(lead: Lead, store: Store) -> str | None:
    """Return who had this customer before."""
    older = [known for known in store.person_leads(lead.person_id) if known < lead.lead_id]
    before = store.lead(older[-1]) if older else None
    return before.owner if before else None


@dataclass(frozen=True, slots=True)
class _Share:
    """A lead with its team's rules, what its form said, and the rotation whose turn decides."""

    lead: Lead
    rules: Assignment
    fields: Mapping[str, str]
    rotation: str


def _share(lead: Lead, person: Person | None, *, store: Store, company: Company) -> _Share:
    """Return by what a lead is shared: one read, where a rule asks what the form said."""
    team = company.teams.get(lead.team)
    rules = team.assignment if team else Assignment()
    fields = _fields(lead, person, store) if rules.reads_fields else {}
    return _Share(lead, rules, fields, rules.rotation_name(lead.team, lead.source, fields))


def _choose(
    share: _Share,
    members: Sequence[Rep],
    *,
    turn: int,
    previous: str | None,
    is_working: Callable[[Rep], bool],
    store: Store,
    now: datetime,
) -> Choice[Rep]:
    """Return whom the rules choose at ``now`` (aware UTC), as `assignment.choose`: one read, where there is a cap."""
    return assignment.choose(
        share.rules,
        members,
        turn=turn,
        load=store.loads([rep.id for rep in members]) if share.rules.cap is not None else {},
        source=share.lead.source,
        fields=share.fields,
        previous=previous,
        is_working=is_working,
        now=now,
    )


def _fields(lead: Lead, person: Person | None, store: Store) -> Mapping[str, str]:
    """Return what the form said that brought the lead."""
    first = store.readable(store.trail(lead.lead_id, limit=1), person)
    return first[0].text or {} if first else {}
