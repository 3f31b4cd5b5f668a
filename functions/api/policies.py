"""Policies: the company's time limits, read by everybody, changed, tried and brought to running clocks by managers."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from functions.api import answers, cursor
from functions.api.answers import Cursor, Instant, PolicyAnswer, PolicyList, local
from functions.api.cursor import PageQuery
from functions.api.operation import Area, Call
from functions.api.reading import Nothing, Request
from leadtrail.domain import policy_schema
from leadtrail.runtime.telemetry import logger
from leadtrail.services import policies, previewing, rebasing
from leadtrail.services.previewing import Compared

router = Area("时限规则")


def _described(schema: dict[str, Any]) -> None:
    """Let the domain say what a policy looks like: it is what reads and refuses it."""
    schema.clear()
    schema.update(policy_schema.schema())


class PolicyBody(BaseModel):
    """A new version, as docs/policies.md says; read and refused by `leadtrail.domain.policy_input`."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_described)


class PreviewQuery(Request):
    """Which page of the leads."""

    cursor: Annotated[str | None, Field(max_length=200)] = None


class Late(BaseModel):
    """How many clocks are late under the policy that they follow, and under the one that is tried."""

    before: int
    after: int


class MovedClock(BaseModel):
    """A clock that would be due at another instant."""

    lead: str
    rule: str
    due_before: Instant
    due_after: Instant
    late_tomorrow_before: bool
    late_tomorrow_after: bool


class PreviewAnswer(BaseModel):
    """What a policy would mean for one page of the open leads; ``tomorrow`` is the end of the next working day."""

    leads: int = Field(description="查看的线索")
    clocks: int = Field(description="其中适用此规则的计时")
    tomorrow: Instant
    late_now: Late
    late_by_tomorrow: Late
    changed: list[MovedClock] = Field(description="截止时间会变的计时，最紧急的在前，最多100项")
    by_owner: dict[str, Late] = Field(description="到明天下班仍不处理会超时的，按负责人；没有负责人的记在空键下")
    cursor: Cursor


class RebaseBody(Request):
    """From where to go on."""

    cursor: Annotated[str | None, Field(max_length=200)] = None


class RebaseAnswer(BaseModel):
    """What was done with one page of the leads."""

    leads: int = Field(description="查看的线索")
    changed: int = Field(description="已改用新版本的线索")
    failed: list[str] = Field(description="暂时没有写入的线索，请再运行一次")
    cursor: Cursor


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
    return answers.policy(changed, _zone(call))


@router.operation(
    "POST",
    "/policies/{name}/preview",
    summary="试算时限规则",
    query=PreviewQuery,
    body=PolicyBody,
    answer=PreviewAnswer,
)
def preview_policy(call: Call[PreviewQuery, PolicyBody]) -> PreviewAnswer:
    """Who would be late tomorrow if running clocks followed this version; nothing is written. Managers and above."""
    world = call.world
    tried = previewing.preview(
        call.path["name"],
        call.document,
        caller=call.caller,
        store=world.store,
        config=world.config,
        now=call.now,
        after=cursor.read(call.query.cursor),
    )
    logger.info("policy previewed", policy=call.path["name"], leads=tried.leads, rep_id=call.caller.rep_id)
    zone = _zone(call)
    return PreviewAnswer(
        leads=tried.leads,
        clocks=len(tried.compared),
        tomorrow=local(tried.tomorrow, zone),
        late_now=_late(tried.late_now),
        late_by_tomorrow=_late(tried.late_by_tomorrow),
        changed=[_moved(each, tried, zone) for each in tried.changed],
        by_owner={owner: _late(counts) for owner, counts in tried.by_owner.items()},
        cursor=cursor.write(tried.place),
    )


@router.operation(
    "POST", "/policies/{name}/rebase", summary="让计时中的线索改用新版本", body=RebaseBody, answer=RebaseAnswer
)
def rebase_policy(call: Call[Nothing, RebaseBody]) -> RebaseAnswer:
    """Running clocks of the caller's teams follow the newest version, one page of leads; managers and above."""
    world = call.world
    done = rebasing.rebase(
        call.path["name"],
        caller=call.caller,
        command=call.command,
        store=world.store,
        config=world.config,
        now=call.now,
        after=cursor.read(call.body.cursor),
    )
    logger.info("clocks rebased", policy=call.path["name"], leads=done.changed, rep_id=call.caller.rep_id)
    return RebaseAnswer(
        leads=done.leads, changed=done.changed, failed=list(done.failed), cursor=cursor.write(done.place)
    )


def _late(counts: tuple[int, int]) -> Late:
    before, after = counts
    return Late(before=before, after=after)


def _moved(clock: Compared, tried: previewing.Preview, zone: ZoneInfo) -> MovedClock:
    return MovedClock(
        lead=clock.lead_id,
        rule=clock.rule,
        due_before=local(clock.due_before, zone),
        due_after=local(clock.due_after, zone),
        late_tomorrow_before=clock.due_before <= tried.tomorrow,
        late_tomorrow_after=clock.due_after <= tried.tomorrow,
    )


def _zone(call: Call[Any, Any]) -> ZoneInfo:
    return ZoneInfo(call.world.config.company().zone)
