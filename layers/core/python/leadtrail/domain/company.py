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
from leadtrail.domain.identity import email
from leadtrail.domain.lead import NEW_STAGE, Lead
from leadtrail.domain.policy import Policy, choose
from leadtrail.domain.quiet import Quiet, read_quiet
from leadtrail.domain.span import Span

ROLES = ("rep", "manager", "director", "admin")
GROUP_BOTS = ("wecom", "dingtalk", "feishu")
PERSONAL_BOTS = ("wecom-app", "mail")
BOTS = GROUP_BOTS + PERSONAL_BOTS
AUDIENCES = ("owner", "manager", "director", "team")
HOURLY = 30  # messages an hour to one person, unless their own configuration says otherwise
MOST_HOURLY = 1000  # WeCom takes no more than that for one member
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_WHEN = '需要写作 "2026-02-10" 的日期，或写作 "2026-02-10T09:00:00+08:00" 的时间'


@dataclass(frozen=True, slots=True)
class Rep:
    """Somebody who works with leads; ``team`` is a team's id, empty for a director.

    ``away`` are absences (aware UTC, the end excluded), ``hours`` an own shift (None: the policy's calendar).
    ``deputy`` is the rep who hears of what is theirs while they are away; ``hourly`` is how many messages an hour
    they get over personal channels (None: 30), what is more comes as one digest.
    """

    id: str
    name: str
    role: str
    team: str
    wecom_userid: str | None = None
    active: bool = True
    away: tuple[Span, ...] = ()
    hours: Mapping[str, Any] | None = None
    deputy: str | None = None
    email: str | None = None
    hourly: int | None = None

    def is_present(self, now: datetime) -> bool:
        """Tell whether somebody works here and is not away at ``now`` (aware UTC)."""
        return self.active and not any(since <= now < until for since, until in self.away)

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
    """One way to people: a group's robot (wecom, dingtalk, feishu), or one to each person (wecom-app, mail).

    ``audiences`` says who reads it (owner, manager, director, team), ``team`` limits it to a team; in its ``quiet``
    time messages wait, but for those that are excepted.
    """

    id: str
    bot: str
    audiences: tuple[str, ...]
    secret: str
    team: str | None = None
    name: str = ""
    quiet: Quiet | None = None

    @property
    def is_personal(self) -> bool:
        """True where a message goes to one person and not to a group."""
        return self.bot in PERSONAL_BOTS


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
        """Return the one group that reads for ``audience`` of ``team``: the team's own before a company-wide one.

        What nobody reads for a director goes to the managers' channel, never down to the team's group.
        """
        channels = sorted(self.channels.values(), key=lambda channel: (channel.team is None, channel.id))
        fallback = {"owner": ("owner", "manager", "director"), "manager": ("manager", "director")}
        for wanted in fallback.get(audience, ("director", "manager")):
            for channel in channels:
                if wanted in channel.audiences and channel.team in (team, None) and not channel.is_personal:
                    return channel
        return None

    def policy_for(
        self, *, source: str, team: str, amount_fen: int | None = None, tags: tuple[str, ...] = ()
    ) -> Policy:
        """Return the policy that a clock of such a lead pins now."""
        return choose(self.policies.values(), source=source, team=team, amount_fen=amount_fen, tags=tags)

    def policy_of(self, lead: Lead) -> Policy:
        """Return the policy that a clock of this lead pins now."""
        return self.policy_for(source=lead.source, team=lead.team, amount_fen=lead.amount_fen, tags=lead.tags)


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
    _check_reach(name, body)
    return Rep(id=name, **{**body, "away": away, "hours": hours})


def read_channel(name: str, body: Mapping[str, Any]) -> Channel:
    """Read and check a channel as it is configured.

    Raises:
        InvalidInputError: names the place, such as ``channel.managers.quiet.from``.
        TypeError: a field too many or too few.
    """
    place = f"channel.{name}"
    if "bot" in body and body["bot"] not in BOTS:
        raise InvalidInputError(f"{place}.bot", f"只能是 {'、'.join(BOTS)} 之一")
    audiences = body.get("audiences", [])
    if not isinstance(audiences, list) or not audiences or not all(one in AUDIENCES for one in audiences):
        raise InvalidInputError(f"{place}.audiences", f"需要一个列表，每项只能是 {'、'.join(AUDIENCES)} 之一")
    quiet = read_quiet(body.get("quiet"), f"{place}.quiet")
    return Channel(id=name, **{**body, "audiences": tuple(audiences), "quiet": quiet})


def _check_reach(name: str, body: Mapping[str, Any]) -> None:
    """Check how a rep is reached: deputy, e-mail, messages an hour."""
    deputy, address, hourly = (body.get(field) for field in ("deputy", "email", "hourly"))
    if deputy is not None and (not isinstance(deputy, str) or not deputy or deputy == name):
        raise InvalidInputError(f"rep.{name}.deputy", "需要另一位同事的编号")
    if address is not None and (not isinstance(address, str) or email(address) is None):
        raise InvalidInputError(f"rep.{name}.email", "不是有效的邮箱地址")
    if hourly is not None and (type(hourly) is not int or not 1 <= hourly <= MOST_HOURLY):
        raise InvalidInputError(f"rep.{name}.hourly", f"需要1到{MOST_HOURLY}之间的整数")


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
