"""How a lead goes on: its clocks paused and resumed, the lead closed and reopened, a mistaken touch withdrawn."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from functions.api.identity import Reason
from functions.api.operation import Area, Call
from functions.api.reading import Nothing, Request, instant
from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.pausing import Wish
from leadtrail.runtime.telemetry import logger
from leadtrail.services import steering
from leadtrail.services.steering import Order, Steered

router = Area("进展")
RuleName = Annotated[str, Field(min_length=1, max_length=40)]


class PauseRequest(Request):
    """Until when the clocks are held up, by which of the known reasons, and why in their own words."""

    until: Annotated[str, Field(description="暂停到何时，ISO 8601 带时区")]
    reason: Annotated[str, Field(description="customer-asked、customer-away、waiting-for-customer 或 waiting-for-us")]
    note: Reason
    rules: Annotated[list[RuleName], Field(max_length=20, description="只暂停这些规则；不写则全部")] = Field(
        default_factory=list
    )


class CloseRequest(Request):
    """How it ended, and why."""

    outcome: Annotated[Literal["won", "lost"], Field(description="赢单或输单")]
    reason: Reason


class ReasonRequest(Request):
    """Why."""

    reason: Reason


class WrittenEvent(BaseModel):
    """An event that the command wrote."""

    seq: int
    kind: str


class ProgressAnswer(BaseModel):
    """The lead's version now, and what was written on its trail."""

    version: int
    events: list[WrittenEvent]


@router.operation("POST", "/leads/{lead_id}/pause", summary="暂停计时", body=PauseRequest, answer=ProgressAnswer)
def pause_lead(call: Call[Nothing, PauseRequest]) -> ProgressAnswer:
    """The clocks of an open lead stand still until then; the policy caps for how long in all."""
    wish = Wish(instant("until", call.body.until), call.body.reason, tuple(call.body.rules))
    order = _order(call.path["lead_id"], call, call.body.note)
    return _told("clocks paused", order, steering.pause(order, wish, store=call.world.store, config=call.world.config))


@router.operation("POST", "/leads/{lead_id}/resume", summary="恢复计时", body=ReasonRequest, answer=ProgressAnswer)
def resume_lead(call: Call[Nothing, ReasonRequest]) -> ProgressAnswer:
    """A pause ends before its time; the clocks count from now on."""
    order = _order(call.path["lead_id"], call, call.body.reason)
    return _told("clocks resumed", order, steering.resume(order, store=call.world.store, config=call.world.config))


@router.operation("POST", "/leads/{lead_id}/close", summary="关闭线索", body=CloseRequest, answer=ProgressAnswer)
def close_lead(call: Call[Nothing, CloseRequest]) -> ProgressAnswer:
    """The lead ends as won or lost; its clocks are cancelled, and breaches stay."""
    order = _order(call.path["lead_id"], call, call.body.reason)
    return _told(
        "lead closed", order, steering.close(order, call.body.outcome, store=call.world.store, config=call.world.config)
    )


@router.operation("POST", "/leads/{lead_id}/reopen", summary="重新打开", body=ReasonRequest, answer=ProgressAnswer)
def reopen_lead(call: Call[Nothing, ReasonRequest]) -> ProgressAnswer:
    """The lead goes on where it was; the time in which it was closed does not count."""
    order = _order(call.path["lead_id"], call, call.body.reason)
    return _told("lead reopened", order, steering.reopen(order, store=call.world.store, config=call.world.config))


@router.operation(
    "POST",
    "/leads/{lead_id}/touches/{seq}/withdraw",
    summary="撤回误录的跟进",
    body=ReasonRequest,
    answer=ProgressAnswer,
)
def withdraw_touch(call: Call[Nothing, ReasonRequest]) -> ProgressAnswer:
    """A touch that was recorded by mistake counts no more; what it had answered is owed again."""
    order = _order(call.path["lead_id"], call, call.body.reason)
    seq = _seq(call.path["seq"])
    done = steering.withdraw(order, seq, store=call.world.store, config=call.world.config)
    return _told("touch withdrawn", order, done)


def _order(lead_id: str, call: Call[Any, Any], reason: str) -> Order:
    return Order(lead_id, reason, call.caller, call.command, call.now)


def _seq(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 8:
        raise InvalidInputError("seq", "需要跟进在轨迹中的序号")
    return int(text)


def _told(message: str, order: Order, done: Steered) -> ProgressAnswer:
    logger.info(
        f"{message} before" if done.repeated else message,
        lead_id=order.lead_id,
        rep_id=order.caller.rep_id,
        version=done.version,
    )
    return ProgressAnswer.model_validate(done.answer())
