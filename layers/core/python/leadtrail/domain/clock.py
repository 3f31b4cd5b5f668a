"""Response clocks: what each stands at, when it next wants to be woken, who is late, and what answers it.

Pure functions over values; the caller brings the time. Due time, warning and levels are computed by
`schedule` from the pinned policy version, and stand in the event that starts, pauses, resumes or rebases
a clock, so that folding a trail needs no calendar.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from leadtrail.domain.instant import from_text, to_text
from leadtrail.domain.span import Span
from leadtrail.domain.trail import Facts, Happening

SYSTEM = "system:clock"
WARNING = 0  # the level of a warning before the breach; levels after it count from 1
OPEN_STATES = ("running", "paused", "breached")
RESCHEDULED = ("clock.paused", "clock.resumed", "clock.rebased")
RECOUNTED, WITHDRAWN = "recounted", "withdrawn"  # why a clock is cancelled that should not have been late, or not run
FIRST_TOUCH, EVERY_TOUCH = "touch.first", "touch.every"


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
    clock (history import) wakes nothing. ``pauses`` are the spans that do not count, in order and apart;
    while one of them holds the clock up, ``paused_until`` is its end. A clock that turned out to have begun earlier
    had begun at ``moved_from``: what happens to it stands behind that on the trail.
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
    paused_until: datetime | None = None
    cancelled_at: datetime | None = None
    moved_from: datetime | None = None

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
        if self.paused_until:
            return self.paused_until
        if self.state == "running":
            return self.warn_at if self.warn_at and not self.warned else self.due_at
        following = (step.at for step in self.steps if step.level > self.level)
        return next(following, None)


def started(facts: Facts, at: datetime) -> Clock:
    """Read `clock.started` back into a running clock, or one that an earlier pause still holds up."""
    until = from_text(facts["until"]) if "until" in facts else None
    return Clock(
        rule=facts["rule"],
        episode=int(facts["episode"]),
        policy=facts["policy"],
        policy_version=int(facts["policy_version"]),
        started_at=at,
        due_at=from_text(facts["due_at"]),
        warn_at=_warning(facts),
        steps=_steps(facts),
        starts=facts["starts"],
        meets=tuple(facts["meets"]),
        certainty=facts["certainty"],
        dormant=bool(facts.get("dormant", False)),
        pauses=_pauses(facts),
        state="paused" if until else "running",
        paused_until=until,
    )


def _warning(facts: Facts) -> datetime | None:
    return from_text(facts["warn_at"]) if "warn_at" in facts else None


def _steps(facts: Facts) -> tuple[Step, ...]:
    return tuple(Step(int(step["level"]), step["to"], from_text(step["at"])) for step in facts["levels"])


def _pauses(facts: Facts) -> tuple[Span, ...]:
    return tuple((from_text(since), from_text(until)) for since, until in facts.get("pauses", ()))


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
        at = from_text(facts["met_at"]) if "met_at" in facts else at
        return _judged(replace(clock, met_at=min(at, clock.met_at) if clock.met_at else at, paused_until=None))
    if kind in RESCHEDULED and clock.state != "cancelled":
        return _rescheduled(clock, at, facts)
    if kind == "clock.cancelled" and clock.met_at is None:
        was_wrong = facts.get("why") in (RECOUNTED, WITHDRAWN)
        breached_at = None if was_wrong else clock.breached_at
        return replace(clock, state="cancelled", cancelled_at=at, paused_until=None, breached_at=breached_at)
    if kind == "clock.woken":
        return replace(clock, dormant=False)
    return clock


def _judged(clock: Clock) -> Clock:
    """Return a clock that was answered with what that answer is worth by its due time."""
    return replace(clock, state="met", breached_at=None) if _met_in_time(clock) else _broken(clock)


def _rescheduled(clock: Clock, at: datetime, facts: Facts) -> Clock:
    """Return the clock with another schedule.

    A pause that has simply ended (`clock.resumed` without a schedule) leaves the times as they are.
    """
    until = from_text(facts["until"]) if "until" in facts else None
    if "due_at" in facts:
        clock = replace(
            clock,
            started_at=from_text(facts["started_at"]) if "started_at" in facts else clock.started_at,
            moved_from=clock.moved_from or clock.started_at if "started_at" in facts else clock.moved_from,
            due_at=from_text(facts["due_at"]),
            warn_at=_warning(facts),
            steps=_steps(facts),
            certainty=facts["certainty"],
            pauses=_pauses(facts),
            policy=facts.get("policy", clock.policy),
            policy_version=int(facts.get("policy_version", clock.policy_version)),
        )
    if clock.met_at is not None:
        return _judged(clock)
    if clock.state == "breached":
        return replace(clock, breached_at=clock.due_at, paused_until=until)
    is_warned = clock.warned and (clock.warn_at is None or clock.warn_at <= at)
    return replace(clock, state="paused" if until else "running", paused_until=until, warned=is_warned)


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
    a warning that nobody sent. A pause that has ended is over first.
    """
    if clock.wakes_at is None or clock.wakes_at > now:
        return (), None
    rested, clock = rest(clock, now)
    happenings = list(rested)
    if clock.wakes_at is None or clock.wakes_at > now:
        return rested, None
    if clock.state == "running" and now < clock.due_at:
        warned = _happening("clock.warned", clock, clock.warn_at or now)
        return (*happenings, warned), Notice(clock, WARNING, clock.steps[0].to, clock.warn_at or now)
    if clock.state == "running":
        happenings.append(_happening("clock.breached", clock, clock.due_at))
    passed = [step for step in clock.steps if clock.level < step.level and step.at <= now]
    happenings += [_happening("clock.escalated", clock, step.at, level=step.level, to=step.to) for step in passed]
    notice = Notice(clock, passed[-1].level, passed[-1].to, passed[-1].at) if passed else None
    return tuple(happenings), notice


