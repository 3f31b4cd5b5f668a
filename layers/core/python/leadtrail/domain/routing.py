"""Routes: who hears of an alert, and by which channels, in the order in which they are tried.

A matter of the owner's goes to the owner's own phone; of a manager's, to managers. What is for managers never comes
to the team's group: a channel that the team reads is no way to them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from leadtrail.domain.company import GROUP_BOTS, Channel, Company, Rep

HOPS: Final = 3  # of deputies, one standing in for the other
# Who hears instead where nobody can be reached: always somebody further up, never further down.
_INSTEAD: Final = {
    "owner": ("owner", "manager", "director"),
    "manager": ("manager", "director"),
    "pool": ("manager", "director"),
    "director": ("director", "manager"),
    "team": ("team", "owner", "manager", "director"),
}


@dataclass(frozen=True, slots=True)
class Route:
    """One message's way: to a person (``to``: a rep's id) or to a group (None), by channel ids, the first first."""

    to: str | None
    channels: tuple[str, ...]


def routes(company: Company, audience: str, *, team: str, owner: str | None, now: datetime) -> tuple[Route, ...]:
    """Return one route for each person, or group, that ``audience`` of a lead's team means at ``now`` (aware UTC).

    ``owner`` is the lead's; a lead without one is its manager's matter. Somebody who is away, or left, is stood in
    for by their deputy, an owner without one by the manager. Who has no channel of their own shares the group's.

    Returns:
        The routes, in a fixed order; () when nobody can be reached.
    """
    for wanted in _INSTEAD[audience]:
        found = _to(company, wanted, team=team, owner=owner, now=now)
        if found:
            return found
    return ()


def stand_in(company: Company, rep_id: str | None, now: datetime) -> Rep | None:
    """Return the rep, or whoever stands in for them at ``now``; None when nobody does within three hops."""
    rep, seen = company.reps.get(rep_id or ""), set[str]()
    for _ in range(HOPS + 1):
        if rep is None or rep.id in seen:
            return None
        if rep.is_present(now):
            return rep
        seen.add(rep.id)
        rep = company.reps.get(rep.deputy or "")
    return None


def mailed(company: Company, audience: str, *, team: str, owner: str | None, now: datetime) -> tuple[Rep, ...]:
    """Return those of ``audience`` who have an e-mail address: for them, mail is the last resort behind a group."""
    for wanted in _INSTEAD[audience]:
        found = tuple(rep for rep in _people(company, wanted, team=team, owner=owner, now=now) if rep.email)
        if found:
            return found
    return ()


def _to(company: Company, audience: str, *, team: str, owner: str | None, now: datetime) -> tuple[Route, ...]:
    people = _people(company, audience, team=team, owner=owner, now=now)
    channels = _channels(company, audience, team)
    apps = tuple(channel.id for channel in channels if channel.bot == "wecom-app")
    groups = tuple(channel.id for channel in channels if channel.bot in GROUP_BOTS)
    mails = tuple(channel.id for channel in channels if channel.bot == "mail")
    alone = [Route(rep.id, apps + groups + (mails if rep.email else ())) for rep in people if apps and rep.wecom_userid]
    others = [rep for rep in people if not (apps and rep.wecom_userid)]
    if groups and (others or not people) and (others or audience != "owner"):
        last = mails if any(rep.email for rep in others) else ()
        return (*alone, Route(None, groups + last))
    return (*alone, *(Route(rep.id, mails) for rep in others if rep.email and mails))


def _people(company: Company, audience: str, *, team: str, owner: str | None, now: datetime) -> tuple[Rep, ...]:
    """Return who is meant, each once; somebody away is there no more as soon as somebody stands in."""
    if audience == "team":
        return ()
    if audience == "owner":
        rep = stand_in(company, owner, now)
        return (rep,) if rep else ()
    meant = [rep for rep in _sorted(company) if rep.role == audience and rep.active]
    if audience == "manager":
        meant = [rep for rep in meant if rep.team == team]
    present = [there for rep in meant for there in [stand_in(company, rep.id, now)] if there]
    return tuple({rep.id: rep for rep in present or meant}.values())  # all are away: the message waits on their phones


def _sorted(company: Company) -> Iterable[Rep]:
    return sorted(company.reps.values(), key=lambda rep: rep.id)


def _channels(company: Company, audience: str, team: str) -> list[Channel]:
    """Return the channels of an audience, the team's own before company-wide ones."""
    ordered = sorted(company.channels.values(), key=lambda channel: (channel.team is None, channel.id))
    fitting = [one for one in ordered if audience in one.audiences and one.team in (team, None)]
    if audience in ("owner", "team"):
        return fitting
    return [one for one in fitting if one.is_personal or "team" not in one.audiences]
