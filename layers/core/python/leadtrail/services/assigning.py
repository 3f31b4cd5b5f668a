"""Assigning: who gets a new lead, and who hears of it when nobody can."""

from __future__ import annotations

from dataclasses import dataclass, replace

from leadtrail.domain import assignment, routing
from leadtrail.domain.company import Rep
from leadtrail.domain.ids import new_id
from leadtrail.domain.policy import Policy
from leadtrail.services import alerting
from leadtrail.services.arrival import Arrival
from leadtrail.services.ports import Alert, Change

UNASSIGNED = "assignment"  # stands where other alerts name their rule


@dataclass(frozen=True, slots=True)
class Assigned:
    """Who gets the lead (None: nobody can), in which team, by what, and whether the rotation's turn was taken."""

    rep: Rep | None
    team: str
    by: str
    took_turn: bool = False


def assign(arrival: Arrival, previous: str | None) -> Assigned:
    """Return who gets a new lead: whom the delivery or its source names, else by the team's own rules.

    ``previous`` is the rep who had this customer. Many leads at the same moment would all wait for one turn: after
    a few tries the turn is the clock's last digits, and the rotation stays where it is.
    """
    delivery, company, home = arrival.delivery, arrival.company, arrival.source.team
    named = company.reps.get(delivery.owner or "")
    by_source = company.reps.get(arrival.source.owner or "")
    for rep, by in (
        (named, "person"),
        (company.rep_of_wecom(delivery.owner_hint), "wecom"),
        (by_source, "source"),
    ):
        if rep is not None and rep.active:
            return Assigned(rep, rep.team or home, by)
    policy = arrival.timing(home).policy
    chosen = assignment.choose(
        company.teams[home].assignment,
        company.rotation(home),
        turn=arrival.received_at.microsecond if arrival.crowded else arrival.view.rotation.turn,
        load=arrival.view.loads,
        source=delivery.source,
        fields=delivery.fields,
        previous=previous,
        is_working=lambda rep: _is_working(arrival, rep.shift(policy)),
        now=arrival.received_at,
    )
    by = "crowd" if arrival.crowded and chosen.took_turn else chosen.by
    return Assigned(chosen.rep, home, by, chosen.took_turn and not arrival.crowded)


def _is_working(arrival: Arrival, policy: Policy) -> bool:
    return arrival.calendar(policy).is_open(arrival.received_at)


def with_notice(arrival: Arrival, change: Change, assigned: Assigned) -> Change:
    """Return the change with the rotation's next turn; where nobody got the lead, with word to the manager."""
    if assigned.took_turn:
        change = replace(change, rotation=arrival.view.rotation)
    if assigned.rep is not None:
        return change
    now = arrival.received_at
    ways = routing.routes(arrival.company, "manager", team=assigned.team, owner=None, now=now)
    alert = Alert(
        id=new_id(now),
        lead_id=change.lead_id,
        rule=UNASSIGNED,
        episode=1,
        level=1,
        audience="manager",
        channel=ways[0].channels[0] if ways else "",
        created_at=now,
    )
    if change.person is None:
        return replace(change, alerts=(alert,))
    opening = arrival.timing(assigned.team).calendar.next_opening(now)
    person_id = change.person.person_id
    rows = (alerting.message(alert, person_id, "manager", way, send_at=opening) for way in ways)
    return replace(change, alerts=(alert,), outbox=(*change.outbox, *rows))
