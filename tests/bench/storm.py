"""Deliveries of many leads as providers send them in bad times: twice, in the wrong order, five copies at once.

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
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from functions.ingest import replay, webhook
from tests.faults import Weather
from tests.integration.conftest import NINE, TestWorld
from tests.integration.webhooks import Context, call_completed, http_event, lead_created

DUPLICATES, REORDERED, BURSTS, COPIES = 0.3, 0.1, 0.05, 5
SEED = 20260126
TRIES = 60
CDR_TOKEN = "an-address-that-nobody-guesses"
CDR_SECRET = {"valid": [{"token_sha256": hashlib.sha256(CDR_TOKEN.encode()).hexdigest()}]}
CDR = {
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
    """One delivery of a message at an instant (aware UTC), in so many copies at once."""

    name: str
    at: datetime
    message: Message
    copies: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be sent, in its order: ``leads`` people, each by one form, three in four by something else, too."""

    leads: int
    messages: tuple[Message, ...]
    posted: tuple[Posted, ...]

    @property
    def deliveries(self) -> int:
        """How many requests this is before anything is sent again."""
        return sum(each.copies for each in self.posted)


def plan(leads: int, *, seed: int = SEED) -> Plan:
    """Return the deliveries of so many leads, always the same ones for a seed."""
    random = Random(seed)
    messages = sorted((each for number in range(leads) for each in _messages(number)), key=lambda each: each.at)
    waits = [random.uniform(2, 12) if random.random() < REORDERED else 0.0 for _ in messages]
    placed = [(each.at + timedelta(seconds=wait), each) for each, wait in zip(messages, waits, strict=True)]
    repeated = random.choices(placed, k=round(len(placed) * DUPLICATES / (1 - DUPLICATES)))
    placed += [(at + timedelta(seconds=random.uniform(0, 30)), each) for at, each in repeated]
    placed.sort(key=lambda each: each[0])
    posted = tuple(
        Posted(f"{number}", at, message, COPIES if random.random() < BURSTS else 1)
        for number, (at, message) in enumerate(placed)
    )
    return Plan(leads, tuple(messages), posted)


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


def _messages(number: int) -> Iterator[Message]:
    """Yield what one person sends: a form, and by turns nothing more, another form, a call to us or a call by us."""
    at, phone, key = NINE + timedelta(seconds=2 * number), f"138{number:08d}", f"form-{number}"
    later = at + timedelta(seconds=3)
    yield Message("standard", key, at, lead_created(at, message_id=key, phone=phone, name=f"客户{number}"))
    match number % 4:
        case 1:
            key, spelled = f"again-{number}", f"+86 {phone[:3]}-{phone[3:7]}-{phone[7:]}"
            event = lead_created(later, message_id=key, phone=spelled, email=f"p{number}@example.com")
            yield Message("standard", key, later, event)
        case 2:
            key = f"call-{number}"
            yield Message("cdr", key, later, cdr(key, later, customer=phone), offers_recording=True)
        case 3:
            key = f"called-{number}"
            yield Message("standard", key, later, call_completed(later, message_id=key, phone=phone))


@dataclass(slots=True)
class Storm:
    """Sends a plan; ``queue`` is the URL of the queue of deliveries, empty without one."""

    world: TestWorld
    weather: Weather
    queue: str = ""
    sent: int = 0
    raised: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)

    def rage(self, planned: Plan, *, workers: int = COPIES, one_by_one: bool = True) -> None:
        """Send all, drain the queue, and let the schedule try what was parked."""
        with ThreadPoolExecutor(workers) as pool:
            waiting: list[Future[None]] = []
            for posted in planned.posted:
                copies = [pool.submit(self._insist, posted, copy) for copy in range(posted.copies)]
                if one_by_one:
                    [each.result() for each in copies]
                waiting += copies
            [each.result() for each in waiting]
        self._settle("drain", lambda: not self.queue or self._drained())
        self._settle("parked", self._unparked)

    def _insist(self, posted: Posted, copy: int) -> None:
        """Send one copy until it is answered 200."""
        self.world.clock.at = max(self.world.clock.at, posted.at)
        for tried in range(TRIES):
            name = f"{posted.name}/{copy}/{tried}"
            with self.weather.turn(name):
                status = self._answered(posted.message.event, name)
            if status == 200:
                return
            if status < 500:
                raise RuntimeError(f"{posted.message.key} was answered {status}")
        raise RuntimeError(f"{posted.message.key} was refused {TRIES} times")

    def _answered(self, event: dict[str, Any], name: str) -> int:
        self.sent += 1
        try:
            status = int(webhook.handler(event, Context(name))["statusCode"])
        except Exception as error:  # API Gateway answers 500 then
            self.raised.append(repr(error))
            status = 500
        self.answers[status] += 1
        return status

    def _settle(self, name: str, work: Callable[[], bool]) -> None:
        """Repeat work that others repeat in the cloud until it says that it is done."""
        for tried in range(TRIES):
            with self.weather.turn(f"{name}/{tried}"):
                try:
                    done = work()
                except (ClientError, BotoCoreError):  # the event source, or the schedule, tries again
                    continue
            if done:
                return
        raise RuntimeError(f"{name}: not done after {TRIES} rounds")

    def _drained(self) -> bool:
        """Hand what waits in the queue to its worker, message by message; what fails stays."""
        queue = self.world.queues._client
        while found := queue.receive_message(QueueUrl=self.queue, VisibilityTimeout=0).get("Messages", []):
            for message in found:
                record = {"messageId": message["MessageId"], "body": message["Body"]}
                context = Context(f"drain-{message['ReceiptHandle'][:20]}")
                if not replay.handler({"Records": [record]}, context)["batchItemFailures"]:
                    queue.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return True

    def _unparked(self) -> bool:
        """Let the schedule try what was parked; done when nothing waits any more."""
        replay.handler({}, Context("schedule"))
        now = self.world.now()
        return not list(self.world.store.waiting(since=now - replay.PATIENCE, until=now))
