"""Merging and splitting leads: two trails of one matter become one, and can become two again.

Each trail keeps its own events, and seals the other's head. The winner's `lead.merged` holds all that its fold needs
of the loser, so that it folds from its own trail alone, and anybody can check it against the loser's trail up to
``other_seq``. A split names the merge that it undoes (by seq), and the fold then leaves that merge out: what came
later stays with the winner, by itself. What the loser owed runs on after a split as though the time between had been
a pause: neither is anything forgiven, nor does anybody win time by merging and splitting.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from leadtrail.domain import clock as clocks_of
from leadtrail.domain import lead as leads_of
from leadtrail.domain import lifecycle, schedule, trail
from leadtrail.domain.clock import FIRST_TOUCH, Clock
from leadtrail.domain.errors import AlreadyMergedError, InvalidInputError, LeadClosedError, NotMergedError
from leadtrail.domain.instant import cut, from_text, to_text
from leadtrail.domain.lead import BACKDATED, MERGED, Lead
from leadtrail.domain.lifecycle import Pinned, Timing
from leadtrail.domain.policy import Rule
from leadtrail.domain.schedule import GRACE
from leadtrail.domain.span import Span
from leadtrail.domain.trail import Event, Happening

TOUCH = "touch"


@dataclass(frozen=True, slots=True)
class Decided:
    """What happens to both leads, each for its own trail; written in one transaction or not at all."""

    winner: tuple[Happening, ...]
    loser: tuple[Happening, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """A lead with its whole trail."""

    lead: Lead
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Instruction:
    """Who merges or splits, when (aware UTC), and why (in their own words)."""

    actor: str
    now: datetime
    reason: str


def ranked(lead: Lead, other: Lead, winner_id: str | None = None) -> tuple[Lead, Lead]:
    """Return winner and loser of a merge: the older lead wins, unless the caller names the winner.

    Raises:
        InvalidInputError: a lead and itself, or a winner that is neither.
        AlreadyMergedError, LeadClosedError: one of them is not open.
    """
    if lead.lead_id == other.lead_id:
        raise InvalidInputError("other", "不能与自己合并")
    if winner_id not in (None, lead.lead_id, other.lead_id):
        raise InvalidInputError("winner", "只能是这两条线索之一")
    for each in (lead, other):
        require_unmerged(each)
        if not each.is_open:
            raise LeadClosedError(lead=each.lead_id)
    winner, loser = sorted((lead, other), key=lambda each: (each.lead_id != winner_id, each.lead_id))
    return winner, loser


def require_unmerged(lead: Lead) -> None:
    """Let a lead pass that stands for itself.

    Raises:
        AlreadyMergedError: it has become part of another.
    """
    if lead.status == MERGED:
        raise AlreadyMergedError(lead=lead.lead_id, merged_into=lead.merged_into)


def merged_pair(lead: Lead, other: Lead) -> tuple[Lead, Lead]:
    """Return winner and loser of a merge that can be undone, whichever comes first.

    Raises:
        NotMergedError: neither has become part of the other.
        AlreadyMergedError: the winner was merged into a third since; that merge is undone first.
    """
    for winner, loser in ((lead, other), (other, lead)):
        if loser.status == MERGED and loser.merged_into == winner.lead_id:
            require_unmerged(winner)
            return winner, loser
    raise NotMergedError


def touches(events: Iterable[Event]) -> dict[datetime, int | None]:
    """Return when somebody reached the person, the first time first, and the merge (its seq) that each came with.

    None is a touch of the lead's own. Of what was merged in, the first and the last are known.
    """
    known = tuple(events)
    undone = _undone(known)
    withdrawn = {event.facts["touch"] for event in known if event.kind == "touch.withdrawn"}
    found: dict[datetime, int | None] = {
        from_text(event.facts["effective_at"]): None
        for event in known
        if event.kind == "touch.recorded" and event.facts["effective"] and event.seq not in withdrawn
    }
    for event in known:
        if event.kind == "lead.merged" and event.seq not in undone and event.facts["absorbed"]["touches"]:
            for end in ("first_touch_at", "last_touch_at"):
                found.setdefault(from_text(event.facts["absorbed"][end]), event.seq)
    return dict(sorted(found.items()))


def _undone(events: Iterable[Event]) -> set[int]:
    return {event.facts["merge"] for event in events if event.kind == "lead.split"}


def merge(winner: Lead, loser: Told, said: Instruction, *, identities: int, timing: Timing) -> Decided:
    """Return what merging means: one lead ends, the other knows what it knew, and is answered by whoever reached it.

    ``identities`` is how many of them go to the winner; ``timing`` is the winner's policy.
    """
    lost = loser.lead
    seq = winner.seq + 1
    merged = _happening(
        "lead.merged",
        said,
        {"other": lost.lead_id, "other_head": lost.head, "other_seq": lost.seq, "identities": identities}
        | {"absorbed": _absorbed(lost)},
    )
    into = _happening(
        "lead.merged_into", said, {"other": winner.lead_id, "other_head": winner.head, "other_seq": winner.seq}
    )
    answered = _answers(winner, tuple(touches(loser.events)), said.now, seq)
    owed = (_named(each, seq) for each in _owed(winner, lost, said.now, timing))
    cancelled = clocks_of.cancel(lost.clocks, said.now, MERGED)
    return Decided((merged, *answered, *owed), (into, *cancelled))


def _happening(kind: str, said: Instruction, facts: dict[str, Any]) -> Happening:
    """Return what an instruction makes happen; its reason is free text, and rests as such."""
    return Happening(kind, said.now, said.actor, facts, {"reason": said.reason})


def _absorbed(lost: Lead) -> dict[str, Any]:
    return {
        "sources": [[entry.source, to_text(entry.at)] for entry in lost.sources],
        "signed": lost.signed,
        "touches": lost.touches,
        "first_touch_at": to_text(lost.first_touch_at) if lost.first_touch_at else None,
        "first_touch_reported": lost.first_touch_reported,
        "last_touch_at": to_text(lost.last_touch_at) if lost.last_touch_at else None,
    }


def _answers(winner: Lead, at: Sequence[datetime], now: datetime, seq: int) -> tuple[Happening, ...]:
    """Return what the loser's touches answer of the winner's clocks; each names the merge that it came with."""
    met, corrected = _met(winner.clocks, dict.fromkeys(at, seq))
    first = winner.first_touch_at
    if at and first and at[0] < first and not winner.first_touch_reported:
        # As in lifecycle.touch: what had been taken for the first touch was the second.
        done = {_key(happening) for happening in met}
        waiting = [each for each in winner.clocks if each.starts == FIRST_TOUCH and TOUCH in each.meets]
        second, late = clocks_of.answered([each for each in waiting if _key_of(each) not in done], TOUCH, first)
        met, corrected = (*met, *_answering(second, seq)), (*corrected, *late)
    return (*met, *lifecycle.retract(corrected, now, by=TOUCH))


def _named(happening: Happening, seq: int | None) -> Happening:
    """Return what a merge brought with the merge that it came with, by its seq; None is the lead's own."""
    return replace(happening, facts={**happening.facts, "merge": seq}) if seq is not None else happening


