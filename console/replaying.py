"""`leadtrail replay`: deliveries that we have, through today's parser once more; only what differs takes effect.

`leadtrail parked` lists those that made no lead, `leadtrail rejected` the outlines of what senders got wrong. Only
ids, reasons and structures are printed. A dry run decides in earnest, over a client that can only read.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from console.sources import named
from functions.ingest import taking
from functions.ingest.sources import PROVIDERS
from leadtrail.adapters.table import ReceiptItem, RowItem
from leadtrail.domain.company import Company
from leadtrail.domain.errors import InvalidInputError, LeadtrailError
from leadtrail.domain.ids import new_id
from leadtrail.domain.instant import from_text, to_text
from leadtrail.runtime.wiring import World
from leadtrail.services import intake

READS = ("get_item", "batch_get_item", "query")
UNCHANGED, GONE, UNREAD, FAILED = "unchanged", "gone", "unread", "failed"
WORDS = {
    UNCHANGED: "没有变化",
    "corrected": "已补正",
    intake.CREATED: "新建线索",
    intake.MERGED: "并入线索",
    intake.PARKED: "仍然搁置",
    GONE: "原文已过期",
    UNREAD: "今天的解析认不出",
    FAILED: "未能处理",
}
SHOWN = 20
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Kept:
    """A delivery that we have: ``key`` is its receipt's; ``reason`` says why it is parked. ``received_at`` is UTC."""

    source: str
    key: str
    outcome: str
    received_at: datetime
    reason: str


@dataclass(slots=True)
class Tally:
    """How many deliveries came to what (the keys of ``WORDS``), and which could not be dealt with, and why."""

    counts: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[Kept, LeadtrailError]] = field(default_factory=list)

    @property
    def status(self) -> int:
        """The exit status: 0 unless some could not be dealt with."""
        return 1 if self.failed else 0


def run(
    world: World,
    *,
    source: str | None = None,
    since: str | None = None,
    only_parked: bool = False,
    dry_run: bool = False,
    console: Console | None = None,
) -> Tally:
    """Take deliveries again, the oldest first, and print what they came to.

    ``since`` is a day or a time, of the company's zone unless it says another.

    Raises:
        InvalidInputError: there is no such source, or nothing says what is meant.
    """
    screen = console or Console()
    company = world.config.current()
    if not only_parked and (source is None or since is None):
        raise InvalidInputError("replay", "请给出 --source 和 --since，或用 --parked 只重放搁置的")
    at = _moment(since, company.zone) if since else None
    wanted = sorted(kept(world, _sources(source, company), since=at), key=lambda one: one.received_at)
    wanted = [one for one in wanted if not only_parked or one.outcome == intake.PARKED]
    tally = _taken(wanted, _looking(world) if dry_run else world, screen)
    screen.print(f"{'试算' if dry_run else '重放'}了 {len(wanted):,} 条", style="green")
    for outcome, words in WORDS.items():
        if tally.counts[outcome]:
            screen.print(f"  {words} {tally.counts[outcome]:,}")
    for one, error in tally.failed[:SHOWN]:
        screen.print(f"  {one.source} {one.key[:8]}：{error}", style="red", markup=False)
    if dry_run:
        screen.print("没有写入任何内容；每条单独试算，同一个人的几条会各算一次", style="dim")
    return tally


def parked(world: World, *, source: str | None = None, console: Console | None = None) -> None:
    """Print the deliveries that made no lead, the oldest first, with the reason; times are the company's.

    Raises:
        InvalidInputError: there is no such source.
    """
    screen = console or Console()
    company = world.config.current()
    zone = ZoneInfo(company.zone)
    found = [one for one in kept(world, _sources(source, company)) if one.outcome == intake.PARKED]
    table = Table("来源", "收到时间", "原因", "回执", "线索")
    for one in sorted(found, key=lambda one: one.received_at):
        local = f"{one.received_at.astimezone(zone):%Y-%m-%d %H:%M}"
        table.add_row(one.source, local, one.reason, one.key[:8], "无")
    screen.print(table if found else "没有搁置的投递")


