"""Intake while AWS fails now and then: each message takes effect once, whoever sends and however often."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import boto3
import pytest

from leadtrail.runtime import wiring
from tests.bench import audit, storm
from tests.bench.stand import stand
from tests.faults import CONFLICT, LOST, NOT_REACHED, THROTTLED, Rates, Weather, fresh_session, moto_in_line
from tests.integration.conftest import SETTINGS, TestWorld

LEADS = 40
RATES = Rates(conflicts=0.08)  # so few transactions would hardly meet one in fifty


@contextmanager
def stormy(*, queued: bool, seed: int = storm.SEED) -> Iterator[storm.Storm]:
    """Yield a storm over the simulated company on moto, to which a call system was added."""
    with stand() as company:
        secret = json.dumps(storm.CDR_SECRET)
        boto3.client("secretsmanager").create_secret(Name="leadtrail/source/cdr", SecretString=secret)
        for name, body in storm.SOURCES.items():
            company.world.config.put("source", name, body, now=company.clock())
        queue = boto3.client("sqs").create_queue(QueueName="deliveries")["QueueUrl"] if queued else ""
        weather = Weather(fresh_session(), moto_in_line(), seed=seed, rates=RATES)
        world = TestWorld(company.clock)
        world.settings = replace(SETTINGS, deliveries_queue=queue)
        with patch.object(wiring, "world", lambda: world):
            yield storm.Storm(world, weather, queue)


def told_after(raging: storm.Storm, planned: storm.Plan) -> list[str]:
    """Let the storm rage and return what is not as it should be."""
    raging.rage(planned)
    return raging.undone + audit.differences(audit.items(raging.world.dynamodb, SETTINGS.table), planned)


@pytest.mark.parametrize("queued", [True, False], ids=["with-the-queue", "without"])
def test_every_message_takes_effect_once_whatever_fails(queued: bool) -> None:
    planned = storm.plan(LEADS)

    with stormy(queued=queued) as raging:
        told = told_after(raging, planned)

    assert told == []
    assert raging.raised == []
    assert {NOT_REACHED, LOST, THROTTLED, CONFLICT} <= set(raging.weather.counts)
    assert set(raging.answers) >= ({200} if queued else {200, 503})


def test_the_plan_repeats_reorders_and_bursts_as_promised() -> None:
    planned = storm.plan(1000)

    single = len(planned.messages)
    order = [message.key for message in sorted(planned.messages, key=lambda message: message.at)]
    first = list(dict.fromkeys(message.key for posted in planned.posted for message in posted.messages))
    sent = sum(len(dict.fromkeys(message.key for message in posted.messages)) for posted in planned.posted)
    bursts = sum(len(posted.messages) == storm.COPIES for posted in planned.posted)
    assert single == 1750
    assert abs(1 - single / sent - storm.DUPLICATES) < 0.01
    assert sum(a != b for a, b in zip(order, first, strict=True)) > storm.REORDERED * single
    assert abs(bursts / len(planned.posted) - storm.BURSTS) < 0.02
    assert storm.plan(1000) == planned
