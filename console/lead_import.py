"""``leadtrail leads import FILE``: a list that people keep becomes leads, all of it or nothing.

The whole file is read and shown first; while one row is wrong nothing is written, unless the bad rows may be left
out. Then each row is a delivery with a receipt: a second run adds nothing, and one that was killed goes on.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from console import columns, lead_preview, row_reading, spreadsheet
from console.columns import OWN, Table
from console.row_reading import Fault
from console.spreadsheet import Line
from leadtrail.domain.company import Company
from leadtrail.domain.errors import BusyError, InvalidInputError, StaleLeadError
from leadtrail.domain.ids import new_id
from leadtrail.runtime.wiring import World
from leadtrail.services import enlisting, intake
from leadtrail.services.enlisting import Entry

PROVIDER = "import"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that is not taken, and why; ``line`` holds its cells as they stand in the file."""

    line: Line
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A file as it would be imported: ``kind`` says how it was read, each row is in ``entries`` or ``refused``."""

    kind: str
    table: Table
    entries: tuple[Entry, ...]
    refused: tuple[Refused, ...]


@dataclass(slots=True)
class Tally:
    """What came of an import; ``is_done`` is False where nothing was to be written, or nobody said yes."""

    rows: int = 0
    refused: int = 0
    created: int = 0
    merged: int = 0
    known: int = 0
    seconds: float = 0.0
    is_done: bool = False
    errors: Path | None = None

    def count(self, outcome: str) -> None:
        """Count one row by what intake said of it."""
        self.created += outcome == intake.CREATED
        self.merged += outcome == intake.MERGED
        self.known += outcome == intake.DUPLICATE


def run(
    file: Path,
    world: World,
    *,
    source: str = "import",
    team: str | None = None,
    sheet: str | None = None,
    overrides: Mapping[str, str] | None = None,
    dry_run: bool = False,
    skip_bad: bool = False,
    agreed: Callable[[int], bool] = bool,
    console: Console | None = None,
) -> Tally:
    """Show what a file would become, and import it once ``agreed`` (asked with the number of rows) says so.

    Raises:
        InvalidInputError: the file, the source or the team make no sense; nothing was written.
        BusyError, StaleLeadError: the table cannot take it now; the same command goes on later.
    """
    screen = console or Console()
    company = world.config.current()
    _check_source(source, company)
    usual = _team(team, source, company)
    found = plan(file, world, team=usual, sheet=sheet, overrides=overrides or {})
    tally = Tally(rows=len(found.entries) + len(found.refused), refused=len(found.refused))
    lead_preview.show(screen, found.table, found.entries, kind=found.kind, refused=len(found.refused), company=company)
    _show_faults(found, screen)
    if dry_run:
        return tally
    tally.errors = _keep_errors(file, found, screen)
    if found.refused and not skip_bad:
        screen.print("有错误，未导入任何一行：修正后重新运行，或用 --skip-bad 只导入正确的行", style="red")
        return tally
    if found.entries and agreed(len(found.entries)):
        _import(found.entries, _sources(found.entries, world, source, usual), world, tally, screen)
    return tally


def plan(file: Path, world: World, *, team: str, sheet: str | None, overrides: Mapping[str, str]) -> Plan:
    """Read a file whole, and each of its rows.

    Raises:
        InvalidInputError: the file cannot be read, or nobody can be reached by what it holds.
    """
    read = spreadsheet.read(file, sheet)
    table = columns.table(read.lines, overrides)
    company, now = world.config.current(), world.now()
    entries: dict[str, Entry] = {}
    refused: list[Refused] = []
    for line in table.lines:
        entry = row_reading.read(table.row(line), company=company, team=team, now=now)
        if isinstance(entry, Entry) and entry.key in entries:
            entry = (Fault("", f"与第 {entries[entry.key].line} 行重复"),)
        if isinstance(entry, Entry):
            entries[entry.key] = entry
        else:
            refused.append(Refused(line, entry))
    if not table.lines:
        raise InvalidInputError("file", "表头下面没有数据")
    return Plan(read.kind, table, tuple(entries.values()), tuple(refused))


def overrides_of(options: Iterable[str]) -> dict[str, str]:
    """Read what the operator says of columns: ``列=字段`` each.

    Raises:
        InvalidInputError: one of them is not of this form.
    """
    pairs = [option.replace("＝", "=").rpartition("=") for option in options]
    if not all(heading and field for heading, _, field in pairs):
        raise InvalidInputError("--map", "写作 列=字段，例如 备用号=电话")
    return {heading: field for heading, _, field in pairs}


def _check_source(name: str, company: Company) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidInputError("--source", "只能用字母、数字、- 和 _，最多40个字符")
    known = company.sources.get(name)
    if known is not None and known.provider != PROVIDER:
        raise InvalidInputError("--source", f"来源 {name} 属于 {known.provider}，请换一个名字")


def _team(wanted: str | None, source: str, company: Company) -> str:
    """Return the team of rows that name none: the one asked for, the source's, or the only one there is."""
    if wanted is not None:
        named = [team.id for team in company.teams.values() if wanted in (team.id, team.name)]
        if len(named) != 1:
            raise InvalidInputError("--team", f"公司没有小组 {wanted}（现有：{'、'.join(sorted(company.teams))}）")
        return named[0]
    if source in company.sources:
        return company.sources[source].team
    return next(iter(company.teams)) if len(company.teams) == 1 else ""


