"""Policies: the company's time limits, read by everybody, changed by managers and above."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from functions.api import answers, cursor
from functions.api.answers import PolicyAnswer, PolicyList
from functions.api.cursor import PageQuery
from functions.api.operation import Area, Call
from functions.api.reading import Nothing, Request
from leadtrail.runtime.telemetry import logger
from leadtrail.services import policies

router = Area("时限规则")
Duration = Annotated[str, Field(max_length=40, examples=["PT2H", "P5D"])]


class LevelBody(Request):
    """Who is told, how long after the breach."""

    after: Duration
    to: Literal["owner", "manager", "director"]


class RuleBody(Request):
    """One promise: what starts it, what meets it, how long it may take."""

    name: str
    starts: Literal["lead.received", "touch.first", "stage.entered"]
    meets: list[Literal["touch", "stage"]]
    measure: Literal["business", "natural", "working_days"]
    budget: Duration
    warn_at: float | None = None
    levels: list[LevelBody]


class PolicyBody(Request):
    """A new version; ``calendar`` gives ``tz``, ``hours`` of weekdays, ``cn`` for the published Chinese calendar."""

    when: dict[str, str] | None = None
    calendar: dict[str, Any]
    rules: list[RuleBody]


@router.operation("GET", "/policies", summary="全部时限规则", query=PageQuery, answer=PolicyList)
def list_policies(call: Call[PageQuery, Nothing]) -> PolicyList:
    """The newest version of every policy, by name."""
    found = policies.every(config=call.world.config)
    versions, following = cursor.page(found, call.query)
    return PolicyList(items=[answers.policy(version, _zone(call)) for version in versions], cursor=following)


@router.operation("GET", "/policies/{name}", summary="一套时限规则", answer=PolicyAnswer)
def get_policy(call: Call[Nothing, Nothing]) -> PolicyAnswer:
    """The newest version of a policy."""
    return answers.policy(policies.one(call.path["name"], config=call.world.config), _zone(call))


@router.operation(
    "PUT", "/policies/{name}", summary="更新时限规则", body=PolicyBody, answer=PolicyAnswer, problems=(409,)
)
def put_policy(call: Call[Nothing, PolicyBody]) -> PolicyAnswer:
    """A new version, for clocks that start from now on; managers and above."""
    world = call.world
    changed = policies.change(
        call.path["name"], call.document, caller=call.caller, store=world.store, config=world.config, now=call.now
    )
    logger.info("policy changed", policy=changed.name, version=changed.version, rep_id=call.caller.rep_id)
    return answers.policy(changed, ZoneInfo(world.config.company().zone))


def _zone(call: Call[Any, Any]) -> ZoneInfo:
    return ZoneInfo(call.world.config.company().zone)