def rest(clock: Clock, now: datetime) -> tuple[tuple[Happening, ...], Clock]:
    """Return `clock.resumed` for a pause that is over by ``now``, at its end, and the clock after it."""
    if clock.paused_until is None or clock.paused_until > now:
        return (), clock
    resumed = _happening("clock.resumed", clock, clock.paused_until)
    return (resumed,), apply(clock, resumed.kind, resumed.occurred_at, resumed.facts)


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


def meet(
    clocks: Iterable[Clock], what: str, at: datetime, *, of: str = "", first: datetime | None = None
) -> tuple[tuple[Happening, ...], tuple[Clock, ...]]:
    """Return `clock.met` for every clock that ``what`` (touch or stage) answers at ``at``, and the corrected ones.

    ``of`` is the kind of touch, or the stage entered: a rule may ask for ``touch:meeting`` only. ``first`` is the first
    touch known, which may lie before the clock that it began. An answer that is older than the one known counts as
    well. See `answered`.
    """
    said = {what, f"{what}:{of}"}
    asking = [clock for clock in clocks if not said.isdisjoint(clock.meets) and _answers(clock, at, first)]
    return answered(asking, what, at)


def met_after_all(
    clocks: Iterable[Clock], what: str, at: datetime, *, of: str
) -> tuple[tuple[Happening, ...], tuple[Clock, ...]]:
    """Return `clock.met` for clocks that were late when they were cancelled, and had been answered in time."""
    said = {what, f"{what}:{of}"}
    late = [
        each for each in clocks if each.state == "cancelled" and each.breached_at and not said.isdisjoint(each.meets)
    ]
    wronged = tuple(each for each in late if _answers(each, at, None) and max(at, each.started_at) <= each.due_at)
    met = (_happening("clock.met", each, max(at, each.started_at), by=what) for each in wronged)
    return tuple(met), wronged


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
        happenings += missed(clock, met_at)
        behind = clock.moved_from or met_at
        moved = {"met_at": to_text(met_at)} if behind > met_at else {}
        happenings.append(_happening("clock.met", clock, max(met_at, behind), by=what, **moved))
        if clock.state == "breached" and met_at <= clock.due_at:
            corrected.append(clock)
    return tuple(happenings), tuple(corrected)


def _answers(clock: Clock, at: datetime, first: datetime | None) -> bool:
    """A call that itself brought the lead in answers it; a second touch comes after the first, progress not before."""
    if clock.starts == "lead.received":
        return True
    if clock.starts == FIRST_TOUCH:
        return at > min(first or clock.started_at, clock.started_at)
    return at > clock.started_at if clock.starts == EVERY_TOUCH else at >= clock.started_at


def missed(clock: Clock, at: datetime) -> tuple[Happening, ...]:
    """Return the breach of a clock that is late by ``at``, and that no sweep has looked at yet."""
    is_unseen = clock.state in ("running", "paused") and at > clock.due_at
    return (_happening("clock.breached", clock, clock.due_at),) if is_unseen else ()


def cancel(clocks: Iterable[Clock], at: datetime, why: str) -> tuple[Happening, ...]:
    """Return `clock.cancelled` for every clock that still owes an answer, behind the breaches that came before it."""
    return tuple(
        happening
        for clock in clocks
        if clock.is_open
        for happening in (*missed(clock, at), _happening("clock.cancelled", clock, at, why=why))
    )


def void(clocks: Iterable[Clock], at: datetime, why: str) -> tuple[Happening, ...]:
    """Return `clock.cancelled` for clocks that should never have run, or not so: no breach of theirs counts."""
    return tuple(_happening("clock.cancelled", clock, at, why=why) for clock in clocks)


def _happening(kind: str, clock: Clock, at: datetime, **facts: Any) -> Happening:
    return Happening(kind, at, SYSTEM, {"rule": clock.rule, "episode": clock.episode, **facts})
