"""What an operation costs is counted in calls to AWS, written down by botocore itself (DESIGN section 8)."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from functions.ingest import webhook
from functions.sla import sweep
from leadtrail.adapters.table import SHARDS, ClockItem, lead_key, shard_of
from leadtrail.domain.ids import new_id
from leadtrail.domain.instant import to_text
from leadtrail.services import lateness
from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.webhooks import Context, call_completed, lead_created

Calls = Counter[str]


class Bill:
    """Every call of the world's clients, by operation."""

    def __init__(self, world: TestWorld) -> None:
        self.world = world
        self.calls: Calls = Counter()
        take(world, "warm-up", phone="13700000000")  # opens the clients, reads configuration and secrets
        for client in (world.dynamodb, world.secrets._client):
            client.meta.events.register("before-call", self._note)

    def _note(self, model: Any, **_: object) -> None:
        self.calls[model.name] += 1

    @contextmanager
    def of(self) -> Iterator[Calls]:
        """Count what is called inside, by a warm function."""
        self.world.config.company()
        self.world.source_secrets("source/standard")
        self.world.secrets.text("leadtrail/key")
        self.calls = Counter()
        yield self.calls
        self.calls = Counter()


class NoFunctions:
    """Lambda, as the sweep sees it: what it hands over is none of this test's business."""

    def invoke(self, **_: object) -> None:
        return


@pytest.fixture
def bill(world: TestWorld) -> Bill:
    world.functions = NoFunctions()
    return Bill(world)


def take(world: TestWorld, message_id: str, **data: Any) -> str:
    answer = webhook.handler(lead_created(world.now(), message_id=message_id, **data), Context(message_id))
    return str(json.loads(answer["body"])["outcome"])


def test_a_new_lead_costs_one_read_and_one_write(world: TestWorld, bill: Bill) -> None:
    with bill.of() as calls:
        outcome = take(world, "m1")

    assert outcome == "created"
    assert calls == {"BatchGetItem": 1, "TransactWriteItems": 1}


def test_a_known_contact_costs_one_read_more(world: TestWorld, clock: TimeTravel, bill: Bill) -> None:
    take(world, "m1")
    clock.at += timedelta(minutes=3)

    with bill.of() as calls:
        outcome = take(world, "m2", email="z@example.com")

    assert outcome == "merged"
    assert calls == {"BatchGetItem": 2, "TransactWriteItems": 1}


def test_a_call_to_a_known_contact_costs_as_much(world: TestWorld, clock: TimeTravel, bill: Bill) -> None:
    take(world, "m1")
    clock.at += timedelta(minutes=3)

    with bill.of() as calls:
        webhook.handler(call_completed(clock(), message_id="m2"), Context("m2"))

    assert calls == {"BatchGetItem": 2, "TransactWriteItems": 1}


@pytest.mark.parametrize("times", [1, 5])
def test_a_repetition_costs_one_read(world: TestWorld, bill: Bill, times: int) -> None:
    take(world, "m1")

    with bill.of() as calls:
        outcomes = {take(world, "m1") for _ in range(times)}

    # The same request id means a lost answer, so that the outcome is the first one's.
    assert outcomes == {"created"}
    assert calls == {"BatchGetItem": times}


def test_a_forgery_costs_nothing(world: TestWorld, clock: TimeTravel, bill: Bill) -> None:
    forged = lead_created(clock(), message_id="m1", secret="whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")

    with bill.of() as calls:
        answer = webhook.handler(forged, Context("m1"))

    assert (answer["statusCode"], calls) == (401, {})


def leave_open(world: TestWorld, leads: int) -> None:
    """Put running clocks of other leads into the wake index, that wake tomorrow; moto is too slow for whole leads."""
    later = to_text(world.now() + timedelta(days=1))
    for lead_id in (new_id(world.now(), number) for number in range(leads)):
        item = ClockItem(
            **lead_key(lead_id, "CLOCK#first_response#1"),
            state="running",
            due_at=later,
            GSI1PK=shard_of(lead_id),
            GSI1SK=f"{later}#{lead_id}#first_response#1",
        )
        world.dynamodb.put_item(TableName="leadtrail-test", Item=item.serialize())


@pytest.mark.parametrize("open_leads", [10, 60])
def test_a_sweep_costs_what_wakes_and_not_what_is_open(
    world: TestWorld, clock: TimeTravel, bill: Bill, open_leads: int
) -> None:
    take(world, "first", phone="13600000000")
    clock.at += timedelta(minutes=5)
    take(world, "second", phone="13600000001")
    leave_open(world, open_leads)

    with bill.of() as idle:
        sweep.handler({}, Context())
    clock.at += timedelta(minutes=86)  # 10:31: the warning of the first, and of the warm-up's
    sweep.handler({}, Context())
    clock.at += timedelta(minutes=5)
    with bill.of() as waking:
        swept = sweep.handler({}, Context())

    # Beside the shards: what was set aside, and the channels with work.
    assert idle == {"Query": SHARDS + 2}
    assert swept["leads"] == 1
    # One read more: the one channel that now has work.
    assert waking == {"Query": SHARDS + 2 + 1, "GetItem": 1, "TransactWriteItems": 1}


def test_no_operation_of_the_day_scans(world: TestWorld, clock: TimeTravel, bill: Bill) -> None:
    with bill.of() as calls:
        take(world, "m1")
        take(world, "m2", email="z@example.com")
        webhook.handler(call_completed(clock(), message_id="m3"), Context("m3"))
        clock.at += timedelta(days=4)
        sweep.handler({}, Context())

    assert calls["TransactWriteItems"] >= 4
    assert calls["Scan"] == 0


@pytest.mark.parametrize("answered", [2, 12])
def test_a_report_of_a_past_day_costs_what_was_late_and_not_what_the_team_has(
    world: TestWorld, clock: TimeTravel, bill: Bill, answered: int
) -> None:
    began = clock.at
    for number in range(answered):
        take(world, f"m{number}", phone=f"1380013{number:04d}")
        called = call_completed(clock(), phone=f"1380013{number:04d}", talk_s=60, message_id=f"c{number}")
        webhook.handler(called, Context())
    take(world, "late", phone="13900139000")
    clock.at = began + timedelta(days=1)
    sweep.handler({}, Context())
    clock.at = began + timedelta(days=9)

    with bill.of() as calls:
        late = lateness.late_leads(
            "huadong", as_of=began + timedelta(days=1), store=world.store, config=world.config, now=clock.at
        )

    assert [item.lead.source for item in late] == ["standard"] * len(late)
    assert calls["Query"] == 1 + len(late)
