"""What happens to a lead: each function turns state, request, policy, calendar and time into happenings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from leadtrail.domain import clock
from leadtrail.domain.clock import Clock
from leadtrail.domain.instant import from_text
from leadtrail.domain.lead import NEW_STAGE, Lead, backdated, fold
from leadtrail.domain.policy import Policy
from leadtrail.domain.trail import GENESIS, Happening, append
from leadtrail.domain.worktime import WorkCalendar

GRACE = timedelta(hours=1)  # of business time, for a second touch that a late first touch made overdue at once


@dataclass(frozen=True, slots=True)
class Timing:
    """The policy version that a decision pins, with its calendar; ``history`` starts dormant clocks."""

    policy: Policy
    calendar: WorkCalendar
    history: bool = False


def receive(
    *,
    source: str,
    person: str,
    team: str,
    owner: str | None,
    actor: str,
    receipt: str,
    occurred_at: datetime | None,
    received_at: datetime,
    signed: bool,
    timing: Timing,
    assigned_by: str = "rotation",
    facts: dict[str, Any] | None = None,
    text: dict[str, str] | None = None,
) -> tuple[Happening, ...]:
    """Return the happenings of a new lead: received, assigned, and its clocks started."""
    happened_at = min(occurred_at or received_at, received_at)
    starts_at = happened_at if timing.history else backdated(received_at, occurred_at, signed=signed)
    known = {"source": source, "stage": NEW_STAGE, "team": team, "person": person, "receipt": receipt}
    origin = {"origin": "import"} if timing.history else {}
    received = Happening("lead.received", happened_at, actor, {**known, **origin, **(facts or {})}, text)
    assigned = (assign(owner, team, starts_at, by=assigned_by),) if owner else ()
    starting = [rule for rule in timing.policy.rules if rule.starts in ("lead.received", "stage.entered")]
    clocks = tuple(
        clock.start(timing.policy, rule, timing.calendar, at=starts_at, episode=1, dormant=timing.history)
        for rule in starting
    )
    return (received, *assigned, *clocks)


def preview(lead_id: str, happenings: Sequence[Happening], *, recorded_at: datetime) -> Lead:
    """Return the lead that these first happenings would make, for what is decided in the same breath."""
    bare = [replace(happening, text=None) for happening in happenings]
    return fold(append(bare, lead_id=lead_id, seq=0, head=GENESIS, recorded_at=recorded_at, salt=b""))


def assign(owner: str, team: str, at: datetime, *, by: str) -> Happening:
    """Return `owner.assigned`; ``by`` is the rule or the person that chose."""
    return Happening("owner.assigned", at, "system:assignment", {"owner": owner, "team": team, "by": by})


def touch(lead: Lead, touched: Happening, *, timing: Timing, now: datetime) -> tuple[Happening, ...]:
    """Return a touch with what it means for the clocks: met, corrected, and the second-touch clock started."""
    if not touched.facts["effective"] or not lead.is_open:
        return (touched,)
    at = from_text(touched.facts["effective_at"])
    met, corrected = clock.meet(lead.clocks, "touch", at)
    second, also_corrected = _second_after_all(lead, at)
    retracted = tuple(
        Happening(
            "alert.retracted", now, clock.SYSTEM, {"rule": late.rule, "episode": late.episode, "answered_by": "touch"}
        )
        for late in (*corrected, *also_corrected)
    )
    started = _first_touch_clocks(lead, at, timing, now) if lead.first_touch_at is None else ()
    return (touched, *met, *second, *retracted, *started)


def _second_after_all(lead: Lead, at: datetime) -> tuple[tuple[Happening, ...], tuple[Clock, ...]]:
    """A first touch that we learn late makes a second of what had been taken for the first.

    Not where that one was typed in: it may well be the same call, which the machine now reports.
    """
    first = lead.first_touch_at
    if first is None or at >= first or lead.first_touch_reported:
        return (), ()
    waiting = [each for each in lead.clocks if each.starts == "touch.first" and "touch" in each.meets]
    return clock.answered(waiting, "touch", first)


def _first_touch_clocks(lead: Lead, at: datetime, timing: Timing, now: datetime) -> tuple[Happening, ...]:
    starts_at = max(at, lead.received_at) if not timing.history else at
    happenings = []
    for rule in (rule for rule in timing.policy.rules if rule.starts == "touch.first"):
        overdue = clock.count(rule, timing.calendar, starts_at).due_at <= now and not timing.history
        not_before = timing.calendar.due(now, GRACE) if overdue else None
        happenings.append(
            clock.start(
                timing.policy,
                rule,
                timing.calendar,
                at=starts_at,
                episode=lead.next_episode(rule.name),
                not_before=not_before,
                dormant=timing.history,
            )
        )
    return tuple(happenings)


def advance(lead: Lead, change: Happening, *, timing: Timing) -> tuple[Happening, ...]:
    """Return a stage change with what it means for the clocks: the old stage's met, the new one's started."""
    met, _ = clock.meet(lead.clocks, "stage", change.occurred_at)
    started = tuple(
        clock.start(
            timing.policy,
            rule,
            timing.calendar,
            at=change.occurred_at,
            episode=lead.next_episode(rule.name),
            dormant=timing.history,
        )
        for rule in timing.policy.rules
        if rule.starts == "stage.entered"
    )
    return (change, *met, *started)


def close(lead: Lead, closed: Happening) -> tuple[Happening, ...]:
    """Return `lead.closed` with the cancelling of every clock that still owes an answer."""
    return (closed, *clock.cancel(lead.clocks, closed.occurred_at, closed.facts["outcome"]))
