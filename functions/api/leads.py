"""Leads: lists and search, one lead, its trail, its seals, its clocks, and a touch reported by a person."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from functions.api import answers, clocks, cursor
from functions.api.answers import EventList, LeadList, VerifyAnswer, WholeLead
from functions.api.clocks import ClockList
from functions.api.cursor import PageQuery
from functions.api.operation import Area, Call
from functions.api.reading import Nothing, Request, instant
from leadtrail.runtime.telemetry import count, logger
from leadtrail.services import leads, links, touching

router = Area("线索")


class PageLink(BaseModel):
    """An absolute link that lives 72 hours."""

    link: str


class LeadQuery(Request):
    """What a list is narrowed to."""

    owner: Annotated[str | None, Field(max_length=64, description="负责人")] = None
    team: Annotated[str | None, Field(max_length=64, description="团队")] = None
    stage: Annotated[str | None, Field(max_length=64, description="阶段")] = None
    risk: Literal["超时未响应", "反复退回同一阶段", "连续3次跳过SOP项"] | None = None
    late: Annotated[bool | None, Field(description="只看超时未答复的线索，最严重的在前")] = None
    q: Annotated[str | None, Field(min_length=1, max_length=64, description="完整号码，或姓名的一部分")] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str | None, Field(max_length=200)] = None


class TouchReport(Request):
    """What a person says that they did; ``talk_s`` are seconds of talk, of calls only."""

    kind: Literal["call", "message", "meeting", "visit", "email"]
    direction: Literal["out", "in"]
    occurred_at: Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]
    talk_s: Annotated[int | None, Field(ge=0, le=86400)] = None
    note: Annotated[str | None, Field(max_length=2000)] = None


class TouchEvent(BaseModel):
    """The event that stands on the trail now."""

    seq: int
    kind: str


class TouchAnswer(BaseModel):
    """What the touch became, and the rules whose clocks it answered."""

    event: TouchEvent
    met: list[str]


@router.operation("GET", "/leads", summary="线索列表与搜索", query=LeadQuery, answer=LeadList)
def list_leads(call: Call[LeadQuery, Nothing]) -> LeadList:
    """Leads that the caller may see, newest first; with late or risk, worst first."""
    asked = call.query
    company = call.world.config.company()
    page = leads.search(
        leads.Query(asked.owner, asked.team, asked.stage, asked.risk, asked.late, asked.q),
        caller=call.caller,
        company=company,
        store=call.world.store,
        limit=asked.limit,
        after=cursor.read(asked.cursor),
    )
    items = [answers.lead(view, ZoneInfo(company.zone)) for view in page.items]
    return LeadList(items=items, cursor=cursor.write(page.place))


@router.operation("GET", "/leads/{lead_id}", summary="一条线索，含联系方式", answer=WholeLead)
def get_lead(call: Call[Nothing, Nothing]) -> WholeLead:
    """The whole lead with its contact in clear; every reading is kept."""
    view = leads.read(call.path["lead_id"], caller=call.caller, store=call.world.store, now=call.now)
    logger.info("contact read", lead_id=view.lead.lead_id, rep_id=call.caller.rep_id)
    return answers.whole(view, _zone(call))


@router.operation("GET", "/leads/{lead_id}/trail", summary="轨迹", query=PageQuery, answer=EventList)
def get_trail(call: Call[PageQuery, Nothing]) -> EventList:
    """Events by seq, with all that a stranger needs to check the seals."""
    page = leads.events(
        call.path["lead_id"],
        caller=call.caller,
        store=call.world.store,
        after=cursor.number(call.query.cursor),
        limit=call.query.limit,
    )
    items = [answers.event(event, is_erased=page.is_erased) for event in page.events]
    return EventList(items=items, cursor=cursor.write(page.after))


@router.operation("GET", "/leads/{lead_id}/verify", summary="核对封印", answer=VerifyAnswer)
def verify_lead(call: Call[Nothing, Nothing]) -> VerifyAnswer:
    """Whether every seal holds, and the lead is what its trail says."""
    return answers.verified(leads.verify(call.path["lead_id"], caller=call.caller, store=call.world.store))


@router.operation("GET", "/leads/{lead_id}/clocks", summary="时限", query=PageQuery, answer=ClockList)
def get_clocks(call: Call[PageQuery, Nothing]) -> ClockList:
    """The clocks of a lead: what was counted, paused and put right, who was told of it, and whether they saw it."""
    world = call.world
    found = leads.clocks(call.path["lead_id"], caller=call.caller, store=world.store, config=world.config)
    views, following = cursor.page(found, call.query)
    company = world.config.company()
    return ClockList(items=[clocks.clock(view, company) for view in views], cursor=following)


@router.operation("GET", "/leads/{lead_id}/page", summary="线索页面的链接", answer=PageLink)
def get_page(call: Call[Nothing, Nothing]) -> PageLink:
    """A fresh link of the caller's own to the page that explains the lead's clocks; opens without signing in."""
    world = call.world
    lead = leads.seen(call.path["lead_id"], caller=call.caller, store=world.store)
    link = links.make_lead_link(
        lead.lead_id,
        recipient=f"rep:{call.caller.rep_id}",
        reports=world.reports,
        public_base_url=world.settings.public_base_url,
        now=call.now,
    )
    logger.info("page link made", lead_id=lead.lead_id, rep_id=call.caller.rep_id)
    return PageLink(link=link)


@router.operation(
    "POST", "/leads/{lead_id}/touches", summary="登记一次跟进", body=TouchReport, answer=TouchAnswer, status=201
)
def report_touch(call: Call[Nothing, TouchReport]) -> TouchAnswer:
    """A touch that a person reports counts from now, and is marked as self-reported."""
    body, world = call.body, call.world
    occurred_at = instant("occurred_at", body.occurred_at)
    done = touching.report(
        call.path["lead_id"],
        touching.Report(body.kind, body.direction, occurred_at, body.talk_s, body.note),
        caller=call.caller,
        command=call.command,
        store=world.store,
        config=world.config,
        now=call.now,
    )
    message = "touch repeated" if done.repeated else "touch recorded"
    logger.info(message, lead_id=call.path["lead_id"], rep_id=call.caller.rep_id, seq=done.seq, met=done.met)
    if not done.repeated:
        count("TouchRecorded", origin="person")
    return TouchAnswer.model_validate(done.answer())


def _zone(call: Call[Any, Any]) -> ZoneInfo:
    return ZoneInfo(call.world.config.company().zone)
