"""What telling people writes: an alert, its message that waits, and the line of the ledger once it went."""

from __future__ import annotations

from leadtrail.adapters.rows import ABSENT, ALERT_KEPT, Write
from leadtrail.adapters.table import AlertItem, OutboxItem, TellingItem, lead_key, outbox_sort
from leadtrail.domain.instant import to_text
from leadtrail.services.ports import Alert, OutboxRow, Telling


def alert(notice: Alert) -> Write:
    """Return an alert, which is created once."""
    key = lead_key(notice.lead_id, f"ALERT#{notice.rule}#{notice.episode}#{notice.level}")
    item = AlertItem(
        **key,
        id=notice.id,
        rule=notice.rule,
        episode=notice.episode,
        level=notice.level,
        audience=notice.audience,
        channel=notice.channel,
        created_at=to_text(notice.created_at),
        sent_at=to_text(notice.sent_at) if notice.sent_at else None,
        expires_at=int((notice.created_at + ALERT_KEPT).timestamp()),
    )
    return Write(item, ABSENT)


def telling(said: Telling) -> Write:
    """Return a line of the ledger, kept as long as its alert."""
    item = TellingItem(
        **lead_key(said.lead_id, f"TOLD#{said.id}"),
        alert_id=said.alert_id,
        rule=said.rule,
        episode=said.episode,
        level=said.level,
        to=said.to,
        channel=said.channel,
        state=said.state,
        at=to_text(said.at),
        digest=int(said.digest),
        seen_at=to_text(said.seen_at) if said.seen_at else None,
        expires_at=int((said.at + ALERT_KEPT).timestamp()),
    )
    return Write(item)


def outbox(row: OutboxRow) -> Write:
    """Return a message that waits in its channel."""
    item = OutboxItem(
        PK=f"OUTBOX#{row.channel}",
        SK=row.id,
        kind=row.kind,
        send_at=to_text(row.send_at),
        attempts=row.attempts,
        unsure=row.unsure or None,
        failures=row.failures or None,
        held=int(row.held) or None,
        facts=dict(row.facts),
        GSI1PK="OUTBOX",
        GSI1SK=outbox_sort(row.channel, row.send_at, row.id),
    )
    return Write(item, ABSENT)
