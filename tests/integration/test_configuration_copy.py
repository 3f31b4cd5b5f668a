"""Who starts while the table is down goes by a copy of the configuration; what the table says has the last word."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from console.company import DEFAULT_POLICY
from functions.ingest.replay import handler as replay
from functions.ingest.sources import PROVIDERS
from leadtrail.adapters.config import TableConfiguration
from leadtrail.adapters.configuration_copy import KEY
from leadtrail.runtime import wiring
from tests.integration.conftest import SECRETS, SETTINGS, TestWorld, TimeTravel
from tests.integration.every_source import Sender, leads, post
from tests.integration.people import ask
from tests.integration.test_queue_and_parking import (
    IN_OWN_WORDS,
    OUTAGES,
    QUEUED,
    FaultyTable,
    Queue,
    outage,
    queue,
)
from tests.integration.webhooks import Context, lead_created

Start = Callable[[], TestWorld]
__all__ = ["queue"]


class FaultyBucket:
    """S3 that cannot be reached."""

    def __getattr__(self, name: str) -> Any:
        def refuse(**request: Any) -> Any:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

        return refuse


class CountingTable(FaultyTable):
    """A table that is down and counts how often it was asked."""

    asked = 0

    def _failing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        CountingTable.asked += 1
        return super()._failing(call)


@pytest.fixture
def start(world: TestWorld, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Start a function that knows nothing yet; it is the one that is asked from then on."""

    def cold() -> TestWorld:
        made = TestWorld(world.clock)
        made.settings = world.settings
        monkeypatch.setattr(made.store, "_sleep", lambda _: None)
        monkeypatch.setattr(wiring, "world", lambda: made)
        return made

    return cold


def copied() -> dict[str, Any]:
    answer = boto3.client("s3").get_object(Bucket=SETTINGS.archive_bucket, Key=KEY)
    content: dict[str, Any] = json.loads(answer["Body"].read())
    return {row["SK"]: row for row in content["rows"]}


def change_unnoticed(world: TestWorld, name: str, **body: Any) -> None:
    """Configure a source as somebody does whose copy never arrives."""
    source = {"provider": "standard", "team": "huadong", "secret": "source/standard", **body}
    TableConfiguration(world.store, SETTINGS.zone).put("source", name, source, now=world.now())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_cold_function_takes_what_a_table_that_is_down_cannot(
    world: TestWorld, clock: TimeTravel, queue: Queue, start: Start, provider: str
) -> None:
    sender, began = Sender(world, provider), clock()
    event = sender.sample(began)
    cold = start()

    with outage(cold):
        answer = post(event)
        nothing_yet = leads(world) == []
    [message] = queue.messages()
    clock.at += timedelta(hours=3)
    failed = queue.work(message)

    [lead] = leads(world)
    assert answer == (200, IN_OWN_WORDS.get(provider, QUEUED))
    assert (nothing_yet, failed) == (True, [])
    assert lead.received_at == began


@pytest.mark.parametrize("error", OUTAGES.values(), ids=OUTAGES.keys())
def test_every_kind_of_outage_of_a_cold_function_is_answered_200(
    world: TestWorld, clock: TimeTravel, queue: Queue, start: Start, error: Exception
) -> None:
    world.config.put("source", "other", world.config.configured("source", "standard") or {}, now=clock())
    cold = start()

    with outage(cold, error):
        answer = post(lead_created(clock()))

    assert answer == (200, QUEUED)
    assert len(queue.messages()) == 1


