"""Schedule, mornings at 08:30 company time: every team's 《高危线索预警日报》; on a day off nothing is made.

Also invoked by POST /reports/daily with ``{"team", "day"}``: that team, whatever day it is. Where the environment
allows it, ``{"now": "..."}`` makes the schedule's report of another moment. What is made twice is pushed once.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from functions.reports import page
from leadtrail.domain.instant import from_text
from leadtrail.runtime import wiring
from leadtrail.runtime.telemetry import count, instrumented, logger
from leadtrail.runtime.wiring import World
from leadtrail.services import daily


@instrumented
def handler(event: dict[str, Any], _: Any) -> dict[str, list[str]]:
    """Make the reports; returns the ids under ``reports``.

    Raises:
        ExceptionGroup: the reports of some teams failed; the others are made, and stay as they are when tried again.
    """
    world = wiring.world()
    now = _now(event, world)
    zone = ZoneInfo(world.config.company().zone)
    if "team" in event:
        day = date.fromisoformat(event["day"])
        as_of = daily.moment_of(day, team=event["team"], reports=world.reports, zone=zone, now=now)
        return {"reports": [_made(world, event["team"], day, as_of)]}
    day = now.astimezone(zone).date()
    if not daily.is_reported_day(day, config=world.config):
        logger.info("no report on a day off", day=str(day))
        return {"reports": []}
    made, failures = [], []
    for team in sorted(world.config.company().teams):
        try:
            made.append(_made(world, team, day, now))
        except Exception as error:  # one team's trouble must not keep the report from the others; raised below
            logger.exception("report failed", team=team, day=str(day))
            failures.append(error)
    if failures:
        raise ExceptionGroup("reports failed", failures)
    return {"reports": made}


def _now(event: dict[str, Any], world: World) -> datetime:
    """Return the asked time where it may be asked, else the real one; stand-ins hand over a schedule's <...> unread."""
    asked = str(event.get("now") or "<")
    return world.now() if asked.startswith("<") or not world.settings.allow_now else from_text(asked)


def _made(world: World, team: str, day: date, as_of: datetime) -> str:
    made = daily.make(
        team,
        day=day,
        as_of=as_of,
        store=world.store,
        reports=world.reports,
        objects=world.objects,
        bucket=world.settings.reports_bucket,
        config=world.config,
        render=page.daily,
        public_base_url=world.settings.public_base_url,
        now=world.now(),
    )
    logger.info(
        "report made" if made.is_new else "report stands as it was",
        report_id=made.report.id,
        team=team,
        day=str(day),
        version=made.report.version,
        channels=made.channels,
    )
    count("ReportMade" if made.is_new else "ReportRepeated")
    return made.report.id
