"""The company as configured: teams, people, sources, channels and policies of one deployment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leadtrail.domain.policy import Policy, choose

ROLES = ("rep", "manager", "director", "admin")


@dataclass(frozen=True, slots=True)
class Rep:
    """Somebody who works with leads; ``team`` is a team's id, empty for a director."""

    id: str
    name: str
    role: str
    team: str
    wecom_userid: str | None = None
    active: bool = True


@dataclass(frozen=True, slots=True)
class Team:
    """One team of the company."""

    id: str
    name: str


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
    """Everything that is configured, at one stamp; read at most every 60 s by a warm function."""

    stamp: int
    name: str
    zone: str
    teams: Mapping[str, Team]
    reps: Mapping[str, Rep]
    sources: Mapping[str, Source]
    channels: Mapping[str, Channel]
    policies: Mapping[str, Policy]
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