def test_a_cold_function_without_its_table_still_refuses_who_forges_and_who_is_unknown(
    world: TestWorld, clock: TimeTravel, queue: Queue, start: Start
) -> None:
    Sender(world, "jinshuju")
    cold = start()
    forged = lead_created(clock(), secret="whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
    stranger = lead_created(clock()) | {"pathParameters": {"source": "nobody"}}

    with outage(cold):
        answers = [post(forged), post(stranger)]

    assert [status for status, _ in answers] == [401, 404]
    assert queue.messages() == []


@pytest.mark.parametrize("content", [None, b'{"format": 0}'], ids=["no copy", "a copy of another version"])
def test_without_a_copy_to_go_by_the_sender_is_asked_to_come_again(
    world: TestWorld, clock: TimeTravel, queue: Queue, start: Start, content: bytes | None
) -> None:
    if content:
        world.objects.put(SETTINGS.archive_bucket, KEY, content, "application/json")
    cold = start()

    with outage(cold):
        status, problem = post(lead_created(clock()))

    assert (status, problem["code"]) == (503, "busy")
    assert queue.messages() == []


def test_with_the_archive_down_too_the_sender_is_asked_to_come_again(
    world: TestWorld, clock: TimeTravel, queue: Queue, start: Start
) -> None:
    Sender(world, "jinshuju")
    cold = start()
    cold.objects.__dict__["_client"] = FaultyBucket()

    with outage(cold):
        status, problem = post(lead_created(clock()))

    assert (status, problem["code"]) == (503, "busy")


def test_a_copy_never_stands_against_a_table_that_can_be_read(
    world: TestWorld, clock: TimeTravel, queue: Queue, start: Start
) -> None:
    Sender(world, "jinshuju")
    change_unnoticed(world, "newer")
    newer = lead_created(clock()) | {"pathParameters": {"source": "newer"}}
    cold = start()

    with outage(cold):
        unknown = post(newer)
    known = post(newer)

    assert "source#newer" not in copied()
    assert unknown[0] == 404
    assert (known[0], known[1]["outcome"]) == (200, "created")


def test_once_the_table_is_back_nothing_waits_any_more(
    world: TestWorld, clock: TimeTravel, queue: Queue, start: Start
) -> None:
    Sender(world, "jinshuju")
    cold = start()
    with outage(cold):
        down = post(lead_created(clock()))

    back = post(lead_created(clock(), message_id="msg_2"), "request-2")

    assert down == (200, QUEUED)
    assert (back[0], back[1]["outcome"]) == (200, "created")
    assert len(queue.messages()) == 1


def test_a_copy_that_is_known_to_be_behind_is_none_to_go_by(world: TestWorld, clock: TimeTravel, start: Start) -> None:
    Sender(world, "jinshuju")
    stamp = world.config.current().stamp
    cold = start()

    with outage(cold):
        as_it_was = cold.config.company()
        with pytest.raises(type(OUTAGES["throttled"])):
            cold.config.company(stamp=stamp + 1)

    assert as_it_was.stamp == stamp


def test_a_table_that_could_not_be_read_is_not_asked_again_for_the_same_delivery(
    world: TestWorld, clock: TimeTravel, queue: Queue, start: Start
) -> None:
    Sender(world, "jinshuju")
    cold = start()
    CountingTable.asked = 0
    cold.store._client = CountingTable(cold.store._client, OUTAGES["out of reach"], ("query", "batch_get_item"))

    answer = post(lead_created(clock()))

    assert answer == (200, QUEUED)
    assert CountingTable.asked == 1


def test_a_cold_function_whose_table_answers_asks_no_archive(
    world: TestWorld, clock: TimeTravel, queue: Queue, start: Start
) -> None:
    Sender(world, "jinshuju")
    cold = start()

    status, _ = post(lead_created(clock()))

    assert status == 200
    assert "objects" not in cold.__dict__


def test_a_function_that_has_no_queue_does_not_go_by_the_copy(world: TestWorld, start: Start) -> None:
    Sender(world, "jinshuju")
    cold = start()
    cold.settings = replace(cold.settings, deliveries_queue="")

    with outage(cold), pytest.raises(type(OUTAGES["throttled"])):
        cold.config.company()

    assert "objects" not in cold.__dict__


def test_a_policy_put_through_the_api_is_in_the_copy(world: TestWorld) -> None:
    answer = ask("PUT", "/policies/hot", user="admin", body={**DEFAULT_POLICY, "when": {"source": "wecom"}})

    rows = copied()
    assert answer.status == 200
    assert rows["policy#hot"]["body"]["when"] == {"source": "wecom"}
    assert rows["policy#hot"]["version"] == 1
    assert rows["STAMP"]["version"] == world.config.current().stamp


def test_who_goes_by_the_copy_sees_the_company_as_the_table_has_it(world: TestWorld, start: Start) -> None:
    Sender(world, "jinshuju", allow_ips=["203.0.113.0/24"])
    in_the_table = world.config.current()
    cold = start()

    with outage(cold):
        in_the_copy = cold.config.company()

    assert in_the_copy == in_the_table


def test_no_secret_is_in_the_copy(world: TestWorld) -> None:
    sender = Sender(world, "jinshuju")
    secrets = [*SECRETS.values(), json.dumps(sender.secret)]
    values = {text for secret in secrets for text in texts(json.loads(secret) if secret.startswith("{") else secret)}

    body = boto3.client("s3").get_object(Bucket=SETTINGS.archive_bucket, Key=KEY)["Body"].read().decode()

    assert {value for value in values if value in body} == set()
    assert "source/mine-jinshuju" in body


def texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for each in (value.values() if isinstance(value, dict) else value) for text in texts(each)]


def test_a_change_stands_though_its_copy_could_not_be_written(world: TestWorld, clock: TimeTravel) -> None:
    world.objects.__dict__["_client"] = FaultyBucket()

    answer = ask("PUT", "/policies/hot", user="admin", body={**DEFAULT_POLICY, "when": {"source": "wecom"}})

    assert answer.status == 200
    assert "hot" in world.config.current().policies


def run() -> None:
    replay({}, Context("every-five-minutes"))


def test_the_run_of_every_five_minutes_makes_the_copy_that_is_missing_and_one_that_is_behind(
    world: TestWorld,
) -> None:
    run()
    first = copied()
    change_unnoticed(world, "newer")

    run()

    assert "source#newer" not in first
    assert "source#newer" in copied()


def test_a_copy_that_is_up_to_date_is_written_again_only_before_the_bucket_forgets_it(
    world: TestWorld, clock: TimeTravel
) -> None:
    written = []
    for days in (0, 1, 5, 1, 0):
        clock.at += timedelta(days=days)
        written.append(world.config.renew_copy())

    assert written == [True, False, False, True, False]


def test_a_run_that_cannot_keep_the_copy_fails_so_that_an_operator_hears_of_it(world: TestWorld) -> None:
    world.objects.__dict__["_client"] = FaultyBucket()

    with pytest.raises(EndpointConnectionError):
        run()
