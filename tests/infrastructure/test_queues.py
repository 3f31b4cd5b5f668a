"""Queues: what waits is kept, comes again in time, and nothing is given up before an outage is over."""

import pytest

from tests.infrastructure.assembly import QUEUES, Assembly, Properties, pairs, referred

FOURTEEN_DAYS_S = 14 * 24 * 3600


def queue(assembly: Assembly, name: str) -> Properties:
    return assembly.resource("AWS::SQS::Queue", f"{name.title()}Queue")


def mapping(assembly: Assembly, name: str) -> Properties:
    mappings = assembly.resources("AWS::Lambda::EventSourceMapping").values()
    [found] = [one for one in mappings if referred(one["EventSourceArn"]).startswith(f"{name.title()}Queue")]
    return found


@pytest.mark.parametrize(
    ("name", "function", "hours"),
    [
        ("uploaded", "recording", 1.5),
        ("deliveries", "replay", 200 / 30),
        ("fetches", "fetch", 2),
        ("enrichments", "enrich", 100 / 12),
    ],
)
def test_work_is_tried_again_for_this_long(deployed: Assembly, name: str, function: str, hours: float) -> None:
    waiting, handed_over = queue(deployed, name), mapping(deployed, name)

    longest_s = waiting["VisibilityTimeout"] * waiting["RedrivePolicy"]["maxReceiveCount"]

    assert referred(handed_over["FunctionName"]).startswith(f"{function.title()}Function")
    assert longest_s / 3600 == pytest.approx(hours)


@pytest.mark.parametrize(
    ("name", "function"),
    [("uploaded", "recording"), ("deliveries", "replay"), ("fetches", "fetch"), ("enrichments", "enrich")],
)
def test_a_slow_run_is_not_begun_again_beside_itself(deployed: Assembly, name: str, function: str) -> None:
    timeout_s = deployed.function(function)["Timeout"]

    assert queue(deployed, name)["VisibilityTimeout"] >= 2 * timeout_s


@pytest.mark.parametrize("name", QUEUES)
def test_what_waits_and_what_was_given_up_is_encrypted_and_kept_as_long_as_can_be(
    deployed: Assembly, name: str
) -> None:
    waiting = queue(deployed, name)
    letters = deployed.resource("AWS::SQS::Queue", f"{name.title()}DeadLetters")

    target = referred(waiting["RedrivePolicy"]["deadLetterTargetArn"])

    assert target.startswith(f"{name.title()}DeadLetters")
    assert [one["MessageRetentionPeriod"] for one in (waiting, letters)] == [FOURTEEN_DAYS_S, FOURTEEN_DAYS_S]
    assert all(one["SqsManagedSseEnabled"] for one in (waiting, letters))


@pytest.mark.parametrize("name", QUEUES)
def test_a_message_fails_alone(deployed: Assembly, name: str) -> None:
    handed_over = mapping(deployed, name)

    assert handed_over["BatchSize"] == 1
    assert handed_over["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("webhook", {"DELIVERIES_QUEUE": "DeliveriesQueue"}),
        ("dispatch", {"FETCHES_QUEUE": "FetchesQueue", "ENRICHMENTS_QUEUE": "EnrichmentsQueue"}),
        ("replay", {}),
        ("rest", {}),
    ],
)
def test_a_function_knows_the_queues_that_it_fills_and_may_fill_no_other(
    deployed: Assembly, function: str, told: dict[str, str]
) -> None:
    environment = deployed.function(function)["Environment"]["Variables"]
    sending = [one for one in deployed.statements(function) if "sqs:SendMessage" in pairs(one["Action"])]

    known = {name: referred(url) for name, url in environment.items() if name.endswith("_QUEUE")}
    allowed = {referred(arn) for one in sending for arn in pairs(one["Resource"])}

    assert known.keys() == told.keys()
    assert all(known[name].startswith(prefix) for name, prefix in told.items())
    assert {name for name in allowed if "DeadLetters" not in name} == set(known.values())
