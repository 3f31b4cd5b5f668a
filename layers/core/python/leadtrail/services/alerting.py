"""Alerting: one alert for each level that a clock reaches, one message for each person or group that hears of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from leadtrail.domain.clock import WARNING, Notice
from leadtrail.domain.company import Company
from leadtrail.domain.ids import new_id
from leadtrail.domain.instant import to_text
from leadtrail.domain.lead import Lead
from leadtrail.domain.policy import Policy
from leadtrail.domain.routing import Route, routes
from leadtrail.services.ports import Alert, OutboxRow


def tell(
    lead: Lead, notice: Notice, *, company: Company, send_at: datetime, now: datetime, newcomer: bool = False
) -> tuple[Alert, tuple[OutboxRow, ...]]:
    """Return the alert of a notice with its messages, of which there is none where nobody can be reached.

    A ``newcomer``, who became the owner just now, hears of it whoever else does.
    """
    # Nobody owns it: the manager is told in the owner's place (PRODUCT 10).
    audience = "manager" if notice.to == "owner" and lead.owner is None else notice.to
    ways = [(audience, way) for way in _routes(company, audience, lead, now)]
    if newcomer and audience != "owner":
        known = {way for _, way in ways}
        ways += [("owner", way) for way in _routes(company, "owner", lead, now) if way not in known]
    alert = Alert(
        id=new_id(now),
        lead_id=lead.lead_id,
        rule=notice.clock.rule,
        episode=notice.clock.episode,
        level=notice.level,
        audience=audience,
        channel=ways[0][1].channels[0] if ways else "",
        created_at=now,
    )
    return alert, tuple(message(alert, lead.person_id, heard_as, way, send_at=send_at) for heard_as, way in ways)


def goes_at_any_hour(notice: Notice, policy: Policy) -> bool:
    """Tell whether the level that a notice speaks of is told outside working time too; a warning never is.

    Levels are numbered by when they come, and may stand in another order in the policy.
    """
    rule = policy.rule(notice.clock.rule)
    if rule is None or notice.level == WARNING:
        return False
    alike = sorted(
        (level for level in rule.levels if level.to == notice.to),
        key=lambda level: (level.after.days, level.after.time),
    )
    place = sum(step.to == notice.to and step.level < notice.level for step in notice.clock.steps)
    return place < len(alike) and alike[place].any_hour


def _routes(company: Company, audience: str, lead: Lead, now: datetime) -> tuple[Route, ...]:
    return routes(company, audience, team=lead.team, owner=lead.owner, now=now)


def message(alert: Alert, person_id: str, audience: str, way: Route, *, send_at: datetime) -> OutboxRow:
    """Return an alert's message for one person or group, who hear of it as ``audience``: facts, and no words yet."""
    facts: dict[str, Any] = {
        "lead": alert.lead_id,
        "person": person_id,
        "rule": alert.rule,
        "episode": alert.episode,
        "level": alert.level,
        "alert": alert.id,
        "audience": audience,
        "at": to_text(alert.created_at),
        "to": way.to,
        "channels": list(way.channels),
        "tried": [],
    }
    return OutboxRow(way.channels[0], new_id(alert.created_at), "alert", send_at, facts)
