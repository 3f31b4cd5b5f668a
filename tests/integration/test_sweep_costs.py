"""What a sweep costs follows what wakes, never what is open: calls, pages and items read are equal at any size."""

from datetime import timedelta

import pytest
from moto.dynamodb.models.table import Table

from functions.sla import sweep
from leadtrail.adapters.table import SHARDS
from tests import open_leads
from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.test_sweep_and_dispatch import FunctionCalls
from tests.integration.webhooks import Context
from tests.meter import Meter

WAKING = 100


@pytest.mark.parametrize("open_now", [1_000, 10_000])
def test_a_sweep_reads_what_wakes_and_not_what_is_open(
    world: TestWorld, clock: TimeTravel, monkeypatch: pytest.MonkeyPatch, open_now: int
) -> None:
    # moto copies its table for each item of a transaction, to be able to take it back; no transaction fails here.
    monkeypatch.setattr(Table, "__deepcopy__", lambda table, memo: table, raising=False)
    world.functions = FunctionCalls()
    open_leads.write(world, WAKING, at=clock())
    open_leads.write(world, open_now - WAKING, at=clock() + timedelta(hours=1), first=WAKING)
    clock.at += timedelta(hours=2, seconds=1)
    open_leads.warm(world)
    meter = Meter(world.dynamodb)

    swept = sweep.handler({}, Context())

    assert (swept["leads"], swept["alerts"], swept["failed"]) == (WAKING, WAKING, 0)
    # One query a shard, one for what was set aside, two for the one channel that now has work.
    assert meter.calls == {"Query": SHARDS + 1 + 2, "GetItem": WAKING, "TransactWriteItems": WAKING}
    assert meter.pages == SHARDS + 1 + 2
    # The clocks that wake, their leads, and one message of the channel.
    assert meter.items_read == WAKING + WAKING + 1
    assert meter.calls["Scan"] == 0
