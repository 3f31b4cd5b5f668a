"""Nothing verified is turned away: what the table cannot take waits in the queue, what comes too early is parked."""

import base64
import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import permutations
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from functions.ingest import taking, waiting
from functions.ingest.replay import handler as replay
from functions.ingest.sources import PROVIDERS
from functions.ingest.webhook import AT_ONCE
from leadtrail.domain.lead import Lead
from leadtrail.services.intake import Outcome
from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.every_source import Sender, leads, post, stored
from tests.integration.webhooks import Context, call_completed, lead_created

IN_OWN_WORDS: Mapping[str, Any] = {
    "wecom": "success",
    "tinet": "success",
    "twilio": "",
    "tencent_ccc": {"ErrCode": 0, "ErrMsg": ""},
    "aliyun": {"code": 0, "msg": "接收成功"},
}
QUEUED = {"id": None, "outcome": "queued"}
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "TransactWriteItems")
OUTAGES: Mapping[str, Exception] = {
    "throttled": THROTTLED,
    "over its throughput": ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "BatchGetItem"),
    "failing": ClientError({"Error": {"Code": "InternalServerError"}}, "TransactWriteItems"),
    "out of reach": EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
}


class FaultyTable:
    """A DynamoDB client of which some operations raise; with ``after`` only from their n-th call on."""

    def __init__(self, client: Any, error: Exception, operations: tuple[str, ...], after: int = 0) -> None:
        self._client, self._error, self._operations, self._left = client, error, operations, after

    def __getattr__(self, name: str) -> Any:
        return self._failing(getattr(self._client, name)) if name in self._operations else getattr(self._client, name)

    def _failing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def tried(**request: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                raise self._error
            return call(**request)

        return tried


READS, WRITES = ("batch_get_item", "query", "get_item"), ("transact_write_items", "put_item")


class Queue:
    """The queue of deliveries, as its worker sees it."""

    def __init__(self, world: TestWorld) -> None:
        self.world = world
        self._client = boto3.client("sqs")
        self.url = self._client.create_queue(QueueName="deliveries-test")["QueueUrl"]
        world.settings = replace(world.settings, deliveries_queue=self.url)

    def messages(self) -> list[dict[str, Any]]:
        """Return the messages that wait, as Lambda hands them over; they stay in flight for half a minute."""
        answer = self._client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
        return [{"messageId": each["MessageId"], "body": each["Body"]} for each in answer.get("Messages", [])]

    def work(self, *messages: dict[str, Any]) -> list[str]:
        """Let the worker take messages; return those that must come again."""
        answer = replay({"Records": list(messages)}, Context("worker"))
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@pytest.fixture
def queue(world: TestWorld, monkeypatch: pytest.MonkeyPatch) -> Queue:
    monkeypatch.setattr(world.store, "_sleep", lambda _: None)
    return Queue(world)


@contextmanager
def outage(
    world: TestWorld, error: Exception = THROTTLED, operations: tuple[str, ...] = (*READS, *WRITES), after: int = 0
) -> Iterator[None]:
    client = world.store._client
    world.store._client = FaultyTable(client, error, operations, after)
    yield
    world.store._client = client


def look(lead: Lead) -> Any:
    """Return all of a lead that does not depend on how its ids were drawn."""
    return (
        lead.source,
        lead.owner,
        lead.received_at,
        sorted(entry.source for entry in lead.sources),
        [(each.rule, each.state, each.started_at, each.due_at, each.met_at) for each in lead.clocks],
    )


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_the_table_cannot_take_waits_and_comes_to_the_same_later(
    world: TestWorld, clock: TimeTravel, queue: Queue, provider: str
) -> None:
    sender, began = Sender(world, provider), clock()
    event = sender.sample(began)
    world.config.company()

    with outage(world):
        answer = post(event)
        nothing_yet = leads(world) == []
    [message] = queue.messages()
    clock.at += timedelta(hours=3)
    failed = queue.work(message)

    [lead] = leads(world)
    assert answer == (200, IN_OWN_WORDS.get(provider, QUEUED))
    assert nothing_yet
    assert failed == []
    assert lead.received_at == began
    assert lead.clocks[0].due_at <= began + timedelta(hours=2)
    assert queue.work(message) == []
    assert [each.seq for each in leads(world)] == [lead.seq]


def test_a_lead_out_of_the_queue_looks_as_if_it_had_never_waited(
    world: TestWorld, clock: TimeTravel, queue: Queue
) -> None:
    event = lead_created(clock(), phone="13800138000")
    world.config.company()
    with outage(world):
        post(event)
    [message] = queue.messages()
    clock.at += timedelta(hours=3)
    queue.work(message)
    clock.at -= timedelta(hours=3)

    post(lead_created(clock(), message_id="msg_2", phone="13800138001"))

    waited, came_through = leads(world)
    assert replace(waited, owner=None).clocks == replace(came_through, owner=None).clocks
    assert look(replace(waited, owner=None)) == look(replace(came_through, owner=None))


@pytest.mark.parametrize("operations", [READS, WRITES], ids=["cannot be read", "cannot be written"])
@pytest.mark.parametrize("error", OUTAGES.values(), ids=OUTAGES.keys())
def test_every_kind_of_outage_is_answered_200(
    world: TestWorld, clock: TimeTravel, queue: Queue, error: Exception, operations: tuple[str, ...]
) -> None:
    world.config.company()

    with outage(world, error, operations):
        answer = post(lead_created(clock()))

    assert answer == (200, QUEUED)
    assert len(queue.messages()) == 1


def test_a_table_that_is_down_for_long_is_known_by_what_was_configured_before(
    world: TestWorld, clock: TimeTravel, queue: Queue
) -> None:
    world.config.company()
    clock.at += timedelta(hours=5)

    with outage(world):
        taken, forged = post(lead_created(clock())), post(lead_created(clock() - timedelta(minutes=6)))

    assert taken == (200, QUEUED)
    assert forged[0] == 401
    assert len(queue.messages()) == 1


def test_whoever_comes_to_a_cold_function_while_the_table_is_down_is_asked_to_come_again(
    world: TestWorld, clock: TimeTravel, queue: Queue
) -> None:
    world.config._company = None

    with outage(world):
        status, problem = post(lead_created(clock()))

    assert (status, problem["code"]) == (503, "busy")
    assert queue.messages() == []


def test_with_the_queue_down_too_the_sender_is_asked_to_come_again(
    world: TestWorld, clock: TimeTravel, queue: Queue
) -> None:
    world.config.company()
    queue._client.delete_queue(QueueUrl=queue.url)

    with outage(world):
        status, problem = post(lead_created(clock()))

    assert (status, problem["code"]) == (503, "busy")


def test_what_waits_is_the_request_as_it_came(world: TestWorld, clock: TimeTravel, queue: Queue) -> None:
    sender = Sender(world, "tencent_ccc", allow_ips=["203.0.113.0/24"])
    event = sender.sample(clock())
    world.config.company()
    with outage(world):
        post(event)
    [message] = queue.messages()

    request = waiting.read(json.loads(message["body"]), world)

    assert request.body == base64.b64decode(event["body"])
    assert (request.query, request.at) == (event["queryStringParameters"], clock())
    assert event["pathParameters"]["token"] not in message["body"]


def test_what_waits_is_taken_though_its_secret_was_changed_meanwhile(
    world: TestWorld, clock: TimeTravel, queue: Queue
) -> None:
    event = lead_created(clock())
    world.config.company()
    with outage(world):
        post(event)
    boto3.client("secretsmanager").put_secret_value(
        SecretId="leadtrail/source/standard", SecretString=json.dumps({"valid": [{"secret": "whsec_bmV3"}]})
    )
    clock.at += timedelta(minutes=10)

    failed = queue.work(*queue.messages())

    assert (failed, len(leads(world))) == ([], 1)


def test_a_bad_message_stays_in_the_queue_and_holds_up_no_other(
    world: TestWorld, clock: TimeTravel, queue: Queue
) -> None:
    world.config.company()
    with outage(world):
        post(lead_created(clock()))
    [good] = queue.messages()
    read: dict[str, Any] = json.loads(good["body"])
    bad = {
        "no JSON": "hello",
        "no source": json.dumps(read | {"source": "nobody"}),
        "forged": json.dumps(read | {"body": base64.b64encode(b"nothing").decode()}),
        "gone": json.dumps({name: value for name, value in read.items() if name != "body"} | {"archived": "raw/x/y"}),
        "empty": "{}",
    }

    failed = queue.work(*({"messageId": name, "body": body} for name, body in bad.items()), good)

    assert failed == list(bad)
    assert len(leads(world)) == 1


def test_a_message_that_the_table_does_not_take_again_comes_again(
    world: TestWorld, clock: TimeTravel, queue: Queue
) -> None:
    world.config.company()
    with outage(world):
        post(lead_created(clock()))
        [message] = queue.messages()
        failed = queue.work(message)

    assert failed == [message["messageId"]]
    assert queue.work(message) == []
    assert len(leads(world)) == 1


def incompressible(size: int) -> str:
    return "".join(
        random.Random(3).choices("".join(map(chr, range(0x23, 0x5B))) + "abcdefghijklmnopqrstuvwxyz", k=size)
    )


@pytest.mark.parametrize("size", [210_000, 245_000], ids=["just fits", "does not fit"])
def test_a_body_that_fits_no_message_waits_in_the_archive(
    world: TestWorld, clock: TimeTravel, queue: Queue, size: int
) -> None:
    event = lead_created(clock(), fields={"需求": incompressible(size)})
    world.config.company()

    with outage(world):
        answer = post(event)
    [message] = queue.messages()
    failed = queue.work(message)

    body = event["body"].encode()
    is_archived = "archived" in json.loads(message["body"])
    assert answer == (200, QUEUED)
    assert is_archived == (size > 240_000)
    assert len(message["body"]) < 256 * 1024
    assert failed == []
    assert len(leads(world)) == 1
    assert stored(world)["s3", f"raw/standard/{hashlib.sha256(body).hexdigest()}"] == len(body)


def many(sender: Sender, clock: TimeTravel, number: int) -> dict[str, Any]:
    """Return one request of HubSpot's with so many new contacts."""
    body, _, _ = sender.said(clock())
    [event] = json.loads(body)
    events = [event | {"eventId": index, "objectId": index + 1} for index in range(number)]
    return sender.signed(json.dumps(events).encode(), clock())


def test_a_request_of_many_messages_is_queued_at_once_and_taken_whole(
    world: TestWorld, clock: TimeTravel, queue: Queue
) -> None:
    sender = Sender(world, "hubspot")

    answers = [post(many(sender, clock, AT_ONCE + 1)), post(many(sender, clock, AT_ONCE + 1), "request-2")]
    before = len(leads(world))
    failed = queue.work(*queue.messages())

    assert answers == [(200, QUEUED)] * 2
    assert (before, failed, len(leads(world))) == (0, [], AT_ONCE + 1)


def test_a_request_of_some_messages_is_stored_while_its_sender_waits(
    world: TestWorld, clock: TimeTravel, queue: Queue
) -> None:
    sender = Sender(world, "hubspot")

    status, answer = post(many(sender, clock, AT_ONCE))

    assert (status, answer["outcome"]) == (200, "created")
    assert len(leads(world)) == AT_ONCE
    assert queue.messages() == []


def test_of_a_request_that_was_half_stored_the_other_half_follows_and_nothing_twice(
    world: TestWorld, clock: TimeTravel, queue: Queue
) -> None:
    sender = Sender(world, "hubspot")
    event = many(sender, clock, 4)
    world.config.company()

    with outage(world, THROTTLED, WRITES, after=2):
        answer = post(event)
    half = len(leads(world))
    failed = queue.work(*queue.messages())

    assert answer == (200, QUEUED)
    assert (half, failed, len(leads(world))) == (2, [], 4)
    assert [len(lead.sources) for lead in leads(world)] == [1] * 4


def run(clock: TimeTravel, minutes: int = 5) -> None:
    """The run that tries parked deliveries again, every five minutes."""
    clock.at += timedelta(minutes=minutes)
    replay({}, Context(f"run-{clock():%H%M%S}"))


def outcomes(world: TestWorld) -> list[str]:
    return sorted(row["outcome"]["S"] for (_, sort), row in stored(world).items() if sort == "RECEIPT")


def test_a_call_that_came_before_its_lead_joins_it_in_the_next_run(world: TestWorld, clock: TimeTravel) -> None:
    parked = post(call_completed(clock()))
    run(clock)
    still_parked = outcomes(world)
    _, created = post(lead_created(clock()), "request-2")

    run(clock)

    [lead] = leads(world)
    assert parked == (200, {"id": None, "outcome": "parked"})
    assert still_parked == ["parked"]
    assert outcomes(world) == ["created", "merged"]
    assert lead.lead_id == created["id"]
    assert [(each.rule, each.state) for each in lead.clocks] == [
        ("first_response", "met"),
        ("no_progress", "running"),
        ("second_touch", "running"),
    ]


def test_a_parked_delivery_is_tried_for_six_hours_and_then_waits_for_an_operator(
    world: TestWorld, clock: TimeTravel
) -> None:
    post(call_completed(clock()))
    [key] = [key for key in stored(world) if key[1] == "RECEIPT"]
    clock.at += timedelta(hours=6, minutes=1)
    post(lead_created(clock()), "request-2")

    run(clock)
    after_the_run = outcomes(world)
    again = taking.take_again("standard", key[0].rpartition("#")[2], world, attempt="operator")

    assert after_the_run == ["created", "parked"]
    assert again == Outcome(leads(world)[0].lead_id, "merged")


def test_runs_without_news_change_nothing(world: TestWorld, clock: TimeTravel) -> None:
    post(call_completed(clock()))
    run(clock)
    before = stored(world)

    for _ in range(3):
        run(clock)

    assert stored(world) == before


class Exchange:
    """Tencent's call centre and a form: the messages of one customer, each as it is sent however late it comes."""

    def __init__(self, world: TestWorld, clock: TimeTravel) -> None:
        self.world, self.clock = world, clock
        self.calls = Sender(world, "tencent_ccc")
        self.phone, self.number = "13800138000", 0

    def form(self) -> dict[str, Any]:
        return lead_created(self.clock(), message_id=f"form-{self.phone}", phone=self.phone)

    def cdr(self, session: str, at: datetime, *, direction: int, talk_s: int) -> dict[str, Any]:
        began = int(at.timestamp())
        sides = {"Caller": self.phone, "Callee": "4001234567"}
        said = {
            "SessionId": f"{session}-{self.phone}",
            "Direction": direction,
            "StartTimestamp": began,
            "AcceptTimestamp": began + 5 if talk_s else 0,
            "EndedTimestamp": began + 5 + talk_s,
            **(sides if direction == 0 else {"Caller": sides["Callee"], "Callee": self.phone}),
        }
        return self._pushed("cdr", said)

    def record(self, session: str, at: datetime, *, endpoint: str | None = None) -> dict[str, Any]:
        said = {
            "SessionId": f"{session}-{self.phone}",
            "RecordId": f"record-{session}-{self.phone}",
            "EndpointUser": endpoint or self.phone,
            "RecordURL": "https://recordings.example.com/1.wav",
            "Timestamp": int(at.timestamp()),
        }
        return self._pushed("record", said)

    def _pushed(self, action: str, said: Mapping[str, Any]) -> dict[str, Any]:
        query = {"action": action, "version": "1"}
        return self.calls.event(json.dumps(said).encode(), {"content-type": "application/json"}, query)

    def come(self, event: dict[str, Any]) -> None:
        self.number += 1
        self.clock.at += timedelta(minutes=1)
        assert post(event, f"request-{self.number}")[0] == 200

    def final(self) -> Any:
        """Return what the customer's messages came to: the only lead, and what its workers were given to do."""
        [lead] = [lead for lead in leads(self.world) if lead.lead_id not in self.settled]
        self.settled.add(lead.lead_id)
        trail = self.world.store.trail(lead.lead_id)
        fetches = [json.loads(row["facts"]["S"]) for row in self.world.store.items("OUTBOX#@fetch")]
        return (
            sorted({entry.source for entry in lead.sources}),
            sorted((e.facts["direction"], e.facts["talk_s"]) for e in trail if e.kind == "touch.recorded"),
            sorted((each.rule, each.state) for each in lead.clocks),
            [e.facts["party"] for e in trail if e.kind == "recording.offered"],
            [(row["session"] is not None, row["party"]) for row in fetches if row["lead"] == lead.lead_id],
        )

    @cached_property
    def settled(self) -> set[str]:
        """The leads of the customers before."""
        return set()


@pytest.fixture
def exchange(world: TestWorld, clock: TimeTravel) -> Exchange:
    return Exchange(world, clock)


@pytest.mark.parametrize("endpoint", [None, "li@example.com"], ids=["the customer's side", "the seat's side"])
@pytest.mark.parametrize("is_recording_first", [True, False], ids=["recording first", "call first"])
def test_a_recording_and_its_call_come_to_the_same_in_either_order(
    exchange: Exchange, clock: TimeTravel, is_recording_first: bool, endpoint: str | None
) -> None:
    began = clock()
    clock.at += timedelta(minutes=2)
    messages = [
        exchange.record("s1", began, endpoint=endpoint),
        exchange.cdr("s1", began, direction=0, talk_s=65),
    ]

    for message in messages if is_recording_first else reversed(messages):
        exchange.come(message)
    run(clock)
    run(clock)

    party = "rep" if endpoint else "customer"
    assert exchange.final() == (
        ["mine-tencent_ccc"],
        [("in", 65)],
        [("first_response", "met"), ("no_progress", "running"), ("second_touch", "running")],
        [party],
        [(True, party)],
    )


@pytest.mark.parametrize("first", range(4), ids=["form", "missed call", "call back", "recording"])
def test_a_form_a_missed_call_a_call_back_and_its_recording_come_to_one_state_in_every_order(
    exchange: Exchange, clock: TimeTravel, first: int
) -> None:
    began = clock()
    finals = {}
    for number, order in enumerate(order for order in permutations(range(4)) if order[0] == first):
        clock.at = began + timedelta(minutes=10)
        exchange.phone = f"138001380{number:02d}"
        messages = [
            exchange.form(),
            exchange.cdr("missed", began + timedelta(minutes=1), direction=0, talk_s=0),
            exchange.cdr("back", began + timedelta(minutes=5), direction=1, talk_s=65),
            exchange.record("back", began + timedelta(minutes=5), endpoint="li@example.com"),
        ]
        for index in order:
            exchange.come(messages[index])
            run(clock, minutes=0)
        run(clock)
        run(clock)
        finals[order] = exchange.final()

    assert len(finals) == 6
    assert set(map(str, finals.values())) == {
        str(
            (
                ["mine-tencent_ccc", "standard"],
                [("in", 0), ("out", 65)],
                [("first_response", "met"), ("no_progress", "running"), ("second_touch", "running")],
                ["rep"],
                [(True, "rep")],
            )
        )
    }


def anonymous(sender: Sender, body: bytes) -> bytes:
    """Return the sample without anything by which somebody could be known."""
    if sender.provider == "hubspot":
        return json.dumps([{**json.loads(body)[0], "objectId": None}]).encode()
    if sender.provider == "wecom":
        begin, end = body.index(b"<ExternalUserID>"), body.index(b"</ExternalUserID>")
        return body[:begin] + body[end + len(b"</ExternalUserID>") :]
    hidden = {"twilio": b"anonymous", "tinet": b""}.get(sender.provider, b"n/a")
    number = b"%2B8619900000000" if sender.provider == "twilio" else b"19900000000"
    prefix = b"0086" if sender.provider == "tencent_ccc" else b""
    return body.replace(prefix + number, hidden)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_who_cannot_be_known_is_parked_with_reason_and_body_and_can_be_replayed(
    world: TestWorld, clock: TimeTravel, provider: str
) -> None:
    sender = Sender(world, provider)
    body, headers, query = sender.said(clock())
    event = sender.signed(anonymous(sender, body), clock(), headers=headers, query=query)

    answer = post(event)

    [(partition, receipt)] = [(pk, row) for (pk, sort), row in stored(world).items() if sort == "RECEIPT"]
    key = partition.rpartition("#")[2]
    kept = world.store.kept_body(sender.id, key)
    after_once = stored(world)
    assert answer == (200, IN_OWN_WORDS.get(provider, {"id": None, "outcome": "parked"}))
    assert (receipt["outcome"]["S"], leads(world)) == ("parked", [])
    assert receipt["reason"]["S"]
    assert kept is not None
    assert kept.body == base64.b64decode(event["body"])
    assert taking.take_again(sender.id, key, world, attempt="operator") == Outcome(None, "parked")
    assert stored(world) == after_once


FORMS = [provider for provider in PROVIDERS if provider in ("typeform", "jinshuju", "wjx", "jiandaoyun", "tally")]


@pytest.mark.parametrize("provider", FORMS)
def test_a_parked_form_becomes_a_lead_once_its_fields_are_configured_right(
    world: TestWorld, clock: TimeTravel, provider: str
) -> None:
    sender = Sender(world, provider, fields={"phone": "another", "email": "another"})
    right = Sender(world, provider, name="right")
    body, headers, query = right.said(clock())
    post(sender.signed(body, clock(), headers=headers, query=query))
    [partition] = [pk for pk, sort in stored(world) if sort == "RECEIPT"]
    clock.at += timedelta(hours=1)
    world.config.put("source", sender.id, {**sender.body, "fields": {}}, now=clock())
    world.config.current()

    again = [
        taking.take_again(sender.id, partition.rpartition("#")[2], world, attempt=f"operator-{n}") for n in range(2)
    ]

    [lead] = leads(world)
    assert again == [Outcome(lead.lead_id, "created"), Outcome(lead.lead_id, "duplicate")]
