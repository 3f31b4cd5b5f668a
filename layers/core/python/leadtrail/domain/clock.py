"""Response clocks: how long a rep may take, when each clock next wants to be woken, and who is late.

Pure functions over values; the caller brings the time. A clock is fixed when it starts: due time,
warning and levels are computed from the pinned policy version and stand in its `clock.started`
event, so that folding a trail needs no calendar. Limits are the brief's: 2 business hours for the
first response, 72 hours for the second touch, 5 working days without progress.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from leadtrail.domain.instant import cut, from_text, to_text
from leadtrail.domain.policy import Distance, Policy, Rule
from leadtrail.domain.span import Span, merged
from leadtrail.domain.trail import Facts, Happening
from leadtrail.domain.worktime import Counted, WorkCalendar

SYSTEM = "system:clock"
WARNING = 0  # the level of a warning before the breach; levels after it count from 1
OPEN_STATES = ("running", "paused", "breached")


@dataclass(frozen=True, slots=True)
class Step:
    """One level of escalation of one clock: who is told from instant ``at`` (aware UTC) on."""

    level: int
    to: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """A promise with a deadline; every instant is aware UTC.

    ``state``: running, paused, met, breached or cancelled. A breached clock that was answered late
    stays breached and has ``met_at``. ``level`` is the highest level recorded so far. A dormant
    clock (history import) wakes nothing. ``pauses`` are the spans that do not count, in order and apart.
    """

    rule: str
    episode: int
    policy: str
    policy_version: int
    started_at: datetime
    due_at: datetime
    warn_at: datetime | None
    steps: tuple[Step, ...]
    starts: str = "lead.received"
    meets: tuple[str, ...] = ("touch",)
    certainty: str = "published"
    state: str = "running"
    warned: bool = False
    level: int = 0
    breached_at: datetime | None = None
    met_at: datetime | None = None
    dormant: bool = False
    pauses: tuple[Span, ...] = ()

    @property
    def key(self) -> str:
        """Rule and episode: what tells the clocks of one lead apart."""
        return f"{self.rule}#{self.episode}"

    @property
    def is_open(self) -> bool:
        """True while an answer is still owed."""
        return self.state in OPEN_STATES and self.met_at is None

    @property
    def is_late(self) -> bool:
        """True while the promise is broken and nobody has answered yet."""
        return self.state == "breached" and self.met_at is None

    @property
    def wakes_at(self) -> datetime | None:
        """The one instant at which the sweep has to look at this clock again, or None."""
        if self.dormant or not self.is_open:
            return None
        if self.state == "running":
            return self.warn_at if self.warn_at and not self.warned else self.due_at
        following = (step.at for step in self.steps if step.level > self.level)
        return next(following, None)


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
    spans = merged((cut(since), cut(until)) for since, until in pauses)  # what is counted is what is kept
    counted = count(rule, calendar, at, spans)
    due_at = max(counted.due_at, not_before) if not_before else counted.due_at
    warn_at = None if due_at != counted.due_at else _warning(rule, calendar, at, due_at, spans)
    steps = sorted(
        ((_after(calendar, due_at, level.after, spans), level.to) for level in rule.levels), key=lambda step: step[0]
    )
    facts: dict[str, Any] = {
        "rule": rule.name,
        "episode": episode,
        "policy": policy.name,
        "policy_version": policy.version,
        "due_at": to_text(due_at),
        "starts": rule.starts,
        "meets": list(rule.meets),
        "certainty": counted.certainty,
        "levels": [{"level": n, "to": to, "at": to_text(at_)} for n, (at_, to) in enumerate(steps, start=1)],
    }
    if warn_at:
        facts["warn_at"] = to_text(warn_at)
    if dormant:
        facts["dormant"] = True
    if spans:
        facts["pauses"] = [[to_text(since), to_text(until)] for since, until in spans]
    return Happening("clock.started", at, SYSTEM, facts)


def count(rule: Rule, calendar: WorkCalendar, at: datetime, pauses: Iterable[Span] = ()) -> Counted:
    """Return the due time of ``rule`` from ``at``, pauses left out, with the segments that were counted."""
    if rule.measure == "working_days":
        return calendar.due_days_counted(at, rule.days, pauses)
    if rule.measure == "business":
        return calendar.due_counted(at, rule.budget, pauses)
    return Counted(_natural_due(at, rule.budget, pauses), (), "published")


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


def started(facts: Facts, at: datetime) -> Clock:
    """Read `clock.started` back into a running clock."""
    return Clock(
        rule=facts["rule"],
        episode=int(facts["episode"]),
        policy=facts["policy"],
        policy_version=int(facts["policy_version"]),
        started_at=at,
        due_at=from_text(facts["due_at"]),
        warn_at=from_text(facts["warn_at"]) if "warn_at" in facts else None,
        steps=tuple(Step(int(s["level"]), s["to"], from_text(s["at"])) for s in facts["levels"]),
        starts=facts["starts"],
        meets=tuple(facts["meets"]),
        certainty=facts["certainty"],
        dormant=bool(facts.get("dormant", False)),
        pauses=tuple((from_text(since), from_text(until)) for since, until in facts.get("pauses", ())),
    )


def apply(clock: Clock, kind: str, at: datetime, facts: Facts) -> Clock:
    """Fold one event of this clock into it; ``at`` is the event's occurred_at.

    The order of a breach and an answer does not matter: an answer that happened by the due time
    makes the clock met, whenever we learned of it.
    """
    if kind == "clock.warned":
        return replace(clock, warned=True)
    if kind == "clock.breached":
        return _broken(clock)
    if kind == "clock.escalated":
        return replace(clock, level=max(clock.level, int(facts["level"])))
    if kind == "clock.met":
        met_at = min(at, clock.met_at) if clock.met_at else at
        clock = replace(clock, met_at=met_at)
        return replace(clock, state="met", breached_at=None) if _met_in_time(clock) else _broken(clock)
    if kind == "clock.cancelled" and clock.met_at is None:
        return replace(clock, state="cancelled")
    if kind == "clock.woken":
        return replace(clock, dormant=False)
    return clock


def _broken(clock: Clock) -> Clock:
    """Return the clock with its promise broken, unless that was corrected or nobody owes an answer any more."""
    if _met_in_time(clock) or clock.state == "cancelled":
        return clock
    return replace(clock, state="breached", breached_at=clock.due_at)


def _met_in_time(clock: Clock) -> bool:
    return clock.met_at is not None and clock.met_at <= clock.due_at


@dataclass(frozen=True, slots=True)
class Notice:
    """Somebody must be told: a clock of this lead reached a level (0: a warning)."""

    clock: Clock
    level: int
    to: str
    at: datetime


def wake(clock: Clock, now: datetime) -> tuple[tuple[Happening, ...], Notice | None]:
    """Return what became true of ``clock`` by ``now``, each at its own instant, and the one notice.

    A late sweep records every level that has passed and tells the highest only. A breach supersedes
    a warning that nobody sent.
    """
    if clock.wakes_at is None or clock.wakes_at > now:
        return (), None
    happenings = []
    if clock.state == "running" and now < clock.due_at:
        warned = _happening("clock.warned", clock, clock.warn_at or now)
        return (warned,), Notice(clock, WARNING, clock.steps[0].to, clock.warn_at or now)
    if clock.state == "running":
        happenings.append(_happening("clock.breached", clock, clock.due_at))
    passed = [step for step in clock.steps if clock.level < step.level and step.at <= now]
    happenings += [_happening("clock.escalated", clock, step.at, level=step.level, to=step.to) for step in passed]
    notice = Notice(clock, passed[-1].level, passed[-1].to, passed[-1].at) if passed else None
    return tuple(happenings), notice


def recall(former: Clock, resumed: Clock, now: datetime) -> tuple[Happening, ...]:
    """Return what was recorded of ``former`` for the clock that goes on with it, so that nobody is told twice.

    What lies ahead of ``now`` on the resumed clock is not recalled: it will be true at its own instant.
    """
    if former.breached_at and resumed.due_at <= now:
        told = [step for step in resumed.steps if step.level <= former.level and step.at <= now]
        levels = [_happening("clock.escalated", resumed, step.at, level=step.level, to=step.to) for step in told]
        return (_happening("clock.breached", resumed, resumed.due_at), *levels)
    if former.warned and resumed.warn_at and resumed.warn_at <= now:
        return (_happening("clock.warned", resumed, resumed.warn_at),)
    return ()


def meet(clocks: Iterable[Clock], what: str, at: datetime) -> tuple[tuple[Happening, ...], tuple[Clock, ...]]:
    """Return `clock.met` for every clock that ``what`` (touch or stage) answers at ``at``, and the corrected ones.

    An answer that is older than the one known counts as well. See `answered`.
    """
    return answered([clock for clock in clocks if what in clock.meets and _answers(clock, at)], what, at)


def answered(clocks: Iterable[Clock], what: str, at: datetime) -> tuple[tuple[Happening, ...], tuple[Clock, ...]]:
    """Return `clock.met` for each of ``clocks`` that has no earlier answer, and the corrected ones.

    A clock is corrected when it had been recorded as breached, and the answer came in time after all. An answer that
    comes late, and before any sweep did, brings the breach onto the trail, and no level: nobody was told of one.
    """
    happenings: list[Happening] = []
    corrected = []
    for clock in clocks:
        met_at = max(at, clock.started_at)  # nothing is answered before it was asked
        if clock.state == "cancelled" or (clock.met_at is not None and clock.met_at <= met_at):
            continue
        happenings += _missed(clock, met_at)
        happenings.append(_happening("clock.met", clock, met_at, by=what))
        if clock.state == "breached" and met_at <= clock.due_at:
            corrected.append(clock)
    return tuple(happenings), tuple(corrected)


def _answers(clock: Clock, at: datetime) -> bool:
    """A call that itself brought the lead in answers it; a second touch comes after the first, progress not before."""
    if clock.starts == "lead.received":
        return True
    return at > clock.started_at if clock.starts == "touch.first" else at >= clock.started_at


def _missed(clock: Clock, at: datetime) -> tuple[Happening, ...]:
    """Return the breach of a clock that is late by ``at``, and that no sweep has looked at yet."""
    is_unseen = clock.state == "running" and at > clock.due_at
    return (_happening("clock.breached", clock, clock.due_at),) if is_unseen else ()


def cancel(clocks: Iterable[Clock], at: datetime, why: str) -> tuple[Happening, ...]:
    """Return `clock.cancelled` for every clock that still owes an answer, behind the breaches that came before it."""
    return tuple(
        happening
        for clock in clocks
        if clock.is_open
        for happening in (*_missed(clock, at), _happening("clock.cancelled", clock, at, why=why))
    )


def _happening(kind: str, clock: Clock, at: datetime, **facts: Any) -> Happening:
    return Happening(kind, at, SYSTEM, {"rule": clock.rule, "episode": clock.episode, **facts})
