"""Schedules: when a clock is due, is warned of and reaches its levels, by a policy's rule and a calendar.

Every function returns an event that carries the whole schedule (``due_at``, ``warn_at``, ``levels``, ``certainty``,
``pauses``), so that folding a trail needs no calendar, and changing a policy never rewrites what was promised. Limits
are the brief's: 2 business hours for the first response, 72 hours for the second touch, 5 working days without
progress.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from leadtrail.domain.clock import SYSTEM, Clock
from leadtrail.domain.instant import cut, to_text
from leadtrail.domain.policy import Distance, Policy, Rule
from leadtrail.domain.span import Span, merged
from leadtrail.domain.trail import Happening
from leadtrail.domain.worktime import Counted, WorkCalendar

GRACE = timedelta(hours=1)  # of business time, for what a late truth made overdue at once (DESIGN section 5)
Why = Literal["calendar", "policy", "owner", "leave"]


def start(
    policy: Policy,
    rule: Rule,
    calendar: WorkCalendar,
    *,
    at: datetime,
    episode: int,
    not_before: datetime | None = None,
    dormant: bool = False,
    pauses: Iterable[Span] = (),
) -> Happening:
    """Return `clock.started` for a clock that runs from ``at``, but for its ``pauses``.

    ``not_before`` is the earliest due time: a second-touch clock that a late first touch moves into
    the past is due one business hour from now at the earliest (DESIGN section 5).
    """
    facts: dict[str, Any] = {
        "rule": rule.name,
        "episode": episode,
        "policy": policy.name,
        "policy_version": policy.version,
        "starts": rule.starts,
        "meets": list(rule.meets),
        **_times(rule, calendar, at, pauses, not_before),
    }
    if dormant:
        facts["dormant"] = True
    return Happening("clock.started", at, SYSTEM, facts)


def again(
    policy: Policy, rule: Rule, calendar: WorkCalendar, *, clock: Clock, episode: int, resting: Span
) -> Happening:
    """Return `clock.started` for a new episode that goes on with ``clock`` as though ``resting`` had been a pause.

    What was left of an hour of grace goes on, too, where the clock keeps the version that it was started under; and so
    does a pause that lasts beyond ``resting``.
    """
    is_pinned = (clock.policy, clock.policy_version) == (policy.name, policy.version)
    spans = (*clock.pauses, resting)
    begun = start(
        policy,
        rule,
        calendar,
        at=clock.started_at,
        episode=episode,
        not_before=_put_off(clock, rule, calendar, resting) if is_pinned else None,
        dormant=clock.dormant,
        pauses=spans,
    )
    return replace(begun, facts={**begun.facts, **_resting(spans, resting[1])})


def pause(
    clock: Clock,
    rule: Rule,
    calendar: WorkCalendar,
    *,
    at: datetime,
    until: datetime,
    reason: str,
    since: datetime | None = None,
) -> Happening:
    """Return `clock.paused`: time from ``since`` (``at``, where nothing is said) to ``until`` does not count.

    ``reason`` is a word of our own; what people write goes into the event's text.
    """
    span = (since or at, until)
    spans = (*clock.pauses, span)
    facts = _times(rule, calendar, clock.started_at, spans, _put_off(clock, rule, calendar, span))
    return _rescheduled("clock.paused", clock, at, {"reason": reason, "until": to_text(cut(until)), **facts})


def resume(clock: Clock, rule: Rule, calendar: WorkCalendar, *, at: datetime) -> Happening:
    """Return `clock.resumed` for a pause that ends at ``at``, before its time."""
    spans = [(since, min(until, at)) for since, until in clock.pauses if since < at]
    times = _times(rule, calendar, clock.started_at, spans, _called_back(clock, rule, calendar, at))
    return _rescheduled("clock.resumed", clock, at, times)


def rebase(
    clock: Clock,
    policy: Policy,
    rule: Rule,
    calendar: WorkCalendar,
    *,
    at: datetime,
    why: Why,
    pauses: Iterable[Span] | None = None,
) -> Happening | None:
    """Return `clock.rebased` for a clock that nobody is late with yet, where its times change; else None.

    ``why``: a year of the calendar was published, the policy was changed, the owner or the owner's leave did. What
    the new count moves into the past is due one business hour from ``at`` at the earliest, and what had such an hour
    keeps it.
    """
    is_pinned = (clock.policy, clock.policy_version) == (policy.name, policy.version)
    if clock.state not in ("running", "paused") or (why == "policy" and is_pinned):
        return None
    spans = clock.pauses if pauses is None else tuple(pauses)
    counted = count(rule, calendar, clock.started_at, spans)
    not_before = calendar.due(at, GRACE) if counted.due_at <= at and counted.due_at < clock.due_at else None
    if rule.measure == "natural" and is_pinned and counted.due_at < clock.due_at:
        not_before = clock.due_at
    times = _times(rule, calendar, clock.started_at, spans, not_before)
    if is_pinned and times == _known(clock):
        return None
    facts = {"why": why, "policy": policy.name, "policy_version": policy.version, "due_before": to_text(clock.due_at)}
    return _rescheduled("clock.rebased", clock, at, facts | times | _resting(spans, at))


def move_back(clock: Clock, rule: Rule, calendar: WorkCalendar, *, at: datetime, start_at: datetime) -> Happening:
    """Return `clock.rebased` for a clock that began at ``start_at``; it is due an hour from ``at`` at the earliest."""
    is_overdue = count(rule, calendar, start_at, clock.pauses).due_at <= at
    times = _times(rule, calendar, start_at, clock.pauses, calendar.due(at, GRACE) if is_overdue else None)
    facts = {"why": "touch", "started_at": to_text(cut(start_at)), "due_before": to_text(clock.due_at)}
    return _rescheduled("clock.rebased", clock, at, facts | times | _resting(clock.pauses, at))


def judged_again(clock: Clock, policy: Policy, rule: Rule, calendar: WorkCalendar, *, at: datetime) -> Happening:
    """Return `clock.rebased` for a clock that was answered, by the times that a published calendar gives it."""
    known = {"why": "calendar", "policy": policy.name, "policy_version": policy.version}
    times = _times(rule, calendar, clock.started_at, clock.pauses, None)
    return _rescheduled("clock.rebased", clock, at, {**known, "due_before": to_text(clock.due_at), **times})


def count(rule: Rule, calendar: WorkCalendar, at: datetime, pauses: Iterable[Span] = ()) -> Counted:
    """Return the due time of ``rule`` from ``at``, pauses left out, with the segments that were counted."""
    if rule.measure == "working_days":
        return calendar.due_days_counted(at, rule.days, pauses)
    if rule.measure == "business":
        return calendar.due_counted(at, rule.budget, pauses)
    return Counted(_natural_due(at, rule.budget, pauses), (), "published")


def _rescheduled(kind: str, clock: Clock, at: datetime, facts: dict[str, Any]) -> Happening:
    return Happening(kind, at, SYSTEM, {"rule": clock.rule, "episode": clock.episode, **facts})


def _resting(pauses: Iterable[Span], at: datetime) -> dict[str, str]:
    """Return until when a clock rests at ``at``, as a fact; nothing where no pause holds it up."""
    until = next((until for since, until in merged(pauses) if since <= at < until), None)
    return {"until": to_text(cut(until))} if until else {}


def _times(
    rule: Rule, calendar: WorkCalendar, at: datetime, pauses: Iterable[Span], not_before: datetime | None
) -> dict[str, Any]:
    """Return a whole schedule as facts."""
    spans = merged((cut(since), cut(until)) for since, until in pauses)  # what is counted is what is kept
    counted = count(rule, calendar, at, spans)
    due_at = max(counted.due_at, not_before) if not_before else counted.due_at
    warn_at = None if due_at != counted.due_at else _warning(rule, calendar, at, due_at, spans)
    steps = sorted(
        ((_after(calendar, due_at, level.after, spans), level.to) for level in rule.levels), key=lambda step: step[0]
    )
    times: dict[str, Any] = {
        "due_at": to_text(due_at),
        "certainty": counted.certainty,
        "levels": [{"level": n, "to": to, "at": to_text(at_)} for n, (at_, to) in enumerate(steps, start=1)],
    }
    if warn_at:
        times["warn_at"] = to_text(warn_at)
    if spans:
        times["pauses"] = [[to_text(since), to_text(until)] for since, until in spans]
    return times


def _known(clock: Clock) -> dict[str, Any]:
    """Return a clock's schedule as `_times` would say it."""
    times: dict[str, Any] = {
        "due_at": to_text(clock.due_at),
        "certainty": clock.certainty,
        "levels": [{"level": step.level, "to": step.to, "at": to_text(step.at)} for step in clock.steps],
    }
    if clock.warn_at:
        times["warn_at"] = to_text(clock.warn_at)
    if clock.pauses:
        times["pauses"] = [[to_text(since), to_text(until)] for since, until in clock.pauses]
    return times


