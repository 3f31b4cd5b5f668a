"""《高危线索预警日报》: what it says of one team and day, made once, pushed once, and again only when it says more.

The snapshot is the whole of the page: the page is a pure function of it, and it lies beside the page in S3. ``as_of``
is the instant that the report speaks of; what happened later is not in it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

from leadtrail.domain.clock import Clock
from leadtrail.domain.company import Company, Team
from leadtrail.domain.delivery import Contact
from leadtrail.domain.identity import veiled
from leadtrail.domain.ids import new_id
from leadtrail.domain.lead import RISK_TAGS
from leadtrail.domain.policy import DEFAULT
from leadtrail.domain.report import DAILY, Report, morning_of, report_id
from leadtrail.domain.routing import Route, routes
from leadtrail.services import chronicle, explaining, lateness
from leadtrail.services.lateness import LateLead
from leadtrail.services.ports import Configuration, Correction, Objects, OutboxRow, Reports, Store, Telling

PUSH: Final = "report"  # the kind of its outbox row
_BATCH: Final = 100  # of one batch read
_LOOKED_BACK: Final = 15  # days: longer than any holiday
_SEVERITY_TITLES: Final = {3: "总监级", 2: "主管级", 1: "负责人级"}
_SPANS: Final = (
    ("1小时内", timedelta(hours=1)),
    ("1至4小时", timedelta(hours=4)),
    ("4至8小时", timedelta(hours=8)),
    ("8至24小时", timedelta(hours=24)),
    ("24小时以上", timedelta.max),
)
_ESTIMATED: Final = "{year}年节假日安排尚未公布，相关时限按周历推算"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """A report as it stands now; ``is_new`` when this call made the version, ``channels`` where it pushed it."""

    report: Report
    is_new: bool
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sight:
    """What everything in one report is seen by: the company and its rules at ``as_of`` (aware UTC)."""

    company: Company
    config: Configuration
    as_of: datetime

    def local(self, at: datetime) -> str:
        """Return an instant in the company's zone, ISO 8601 to the second."""
        return at.astimezone(ZoneInfo(self.company.zone)).isoformat(timespec="seconds")


def is_reported_day(day: date, *, config: Configuration) -> bool:
    """Tell whether mornings of this day have a report: workdays of the default policy's calendar."""
    return config.calendar(config.company().policies[DEFAULT]).is_workday(day)


def moment_of(day: date, *, team: str, reports: Reports, zone: ZoneInfo, now: datetime) -> datetime:
    """Return the instant that an ordered report speaks of: now for today, else that day's morning.

    A past day that has a report is made again for that report's own instant, so that it answers the same.
    """
    if day == now.astimezone(zone).date():
        return now
    known = reports.report(report_id(DAILY, team, day))
    return known.as_of if known else morning_of(day, zone)


def make(
    team: str,
    *,
    day: date,
    as_of: datetime,
    store: Store,
    reports: Reports,
    objects: Objects,
    bucket: str,
    config: Configuration,
    render: Callable[[Mapping[str, Any]], str],
    public_base_url: str,
    now: datetime,
) -> Made:
    """Make a team's report of a day, unless the version that stands says just the same.

    The first version of a day is pushed to the managers, in the transaction that makes it; later ones are not.
    ``render`` turns the snapshot into a page.

    Raises:
        LookupError: there is no such team.
    """
    company = config.company()
    if team not in company.teams:
        raise LookupError(f"team {team}")
    late = lateness.late_leads(team, as_of=as_of, store=store, config=config, now=now)
    corrections = reports.corrections(team, since=corrected_since(day, config=config), until=as_of)
    people = [*(item.lead.person_id for item in late), *(each.person_id for each in corrections)]
    facts = snapshot(
        company.teams[team],
        day,
        late,
        sight=Sight(company, config, as_of),
        contacts=_contacts(people, store),
        public_base_url=public_base_url,
        told={item.lead.lead_id: lateness.told(item.lead.lead_id, as_of=as_of, store=store) for item in late},
        corrections=corrections,
        paused=reports.paused(team, as_of),
    )

    def attempt() -> Made:
        before = reports.report(facts["id"])
        if before and _is_same(before, facts, objects, bucket):
            return Made(before, is_new=False)
        whole = facts | {"version": before.version + 1 if before else 1}
        body = _bytes(whole)
        report = _named(whole, body, as_of=as_of, now=now)
        objects.put(bucket, report.snapshot_key, body, "application/json")
        objects.put(bucket, report.page_key, render(json.loads(body)).encode(), "text/html; charset=utf-8")
        push = () if before else _push(report, company, now)
        reports.save(report, before=before, push=push)
        return Made(report, is_new=True, channels=tuple(row.channel for row in push))

    return store.settled(attempt)


