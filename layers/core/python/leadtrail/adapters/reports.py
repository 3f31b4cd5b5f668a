"""Reports and links in the table: which versions there are, who may open them, and who did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import date, datetime
from itertools import islice
from typing import Any

from leadtrail.adapters import team_day, telling_rows
from leadtrail.adapters.rows import ABSENT, Mark, Write
from leadtrail.adapters.store import TableStore
from leadtrail.adapters.table import OutboxItem, Raw, ReportItem, RowItem, lead_key
from leadtrail.adapters.values import telling_from_item
from leadtrail.domain.errors import BusyError
from leadtrail.domain.identity import Identity
from leadtrail.domain.instant import from_text, to_text
from leadtrail.domain.report import LINK_KEPT, OPENING_KEPT, Link, Opening, Report
from leadtrail.services.ports import ConflictError, Correction, OutboxRow, Telling

WAITING = "waiting"  # the state of a message that has not been taken yet


class TableReports:
    """The reports' items; reads and writes go through the one store."""

    def __init__(self, store: TableStore) -> None:
        self._store = store

    def report(self, report_id: str) -> Report | None:
        """Return the newest version of a report."""
        item = self._store.get(_report_key(report_id))
        return _report(item) if item else None

    def listed(
        self, kind: str, teams: Iterable[str], *, day: date | None, after: str | None, limit: int
    ) -> tuple[Report, ...]:
        """Return up to ``limit`` reports of these teams, newest day first, behind the sort key ``after``."""
        found: list[str] = []
        for team in teams:
            options: dict[str, Any] = {"prefix": f"{day}#"} if day else {"below": after} if after else {}
            rows_found = self._store.items(f"REPORTS#{kind}#{team}", newest_first=True, limit=limit, **options)
            keys = (item["SK"]["S"] for item in rows_found)
            found += islice((key for key in keys if after is None or key < after), limit)
        chosen = sorted(found, reverse=True)[:limit]
        items = self._store.batch(_report_key(key.split("#")[1]) for key in chosen)
        return tuple(_report(items[f"REPORT#{key.split('#')[1]}", "REPORT"]) for key in chosen)

    def save(self, report: Report, *, before: Report | None, push: Sequence[OutboxRow]) -> None:
        """Write a version, its place in the team's list and its push in one transaction.

        Raises:
            ConflictError: somebody made a version meanwhile.
        """
        key = _report_key(report.id)
        item = ReportItem(PK=key["PK"], SK=key["SK"], version=report.version, doc=_report_doc(report))
        condition = Write(item, "version = :version", _number(before.version)) if before else Write(item, ABSENT)
        listed = RowItem(PK=f"REPORTS#{report.kind}#{report.team}", SK=report.sort_key)
        self._store.write([condition, Write(listed), *map(telling_rows.outbox, push)])

    # -- links -----------------------------------------------------------------------------------

    def hash_link(self, token: str) -> str:
        """Return the keyed hash under which a link rests; it is kept apart from those of identities by its kind."""
        return self._store.hash_identity(Identity("link", token))

    def link(self, hashed: str) -> Link | None:
        """Return a link, alive or not."""
        item = self._store.get({"PK": f"LINK#{hashed}", "SK": "LINK"})
        return _link(item) if item else None

    def save_links(self, links: Sequence[Link]) -> None:
        """Write up to 100 new links."""
        self._store.write([Write(_link_item(link), ABSENT) for link in links])

    def generations(self, report_ids: Iterable[str]) -> dict[str, int]:
        """Return how often the links of each report have been revoked."""
        wanted = list(report_ids)
        items = self._store.batch(_generation_key(report_id) for report_id in wanted)
        found = {
            key[0].removeprefix("REPORT#"): int(ReportItem.from_raw_data(row).version) for key, row in items.items()
        }
        return {report_id: found.get(report_id, 0) for report_id in wanted}

    def revoke_links(self, report_id: str) -> None:
        """Move the generation of a report's links on.

        Raises:
            ConflictError: somebody revoked them at the same moment.
        """
        generation = self.generations([report_id])[report_id]
        key = _generation_key(report_id)
        item = ReportItem(PK=key["PK"], SK=key["SK"], version=generation + 1)
        write = Write(item, "version = :version", _number(generation)) if generation else Write(item, ABSENT)
        self._store.write([write])

    def log_opening(self, opening: Opening) -> None:
        """Keep that a link was followed."""
        doc = {
            "at": to_text(opening.at),
            "recipient": opening.recipient,
            "agent": opening.agent,
            "address": opening.address,
        }
        gone_at = int((opening.at + OPENING_KEPT).timestamp())
        self._store.write(
            [Write(RowItem(PK=f"LINK#{opening.link}", SK=f"OPENED#{opening.id}", doc=doc, expires_at=gone_at))]
        )

    def told(self, lead_id: str, row_id: str, channels: Iterable[str]) -> Telling | None:
        """Return the message that a link speaks of: its line of the ledger, or its row while it waits. One batch."""
        line = lead_key(lead_id, f"TOLD#{row_id}")
        found = self._store.batch([line, *({"PK": f"OUTBOX#{channel}", "SK": row_id} for channel in channels)])
        said = found.pop((line["PK"], line["SK"]), None)
        if said:
            return telling_from_item(said)
        return next((_waiting(item, lead_id) for item in found.values()), None)

    def note_seen(self, lead_id: str, row_id: str, at: datetime) -> None:
        """Keep when a message was first seen, if its line of the ledger is there.

        A line that is still being written, or says so already, stays as it is: opening a link never fails for it.
        """
        mark = Mark(lead_key(lead_id, f"TOLD#{row_id}"), "seen_at", {"S": to_text(at)})
        with suppress(ConflictError, BusyError):
            self._store.write([mark])

    def corrections(self, team: str, *, since: datetime, until: datetime) -> tuple[Correction, ...]:
        """Return a team's breaches that were put right after ``since``, up to ``until``, as we learned of them."""
        span = (f"{to_text(since)}~", f"{to_text(until)}~")
        items = self._store.items(team_day.corrected_partition(team), between=span)
        return tuple(team_day.correction_from_item(item) for item in items)

    def paused(self, team: str, at: datetime) -> int:
        """Return how many leads of a team had a clock that rested at ``at``."""
        items = self._store.items(team_day.paused_partition(team), above=f"{to_text(at)}~")
        resting = (team_day.paused_lead(item) for item in items)
        return len({lead_id for lead_id, since in resting if since <= at})

    def openings(self, hashed: str) -> tuple[Opening, ...]:
        """Return the openings of a link, oldest first."""
        return tuple(_opening(item) for item in self._store.items(f"LINK#{hashed}", prefix="OPENED#"))


