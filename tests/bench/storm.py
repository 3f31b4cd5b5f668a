"""Deliveries of many leads as providers send them in bad times: twice, in the wrong order, several at once.

A sender that gets no 200 sends again. `audit` says what the table must hold when all is over.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from threading import Barrier
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from functions.ingest import replay, webhook
from tests.faults import Weather
from tests.integration.conftest import NINE, TestWorld
from tests.integration.webhooks import Context, call_completed, http_event, lead_created

DUPLICATES, REORDERED, BURSTS, COPIES = 0.3, 0.1, 0.05, 5
SEED = 20260126
TRIES = 60
MEETING_S = 0.3  # how long those that come at once wait for each other before the first of them writes
CDR_TOKEN = "an-address-that-nobody-guesses"
CDR_SECRET = {"valid": [{"token_sha256": hashlib.sha256(CDR_TOKEN.encode()).hexdigest()}]}
CDR: dict[str, Any] = {
    "provider": "generic_cdr",
    "team": "huadong",
    "secret": "source/cdr",
    "fields": {
        "id": "call_id",
        "direction": "direction",
        "customer": "customer",
        "started_at": "started_at",
        "talk_s": "billsec",
        "agent": "agent",
        "recording_url": "recording",
    },
}
LANDING: dict[str, Any] = {"provider": "standard", "team": "huadong", "secret": "source/standard", "owner": "rep-li"}
SOURCES: dict[str, dict[str, Any]] = {"cdr": CDR, "landing": LANDING}  # beside those of the simulated company


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a provider: its receipt's source and key, and the request that brings it."""

    source: str
    key: str
    at: datetime
    event: dict[str, Any]
    offers_recording: bool = False

    @property
    def receipt(self) -> str:
        """The receipt's key, by the contract: a hash of source and delivery key."""
        return hashlib.sha256(f"{self.source}\n{self.key}".encode()).hexdigest()[:40]


