"""What a team's daily report asks of a day besides who is late: breaches that were put right, clocks that rest.

Both are rows of the team's own, written in the transaction that makes them true, so that a report of any day costs one
query each and never looks through leads. A lead that changes teams leaves its corrections where they happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from leadtrail.adapters.rows import ALERT_KEPT, Delete, Row, Write
from leadtrail.adapters.table import Key, Raw, RowItem
from leadtrail.domain.clock import Clock
from leadtrail.domain.instant import cut, from_text, to_text
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Event
from leadtrail.services.ports import Correction


def rows(before: Lead | None, after: Lead, events: Iterable[Event]) -> Iterator[Row]:
    """Yield the rows that a change of a lead brings: a correction for each alert retracted, each pause as it is now."""
    known = tuple(events)
    for event in known:
        if event.kind == "alert.retracted":
            yield from _correction(after, event)
    former = {clock.key: clock for clock in before.clocks} if before else {}
    for clock in after.clocks:
        yield from _pause(before, after, former.get(clock.key), clock, cut(known[-1].recorded_at))


def correction_from_item(item: Raw) -> Correction:
    """Read one breach that was put right."""
    row = RowItem.from_raw_data(item)
    doc = row.doc
    return Correction(
        lead_id=doc["lead"],
        person_id=doc["person"],
        owner=doc["owner"],
        rule=doc["rule"],
        policy=doc["policy"],
        policy_version=int(doc["policy_version"]),
        due_at=from_text(doc["due_at"]),
        answered_at=from_text(doc["answered_at"]) if doc["answered_at"] else None,
        learned_at=from_text(doc["learned_at"]),
    )


def corrected_partition(team: str) -> str:
    """Return the partition of a team's corrections, by when we learned of them."""
    return f"CORRECTED#{team}"


def paused_partition(team: str) -> str:
    """Return the partition of a team's pauses, by when they end."""
    return f"PAUSED#{team}"


def paused_lead(item: Raw) -> tuple[str, datetime]:
    """Return whose pause a row is, and since when it has lasted."""
    _, since, lead_id, *_ = item["SK"]["S"].split("#")
    return lead_id, from_text(since)


def _correction(lead: Lead, event: Event) -> Iterator[Write]:
    clock = lead.clock(event.facts["rule"], int(event.facts["episode"]))
    if clock is None or clock.dormant:
        return
    doc = {
        "lead": lead.lead_id,
        "person": lead.person_id,
        "owner": lead.owner,
        "rule": clock.rule,
        "policy": clock.policy,
        "policy_version": clock.policy_version,
        "due_at": to_text(clock.due_at),
        "answered_at": to_text(clock.met_at) if clock.met_at else None,
        "learned_at": to_text(event.recorded_at),
    }
    sort = f"{to_text(event.recorded_at)}#{lead.lead_id}#{clock.key}"
    gone_at = int((event.recorded_at + ALERT_KEPT).timestamp())
    yield Write(RowItem(PK=corrected_partition(lead.team), SK=sort, doc=doc, expires_at=gone_at))


def _pause(before: Lead | None, after: Lead, former: Clock | None, clock: Clock, now: datetime) -> Iterator[Row]:
    """Yield what moves in the team's pauses: one that ends early ends now, one that ended in time stays as it is."""
    old = _place(before, former) if before and former and former.paused_until else None
    new = _place(after, clock) if clock.paused_until else None
    if old == new:
        return
    if old and new is None and former and former.paused_until and former.paused_until <= now:
        return
    if old:
        yield Delete(old)
        if new is None and before and former:
            new = _place(before, former, until=now)
    if new:
        gone_at = int(((clock.paused_until or now) + ALERT_KEPT).timestamp())
        yield Write(RowItem(**new, expires_at=gone_at))


def _place(lead: Lead, clock: Clock, until: datetime | None = None) -> Key:
    ends_at = until or clock.paused_until
    since = next((since for since, end in clock.pauses if end == clock.paused_until), clock.started_at)
    if ends_at is None:
        raise ValueError("a clock that runs rests until no instant")
    return {"PK": paused_partition(lead.team), "SK": f"{to_text(ends_at)}#{to_text(since)}#{lead.lead_id}#{clock.key}"}
