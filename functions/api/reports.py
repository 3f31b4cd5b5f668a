"""Reports over HTTP: GET /reports, POST /reports/daily, DELETE /reports/{report_id}/links."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from functions.api import answers, cursor
from functions.api.operation import Area, Call
from functions.api.reading import Nothing, Request
from leadtrail.runtime.telemetry import logger
from leadtrail.runtime.wiring import World
from leadtrail.services import reports
from leadtrail.services.reports import ReportView

router = Area("报告")


class ReportQuery(Request):
    """What a list is narrowed to."""

    kind: Literal["daily"] | None = None
    team: Annotated[str | None, Field(max_length=64, description="团队")] = None
    day: Annotated[str | None, Field(max_length=10, json_schema_extra={"format": "date"})] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str | None, Field(max_length=200)] = None


class ReportAnswer(BaseModel):
    """The newest version of a report; ``link`` is the caller's own, opens without signing in, and lives 72 hours."""

    id: str
    kind: str
    team: str
    day: str
    made_at: str
    as_of: str
    version: int
    tags: dict[str, int]
    link: str


class ReportList(BaseModel):
    """One page of reports, the newest day first."""

    items: list[ReportAnswer]
    cursor: str | None


class DailyOrder(Request):
    """Which team's report of which day, YYYY-MM-DD, today or earlier."""

    team: Annotated[str, Field(min_length=1, max_length=64)]
    day: Annotated[str, Field(max_length=10, json_schema_extra={"format": "date"})]


class OrderedReport(BaseModel):
    """The id that the report has, or will have in a moment."""

    id: str


@router.operation("GET", "/reports", summary="报告列表", query=ReportQuery, answer=ReportList, problems=(404,))
def list_reports(call: Call[ReportQuery, Nothing]) -> ReportList:
    """Reports of the teams that the caller answers for; reps have none."""
    asked, world = call.query, call.world
    company = world.config.company()
    page = reports.search(
        kind=asked.kind,
        team=asked.team,
        day=asked.day,
        limit=asked.limit,
        after=cursor.read(asked.cursor),
        caller=call.caller,
        company=company,
        reports=world.reports,
        public_base_url=world.settings.public_base_url,
        now=call.now,
    )
    logger.info("report links made", count=len(page.items), rep_id=call.caller.rep_id)
    zone = ZoneInfo(company.zone)
    return ReportList(items=[_answer(view, zone) for view in page.items], cursor=cursor.write(page.place))


@router.operation(
    "POST",
    "/reports/daily",
    summary="生成某团队某日的高危线索预警日报",
    body=DailyOrder,
    answer=OrderedReport,
    status=202,
    problems=(404,),
)
def order_daily(call: Call[Nothing, DailyOrder]) -> OrderedReport:
    """Made in the background, of a workday or not; made again for a day, it becomes a new version of the same id."""
    report_id = reports.order(
        call.body.team,
        call.body.day,
        caller=call.caller,
        command=call.command,
        store=call.world.store,
        config=call.world.config,
        hand_over=lambda team, day: _hand_over(call.world, team, day),
        now=call.now,
    )
    logger.info("report ordered", report_id=report_id, team=call.body.team, day=call.body.day)
    return OrderedReport(id=report_id)


@router.operation("DELETE", "/reports/{report_id}/links", summary="作废一份报告的全部链接", answer=None, status=204)
def revoke_links(call: Call[Nothing, Nothing]) -> None:
    """Every link of the report that was ever handed out answers 410 from now on; a new list brings new ones."""
    report_id = call.path["report_id"]
    reports.revoke_links(report_id, caller=call.caller, reports=call.world.reports, store=call.world.store)
    logger.info("report links revoked", report_id=report_id, rep_id=call.caller.rep_id)


def _hand_over(world: World, team: str, day: date) -> None:
    payload = json.dumps({"team": team, "day": str(day)}).encode()
    world.functions.invoke(FunctionName=world.settings.daily_function, InvocationType="Event", Payload=payload)


def _answer(view: ReportView, zone: ZoneInfo) -> ReportAnswer:
    report = view.report
    return ReportAnswer(
        id=report.id,
        kind=report.kind,
        team=report.team,
        day=str(report.day),
        made_at=answers.local(report.made_at, zone),
        as_of=answers.local(report.as_of, zone),
        version=report.version,
        tags=dict(report.tags),
        link=view.link,
    )
