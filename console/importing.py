"""``leadtrail import FILE --mapping M.toml``: an event history of another system becomes trails, once.

Each case is told by `leadtrail.domain.history` and written in one transaction (long ones in several, each
conditional on the one before). The receipt of a case stands in its last transaction, and everything about a case
follows from its rows and from the policy that the import's job pins: so a second run adds nothing, and a run that
was killed goes on where it was, in the middle of a case too. Rows that make no sense go to ``<file>.rejected.csv``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from console import history_file
from console.history_file import Plan, Rejected, Rows
from leadtrail.adapters import cipher
from leadtrail.adapters.rows import ABSENT, Write
from leadtrail.adapters.store import TableStore
from leadtrail.adapters.table import RowItem
from leadtrail.domain import history
from leadtrail.domain.delivery import Contact
from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.history import Case, Reading, SourceEvent
from leadtrail.domain.instant import cut, from_text, to_text
from leadtrail.domain.lead import Lead
from leadtrail.domain.lifecycle import Timing
from leadtrail.domain.trail import Happening
from leadtrail.runtime.wiring import World
from leadtrail.services.ports import Change, ConflictError, Person, Receipt

ITEMS = 90  # of the 100 that one transaction may hold
BESIDES = 4  # projection, contact, the contact's list of leads, receipt
BATCH = 100  # receipts read at once
WORKERS = 3
CHANGED = "该案件已按另一份内容导入，未作改动 (imported before with other rows; nothing was changed)"


class ChangedCaseError(Exception):
    """What stands in the table of a case is not what its rows say now."""


@dataclass(slots=True)
class Tally:
    """What an import did; of ``rows``, ``facts + merged + rejected`` account for every one.

    ``facts`` are rows that stand on a trail as an event of their own, ``merged`` rows that went into calls, two each.
    ``added`` leads and ``events`` are this run's; ``known`` leads were in already.
    """

    rows: int = 0
    facts: int = 0
    merged: int = 0
    rejected: int = 0
    added: int = 0
    known: int = 0
    events: int = 0
    breaches: int = 0
    seconds: float = 0.0

    @property
    def adds_up(self) -> bool:
        """True when every row is accounted for."""
        return self.rows == self.facts + self.merged + self.rejected


@dataclass(frozen=True, slots=True)
class Job:
    """One import of one file with one mapping: what its first run settled for all its runs."""

    source: str
    plan: Plan
    timing: Timing
    until: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Done:
    """One case after its turn; ``added`` counts the trail events of this run, None for a case that was changed."""

    case: Case
    added: int | None
    breaches: int = 0


def run(
    file: Path,
    mapping: Path,
    world: World,
    *,
    rejects: Path | None = None,
    workers: int = WORKERS,
    console: Console | None = None,
) -> Tally:
    """Import a history; show progress, and print the account.

    Raises:
        InvalidInputError: file, mapping or team make no sense; nothing was written.
        BusyError: the table cannot take it now; the same command goes on later.
    """
    screen = console or Console()
    began = time.monotonic()
    plan = history_file.plan(mapping)
    rows = history_file.rows(file, plan, now=world.now())
    rejected = list(rows.rejected)
    tally = Tally(rows=rows.total)
    cases = list(_cases(rows, plan, rejected))
    if cases:
        job = settle(rows, plan, world)
        for done in _watched(_all(cases, job, world.store, workers), cases, screen):
            _account(done, tally, rejected)
    tally.rejected = len(rejected)
    tally.seconds = time.monotonic() - began
    target = rejects or file.with_name(f"{file.name}.rejected.csv")
    if rejected:
        history_file.write_rejected(target, rejected)
    else:
        target.unlink(missing_ok=True)
    _show(tally, target, screen)
    return tally


def settle(rows: Rows, plan: Plan, world: World) -> Job:
    """Return the job of this file and mapping, made now or by the run that was killed.

    Raises:
        InvalidInputError: the team is none of the company's.
    """
    company = world.config.current()
    reading = plan.reading
    if reading.team not in company.teams:
        raise InvalidInputError("team", f"公司没有小组 {reading.team}(现有：{'、'.join(sorted(company.teams))})")
    key = sha256(f"{rows.sha256}{plan.sha256}".encode()).hexdigest()[:40]
    at = {"PK": f"JOB#import#{key}", "SK": "JOB"}
    now = cut(world.now())
    policy = company.policy_for(source=reading.source, team=reading.team)
    doc: dict[str, Any] = {
        "source": reading.source,
        "policy": policy.name,
        "policy_version": policy.version,
        "until": to_text(rows.until or now),
        "started_at": to_text(now),
    }
    try:
        world.store.write([Write(RowItem(PK=at["PK"], SK=at["SK"], doc=doc), ABSENT)])
    except ConflictError:
        known = world.store.get(at)
        if known is None:  # another writer's transaction was under way
            raise
        doc = RowItem.from_raw_data(known).doc
        policy = world.config.policy(doc["policy"], int(doc["policy_version"]))
    _know_stages(reading, world)
    timing = Timing(policy, world.config.calendar(policy), history=True)
    return Job(f"import:{reading.source}", plan, timing, from_text(doc["until"]), now)


def _know_stages(reading: Reading, world: World) -> None:
    """Add the stages of this history to the company's: people can ask for them from then on."""
    stages = list(dict.fromkeys(meaning.stage for meaning in reading.meanings.values() if meaning.stage))
    if stages and world.config.configured("pipeline", reading.source) != {"stages": stages}:
        world.config.put("pipeline", reading.source, {"stages": stages}, now=world.now())