def rejected(world: World, *, source: str | None = None, console: Console | None = None) -> None:
    """Print the outlines kept of refused deliveries, whose senders had proved themselves; the newest first.

    Raises:
        InvalidInputError: there is no such source.
    """
    screen = console or Console()
    company = world.config.current()
    zone = ZoneInfo(company.zone)
    count = 0
    for name in _sources(source, company):
        for row in _samples(world, name):
            count += 1
            local = f"{from_text(row.doc['at']).astimezone(zone):%Y-%m-%d %H:%M}"
            reason = row.SK.partition("#")[2]
            screen.print(f"{name}  {local}  {reason}  {row.doc['detail']}", style="bold", markup=False)
            screen.print(f"  {row.doc['bytes']:,} 字节  {row.doc['content_type']}", markup=False)
            screen.print(f"  {json.dumps(row.doc['outline'], ensure_ascii=False)}", markup=False)
    if not count:
        screen.print("最近七天没有被拒绝的投递样本")


def kept(world: World, sources: Iterable[str], *, since: datetime | None = None) -> Iterator[Kept]:
    """Yield the deliveries of some sources that have not expired, in no order: a scan for each source."""
    now = world.now().timestamp()
    for source in sources:
        prefix = f"RECEIPT#{source}#"
        values = {":prefix": {"S": prefix}, ":sort": {"S": "RECEIPT"}, ":since": {"S": to_text(since or _EVER)}}
        pages = world.dynamodb.get_paginator("scan").paginate(
            TableName=world.settings.table,
            ConsistentRead=True,
            FilterExpression="begins_with(PK, :prefix) AND SK = :sort AND received_at >= :since",
            ExpressionAttributeValues=values,
        )
        for item in (item for page in pages for item in page["Items"]):
            row = ReceiptItem.from_raw_data(item)
            if row.expires_at is None or int(row.expires_at) > now:
                key, at = str(row.PK).removeprefix(prefix), from_text(str(row.received_at))
                yield Kept(source, key, str(row.outcome), at, str(row.reason or ""))


def _sources(source: str | None, company: Company) -> list[str]:
    """Return the one source that is meant, or all to which providers deliver: imported lists have no bodies."""
    if source is not None:
        return [named(source, company).id]
    return sorted(one.id for one in company.sources.values() if one.provider in PROVIDERS)


def _moment(text: str, zone: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError("since", "需要日期或时间，例如 2026-11-01 或 2026-11-01T09:00") from error


def _taken(wanted: list[Kept], world: World, screen: Console) -> Tally:
    tally = Tally()
    run_id = new_id(world.now())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen) as progress:
        for one in progress.track(wanted, description="重放"):
            try:
                tally.counts[_outcome(one, world, attempt=f"replay:{run_id}:{one.key}")] += 1
            except LeadtrailError as error:  # today's parser refuses it, or the table is busy: the others go on
                tally.counts[FAILED] += 1
                tally.failed.append((one, error))
    return tally


def _outcome(one: Kept, world: World, *, attempt: str) -> str:
    outcome = taking.take_again(one.source, one.key, world, attempt=attempt)
    if outcome is None:
        return GONE if world.store.kept_body(one.source, one.key) is None else UNREAD
    return UNCHANGED if outcome.outcome == intake.DUPLICATE else outcome.outcome


def _samples(world: World, source: str) -> Iterator[RowItem]:
    now = world.now().timestamp()
    for item in world.store.items(f"REJECTED#{source}", newest_first=True):
        row = RowItem.from_raw_data(item)
        if row.expires_at is None or int(row.expires_at) > now:
            yield row


class _Reading:
    """A DynamoDB client that reads, takes transactions without doing anything, and knows nothing else."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        if name == "transact_write_items":
            return lambda **_: {}
        if name in READS:
            return getattr(self._client, name)
        raise AttributeError(name)


def _looking(world: World) -> World:
    """Return the same world over a table that nothing is written to."""
    looking = copy.copy(world)
    for built in ("store", "config"):  # they hold the client that writes
        looking.__dict__.pop(built, None)
    looking.dynamodb = _Reading(world.dynamodb)
    return looking
