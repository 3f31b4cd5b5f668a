"""A lead that cannot be woken never stops the others, is not tried for ever, and comes back when it is mended."""

import json
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from console import set_aside
from functions.ingest import webhook
from functions.sla import sweep
from leadtrail.adapters.store import TableStore
from leadtrail.adapters.table import raw_key
from leadtrail.domain.errors import BusyError, InvalidInputError
from leadtrail.domain.lead import Lead
from leadtrail.services.ports import Alert
from tests.integration.conftest import SETTINGS, TestWorld, TimeTravel
from tests.integration.test_sweep_and_dispatch import FunctionCalls, new_lead
from tests.integration.webhooks import Context, call_completed

TWO_HOURS = timedelta(hours=2, seconds=1)


@pytest.fixture(autouse=True)
def _functions(world: TestWorld) -> None:
    world.functions = FunctionCalls()


class Row:
    """A lead's projection in the table, which a test can break and mend."""

    def __init__(self, world: TestWorld, lead_id: str) -> None:
        self._client = world.dynamodb
        key = raw_key({"PK": f"LEAD#{lead_id}", "SK": "LEAD"})
        self._sound = self._client.get_item(TableName=SETTINGS.table, Key=key)["Item"]

    def poison(self) -> None:
        said = json.loads(self._sound["lead"]["S"])
        said["clocks"][0]["due_at"] = "张三 13800130000"
        self._put({**self._sound, "lead": {"S": json.dumps(said)}})

    def mend(self) -> None:
        self._put(self._sound)

    def _put(self, item: dict[str, Any]) -> None:
        self._client.put_item(TableName=SETTINGS.table, Item=item)


def swept(clock: TimeTravel, *, minutes: int = 1) -> dict[str, Any]:
    answer = sweep.handler({}, Context())
    clock.at += timedelta(minutes=minutes)
    return answer


def metrics(work: Callable[[], object]) -> dict[str, float]:
    """Return the metrics that ``work`` prints, by name."""
    said = StringIO()
    with redirect_stdout(said):
        work()
    found = [json.loads(line) for line in said.getvalue().splitlines() if '"_aws"' in line]
    return {metric["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"]: _value(metric) for metric in found}


def _value(metric: dict[str, Any]) -> float:
    return float(metric[metric["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"]])


def alerts(world: TestWorld, lead_id: str) -> tuple[Alert, ...]:
    return world.store.alerts(lead_id)


def aside(world: TestWorld) -> list[str]:
    return [each.lead_id for each in world.store.set_aside()]


def ten_leads_of_which_one_is_poisoned(world: TestWorld, clock: TimeTravel) -> tuple[list[str], str, Row]:
    leads = [new_lead(clock, number) for number in range(10)]
    row = Row(world, leads[4])
    row.poison()
    clock.at += TWO_HOURS
    return [lead for lead in leads if lead != leads[4]], leads[4], row


def test_one_poisoned_lead_in_ten_leaves_the_others_told_once(world: TestWorld, clock: TimeTravel) -> None:
    sound, _, _ = ten_leads_of_which_one_is_poisoned(world, clock)

    first, second = swept(clock), swept(clock)

    assert (first["leads"], first["failed"]) == (9, 1)
    assert (second["leads"], second["failed"]) == (0, 1)
    assert [len(alerts(world, lead)) for lead in sound] == [1] * 9


def test_it_is_set_aside_after_just_three_sweeps_and_comes_back_when_it_is_released(
    world: TestWorld, clock: TimeTravel
) -> None:
    _, poisoned, row = ten_leads_of_which_one_is_poisoned(world, clock)

    seen = [(swept(clock)["failed"], aside(world)) for _ in range(5)]
    row.mend()
    set_aside.release(world, lead_id=poisoned, console=Console(file=StringIO()))
    after = [swept(clock)["leads"] for _ in range(2)]

    assert seen == [(1, []), (1, []), (1, [poisoned]), (0, [poisoned]), (0, [poisoned])]
    assert after == [1, 0]
    assert aside(world) == []
    assert [alert.level for alert in alerts(world, poisoned)] == [1]
    assert sum(row.facts["lead"] == poisoned for row in world.outbox.due("huadong-group", world.now(), 99)) == 1


