"""The sweep over ever more open leads, against ministack: what it costs follows what wakes."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import boto3

from console.company import configure
from functions.sla import sweep
from infra.ministack import Ministack
from leadtrail.runtime import wiring
from tests import open_leads
from tests.bench.faults import LOCAL
from tests.bench.figure import Figure, Section
from tests.bench.stand import ENVIRONMENT, Handover, Ledger
from tests.integration.conftest import SETTINGS, TestWorld, TimeTravel
from tests.integration.webhooks import Context
from tests.meter import Meter
from tests.stack_template import resources

NAME = "Sweep"
SIZES, SAMPLE = (1_000, 10_000, 100_000), (1_000, 10_000)
WAKING = 100
PORT = 4792


@dataclass(frozen=True, slots=True)
class Cost:
    """What one sweep took: calls to DynamoDB by operation, pages of queries, items read."""

    calls: tuple[tuple[str, int], ...]
    pages: int
    items: int


def section(sizes: tuple[int, ...] = SIZES) -> Section:
    """Measure one sweep of the same 100 clocks among so many open leads each."""
    with _ministack():
        found = [(size, _cost(size)) for size in sizes]
    least = found[0][1]
    return Section(NAME, tuple(_figure(size, cost, least) for size, cost in found), (_NOTE,))


_NOTE = (
    "One run of the sweep's handler by a warm function, on a table of the template in ministack that holds a row of"
    " each lead and a row of its running clock, written in batches; those that wake began an hour before the others."
    " Counted by botocore hooks on the function's own client. A page of a query is one call."
)


def _figure(size: int, cost: Cost, least: Cost) -> Figure:
    scans = dict(cost.calls).get("Scan", 0)
    calls = ", ".join(f"{number} {name}" for name, number in cost.calls)
    return Figure(
        f"sweep, {size:,} open leads, {WAKING} wake",
        "the same at any size, 0 scans",
        f"{sum(number for _, number in cost.calls)} calls, {cost.pages} pages, {cost.items} items, {scans} scans",
        calls,
        cost == least and scans == 0,
    )


def _cost(open_now: int) -> Cost:
    clock = TimeTravel()
    world = TestWorld(clock)
    world.settings = replace(SETTINGS, table=f"leads-{open_now}")
    world.functions = Handover(Ledger())
    with _table(world), patch.object(wiring, "world", lambda: world):
        configure(world.config, now=clock())
        open_leads.write(world, WAKING, at=clock())
        open_leads.write(world, open_now - WAKING, at=clock() + timedelta(hours=1), first=WAKING)
        clock.at += timedelta(hours=2, seconds=1)
        open_leads.warm(world)
        meter = Meter(world.dynamodb)
        swept = sweep.handler({}, Context())
    if (swept["leads"], swept["alerts"]) != (WAKING, WAKING):
        raise RuntimeError(f"{swept['leads']} leads woke with {swept['alerts']} alerts, {WAKING} were to")
    return Cost(tuple(sorted(meter.calls.items())), meter.pages, meter.items_read)


@contextmanager
def _table(world: TestWorld) -> Iterator[None]:
    """Create the template's table, and delete it again: the emulator keeps what it holds in memory."""
    table = resources("AWS::DynamoDB::Table")[0]
    wanted = ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode")
    boto3.client("dynamodb").create_table(
        TableName=world.settings.table, **{name: table[name] for name in wanted if name in table}
    )
    try:
        yield
    finally:
        boto3.client("dynamodb").delete_table(TableName=world.settings.table)


@contextmanager
def _ministack() -> Iterator[None]:
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        local = stack.enter_context(Ministack(home, port=PORT))
        stack.enter_context(patch.dict(os.environ, {**ENVIRONMENT, **LOCAL, "AWS_ENDPOINT_URL": local.endpoint}))
        stack.enter_context(redirect_stdout(StringIO()))
        os.environ.pop("AWS_PROFILE", None)
        logging.disable(logging.CRITICAL)
        stack.callback(logging.disable, logging.NOTSET)
        boto3.setup_default_session()
        yield