def _waiting(item: Raw, lead_id: str) -> Telling:
    row = OutboxItem.from_raw_data(item)
    facts: dict[str, Any] = row.facts
    return Telling(
        id=row.SK,
        lead_id=lead_id,
        alert_id=facts["alert"],
        rule=facts["rule"],
        episode=int(facts["episode"]),
        level=int(facts["level"]),
        to=facts.get("to"),
        channel=row.PK.removeprefix("OUTBOX#"),
        state=WAITING,
        at=from_text(row.send_at),
    )


def _report_key(report_id: str) -> dict[str, str]:
    return {"PK": f"REPORT#{report_id}", "SK": "REPORT"}


def _generation_key(report_id: str) -> dict[str, str]:
    return {"PK": f"REPORT#{report_id}", "SK": "LINKS"}


def _number(value: int) -> Raw:
    return {":version": {"N": str(value)}}


def _report_doc(report: Report) -> dict[str, Any]:
    return {
        "kind": report.kind,
        "team": report.team,
        "day": str(report.day),
        "as_of": to_text(report.as_of),
        "made_at": to_text(report.made_at),
        "tags": dict(report.tags),
        "folder": report.folder,
    }


def _report(item: Raw) -> Report:
    row = ReportItem.from_raw_data(item)
    doc: dict[str, Any] = row.doc
    return Report(
        id=row.PK.removeprefix("REPORT#"),
        kind=doc["kind"],
        team=doc["team"],
        day=date.fromisoformat(doc["day"]),
        version=int(row.version),
        as_of=from_text(doc["as_of"]),
        made_at=from_text(doc["made_at"]),
        tags=doc["tags"],
        folder=doc["folder"],
    )


def _link_item(link: Link) -> RowItem:
    doc = {
        "target": link.target,
        "recipient": link.recipient,
        "generation": link.generation,
        "made_at": to_text(link.made_at),
        "until": to_text(link.until),
    }
    gone_at = int((link.until + LINK_KEPT).timestamp())
    return RowItem(PK=f"LINK#{link.hash}", SK="LINK", doc=doc, expires_at=gone_at)


def _link(item: Raw) -> Link:
    row = RowItem.from_raw_data(item)
    doc: dict[str, Any] = row.doc
    return Link(
        hash=row.PK.removeprefix("LINK#"),
        target=doc["target"],
        recipient=doc["recipient"],
        generation=doc["generation"],
        made_at=from_text(doc["made_at"]),
        until=from_text(doc["until"]),
    )


def _opening(item: Raw) -> Opening:
    row = RowItem.from_raw_data(item)
    doc: dict[str, Any] = row.doc
    return Opening(
        id=row.SK.removeprefix("OPENED#"),
        link=row.PK.removeprefix("LINK#"),
        at=from_text(doc["at"]),
        recipient=doc["recipient"],
        agent=doc["agent"],
        address=doc["address"],
    )
