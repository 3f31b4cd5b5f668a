"""Who was late at an instant, the worst first.

Shortly after the instant the sparse index of late leads is asked; for an instant long gone the index of breaches
that lasted beyond it, and then the trails of those leads. The cost follows the leads at risk, never how many a team
has. What was learned later about that moment counts, as everywhere; what was told is asked lead by lead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from leadtrail.domain import lead as leads_of
from leadtrail.domain.clock import Clock
from leadtrail.domain.lead import Lead
from leadtrail.services import explaining
from leadtrail.services.ports import Configuration, Store, Telling

FRESH = timedelta(hours=1)  # the schedule tries for an hour; until then the index of late leads answers
PAGE = 200  # leads to a page of an index


@dataclass(frozen=True, slots=True)
class LateLead:
    """One lead as it was, with its late clocks, the longest overdue first, and the longest of their lateness."""

    lead: Lead
    clocks: tuple[Clock, ...]
    overdue: timedelta

    @property
    def severity(self) -> int:
        """1 to 3: the owner, the manager or the director has been told."""
        return max(explaining.severity(clock) for clock in self.clocks)

    @property
    def order(self) -> tuple[int, timedelta, datetime, str]:
        """Severity first, then how long overdue (PRODUCT 50); then whatever stays the same."""
        return -self.severity, -self.overdue, self.clocks[0].due_at, self.lead.lead_id


def late_leads(team: str, *, as_of: datetime, store: Store, config: Configuration, now: datetime) -> list[LateLead]:
    """Return the leads of a team that carried a tag at ``as_of`` (aware UTC): severity first, then how overdue."""
    then = _known(team, as_of, store) if as_of >= now - FRESH else _gone(team, as_of, store)
    late = [_late(lead, as_of, config) for lead in then if lead.team == team and lead.risk]
    return sorted(late, key=lambda item: item.order)


def told(lead_id: str, *, as_of: datetime, store: Store) -> tuple[Telling, ...]:
    """Return what had been said of a lead by ``as_of`` (aware UTC), and what of it had been seen by then: one query."""
    said = (each for each in store.tellings(lead_id) if each.at <= as_of and each.state in ("sent", "unconfirmed"))
    return tuple(replace(each, seen_at=None) if each.seen_at and each.seen_at > as_of else each for each in said)


def _known(team: str, as_of: datetime, store: Store) -> Iterable[Lead]:
    # By id: a lead that escalates between two pages of the index would stand on both.
    listed = {item.lead.lead_id: item.lead for item in store.listed("risk", team, size=PAGE)}
    return [_as_known(lead, as_of) for lead in listed.values()]


def _gone(team: str, as_of: datetime, store: Store) -> Iterable[Lead]:
    for lead_id in dict.fromkeys(store.breached_beyond(team, as_of)):
        known = [event for event in store.trail(lead_id) if event.occurred_at <= as_of]
        if known:
            yield leads_of.fold(known)


def _as_known(lead: Lead, as_of: datetime) -> Lead:
    """Return the lead without the breaches that came after ``as_of``."""
    return replace(lead, clocks=tuple(clock for clock in lead.clocks if not clock.is_late or clock.due_at <= as_of))


def _late(lead: Lead, as_of: datetime, config: Configuration) -> LateLead:
    spans = {clock.key: explaining.overdue(clock, as_of, config=config) for clock in lead.late_clocks}
    clocks = sorted(lead.late_clocks, key=lambda clock: (-spans[clock.key], clock.due_at, clock.key))
    return LateLead(lead, tuple(clocks), max(spans.values()))
