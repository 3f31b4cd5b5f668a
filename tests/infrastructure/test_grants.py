"""Least privilege: the exact IAM actions of each function, and what they are bounded to."""

import pytest

from leadtrail.adapters.configuration_copy import KEY
from tests.infrastructure.assembly import FUNCTIONS, Assembly, pairs, texts

EVERY = {"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}
READ = {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"}
COMMIT = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"}
GIVE_UP = {"sqs:SendMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl"}
STREAM = {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"}
QUEUE = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"} | (GIVE_UP - {"sqs:SendMessage"})
SECRET = {"secretsmanager:GetSecretValue"}

EXPECTED = {
    "webhook": EVERY | READ | COMMIT | SECRET | {"s3:GetObject", "s3:PutObject", "sqs:SendMessage"},
    "sweep": EVERY | READ | COMMIT | GIVE_UP | {"lambda:InvokeFunction"},
    "recount": EVERY | READ | COMMIT | GIVE_UP,
    "dispatch": EVERY | READ | COMMIT | GIVE_UP | STREAM | SECRET,
    "recording": EVERY | READ | COMMIT | QUEUE | {"s3:GetObject", "s3:PutObject", "s3:ListBucket"},
    "daily": EVERY | READ | COMMIT | GIVE_UP | SECRET | {"s3:GetObject", "s3:PutObject", "s3:ListBucket"},
    "link": EVERY | READ | SECRET | {"dynamodb:PutItem", "dynamodb:UpdateItem", "s3:GetObject"},
    "rest": EVERY | READ | COMMIT | SECRET | {"s3:GetObject", "s3:PutObject", "s3:ListBucket", "lambda:InvokeFunction"},
    "replay": EVERY | READ | COMMIT | GIVE_UP | QUEUE | SECRET | {"s3:GetObject", "s3:PutObject", "s3:ListBucket"},
    "fetch": EVERY | READ | COMMIT | QUEUE | SECRET | {"s3:GetObject", "s3:PutObject", "s3:ListBucket"},
    "enrich": EVERY | READ | COMMIT | QUEUE | SECRET,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_exactly_the_actions_that_it_needs(deployed: Assembly, name: str) -> None:
    statements = deployed.statements(name)

    allowed = {action for statement in statements for action in pairs(statement["Action"])}

    assert allowed == EXPECTED[name]
    assert {statement["Effect"] for statement in statements} == {"Allow"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_only_what_knows_no_resources_is_allowed_on_all_of_them(deployed: Assembly, name: str) -> None:
    statements = deployed.statements(name)

    on_everything = {action for one in statements if "*" in pairs(one["Resource"]) for action in pairs(one["Action"])}

    reads_stream = {"dynamodb:ListStreams"} if name == "dispatch" else set()
    assert on_everything == {"xray:PutTraceSegments", "xray:PutTelemetryRecords"} | reads_stream


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_function_has_a_managed_policy(deployed: Assembly, name: str) -> None:
    role = deployed.resource("AWS::IAM::Role", f"{name.title()}Role")

    assert "ManagedPolicyArns" not in role


@pytest.mark.parametrize(
    ("name", "indexes"),
    [
        ("replay", ["/index/GSI1", "/index/GSI2"]),
        ("sweep", ["/index/*"]),
        ("recount", ["/index/GSI5"]),
        ("webhook", []),
    ],
)
def test_a_function_asks_only_the_indexes_that_it_reads(deployed: Assembly, name: str, indexes: list[str]) -> None:
    statements = [one for one in deployed.statements(name) if "dynamodb:Query" in pairs(one["Action"])]

    places = {text for one in statements for text in texts(one["Resource"]) if "/index/" in text}

    assert sorted(places) == indexes


@pytest.mark.parametrize(
    ("name", "action", "places"),
    [
        ("webhook", "secretsmanager:GetSecretValue", [":secret:leadtrail/source/*"]),
        ("dispatch", "secretsmanager:GetSecretValue", [":secret:leadtrail/channel/*"]),
        ("replay", "secretsmanager:GetSecretValue", [":secret:leadtrail/source/*"]),
        ("fetch", "secretsmanager:GetSecretValue", [":secret:leadtrail/source/*"]),
        ("enrich", "secretsmanager:GetSecretValue", [":secret:leadtrail/source/*"]),
        ("fetch", "s3:PutObject", ["/uploads/*"]),
        ("fetch", "s3:GetObject", ["/uploads/*"]),
        ("recording", "s3:GetObject", ["/transcripts/*", "/uploads/*"]),
        ("recording", "s3:PutObject", ["/transcripts/*"]),
        ("rest", "s3:PutObject", ["/uploads/*"]),
        ("rest", "s3:GetObject", ["/*", "/transcripts/*", "/uploads/*"]),
        ("sweep", "dynamodb:Query", ["/index/*"]),
        ("webhook", "dynamodb:Query", []),
        ("link", "dynamodb:Query", []),
        ("replay", "dynamodb:Query", []),
        ("webhook", "sqs:SendMessage", []),
        ("dispatch", "sqs:SendMessage", []),
    ],
)
def test_a_grant_reaches_just_its_prefix(deployed: Assembly, name: str, action: str, places: list[str]) -> None:
    statements = [one for one in deployed.statements(name) if action in pairs(one["Action"])]

    patterns = {text for one in statements for text in texts(one["Resource"]) if "*" in text}

    assert (
        sorted(pattern[pattern.find(":secret:") :] if ":secret:" in pattern else pattern for pattern in patterns)
        == places
    )


@pytest.mark.parametrize(("name", "action"), [("webhook", "s3:GetObject"), ("rest", "s3:PutObject")])
def test_the_copy_of_the_configuration_is_the_only_object_of_the_archive_that_they_reach_so(
    deployed: Assembly, name: str, action: str
) -> None:
    statements = [one for one in deployed.statements(name) if action in pairs(one["Action"])]

    places = [texts(place) for one in statements for place in pairs(one["Resource"])]
    reached = ["".join(parts[1:]) for parts in places if any(part.startswith("BucketsArchive") for part in parts)]

    assert [place.rpartition("Arn")[2] for place in reached] == [f"/{KEY}"]
