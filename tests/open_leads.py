"""Open leads by the thousand, written straight into the table: what a sweep walks past, and what wakes.

Each is the row of a lead and the row of its one running clock, as intake writes them. Trail and contact are left out:
no sweep of such a lead reads them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

from leadtrail.adapters import rows
from leadtrail.adapters.table import Raw, shard_of
from leadtrail.domain import lifecycle
from leadtrail.domain.ids import new_id
from leadtrail.domain.lifecycle import Timing
from leadtrail.runtime.wiring import World

RULE = "first_response"
BATCH = 25  # what BatchWriteItem takes


def write(world: World, leads: int, *, at: datetime, first: int = 0) -> list[str]:
    """Write so many leads that came at ``at`` (aware UTC), and return their ids; ``first`` tells two calls apart."""
    ids = [new_id(at, first + number) for number in range(leads)]
    items = _items(_template(world, at), ids)
    while batch := [{"PutRequest": {"Item": item}} for item in islice(items, BATCH)]:
        answer = world.dynamodb.batch_write_item(RequestItems={world.settings.table: batch})
        if answer.get("UnprocessedItems"):
            raise RuntimeError("the table held items back")
    return ids


def _template(world: World, at: datetime) -> str:
    """Return a lead's two rows as JSON."""
    policy = world.config.company().policy_for(source="standard", team="huadong")
    only = replace(policy, rules=tuple(rule for rule in policy.rules if rule.name == RULE))
    lead_id = new_id(at, 0)
    happenings = lifecycle.receive(
        source="standard",
        person=new_id(at, 1),
        team="huadong",
        owner="rep-li",
        actor="source:standard",
        receipt="r",
        occurred_at=at,
        received_at=at,
        signed=True,
        timing=Timing(only, world.config.calendar(policy)),
    )
    lead = lifecycle.preview(lead_id, happenings, recorded_at=at)
    written = [rows.lead(None, lead), *rows.clocks(None, lead)]
    return json.dumps([row.item.serialize() for row in written]).replace(lead_id, "<lead>")


def _items(template: str, ids: Iterable[str]) -> Iterator[Raw]:
    for lead_id in ids:
        lead, clock = json.loads(template.replace("<lead>", lead_id))
        yield lead
        yield {**clock, "GSI1PK": {"S": shard_of(lead_id)}}


def warm(world: World) -> Any:
    """Read what a warm function knows: the configuration, and the policy version of the clocks."""
    policy = world.config.company().policy_for(source="standard", team="huadong")
    return world.config.policy(policy.name, policy.version)
