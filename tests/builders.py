"""Builders with defaults for tests of the core: policies, happenings, and trails that grow as they do in the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from leadtrail.domain import clock as clocks_of
from leadtrail.domain import lead as leads_of
from leadtrail.domain import lifecycle, pausing, policy, schedule, touch, trail, withdrawal
from leadtrail.domain.clock import Clock, Notice
from leadtrail.domain.instant import to_text
from leadtrail.domain.lead import Lead, NeedsTrailError
from leadtrail.domain.lifecycle import Timing
from leadtrail.domain.merging import Instruction, Told
from leadtrail.domain.pausing import Wish
from leadtrail.domain.policy import Policy
from leadtrail.domain.trail import GENESIS, Event, Happening
from leadtrail.domain.worktime import WorkCalendar

NINE = datetime(2026, 1, 26, 1, tzinfo=UTC)  # Monday, 09:00 in Shanghai
SALT = bytes(range(16))
OFFICE = {day: [["09:00", "12:00"], ["13:30", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
LEVELS = [{"after": "PT0S", "to": "owner"}, {"after": "PT1H", "to": "manager"}, {"after": "P1D", "to": "director"}]


def rule(**changes: Any) -> dict[str, Any]:
    """Return the first-response rule as people send it, with changes."""
    known: dict[str, Any] = {
        "name": "first_response",
        "starts": "lead.received",
        "meets": ["touch"],
        "measure": "business",
        "budget": "PT2H",
        "warn_at": 0.75,
        "levels": LEVELS,
    }
    return known | changes


SECOND_TOUCH = rule(name="second_touch", starts="touch.first", measure="natural", budget="PT72H")
NO_PROGRESS = rule(
    name="no_progress", starts="stage.entered", meets=["stage"], measure="working_days", budget="P5D", warn_at=None
)


def policy_body(**changes: Any) -> dict[str, Any]:
    """Return the brief's three promises as a policy that people send, with changes."""
    known: dict[str, Any] = {
        "calendar": {"tz": "Asia/Shanghai", "hours": OFFICE},
        "rules": [rule(), SECOND_TOUCH, NO_PROGRESS],
    }
    return known | changes


def policy_of(**changes: Any) -> Policy:
    """Return the brief's policy, parsed."""
    return policy.parse("default", 1, NINE, policy_body(**changes))


def timing(**changes: Any) -> Timing:
    """Return the brief's policy with its calendar."""
    found = policy_of(**changes)
    return Timing(found, WorkCalendar.from_dict(found.calendar))


def happening(kind: str = "source.event", at: datetime = NINE, **facts: Any) -> Happening:
    """Return something that happened."""
    return Happening(kind, at, "source:standard", facts)


def received(at: datetime = NINE) -> Happening:
    """Return a lead's arrival, without owner and clocks."""
    return happening("lead.received", at, source="standard", stage="新线索", team="huadong", person="P")


def call(at: datetime, *, talk_s: int = 65) -> Happening:
    """Return a call that a machine recorded."""
    return touch.call(direction="out", started_at=at, talk_s=talk_s, actor="rep:li", agent="rep-li", receipt="r")


def self_reported(at: datetime, *, recorded_at: datetime) -> Happening:
    """Return a call that a person typed in."""
    return touch.reported(kind="call", direction="out", occurred_at=at, recorded_at=recorded_at, actor="rep:li")


def sealed(happenings: Sequence[Happening], *, recorded_at: datetime = NINE, salt: bytes = SALT) -> tuple[Event, ...]:
    """Return a whole trail, sealed."""
    return trail.append(happenings, lead_id="L", seq=0, head=GENESIS, recorded_at=recorded_at, salt=salt)


def running(**changes: Any) -> Clock:
    """Return a first-response clock that began at nine, is due at eleven, and wakes its three levels from then on."""
    found = timing()
    begun = schedule.start(found.policy, found.policy.rules[0], found.calendar, at=NINE, episode=1)
    return replace(clocks_of.started(begun.facts, NINE), **changes)