def bring_in(case: Case, job: Job, store: TableStore) -> Done:
    """Write what is missing of one case: usually all, after a killed run the rest.

    Raises:
        BusyError, StaleLeadError: as `TableStore.commit` and `settled`.
    """
    told = history.story(case, job.plan.reading, job.timing, until=job.until)
    tries = 0

    def once() -> int:
        nonlocal tries
        tries += 1
        if tries == 1:  # nearly always nothing of the case is there, and the condition of the write says so
            return _write(case, told, None, job, store)
        receipt = store.receipt(job.source, case.receipt)
        if receipt is None:
            return _write(case, told, _resumed(case, told, store), job, store)
        if receipt.body_sha256 != case.digest:
            raise ChangedCaseError
        return 0

    try:
        added = store.settled(once)
    except ChangedCaseError:
        return Done(case, None)
    return Done(case, added, sum(each.kind == "clock.breached" for each in told))


def _resumed(case: Case, told: Sequence[Happening], store: TableStore) -> Lead | None:
    """Return the lead as far as it is in; raises ChangedCaseError where that is not how its story begins."""
    lead, events = store.lead_and_trail(case.lead_id)
    begins = len(events) < len(told) and all(
        (event.kind, event.occurred_at, event.facts) == (each.kind, each.occurred_at, each.facts)
        for event, each in zip(events, told, strict=False)
    )
    if not begins:
        raise ChangedCaseError
    return lead


def _write(case: Case, told: Sequence[Happening], lead: Lead | None, job: Job, store: TableStore) -> int:
    """Write the story from where ``lead`` ends, one transaction after the other; return how many events that took."""
    begun = lead.seq if lead else 0
    rest = told[begun:]
    while rest:
        part, rest = _portion(rest)
        proof = None if rest else _receipt(case, job, len(told))
        person = None if lead else _person(case, job)
        change = Change(
            lead_id=case.lead_id,
            recorded_at=job.recorded_at,
            lead=lead,
            happenings=part,
            person=person,
            new_person=person is not None,
            receipt=proof,
        )
        lead = store.commit(change).lead
    return len(told) - begun


