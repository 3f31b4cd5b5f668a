"""What happens to a lead: each function turns state, request, policy, calendar and time into happenings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from leadtrail.domain import clock, schedule
from leadtrail.domain.clock import EVERY_TOUCH, FIRST_TOUCH, RECOUNTED, Clock
from leadtrail.domain.instant import cut, from_text
from leadtrail.domain.lead import NEW_STAGE, Lead, backdated, fold
from leadtrail.domain.policy import Policy, Rule
from leadtrail.domain.schedule import GRACE
from leadtrail.domain.trail import GENESIS, Happening, append
from leadtrail.domain.worktime import WorkCalendar

ARRIVED, STAGED, OWNED, REOPENED = "lead.received", "stage.entered", "owner.assigned", "lead.reopened"
Pinned = Callable[[Clock], "Timing"]  # the version under which a clock was started


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
    begins = {ARRIVED, *_entering(NEW_STAGE), *((OWNED,) if owner else ())}
    clocks = tuple(
        schedule.start(timing.policy, rule, timing.calendar, at=starts_at, episode=1, dormant=timing.history)
        for rule in timing.policy.rules
        if rule.starts in begins
    )
    return (received, *assigned, *clocks)


def preview(lead_id: str, happenings: Sequence[Happening], *, recorded_at: datetime) -> Lead:
    """Return the lead that these first happenings would make, for what is decided in the same breath."""
    bare = [replace(happening, text=None) for happening in happenings]
    return fold(append(bare, lead_id=lead_id, seq=0, head=GENESIS, recorded_at=recorded_at, salt=b""))


def assign(owner: str, team: str, at: datetime, *, by: str) -> Happening:
    """Return `owner.assigned`; ``by`` is the rule or the person that chose."""
    return Happening("owner.assigned", at, "system:assignment", {"owner": owner, "team": team, "by": by})


def give(lead: Lead, assigned: Happening, *, timing: Timing) -> tuple[Happening, ...]:
    """Return `owner.assigned` with what a new owner means for the clocks: they run on, but for those of the ownership.

    A rule that starts with an owner asks the new one afresh, and the former one no more.
    """
    at = assigned.occurred_at
    return (assigned, *_superseded(lead, OWNED, at), *_starting(lead, {OWNED}, at, timing))


def release(lead: Lead, now: datetime, *, why: str) -> Happening:
    """Return `owner.released`: the lead goes back to those that wait for an owner; ``why`` is pool or leave."""
    return Happening("owner.released", now, clock.SYSTEM, {"from": lead.owner, "why": why})


def touch(lead: Lead, touched: Happening, *, timing: Timing, now: datetime) -> tuple[Happening, ...]:
    """Return a touch with what it means for the clocks: met, corrected, and those started that a touch starts.

    Of a closed lead it only tells whether somebody was called late who was not.
    """
    if not touched.facts["effective"]:
        return (touched,)
    at = from_text(touched.facts["effective_at"])
    after_all, wronged = clock.met_after_all(lead.clocks, "touch", at, of=touched.facts["touch"])
    if not lead.is_open:
        return (touched, *after_all, *retract(wronged, now, by="touch"))
    before_it = lead.first_touch_at if lead.first_touch_at and lead.first_touch_at < lead.received_at else None
    met, corrected = clock.meet(lead.clocks, "touch", at, of=touched.facts["touch"], first=before_it)
    met, corrected = (*after_all, *met), (*wronged, *corrected)
    second, also_corrected = _second_after_all(lead, at)
    retracted = retract((*corrected, *also_corrected), now, by="touch")
    moved = _moved_back(lead, at, timing, now)
    started = after_touch(lead, at, timing, now)
    return (touched, *met, *second, *retracted, *moved, *started)


def retract(corrected: Iterable[Clock], now: datetime, *, by: str) -> tuple[Happening, ...]:
    """Return `alert.retracted` for clocks whose breach proved wrong; ``by`` is touch, stage or calendar."""
    return tuple(
        Happening("alert.retracted", now, clock.SYSTEM, {"rule": late.rule, "episode": late.episode, "answered_by": by})
        for late in corrected
    )


def _second_after_all(lead: Lead, at: datetime) -> tuple[tuple[Happening, ...], tuple[Clock, ...]]:
    """A first touch that we learn late makes a second of what had been taken for the first.

    Not where that one was typed in: it may well be the same call, which the machine now reports.
    """
    first = lead.first_touch_at
    if first is None or at >= first or lead.first_touch_reported:
        return (), ()
    waiting = [each for each in lead.clocks if each.starts == FIRST_TOUCH and "touch" in each.meets]
    return clock.answered(waiting, "touch", first)


def _moved_back(lead: Lead, at: datetime, timing: Timing, now: datetime) -> tuple[Happening, ...]:
    """Let clocks that began with what was taken for the first touch begin with the one at ``at``, which was before it.

    So that it does not matter in which order two calls are learned. What is late stays as it is, and so does a clock
    of another version of the policy.
    """
    if lead.first_touch_at is None or at >= lead.first_touch_at:
        return ()
    start_at = _counted_from(lead, at, timing)
    pinned = (timing.policy.name, timing.policy.version)
    happenings = []
    for each in lead.clocks:
        rule = timing.policy.rule(each.rule)
        is_asked = each.starts == FIRST_TOUCH and each.state != "cancelled" and start_at < each.started_at
        is_late = each.met_at is None and each.due_at <= now
        if rule and is_asked and not is_late and (each.policy, each.policy_version) == pinned:
            happenings.append(schedule.move_back(each, rule, timing.calendar, at=now, start_at=start_at))
    return tuple(happenings)


def after_touch(lead: Lead, at: datetime, timing: Timing, now: datetime) -> tuple[Happening, ...]:
    """Return the clocks that an effective touch at ``at`` starts: the first one's, and each newest one's.

    What a touch learned late makes overdue at once is due one business hour from now at the earliest.
    """
    begins = {FIRST_TOUCH} if lead.first_touch_at is None else set()
    superseded: tuple[Happening, ...] = ()
    if lead.last_touch_at is None or at > lead.last_touch_at:
        begins.add(EVERY_TOUCH)
        unanswered = [each for each in lead.clocks if each.starts == EVERY_TOUCH and "touch" not in each.meets]
        superseded = clock.cancel(unanswered, at, "superseded")
    return (*superseded, *_starting(lead, begins, _counted_from(lead, at, timing), timing, now=now))


def _counted_from(lead: Lead, at: datetime, timing: Timing) -> datetime:
    """Return from when a clock counts that a touch starts: never from before the lead (RELIABILITY row 20)."""
    return at if timing.history else max(at, lead.received_at)


def _starting(
    lead: Lead, begins: set[str], at: datetime, timing: Timing, *, now: datetime | None = None
) -> tuple[Happening, ...]:
    """Return the clocks of the rules that start with one of ``begins``; where ``now`` is given, with grace by then."""
    return tuple(
        schedule.start(
            timing.policy,
            rule,
            timing.calendar,
            at=at,
            episode=lead.next_episode(rule.name),
            not_before=_grace(rule, at, timing, now) if now else None,
            dormant=timing.history,
        )
        for rule in timing.policy.rules
        if rule.starts in begins
    )


def _grace(rule: Rule, at: datetime, timing: Timing, now: datetime) -> datetime | None:
    is_overdue = schedule.count(rule, timing.calendar, at).due_at <= now and not timing.history
    return timing.calendar.due(now, GRACE) if is_overdue else None


def advance(lead: Lead, change: Happening, *, timing: Timing, now: datetime | None = None) -> tuple[Happening, ...]:
    """Return a stage change with what it means for the clocks: the old stage's met, the new one's started.

    A clock that asks for something else of the stage that is left is asked no more. ``now`` is when we learned of it.
    """
    at, stage = change.occurred_at, change.facts["to"]
    met, corrected = clock.meet(lead.clocks, "stage", at, of=stage)
    answered = {(each.facts["rule"], each.facts["episode"]) for each in met}
    left = [each for each in lead.clocks if (each.rule, each.episode) not in answered]
    return (
        change,
        *met,
        *retract(corrected, now or at, by="stage"),
        *_superseded(replace(lead, clocks=tuple(left)), STAGED, at),
        *_starting(lead, set(_entering(stage)), at, timing),
    )


def _entering(stage: str) -> tuple[str, str]:
    return STAGED, f"{STAGED}:{stage}"


def _superseded(lead: Lead, begun_by: str, at: datetime) -> tuple[Happening, ...]:
    """Return the end of the clocks that such a change had started, and that the next one leaves behind."""
    former = [each for each in lead.clocks if each.starts.partition(":")[0] == begun_by and each.started_at < at]
    return clock.cancel(former, at, "superseded")


def close(lead: Lead, closed: Happening) -> tuple[Happening, ...]:
    """Return `lead.closed` with the cancelling of every clock that still owes an answer."""
    return (closed, *clock.cancel(lead.clocks, closed.occurred_at, closed.facts["outcome"]))


def reopen(lead: Lead, reopened: Happening, *, timing: Timing, pinned: Pinned) -> tuple[Happening, ...]:
    """Return `lead.reopened` with what the lead still owed when it was closed, each as a new episode that goes on.

    The closed span does not count, and nobody is told twice: closing and reopening wins no time and forgives nothing.
    Rules that start with a reopening ask afresh.
    """
    at = reopened.occurred_at
    closed = (lead.stage_at, cut(at))
    owed = {each.rule: each for each in lead.clocks if each.state == "cancelled" and each.cancelled_at == lead.stage_at}
    happenings: list[Happening] = [reopened]
    for former in owed.values():
        begun = again(lead, former, closed, pinned)
        if begun is not None:
            happenings += (begun, *clock.recall(former, clock.started(begun.facts, begun.occurred_at), at))
    return (*happenings, *_starting(lead, {REOPENED}, at, timing))


def again(lead: Lead, former: Clock, resting: tuple[datetime, datetime], pinned: Pinned) -> Happening | None:
    """Return the next episode of a clock that rested; None where its pinned version has no such rule."""
    timing = pinned(former)
    rule = timing.policy.rule(former.rule)
    if rule is None:
        return None
    episode = lead.next_episode(former.rule)
    return schedule.again(timing.policy, rule, timing.calendar, clock=former, episode=episode, resting=resting)


def recount(lead: Lead, estimated: Clock, *, pinned: Timing, now: datetime) -> tuple[Happening, ...]:
    """Return what today's calendar changes of a clock that an unpublished year had been guessed for.

    A running clock gets its new times. A breach that lies ahead after all was none: it is cancelled as such, and the
    clock goes on as a new episode. An answer that had seemed late, and was not, is judged again. Alerts are retracted.
    """
    rule = pinned.policy.rule(estimated.rule)
    if rule is None or estimated.dormant:
        return ()
    rebased = schedule.rebase(estimated, pinned.policy, rule, pinned.calendar, at=now, why="calendar")
    if rebased is not None:
        return (rebased,)
    due_at = schedule.count(rule, pinned.calendar, estimated.started_at, estimated.pauses).due_at
    if estimated.state != "breached" or due_at <= (estimated.met_at or now):
        return ()
    retracted = retract((estimated,), now, by="calendar")
    if estimated.met_at is not None and due_at >= estimated.met_at:
        return (schedule.judged_again(estimated, pinned.policy, rule, pinned.calendar, at=now), *retracted)
    begun = schedule.start(
        pinned.policy,
        rule,
        pinned.calendar,
        at=estimated.started_at,
        episode=lead.next_episode(estimated.rule),
        pauses=estimated.pauses,
    )
    return (*clock.void((estimated,), now, RECOUNTED), begun, *retracted)
