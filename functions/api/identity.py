"""Who is who: merging two leads and undoing it, correcting a contact, and a second deal of one person."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from functions.api.operation import Area, Call
from functions.api.reading import Nothing, Request
from leadtrail.runtime.telemetry import logger
from leadtrail.services import contacting, merging

router = Area("身份")
Reason = Annotated[
    str, StringConstraints(strip_whitespace=True), Field(min_length=5, max_length=500, description="原因")
]
LeadId = Annotated[str, Field(min_length=26, max_length=26, description="线索编号")]
Entries = Annotated[list[Annotated[str, Field(min_length=1, max_length=254)]], Field(max_length=20)]


class MergeRequest(Request):
    """The other lead, and why; ``winner`` names which of the two goes on (the older one unless named)."""

    other: LeadId
    reason: Reason
    winner: LeadId | None = None


class SplitRequest(Request):
    """The other lead of a merge that is undone, and why."""

    other: LeadId
    reason: Reason


class MergeAnswer(BaseModel):
    """Which lead goes on and which became part of it (of a split: had become), and the winner's version."""

    winner: str
    loser: str
    version: int


class Entry(Request):
    """What is added to a list, and what is removed from it, in any spelling."""

    add: Entries = Field(default_factory=list)
    remove: Entries = Field(default_factory=list)


VISIBLE = r"^[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+$"
"""No line breaks, control characters or marks of the direction of writing: a name is one line that reads as it is."""


class ContactCorrection(Request):
    """What is wrong about a contact, and why it is known to be."""

    reason: Reason
    name: (
        Annotated[str, StringConstraints(strip_whitespace=True, pattern=VISIBLE), Field(min_length=1, max_length=100)]
        | None
    ) = None
    phones: Entry = Entry()
    emails: Entry = Entry()


class Counted(BaseModel):
    """How many entries were added and removed."""

    added: int
    removed: int


class CorrectedKinds(BaseModel):
    """Which kinds were corrected; null where nothing was."""

    name: bool = False
    phones: Counted | None = None
    emails: Counted | None = None


class CorrectionAnswer(BaseModel):
    """What was corrected, and the lead's version."""

    corrected: CorrectedKinds
    version: int


class DealRequest(Request):
    """Why this person has a second deal."""

    reason: Reason


class DealAnswer(BaseModel):
    """The new lead."""

    id: str


@router.operation("POST", "/leads/{lead_id}/merge", summary="合并两条线索", body=MergeRequest, answer=MergeAnswer)
def merge_leads(call: Call[Nothing, MergeRequest]) -> MergeAnswer:
    """Two open leads become one, the older unless another is named; managers and above."""
    body, world = call.body, call.world
    done = merging.merge(
        call.path["lead_id"],
        merging.Asked(body.other, body.reason, body.winner),
        caller=call.caller,
        command=call.command,
        store=world.store,
        config=world.config,
        now=call.now,
    )
    message = "merge repeated" if done.repeated else "leads merged"
    logger.info(message, lead_id=done.winner, other=done.loser, rep_id=call.caller.rep_id)
    return MergeAnswer(**done.answer())


@router.operation("POST", "/leads/{lead_id}/split", summary="撤销合并", body=SplitRequest, answer=MergeAnswer)
def split_leads(call: Call[Nothing, SplitRequest]) -> MergeAnswer:
    """The merge of these two leads is undone; what came later stays with the winner. Managers and above."""
    body, world = call.body, call.world
    done = merging.split(
        call.path["lead_id"],
        merging.Asked(body.other, body.reason),
        caller=call.caller,
        command=call.command,
        store=world.store,
        config=world.config,
        now=call.now,
    )
    message = "split repeated" if done.repeated else "leads split"
    logger.info(message, lead_id=done.winner, other=done.loser, rep_id=call.caller.rep_id)
    return MergeAnswer(**done.answer())


@router.operation(
    "POST", "/leads/{lead_id}/contact", summary="更正联系方式", body=ContactCorrection, answer=CorrectionAnswer
)
def correct_contact(call: Call[Nothing, ContactCorrection]) -> CorrectionAnswer:
    """A wrong number, address or name is put right; somebody else's number takes a merge."""
    body = call.body
    done = contacting.correct(
        call.path["lead_id"],
        contacting.Correction(
            body.reason,
            body.name,
            contacting.Edit(body.phones.add, body.phones.remove),
            contacting.Edit(body.emails.add, body.emails.remove),
        ),
        caller=call.caller,
        command=call.command,
        store=call.world.store,
        now=call.now,
    )
    message = "correction repeated" if done.repeated else "contact corrected"
    logger.info(message, lead_id=call.path["lead_id"], rep_id=call.caller.rep_id)
    return CorrectionAnswer.model_validate(done.answer())


@router.operation(
    "POST", "/leads/{lead_id}/deals", summary="为同一个人另开一条线索", body=DealRequest, answer=DealAnswer, status=201
)
def open_deal(call: Call[Nothing, DealRequest]) -> DealAnswer:
    """A second open lead of the same person, with its own clocks; same source, team and owner."""
    world = call.world
    opened = contacting.open_beside(
        call.path["lead_id"],
        call.body.reason,
        caller=call.caller,
        command=call.command,
        store=world.store,
        config=world.config,
        now=call.now,
    )
    message = "deal repeated" if opened.repeated else "deal opened"
    logger.info(message, lead_id=opened.lead_id, beside=call.path["lead_id"], rep_id=call.caller.rep_id)
    return DealAnswer(id=opened.lead_id)
