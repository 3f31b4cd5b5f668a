"""The second look: what a lead's clocks have come to, once all is considered that may have moved them meanwhile.

Before a clock is warned of or broken, three things are looked at again. A due time that was guessed is counted anew
where its year has been published. An owner's leave is a pause, or a reason to give the lead to somebody present, as
the pinned policy says. A level "pool" takes the lead from its owner, for the team's rules to choose somebody else.
Without any of that it costs no call: configuration is remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from leadtrail.domain import clock as clocks_of
from leadtrail.domain import lifecycle, schedule
from leadtrail.domain.clock import OPEN_STATES, Clock, Notice
from leadtrail.domain.company import Rep
from leadtrail.domain.instant import cut
from leadtrail.domain.lead import Lead
from leadtrail.domain.lifecycle import Timing
from leadtrail.domain.rule import POOL, Rule
from leadtrail.domain.span import Span, merged
from leadtrail.domain.trail import Happening
from leadtrail.domain.worktime import Counted
from leadtrail.services import sharing
from leadtrail.services.ports import Configuration, Rotation, Store

ESTIMATED = "estimated"
RUNS = ("running", "paused")


@dataclass(slots=True)
class Found:
    """What became true of a lead: happenings in their order, whom to tell of what, and whose the lead is then.

    ``newcomer`` is true where the lead changed hands just now, so that its new owner has to hear of it.
    """

    lead: Lead
    happenings: list[Happening] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    rotation: Rotation | None = None
    newcomer: bool = False


def wake(lead: Lead, *, store: Store, config: Configuration, now: datetime) -> Found:
    """Return what became true of the lead by ``now`` (aware UTC); nothing where no clock wants to be woken."""
    look = _Look(store, config, now, Found(lead))
    for clock in lead.clocks:
        if clock.wakes_at is not None and clock.wakes_at <= now:
            look.at(clock)
    look.at_owner()
    return look.found


def recounted(lead: Lead, clock: Clock, *, config: Configuration, now: datetime) -> tuple[Happening, ...]:
    """Return what today's calendar changes of a clock whose due time was a guess; () where it still is one.

    A year that was published just as it had been guessed changes nothing of a clock that is due by now, and makes a
    broken one no guess any more.
    """
    counted = _counted(clock, config)
    if counted is None or (counted.certainty == ESTIMATED and counted.due_at <= max(now, clock.due_at)):
        return ()
    timing = pinned(clock, config)
    is_due_as_guessed = counted.due_at == clock.due_at <= now
    if clock.state in RUNS and is_due_as_guessed:
        return ()
    changes = lifecycle.recount(lead, clock, pinned=timing, now=now)
    rule = timing.policy.rule(clock.rule)
    if not changes and is_due_as_guessed and rule is not None:
        return (schedule.judged_again(clock, timing.policy, rule, timing.calendar, at=now),)
    return changes


def is_guess(clock: Clock, config: Configuration) -> bool:
    """Tell whether a due time that was guessed is still a guess by today's calendar."""
    counted = _counted(clock, config)
    return counted is not None and counted.certainty == ESTIMATED


def _counted(clock: Clock, config: Configuration) -> Counted | None:
    """Count a guessed due time anew; None for a clock of which nothing is a guess, or that nobody asks about."""
    if clock.certainty != ESTIMATED or clock.dormant or clock.state not in OPEN_STATES:
        return None
    timing = pinned(clock, config)
    rule = timing.policy.rule(clock.rule)
    return schedule.count(rule, timing.calendar, clock.started_at, clock.pauses) if rule else None


def pinned(clock: Clock, config: Configuration) -> Timing:
    """Return the policy version under which a clock was started, with its calendar as it is known today."""
    policy = config.policy(clock.policy, clock.policy_version)
    return Timing(policy, config.calendar(policy))


