"""Links that open without signing in: made for one recipient, followed on a phone, revoked all at once.

Whoever holds a link has its right, so a link is short-lived, bound to its recipient, and asked about at every click:
is it alive, and may the one it was given to still see this? Only a keyed hash of the token rests in the table.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from leadtrail.domain.company import Company, Rep
from leadtrail.domain.errors import InvalidInputError, LinkGoneError, NotFoundError
from leadtrail.domain.ids import new_id
from leadtrail.domain.lead import Lead
from leadtrail.domain.report import LINK_LIVES, Link, Opening, Report
from leadtrail.domain.routing import stand_in
from leadtrail.services.people import Caller
from leadtrail.services.ports import Configuration, Reports, Store, Telling

MOST_AT_ONCE = 100  # of one transaction
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_TOKEN_BYTES = 32
_AGENT_SHOWN = 120
_PREVIEW = re.compile(
    r"bot\b|bot-|spider|crawler|preview|linkservice|prefetch|opengraph|whatsapp|facebookexternalhit|headless", re.I
)
_PREFETCH_HEADERS = ("purpose", "sec-purpose", "x-purpose", "x-moz")
_FOR_MANAGERS = ("manager", "director")


@dataclass(frozen=True, slots=True)
class Visit:
    """One click: what the browser calls itself, its masked address, and whether only a chat looked for a preview."""

    agent: str = ""
    address: str = ""
    is_preview: bool = False

    @classmethod
    def of(cls, headers: Mapping[str, str], address: str, method: str = "GET") -> Visit:
        """Read a click; ``headers`` by lower-case name, ``address`` in full."""
        agent = headers.get("user-agent", "")
        fetched_ahead = any(re.search("prefetch|preview", headers.get(name, ""), re.I) for name in _PREFETCH_HEADERS)
        is_preview = method == "HEAD" or fetched_ahead or _PREVIEW.search(agent) is not None
        return cls(agent[:_AGENT_SHOWN], masked_address(address), is_preview)


@dataclass(frozen=True, slots=True)
class AlertPage:
    """What an alert's link opens: its lead, the message that it speaks of, and who it was given to.

    ``said`` is None where the message is not to be found any more; ``recipient`` is as the link names it.
    """

    lead: Lead
    said: Telling | None
    recipient: str

    @property
    def who(self) -> str:
        """The recipient as events name who pressed: a rep's id, or ``channel:<id>``."""
        return self.recipient.removeprefix("rep:")


Target = Report | Lead | AlertPage


def masked_address(address: str) -> str:
    """Return a network address without its last part: 203.0.113.*, 2001:db8:1:*."""
    if ":" in address:
        return ":".join(address.split(":")[:3]) + ":*"
    return ".".join(address.split(".")[:3]) + ".*" if "." in address else ""


def make(
    targets: Sequence[str], *, recipient: str, reports: Reports, public_base_url: str, now: datetime
) -> tuple[str, ...]:
    """Return a fresh absolute link to each of up to 100 targets; lives 72 hours.

    Args:
        targets: ``report:<id>``, ``lead:<id>`` or ``alert:<lead id>:<outbox row id>`` each.
        recipient: ``rep:<id>`` or ``channel:<id>``, asked about again at each click.
        reports: the table's reports and links.
        public_base_url: what /r/{token} is appended to.
        now: the time.
    """
    if not targets:
        return ()
    generations = reports.generations([_report_of(target) for target in targets if _report_of(target)])
    tokens = [secrets.token_urlsafe(_TOKEN_BYTES) for _ in targets]
    links = [
        Link(
            hash=reports.hash_link(token),
            target=target,
            recipient=recipient,
            generation=generations.get(_report_of(target), 0),
            made_at=now,
            until=now + LINK_LIVES,
        )
        for token, target in zip(tokens, targets, strict=True)
    ]
    reports.save_links(links)
    return tuple(f"{public_base_url}/r/{token}" for token in tokens)


def make_report_link(report_id: str, *, recipient: str, reports: Reports, public_base_url: str, now: datetime) -> str:
    """Return a fresh link to a report; see `make`."""
    [link] = make(
        [f"report:{report_id}"], recipient=recipient, reports=reports, public_base_url=public_base_url, now=now
    )
    return link


def make_lead_link(lead_id: str, *, recipient: str, reports: Reports, public_base_url: str, now: datetime) -> str:
    """Return a fresh link to a lead's page; see `make`."""
    [link] = make([f"lead:{lead_id}"], recipient=recipient, reports=reports, public_base_url=public_base_url, now=now)
    return link


