"""Dispatch: take a channel's lease, and send what waits under its limits; nothing is lost, nobody is told three times.

A row leaves the outbox only when its message was taken, or was sent twice and never answered. An attempt is noted,
with its place in the channel's and the person's windows, before it is made, as one whose answer is not known: only a
certain answer takes that back. So a crash counts as a lost answer does, and can break no limit. What was sent with
its answer lost goes out once more, says so, and carries the same short alert id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from leadtrail.domain.company import Channel, Company, Rep
from leadtrail.services import digest, pacing
from leadtrail.services.digest import Batch
from leadtrail.services.outgoing import Lease, LeaseLostError, Outbox, Told, Words
from leadtrail.services.ports import Now, OutboxRow

LEASE: Final = timedelta(seconds=90)
PAUSE: Final = timedelta(seconds=30)  # after a robot did not answer: it is down for everybody
REPEAT: Final = timedelta(seconds=60)  # until what may have been taken is sent once more
ANSWER: Final = timedelta(seconds=10)  # until an answer came or none will: so late a message may be taken
COPIES: Final = 2  # of one message at most, where answers are lost
PATIENCE: Final = 3  # certain failures in a row until the next channel is tried
SHORT: Final = timedelta(seconds=2)  # a window so narrow is waited for
READ: Final = 500  # rows of one look into the outbox
BACKOFF: Final = (
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


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No answer came: the robot may have taken the message, or not."""

    reason: str


Answer = Sent | Limited | Failed | Unanswered


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What one run did for one channel, in rows; ``messages`` went out.

    ``refused`` tells an operator what to mend; ``unconfirmed`` are the ids of alerts that went out twice without an
    answer, and may have reached nobody.
    """

    messages: int = 0
    sent: int = 0
    retried: int = 0
    moved: int = 0
    dropped: int = 0
    waiting: bool = False
    refused: tuple[str, ...] = field(default_factory=tuple)
    unconfirmed: tuple[str, ...] = field(default_factory=tuple)


class Send(Protocol):
    """Sends one message, to a person or to the channel's group."""

    def __call__(self, channel: Channel, markdown: str, *, to: Rep | None, title: str) -> Answer:
        """Return what the provider answered."""


def dispatch(
    channel: Channel,
    *,
    company: Company,
    outbox: Outbox,
    words: Words,
    send: Send,
    now: Now,
    rest: Callable[[float], None],
    has_time: Callable[[], bool],
) -> Dispatched:
    """Send a channel's messages, as many as it takes now; ``rest`` sleeps for seconds."""
    began = now()
    lease = outbox.take_lease(channel.id, now=began, until=began + LEASE)
    if lease is None:
        return Dispatched(waiting=True)
    run = _Run(channel=channel, company=company, outbox=outbox, words=words, send=send, now=now, rest=rest, lease=lease)
    try:
        while has_time() and now() < lease.until - PAUSE and run.step():
            pass
    except LeaseLostError:
        run.count(waiting=True)
    finally:
        outbox.end_lease(run.lease)
    return run.result


