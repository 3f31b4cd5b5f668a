"""Wording: a message's words, made from its facts at the moment of sending, so that no names rest in the outbox."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from leadtrail.domain import clock as clocks_of
from leadtrail.domain import message
from leadtrail.domain.clock import Clock
from leadtrail.domain.company import Channel, Company
from leadtrail.domain.identity import masked
from leadtrail.domain.instant import from_text
from leadtrail.domain.lead import RISK_TAGS, Lead
from leadtrail.services import assigning, explaining
from leadtrail.services.ports import Configuration, OutboxRow, Person, Store

NO_NAME = "未留名"
EXPLAINED = 4  # lines of counted time that a chat message shows; the page behind the link shows all
Link = Callable[[OutboxRow, Channel], str]


def render(
    row: OutboxRow, channel: Channel, *, store: Store, config: Configuration, link: Link, now: datetime
) -> str | None:
    """Return a message as markdown, or None where what it says is no longer true and nobody needs to hear it."""
    if row.kind == "report":
        return _report(row, config.company(), link(row, channel))
    lead, person = store.lead_and_person(row.facts["lead"], row.facts["person"])
    if row.facts["rule"] == assigning.UNASSIGNED:
        return _unassigned(row, lead, person, link(row, channel)) if lead and lead.owner is None else None
    clock = lead.clock(row.facts["rule"], row.facts["episode"]) if lead else None
    if lead is None or clock is None or _is_moot(clock, row.facts["level"]):
        return None
    told_at = max(now, from_text(row.facts["at"]))  # a sweep that plays the future is late by the future's time
    return _alert(row, lead, person, clock, link(row, channel), config=config, now=told_at)


def _unassigned(row: OutboxRow, lead: Lead, person: Person | None, link: str) -> str:
    phones = person.contact.phones if person else ()
    return message.unassigned(
        alert_id=row.facts["alert"],
        name=(person.contact.name if person else "") or NO_NAME,
        phone=masked(phones[0]) if phones else "",
        source=lead.source,
        link=link,
    )


def _is_moot(clock: Clock, level: int) -> bool:
    """A warning is moot once answered; a breach once it was corrected or the lead was closed."""
    return clock.met_at is not None if level == clocks_of.WARNING else clock.state in ("met", "cancelled")


def _alert(
    row: OutboxRow,
    lead: Lead,
    person: Person | None,
    clock: Clock,
    link: str,
    *,
    config: Configuration,
    now: datetime,
) -> str:
    company = config.company()
    owner = company.reps.get(lead.owner or "")
    phones = person.contact.phones if person else ()
    zone = config.calendar(config.policy(clock.policy, clock.policy_version)).zone
    lines = explaining.explain(clock, config=config)
    return message.alert(
        message.AlertWords(
            alert_id=row.facts["alert"],
            level=row.facts["level"],
            audience=row.facts["audience"],
            rule=explaining.title(clock),
            name=(person.contact.name if person else "") or NO_NAME,
            phone=masked(phones[0]) if phones else "",
            owner=owner.name if owner else "未分配",
            stage=lead.stage,
            due=explaining.local_words(clock.due_at, zone),
            late_by=explaining.overdue_words(clock, now, config=config) if clock.due_at <= now else "",
            budget=explaining.budget_words(clock, config=config),
            explain=lines if len(lines) <= EXPLAINED else [*lines[:2], f"……共{len(lines)}段", lines[-1]],
            estimated=clock.certainty == "estimated",
            link=link,
        )
    )


def _report(row: OutboxRow, company: Company, link: str) -> str:
    team = company.teams.get(row.facts["team"])
    tags = [(tag, int(row.facts["tags"][tag])) for tag in RISK_TAGS]
    return message.report(team=team.name if team else row.facts["team"], day=row.facts["day"], tags=tags, link=link)
