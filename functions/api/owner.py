"""Whose lead it is: a manager names its owner."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from functions.api.identity import Reason
from functions.api.operation import Area, Call
from functions.api.reading import Nothing, Request
from leadtrail.runtime.telemetry import logger
from leadtrail.services import giving

router = Area("负责人")


class OwnerRequest(Request):
    """Who is to have the lead, and why."""

    owner: Annotated[str, Field(min_length=1, max_length=64, description="负责人")]
    reason: Reason


class OwnerAnswer(BaseModel):
    """Whose the lead is now, in which team, and its version."""

    id: str
    owner: str
    team: str
    version: int


@router.operation("POST", "/leads/{lead_id}/owner", summary="指定负责人", body=OwnerRequest, answer=OwnerAnswer)
def name_owner(call: Call[Nothing, OwnerRequest]) -> OwnerAnswer:
    """The lead goes to a rep or manager, and to their team; its clocks run on. Managers and above."""
    world = call.world
    given = giving.give(
        call.path["lead_id"],
        call.body.owner,
        call.body.reason,
        caller=call.caller,
        command=call.command,
        store=world.store,
        config=world.config,
        now=call.now,
    )
    message = "assignment repeated" if given.repeated else "lead assigned"
    logger.info(message, lead_id=given.lead_id, owner=given.owner, rep_id=call.caller.rep_id)
    return OwnerAnswer(**given.answer())
