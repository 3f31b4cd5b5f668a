"""Policies as people read and change them: a change is a new version, for clocks that start from now on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from leadtrail.domain import policy, schedule
from leadtrail.domain.company import Company
from leadtrail.domain.errors import NotFoundError, PolicyInvalidError
from leadtrail.domain.policy import Policy, Rule
from leadtrail.domain.rule import STAGE_STARTS
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
    read(name, body, company=config.current(), config=config, now=now)
    version = store.settled(lambda: config.put("policy", name, dict(body), now=now))
    return policy.parse(name, version, now, body)


def read(name: str, body: Mapping[str, Any], *, company: Company, config: Configuration, now: datetime) -> Policy:
    """Return a policy as it would be, checked against the company and its calendar too.

    Raises:
        PolicyInvalidError: names the field that no clock could follow.
    """
    known = company.policies.get(name)
    wanted = policy.parse(name, known.version + 1 if known else 1, now, body)
    _check_teams(wanted, company)
    _check_opening(wanted, config, now)
    for index, rule in enumerate(wanted.rules):
        _check_stages(f"rules[{index}]", rule, company)
        _try(f"rules[{index}]", wanted, rule, config, now)
    return wanted


def _check_teams(wanted: Policy, company: Company) -> None:
    """A team that nobody has configured would be a condition that never holds."""
    teams = wanted.when.get("team", ())
    for team in [teams] if isinstance(teams, str) else teams:
        if team not in company.teams:
            raise PolicyInvalidError("when.team", f"没有团队 {team}；现有：{'、'.join(sorted(company.teams))}")


def _check_opening(wanted: Policy, config: Configuration, now: datetime) -> None:
    """Hours may stand on dates that are over: then nobody will ever work."""
    try:
        config.calendar(wanted).next_opening(now)
    except CalendarError as error:
        raise PolicyInvalidError(f"calendar.{error.field}", error.rule) from error


def _check_stages(path: str, rule: Rule, company: Company) -> None:
    for stage in rule.stages:
        if stage not in company.stages:
            field = "starts" if rule.starts == f"{STAGE_STARTS}{stage}" else "meets"
            raise PolicyInvalidError(f"{path}.{field}", f"没有阶段 {stage}；现有：{'、'.join(company.stages)}")


def _try(path: str, wanted: Policy, rule: Rule, config: Configuration, now: datetime) -> None:
    """Start a clock, so that a calendar which cannot hold a budget is refused now."""
    try:
        schedule.start(wanted, rule, config.calendar(wanted), at=now, episode=1)
    except CalendarError as error:
        field = f"{path}.budget" if error.field in ("budget", "days") else f"calendar.{error.field}"
        raise PolicyInvalidError(field, error.rule) from error
