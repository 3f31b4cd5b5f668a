"""Dispatch: take a channel's lease, and send what waits under the robot's limits; nothing is lost.

A row leaves the outbox only when the robot has taken its message. An attempt is noted, with its
place in the robot's minute, before it is made: a crash can repeat a message (the same short alert
id), and can break no limit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from leadtrail.domain.company import Channel
from leadtrail.services.ports import Now, OutboxRow

PER_WINDOW = 20
WINDOW = timedelta(seconds=61)  # the robot's minute, with a second for the difference of our clocks
LEASE = timedelta(seconds=90)
PAUSE = timedelta(seconds=30)  # after a robot did not answer: it is down for everybody
BACKOFF = (
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=2),
    timedelta(minutes=5),
    timedelta(minutes=15),
)


@dataclass(frozen=True, slots=True)
class Sent:
    """The robot has taken the message."""


@dataclass(frozen=True, slots=True)
class Limited:
    """The robot takes nothing more for ``mute``."""

    mute: timedelta


@dataclass(frozen=True, slots=True)
class Failed:
    """The robot did not take it; ``permanent``: trying again helps only after somebody mended the settings."""

    reason: str
    permanent: bool = False


Answer = Sent | Limited | Failed


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to send on a channel until an instant; ``sent`` are the attempts of the robot's last minute."""

    channel: str
    until: datetime
    sent: tuple[datetime, ...] = ()
    muted_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What one run did for one channel; ``refused`` tells an operator what to mend."""

    sent: int = 0
    retried: int = 0
    waiting: bool = False
    refused: tuple[str, ...] = field(default_factory=tuple)


class Outbox(Protocol):
    """The outbox, as dispatch sees it."""

    def take_lease(self, channel: str, *, now: datetime, until: datetime) -> Lease | None:
        """Return the lease, or None while somebody else holds it."""

    def end_lease(self, lease: Lease) -> None:
        """Give the lease back with what is known of the robot's limits."""

    def due(self, channel: str, now: datetime, limit: int) -> Sequence[OutboxRow]:
        """Return the messages that want to be sent by ``now``, in order."""

    def begin(self, row: OutboxRow, lease: Lease) -> None:
        """Note an attempt, and its place in the robot's minute, before it is made."""

    def done(self, row: OutboxRow, at: datetime) -> None:
        """Remove a message that was taken, and note on its alert when."""

    def drop(self, row: OutboxRow) -> None:
        """Remove a message that nobody needs to hear any more; its alert was never sent."""

    def postpone(self, row: OutboxRow, until: datetime) -> None:
        """Leave a message for later."""


Send = Callable[[Channel, str], Answer]
Render = Callable[[OutboxRow], str | None]


def dispatch(
    channel: Channel, *, outbox: Outbox, render: Render, send: Send, now: Now, has_time: Callable[[], bool]
) -> Dispatched:
    """Send a channel's messages, as many as its robot takes now; where ``render`` is None nobody needs it any more."""
    began = now()
    lease = outbox.take_lease(channel.id, now=began, until=began + LEASE)
    if lease is None:
        return Dispatched(waiting=True)
    run = _Run(channel=channel, outbox=outbox, render=render, send=send, now=now, lease=lease)
    try:
        while has_time() and now() < lease.until - PAUSE and run.step():
            pass
    finally:
        outbox.end_lease(run.lease)
    return run.result


class _Run:
    """One run over one channel."""

    def __init__(self, *, channel: Channel, outbox: Outbox, render: Render, send: Send, now: Now, lease: Lease) -> None:
        self.channel, self.outbox, self.render, self.send, self.now = channel, outbox, render, send, now
        self.lease = lease
        self.result = Dispatched()

    def step(self) -> bool:
        """Send the next message; False when there is nothing more to do now."""
        now = self.now()
        recent = tuple(at for at in self.lease.sent if at > now - WINDOW)
        muted = self.lease.muted_until is not None and self.lease.muted_until > now
        if muted or len(recent) >= PER_WINDOW:
            self.result = replace(self.result, waiting=True)
            return False
        rows = self.outbox.due(self.channel.id, now, 1)
        if not rows:
            return False
        self.attempt(rows[0], recent)
        return True

    def attempt(self, row: OutboxRow, recent: tuple[datetime, ...]) -> None:
        """Render and send one message, and note what came of it."""
        text = self.render(row)
        if text is None:
            self.outbox.drop(row)
            return
        self.lease = replace(self.lease, sent=(*recent, self.now()))
        self.outbox.begin(row, self.lease)
        answer = self.send(self.channel, text)
        if isinstance(answer, Sent):
            self.outbox.done(row, self.now())
            self.result = replace(self.result, sent=self.result.sent + 1)
        elif isinstance(answer, Limited):
            self.lease = replace(self.lease, muted_until=self.now() + answer.mute)
        else:
            self.failed(row, answer)

    def failed(self, row: OutboxRow, answer: Failed) -> None:
        """Leave the message for later, the longer the oftener it failed, and the robot in peace for a moment."""
        wait = BACKOFF[-1] if answer.permanent else BACKOFF[min(row.attempts, len(BACKOFF) - 1)]
        self.outbox.postpone(row, self.now() + wait)
        self.lease = replace(self.lease, muted_until=self.now() + PAUSE)
        refused = (*self.result.refused, answer.reason) if answer.permanent else self.result.refused
        self.result = replace(self.result, retried=self.result.retried + 1, refused=refused)
