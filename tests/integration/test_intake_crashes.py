"""Intake by a worker that dies before or after any of its calls to AWS: the next delivery adds what is missing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import ClientError

from functions.ingest import replay, webhook
from leadtrail.runtime import wiring
from tests.bench import audit, storm
from tests.bench.stand import stand
from tests.faults import Fate, fresh_session
from tests.integration.conftest import NINE, SETTINGS, TestWorld, TimeTravel
from tests.integration.webhooks import Context, call_completed, http_event, lead_created

HUBSPOT: dict[str, Any] = {"provider": "hubspot", "team": "huadong", "secret": "source/hubspot"}
HUBSPOT_SECRET = {"valid": [{"secret": "hs-secret"}]}
RANDOM = ("seal", "prev", "cipher", "key", "salt", "attempt", "text_hash", "head")
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
Event = dict[str, Any]


def hubspot(*objects: int) -> Event:
    """Return one request of HubSpot with a new contact for each object."""
    at_ms = str(int(NINE.timestamp() * 1000))
    said = [
        {"eventId": number, "portalId": 7, "objectId": number, "occurredAt": int(at_ms), "changeSource": "FORM"}
        for number in objects
    ]
    body = json.dumps([{**each, "subscriptionType": "contact.creation"} for each in said])
    signed = f"POST{SETTINGS.public_base_url}/webhooks/hubspot{body}{at_ms}".encode()
    signature = base64.b64encode(hmac.new(b"hs-secret", signed, hashlib.sha256).digest()).decode()
    headers = {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": at_ms}
    return http_event("hubspot", body, headers=headers)


def form(**said: Any) -> Event:
    return lead_created(NINE, **said)


def called(**said: Any) -> Event:
    return call_completed(NINE, **said)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What came before, and the request at which the worker dies."""

    event: Event
    before: tuple[Event, ...] = ()
    leads: int = 1
    configured: tuple[tuple[str, str, dict[str, Any]], ...] = ()


AWAY = tuple(
    ("rep", rep, {"name": rep, "role": "rep", "team": "huadong", "active": False}) for rep in ("rep-li", "rep-zhang")
)
KNOWN = form(message_id="first")
SCENARIOS = {
    "a new lead": Scenario(form(message_id="m", fields={"需求": "三月上线"})),
    "one more source of a known contact": Scenario(
        form(message_id="m", phone="+86 138-0013-8000", email="z@example.com"), (KNOWN,)
    ),
    "a call to a known lead": Scenario(called(message_id="m"), (KNOWN,)),
    "a missed inbound call": Scenario(called(message_id="m", direction="in", talk_s=0, agent="")),
    "a call with its recording": Scenario(storm.cdr("m", NINE)),
    "a call with its recording to a known lead": Scenario(storm.cdr("m", NINE), (KNOWN,)),
    "a delivery that is parked": Scenario(called(message_id="m"), leads=0),
    "a delivery of more than 64 KB": Scenario(form(message_id="m", fields={"需求": "详见附件" * 20_000})),
    "a batch of three": Scenario(hubspot(1, 2, 3), leads=3),
    "a lead that nobody can take": Scenario(form(message_id="m"), configured=AWAY),
}