def snapshot(
    team: Team,
    day: date,
    late: Sequence[LateLead],
    *,
    sight: Sight,
    contacts: Mapping[str, Contact],
    public_base_url: str,
    told: Mapping[str, Sequence[Telling]] = MappingProxyType({}),
    corrections: Sequence[Correction] = (),
    paused: int = 0,
) -> Json:
    """Return everything that the page says, ordered as ``late`` is; only ``version`` is still to come.

    ``contacts`` by person id; a person who was erased has none. ``told`` by lead id, ``paused`` are leads. How many
    leads are open in all is not asked (None): counting them would cost pages of every lead that the team ever had.
    """
    return {
        "schema": 2,
        "kind": DAILY,
        "id": report_id(DAILY, team.id, day),
        "company": sight.company.name,
        "team": {"id": team.id, "name": team.name},
        "day": str(day),
        "as_of": sight.local(sight.as_of),
        "timezone": sight.company.zone,
        "public_base_url": public_base_url,
        "tags": {tag: sum(tag in item.lead.risk for item in late) for tag in RISK_TAGS},
        "open_leads": None,
        "at_risk": len(late),
        "paused": paused,
        "notes": _notes(late, sight),
        "leads": [_row(item, contacts.get(item.lead.person_id, Contact()), told, sight) for item in late],
        "corrections": [_correction(each, contacts.get(each.person_id, Contact()), sight) for each in corrections],
        "by_owner": _by_owner(late, sight),
        "by_overdue": _by_overdue(late),
        "by_severity": _by_severity(late),
        "anchor": None,
    }


def corrected_since(day: date, *, config: Configuration) -> datetime:
    """Return from when on a day's report tells of corrections: the morning of the reported day before, aware UTC.

    A company that works on none of the fourteen days before looks back over these.
    """
    zone = ZoneInfo(config.company().zone)
    before = (day - timedelta(days=number) for number in range(1, _LOOKED_BACK))
    last = next((each for each in before if is_reported_day(each, config=config)), None)
    return morning_of(last or day - timedelta(days=_LOOKED_BACK), zone)


def _contacts(people: Sequence[str], store: Store) -> dict[str, Contact]:
    ids = list(dict.fromkeys(people))
    batches = (ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH))
    return {person.person_id: person.contact for batch in batches for person in store.persons(batch).values()}


def _row(item: LateLead, contact: Contact, told: Mapping[str, Sequence[Telling]], sight: Sight) -> Json:
    lead = item.lead
    said = told.get(lead.lead_id, ())
    return {
        "id": lead.lead_id,
        "name": veiled(contact.name) or explaining.NAMELESS,
        "phone": explaining.shown_phone(contact),
        "owner": explaining.owner(lead.owner, sight.company),
        "stage": lead.stage,
        "source": explaining.source_title(lead.source, sight.company),
        "received_at": sight.local(lead.received_at),
        "tags": list(lead.risk),
        "severity": item.severity,
        "clocks": [_clock(clock, said, sight) for clock in item.clocks],
        "url": None,
    }


