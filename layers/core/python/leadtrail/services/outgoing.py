"""What dispatch needs of the outbox and of those who find the words, as Protocols, and what passes between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from leadtrail.services.digest import Batch
from leadtrail.services.ports import OutboxRow


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to send on a channel until an instant; ``sent`` are the attempts that still count, oldest first."""

    channel: str
    until: datetime
    sent: tuple[datetime, ...] = ()
    muted_until: datetime | None = None


class LeaseLostError(Exception):
    """The lease ran out and somebody else has it, or the row is no longer what was read: leave it to them."""


@dataclass(frozen=True, slots=True)
class Told:
    """When one person (a rep's id) was told over a channel, oldest first, as far as it still counts."""

    to: str
    at: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One message in words: ``rows`` are those that it tells, of a batch as many as its bytes hold."""

    title: str
    text: str
    rows: tuple[OutboxRow, ...]


class Outbox(Protocol):
    """The outbox, as dispatch sees it. Each step that writes is for the holder of the lease."""

    def take_lease(self, channel: str, *, now: datetime, until: datetime) -> Lease | None:
        """Return the lease, or None while somebody else holds it."""

    def end_lease(self, lease: Lease) -> None:
        """Give the lease back with what is known of the robot's limits."""

    def due(self, channel: str, now: datetime, limit: int) -> Sequence[OutboxRow]:
        """Return the messages that want to be sent by ``now``, in order."""

    def told(self, channel: str, to: str) -> Told:
        """Return when a person was told over a channel."""

    def begin(self, rows: Sequence[OutboxRow], lease: Lease, told: Told | None) -> None:
        """Note an attempt on its rows, in the channel's windows and the person's, before it is made.

        ``rows`` are as they are to be. Raises LeaseLostError.
        """

    def done(
        self, rows: Sequence[OutboxRow], state: str, at: datetime, *, personal: bool, is_digest: bool = False
    ) -> None:
        """Remove messages, each with its line in the ledger: sent, unconfirmed or moot; ``personal``: to a person."""

    def keep(self, rows: Sequence[OutboxRow]) -> None:
        """Write back messages that stay, as they are to be."""

    def move(self, row: OutboxRow, rows: Sequence[OutboxRow]) -> None:
        """Put other messages in the place of one: another channel's, another person's."""


class Words(Protocol):
    """The words of one channel's messages, made at the moment of sending."""

    def changed(self, rows: Sequence[OutboxRow], now: datetime) -> Mapping[str, tuple[OutboxRow, ...]]:
        """Return, by row id, what must not go as it is: () for what is no longer true, or who is told instead."""

    def message(self, batch: Batch, *, now: datetime) -> Message:
        """Return a batch in words; it asks only for rows that were looked at by `changed`."""

    def elsewhere(self, row: OutboxRow, now: datetime) -> tuple[OutboxRow, ...]:
        """Return what becomes of a row that cannot go this way: the next channel's rows, () when none is left."""
