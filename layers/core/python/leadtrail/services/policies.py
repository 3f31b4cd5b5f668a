"""Policies as people read and change them: a change is a new version, for clocks that start from now on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from leadtrail.domain import policy, schedule
from leadtrail.domain.errors import NotFoundError, PolicyInvalidError
from leadtrail.domain.policy import Policy
from leadtrail.domain.worktime import CalendarError
from leadtrail.services.people import Caller, require_lead_of_people
from leadtrail.services.ports import Configuration, Store


def every(*, config: Configuration) -> tuple[Policy, ...]:
    """Return the newest version of every policy, by name."""
    known = config.current().policies
    return tuple(known[name] for name in sorted(known))


def one(name: str, *, config: Configuration) -> Policy:
    """Return the newest version of a policy.

    Raises:
        NotFoundError: there is no such policy.
    """
    known = config.current().policies.get(name)
    if known is None:
        raise NotFoundError
    return known


def change(
    name: str, body: Mapping[str, Any], *, caller: Caller, store: Store, config: Configuration, now: datetime
) -> Policy:
    """Store a new version of a policy; running clocks keep theirs.

    Raises:
        ForbiddenError: the caller is a rep.
        PolicyInvalidError: names the field that no clock could follow.
        StaleLeadError: others changed the configuration eight times running.
    """
    require_lead_of_people(caller)
    wanted = policy.parse(name, 1, now, body)
    _try(wanted, config, now)
    version = store.settled(lambda: config.put("policy", name, dict(body), now=now))
    return policy.parse(name, version, now, body)


def _try(wanted: Policy, config: Configuration, now: datetime) -> None:
    """Start a clock of every rule, so that a calendar which cannot hold a budget is refused now."""
    try:
        calendar = config.calendar(wanted)
        for rule in wanted.rules:
            schedule.start(wanted, rule, calendar, at=now, episode=1)
    except CalendarError as error:
        raise PolicyInvalidError(f"calendar.{error.field}", error.rule) from error
