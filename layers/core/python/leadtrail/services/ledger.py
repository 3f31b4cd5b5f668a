"""The ledger of a lead's clocks: what did not count, what was put right, who was told, and who said that they know.

Nothing is stored for it beyond what is there anyway: it is read from the trail, the alerts and the tellings, so that
it can never say anything else than they do. Words for it stand in `chronicle`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from leadtrail.domain import clock as clocks_of
from leadtrail.domain.clock import Clock
from leadtrail.domain.instant import from_text
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Event
from leadtrail.services.ports import Alert, Store, Telling

ACKNOWLEDGED, SNOOZED, RETRACTED = "alert.acknowledged", "alert.snoozed", "alert.retracted"
MERGED_SPAN = "merged"  # why the time of a merge that was undone, or of a closed lead, does not count
CLOSED_SPAN = "closed"


@dataclass(frozen=True, slots=True)
class Paused:
    """A span that did not count (aware UTC), and why in a word of ours; empty where nobody said."""

    since: datetime
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Rebased:
    """A new due time (aware UTC), when it was given and why: calendar, policy, owner or leave."""

    at: datetime
    why: str
    due_before: datetime
    due_after: datetime


@dataclass(frozen=True, slots=True)
class Pressed:
    """Somebody answered an alert: a rep's id, or ``channel:<id>`` for a group, and when (aware UTC)."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Said:
    """An alert with every message that it became, and what people answered.

    ``retracted``: its breach was proven wrong later. ``snoozed_until`` is the end of the last of ``snoozes``.
    """

    alert: Alert
    told: tuple[Telling, ...] = ()
    acknowledged: Pressed | None = None
    snoozed_until: datetime | None = None
    snoozes: int = 0
    retracted: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One clock with all that became of it; ``events`` are its own, in the order in which they happened.

    ``corrected_at`` is when we learned that a breach had been none; ``breach_withdrawn`` the instant of that breach.
    """

    clock: Clock
    events: tuple[Event, ...] = ()
    paused: tuple[Paused, ...] = ()
    rebased: tuple[Rebased, ...] = ()
    said: tuple[Said, ...] = ()
    corrected_at: datetime | None = None
    breach_withdrawn: datetime | None = None


def read(lead: Lead, store: Store) -> tuple[Entry, ...]:
    """Return the ledger of every clock of a lead: three queries of its partition."""
    return of_lead(
        lead,
        events=store.trail(lead.lead_id),
        alerts=store.alerts(lead.lead_id),
        tellings=store.tellings(lead.lead_id),
    )


def of_lead(
    lead: Lead, *, events: Sequence[Event], alerts: Sequence[Alert], tellings: Sequence[Telling]
) -> tuple[Entry, ...]:
    """Put what was read of a lead together, clock by clock, in the order in which they were started."""
    known = _standing(events)
    return tuple(
        _entry(
            clock,
            [event for event in known if _is_of(clock, event.facts.get("rule"), event.facts.get("episode"))],
            [event for event in known if event.kind == "clock.paused" and event.facts["rule"] == clock.rule],
            [alert for alert in alerts if _is_of(clock, alert.rule, alert.episode)],
            [telling for telling in tellings if _is_of(clock, telling.rule, telling.episode)],
        )
        for clock in lead.clocks
    )


def _standing(events: Iterable[Event]) -> list[Event]:
    """Return the events that still hold, as they happened: not what a split or a withdrawn touch has undone."""
    known = sorted(events, key=lambda event: (event.occurred_at, event.seq))
    undone = {seq for event in known if event.kind == "touch.withdrawn" for seq in event.facts["undoes"]}
    merges = {event.facts["merge"] for event in known if event.kind == "lead.split"}
    return [
        event
        for event in known
        if event.seq not in undone and not (event.kind == "clock.met" and event.facts.get("merge") in merges)
    ]


def _is_of(clock: Clock, rule: object, episode: object) -> bool:
    return (rule, episode) == (clock.rule, clock.episode)


def _entry(
    clock: Clock, events: list[Event], pausing: list[Event], alerts: list[Alert], tellings: list[Telling]
) -> Entry:
    breaches = [event.occurred_at for event in events if event.kind == "clock.breached"]
    was_wrong = bool(breaches) and clock.breached_at is None
    corrected_at = _put_right(events) if was_wrong else None
    return Entry(
        clock=clock,
        events=tuple(events),
        paused=_paused(clock, events, pausing),
        rebased=tuple(_rebased(event) for event in events if event.kind == "clock.rebased"),
        said=tuple(_said(alert, events, tellings, corrected_at) for alert in alerts),
        corrected_at=corrected_at,
        breach_withdrawn=breaches[0] if was_wrong else None,
    )


def _put_right(events: list[Event]) -> datetime | None:
    """Return when we learned what took a breach back: the last time that its alert was retracted, or else counted."""
    retracted = [event.recorded_at for event in events if event.kind == RETRACTED]
    kinds = ("clock.met", "clock.cancelled", *clocks_of.RESCHEDULED)
    return max(retracted or (event.recorded_at for event in events if event.kind in kinds), default=None)


def _paused(clock: Clock, events: list[Event], pausing: list[Event]) -> tuple[Paused, ...]:
    """Return the pauses of a clock with their reasons; one that goes on for another brought that one's along."""
    began = next((event for event in events if event.kind == "clock.started"), None)
    brought = {event.occurred_at: str(event.facts["reason"]) for event in pausing}
    own = [event for event in pausing if event in events]
    return tuple(
        Paused(since, until, brought.get(since) or _why(since, until, own, began)) for since, until in clock.pauses
    )


def _why(since: datetime, until: datetime, pausing: list[Event], began: Event | None) -> str:
    for event in reversed(pausing):
        if event.occurred_at < until and from_text(event.facts["until"]) > since:
            return str(event.facts["reason"])
    if began and any(from_text(start) == since for start, _ in began.facts.get("pauses", ())):
        return MERGED_SPAN if "split" in began.facts else CLOSED_SPAN
    return ""


def _rebased(event: Event) -> Rebased:
    facts = event.facts
    return Rebased(event.recorded_at, facts["why"], from_text(facts["due_before"]), from_text(facts["due_at"]))


def _said(alert: Alert, events: list[Event], tellings: list[Telling], corrected_at: datetime | None) -> Said:
    answers = [event for event in events if event.facts.get("level") == alert.level]
    known = [event for event in answers if event.kind == ACKNOWLEDGED]
    later = [event for event in answers if event.kind == SNOOZED]
    was_wrong = alert.level > clocks_of.WARNING and corrected_at is not None
    return Said(
        alert=alert,
        told=tuple(telling for telling in tellings if telling.level == alert.level),
        acknowledged=Pressed(known[0].facts["by"], known[0].occurred_at) if known else None,
        snoozed_until=max((from_text(event.facts["until"]) for event in later), default=None),
        snoozes=len(later),
        retracted=was_wrong,
    )
