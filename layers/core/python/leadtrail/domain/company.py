"""The company as configured: teams, people, sources, channels and policies of one deployment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from leadtrail.domain import assignment as assignments
from leadtrail.domain import calendar_input, instant
from leadtrail.domain.assignment import Assignment
from leadtrail.domain.calendar_input import CalendarError
from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.lead import NEW_STAGE
from leadtrail.domain.policy import Policy, choose
from leadtrail.domain.span import Span

ROLES = ("rep", "manager", "director", "admin")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_WHEN = '需要写作 "2026-02-10" 的日期，或写作 "2026-02-10T09:00:00+08:00" 的时间'


@dataclass(frozen=True, slots=True)
class Rep:
    """Somebody who works with leads; ``team`` is a team's id, empty for a director.

    ``away`` are absences (aware UTC, the end excluded), ``hours`` an own shift (None: the policy's calendar).
    """

    id: str
    name: str
    role: str
    team: str
    wecom_userid: str | None = None
    active: bool = True
    away: tuple[Span, ...] = ()
    hours: Mapping[str, Any] | None = None

    def shift(self, policy: Policy) -> Policy:
        """Return the policy with this rep's own hours in its calendar; holidays stay the company's."""
        return policy if self.hours is None else replace(policy, calendar={**policy.calendar, "hours": self.hours})


@dataclass(frozen=True, slots=True)
class Team:
    """One team of the company; ``assignment`` says how it shares its leads."""

    id: str
    name: str
    assignment: Assignment = field(default_factory=Assignment)


@dataclass(frozen=True, slots=True)
class Source:
    """One configured source of leads; its secrets stand in Secrets Manager under ``secret``.

    ``fields`` maps a role (name, phone, email, ...) to the provider's own field; ``owner`` is the rep who gets
    its leads instead of the rotation; ``allow_ips`` are networks (empty: any); ``recording_hosts`` are the hosts
    from which its recordings are fetched (``.example.com``: every host below it).
    """

    id: str
    provider: str
    team: str
    secret: str
    fields: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None
    allow_ips: tuple[str, ...] = ()
    recording_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Channel:
    """One robot; ``audiences`` says who reads it (owner, manager, director), ``team`` limits it to a team."""

    id: str
    bot: str
    audiences: tuple[str, ...]
    secret: str
    team: str | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Company:
    """Everything that is configured, at one stamp; read at most every 60 s by a warm function.

    ``stages`` are those of all pipelines, in their order; a new lead's stage is always one of them.
    """

    stamp: int
    name: str
    zone: str
    teams: Mapping[str, Team]
    reps: Mapping[str, Rep]
    sources: Mapping[str, Source]
    channels: Mapping[str, Channel]
    policies: Mapping[str, Policy]
    stages: tuple[str, ...] = (NEW_STAGE,)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def rotation(self, team: str) -> tuple[Rep, ...]:
        """Return the active reps of a team, in the order in which leads go round."""
        members = (rep for rep in self.reps.values() if rep.team == team and rep.role == "rep" and rep.active)
        return tuple(sorted(members, key=lambda rep: rep.id))

    def rep_of_wecom(self, userid: str | None) -> Rep | None:
        """Return the active rep with this WeCom UserID."""
        if userid is None:
            return None
        reps = (rep for rep in self.reps.values() if rep.role == "rep" and rep.active)
        return next((rep for rep in reps if rep.wecom_userid == userid), None)

    def rep_of_agent(self, agent: str | None) -> Rep | None:
        """Return the rep whom a call system names, by rep id, WeCom UserID or name."""
        if not agent:
            return None
        return next((rep for rep in self.reps.values() if agent in (rep.id, rep.wecom_userid, rep.name)), None)

    def channel_for(self, audience: str, team: str) -> Channel | None:
        """Return the one channel that reaches ``audience`` of ``team``: the team's own before a company-wide one.

        What nobody reads for a director goes to the managers' channel, never down to the team's group.
        """
        channels = sorted(self.channels.values(), key=lambda channel: (channel.team is None, channel.id))
        fallback = {"owner": ("owner", "manager", "director"), "manager": ("manager", "director")}
        for wanted in fallback.get(audience, ("director", "manager")):
            for channel in channels:
                if wanted in channel.audiences and channel.team in (team, None):
                    return channel
        return None

    def policy_for(self, *, source: str, team: str) -> Policy:
        """Return the policy that a clock of this source and team pins now."""
        return choose(self.policies.values(), source=source, team=team)


def read_team(name: str, body: Mapping[str, Any]) -> Team:
    """Read and check a team as it is configured.

    Raises:
        InvalidInputError: names the place, such as ``team.huadong.assignment.cap``.
        TypeError: a field too many or too few.
    """
    rules = assignments.parse(body.get("assignment", {}), f"team.{name}.assignment")
    return Team(id=name, **{**body, "assignment": rules})


def read_rep(name: str, body: Mapping[str, Any], *, zone: str) -> Rep:
    """Read and check a rep as they are configured; dates without a time are whole days in the company's ``zone``.

    Raises:
        InvalidInputError: names the place, such as ``rep.rep-li.away[0]``.
        TypeError: a field too many or too few.
    """
    away = _absences(body.get("away", []), f"rep.{name}.away", ZoneInfo(zone))
    hours = body.get("hours")
    if hours is not None:
        try:
            calendar_input.read({"tz": zone, "hours": hours})
        except CalendarError as error:
            raise InvalidInputError(f"rep.{name}.{error.field}", error.rule) from error
    return Rep(id=name, **{**body, "away": away, "hours": hours})


def _absences(value: object, place: str, zone: ZoneInfo) -> tuple[Span, ...]:
    if not isinstance(value, list):
        raise InvalidInputError(place, "需要一个列表，每项写作 [开始, 结束]")
    return tuple(_absence(pair, f"{place}[{index}]", zone) for index, pair in enumerate(value))


def _absence(pair: object, place: str, zone: ZoneInfo) -> Span:
    if not isinstance(pair, list) or len(pair) != 2:
        raise InvalidInputError(place, "需要写作 [开始, 结束]")
    since = _edge(pair[0], f"{place}[0]", zone, whole_days=0)
    until = _edge(pair[1], f"{place}[1]", zone, whole_days=1)  # the last day is a day of leave, too
    if since >= until:
        raise InvalidInputError(place, "结束必须晚于开始")
    return since, until


def _edge(text: object, place: str, zone: ZoneInfo, *, whole_days: int) -> datetime:
    if not isinstance(text, str):  # TOML's own dates are none of JSON's
        raise InvalidInputError(place, _WHEN)
    try:
        if not _DATE.fullmatch(text):
            return instant.from_text(text)
        day = date.fromisoformat(text) + timedelta(days=whole_days)
        return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(place, _WHEN) from error