@dataclass(slots=True)
class Ward:
    """The company on moto, which every attempt finds as it was when the ward was closed; each starts a container."""

    clock: TimeTravel
    queue: str = ""
    kept: dict[tuple[str, str], Any] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)
    world: TestWorld = field(init=False)
    fate: Fate = field(init=False)
    dynamodb: Any = field(init=False)
    s3: Any = field(init=False)
    sqs: Any = field(init=False)

    def __post_init__(self) -> None:
        self.dynamodb, self.s3, self.sqs = (boto3.client(name) for name in ("dynamodb", "s3", "sqs"))
        self.fate = Fate(fresh_session().events)

    def close(self) -> None:
        """Remember the table as it is."""
        self.kept = self._items()

    def reset(self) -> None:
        """Bring the table back to what was remembered, and empty the archive; the queue is drained already."""
        found = self._items()
        for pk, sk in found.keys() - self.kept.keys():
            self.dynamodb.delete_item(TableName=SETTINGS.table, Key={"PK": {"S": pk}, "SK": {"S": sk}})
        for key, item in self.kept.items():
            if found.get(key) != item:
                self.dynamodb.put_item(TableName=SETTINGS.table, Item=item)
        for name in self.archived():
            self.s3.delete_object(Bucket=SETTINGS.archive_bucket, Key=name)

    def deliver(self, event: Event, dies_at: tuple[int, str] | None = None) -> bool:
        """Hand a request to a worker that has just started; tell whether it lived to answer, with 200."""
        return self._work(lambda: _accepted(webhook.handler(event, self._context())), dies_at)

    def replay(self, event: Event, dies_at: tuple[int, str] | None = None) -> bool:
        """The same for the worker of the queue; what it names as failed comes again."""
        return self._work(lambda: _done(replay.handler(event, self._context())), dies_at)

    def left(self) -> Counter[str]:
        """Return what table and archive hold once the queue is drained, without what is random or names an attempt."""
        for event in self.waiting():
            self.replay(event)
        return _normalised(self._items().values()) + Counter(
            f"archive {key} {of}" for key, of in self.archived().items()
        )

    def waiting(self) -> Iterator[Event]:
        """Take what waits in the queue, as the queue hands it to its worker."""
        while self.queue and (found := self.sqs.receive_message(QueueUrl=self.queue).get("Messages", [])):
            for message in found:
                yield {"Records": [{"messageId": message["MessageId"], "body": message["Body"]}]}
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])

    def archived(self) -> dict[str, str]:
        """Return the archive's keys with their ETags."""
        listed = self.s3.list_objects_v2(Bucket=SETTINGS.archive_bucket).get("Contents", [])
        return {each["Key"]: each["ETag"] for each in listed}

    def _work(self, work: Callable[[], None], dies_at: tuple[int, str] | None) -> bool:
        self.world = TestWorld(self.clock)
        self.world.settings = replace(SETTINGS, deliveries_queue=self.queue)
        return self.fate.spares(work, dies_at)

    def _context(self) -> Context:
        return Context(f"request-{next(self.numbers)}")

    def _items(self) -> dict[tuple[str, str], Any]:
        found = audit.items(self.dynamodb, SETTINGS.table)
        return {(item["PK"]["S"], item["SK"]["S"]): item for item in found}


def _accepted(answer: Event) -> None:
    if answer["statusCode"] != 200:
        raise RuntimeError(f"the webhook answered {answer}")


def _done(answer: Event) -> None:
    if answer.get("batchItemFailures"):
        raise RuntimeError(f"the queue's worker failed: {answer}")


def _normalised(items: Any) -> Counter[str]:
    """Count items as text, with leads and people named by the receipt that brought them."""
    items = list(items)
    names: dict[str, str] = {}
    for item in items:
        if item["SK"]["S"] == "EVENT#00000001":
            facts = json.loads(item["facts"]["S"])
            names[item["PK"]["S"].removeprefix("LEAD#")] = f"<lead of {facts['receipt']}>"
            names[facts["person"]] = f"<person of {facts['receipt']}>"
    return Counter(_text(item, names) for item in items)


def _text(item: Any, names: dict[str, str]) -> str:
    known = {name: value for name, value in item.items() if name not in RANDOM}
    text = json.dumps(known, ensure_ascii=False, sort_keys=True, default=repr)
    text = re.sub(r'\\"head\\": \\"[0-9a-f]{64}\\"', "<head>", text)
    text = re.sub(r"WAKE#\d\d", "WAKE#", text)
    return ULID.sub(lambda found: names.get(found[0], "<id>"), text)


