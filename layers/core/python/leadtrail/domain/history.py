"""History: the events of one case of another system, told again as what happened to a lead.

The same lifecycle and the same clocks as for a lead of today, except that time is the case's own: before
each step the clocks are asked what had become true by then, and at the end of the story by ``until``.
Breaches and levels are therefore found, but nobody is told (no notice, no warning, and clocks that are
still open sleep). A story is a pure function of its case, so that a second telling adds nothing, and one
that was interrupted goes on where the trail ends.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any

from leadtrail.domain import clock as clocks_of
from leadtrail.domain import lead as leads_of
from leadtrail.domain import lifecycle
from leadtrail.domain import touch as touches
from leadtrail.domain.clock import Clock
from leadtrail.domain.ids import new_id
from leadtrail.domain.lead import LOST, WON, Lead, NeedsTrailError
from leadtrail.domain.lifecycle import Timing
from leadtrail.domain.trail import Event, Facts, Happening

RECEIVED, CALL, STAGE, FACT = "received", "call", "stage", "fact"
MEANINGS = (RECEIVED, CALL, STAGE, WON, LOST)
LARGEST_FEN = 10**15
NO_SUBMISSION = "该案件没有受理事件 (the case was never submitted)"
BEFORE_SUBMISSION = "早于该案件的受理时间 (before the case was submitted)"
_INSTANT = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """One row of a history; ``at`` is aware UTC with milliseconds, ``amount`` the text of the row."""

    line: int
    activity: str
    lifecycle: str
    resource: str
    at: datetime
    amount: str = ""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an activity is to a lead: one of MEANINGS or a plain fact; ``stage`` is where it takes the lead."""

    becomes: str
    stage: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a source's activities are read; names of ``meanings`` may hold ``*``.

    ``start`` and ``complete`` are the source's words for the two ends of a call. ``owners`` maps resources to
    reps of the company; any other resource becomes ``import:<resource>``.
    """

    source: str
    team: str
    meanings: Mapping[str, Meaning]
    start: str = "START"
    complete: str = "COMPLETE"
    direction: str = "out"
    currency: str = ""
    owners: Mapping[str, str] = field(default_factory=dict)

    def meaning(self, event: SourceEvent) -> Meaning:
        """Return what an event means; all but calls mean something only once they are complete."""
        found = self.meanings.get(event.activity) or next(
            (meaning for name, meaning in self.meanings.items() if fnmatchcase(event.activity, name)), Meaning(FACT)
        )
        return found if found.becomes == CALL or event.lifecycle == self.complete else Meaning(FACT)

    def worker(self, resource: str) -> str:
        """Return the owner that a resource stands for."""
        return self.owners.get(resource, f"import:{resource}")


@dataclass(frozen=True, slots=True)
class Refused:
    """A source event that is not taken, and why (Chinese and English)."""

    event: SourceEvent
    why: str


@dataclass(frozen=True, slots=True)
class Case:
    """What is taken of one case, by time; the first event is its submission.

    ``ends`` maps the line of a call's START to its COMPLETE; all ids follow from source, case and submission.
    """

    key: str
    events: tuple[SourceEvent, ...]
    ends: Mapping[int, SourceEvent]
    lead_id: str
    person_id: str
    receipt: str
    digest: str

    @property
    def merged(self) -> int:
        """The source events that went into a call: two for each."""
        return 2 * len(self.ends)


def read(key: str, events: Iterable[SourceEvent], reading: Reading) -> tuple[Case | None, tuple[Refused, ...]]:
    """Sort out one case: what is taken, and what is refused with its reason."""
    ordered = sorted(events, key=lambda event: (event.at, event.line))
    submitted = next((event for event in ordered if reading.meaning(event).becomes == RECEIVED), None)
    if submitted is None:
        return None, tuple(Refused(event, NO_SUBMISSION) for event in ordered)
    try:
        fen(submitted.amount)
    except ValueError as error:
        return None, tuple(Refused(event, str(error)) for event in ordered)
    early = tuple(Refused(event, BEFORE_SUBMISSION) for event in ordered if event.at < submitted.at)
    later = [event for event in ordered if event.at >= submitted.at and event is not submitted]
    taken = (submitted, *later)
    case = Case(
        key=key,
        events=taken,
        ends=_calls(taken, reading),
        lead_id=new_id(submitted.at, _number(reading.source, key)),
        person_id=new_id(submitted.at, _number(reading.source, key, "person")),
        receipt=hashlib.sha256(f"{reading.source}\n{key}".encode()).hexdigest()[:40],
        digest=_digest(taken),
    )
    return case, early


def fen(amount: str) -> int | None:
    """Return an amount as integer fen (hundredths of its currency), None where nothing stands.

    Raises:
        ValueError: no amount, negative, finer than a fen, or beyond ten million million.
    """
    if not amount:
        return None
    try:
        value = Decimal(amount) * 100
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value <= LARGEST_FEN or value != int(value):
        raise ValueError("金额无法识别 (not an amount)")
    return int(value)


def story(case: Case, reading: Reading, timing: Timing, *, until: datetime) -> tuple[Happening, ...]:
    """Return all that happened to the lead of ``case``, in the order of its trail.

    ``timing`` is the policy that its clocks follow, ``until`` (aware UTC) the last instant that the history knows of.
    """
    teller = _Teller(case, reading, replace(timing, history=True))
    teller.receive()
    closing = {event.line for event in case.ends.values()}
    for event in case.events[1:]:
        if event.line not in closing:
            teller.pass_time(event.at - _INSTANT)
            teller.tell(event)
    teller.pass_time(until)
    return tuple(teller.told)


class _Teller:
    """One case while it is told: the lead as it stands by now."""

    def __init__(self, case: Case, reading: Reading, timing: Timing) -> None:
        self.told: list[Happening] = []
        self._case = case
        self._reading = reading
        self._timing = timing
        self._events: list[Event] = []
        self._lead: Lead | None = None

    def receive(self) -> None:
        """Tell the submission."""
        submitted = self._case.events[0]
        facts: dict[str, Any] = {"ref": self._case.key, **_as_found(submitted)}
        amount = fen(submitted.amount)
        if amount is not None:
            facts |= {"amount_fen": amount, "currency": self._reading.currency}
        self._add(
            lifecycle.receive(
                source=self._reading.source,
                person=self._case.person_id,
                team=self._reading.team,
                owner=None,
                actor=self._actor(submitted),
                receipt=self._case.receipt,
                occurred_at=submitted.at,
                received_at=submitted.at,
                signed=False,
                timing=self._timing,
                facts=facts,
            )
        )

    def pass_time(self, upto: datetime) -> None:
        """Tell what became true of the clocks by ``upto``."""
        self._add(lapsed(self._now.clocks, upto))

    def tell(self, event: SourceEvent) -> None:
        """Tell one source event; what comes after the end of a lead is kept as a fact."""
        lead, meaning = self._now, self._reading.meaning(event)
        if meaning.becomes == CALL:
            self._own(event)
            self._call(event)
        elif not lead.is_open or meaning.becomes in (RECEIVED, FACT) or meaning.stage == lead.stage:
            self._add([self._fact(event)])
        elif meaning.becomes == STAGE:
            moved = {"from": lead.stage, "to": meaning.stage, "gate": "legacy", **self._facts(event)}
            change = Happening("stage.changed", event.at, self._actor(event), moved)
            self._add(lifecycle.advance(lead, change, timing=self._timing))
        else:
            ended = {"outcome": meaning.becomes, "stage": meaning.stage, **self._facts(event)}
            self._add(lifecycle.close(lead, Happening("lead.closed", event.at, self._actor(event), ended)))

    @property
    def _now(self) -> Lead:
        if self._lead is None:
            raise ValueError("a story begins with the submission")
        return self._lead

    def _own(self, event: SourceEvent) -> None:
        """Whoever works on a case first owns its lead (a schedule is no work)."""
        works = event.lifecycle in (self._reading.start, self._reading.complete)
        if works and event.resource and self._now.owner is None:
            owner = self._reading.worker(event.resource)
            self._add([lifecycle.assign(owner, self._reading.team, event.at, by="import")])

    def _call(self, event: SourceEvent) -> None:
        ended = self._case.ends.get(event.line)
        if ended is None:
            self._add([self._fact(event)])
            return
        touched = touches.call(
            direction=self._reading.direction,
            started_at=event.at,
            talk_s=int((ended.at - event.at).total_seconds()),
            actor=self._actor(event),
            agent=event.resource or None,
            receipt=self._case.receipt,
        )
        touched = replace(touched, facts={**touched.facts, "activity": event.activity})
        self._add(lifecycle.touch(self._now, touched, timing=self._timing, now=event.at))

    def _fact(self, event: SourceEvent) -> Happening:
        return Happening("source.event", event.at, self._actor(event), self._facts(event))

    def _facts(self, event: SourceEvent) -> Facts:
        return {"receipt": self._case.receipt, **_as_found(event)}

    def _actor(self, event: SourceEvent) -> str:
        return self._reading.worker(event.resource) if event.resource else f"source:{self._reading.source}"

    def _add(self, happenings: Iterable[Happening]) -> None:
        """Fold what happened, with the mark that it was imported; a seal is the store's business."""
        new = [replace(happening, facts={**happening.facts, "origin": "import"}) for happening in happenings]
        if not new:
            return
        self.told += new
        events = [_unsealed(self._case.lead_id, len(self._events) + n, each) for n, each in enumerate(new, start=1)]
        self._events += events
        try:
            self._lead = leads_of.evolve(self._lead, events)
        except NeedsTrailError:  # two source events of one instant: their ranks may stand the other way round
            self._lead = leads_of.fold(self._events)


