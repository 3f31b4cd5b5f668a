"""An outbox in memory that keeps the conditions of the one in the table: lease, attempts, places in windows, ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from leadtrail.services.outgoing import Lease, LeaseLostError, Told
from leadtrail.services.ports import OutboxRow
from tests.builders import NINE


class MemoryOutbox:
    """The messages of all channels, and what became of those that are gone: their state by id, in order."""

    def __init__(self, rows: Iterable[OutboxRow] = ()) -> None:
        self.rows = {(row.channel, row.id): row for row in rows}
        self.ledger: dict[str, str] = {}
        self.digests: set[str] = set()
        self.leases: dict[str, Lease] = {}
        self.people: dict[tuple[str, str], Told] = {}

    def waiting(self) -> list[OutboxRow]:
        """Return what has not left the outbox."""
        return list(self.rows.values())

    def take_lease(self, channel: str, *, now: datetime, until: datetime) -> Lease | None:
        known = self.leases.get(channel, Lease(channel, NINE))
        if known.until > now:
            return None
        self.leases[channel] = replace(known, until=until)
        return self.leases[channel]

    def end_lease(self, lease: Lease) -> None:
        if self.is_held(lease):
            self.leases[lease.channel] = replace(lease, until=NINE)

    def is_held(self, lease: Lease) -> bool:
        return self.leases[lease.channel].until == lease.until

    def due(self, channel: str, now: datetime, limit: int) -> Sequence[OutboxRow]:
        rows = [row for (name, _), row in self.rows.items() if name == channel and row.send_at <= now]
        return sorted(rows, key=lambda row: row.id)[:limit]

    def told(self, channel: str, to: str) -> Told:
        return self.people.get((channel, to), Told(to, ()))

    def begin(self, rows: Sequence[OutboxRow], lease: Lease, told: Told | None) -> None:
        known = [self.rows.get((row.channel, row.id)) for row in rows]
        as_read = all(there and there.attempts == row.attempts - 1 for there, row in zip(known, rows, strict=True))
        if not (as_read and self.is_held(lease)):
            raise LeaseLostError(lease.channel)
        self.leases[lease.channel] = replace(self.leases[lease.channel], sent=lease.sent)
        self.rows |= {(row.channel, row.id): row for row in rows}
        if told is not None:
            self.people[lease.channel, told.to] = told

    def done(
        self, rows: Sequence[OutboxRow], state: str, at: datetime, *, personal: bool, is_digest: bool = False
    ) -> None:
        for row in rows:
            self.rows.pop((row.channel, row.id), None)
            self.ledger[row.id] = state
            self.digests |= {row.id} if is_digest else set()

    def keep(self, rows: Sequence[OutboxRow]) -> None:
        self.rows |= {(row.channel, row.id): row for row in rows if (row.channel, row.id) in self.rows}

    def move(self, row: OutboxRow, rows: Sequence[OutboxRow]) -> None:
        if self.rows.pop((row.channel, row.id), None) is not None:
            self.rows |= {(other.channel, other.id): other for other in rows}
