"""Previewing a policy: who would be late if it held for the clocks that run now. Nothing is written.

Running clocks are counted again from their start, pauses left out, as `rebasing` would; what that count moves into the
past would have one business hour left after a rebase. A breach stands, however the limit is changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any

from leadtrail.domain import schedule
from leadtrail.domain.company import Company
from leadtrail.domain.lead import Lead
from leadtrail.domain.policy import Policy
from leadtrail.domain.worktime import WorkCalendar
from leadtrail.services import policies
from leadtrail.services.governing import MOST_EXAMINED, walk
from leadtrail.services.people import Caller, require_lead_of_people
from leadtrail.services.ports import Configuration, Store

MOST_SHOWN = 100
LONGEST_HOLIDAY = 400  # days in which a next working day is looked for


@dataclass(frozen=True, slots=True)
class Compared:
    """One clock under the policy that it follows and under the one that is tried; instants are aware UTC."""

    lead_id: str
    owner: str | None
    rule: str
    due_before: datetime
    due_after: datetime

    @property
    def has_moved(self) -> bool:
        """True where it is due at another instant."""
        return self.due_before != self.due_after


@dataclass(frozen=True, slots=True)
class Preview:
    """One page: ``leads`` were looked at, ``compared`` are their clocks that the policy would govern.

    ``tomorrow`` is the end of the next working day; ``place`` is where the next page begins, None at the end.
    """

    leads: int
    now: datetime
    tomorrow: datetime
    compared: tuple[Compared, ...]
    place: str | None = None

    @property
    def late_now(self) -> tuple[int, int]:
        """How many are late by now: before, and after."""
        return self._late(self.now)

    @property
    def late_by_tomorrow(self) -> tuple[int, int]:
        """How many will be late by the end of the next working day if nobody does anything: before, and after."""
        return self._late(self.tomorrow)

    @property
    def changed(self) -> tuple[Compared, ...]:
        """The clocks that would be due at another instant, the most urgent first, a hundred at most."""
        moved = (each for each in self.compared if each.has_moved)
        return tuple(sorted(moved, key=lambda each: (each.due_after, each.lead_id, each.rule))[:MOST_SHOWN])

    @property
    def by_owner(self) -> Mapping[str, tuple[int, int]]:
        """How many will be late by the end of the next working day, by owner; ``""`` are leads without one."""
        before = Counter(each.owner or "" for each in self.compared if each.due_before <= self.tomorrow)
        after = Counter(each.owner or "" for each in self.compared if each.due_after <= self.tomorrow)
        return {owner: (before[owner], after[owner]) for owner in sorted(before | after)}

    def _late(self, at: datetime) -> tuple[int, int]:
        before = sum(each.due_before <= at for each in self.compared)
        return before, sum(each.due_after <= at for each in self.compared)


@dataclass(frozen=True, slots=True)
class _Trial:
    """The policy that is tried, its calendar, and the company as it would be with it."""

    wanted: Policy
    calendar: WorkCalendar
    company: Company

    def compare(self, lead: Lead) -> Iterator[Compared]:
        """Yield the clocks of a lead that the policy would govern."""
        if not lead.is_open or self.company.policy_of(lead).name != self.wanted.name:
            return
        for clock in lead.clocks:
            rule = self.wanted.rule(clock.rule)
            if rule is None or not clock.is_open or clock.dormant:
                continue
            due_after = clock.due_at
            if clock.state != "breached":
                due_after = schedule.count(rule, self.calendar, clock.started_at, clock.pauses).due_at
            yield Compared(lead.lead_id, lead.owner, clock.rule, clock.due_at, due_after)


def preview(
    name: str,
    body: Mapping[str, Any],
    *,
    caller: Caller,
    store: Store,
    config: Configuration,
    now: datetime,
    after: str = "",
) -> Preview:
    """Return what a new version of a policy would mean for the open leads of the caller's teams, one page of it.

    Raises:
        ForbiddenError: the caller is a rep.
        PolicyInvalidError: names the field that no clock could follow.
        InvalidInputError: ``after`` is no place of this list; names ``cursor``.
    """
    require_lead_of_people(caller)
    company = config.current()
    wanted = policies.read(name, body, company=company, config=config, now=now)
    calendar = config.calendar(wanted)
    would_be = replace(company, policies={**company.policies, name: wanted})
    trial = _Trial(wanted, calendar, would_be)
    compared: list[Compared] = []
    leads, place = 0, None
    for at, lead in walk(after, caller=caller, company=company, store=store):
        if leads == MOST_EXAMINED:
            return Preview(leads, now, end_of_tomorrow(calendar, now), tuple(compared), place)
        compared += trial.compare(lead)
        leads, place = leads + 1, at
    return Preview(leads, now, end_of_tomorrow(calendar, now), tuple(compared))


def end_of_tomorrow(calendar: WorkCalendar, now: datetime) -> datetime:
    """Return when the next working day after today ends, aware UTC; today is the calendar's."""
    today = now.astimezone(calendar.zone).date()
    for distance in range(1, LONGEST_HOLIDAY):
        day = today + timedelta(days=distance)
        if calendar.is_workday(day):
            midnight = datetime.combine(day, time(), tzinfo=calendar.zone)
            segments = calendar.segments(midnight, midnight + timedelta(days=2))
            return max(segment.end for segment in segments if segment.day == day)
    return calendar.next_opening(now)
