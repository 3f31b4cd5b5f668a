"""Withdrawing a touch that was recorded by mistake: what it had answered is owed again, by what else happened.

The event stays on the trail, and so do the answers that it gave; `touch.withdrawn` names them, and the fold leaves them
out (as it does a merge that was split). Whether another touch answers instead is decided here, once. Breaches that had
been recorded stand; an alert that was retracted for that touch is true again, and nobody is told twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from leadtrail.domain import clock as clocks_of
from leadtrail.domain import lead as leads_of
from leadtrail.domain import lifecycle, merging
from leadtrail.domain import trail as trails
from leadtrail.domain.clock import FIRST_TOUCH, WITHDRAWN, Clock
from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.instant import from_text
from leadtrail.domain.lead import BACKDATED, Lead
from leadtrail.domain.lifecycle import Timing
from leadtrail.domain.merging import Instruction, Told
from leadtrail.domain.trail import Event, Happening

_FOLLOWS = ("clock.met", "clock.breached", "clock.cancelled", "alert.retracted", "clock.started")
ANSWER, BEGUN, SUPERSEDED = "clock.met", "clock.started", "superseded"


def withdraw(told: Told, seq: int, said: Instruction, *, timing: Timing) -> tuple[Happening, ...]:
    """Return `touch.withdrawn` for the touch at ``seq`` with what the clocks owe once it never was.

    ``timing`` is the policy that a new clock would pin now.

    Raises:
        InvalidInputError: there is no such touch, or it was withdrawn already.
    """
    touched = _touch(told.events, seq)
    followed = _followed(told.events, touched)
    begun = {_key(event) for event in followed if event.kind == BEGUN}
    undoes = [seq, *(event.seq for event in told.events if _is_undone(event, followed, begun))]
    if not any(touch.at > touched.occurred_at for touch in _remaining(told.events, undoes)):
        undoes += [event.seq for event in followed if event.facts.get("why") == SUPERSEDED]
    withdrawn = Happening(
        "touch.withdrawn", said.now, said.actor, {"touch": seq, "undoes": undoes}, {"reason": said.reason}
    )
    after = _without(told, withdrawn, said.now)
    owed = {_key(event) for event in followed if event.kind == ANSWER}
    ended = [clock for clock in after.clocks if _key_of(clock) in begun]
    if not after.is_open:
        again = [clock for clock in after.clocks if _key_of(clock) in owed]
        cancelled = clocks_of.cancel(again, after.stage_at, after.status)
        return (withdrawn, *clocks_of.void(ended, said.now, WITHDRAWN), *cancelled)
    remaining = _remaining(told.events, undoes)
    answered, corrected = _answered([clock for clock in after.clocks if _key_of(clock) in owed], remaining)
    started = _second_touch(after, remaining, timing, said.now) if begun else ()
    return (
        withdrawn,
        *clocks_of.void(ended, said.now, WITHDRAWN),
        *answered,
        *lifecycle.retract(corrected, said.now, by="touch"),
        *started,
    )


def _touch(events: Sequence[Event], seq: int) -> Event:
    found = next((event for event in events if event.seq == seq and event.kind == "touch.recorded"), None)
    if found is None:
        raise InvalidInputError("seq", "没有这条跟进记录")
    if any(event.kind == "touch.withdrawn" and event.facts["touch"] == seq for event in events):
        raise InvalidInputError("seq", "这条跟进已经撤回")
    return found


def _followed(events: Sequence[Event], touched: Event) -> list[Event]:
    """Return what followed from a touch: the clocks' events behind it that were written with it (`lifecycle.touch`)."""
    found: list[Event] = []
    for event in events[touched.seq :]:
        if event.recorded_at != touched.recorded_at or event.kind not in _FOLLOWS:
            break
        found.append(event)
    return found


def _is_undone(event: Event, followed: Sequence[Event], begun: set[tuple[str, int]]) -> bool:
    """Answers that the touch gave go, and so do those that were given to clocks which only it had started."""
    return event.kind == ANSWER and (event in followed or _key(event) in begun)


def _without(told: Told, withdrawn: Happening, now: datetime) -> Lead:
    """Return the lead as the trail tells it once the touch is withdrawn, before anything follows from that."""
    lead, bare = told.lead, [replace(withdrawn, text=None)]
    added = trails.append(bare, lead_id=lead.lead_id, seq=lead.seq, head=lead.head, recorded_at=now, salt=b"")
    return leads_of.fold((*told.events, *added))


def _answered(clocks: Sequence[Clock], touches: Sequence[_Touch]) -> tuple[tuple[Happening, ...], tuple[Clock, ...]]:
    """Return what touches answer of the clocks: each by the first that came after it had begun."""
    waiting = {_key_of(clock): clock for clock in clocks}
    happenings: tuple[Happening, ...] = ()
    corrected: tuple[Clock, ...] = ()
    for touch in touches:
        asking = [clock for clock in waiting.values() if touch.at >= clock.started_at - BACKDATED]
        met, late = clocks_of.meet(asking, "touch", touch.at, of=touch.kind)
        happenings, corrected = (*happenings, *met), (*corrected, *late)
        for happening in met:
            if happening.kind == ANSWER:
                waiting.pop((happening.facts["rule"], happening.facts["episode"]), None)
    return happenings, corrected


def _second_touch(after: Lead, touches: Sequence[_Touch], timing: Timing, now: datetime) -> tuple[Happening, ...]:
    """Start from the first of the remaining touches the clocks that a first touch starts, and answer them."""
    if not touches:
        return ()
    started = [
        each
        for each in lifecycle.after_touch(replace(after, first_touch_at=None), touches[0].at, timing, now)
        if each.kind == BEGUN and each.facts["starts"] == FIRST_TOUCH
    ]
    begun = [clocks_of.started(each.facts, each.occurred_at) for each in started]
    return (*started, *_answered(begun, touches[1:])[0])


@dataclass(frozen=True, slots=True)
class _Touch:
    """An effective touch: when, and of which kind (empty where a merge brought it)."""

    at: datetime
    kind: str


def _remaining(events: Sequence[Event], undoes: Sequence[int]) -> list[_Touch]:
    """Return the effective touches that stand, the oldest first."""
    left = [event for event in events if event.seq not in undoes]
    kinds = {
        from_text(event.facts["effective_at"]): event.facts["touch"]
        for event in left
        if event.kind == "touch.recorded" and event.facts["effective"]
    }
    return [_Touch(at, kinds.get(at, "")) for at in merging.touches(left)]


def _key(event: Event) -> tuple[str, int]:
    return event.facts["rule"], event.facts["episode"]


def _key_of(clock: Clock) -> tuple[str, int]:
    return clock.rule, clock.episode
