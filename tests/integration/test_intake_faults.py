"""Intake while AWS fails now and then: each message takes effect once, whoever sends and however often."""

import json
from dataclasses import replace

import boto3
import pytest

from tests.bench import audit, storm
from tests.faults import CONFLICT, LOST, NOT_REACHED, THROTTLED, Weather, fresh_session, moto_in_line
from tests.integration.conftest import SETTINGS, TestWorld

LEADS = 40


def stormy(world: TestWorld, *, queued: bool, seed: int = storm.SEED) -> storm.Storm:
    """Return a storm over the company of the tests, to which a call system was added."""
    boto3.client("secretsmanager").create_secret(Name="leadtrail/source/cdr", SecretString=json.dumps(storm.CDR_SECRET))
    world.config.put("source", "cdr", storm.CDR, now=world.now())
    # moto copies a table for each transaction, with all that its stream ever held.
    boto3.client("dynamodb").update_table(TableName=SETTINGS.table, StreamSpecification={"StreamEnabled": False})
    weather = Weather(fresh_session(), moto_in_line(), seed=seed)
    queue = boto3.client("sqs").create_queue(QueueName="deliveries")["QueueUrl"] if queued else ""
    warm = TestWorld(world.clock)
    warm.settings = replace(SETTINGS, deliveries_queue=queue)
    return storm.Storm(warm, weather, queue)


def told_after(raging: storm.Storm, planned: storm.Plan) -> list[str]:
    """Let the storm rage and return what is not as it should be."""
    raging.rage(planned)
    return audit.differences(audit.items(raging.world.dynamodb, SETTINGS.table), planned)


@pytest.mark.parametrize("queued", [True, False], ids=["with-the-queue", "without"])
def test_every_message_takes_effect_once_whatever_fails(
    world: TestWorld, monkeypatch: pytest.MonkeyPatch, queued: bool
) -> None:
    raging, planned = stormy(world, queued=queued), storm.plan(LEADS)
    monkeypatch.setattr("leadtrail.runtime.wiring.world", lambda: raging.world)

    told = told_after(raging, planned)

    assert told == []
    assert raging.raised == []
    assert {NOT_REACHED, LOST, THROTTLED, CONFLICT} <= set(raging.weather.counts)
    assert set(raging.answers) >= ({200} if queued else {200, 503})


def test_the_plan_repeats_reorders_and_bursts_as_promised() -> None:
    planned = storm.plan(1000)

    single = len(planned.messages)
    order = [message.key for message in planned.messages]
    first = list(dict.fromkeys(posted.message.key for posted in planned.posted))
    bursts = sum(posted.copies == storm.COPIES for posted in planned.posted)
    assert abs(1 - single / len(planned.posted) - storm.DUPLICATES) < 0.01
    assert sum(a != b for a, b in zip(order, first, strict=True)) > storm.REORDERED * single
    assert abs(bursts / len(planned.posted) - storm.BURSTS) < 0.02
    assert storm.plan(1000) == planned
