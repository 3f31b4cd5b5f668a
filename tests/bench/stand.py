"""The simulated company on moto, outside of a test: warm functions whose calls to AWS are written down."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from itertools import count, islice
from typing import Any
from unittest.mock import patch

import boto3
from moto import mock_aws

from console.company import configure
from functions.ingest import webhook
from leadtrail.adapters.robots import Robots
from leadtrail.runtime import wiring
from tests.integration.conftest import SECRETS, SETTINGS, TestWorld, TimeTravel
from tests.integration.webhooks import Context, lead_created
from tests.stack_template import resources

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "cn-north-1",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
    "AWS_EC2_METADATA_DISABLED": "true",
    "POWERTOOLS_SERVICE_NAME": "leadtrail",
    "TABLE_NAME": SETTINGS.table,
}


@dataclass(slots=True)
class Ledger:
    """The calls to AWS in order, as ``service.Operation``, and how many items the queries returned."""

    calls: list[str] = field(default_factory=list)
    items: int = 0

    def note(self, model: Any, **_: Any) -> None:
        """Write down a call: a botocore hook."""
        self.calls.append(f"{model.service_model.service_name}.{model.name}")

    def weigh(self, parsed: dict[str, Any], **_: Any) -> None:
        """Add the items of a query's page: a botocore hook."""
        self.items += parsed.get("Count", 0)

    @property
    def words(self) -> str:
        """What was called how often: ``1 BatchGetItem, 1 TransactWriteItems``."""
        counted = Counter(call.split(".")[1] for call in self.calls)
        return ", ".join(f"{number} {name}" for name, number in counted.items())


class Handover:
    """Lambda as the sweep sees it, since moto would want a function to run: the call is written down like any other."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def invoke(self, **_: Any) -> None:
        """Take a hand-over."""
        self.ledger.calls.append("lambda.Invoke")


@dataclass(frozen=True, slots=True)
class Stand:
    """A company with its clock and the ledger of its calls."""

    world: TestWorld
    clock: TimeTravel
    ledger: Ledger
    numbers: Iterator[int] = field(default_factory=count)

    def post(self, event: dict[str, Any], request: str) -> dict[str, Any]:
        """Hand an event to the webhook and return its answer's body; what is refused is an error of the bench."""
        answer = webhook.handler(event, Context(request))
        if answer["statusCode"] != 200:
            raise RuntimeError(f"the webhook answered {answer}")
        body: dict[str, Any] = json.loads(answer["body"])
        return body

    def fill(self, leads: int) -> None:
        """Let leads of new people arrive."""
        for number in islice(self.numbers, leads):
            self.post(lead_created(self.clock(), message_id=f"f{number}", phone=f"1391{number:07d}"), f"f{number}")

    @contextmanager
    def page(self) -> Iterator[Ledger]:
        """Give the ledger of what happens inside."""
        self.ledger.calls, self.ledger.items = [], 0
        page = Ledger()
        yield page
        page.calls, page.items = [*self.ledger.calls], self.ledger.items


def _taken(url: str, body: bytes) -> tuple[int, bytes]:
    return 200, b'{"errcode": 0, "errmsg": "ok"}'


@contextmanager
def stand() -> Iterator[Stand]:
    """Yield a configured company on moto; its entries print nothing here, and their calls are written down."""
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, ENVIRONMENT))
        for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
            os.environ.pop(name, None)
        stack.enter_context(mock_aws())
        stack.enter_context(redirect_stdout(StringIO()))
        create()
        ledger, clock = Ledger(), TimeTravel()
        boto3.setup_default_session()
        boto3.DEFAULT_SESSION.events.register("before-call", ledger.note)
        boto3.DEFAULT_SESSION.events.register("after-call.dynamodb.Query", ledger.weigh)
        world = TestWorld(clock)
        world.functions = Handover(ledger)
        world.robots = Robots(world.secrets.valid, clock, _taken)
        configure(world.config, now=clock())
        stack.enter_context(patch.object(wiring, "world", lambda: world))
        logging.disable(logging.CRITICAL)
        stack.callback(logging.disable, logging.NOTSET)
        yield Stand(world, clock, ledger)


def create() -> None:
    """Create the table of the synthesized template, the buckets and the secrets."""
    table = resources("AWS::DynamoDB::Table")[0]
    wanted = ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode")
    properties = {name: table[name] for name in wanted if name in table}
    boto3.client("dynamodb").create_table(TableName=SETTINGS.table, **properties)
    place = {"LocationConstraint": "cn-north-1"}
    for bucket in (SETTINGS.uploads_bucket, SETTINGS.reports_bucket, SETTINGS.archive_bucket):
        boto3.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
    for name, text in SECRETS.items():
        boto3.client("secretsmanager").create_secret(Name=name, SecretString=text)
