"""Somebody with write access to the table changes a trail: checking it names the event, whatever was done to it."""

import json
from typing import Any

import pytest

from functions.ingest.webhook import handler
from leadtrail.domain import trail
from leadtrail.domain.trail import Break
from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.webhooks import Context, lead_created

CHANGES: dict[str, tuple[str, dict[str, Any] | None]] = {
    "facts rewritten": ("facts", {"S": '{"owner": "rep-zhang"}'}),
    "facts with a float": ("facts", {"S": '{"amount": 0.5}'}),
    "facts that are no JSON": ("facts", {"S": "{"}),
    "facts of another type": ("facts", {"M": {}}),
    "facts taken away": ("facts", None),
    "a time that is none": ("occurred_at", {"S": "yesterday"}),
    "a time of another year": ("recorded_at", {"S": "2020-01-01T00:00:00.000Z"}),
    "a time taken away": ("occurred_at", None),
    "another kind": ("kind", {"S": "touch.recorded"}),
    "another actor": ("actor", {"S": "rep:nobody"}),
    "another version": ("v", {"N": "2"}),
    "a version that is none": ("v", {"S": "one"}),
    "a seal taken away": ("seal", None),
    "another text": ("text_hash", {"S": "0" * 64}),
}


def lead_of(clock: TimeTravel) -> str:
    answer = handler(lead_created(clock(), fields={"需求": "三月上线"}), Context())
    return str(json.loads(answer["body"])["id"])


@pytest.mark.parametrize(("attribute", "value"), CHANGES.values(), ids=CHANGES.keys())
def test_whatever_is_done_to_an_event_is_found_and_named(
    world: TestWorld, clock: TimeTravel, attribute: str, value: dict[str, Any] | None
) -> None:
    lead_id = lead_of(clock)
    whole = trail.verify(world.store.trail(lead_id))
    change = {"ExpressionAttributeValues": {":value": value}} if value else {}
    world.dynamodb.update_item(
        TableName="leadtrail-test",
        Key={"PK": {"S": f"LEAD#{lead_id}"}, "SK": {"S": "EVENT#00000002"}},
        UpdateExpression="SET #it = :value" if value else "REMOVE #it",
        ExpressionAttributeNames={"#it": attribute},
        **change,
    )

    broken = trail.verify(world.store.trail(lead_id))

    assert (whole, broken) == (None, Break(2, "内容与封印不符"))


def test_an_event_taken_out_is_found_and_named(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = lead_of(clock)
    key = {"PK": {"S": f"LEAD#{lead_id}"}, "SK": {"S": "EVENT#00000002"}}

    world.dynamodb.delete_item(TableName="leadtrail-test", Key=key)

    assert trail.verify(world.store.trail(lead_id)) == Break(2, "事件缺失")