def follow(token: str, *, visit: Visit, reports: Reports, store: Store, config: Configuration, now: datetime) -> Target:
    """Return what a link opens, and keep that it was opened; a preview is answered and not kept.

    An alert's message counts as seen from its first opening by a person on.

    Raises:
        NotFoundError: there never was such a link, or what it opened is gone.
        LinkGoneError: expired or revoked, or its recipient may not see this any more.
    """
    link, target = _opened(token, reports=reports, store=store, config=config, now=now)
    if not visit.is_preview:
        reports.log_opening(Opening(new_id(now), link.hash, now, link.recipient, visit.agent, visit.address))
        if isinstance(target, AlertPage) and target.said:
            reports.note_seen(target.lead.lead_id, target.said.id, now)
    return target


def find_alert(
    token: str, *, reports: Reports, store: Store, config: Configuration, now: datetime
) -> tuple[AlertPage, Telling]:
    """Return what the buttons behind an alert's link are about; asks all that an opening asks, and keeps nothing.

    Raises:
        NotFoundError, LinkGoneError: as `follow`; and LinkGoneError where the message is not to be found any more.
        InvalidInputError: the link opens something that has no buttons.
    """
    _, target = _opened(token, reports=reports, store=store, config=config, now=now)
    if not isinstance(target, AlertPage):
        raise InvalidInputError("action", "这个链接没有可以执行的操作")
    if target.said is None:
        raise LinkGoneError
    return target, target.said


def _opened(token: str, *, reports: Reports, store: Store, config: Configuration, now: datetime) -> tuple[Link, Target]:
    link = reports.link(reports.hash_link(token)) if _TOKEN.fullmatch(token) else None
    if link is None:
        raise NotFoundError
    if now >= link.until:
        raise LinkGoneError
    company = config.current()
    target = _target(link, reports, store, company)
    if not _is_allowed(link.recipient, target, company, now):
        raise LinkGoneError
    return link, target


def _report_of(target: str) -> str:
    kind, _, name = target.partition(":")
    return name if kind == "report" else ""


def _target(link: Link, reports: Reports, store: Store, company: Company) -> Target:
    kind, _, name = link.target.partition(":")
    lead_id, _, row_id = name.partition(":")
    target = reports.report(name) if kind == "report" else store.lead(lead_id)
    if target is None:
        raise NotFoundError
    if isinstance(target, Lead) and kind == "alert":
        said = reports.told(lead_id, row_id, _channels(link.recipient, company))
        if said and link.recipient.startswith("channel:"):  # a person's message may wait for a group to hear it instead
            said = replace(said, to=None)
        return AlertPage(target, said, link.recipient)
    if isinstance(target, Report) and reports.generations([target.id])[target.id] != link.generation:
        raise LinkGoneError
    return target


def _channels(recipient: str, company: Company) -> list[str]:
    """Return in which outboxes a recipient's message may still wait: the group's own, or those that reach people."""
    kind, _, name = recipient.partition(":")
    if kind == "channel":
        return [name]
    return [channel.id for channel in company.channels.values() if channel.is_personal]


def _is_allowed(recipient: str, target: Target, company: Company, now: datetime) -> bool:
    """Tell whether the one a link was given to may see its target, as the company stands now."""
    kind, _, name = recipient.partition(":")
    seen = target.lead if isinstance(target, AlertPage) else target
    if kind == "rep":
        rep = company.reps.get(name)
        return rep is not None and rep.active and _is_theirs(rep, seen, company, now)
    channel = company.channels.get(name)
    if channel is None or channel.team not in (seen.team, None):
        return False
    return isinstance(seen, Lead) or any(audience in _FOR_MANAGERS for audience in channel.audiences)


def _is_theirs(rep: Rep, seen: Report | Lead, company: Company, now: datetime) -> bool:
    """Tell whether somebody who works here may see this: as themselves, or for somebody whom they stand in for."""
    person = _caller(rep)
    if isinstance(seen, Report):
        return person.sees_team(seen.team)
    if person.sees(seen):
        return True
    working = (each for each in company.reps.values() if each.active or each.id == seen.owner)
    others = (each for each in working if _caller(each).sees(seen))
    return any(stand_in(company, each.id, now) == rep for each in others)


def _caller(rep: Rep) -> Caller:
    return Caller(rep.id, rep.name, rep.role, rep.team)
