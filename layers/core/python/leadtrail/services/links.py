"""Links that open without signing in: made for one recipient, followed on a phone, revoked all at once.

Whoever holds a link has its right, so a link is short-lived, bound to its recipient, and asked about at every click:
is it alive, and may the one it was given to still see this? Only a keyed hash of the token rests in the table.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from leadtrail.domain.company import Company
from leadtrail.domain.errors import LinkGoneError, NotFoundError
from leadtrail.domain.ids import new_id
from leadtrail.domain.lead import Lead
from leadtrail.domain.report import LINK_LIVES, Link, Opening, Report
from leadtrail.services.people import Caller
from leadtrail.services.ports import Configuration, Reports, Store

MOST_AT_ONCE = 100  # of one transaction
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_TOKEN_BYTES = 32
_AGENT_SHOWN = 120
_PREVIEW = re.compile(r"bot\b|bot-|spider|crawler|preview|linkservice|prefetch|facebookexternalhit|headless", re.I)
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
        targets: ``report:<id>`` or ``lead:<id>`` each.
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


def follow(
    token: str, *, visit: Visit, reports: Reports, store: Store, config: Configuration, now: datetime
) -> Report | Lead:
    """Return what a link opens, and keep that it was opened; a preview is answered and not kept.

    Raises:
        NotFoundError: there never was such a link, or what it opened is gone.
        LinkGoneError: expired or revoked, or its recipient may not see this any more.
    """
    link = reports.link(reports.hash_link(token)) if _TOKEN.fullmatch(token) else None
    if link is None:
        raise NotFoundError
    if now >= link.until:
        raise LinkGoneError
    target = _target(link, reports, store)
    if not _is_allowed(link.recipient, target, config.current()):
        raise LinkGoneError
    if not visit.is_preview:
        reports.log_opening(Opening(new_id(now), link.hash, now, link.recipient, visit.agent, visit.address))
    return target


def _report_of(target: str) -> str:
    kind, _, name = target.partition(":")
    return name if kind == "report" else ""


def _target(link: Link, reports: Reports, store: Store) -> Report | Lead:
    report_id = _report_of(link.target)
    target = reports.report(report_id) if report_id else store.lead(link.target.removeprefix("lead:"))
    if target is None:
        raise NotFoundError
    if isinstance(target, Report) and reports.generations([target.id])[target.id] != link.generation:
        raise LinkGoneError
    return target


def _is_allowed(recipient: str, target: Report | Lead, company: Company) -> bool:
    """Tell whether the one a link was given to may see its target, as the company stands now."""
    kind, _, name = recipient.partition(":")
    if kind == "rep":
        rep = company.reps.get(name)
        if rep is None or not rep.active:
            return False
        person = Caller(rep.id, rep.name, rep.role, rep.team)
        return person.sees(target) if isinstance(target, Lead) else person.sees_team(target.team)
    channel = company.channels.get(name)
    if channel is None or channel.team not in (target.team, None):
        return False
    return isinstance(target, Lead) or any(audience in _FOR_MANAGERS for audience in channel.audiences)