@dataclass(slots=True)
class _Look:
    """One lead that wakes."""

    store: Store
    config: Configuration
    now: datetime
    found: Found

    def at(self, clock: Clock) -> None:
        """Look at one clock: at what moved it, and at what it has come to since."""
        for moved in (self._recounted, self._rested):
            happenings = moved(clock)
            self.found.happenings += happenings
            for happening in happenings:
                clock = _after(clock, happening)
        happened, notice = clocks_of.wake(clock, self.now)
        self.found.happenings += happened
        if notice is not None:
            self.found.notices.append(notice)

    def at_owner(self) -> None:
        """Look at whose lead it is to be: nobody's after the level "pool", somebody present's after a leave."""
        lead = self.found.lead
        if lead.owner is None or not lead.is_open:
            return
        if any(each.kind == "clock.escalated" and each.facts["to"] == POOL for each in self.found.happenings):
            self.found.happenings.append(lifecycle.release(lead, self.now, why=POOL))
            self.found.lead = replace(lead, owner=None)
            return
        if any(self._wants_somebody(notice.clock, self._owner()) for notice in self.found.notices):
            self._give(lead, lead.owner)

    def _owner(self) -> Rep | None:
        return self.config.company().reps.get(self.found.lead.owner or "")

    def _recounted(self, clock: Clock) -> Sequence[Happening]:
        return recounted(self.found.lead, clock, config=self.config, now=self.now)

    def _rested(self, clock: Clock) -> Sequence[Happening]:
        """Return the clock's new times where its owner's leave is a pause that it does not know of yet."""
        owner = self._owner()
        if clock.state not in RUNS or owner is None or not owner.away:
            return ()
        timing = pinned(clock, self.config)
        rule = timing.policy.rule(clock.rule)
        if timing.policy.leave != "pause" or rule is None:
            return ()
        pauses = tuple(merged((*clock.pauses, *self._leave(clock, rule, owner))))
        if pauses == clock.pauses:
            return ()
        rebased = schedule.rebase(clock, timing.policy, rule, timing.calendar, at=self.now, why="leave", pauses=pauses)
        return (rebased,) if rebased else ()

    def _leave(self, clock: Clock, rule: Rule, owner: Rep) -> list[Span]:
        """Return the owner's absences while the lead was theirs and the clock ran, none longer than a pause may be."""
        longest = rule.pause_cap
        spans = [
            (max(since, clock.started_at), min(until, since + longest) if longest else until)
            for since, until in owner.away
            if since <= self.now
        ]
        spans = [(cut(since), cut(until)) for since, until in spans if since < until]
        if not spans:
            return []
        owned = self._owned_since(owner.id)
        return [(max(since, owned), until) for since, until in spans if owned < until]

    def _owned_since(self, owner_id: str) -> datetime:
        """Return since when the lead is this owner's: one read, of the trail."""
        events = self.store.trail(self.found.lead.lead_id)
        given = [each for each in events if each.kind in ("lead.received", "owner.assigned")]
        since = given[0].occurred_at
        for before, each in zip([None, *given], given, strict=False):
            former = before.facts.get("owner") if before else None
            if each.facts.get("owner") == owner_id != former:
                since = each.occurred_at
        return since

    def _wants_somebody(self, clock: Clock, owner: Rep | None) -> bool:
        """Tell whether the owner is away from a clock that may not wait for them."""
        if clock.state not in RUNS or owner is None or owner.is_present(self.now):
            return False
        return self.config.policy(clock.policy, clock.policy_version).leave == "reassign"

    def _give(self, lead: Lead, former: str) -> None:
        """Give the lead to whom the team's rules choose of those who are there; where nobody is, it stays."""
        chosen = sharing.choose_present(
            lead, without=former, store=self.store, config=self.config, company=self.config.company(), now=self.now
        )
        if chosen.rep is None:
            return
        assigned = lifecycle.assign(chosen.rep.id, lead.team, self.now, by=chosen.by)
        assigned = replace(assigned, facts={**assigned.facts, "from": former, "why": "leave"})
        policy = self.config.company().policy_of(lead)
        timing = Timing(policy, self.config.calendar(policy))
        self.found.happenings += lifecycle.give(lead, assigned, timing=timing)
        self.found.lead = replace(lead, owner=chosen.rep.id)
        self.found.rotation, self.found.newcomer = chosen.rotation, True


def _after(clock: Clock, happening: Happening) -> Clock:
    facts = happening.facts
    if (facts.get("rule"), facts.get("episode")) != (clock.rule, clock.episode):
        return clock
    return clocks_of.apply(clock, happening.kind, happening.occurred_at, facts)