def _import(entries: Sequence[Entry], sources: Mapping[str, str], world: World, tally: Tally, screen: Console) -> None:
    began = time.monotonic()
    run_id = new_id(world.now())
    try:
        for entry in _watched(entries, screen):
            outcome = enlisting.enlist(
                entry,
                source=sources[entry.team],
                store=world.store,
                config=world.config,
                new_person=world.new_person,
                attempt=f"{run_id}:{entry.line}",
                now=world.now,
            )
            tally.count(outcome.outcome)
    except (BusyError, StaleLeadError):
        screen.print("中途停下：再次运行同一条命令即可接着导入，已导入的行不会重复", style="red")
        raise
    tally.is_done = True
    tally.seconds = time.monotonic() - began
    screen.print(
        f"新线索 {tally.created:,} 条，并入已有线索 {tally.merged:,} 条，此前已导入 {tally.known:,} 条；"
        f"用时 {tally.seconds:.1f} 秒"
    )


def _sources(entries: Sequence[Entry], world: World, name: str, team: str) -> dict[str, str]:
    """Return the source of each team, made where there is none: ``name`` for the usual team, ``name-team`` for others.

    Raises:
        InvalidInputError: such a name belongs to another source.
    """
    company = world.config.current()
    teams = sorted({entry.team for entry in entries})
    usual = company.sources[name].team if name in company.sources else team or teams[0]
    named = {each: name if each == usual else f"{name}-{each}" for each in teams}
    for each, source in named.items():
        known = company.sources.get(source)
        if known is not None and (known.provider, known.team) != (PROVIDER, each):
            raise InvalidInputError("--source", f"来源 {source} 已有别的用途，请换一个名字")
        if known is None:
            _make(source, each, world)
    world.config.current()
    return named


def _make(source: str, team: str, world: World) -> None:
    body = {"provider": PROVIDER, "team": team, "secret": f"source/{source}"}
    world.store.settled(lambda: world.config.put("source", source, body, now=world.now()))


def _show_faults(found: Plan, screen: Console) -> None:
    for each in found.refused[: lead_preview.SHOWN]:
        where, why = _words(each, found.table)
        screen.print(f"第 {each.line.number} 行，{where}：{why}", style="yellow", markup=False, highlight=False)
    if len(found.refused) > lead_preview.SHOWN:
        screen.print(f"……另有 {len(found.refused) - lead_preview.SHOWN:,} 行有误", style="yellow")


def _keep_errors(file: Path, found: Plan, screen: Console) -> Path | None:
    """Write the refused rows as they stood, with line, column and reason; mended, that file is imported again."""
    target = file.with_name(f"{file.name}.errors.csv")
    if not found.refused:
        target.unlink(missing_ok=True)
        return None
    header = (*OWN, *(column.heading for column in found.table.columns if column.heading not in OWN))
    kept = [column.index for column in found.table.columns if column.heading not in OWN]
    spreadsheet.write_csv(target, [header, *(_error_row(each, kept, found.table) for each in found.refused)])
    screen.print(f"错误的行及原因见 {target}", style="yellow", markup=False, highlight=False)
    return target


def _error_row(refused: Refused, kept: Sequence[int], table: Table) -> tuple[str, ...]:
    cells = refused.line.cells
    row = [cells[index] if index < len(cells) else "" for index in kept]
    return (str(refused.line.number), *_words(refused, table), *row, *cells[len(table.columns) :])


def _words(refused: Refused, table: Table) -> tuple[str, str]:
    """Return the columns and the reasons of a refusal."""
    places = dict.fromkeys(table.heading(fault.field) if fault.field else "整行" for fault in refused.faults)
    return "；".join(places), "；".join(dict.fromkeys(fault.why for fault in refused.faults))


def _watched(entries: Sequence[Entry], screen: Console) -> Iterator[Entry]:
    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*shown, console=screen) as progress:
        yield from progress.track(entries, description="导入线索")
