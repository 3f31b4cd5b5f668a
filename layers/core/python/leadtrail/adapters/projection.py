"""The lead's projection as JSON, and back: one function each way."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from leadtrail.domain.clock import Clock, Step
from leadtrail.domain.instant import from_text, to_text
from leadtrail.domain.lead import Lead, SourceEntry


def lead_to_json(lead: Lead) -> dict[str, Any]:
    """Return what rests in the table; instants as text, nothing personal."""
    return {
        "lead_id": lead.lead_id,
        "person_id": lead.person_id,
        "source": lead.source,
        "received_at": to_text(lead.received_at),
        "team": lead.team,
        "stage": lead.stage,
        "stage_at": to_text(lead.stage_at),
        "owner": lead.owner,
        "status": lead.status,
        "sources": [[entry.source, to_text(entry.at)] for entry in lead.sources],
        "clocks": [_clock_to_json(clock) for clock in lead.clocks],
        "touches": lead.touches,
        "first_touch_at": _text(lead.first_touch_at),
        "first_touch_reported": lead.first_touch_reported,
        "last_touch_at": _text(lead.last_touch_at),
        "merged_into": lead.merged_into,
        "released_from": lead.released_from,
        "amount_fen": lead.amount_fen,
        "tags": list(lead.tags),
        "signed": lead.signed,
        "origin": lead.origin,
        "seq": lead.seq,
        "head": lead.head,
        "newest": lead.newest,
        "fold": lead.fold,
    }


def lead_from_json(item: dict[str, Any]) -> Lead:
    """Read the projection back."""
    return Lead(
        lead_id=item["lead_id"],
        person_id=item["person_id"],
        source=item["source"],
        received_at=from_text(item["received_at"]),
        team=item["team"],
        stage=item["stage"],
        stage_at=from_text(item["stage_at"]),
        owner=item["owner"],
        status=item["status"],
        sources=tuple(SourceEntry(source, from_text(at)) for source, at in item["sources"]),
        clocks=tuple(_clock_from_json(clock) for clock in item["clocks"]),
        touches=item["touches"],
        first_touch_at=_at(item["first_touch_at"]),
        first_touch_reported=item["first_touch_reported"],
        last_touch_at=_at(item["last_touch_at"]),
        merged_into=item["merged_into"],
        released_from=item["released_from"],
        amount_fen=item["amount_fen"],
        tags=tuple(item["tags"]),
        signed=item["signed"],
        origin=item["origin"],
        seq=item["seq"],
        head=item["head"],
        newest=item["newest"],
        fold=item["fold"],
    )


def _clock_to_json(clock: Clock) -> dict[str, Any]:
    return {
        "rule": clock.rule,
        "episode": clock.episode,
        "policy": [clock.policy, clock.policy_version],
        "started_at": to_text(clock.started_at),
        "due_at": to_text(clock.due_at),
        "warn_at": _text(clock.warn_at),
        "steps": [[step.level, step.to, to_text(step.at)] for step in clock.steps],
        "starts": clock.starts,
        "meets": list(clock.meets),
        "certainty": clock.certainty,
        "state": clock.state,
        "warned": clock.warned,
        "level": clock.level,
        "breached_at": _text(clock.breached_at),
        "met_at": _text(clock.met_at),
        "dormant": clock.dormant,
        "pauses": [[to_text(since), to_text(until)] for since, until in clock.pauses],
        "paused_until": _text(clock.paused_until),
        "cancelled_at": _text(clock.cancelled_at),
        "moved_from": _text(clock.moved_from),
    }


def _clock_from_json(item: dict[str, Any]) -> Clock:
    return Clock(
        rule=item["rule"],
        episode=item["episode"],
        policy=item["policy"][0],
        policy_version=item["policy"][1],
        started_at=from_text(item["started_at"]),
        due_at=from_text(item["due_at"]),
        warn_at=_at(item["warn_at"]),
        steps=tuple(Step(level, to, from_text(at)) for level, to, at in item["steps"]),
        starts=item["starts"],
        meets=tuple(item["meets"]),
        certainty=item["certainty"],
        state=item["state"],
        warned=item["warned"],
        level=item["level"],
        breached_at=_at(item["breached_at"]),
        met_at=_at(item["met_at"]),
        dormant=item["dormant"],
        pauses=tuple((from_text(since), from_text(until)) for since, until in item["pauses"]),
        paused_until=_at(item["paused_until"]),
        cancelled_at=_at(item["cancelled_at"]),
        moved_from=_at(item["moved_from"]),
    )


def _text(at: datetime | None) -> str | None:
    return to_text(at) if at else None


def _at(text: str | None) -> datetime | None:
    return from_text(text) if text else None