def _natural_due(at: datetime, budget: timedelta, pauses: Iterable[Span]) -> datetime:
    """Return when natural time has run out; as in working time, one that runs out as a pause begins is due then."""
    due_at = at + budget
    for since, until in merged(pauses):
        if at < until and since < due_at:
            due_at += until - max(since, at)
    return due_at


def _warning(
    rule: Rule, calendar: WorkCalendar, at: datetime, due_at: datetime, pauses: Sequence[Span]
) -> datetime | None:
    if rule.warn_at is None:
        return None
    if rule.measure == "natural":
        return _natural_due(at, rule.budget * rule.warn_at, pauses)
    return calendar.due(at, calendar.elapsed(at, due_at, pauses) * rule.warn_at, pauses)


def _after(calendar: WorkCalendar, breach: datetime, distance: Distance, pauses: Sequence[Span]) -> datetime:
    if distance.days:
        return calendar.due_days(breach, distance.days, pauses)
    return calendar.due(breach, distance.time, pauses) if distance.time > timedelta(0) else breach


def _put_off(clock: Clock, rule: Rule, calendar: WorkCalendar, resting: Span) -> datetime | None:
    """Return until when a clock with an hour of grace (`start`) is put off once ``resting`` does not count."""
    counted = count(rule, calendar, clock.started_at, clock.pauses)
    if clock.due_at <= counted.due_at:
        return None
    since, until = resting
    if clock.due_at <= since:
        return clock.due_at
    return calendar.due(until, calendar.elapsed(since, clock.due_at, clock.pauses))


def _called_back(clock: Clock, rule: Rule, calendar: WorkCalendar, at: datetime) -> datetime | None:
    """Return until when a clock with an hour of grace is put off once its pause ends at ``at`` already."""
    counted = count(rule, calendar, clock.started_at, clock.pauses)
    resting = next((span for span in clock.pauses if span[0] <= at < span[1]), None)
    if clock.due_at <= counted.due_at or resting is None:
        return None
    since, until = resting
    return (
        clock.due_at if clock.due_at <= since else calendar.due(at, calendar.elapsed(until, clock.due_at, clock.pauses))
    )
