"""Handlers on moto: the table and buckets of the synthesized template, filled with the simulated company."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import StreamRecord

from console.company import configure
from leadtrail.runtime import wiring
from leadtrail.runtime.settings import Settings
from leadtrail.runtime.wiring import World
from tests.stack_template import resources

NINE = datetime(2026, 1, 26, 1, tzinfo=UTC)  # Monday, 09:00 in Shanghai
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WECOM = {
    "token": "QDG6eK",
    "encoding_aes_key": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
    "corp_id": "wx5823bf96d3bd56c7",
}
SECRETS = {
    "leadtrail/key": "the-company-key-of-the-tests",
    "leadtrail/source/standard": json.dumps({"valid": [{"secret": STANDARD_SECRET}]}),
    "leadtrail/source/typeform": json.dumps({"valid": [{"secret": "tf-secret"}]}),
    "leadtrail/source/wecom": json.dumps({"valid": [WECOM]}),
    "leadtrail/channel/huadong-group": json.dumps({"valid": [{"url": "http://127.0.0.1:1/wecom?key=a"}]}),
    "leadtrail/channel/huanan-group": json.dumps({"valid": [{"url": "http://127.0.0.1:1/wecom?key=b"}]}),
    "leadtrail/channel/managers": json.dumps(
        {"valid": [{"url": "http://127.0.0.1:1/dingtalk?access_token=c", "secret": "SECtest"}]}
    ),
}
SETTINGS = Settings(
    table="leadtrail-test",
    uploads_bucket="uploads-test",
    reports_bucket="reports-test",
    archive_bucket="archive-test",
    key_secret="leadtrail/key",
    public_base_url="http://127.0.0.1:4566",
    dispatch_function="dispatch-test",
    daily_function="daily-test",
    allow_now=True,
)


class TimeTravel:
    """A clock that tests move by hand; aware UTC."""

    def __init__(self, at: datetime = NINE) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


class TestWorld(World):
    """The real collaborators, on moto, at a time that the test says."""

    __test__ = False

    def __init__(self, clock: TimeTravel) -> None:
        super().__init__(SETTINGS)
        self.now = clock  # type: ignore[method-assign,assignment]
        self.clock = clock


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "cn-north-1",
        "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
        "AWS_EC2_METADATA_DISABLED": "true",
        "POWERTOOLS_SERVICE_NAME": "leadtrail",
        "TABLE_NAME": SETTINGS.table,
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def clock() -> TimeTravel:
    return TimeTravel()


@pytest.fixture(autouse=True, scope="session")
def _quick_copies() -> Iterator[None]:
    """Let moto copy its tables, which it does before each transaction, in a third of the time; the copies are equal.

    Its own way is `copy.deepcopy` of every attribute, and of stream records, which nobody changes.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DynamoType, "__deepcopy__", _copied, raising=False)
        patch.setattr(StreamRecord, "__deepcopy__", lambda record, memo: record, raising=False)
        yield


def _copied(known: DynamoType, memo: object) -> DynamoType:
    twin = object.__new__(DynamoType)
    twin.type, value = known.type, known.value
    if isinstance(value, dict):
        twin.value = {name: _copied(one, memo) for name, one in value.items()}
    elif isinstance(value, list):
        twin.value = [_copied(one, memo) if isinstance(one, DynamoType) else one for one in value]
    else:
        twin.value = value
    return twin


_CONFIGURED: dict[datetime, list[dict[str, Any]]] = {}


def _configure(world: TestWorld) -> None:
    """Write the simulated company: by its own code the first time, from then on as that left it."""
    client, at = boto3.client("dynamodb"), world.now()
    if at not in _CONFIGURED:
        configure(world.config, now=at)
        _CONFIGURED[at] = client.scan(TableName=SETTINGS.table)["Items"]
        return
    puts = [{"PutRequest": {"Item": item}} for item in _CONFIGURED[at]]
    for start in range(0, len(puts), 25):
        client.batch_write_item(RequestItems={SETTINGS.table: puts[start : start + 25]})


@pytest.fixture
def world(clock: TimeTravel, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestWorld]:
    """A world on moto; `wiring.world()` answers it for as long as the test runs."""
    with mock_aws():
        table = resources("AWS::DynamoDB::Table")[0]
        wanted = ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode", "StreamSpecification")
        properties = {name: table[name] for name in wanted if name in table}
        properties["StreamSpecification"] = {"StreamEnabled": True, **properties.get("StreamSpecification", {})}
        boto3.client("dynamodb").create_table(TableName=SETTINGS.table, **properties)
        s3, secrets = boto3.client("s3"), boto3.client("secretsmanager")
        for bucket in (SETTINGS.uploads_bucket, SETTINGS.reports_bucket, SETTINGS.archive_bucket):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "cn-north-1"})
        for name, text in SECRETS.items():
            secrets.create_secret(Name=name, SecretString=text)
        made = TestWorld(clock)
        _configure(made)
        monkeypatch.setattr(wiring, "world", lambda: made)
        yield made
