"""Acknowledging an alert, or hearing of it again later: what the two buttons behind an alert's link do.

Each button works once for each message; pressed again it answers the same and writes nothing. Neither holds up the
next level: the clock runs on, and only an answer to the customer ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from leadtrail.domain.company import Company
from leadtrail.domain.errors import NotFoundError
from leadtrail.domain.ids import new_id
from leadtrail.domain.instant import from_text, to_text
from leadtrail.domain.lead import Lead
from leadtrail.domain.report import LINK_LIVES
from leadtrail.domain.routing import Route, routes
from leadtrail.domain.trail import Event, Happening
from leadtrail.services.assigning import UNASSIGNED
from leadtrail.services.ledger import ACKNOWLEDGED, SNOOZED
from leadtrail.services.ports import Alert, Change, Configuration, OutboxRow, Receipt, Store, Telling

ACKNOWLEDGE, SNOOZE = "acknowledge", "snooze"
ACTIONS: Final = (ACKNOWLEDGE, SNOOZE)
LATER: Final = timedelta(hours=1)
MOST_SNOOZES: Final = 3  # of one alert, whoever asks
SOURCE: Final = "link"  # of the receipts
DONE, SETTLED, ENOUGH = "done", "settled", "enough"


@dataclass(frozen=True, slots=True)
class Press:
    """A button behind the link of a message; ``by`` is a rep's id, or ``channel:<id>`` for somebody of a group."""

    action: str
    said: Telling
    by: str

    @property
    def receipt_at(self) -> tuple[str, str]:
        """Source and key of the receipt: one for each message and button."""
        return SOURCE, f"{self.said.id}-{self.action}"


