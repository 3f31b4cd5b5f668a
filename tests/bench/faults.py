"""The storm at full size, against ministack: every delivery takes effect once, whatever AWS does meanwhile."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import boto3

from console.company import configure
from infra.ministack import Ministack
from leadtrail.runtime import wiring
from tests.bench import audit, storm
from tests.bench.figure import Figure, Section
from tests.bench.stand import ENVIRONMENT, create
from tests.faults import Weather, by_http, fresh_session
from tests.integration.conftest import SETTINGS, TestWorld, TimeTravel

NAME = "Exactly once"
LEADS, SAMPLE = 3420, 200  # the first make some 10,000 deliveries
PORT = 4790
WORKERS = 16
LOCAL = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


def section(leads: int = LEADS) -> Section:
    """Measure what a storm leaves, once with the queue of deliveries and a tenth of it without."""
    return Section(
        NAME,
        (*_figures(leads, queued=True), *_figures(leads // 10, queued=False)),
        (
            f"The handlers of webhook and queue in this process, {WORKERS} requests in flight, the tables of the"
            " template in ministack. Of the calls 2 % do not arrive, 3 % lose their answer after they took effect, 5 %"
            " are throttled, and 2 % of the transactions meet a conflict; half of the first two kinds are sent again"
            f" by the SDK, of the others the caller hears. Seed {storm.SEED}. Without the queue a sender is answered"
            " 503, and sends again. `tests/bench/audit.py` says what must hold: leads, persons, phones and clocks by"
            " number, each receipt on one trail once, each trail whole and folded, reps' loads, turns of the rotation.",
        ),
    )


def _figures(leads: int, *, queued: bool) -> Iterator[Figure]:
    planned = storm.plan(leads)
    with _company(queued=queued) as raging:
        began = time.monotonic()
        raging.rage(planned, workers=WORKERS, one_by_one=False)
        took_s = time.monotonic() - began
        found = audit.items(raging.world.dynamodb, SETTINGS.table)
    told = raging.undone + audit.differences(found, planned)
    clocks = sum(item["SK"]["S"] == "CLOCK#first_response#1" for item in found)
    made = sum(item["PK"]["S"].startswith("LEAD#") and item["SK"]["S"] == "LEAD" for item in found)
    faults = ", ".join(f"{number} {kind}" for kind, number in sorted(raging.weather.counts.items()) if kind != "well")
    answers = ", ".join(f"{number} x {status}" for status, number in sorted(raging.answers.items()))
    yield Figure(
        f"{planned.deliveries:,} deliveries of {leads:,} leads, {'with' if queued else 'without'} the queue",
        f"{leads:,} leads, {leads:,} first-response clocks, 0 differences",
        f"{made:,} leads, {clocks:,} clocks, {len(told)} differences" + "".join(f"; {each}" for each in told[:3]),
        f"{raging.weather.calls:,} calls: {faults}; answers {answers}; {len(raging.raised)} unhandled; {took_s:.0f} s",
        not told and not raging.raised and made == clocks == leads,
    )


@contextmanager
def _company(*, queued: bool) -> Iterator[storm.Storm]:
    """Yield a storm over the simulated company in a ministack of its own, which ends with it."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        local = stack.enter_context(Ministack(home, port=PORT))
        stack.enter_context(patch.dict(os.environ, {**ENVIRONMENT, **LOCAL, "AWS_ENDPOINT_URL": local.endpoint}))
        stack.enter_context(redirect_stdout(StringIO()))
        os.environ.pop("AWS_PROFILE", None)
        logging.disable(logging.CRITICAL)
        stack.callback(logging.disable, logging.NOTSET)
        boto3.setup_default_session()
        create()
        secret = json.dumps(storm.CDR_SECRET)
        boto3.client("secretsmanager").create_secret(Name="leadtrail/source/cdr", SecretString=secret)
        queue = boto3.client("sqs").create_queue(QueueName="deliveries")["QueueUrl"] if queued else ""
        clock = TimeTravel()
        weather = Weather(fresh_session(), by_http(), seed=storm.SEED)
        world = TestWorld(clock)
        world.settings = replace(SETTINGS, deliveries_queue=queue)
        configure(world.config, now=clock())
        for name, body in storm.SOURCES.items():
            world.config.put("source", name, body, now=clock())
        stack.enter_context(patch.object(wiring, "world", lambda: world))
        yield storm.Storm(world, weather, queue)