class Story:
    """One lead while it lives: its trail and its projection, kept as the store keeps them."""

    def __init__(self, with_timing: Timing, at: datetime = NINE) -> None:
        self.timing = with_timing
        self.events: list[Event] = []
        self.told: list[Notice] = []
        self._lead: Lead | None = None
        happenings = lifecycle.receive(
            source="standard",
            person="P",
            team="huadong",
            owner="rep-li",
            actor="source:standard",
            receipt="r",
            occurred_at=at,
            received_at=at,
            signed=True,
            timing=with_timing,
        )
        self.write(happenings, at)

    @property
    def lead(self) -> Lead:
        """The lead as it stands."""
        assert self._lead is not None
        return self._lead

    def clock(self, name: str, episode: int = 1) -> Clock:
        """Return a clock of the lead."""
        found = self.lead.clock(name, episode)
        assert found is not None
        return found

    def write(self, happenings: Sequence[Happening], now: datetime) -> None:
        """Append and fold, from the whole trail where something is older than what is known."""
        if not happenings:
            return
        head = self.events[-1].seal if self.events else GENESIS
        new = trail.append(happenings, lead_id="L", seq=len(self.events), head=head, recorded_at=now, salt=SALT)
        self.events += new
        try:
            self._lead = leads_of.evolve(self._lead, new)
        except NeedsTrailError:
            self._lead = leads_of.fold(self.events)

    def touch(self, touched: Happening, now: datetime) -> None:
        """Learn of a touch."""
        self.write(lifecycle.touch(self.lead, touched, timing=self.timing, now=now), now)

    def advance(self, stage: str, now: datetime) -> None:
        """Move to another stage."""
        change = happening("stage.changed", now, **{"from": self.lead.stage, "to": stage})
        self.write(lifecycle.advance(self.lead, change, timing=self.timing), now)

    def pause(self, until: datetime, now: datetime, *rules: str, reason: str = "customer-asked") -> None:
        """Hold up the clocks, or those of some rules."""
        wish = Wish(until, reason, rules)
        self.write(pausing.pause(self.lead, wish, now=now, actor="rep:li", pinned=self.pinned), now)

    def resume(self, now: datetime) -> None:
        """End a pause before its time."""
        self.write(pausing.resume(self.lead, now=now, actor="rep:li", pinned=self.pinned), now)

    def close(self, now: datetime, outcome: str = "lost") -> None:
        """End the lead."""
        self.write(lifecycle.close(self.lead, happening("lead.closed", now, outcome=outcome)), now)

    def reopen(self, now: datetime) -> None:
        """Open the lead again."""
        reopened = happening("lead.reopened", now)
        self.write(lifecycle.reopen(self.lead, reopened, timing=self.timing, pinned=self.pinned), now)

    def withdraw(self, seq: int, now: datetime) -> None:
        """Take back a touch."""
        said = Instruction("rep:li", now, "记错了客户")
        happenings = withdrawal.withdraw(Told(self.lead, self.events), seq, said, timing=self.timing)
        self.write([replace(each, text=None) for each in happenings], now)

    def recount(self, calendar: WorkCalendar, now: datetime) -> None:
        """Look at every estimated clock again, by a calendar that says more."""
        self.timing = replace(self.timing, calendar=calendar)
        for clock in self.lead.clocks:
            if clock.certainty == "estimated":
                self.write(lifecycle.recount(self.lead, clock, pinned=self.timing, now=now), now)

    def pinned(self, clock: Clock) -> Timing:
        """Return the one policy there is."""
        return self.timing

    def sweep(self, now: datetime) -> None:
        """Wake the clocks that are due, as the watch does."""
        woken = [clocks_of.wake(clock, now) for clock in self.lead.clocks]
        self.told += [notice for _, notice in woken if notice]
        self.write([each for happened, _ in woken for each in happened], now)

    def wakes_at(self) -> datetime | None:
        """Return when the next sweep has something to do."""
        return min((clock.wakes_at for clock in self.lead.clocks if clock.wakes_at), default=None)

    def sweep_every_minute(self, until: datetime) -> None:
        """Sweep at each full minute that finds something to do, to ``until`` inclusive."""
        while (at := self.wakes_at()) is not None:
            late = timedelta(seconds=at.second, microseconds=at.microsecond)
            minute = at - late + (timedelta(minutes=1) if late else timedelta(0))
            if minute > until:
                return
            self.sweep(minute)


def facts_of(events: Sequence[Event], kind: str) -> list[str]:
    """Return when each event of a kind occurred, as text."""
    return [to_text(event.occurred_at) for event in events if event.kind == kind]