def _correction(each: Correction, contact: Contact, sight: Sight) -> Json:
    """Return a breach that was put right: whose, of which rule, when the answer came and when we learned of it."""
    rule = sight.config.policy(each.policy, each.policy_version).rule(each.rule)
    return {
        "id": each.lead_id,
        "name": veiled(contact.name) or explaining.NAMELESS,
        "phone": explaining.shown_phone(contact),
        "owner": explaining.owner(each.owner, sight.company),
        "title": rule.title if rule else each.rule,
        "due_at": sight.local(each.due_at),
        "answered_at": sight.local(each.answered_at) if each.answered_at else None,
        "learned_at": sight.local(each.learned_at),
    }


def _clock(clock: Clock, said: Sequence[Telling], sight: Sight) -> Json:
    own = [each for each in said if (each.rule, each.episode) == (clock.rule, clock.episode)]
    return {
        "rule": clock.rule,
        "title": explaining.title(clock, config=sight.config),
        "due_at": sight.local(clock.due_at),
        "breached_at": sight.local(clock.breached_at or clock.due_at),
        "overdue": explaining.overdue_words(clock, sight.as_of, config=sight.config),
        "level": clock.level,
        "level_title": explaining.level_title(clock),
        "budget": explaining.budget_words(clock, config=sight.config),
        "certainty": clock.certainty,
        "explain": explaining.explain(clock, config=sight.config),
        "told": [chronicle.told_as(clock, each, sight.company) for each in own],
    }


def _notes(late: Sequence[LateLead], sight: Sight) -> list[str]:
    years = {
        year
        for item in late
        for clock in item.clocks
        for year in explaining.estimated_years(clock, config=sight.config)
    }
    return [_ESTIMATED.format(year=year) for year in sorted(years)]


def _by_owner(late: Sequence[LateLead], sight: Sight) -> list[Json]:
    """Count by owner, the most first."""
    counts = Counter(item.lead.owner for item in late)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0] or ""))
    return [{"owner": explaining.owner(rep_id, sight.company), "count": count} for rep_id, count in ordered]


def _by_overdue(late: Sequence[LateLead]) -> list[Json]:
    groups: dict[str, list[str]] = {label: [] for label, _ in _SPANS}
    for item in late:
        label = next(label for label, limit in _SPANS if item.overdue < limit)
        groups[label].append(item.lead.lead_id)
    return [{"label": label, "count": len(ids), "leads": ids} for label, ids in groups.items()]


def _by_severity(late: Sequence[LateLead]) -> list[Json]:
    counts = Counter(item.severity for item in late)
    return [{"severity": level, "label": title, "count": counts[level]} for level, title in _SEVERITY_TITLES.items()]


def _is_same(before: Report, facts: Json, objects: Objects, bucket: str) -> bool:
    return objects.get(bucket, before.snapshot_key) == _bytes(facts | {"version": before.version})


def _named(facts: Json, body: bytes, *, as_of: datetime, now: datetime) -> Report:
    """Return the report that ``body`` is the snapshot of, under a name that only the same content can have."""
    team, day, version = facts["team"]["id"], facts["day"], facts["version"]
    digest = hashlib.sha256(body).hexdigest()[:12]
    return Report(
        id=facts["id"],
        kind=DAILY,
        team=team,
        day=date.fromisoformat(day),
        version=version,
        as_of=as_of,
        made_at=now,
        tags=facts["tags"],
        folder=f"reports/{DAILY}/{team}/{day}/{facts['id']}/v{version}-{digest}",
    )


def _bytes(facts: Json) -> bytes:
    """Return the snapshot as it rests; in its own order, for the page shows the three tags in theirs."""
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()


def _push(report: Report, company: Company, now: datetime) -> tuple[OutboxRow, ...]:
    """Return the message to the managers' group, or, where they have none, to each; () when nobody can be reached."""
    group = company.channel_for("manager", report.team)
    personal = () if group else routes(company, "manager", team=report.team, owner=None, now=now)
    ways = (Route(None, (group.id,)),) if group else personal
    facts = {"report": report.id, "team": report.team, "day": str(report.day), "tags": dict(report.tags)}
    return tuple(
        OutboxRow(
            channel=way.channels[0],
            id=new_id(now),
            kind=PUSH,
            send_at=now,
            facts={**facts, "to": way.to, "channels": list(way.channels), "tried": []},
        )
        for way in ways
    )
