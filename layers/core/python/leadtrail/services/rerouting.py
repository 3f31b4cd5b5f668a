"""Rerouting: the way of a message that waits, when it has to be another than it was given."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from leadtrail.domain import routing
from leadtrail.domain.company import Company
from leadtrail.domain.ids import new_id
from leadtrail.domain.lead import Lead
from leadtrail.domain.routing import Route
from leadtrail.services.ports import OutboxRow


def to_owner(row: OutboxRow, lead: Lead, *, company: Company, now: datetime) -> tuple[OutboxRow, ...]:
    """Return who hears of a matter of the owner's by now, where that is no longer whom its row names; () otherwise.

    Between the alert and its sending a lead may get another owner, and an owner may leave or go away.
    """
    facts = row.facts
    if facts.get("audience") != "owner" or "channels" not in facts:
        return ()
    found = routing.routes(company, "owner", team=lead.team, owner=lead.owner, now=now)
    if not found or any(way.to == facts["to"] and row.channel in way.channels for way in found):
        return ()
    return tuple(_by(row, way, first=index == 0, now=now) for index, way in enumerate(found))


def elsewhere(row: OutboxRow, lead: Lead | None, *, company: Company, now: datetime) -> tuple[OutboxRow, ...]:
    """Return a row on the next of its channels, () when each has been tried.

    What a group should have read is mailed to each of its people, as far as they have an address.
    """
    tried = [*row.facts.get("tried", ()), row.channel]
    for name in row.facts.get("channels", ()):
        channel = company.channels.get(name)
        if channel is None or name in tried:
            continue
        moved = replace(
            row,
            channel=name,
            send_at=now,
            facts={**row.facts, "tried": tried},
            attempts=0,
            failures=0,
            held=False,
        )
        if not channel.is_personal or row.facts.get("to"):
            return (moved,)
        if lead is not None:
            people = routing.mailed(company, row.facts["audience"], team=lead.team, owner=lead.owner, now=now)
            return tuple(_to(moved, rep.id, row.id if index == 0 else new_id(now)) for index, rep in enumerate(people))
    return ()


def _to(row: OutboxRow, rep_id: str, row_id: str) -> OutboxRow:
    return replace(row, id=row_id, facts={**row.facts, "to": rep_id})


def _by(row: OutboxRow, way: Route, *, first: bool, now: datetime) -> OutboxRow:
    """Return the row on another way; it keeps its id once, so that its line in the ledger is written once."""
    facts = {**row.facts, "to": way.to, "channels": list(way.channels), "tried": []}
    row_id = row.id if first else new_id(now)
    return OutboxRow(way.channels[0], row_id, row.kind, now, facts, unsure=row.unsure)
