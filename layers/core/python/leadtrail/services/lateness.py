"""Who was late at an instant, the worst first.

Shortly after the instant the sparse index of late leads is asked, so that the cost follows the leads at risk. An
instant long gone is read from the trails of the team, since those who were late then may have been answered since;
what was learned later about that moment counts, as everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from leadtrail.domain import lead as leads_of
from leadtrail.domain.clock import Clock
from leadtrail.domain.lead import Lead
from leadtrail.services import explaining
from leadtrail.services.ports import Configuration, Store

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
    is_fresh = as_of >= now - FRESH
    # By id: a lead that escalates between two pages of the index would stand on both.
    listed = {item.lead.lead_id: item.lead for item in store.listed("risk" if is_fresh else "team", team, size=PAGE)}
    known = listed.values()
    then = (_as_known(lead, as_of) if is_fresh else _as_it_was(lead, as_of, store) for lead in known)
    late = [_late(lead, as_of, config) for lead in then if lead is not None and lead.team == team and lead.risk]
    return sorted(late, key=lambda item: item.order)


def _as_known(lead: Lead, as_of: datetime) -> Lead:
    """Return the lead without the breaches that came after ``as_of``."""
    return replace(lead, clocks=tuple(clock for clock in lead.clocks if not clock.is_late or clock.due_at <= as_of))


def _as_it_was(lead: Lead, as_of: datetime, store: Store) -> Lead | None:
    """Fold the trail up to ``as_of``; a lead that cannot have been late then costs no read."""
    if not any(_was_late(clock, as_of) for clock in lead.clocks):
        return None
    return leads_of.fold(event for event in store.trail(lead.lead_id) if event.occurred_at <= as_of)


def _was_late(clock: Clock, as_of: datetime) -> bool:
    is_broken = clock.breached_at is not None and clock.due_at <= as_of
    return is_broken and (clock.met_at is None or clock.met_at > as_of)


def _late(lead: Lead, as_of: datetime, config: Configuration) -> LateLead:
    spans = {clock.key: explaining.overdue(clock, as_of, config=config) for clock in lead.late_clocks}
    clocks = sorted(lead.late_clocks, key=lambda clock: (-spans[clock.key], clock.due_at, clock.key))
    return LateLead(lead, tuple(clocks), max(spans.values()))
