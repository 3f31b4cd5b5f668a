"""Runs of the sweep: out of time, late by hours, several at once; nobody is told twice, and a backlog shows."""

import copy
import json
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, RLock
from typing import Any

import pytest
from moto.dynamodb.models.table import Table

from functions.sla import sweep
from leadtrail.adapters.store import TableStore
from leadtrail.adapters.table import OutboxItem
from leadtrail.services import watch
from leadtrail.services.watch import Swept
from tests import open_leads
from tests.integration.conftest import SETTINGS, TestWorld, TimeTravel
from tests.integration.test_sweep_and_dispatch import FunctionCalls
from tests.integration.webhooks import Context

TWO_HOURS = timedelta(hours=2, seconds=1)
GROUP = "huadong-group"


@pytest.fixture(autouse=True)
def _functions(world: TestWorld) -> None:
    world.functions = FunctionCalls()


@pytest.fixture(autouse=True)
def _shallow_backups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let moto back up a table by its rows, not what is in them: puts replace rows, and sweeps only put."""
    monkeypatch.setattr(Table, "__deepcopy__", _backup, raising=False)


def _backup(table: Table, memo: object) -> Table:
    twin = copy.copy(table)
    twin.items = defaultdict(dict, {key: dict(rows) for key, rows in table.items.items()})
    return twin


class Running(Context):
    """Lambda's context whose time runs out after so many looks at it."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    def get_remaining_time_in_millis(self) -> int:
        self._looks -= 1
        return 60_000 if self._looks >= 0 else 9_999


def told(world: TestWorld, channel: str = GROUP) -> Counter[str]:
    """How many messages wait of each lead."""
    rows = (OutboxItem.from_raw_data(item) for item in world.store.items(f"OUTBOX#{channel}"))
    return Counter(row.facts["lead"] for row in rows)


def metric(said: str, name: str) -> list[float]:
    lines = (json.loads(line) for line in said.splitlines() if '"_aws"' in line)
    return [line[name] for line in lines if name in line]


def test_a_sweep_stops_with_time_left_and_the_next_one_goes_on(world: TestWorld, clock: TimeTravel) -> None:
    leads = open_leads.write(world, 12, at=clock())
    clock.at += TWO_HOURS

    first = sweep.handler({}, Running(5))
    second = sweep.handler({}, Running(5))
    third = sweep.handler({}, Running(5))
    fourth = sweep.handler({}, Running(5))

    assert [run["leads"] for run in (first, second, third, fourth)] == [5, 5, 2, 0]
    assert [run["finished"] for run in (first, second, third, fourth)] == [False, False, True, True]
    assert told(world) == dict.fromkeys(leads, 1)


def test_the_longest_overdue_come_first_whatever_their_shard(world: TestWorld, clock: TimeTravel) -> None:
    older = open_leads.write(world, 8, at=clock())
    open_leads.write(world, 8, at=clock() + timedelta(minutes=1), first=100)
    clock.at += TWO_HOURS + timedelta(minutes=1)

    sweep.handler({}, Running(8))

    assert told(world) == dict.fromkeys(older, 1)


def test_a_backlog_shows_in_the_lag_until_it_is_gone(
    world: TestWorld, clock: TimeTravel, capsys: pytest.CaptureFixture[str]
) -> None:
    open_leads.write(world, 6, at=clock())
    clock.at += TWO_HOURS + timedelta(minutes=20)

    for _ in range(3):
        sweep.handler({}, Running(3))
        clock.at += timedelta(minutes=1)

    said = capsys.readouterr().out
    # They wanted to be warned 90 minutes after they came: 50 minutes and a second before the first run.
    assert metric(said, "SweepLagSeconds") == [50 * 60 + 1, 51 * 60 + 1, 0]
    assert metric(said, "SweepFinished") == [0, 1, 1]


def test_six_missed_hours_are_caught_up_in_one_run_with_one_message_a_lead(world: TestWorld, clock: TimeTravel) -> None:
    leads = open_leads.write(world, 20, at=clock())
    clock.at += timedelta(hours=8)  # 17:00: breached at 11:00, the manager's turn at 12:00, the director's tomorrow

    first = sweep.handler({}, Context())
    second = sweep.handler({}, Context())

    assert (first["leads"], first["alerts"], first["finished"]) == (20, 20, True)
    assert (second["leads"], second["alerts"]) == (0, 0)
    assert (told(world), told(world, "managers")) == ({}, dict.fromkeys(leads, 1))
    assert {alert.level for lead in leads for alert in world.store.alerts(lead)} == {2}


class InTurn:
    """A client whose calls come one at a time, since moto has no locks; between two of one run come those of others."""

    def __init__(self, client: Any) -> None:
        self._client, self._lock = client, RLock()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)

        def alone(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                return call(*args, **kwargs)

        return alone


def test_three_sweeps_at_once_over_two_hundred_due_clocks_tell_each_once(world: TestWorld, clock: TimeTravel) -> None:
    leads = open_leads.write(world, 200, at=clock())
    clock.at += TWO_HOURS
    open_leads.warm(world)
    store = TableStore(InTurn(world.dynamodb), SETTINGS.table, world.store._key, clock, sleep=lambda _: None)
    together = Barrier(3, timeout=30)

    def run() -> Swept:
        together.wait()
        return watch.sweep(store=store, config=world.config, now=clock())

    with ThreadPoolExecutor(3) as pool:
        runs = [each.result() for each in [pool.submit(run) for _ in range(3)]]

    assert sum(len(each.alerts) for each in runs) == 200
    assert [each.failed for each in runs] == [()] * 3
    assert all(each.finished for each in runs)
    assert told(world) == dict.fromkeys(leads, 1)
    assert [len(world.store.alerts(lead)) for lead in leads] == [1] * 200
