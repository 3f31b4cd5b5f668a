"""The lead: what a trail says it is, as a fold.

Events fold by (occurred_at, rank of kind, seq), so that a late truth takes its place among what was
known before; `evolve` folds only what is new, and asks for the whole trail when something is older
than the newest event that the projection has seen.

A merge that was split again, or a touch that was withdrawn, is folded as though it had never been: what it brought is
left out, and what came later stays. A clock that a split brought back began long before,
and is there from the split on: what the trail said of a day between then and now, it goes on saying.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from leadtrail.domain import clock as clocks_of
from leadtrail.domain.clock import Clock
from leadtrail.domain.instant import from_text, to_text
from leadtrail.domain.trail import GENESIS, Event, Facts

FOLD = 6  # the version of this fold; a projection of another version is folded again when it is read
OPEN, WON, LOST, MERGED = "open", "won", "lost", "merged"
NEW_STAGE = "新线索"
UNANSWERED = "超时未响应"
SENT_BACK = "反复退回同一阶段"
SKIPPED = "连续3次跳过SOP项"
RISK_TAGS = (UNANSWERED, SENT_BACK, SKIPPED)
BACKDATED = timedelta(minutes=15)  # how far what happened before we heard of a lead reaches back (DESIGN section 5)
RESPONSE_STARTS = ("lead.received", "touch.first")  # of the promises to answer, whatever a company calls them

UNDOING = ("lead.split", "touch.withdrawn")
_RANK = {
    "lead.received": 0,
    "source.added": 1,
    "owner.released": 2,
    "owner.assigned": 2,
    "clock.started": 3,
    "touch.recorded": 4,
}
_RANK |= {"stage.changed": 5, "clock.met": 6, "clock.warned": 7, "clock.breached": 8, "clock.escalated": 9}
_OTHER = 10


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """One channel through which the lead came; ``at`` is aware UTC."""

    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Lead:
    """What the trail says; every instant is aware UTC, ``seq`` and ``head`` name the last sealed event."""

    lead_id: str
    person_id: str
    source: str
    received_at: datetime
    team: str
    stage: str
    stage_at: datetime
    owner: str | None = None
    status: str = OPEN
    sources: tuple[SourceEntry, ...] = ()
    clocks: tuple[Clock, ...] = ()
    touches: int = 0
    first_touch_at: datetime | None = None
    first_touch_reported: bool = False  # a person typed it in; no machine saw it
    last_touch_at: datetime | None = None
    merged_into: str | None = None
    released_from: str | None = None  # whose it was until it went back to the pool
    amount_fen: int | None = None
    tags: tuple[str, ...] = ()
    signed: bool = True
    origin: str = "live"
    seq: int = 0
    head: str = GENESIS
    newest: str = ""
    fold: int = FOLD

    @property
    def is_unverified(self) -> bool:
        """True while all that is known is what somebody unsigned said, and nobody has reached the person."""
        return not self.signed and self.first_touch_at is None

    @property
    def is_open(self) -> bool:
        """True until the lead is won, lost, or merged into another."""
        return self.status == OPEN

    @property
    def newest_at(self) -> datetime | None:
        """When the newest event folded so far happened, aware UTC."""
        return from_text(self.newest.split("|")[1]) if self.newest else None

    @property
    def late_clocks(self) -> tuple[Clock, ...]:
        """The clocks whose promise is broken and unanswered; those of an import sleep, and are nobody's worry today."""
        return tuple(clock for clock in self.clocks if clock.is_late and not clock.dormant)

    @property
    def risk(self) -> tuple[str, ...]:
        """The report's tags of this lead, in the report's order (PRODUCT 45 to 48)."""
        return (UNANSWERED,) if any(clock.starts in RESPONSE_STARTS for clock in self.late_clocks) else ()

    @property
    def severity(self) -> int:
        """The highest level that a late clock has reached; 0 when nobody is late."""
        return max((max(clock.level, 1) for clock in self.late_clocks), default=0)

    def clock(self, rule: str, episode: int) -> Clock | None:
        """Return the clock of that rule and episode, if it was ever started."""
        return next((clock for clock in self.clocks if (clock.rule, clock.episode) == (rule, episode)), None)

    def next_episode(self, rule: str) -> int:
        """Return the number of the episode that a new clock of ``rule`` would have."""
        return 1 + sum(clock.rule == rule for clock in self.clocks)


class NeedsTrailError(Exception):
    """A new event is older than the projection's newest: only the whole trail can be folded."""


def order(event: Event) -> str:
    """Return the key by which events fold: `lead.received` first, then time, rank of kind, seq."""
    first = 0 if event.kind == "lead.received" else 1
    return f"{first}|{to_text(event.occurred_at)}|{_RANK.get(event.kind, _OTHER):02d}|{event.seq:08d}"


def fold(events: Iterable[Event]) -> Lead:
    """Fold a whole trail into its lead.

    Raises:
        ValueError: the trail has no `lead.received`.
    """
    known = tuple(events)
    splits = {event.seq: event.facts["merge"] for event in known if event.kind == "lead.split"}
    undone = set(splits.values())
    withdrawn = {seq for event in known if event.kind == "touch.withdrawn" for seq in event.facts["undoes"]}
    lead: Lead | None = None
    last: Event | None = None
    for event in sorted(known, key=order):
        is_left_out = event.seq in withdrawn or _is_of(undone, event) or _is_ahead(splits, event)
        lead = _seen(lead, event) if lead and is_left_out else _apply(lead, event)
        last = event if last is None or event.seq > last.seq else last
    if lead is None or last is None:
        raise ValueError("a trail begins with lead.received")
    return replace(lead, seq=last.seq, head=last.seal)


