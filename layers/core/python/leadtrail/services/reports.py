"""People and reports: which they may list, each with a link of their own, and the ordering of one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from leadtrail.domain.company import Company
from leadtrail.domain.errors import InvalidInputError, NotFoundError
from leadtrail.domain.report import DAILY, KINDS, Report, report_id
from leadtrail.services import links
from leadtrail.services.idempotency import Command
from leadtrail.services.people import Caller, require_lead_of_people
from leadtrail.services.ports import Change, Configuration, Reports, Store

FIRST_YEAR: Final = 2000
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_PLACE: Final = re.compile(r"\d{4}-\d{2}-\d{2}#[0-9A-Z]{26}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ReportView:
    """A report with a fresh link of the caller's."""

    report: Report
    link: str


@dataclass(frozen=True, slots=True)
class ReportPage:
    """One page of a list; ``place`` is where the next one begins, None at the end."""

    items: tuple[ReportView, ...]
    place: str | None


def search(
    *,
    kind: str | None,
    team: str | None,
    day: str | None,
    limit: int,
    after: str,
    caller: Caller,
    company: Company,
    reports: Reports,
    public_base_url: str,
    now: datetime,
) -> ReportPage:
    """Return reports that the caller may read, the newest day first, each with a link bound to the caller.

    Raises:
        ForbiddenError: the caller is a rep.
        NotFoundError: no such team, or not the caller's.
        InvalidInputError: names kind, day or cursor.
    """
    require_lead_of_people(caller)
    if kind not in (None, *KINDS):
        raise InvalidInputError("kind", f"只能是 {'、'.join(KINDS)}")
    if after and not _PLACE.fullmatch(after):
        raise InvalidInputError("cursor", "不是这个列表的游标")
    wanted = day_of("day", day) if day else None
    found = reports.listed(DAILY, _teams(team, caller, company), day=wanted, after=after or None, limit=limit + 1)
    shown = found[:limit]
    made = links.make(
        [f"report:{report.id}" for report in shown],
        recipient=f"rep:{caller.rep_id}",
        reports=reports,
        public_base_url=public_base_url,
        now=now,
    )
    items = tuple(ReportView(report, link) for report, link in zip(shown, made, strict=True))
    return ReportPage(items, shown[-1].sort_key if len(found) > limit else None)


def order(
    team: str,
    day: str,
    *,
    caller: Caller,
    command: Command | None,
    store: Store,
    config: Configuration,
    hand_over: Callable[[str, date], None],
    now: datetime,
) -> str:
    """Have a team's daily report made, of a workday or not, and return the id that it will have.

    ``hand_over`` gives the work to whoever makes reports: it comes before the receipt, as making twice does no harm.

    Raises:
        ForbiddenError: the caller is a rep.
        NotFoundError: no such team, or not the caller's.
        InvalidInputError: the day is none, or still to come; names ``day``.
        IdempotencyMismatchError: the key was used for something else.
    """
    company = config.company()
    require_lead_of_people(caller)
    [wanted] = _teams(team, caller, company)
    asked = day_of("day", day)
    if asked > now.astimezone(ZoneInfo(company.zone)).date():
        raise InvalidInputError("day", "不能是将来的日期")
    answer = {"id": report_id(DAILY, wanted, asked)}

    def attempt() -> str:
        known = command.repeated(store.receipt(*command.receipt_at)) if command else None
        if known is not None:
            return str(known["id"])
        hand_over(wanted, asked)
        if command:
            store.commit(Change(lead_id="", recorded_at=now, receipt=command.receipt(answer, lead_id=None, now=now)))
        return answer["id"]

    return store.settled(attempt)


def day_of(field: str, text: str) -> date:
    """Read a day, YYYY-MM-DD, from 2000 on.

    Raises:
        InvalidInputError: no such day; names ``field``.
    """
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or day.year < FIRST_YEAR:
        raise InvalidInputError(field, "需要真实存在的日期，如 2026-01-26")
    return day


def revoke_links(report: str, *, caller: Caller, reports: Reports, store: Store) -> None:
    """End every link of a report that was ever handed out; new ones can be made at once.

    Raises:
        ForbiddenError: the caller is a rep.
        NotFoundError: no such report, or another team's.
    """
    require_lead_of_people(caller)
    known = reports.report(report)
    if known is None or not caller.sees_team(known.team):
        raise NotFoundError
    store.settled(lambda: reports.revoke_links(report))


def _teams(team: str | None, caller: Caller, company: Company) -> list[str]:
    """Return the one team asked for, or all that the caller answers for."""
    if team is None:
        return [known for known in sorted(company.teams) if caller.sees_team(known)]
    if team not in company.teams or not caller.sees_team(team):
        raise NotFoundError
    return [team]