def test_the_operator_is_told_which_clock_since_when_and_why_and_nothing_personal(
    world: TestWorld, clock: TimeTravel
) -> None:
    lead_id = new_lead(clock)
    Row(world, lead_id).poison()
    clock.at += TWO_HOURS
    [swept(clock) for _ in range(3)]
    screen = StringIO()

    set_aside.listing(world, console=Console(file=screen, width=200))

    [found] = world.store.set_aside()
    assert (found.clock, found.since) == ("first_response#1", clock.at - timedelta(minutes=1))
    assert found.reason == "ValueError (domain.instant.from_text)"
    for said in (lead_id, "first_response#1", "ValueError"):
        assert said in screen.getvalue()
    assert "138" not in screen.getvalue().replace(lead_id, "")


def test_the_metric_says_how_many_leads_are_aside_until_they_are_released(world: TestWorld, clock: TimeTravel) -> None:
    row = Row(world, new_lead(clock))
    row.poison()
    clock.at += TWO_HOURS

    told = [metrics(lambda: swept(clock)) for _ in range(4)]
    row.mend()
    set_aside.release(world, lead_id=None, console=Console(file=StringIO()))
    after = metrics(lambda: swept(clock))

    assert [each["LeadsNotWoken"] for each in told] == [1, 1, 1, 0]
    assert [each["LeadsSetAside"] for each in told] == [0, 0, 1, 1]
    assert [each["SweepFinished"] for each in told] == [1, 1, 1, 1]
    assert (after["LeadsNotWoken"], after["LeadsSetAside"]) == (0, 0)


def test_what_failed_less_than_three_times_is_forgotten_when_the_clock_is_woken(
    world: TestWorld, clock: TimeTravel
) -> None:
    lead_id = new_lead(clock)
    row = Row(world, lead_id)
    clock.at += TWO_HOURS

    row.poison()
    [swept(clock) for _ in range(2)]
    row.mend()
    swept(clock, minutes=60)  # the breach; one business hour later the manager's turn comes
    row = Row(world, lead_id)
    row.poison()
    [swept(clock) for _ in range(2)]

    assert aside(world) == []


def test_a_touch_releases_a_clock_by_itself(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = new_lead(clock)
    row = Row(world, lead_id)
    row.poison()
    clock.at += TWO_HOURS
    [swept(clock) for _ in range(3)]
    row.mend()

    webhook.handler(call_completed(clock(), phone="13800130000"), Context())

    assert aside(world) == []
    assert swept(clock)["failed"] == 0


def test_a_lead_that_was_never_set_aside_cannot_be_released(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = new_lead(clock)

    with pytest.raises(InvalidInputError):
        set_aside.release(world, lead_id=lead_id, console=Console(file=StringIO()))


def _throttled() -> Exception:
    answer = {"Error": {"Code": "ThrottlingException", "Message": "slow down"}}
    return ClientError(answer, "GetItem")


class Stormy(TableStore):
    """A table that does not answer for one lead."""

    lead_id, error = "", Exception()

    def lead(self, lead_id: str) -> Lead | None:
        if lead_id == self.lead_id:
            raise self.error
        return super().lead(lead_id)


@pytest.mark.parametrize("error", [_throttled(), BusyError()], ids=["throttled", "busy"])
def test_an_outage_of_the_table_is_no_fault_of_the_lead(world: TestWorld, clock: TimeTravel, error: Exception) -> None:
    lead_id = new_lead(clock)
    stormy = Stormy(world.dynamodb, SETTINGS.table, world.store._key, clock)
    stormy.lead_id, stormy.error = lead_id, error
    world.store = stormy
    clock.at += TWO_HOURS

    failed = [swept(clock)["failed"] for _ in range(4)]
    stormy.lead_id = ""
    woken = swept(clock)["leads"]

    assert (failed, woken) == ([1, 1, 1, 1], 1)
    assert aside(world) == []


def test_noting_the_same_sweep_twice_counts_once(world: TestWorld, clock: TimeTravel) -> None:
    new_lead(clock)
    clock.at += TWO_HOURS
    [waking] = world.store.waking(clock())

    counted = [world.store.note_failure(waking, at) for at in (clock(), clock(), _later(clock))]

    assert counted == [1, 1, 2]


def test_a_clock_that_moved_meanwhile_is_neither_counted_nor_set_aside(world: TestWorld, clock: TimeTravel) -> None:
    new_lead(clock)
    clock.at += TWO_HOURS
    [waking] = world.store.waking(clock())
    webhook.handler(call_completed(clock(), phone="13800130000"), Context())

    counted = world.store.note_failure(waking, clock())
    is_aside = world.store.put_aside(waking, "KeyError", clock())

    assert (counted, is_aside) == (0, False)
    assert list(world.store.waking(clock())) == []


def _later(clock: TimeTravel) -> datetime:
    return clock() + timedelta(minutes=1)