def differences(ward: Ward, work: Callable[[tuple[int, str] | None], bool]) -> list[str]:
    """Return what is left otherwise than by a worker that lived, for each call at which it may die."""
    ward.reset()
    work(None)
    calls, expected = list(ward.fate.calls), ward.left()
    told = [] if calls else ["the worker made no call"]
    for number, name in enumerate(calls, start=1):
        for when in ("before", "after"):
            ward.reset()
            if work((number, when)):
                told.append(f"{when} call {number} ({name}): it lived")
            work(None)
            left = ward.left()
            told += [f"{when} call {number} ({name}): more by {text[:300]}" for text in left - expected]
            told += [f"{when} call {number} ({name}): less by {text[:300]}" for text in expected - left]
    return told


@contextmanager
def open_ward(scenario: Scenario, *, queued: bool = False) -> Iterator[Ward]:
    """Yield the ward of a scenario: sources added, and what came before has come."""
    with stand() as company:
        for name, secret in {"cdr": storm.CDR_SECRET, "hubspot": HUBSPOT_SECRET}.items():
            text = json.dumps(secret)
            boto3.client("secretsmanager").create_secret(Name=f"leadtrail/source/{name}", SecretString=text)
        for kind, name, body in (("source", "cdr", storm.CDR), ("source", "hubspot", HUBSPOT), *scenario.configured):
            company.world.config.put(kind, name, body, now=NINE)
        queue = boto3.client("sqs").create_queue(QueueName="deliveries")["QueueUrl"] if queued else ""
        ward = Ward(company.clock, queue)
        with patch.object(wiring, "world", lambda: ward.world):
            for event in scenario.before:
                ward.deliver(event)
            ward.close()
            yield ward


def leads_in(left: Counter[str]) -> int:
    return sum(number for text, number in left.items() if '"SK": {"S": "LEAD"}' in text)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_worker_that_dies_at_any_call_leaves_what_one_that_lived_leaves(name: str) -> None:
    scenario = SCENARIOS[name]
    with open_ward(scenario) as ward:
        told = differences(ward, lambda dies_at: ward.deliver(scenario.event, dies_at))
        left = ward.left()

    assert told == []
    assert leads_in(left) == scenario.leads


@contextmanager
def table_down() -> Iterator[None]:
    """Let the table take nothing for a while."""
    refused: dict[str, Any] = {"Error": {"Code": "ThrottlingException", "Message": "not now"}}

    def never(**_: Any) -> None:
        raise ClientError(refused, "TransactWriteItems")

    boto3.DEFAULT_SESSION.events.register("before-call.dynamodb.TransactWriteItems", never)
    try:
        yield
    finally:
        boto3.DEFAULT_SESSION.events.unregister("before-call.dynamodb.TransactWriteItems", never)


@pytest.mark.parametrize("name", ["a new lead", "a call with its recording", "a batch of three"])
def test_the_queues_worker_may_die_at_any_call_too(name: str) -> None:
    scenario = SCENARIOS[name]
    with open_ward(scenario, queued=True) as ward:
        with table_down():
            ward.deliver(scenario.event)
        [message] = ward.waiting()

        told = differences(ward, lambda dies_at: ward.replay(message, dies_at))
        left = ward.left()

    assert told == []
    assert leads_in(left) == scenario.leads


@pytest.mark.parametrize("name", ["a new lead", "a delivery of more than 64 KB"])
def test_who_dies_while_the_table_is_down_has_the_delivery_in_the_queue_or_sent_again(name: str) -> None:
    scenario = SCENARIOS[name]

    seen: set[str] = set()

    def work(dies_at: tuple[int, str] | None) -> bool:
        with table_down():
            lived = ward.deliver(scenario.event, dies_at)
        seen.update(ward.fate.calls)
        return lived

    with open_ward(scenario, queued=True) as ward:
        told = differences(ward, work)

    assert told == []
    assert "SendMessage" in seen


def test_the_schedule_may_die_at_any_call_while_it_tries_what_was_parked() -> None:
    early = Scenario(form(message_id="m"), before=(called(message_id="early"), form(message_id="m")))
    with open_ward(early) as ward:
        parked = ward.left()

        told = differences(ward, lambda dies_at: ward.replay({}, dies_at))
        left = ward.left()

    assert told == []
    assert [sum('"parked"' in text for text in each) for each in (parked, left)] == [1, 0]
