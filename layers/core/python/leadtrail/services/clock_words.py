"""One clock as the page of a lead explains it: what was promised, counted, paused, put right, and told to whom."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from leadtrail.domain.clock import WARNING, Clock
from leadtrail.domain.company import Company
from leadtrail.services import chronicle, explaining
from leadtrail.services.ledger import Entry, Said
from leadtrail.services.ports import Configuration

Json = dict[str, Any]


def clock_words(entry: Entry, *, company: Company, config: Configuration) -> Json:
    """Return what the page says of a clock; times ISO 8601 in the company's zone, the rest in words."""
    clock, zone = entry.clock, ZoneInfo(company.zone)
    return {
        "rule": clock.rule,
        "title": explaining.title(clock, config=config),
        "state": clock.state,
        "state_title": explaining.state_title(clock),
        "due_at": _local(clock.due_at, zone),
        "started_at": _local(clock.started_at, zone),
        "met_at": _maybe(clock.met_at, zone),
        "breached_at": _maybe(clock.breached_at, zone),
        "paused_until": _maybe(clock.paused_until, zone),
        "budget": explaining.budget_words(clock, config=config),
        "certainty": clock.certainty,
        "estimated": explaining.estimated_words(clock, config=config),
        "next": chronicle.next_step(clock, company),
        "correction": _correction(entry, company),
        "rebased": [
            {
                "why": chronicle.rebase(change.why),
                "at": _local(change.at, zone),
                "due_before": _local(change.due_before, zone),
                "due_after": _local(change.due_after, zone),
            }
            for change in entry.rebased
        ],
        "pauses": [
            {
                "from": _local(span.since, zone),
                "until": _local(span.until, zone),
                "reason": chronicle.pause(span.reason),
            }
            for span in entry.paused
        ],
        "levels": _levels(entry, company),
        "policy": {"name": clock.policy, "version": clock.policy_version},
        "explain": explaining.explain(clock, config=config),
        "history": list(chronicle.history(entry, company)),
    }


def _correction(entry: Entry, company: Company) -> Json | None:
    found = chronicle.correction(entry, company)
    return {"was": found[0], "now": found[1]} if found else None


def _levels(entry: Entry, company: Company) -> list[Json]:
    """Return the levels that were reached or lie ahead, each with whom it told."""
    clock, zone = entry.clock, ZoneInfo(company.zone)
    said = {each.alert.level: each for each in entry.said}
    audiences = {step.level: step.to for step in clock.steps}
    if clock.steps:
        audiences |= {WARNING: clock.steps[0].to}
    return [
        {
            "level": level,
            "title": chronicle.level_title(level, audiences[level]),
            "at": _local(at, zone),
            "state": _level_state(clock, level, said.get(level)),
            "told": [chronicle.told(telling, company) for telling in said[level].told] if level in said else [],
            "answers": list(chronicle.answers(said[level], company)) if level in said else [],
            "retracted": level in said and said[level].retracted,
        }
        for level, at in sorted(chronicle.instants(clock).items())
    ]


def _level_state(clock: Clock, level: int, said: Said | None) -> str:
    """Return how a level stands where no message tells it: still ahead, merged into a higher one, or needed no more."""
    if said is not None:
        return "" if said.told else "等待发送" if clock.is_open else "没有送达记录"
    if level == WARNING and clock.state == "breached" and not clock.warned:
        return "由超时提醒代替"
    if clock.warned if level == WARNING else level <= clock.level:
        return "与更高一级合并提醒"
    return "尚未到时" if clock.is_open and not clock.dormant else "没有触发"


def _local(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat(timespec="seconds")


def _maybe(at: datetime | None, zone: ZoneInfo) -> str | None:
    return _local(at, zone) if at else None