def _answering(happenings: Iterable[Happening], seq: int | None) -> tuple[Happening, ...]:
    """Name the merge in the answers; a breach that they bring onto the trail is the lead's own."""
    return tuple(_named(each, seq) if each.kind == "clock.met" else each for each in happenings)


def _met(
    clocks: Iterable[Clock], touched: Mapping[datetime, int | None]
) -> tuple[tuple[Happening, ...], tuple[Clock, ...]]:
    """Return what touches answer: each clock the first one that came after it had begun."""
    waiting = {_key_of(clock): clock for clock in clocks}
    happenings: tuple[Happening, ...] = ()
    corrected: tuple[Clock, ...] = ()
    for touched_at, seq in touched.items():
        asking = [clock for clock in waiting.values() if touched_at >= clock.started_at - BACKDATED]
        met, late = clocks_of.meet(asking, TOUCH, touched_at)
        happenings, corrected = (*happenings, *_answering(met, seq)), (*corrected, *late)
        for happening in met:
            waiting.pop(_key(happening), None)
    return happenings, corrected


def _owed(winner: Lead, lost: Lead, now: datetime, timing: Timing) -> tuple[Happening, ...]:
    """Go on with the second touch that the loser still owed, where the winner had not had a first one."""
    if winner.first_touch_at is not None:
        return ()
    open_clocks = [clock for clock in lost.clocks if clock.is_open and clock.starts == FIRST_TOUCH]
    return tuple(
        _start(winner, rule, clock.started_at, now, timing, dormant=clock.dormant, pauses=clock.pauses)
        for clock in open_clocks
        for rule in [timing.policy.rule(clock.rule)]
        if rule is not None
    )


def _start(
    lead: Lead,
    rule: Rule,
    at: datetime,
    now: datetime,
    timing: Timing,
    *,
    dormant: bool = False,
    pauses: tuple[Span, ...] = (),
) -> Happening:
    """Start a clock at ``at``, due one business hour from now at the earliest, as after any touch learned late."""
    is_overdue = schedule.count(rule, timing.calendar, at, pauses).due_at <= now and not dormant
    return schedule.start(
        timing.policy,
        rule,
        timing.calendar,
        at=at,
        episode=lead.next_episode(rule.name),
        not_before=timing.calendar.due(now, GRACE) if is_overdue else None,
        dormant=dormant,
        pauses=pauses,
    )