class _Run:
    """One run over one channel."""

    def __init__(
        self,
        *,
        channel: Channel,
        company: Company,
        outbox: Outbox,
        words: Words,
        send: Send,
        now: Now,
        rest: Callable[[float], None],
        lease: Lease,
    ) -> None:
        self.channel, self.company, self.outbox, self.words = channel, company, outbox, words
        self.send, self.now, self.rest, self.lease = send, now, rest, lease
        self.zone = ZoneInfo(company.zone)
        self.windows = pacing.of_channel(channel)
        self.queue: list[OutboxRow] = []
        self.people: dict[str, Told] = {}
        self.result = Dispatched()

    def count(self, *, waiting: bool = False, **more: int) -> None:
        """Add to the run's result."""
        counted = {name: getattr(self.result, name) + number for name, number in more.items()}
        self.result = replace(self.result, **counted, waiting=waiting or self.result.waiting)

    def step(self) -> bool:
        """Send the next message; False when there is nothing more to do now."""
        now = self.now()
        if self.lease.muted_until is not None and self.lease.muted_until > now:
            self.count(waiting=True)
            return False
        opens = pacing.opens(self.windows, self.lease.sent, now)
        if opens - now > SHORT:
            self.count(waiting=True)
            return False
        self.queue = self.queue or self.loaded(now)
        if not self.queue:
            return False
        if opens > now:
            self.rest((opens - now).total_seconds())
            return True
        self.queue = self.released(now)
        if self.queue:
            self.attempt(digest.plan(self.queue, personal=self.channel.is_personal, left=self.left), now)
        return True

    def loaded(self, now: datetime) -> list[OutboxRow]:
        """Return what is due; what went out twice, and whose last attempt nobody lived to settle, ends here."""
        rows = self.outbox.due(self.channel.id, now, READ)
        self.unconfirmed([row for row in rows if row.unsure >= COPIES], now)
        return [row for row in rows if row.unsure < COPIES]

    def released(self, now: datetime) -> list[OutboxRow]:
        """Return what may go now; the rest waits for the end of quiet hours, or until its reader's hour has room."""
        waiting = {row.id: until for row in self.queue for until in [self.waits(row, now)] if until > now}
        self.outbox.keep([replace(row, send_at=waiting[row.id], held=True) for row in self.queue if row.id in waiting])
        return [row for row in self.queue if row.id not in waiting]

    def waits(self, row: OutboxRow, now: datetime) -> datetime:
        """Return until when a row waits; ``now`` when it does not."""
        quiet, facts = self.channel.quiet, row.facts
        if quiet and not quiet.excepts((facts.get("audience"), facts.get("rule"), facts.get("to"), row.kind)):
            ends = quiet.ends(now, self.zone)
            if ends is not None:
                return ends
        rep = self.reader(digest.recipient(row, personal=self.channel.is_personal))
        return pacing.opens(pacing.of_person(rep), self.told(rep.id).at, now) if rep else now

    def reader(self, to: str | None) -> Rep | None:
        """Return the person of this id, while they work here."""
        rep = self.company.reps.get(to or "")
        return rep if rep is not None and rep.active else None

    def told(self, to: str) -> Told:
        """Return when a person was told over this channel."""
        if to not in self.people:
            self.people[to] = self.outbox.told(self.channel.id, to)
        return self.people[to]

    def left(self, to: str | None) -> int:
        """Return how many messages may go now to a person, or to the group."""
        now, rep = self.now(), self.reader(to)
        of_all = pacing.left(self.windows, self.lease.sent, now)
        return min(of_all, pacing.left(pacing.of_person(rep), self.told(rep.id).at, now)) if rep else of_all

    def attempt(self, batch: Batch, now: datetime) -> None:
        """Put a batch into words, send it, and note what came of it; first whether all of it is still true."""
        changed = self.words.changed(batch.rows, now)
        if changed:
            self.turn(batch, changed, now)
            return
        reader = self.reader(batch.to)
        if self.channel.is_personal and reader is None:
            self.take(batch.rows)
            self.failed(
                batch.rows, Failed(f"channel {self.channel.id}: nobody to send to", permanent=True), stuck=False
            )
            return
        message = self.words.message(batch, now=now)
        self.take(message.rows)
        if batch.is_digest:
            self.fold_rest(batch)
        begun = [
            replace(row, attempts=row.attempts + 1, unsure=row.unsure + 1, send_at=now + REPEAT) for row in message.rows
        ]
        known = pacing.recent(self.windows, self.lease.sent, now)
        self.lease = replace(self.lease, sent=(*known, now + ANSWER))  # whoever dies now has noted the worst case
        self.outbox.begin(begun, self.lease, self.telling(reader, now + ANSWER))
        answer = self.send(self.channel, message.text, to=reader, title=message.title)
        self.lease = replace(self.lease, sent=(*known, self.now()))
        self.settle(batch, begun, answer)

    def turn(self, batch: Batch, changed: Mapping[str, tuple[OutboxRow, ...]], now: datetime) -> None:
        """Take away what is no longer true, and hand to others what is theirs by now."""
        rows = [row for row in batch.rows if row.id in changed]
        moot = [row for row in rows if not changed[row.id]]
        self.outbox.done(moot, "moot", now, personal=self.channel.is_personal)
        for row in rows:
            if changed[row.id]:
                self.outbox.move(row, changed[row.id])
        self.take(rows)
        self.count(dropped=len(moot), moved=len(rows) - len(moot))

    def fold_rest(self, batch: Batch) -> None:
        """Let what did not fit into a list come as a list, too, however little it is."""
        personal = self.channel.is_personal
        self.queue = [
            replace(row, held=True)
            if digest.recipient(row, personal=personal) == batch.to and (row.unsure > 0) == batch.repeat
            else row
            for row in self.queue
        ]

    def take(self, rows: Sequence[OutboxRow]) -> None:
        """Take rows off the queue."""
        gone = {row.id for row in rows}
        self.queue = [row for row in self.queue if row.id not in gone]

    def telling(self, reader: Rep | None, at: datetime) -> Told | None:
        """Return when a person was told, with the attempt that is about to be made, taken by ``at``."""
        if reader is None or not self.channel.is_personal:
            return None
        known = pacing.recent(pacing.of_person(reader), self.told(reader.id).at, self.now())
        self.people[reader.id] = Told(reader.id, (*known, at))
        return self.people[reader.id]

    def settle(self, batch: Batch, begun: Sequence[OutboxRow], answer: Answer) -> None:
        """Note what came of an attempt; ``begun`` are its rows as they stand now."""
        known = [replace(row, unsure=row.unsure - 1) for row in begun]
        if isinstance(answer, Sent):
            personal = self.channel.is_personal
            self.outbox.done(begun, "sent", self.now(), personal=personal, is_digest=batch.is_digest)
            self.count(messages=1, sent=len(begun))
        elif isinstance(answer, Limited):
            self.lease = replace(self.lease, muted_until=self.now() + answer.mute)
            self.outbox.keep([replace(row, send_at=self.now()) for row in known])
        elif isinstance(answer, Failed):
            self.failed(known, answer, stuck=answer.permanent)
        else:
            self.rest_robot()
            self.unconfirmed([row for row in begun if row.unsure >= COPIES], self.now(), is_digest=batch.is_digest)
            self.count(retried=sum(row.unsure < COPIES for row in begun))

    def rest_robot(self) -> None:
        """Leave the robot in peace for a moment."""
        self.lease = replace(self.lease, muted_until=self.now() + PAUSE)
        self.count(waiting=True)

    def unconfirmed(self, rows: Sequence[OutboxRow], at: datetime, *, is_digest: bool = False) -> None:
        """Give up what went out twice and was never answered: a third copy helps nobody, an operator is told."""
        self.outbox.done(rows, "unconfirmed", at, personal=self.channel.is_personal, is_digest=is_digest)
        ids = tuple(str(row.facts.get("alert", row.id)) for row in rows)
        self.result = replace(self.result, unconfirmed=self.result.unconfirmed + ids)

    def failed(self, rows: Sequence[OutboxRow], answer: Failed, *, stuck: bool) -> None:
        """Try the next channel where this one refuses for good or failed three times, else this one again later.

        ``stuck``: an operator hears of it even where every row has another way.
        """
        now = self.now()
        stay = []
        for row in rows:
            tried = replace(row, failures=row.failures + 1)
            gives_up = answer.permanent or tried.failures >= PATIENCE
            others = self.words.elsewhere(tried, now) if gives_up else ()
            if others:
                self.outbox.move(tried, others)
                continue
            stuck = stuck or gives_up
            wait = BACKOFF[-1] if answer.permanent else BACKOFF[min(row.failures, len(BACKOFF) - 1)]
            stay.append(replace(tried, send_at=now + wait))
        self.outbox.keep(stay)
        self.count(retried=len(stay), moved=len(rows) - len(stay))
        if stuck:
            self.result = replace(self.result, refused=(*self.result.refused, answer.reason))
        if not (answer.permanent and self.channel.is_personal):  # one person's wrong address stops nobody else
            self.rest_robot()