def _portion(told: Sequence[Happening]) -> tuple[Sequence[Happening], Sequence[Happening]]:
    """Cut off what one transaction holds: each event is an item, and each clock that it touches."""
    clocks: set[tuple[str, int]] = set()
    for number, each in enumerate(told):
        if each.kind.startswith("clock."):
            clocks.add((each.facts["rule"], each.facts["episode"]))
        if BESIDES + number + 1 + len(clocks) > ITEMS:
            return told[:number], told[number:]
    return told, ()


def _person(case: Case, job: Job) -> Person:
    return Person(case.person_id, Contact(job.plan.name(case.key)), cipher.new_key(), cipher.new_salt())


def _receipt(case: Case, job: Job, events: int) -> Receipt:
    return Receipt(
        source=job.source,
        key=case.receipt,
        outcome="imported",
        lead_id=case.lead_id,
        attempt=job.source,
        received_at=job.recorded_at,
        body_sha256=case.digest,
        answer={"source_events": len(case.events), "calls": len(case.ends), "events": events},
    )


def _cases(rows: Rows, plan: Plan, rejected: list[Rejected]) -> Iterator[Case]:
    for key, events in rows.cases.items():
        case, refused = history.read(key, events, plan.reading)
        rejected += [_rejected(key, each.event, each.why) for each in refused]
        if case is not None:
            yield case


def _rejected(key: str, event: SourceEvent, why: str) -> Rejected:
    row = (key, event.activity, event.lifecycle, event.resource, to_text(event.at), event.amount)
    return Rejected(event.line, why, row)


def _all(cases: Sequence[Case], job: Job, store: TableStore, workers: int) -> Iterator[Done]:
    """Bring in the cases, some at once; what is in by its receipt is only compared."""
    known: dict[str, str | None] = {}
    for start in range(0, len(cases), BATCH):
        found = store.receipts(job.source, [case.receipt for case in cases[start : start + BATCH]])
        known |= {key: receipt.body_sha256 for key, receipt in found.items()}

    def one(case: Case) -> Done:
        if case.receipt in known:
            return Done(case, 0 if known[case.receipt] == case.digest else None)
        return bring_in(case, job, store)

    with ThreadPoolExecutor(workers) as pool:
        try:
            yield from pool.map(one, cases)
        finally:
            pool.shutdown(cancel_futures=True)  # after a Ctrl-C only what is under way is finished


def _account(done: Done, tally: Tally, rejected: list[Rejected]) -> None:
    if done.added is None:
        rejected += [_rejected(done.case.key, event, CHANGED) for event in done.case.events]
        return
    tally.merged += done.case.merged
    tally.facts += len(done.case.events) - done.case.merged
    tally.added += done.added > 0
    tally.known += done.added == 0
    tally.events += done.added
    tally.breaches += done.breaches


def _watched(found: Iterable[Done], cases: Sequence[Case], screen: Console) -> Iterator[Done]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen) as progress:
        task = progress.add_task("导入历史", total=sum(len(case.events) for case in cases))
        for done in found:
            progress.advance(task, len(done.case.events))
            yield done


def _show(tally: Tally, rejects: Path, screen: Console) -> None:
    table = Table("源数据", "行数")
    table.add_row("成为事件", f"{tally.facts:,}")
    table.add_row("合并成通话(两行一通)", f"{tally.merged:,}")
    table.add_row("拒绝", f"{tally.rejected:,}")
    table.add_row("合计" if tally.adds_up else "合计与总行数不符！", f"{tally.facts + tally.merged + tally.rejected:,}")
    table.add_row("文件总行数", f"{tally.rows:,}")
    screen.print(table)
    rate = tally.rows / max(tally.seconds, 0.001)
    screen.print(
        f"新增 {tally.added:,} 条线索、{tally.events:,} 个事件(其中超时 {tally.breaches:,} 次),"
        f"{tally.known:,} 条此前已导入"
    )
    screen.print(f"用时 {tally.seconds:.0f} 秒，每秒 {rate:,.0f} 行")
    if tally.rejected:
        screen.print(f"被拒绝的行及原因见 {rejects}", style="yellow", markup=False)