def split(winner: Told, loser: Told, said: Instruction, *, timing: Timing, pinned: Pinned) -> Decided:
    """Return what undoing their merge means: what it brought is left out, and each lead goes on for itself.

    ``timing`` is the winner's policy now; ``pinned`` tells the version under which a clock of the loser was started.

    Raises:
        NotMergedError: the trails do not tell of such a merge.
    """
    won, lost = winner.lead, loser.lead
    merged = _last(winner.events, "lead.merged", lost.lead_id)
    into = _last(loser.events, "lead.merged_into", won.lead_id)
    parted = _happening("lead.split", said, _parting(merged, lost))
    left = _happening("lead.split", said, _parting(into, won))
    after = _after(winner, parted, said.now)
    return Decided(
        (parted, *_alone(winner, after, merged.seq, said.now, timing)),
        (left, *_reopened(loser, into, said.now, pinned)),
    )


def _last(events: Iterable[Event], kind: str, other: str) -> Event:
    found = [event for event in events if event.kind == kind and event.facts["other"] == other]
    if not found:
        raise NotMergedError
    return found[-1]


def _parting(merge: Event, other: Lead) -> dict[str, Any]:
    return {"other": other.lead_id, "other_head": other.head, "other_seq": other.seq, "merge": merge.seq}


def _after(told: Told, parted: Happening, now: datetime) -> Lead:
    """Return the lead as the split leaves it, before anything follows from that."""
    lead = told.lead
    bare = [replace(parted, text=None)]
    added = trail.append(bare, lead_id=lead.lead_id, seq=lead.seq, head=lead.head, recorded_at=now, salt=b"")
    return leads_of.fold((*told.events, *added))


def _alone(winner: Told, after: Lead, seq: int, now: datetime, timing: Timing) -> tuple[Happening, ...]:
    """Return what the winner's touches answer once the loser's are gone, and what it owes or no longer owes."""
    own = touches(event for event in winner.events if event.seq != seq)
    undone = _brought(winner.events, "clock.met", {seq})
    met, corrected = _met([clock for clock in after.clocks if _key_of(clock) in undone], own)
    brought = _brought(winner.events, "clock.started", _undone(winner.events) | {seq})
    answered = {_key(happening) for happening in met}
    left = [clock for clock in after.clocks if _key_of(clock) not in answered]
    if not after.is_open:  # closed since: what the merge had answered is not asked again
        return (
            *met,
            *lifecycle.retract(corrected, now, by=TOUCH),
            *clocks_of.cancel(left, after.stage_at, after.status),
        )
    cancelled = clocks_of.cancel([clock for clock in left if _key_of(clock) in brought], now, "split")
    owed = _second_touch(after, own, brought, now, timing)
    return (*met, *lifecycle.retract(corrected, now, by=TOUCH), *cancelled, *owed)


def _brought(events: Iterable[Event], kind: str, merges: set[int]) -> set[tuple[str, int]]:
    """Return the clocks of which such events came with one of these merges."""
    return {_key(event) for event in events if event.kind == kind and event.facts.get("merge") in merges}


def _second_touch(
    after: Lead, own: Mapping[datetime, int | None], brought: set[tuple[str, int]], now: datetime, timing: Timing
) -> tuple[Happening, ...]:
    """Start the second-touch clock of a winner whose first touch, without the loser, had counted as a later one."""
    has_own = any(clock.starts == FIRST_TOUCH and _key_of(clock) not in brought for clock in after.clocks)
    if len(own) != 1 or has_own:
        return ()
    rules = [rule for rule in timing.policy.rules if rule.starts == FIRST_TOUCH]
    [(first, seq)] = own.items()
    return tuple(_named(_start(after, rule, first, now, timing), seq) for rule in rules)


def _reopened(loser: Told, into: Event, now: datetime, pinned: Pinned) -> tuple[Happening, ...]:
    """Go on, as new episodes, with what the loser owed when it was merged, and with what was known of it by then.

    Each keeps the version of the policy that it was started under, as running clocks do.
    """
    cancelled = [
        _key(event)
        for event in loser.events
        if event.seq > into.seq and event.kind == "clock.cancelled" and event.facts["why"] == MERGED
    ]
    owed = {clock.rule: clock for clock in loser.lead.clocks if _key_of(clock) in cancelled}
    begun = {_key(event): event.facts for event in loser.events if event.kind == "clock.started"}
    merged = (into.occurred_at, cut(now))
    happenings: list[Happening] = []
    for clock in owed.values():
        begun_again = lifecycle.again(loser.lead, clock, merged, pinned)
        if begun_again is not None:
            again = _named(begun_again, begun[_key_of(clock)].get("merge"))
            happenings.append(replace(again, facts={**again.facts, "split": loser.lead.seq + 1}))
            happenings += clocks_of.recall(clock, clocks_of.started(again.facts, again.occurred_at), now)
    return tuple(happenings)


def _key(told: Event | Happening) -> tuple[str, int]:
    return told.facts["rule"], told.facts["episode"]


def _key_of(clock: Clock) -> tuple[str, int]:
    return clock.rule, clock.episode
