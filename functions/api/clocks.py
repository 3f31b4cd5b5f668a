"""What the API says of clocks: their times, their ledger, and who was told of them. Times are in the company's zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from functions.api.answers import Cursor, Instant, local
from leadtrail.domain.company import Company
from leadtrail.services import chronicle, explaining
from leadtrail.services.leads import ClockView
from leadtrail.services.ledger import Paused, Pressed, Rebased, Said
from leadtrail.services.ports import Telling


class PolicyVersion(BaseModel):
    """The policy version that a clock pinned when it started."""

    name: str
    version: int


class LevelAnswer(BaseModel):
    """Who is to be told, and from when on."""

    level: int
    to: str
    at: Instant


class PauseAnswer(BaseModel):
    """A span that did not count, and why."""

    model_config = ConfigDict(serialize_by_alias=True)

    since: Instant = Field(serialization_alias="from")
    until: Instant
    reason: str


class DueChange(BaseModel):
    """A due time that was counted again; ``why``: calendar, policy, owner or leave."""

    at: Instant
    why: str
    due_before: Instant
    due_after: Instant


class TellingAnswer(BaseModel):
    """One message as it went; ``to`` is null for a group. ``state``: sent, unconfirmed or moot."""

    to: str | None
    name: str
    channel: str
    channel_name: str
    at: Instant
    state: str
    digest: bool = Field(description="与其他提醒合并为一条发送")
    seen_at: Instant | None


class AcknowledgedAnswer(BaseModel):
    """Who said that they know, a rep's id or ``channel:<id>``, and when."""

    by: str
    name: str
    at: Instant


class AlertAnswer(BaseModel):
    """One notice of a clock; level 0 is a warning before the breach."""

    id: str
    level: int
    audience: str
    sent_at: Instant | None
    channel: str
    told: list[TellingAnswer]
    acknowledged: AcknowledgedAnswer | None
    snoozed_until: Instant | None
    retracted: bool = Field(description="超时已被更正，预警随之撤回")


class ClockAnswer(BaseModel):
    """A clock with the counted time in words, and all that became of it."""

    id: str
    rule: str
    title: str
    episode: int
    state: str
    started_at: Instant
    due_at: Instant
    warn_at: Instant | None
    met_at: Instant | None
    breached_at: Instant | None
    paused_until: Instant | None
    budget: str
    certainty: str
    policy: PolicyVersion
    explain: list[str]
    levels: list[LevelAnswer]
    pauses: list[PauseAnswer]
    rebased: list[DueChange]
    corrected: bool
    corrected_at: Instant | None
    alerts: list[AlertAnswer]
    history: list[str]


class ClockList(BaseModel):
    """The clocks of a lead."""

    items: list[ClockAnswer]
    cursor: Cursor


def clock(view: ClockView, company: Company) -> ClockAnswer:
    """Return a clock with its explanation and its ledger."""
    ticking, entry, zone = view.clock, view.entry, ZoneInfo(company.zone)
    return ClockAnswer(
        id=ticking.key,
        rule=ticking.rule,
        title=view.title,
        episode=ticking.episode,
        state=ticking.state,
        started_at=local(ticking.started_at, zone),
        due_at=local(ticking.due_at, zone),
        warn_at=_maybe(ticking.warn_at, zone),
        met_at=_maybe(ticking.met_at, zone),
        breached_at=_maybe(ticking.breached_at, zone),
        paused_until=_maybe(ticking.paused_until, zone),
        budget=view.budget,
        certainty=ticking.certainty,
        policy=PolicyVersion(name=ticking.policy, version=ticking.policy_version),
        explain=list(view.explained),
        levels=[LevelAnswer(level=step.level, to=step.to, at=local(step.at, zone)) for step in ticking.steps],
        pauses=[_pause(span, zone) for span in entry.paused],
        rebased=[_rebase(change, zone) for change in entry.rebased],
        corrected=entry.corrected_at is not None,
        corrected_at=_maybe(entry.corrected_at, zone),
        alerts=[_alert(said, company, zone) for said in entry.said],
        history=list(view.history),
    )


def _pause(span: Paused, zone: ZoneInfo) -> PauseAnswer:
    reason = chronicle.pause(span.reason)
    return PauseAnswer(since=local(span.since, zone), until=local(span.until, zone), reason=reason)


def _rebase(change: Rebased, zone: ZoneInfo) -> DueChange:
    return DueChange(
        at=local(change.at, zone),
        why=change.why,
        due_before=local(change.due_before, zone),
        due_after=local(change.due_after, zone),
    )


def _alert(said: Said, company: Company, zone: ZoneInfo) -> AlertAnswer:
    alert = said.alert
    return AlertAnswer(
        id=alert.id,
        level=alert.level,
        audience=alert.audience,
        sent_at=_maybe(alert.sent_at, zone),
        channel=alert.channel,
        told=[_telling(telling, company, zone) for telling in said.told],
        acknowledged=_acknowledged(said.acknowledged, company, zone) if said.acknowledged else None,
        snoozed_until=_maybe(said.snoozed_until, zone),
        retracted=said.retracted,
    )


def _telling(telling: Telling, company: Company, zone: ZoneInfo) -> TellingAnswer:
    return TellingAnswer(
        to=telling.to,
        name=chronicle.recipient(telling, company),
        channel=telling.channel,
        channel_name=explaining.channel_title(telling.channel, company),
        at=local(telling.at, zone),
        state=telling.state,
        digest=telling.digest,
        seen_at=_maybe(telling.seen_at, zone),
    )


def _acknowledged(pressed: Pressed, company: Company, zone: ZoneInfo) -> AcknowledgedAnswer:
    return AcknowledgedAnswer(by=pressed.by, name=explaining.who(pressed.by, company), at=local(pressed.at, zone))


def _maybe(at: datetime | None, zone: ZoneInfo) -> str | None:
    return local(at, zone) if at else None
