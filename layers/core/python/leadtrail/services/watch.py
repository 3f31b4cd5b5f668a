"""The watch: wake the clocks that are due, record what became true, and leave a message for who must know.

State-driven: an overlapping or repeated sweep finds the lead already changed and does nothing; a
missed hour is caught up by the next one. Costs one query a shard, and two calls for each lead that
wakes, however many leads are open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from leadtrail.domain import clock as clocks_of
from leadtrail.domain.clock import Notice
from leadtrail.domain.company import Company
from leadtrail.domain.ids import new_id
from leadtrail.domain.instant import to_text
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Happening
from leadtrail.services.ports import Alert, Change, Configuration, OutboxRow, Store


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did; ``lag`` is how late the earliest clock was woken, ``failed`` the leads left as they are."""

    leads: int
    alerts: tuple[Alert, ...]
    lag: timedelta
    failed: tuple[tuple[str, Exception], ...]
    finished: bool


def sweep(
    *,
    store: Store,
    config: Configuration,
    now: datetime,
    ahead: timedelta = timedelta(0),
    has_time: Callable[[], bool] = lambda: True,
) -> Swept:
    """Wake every clock that wants to be woken by ``now`` (aware UTC); one lead's failure never stops the others.

    ``ahead`` is how far ``now`` lies beyond the real time, where a test plays the future: what would be
    sent at once then is sent at once.
    """
    seen: set[str] = set()
    alerts: list[Alert] = []
    failed: list[tuple[str, Exception]] = []
    earliest, finished = now, True
    for waking in store.waking(now):
        earliest = min(earliest, waking.wakes_at)
        if waking.lead_id in seen:
            continue
        if not has_time():
            finished = False
            break
        seen.add(waking.lead_id)
        try:
            alerts += _wake(waking.lead_id, store=store, config=config, now=now, ahead=ahead)
        except Exception as error:
            failed.append((waking.lead_id, error))
    return Swept(len(seen) - len(failed), tuple(alerts), now - earliest, tuple(failed), finished)


def _wake(lead_id: str, *, store: Store, config: Configuration, now: datetime, ahead: timedelta) -> tuple[Alert, ...]:
    def once() -> tuple[Alert, ...]:
        lead = store.lead(lead_id)
        if lead is None:
            raise LookupError(f"the wake index names lead {lead_id}, which is not there")
        woken = [clocks_of.wake(clock, now) for clock in lead.clocks]
        happenings = tuple(happening for happened, _ in woken for happening in happened)
        if not happenings:  # an overlapping sweep was first, or the index is a moment behind
            return ()
        notices = [notice for _, notice in woken if notice]
        return store.commit(_change(lead, happenings, notices, config=config, now=now, ahead=ahead)).alerts

    return store.settled(once)


def _change(
    lead: Lead,
    happenings: tuple[Happening, ...],
    notices: list[Notice],
    *,
    config: Configuration,
    now: datetime,
    ahead: timedelta,
) -> Change:
    company = config.company()
    alerts = [_alert(lead, notice, company, now) for notice in notices]
    rows = [
        _message(lead, alert, send_at=_opening(notice, config, now) - ahead)
        for notice, alert in zip(notices, alerts, strict=True)
        if alert.channel
    ]
    return Change(lead_id=lead.lead_id, recorded_at=now, lead=lead, happenings=happenings, alerts=alerts, outbox=rows)


def _alert(lead: Lead, notice: Notice, company: Company, now: datetime) -> Alert:
    # Nobody owns it: the manager is told in the owner's place (PRODUCT 10).
    audience = "manager" if notice.to == "owner" and lead.owner is None else notice.to
    channel = company.channel_for(audience, lead.team)
    return Alert(
        id=new_id(now),
        lead_id=lead.lead_id,
        rule=notice.clock.rule,
        episode=notice.clock.episode,
        level=notice.level,
        audience=audience,
        channel=channel.id if channel else "",
        created_at=now,
    )


def _opening(notice: Notice, config: Configuration, now: datetime) -> datetime:
    """Return the next opening of the clock's own calendar: until then its message waits (DESIGN section 5)."""
    policy = config.policy(notice.clock.policy, notice.clock.policy_version)
    return config.calendar(policy).next_opening(now)


def _message(lead: Lead, alert: Alert, *, send_at: datetime) -> OutboxRow:
    facts = {
        "lead": lead.lead_id,
        "person": lead.person_id,
        "rule": alert.rule,
        "episode": alert.episode,
        "level": alert.level,
        "alert": alert.id,
        "audience": alert.audience,
        "at": to_text(alert.created_at),
    }
    return OutboxRow(alert.channel, alert.id, "alert", send_at, facts)
