"""``leadtrail leads export``: every lead in clear, as CSV, XLSX or JSON lines, with its trail where asked.

For the operator: numbers and addresses stand unmasked, and the command says so. Leads are read a hundred at a time
and written as they come, so that memory does not grow with them (but for their ids).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from console import export_file
from leadtrail.domain.clock import Clock
from leadtrail.domain.company import Company
from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Event
from leadtrail.runtime.wiring import World
from leadtrail.services.ports import Person

BATCH = 100  # leads of one read
LEADS, EVENTS = "leads", "events"
LEAD_HEADINGS = {
    "id": "编号",
    "name": "姓名",
    "phones": "电话",
    "emails": "邮箱",
    "sources": "来源",
    "stage": "阶段",
    "status": "状态",
    "owner": "负责人",
    "owner_id": "负责人编号",
    "team": "小组",
    "received_at": "登记时间",
    "first_touch_at": "首次触达",
    "clocks": "时限",
    "tags": "风险标签",
    "touches": "触达次数",
    "events": "事件数",
    "origin": "来路",
    "merged_into": "并入",
}
EVENT_HEADINGS = {
    "lead_id": "线索编号",
    "seq": "序号",
    "kind": "事件",
    "occurred_at": "发生时间",
    "recorded_at": "记录时间",
    "actor": "由谁",
    "facts": "事实",
    "text": "文字",
}


@dataclass(slots=True)
class Tally:
    """How many leads and events an export holds, and in which files."""

    leads: int = 0
    events: int = 0
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """Which leads are wanted: ``team`` by its id, ``since`` aware (a lead received then or later); None: all."""

    team: str | None = None
    since: datetime | None = None

    def wants(self, lead: Lead) -> bool:
        """Tell whether a lead is wanted."""
        return self.team in (None, lead.team) and (self.since is None or lead.received_at >= self.since)


def run(
    out: Path,
    world: World,
    *,
    format_name: str,
    team: str | None = None,
    since: date | None = None,
    with_events: bool = False,
    console: Console | None = None,
) -> Tally:
    """Write the leads, with their events where asked; an old file of this name is replaced once the new one is whole.

    Raises:
        InvalidInputError: format, team or place make no sense; nothing was written.
    """
    screen = console or Console()
    company = world.config.current()
    zone = ZoneInfo(company.zone)
    choice = Choice(_team(team, company), datetime.combine(since, time(), zone) if since else None)
    kinds = {LEADS: LEAD_HEADINGS, **({EVENTS: EVENT_HEADINGS} if with_events else {})}
    tally = Tally(files=export_file.files(out, format_name, list(kinds)))
    as_text = format_name != "json"
    with export_file.opened(out, format_name, kinds) as sinks:
        for lead, person in _leads(world, choice, screen):
            row = lead_row(lead, person, company, zone)
            sinks[LEADS].write(row | {"clocks": [_words(each) for each in row["clocks"]]} if as_text else row)
            tally.leads += 1
            for event in world.store.readable(world.store.trail(lead.lead_id), person) if with_events else ():
                sinks[EVENTS].write(event_row(event, zone))
                tally.events += 1
    named = "、".join(str(file) for file in tally.files)
    events = f"、{tally.events:,} 个事件" if with_events else ""
    screen.print(f"已导出 {tally.leads:,} 条线索{events}：{named}", markup=False, highlight=False)
    screen.print("文件含明文姓名、电话和邮箱，请妥善保管", style="yellow")
    return tally


def lead_row(lead: Lead, person: Person | None, company: Company, zone: ZoneInfo) -> dict[str, Any]:
    """Return a lead as it is exported, times in ``zone``; of an erased person no name and no number."""
    owner = company.reps.get(lead.owner or "")
    team = company.teams.get(lead.team)
    return {
        "id": lead.lead_id,
        "name": person.contact.name if person else "",
        "phones": list(person.contact.phones) if person else [],
        "emails": list(person.contact.emails) if person else [],
        "sources": list(dict.fromkeys(entry.source for entry in lead.sources)),
        "stage": lead.stage,
        "status": lead.status,
        "owner": owner.name if owner else lead.owner,
        "owner_id": lead.owner,
        "team": team.name if team else lead.team,
        "received_at": _at(lead.received_at, zone),
        "first_touch_at": _at(lead.first_touch_at, zone),
        "clocks": [_clock(clock, zone) for clock in lead.clocks],
        "tags": list(lead.risk),
        "touches": lead.touches,
        "events": lead.seq,
        "origin": lead.origin,
        "merged_into": lead.merged_into,
    }


def event_row(event: Event, zone: ZoneInfo) -> dict[str, Any]:
    """Return an event as it is exported, times in ``zone``; a text that no key opens any more is absent."""
    return {
        "lead_id": event.lead_id,
        "seq": event.seq,
        "kind": event.kind,
        "occurred_at": _at(event.occurred_at, zone),
        "recorded_at": _at(event.recorded_at, zone),
        "actor": event.actor,
        "facts": event.facts,
        "text": event.text,
    }


def _leads(world: World, choice: Choice, screen: Console) -> Iterator[tuple[Lead, Person | None]]:
    """Yield the leads that are wanted with their people, oldest first."""
    lead_ids = world.store.lead_ids()
    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*shown, console=screen) as progress:
        task = progress.add_task("导出线索", total=len(lead_ids))
        for start in range(0, len(lead_ids), BATCH):
            ids = lead_ids[start : start + BATCH]
            yield from _batch(world, ids, choice)
            progress.advance(task, len(ids))


def _batch(world: World, lead_ids: Sequence[str], choice: Choice) -> Iterator[tuple[Lead, Person | None]]:
    found = world.store.leads(lead_ids)
    wanted = [found[lead_id] for lead_id in lead_ids if lead_id in found and choice.wants(found[lead_id])]
    people = world.store.persons(lead.person_id for lead in wanted) if wanted else {}
    for lead in wanted:
        yield lead, people.get(lead.person_id)


def _team(wanted: str | None, company: Company) -> str | None:
    if wanted is None:
        return None
    named = [team.id for team in company.teams.values() if wanted in (team.id, team.name)]
    if len(named) != 1:
        raise InvalidInputError("--team", f"公司没有小组 {wanted}（现有：{'、'.join(sorted(company.teams))}）")
    return named[0]


def _clock(clock: Clock, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "rule": clock.rule,
        "episode": clock.episode,
        "state": clock.state,
        "due_at": _at(clock.due_at, zone),
        "met_at": _at(clock.met_at, zone),
    }


def _words(clock: Mapping[str, Any]) -> str:
    return f"{clock['rule']}#{clock['episode']} {clock['state']} {clock['due_at']}"


def _at(at: datetime | None, zone: ZoneInfo) -> str | None:
    return at.astimezone(zone).isoformat(timespec="seconds") if at else None