@dataclass(frozen=True, slots=True)
class Pressed:
    """What a press came to: ``done``, ``settled`` (nothing is owed any more) or ``enough`` (put off too often).

    ``until`` is when the alert comes again (aware UTC); ``is_new`` when this press wrote it.
    """

    outcome: str
    until: datetime | None = None
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How the message behind a link stands: whether it still is about something, and what was pressed already."""

    said: Telling
    is_open: bool
    acknowledged: bool
    snoozed_until: datetime | None
    snoozes: int

    @property
    def can_acknowledge(self) -> bool:
        """True until this message was acknowledged."""
        return self.is_open and not self.acknowledged

    @property
    def can_snooze(self) -> bool:
        """True until this message was put off, and while its alert may be put off at all."""
        return self.is_open and self.snoozed_until is None and self.snoozes < MOST_SNOOZES


def press(wanted: Press, *, store: Store, config: Configuration, now: datetime) -> Pressed:
    """Write what a button says, once: one batch read and one transaction; putting off reads alerts and trail, too.

    Raises:
        NotFoundError: the lead is gone.
        StaleLeadError: others were first eight times running.
    """

    def once() -> Pressed:
        view = store.command_view(wanted.receipt_at, wanted.said.lead_id)
        if view.receipt is not None:
            return _again(view.receipt)
        if view.lead is None:
            raise NotFoundError
        if not is_open(view.lead, wanted.said):
            return Pressed(SETTLED)
        rows: tuple[OutboxRow, ...] = ()
        if wanted.action == SNOOZE:
            snoozes = _snoozes(store.trail(wanted.said.lead_id), wanted.said)
            alert = _alert(store.alerts(wanted.said.lead_id), wanted.said)
            if len(snoozes) >= MOST_SNOOZES or alert is None:
                return Pressed(ENOUGH)
            company = config.company(view.stamp)
            until = _until(view.lead, wanted.said, company, config, now)
            rows = (_row(view.lead, wanted.said, alert, company, until, repeat=len(snoozes) + 1, now=now),)
        done = Pressed(DONE, rows[0].send_at if rows else None, is_new=True)
        store.commit(
            Change(
                lead_id=wanted.said.lead_id,
                recorded_at=now,
                lead=view.lead,
                happenings=(_happening(wanted, done, now),),
                receipt=_receipt(wanted, done, now),
                outbox=rows,
            )
        )
        return done

    return store.settled(once)


def standing(lead: Lead, said: Telling, events: Sequence[Event]) -> Standing:
    """Return how the message behind a link stands, by what is on the trail."""
    own = [event for event in events if event.facts.get("telling") == said.id]
    until = [from_text(event.facts["until"]) for event in own if event.kind == SNOOZED]
    return Standing(
        said=said,
        is_open=is_open(lead, said),
        acknowledged=any(event.kind == ACKNOWLEDGED for event in own),
        snoozed_until=max(until, default=None),
        snoozes=len(_snoozes(events, said)),
    )


def is_open(lead: Lead, said: Telling) -> bool:
    """Tell whether what a message says is still to be done: an answer is owed, or the lead waits for an owner."""
    if said.rule == UNASSIGNED:
        return lead.is_open and lead.owner is None
    clock = lead.clock(said.rule, said.episode)
    return lead.is_open and clock is not None and clock.is_open


def _again(known: Receipt) -> Pressed:
    until = (known.answer or {}).get("until")
    return Pressed(DONE, from_text(until) if until else None)


def _snoozes(events: Sequence[Event], said: Telling) -> list[Event]:
    return [event for event in events if event.kind == SNOOZED and event.facts["alert"] == said.alert_id]


def _alert(alerts: Sequence[Alert], said: Telling) -> Alert | None:
    wanted = (said.rule, said.episode, said.level)
    return next((alert for alert in alerts if (alert.rule, alert.episode, alert.level) == wanted), None)


def _happening(wanted: Press, done: Pressed, now: datetime) -> Happening:
    said = wanted.said
    actor = wanted.by if wanted.by.startswith("channel:") else f"rep:{wanted.by}"
    facts: dict[str, Any] = {"alert": said.alert_id, "rule": said.rule, "episode": said.episode, "level": said.level}
    facts |= {"telling": said.id, "by": wanted.by}
    if done.until is None:
        return Happening("alert.acknowledged", now, actor, facts)
    return Happening("alert.snoozed", now, actor, {**facts, "until": to_text(done.until)})


def _receipt(wanted: Press, done: Pressed, now: datetime) -> Receipt:
    source, key = wanted.receipt_at
    return Receipt(
        source=source,
        key=key,
        outcome=wanted.action,
        lead_id=wanted.said.lead_id,
        attempt=new_id(now),
        received_at=now,
        answer={"until": to_text(done.until)} if done.until else {},
        expires_at=now + LINK_LIVES,  # the link that could press again is dead by then
    )


def _until(lead: Lead, said: Telling, company: Company, config: Configuration, now: datetime) -> datetime:
    """Return when an alert comes again: in an hour, or where nobody works then, at the next opening."""
    clock = lead.clock(said.rule, said.episode)
    if clock is not None:
        policy = config.policy(clock.policy, clock.policy_version)
    else:
        policy = company.policy_for(source=lead.source, team=lead.team)
    return config.calendar(policy).next_opening(now + LATER)


def _row(
    lead: Lead, said: Telling, alert: Alert, company: Company, until: datetime, *, repeat: int, now: datetime
) -> OutboxRow:
    """Return the message that comes again, to whom it went, by the way that leads to them now."""
    way = _way(lead, said, alert, company, until)
    facts: dict[str, Any] = {
        "lead": lead.lead_id,
        "person": lead.person_id,
        "rule": said.rule,
        "episode": said.episode,
        "level": said.level,
        "alert": alert.id,
        "audience": alert.audience,
        "at": to_text(alert.created_at),
        "to": way.to,
        "channels": list(way.channels),
        "tried": [],
        "repeat": repeat,
    }
    return OutboxRow(way.channels[0], new_id(now), "alert", until, facts)


def _way(lead: Lead, said: Telling, alert: Alert, company: Company, until: datetime) -> Route:
    known = routes(company, alert.audience, team=lead.team, owner=lead.owner, now=until)
    return next((way for way in known if way.to == said.to), Route(said.to, (said.channel,)))