@dataclass(frozen=True, slots=True)
class Posted:
    """Requests that are sent at once, at an instant (aware UTC)."""

    name: str
    at: datetime
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be sent, in its order: ``leads`` people, each by one form, three in four by something else, too."""

    leads: int
    messages: tuple[Message, ...]
    posted: tuple[Posted, ...]

    @property
    def deliveries(self) -> int:
        """How many requests this is before anything is sent again."""
        return sum(len(each.messages) for each in self.posted)


def plan(leads: int, *, bursts: float = BURSTS, seed: int = SEED) -> Plan:
    """Return the deliveries of so many leads, always the same ones for a seed; ``bursts`` is a share of them."""
    random = Random(seed)
    groups = sorted((each for number in range(leads) for each in _groups(number)), key=lambda each: each[0].at)
    waits = [random.uniform(2, 12) if random.random() < REORDERED else 0.0 for _ in groups]
    placed = [(each[-1].at + timedelta(seconds=wait), each) for each, wait in zip(groups, waits, strict=True)]
    messages = [(at, message) for at, each in placed for message in each]
    repeated = random.choices(messages, k=round(len(messages) * DUPLICATES / (1 - DUPLICATES)))
    placed += [(at + timedelta(seconds=random.uniform(0, 30)), (each,)) for at, each in repeated]
    placed.sort(key=lambda each: each[0])
    posted = tuple(
        Posted(f"{number}", at, each * COPIES if len(each) == 1 and random.random() < bursts else each)
        for number, (at, each) in enumerate(placed)
    )
    return Plan(leads, tuple(message for _, message in messages), posted)


def cdr(call_id: str, at: datetime, **said: Any) -> dict[str, Any]:
    """Return an inbound call with talk and a recording, as the configured call system sends it."""
    body = {
        "call_id": call_id,
        "direction": "in",
        "customer": "13800138000",
        "started_at": f"{at + timedelta(hours=8):%Y-%m-%d %H:%M:%S}",
        "billsec": "65",
        "agent": "rep-zhang",
        "recording": f"https://rec.example.com/{call_id}.wav",
        **said,
    }
    event = http_event("cdr", json.dumps(body))
    event["pathParameters"]["token"] = CDR_TOKEN
    return event


def _groups(number: int) -> Iterator[tuple[Message, ...]]:
    """Yield what one person sends: a form, and by turns nothing more, another form, a call to us or a call by us.

    Every other pair of forms comes at once; every other person comes by a source whose leads are one rep's.
    """
    at, phone = NINE + timedelta(seconds=2 * number), f"138{number:08d}"
    later = at + timedelta(seconds=3)
    first = _form(("standard", "landing")[number % 2], f"form-{number}", at, phone=phone, name=f"客户{number}")
    match number % 4:
        case 1:
            spelled = f"+86 {phone[:3]}-{phone[3:7]}-{phone[7:]}"
            second = _form("standard", f"again-{number}", later, phone=spelled, email=f"p{number}@example.com")
            yield from [(first, second)] if number % 8 == 1 else [(first,), (second,)]
        case 2:
            key = f"call-{number}"
            yield from [(first,), (Message("cdr", key, later, cdr(key, later, customer=phone), offers_recording=True),)]
        case 3:
            key = f"called-{number}"
            event = call_completed(later, message_id=key, phone=phone)
            yield from [(first,), (Message("standard", key, later, event),)]
        case _:
            yield (first,)


def _form(source: str, key: str, at: datetime, **said: str) -> Message:
    event = lead_created(at, message_id=key, **said)
    return Message(source, key, at, {**event, "pathParameters": {"source": source}})


@dataclass(slots=True)
class Storm:
    """Sends a plan; ``queue`` is the URL of the queue of deliveries, empty without one."""

    world: TestWorld
    weather: Weather
    queue: str = ""
    sent: int = 0
    undone: list[str] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)

    def rage(self, planned: Plan, *, workers: int = COPIES, one_by_one: bool = True) -> None:
        """Send all, drain the queue, and let the schedule try what was parked."""
        with ThreadPoolExecutor(workers) as pool:
            waiting: list[Future[None]] = []
            for posted in planned.posted:
                meeting = Barrier(len(posted.messages), timeout=MEETING_S) if len(posted.messages) > 1 else None
                copies = [
                    pool.submit(self._insist, f"{posted.name}/{copy}", posted.at, message, meeting)
                    for copy, message in enumerate(posted.messages)
                ]
                if one_by_one:
                    [each.result() for each in copies]
                waiting += copies
            [each.result() for each in waiting]
        if self.queue:
            self._settle("drain", self._drained, rounds=TRIES + 2 * planned.deliveries)
        self._settle("parked", self._unparked, rounds=TRIES)

    def _insist(self, name: str, at: datetime, message: Message, meeting: Barrier | None) -> None:
        """Send one copy until it is answered 200."""
        self.world.clock.at = max(self.world.clock.at, at)
        for tried in range(TRIES):
            with self.weather.turn(f"{name}/{tried}", None if tried else meeting):
                status = self._answered(message.event, f"{name}/{tried}")
            if status == 200:
                return
            if status < 500:
                raise RuntimeError(f"{message.key} was answered {status}")
        self.undone.append(f"{message.key} was refused {TRIES} times")

    def _answered(self, event: dict[str, Any], name: str) -> int:
        self.sent += 1
        try:
            status = int(webhook.handler(event, Context(name))["statusCode"])
        except Exception as error:  # API Gateway answers 500 then
            self.raised.append(repr(error))
            status = 500
        self.answers[status] += 1
        return status

    def _settle(self, name: str, work: Callable[[], bool], *, rounds: int) -> None:
        """Repeat work that others repeat in the cloud until it says that it is done."""
        for tried in range(rounds):
            with self.weather.turn(f"{name}/{tried}"):
                try:
                    done = work()
                except (ClientError, BotoCoreError):  # the event source, or the schedule, tries again
                    continue
            if done:
                return
        self.undone.append(f"{name}: not done after {rounds} rounds")

    def _drained(self) -> bool:
        """Hand one message of the queue to its worker, and leave it there where that fails; done when none waits."""
        queue = self.world.queues._client
        found = queue.receive_message(QueueUrl=self.queue, VisibilityTimeout=0).get("Messages", [])
        for message in found:
            record = {"messageId": message["MessageId"], "body": message["Body"]}
            context = Context(f"drain-{message['ReceiptHandle'][:20]}")
            if not replay.handler({"Records": [record]}, context)["batchItemFailures"]:
                queue.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return not found

    def _unparked(self) -> bool:
        """Let the schedule try what was parked; done when nothing waits any more."""
        replay.handler({}, Context("schedule"))
        now = self.world.now()
        return not list(self.world.store.waiting(since=now - replay.PATIENCE, until=now))