def evolve(lead: Lead | None, events: Sequence[Event]) -> Lead:
    """Fold new events (by seq) into the projection.

    Raises:
        NeedsTrailError: one of them is older than the newest event folded so far, or undoes an earlier one.
    """
    last = events[-1]
    for event in sorted(events, key=order):
        if lead is not None and (order(event) < lead.newest or event.kind in UNDOING):
            raise NeedsTrailError
        lead = _apply(lead, event)
    if lead is None:
        raise ValueError("no event, no lead")
    return replace(lead, seq=last.seq, head=last.seal)


def _is_of(merges: set[int], event: Event) -> bool:
    """Tell whether an event is one of these merges (by seq), or an answer that came with one."""
    if event.kind in ("lead.merged", "lead.merged_into"):
        return event.seq in merges
    return event.kind == "clock.met" and event.facts.get("merge") in merges


def _is_ahead(splits: Container[int], event: Event) -> bool:
    """Tell whether an event starts a clock that a split brings back which is not among these (by seq)."""
    return event.kind == "clock.started" and "split" in event.facts and event.facts["split"] not in splits


def _seen(lead: Lead, event: Event) -> Lead:
    return replace(lead, newest=max(lead.newest, order(event)))


def _apply(lead: Lead | None, event: Event) -> Lead:
    facts, at = event.facts, event.occurred_at
    if event.kind == "lead.received":
        lead = _received(event)
    elif lead is None:
        raise ValueError("a trail begins with lead.received")
    elif event.kind == "clock.started":
        lead = replace(lead, clocks=(*lead.clocks, clocks_of.started(facts, at)))
    elif event.kind.startswith("clock."):
        lead = replace(lead, clocks=tuple(_clock_event(clock, event) for clock in lead.clocks))
    elif event.kind == "touch.recorded":
        lead = _touched(lead, facts)
    else:
        lead = _changed(lead, event.kind, at, facts)
    return _seen(lead, event)


def _received(event: Event) -> Lead:
    facts = event.facts
    is_import = facts.get("origin") == "import"
    received_at = event.occurred_at if is_import else event.recorded_at
    return Lead(
        lead_id=event.lead_id,
        person_id=facts.get("person", ""),
        source=facts["source"],
        received_at=received_at,
        team=facts.get("team", ""),
        stage=facts["stage"],
        stage_at=received_at,
        sources=(SourceEntry(facts["source"], received_at),),
        amount_fen=facts.get("amount_fen"),
        tags=tuple(facts.get("tags", ())),
        signed=not facts.get("unverified", False),
        origin="import" if is_import else "live",
    )


def _clock_event(clock: Clock, event: Event) -> Clock:
    if (clock.rule, clock.episode) != (event.facts["rule"], event.facts["episode"]):
        return clock
    return clocks_of.apply(clock, event.kind, event.occurred_at, event.facts)


def _touched(lead: Lead, facts: Facts) -> Lead:
    if not facts["effective"]:
        return lead
    at = from_text(facts["effective_at"])
    return _with_touches(lead, 1, at, at, is_reported=bool(facts["self_reported"]))


def _with_touches(lead: Lead, touches: int, first: datetime, last: datetime, *, is_reported: bool) -> Lead:
    is_first = lead.first_touch_at is None or first < lead.first_touch_at
    return replace(
        lead,
        touches=lead.touches + touches,
        first_touch_at=first if is_first else lead.first_touch_at,
        first_touch_reported=is_reported if is_first else lead.first_touch_reported,
        last_touch_at=max(last, lead.last_touch_at or last),
    )


def _absorbed(lead: Lead, absorbed: Facts) -> Lead:
    """Fold in what the other lead had been when it was merged into this one."""
    sources = tuple(SourceEntry(source, from_text(at)) for source, at in absorbed["sources"])
    lead = replace(lead, sources=(*lead.sources, *sources), signed=lead.signed or bool(absorbed["signed"]))
    if not absorbed["touches"]:
        return lead
    first, last = from_text(absorbed["first_touch_at"]), from_text(absorbed["last_touch_at"])
    is_reported = bool(absorbed["first_touch_reported"])
    return _with_touches(lead, int(absorbed["touches"]), first, last, is_reported=is_reported)


def _changed(lead: Lead, kind: str, at: datetime, facts: Facts) -> Lead:
    if kind == "source.added":
        return replace(lead, sources=(*lead.sources, SourceEntry(facts["source"], at)))
    if kind == "owner.assigned":
        return replace(lead, owner=facts["owner"], team=facts.get("team", lead.team))
    if kind == "owner.released":
        return replace(lead, owner=None, released_from=facts["from"])
    if kind == "stage.changed":
        return replace(lead, stage=facts["to"], stage_at=at)
    if kind == "lead.closed":
        return replace(lead, status=facts["outcome"], stage=facts.get("stage", lead.stage), stage_at=at)
    if kind == "lead.reopened":
        return replace(lead, status=OPEN, stage=facts.get("stage", lead.stage), stage_at=at)
    if kind == "lead.merged":
        return _absorbed(lead, facts["absorbed"])
    if kind == "lead.merged_into":
        return replace(lead, status=MERGED, merged_into=facts["other"])
    return lead


def backdated(received_at: datetime, occurred_at: datetime | None, *, signed: bool) -> datetime:
    """Return when clocks start: at ``received_at``, or up to 15 minutes earlier where a signed source says so."""
    if occurred_at is None or not signed or occurred_at >= received_at:
        return received_at
    return max(occurred_at, received_at - BACKDATED)