def lapsed(clocks: Iterable[Clock], upto: datetime) -> tuple[Happening, ...]:
    """Return the breaches and levels that had come by ``upto``, the oldest first; nobody is warned of the past."""
    happened = [
        happening
        for clock in clocks
        if clock.is_open and clock.due_at <= upto
        for happening in clocks_of.wake(replace(clock, dormant=False, warned=True), upto)[0]
    ]
    return tuple(sorted(happened, key=lambda happening: happening.occurred_at))


def _calls(events: Sequence[SourceEvent], reading: Reading) -> dict[int, SourceEvent]:
    """Pair each COMPLETE with the latest open START of the same activity and resource (nobody is one, too)."""
    running: dict[tuple[str, str], list[SourceEvent]] = defaultdict(list)
    ends: dict[int, SourceEvent] = {}
    for event in events:
        if reading.meaning(event).becomes != CALL:
            continue
        begun = running[event.activity, event.resource]
        if event.lifecycle == reading.start:
            begun.append(event)
        elif event.lifecycle == reading.complete and begun:
            ends[begun.pop().line] = event
    return ends


def _as_found(event: SourceEvent) -> dict[str, str]:
    found = {"activity": event.activity, "lifecycle": event.lifecycle}
    return {**found, "resource": event.resource} if event.resource else found


def _unsealed(lead_id: str, seq: int, happening: Happening) -> Event:
    return Event(
        lead_id=lead_id,
        seq=seq,
        kind=happening.kind,
        occurred_at=happening.occurred_at,
        recorded_at=happening.occurred_at,
        actor=happening.actor,
        facts=happening.facts,
        text_hash=None,
        prev="",
        seal="",
    )


def _number(*words: str) -> int:
    """Return 80 bits that stand for these words."""
    return int.from_bytes(hashlib.sha256("\n".join(words).encode()).digest()[:10])


def _digest(events: Iterable[SourceEvent]) -> str:
    """Return the hash of what a case says, by which a changed export is noticed."""
    told = hashlib.sha256()
    for event in events:
        fields = (event.activity, event.lifecycle, event.resource, event.at.isoformat(), event.amount)
        told.update("\x1f".join(fields).encode() + b"\x1e")
    return told.hexdigest()
