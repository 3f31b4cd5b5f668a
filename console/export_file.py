"""The files of an export: CSV, XLSX and JSON lines, row by row, with no cell that a spreadsheet would execute.

A file appears under its name when it is whole, readable by its owner only; a second kind of rows goes into a second
sheet of a workbook, else into a file beside (leads.csv, leads.events.csv).
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import xlsxwriter

from console.spreadsheet import inert, storable
from leadtrail.domain.errors import InvalidInputError

FORMATS = ("csv", "xlsx", "json")
SHEET_ROWS = 1_048_576
CELL_LETTERS = 32_767
Row = Mapping[str, Any]  # texts, whole numbers, None, and lists and objects of them


class Sink(Protocol):
    """Where the rows of one kind go."""

    def write(self, row: Row) -> None:
        """Take one row; its keys are the columns of this kind."""


@contextmanager
def opened(file: Path, format_name: str, kinds: Mapping[str, Mapping[str, str]]) -> Iterator[dict[str, Sink]]:
    """Yield a sink for each kind of rows; ``kinds`` gives the heading of each column.

    The files come to stand under their names when the block ends well; otherwise nothing is left.

    Raises:
        InvalidInputError: a format that there is not, or a place that cannot be written.
    """
    if format_name not in FORMATS:
        raise InvalidInputError("--format", f"只能是 {'、'.join(FORMATS)} 之一")
    first = next(iter(kinds))
    names = [first] if format_name == "xlsx" else list(kinds)
    targets = {kind: file if kind == first else _beside(file, kind) for kind in names}
    drafts = {kind: target.with_name(f".{target.name}.part") for kind, target in targets.items()}
    try:
        try:
            for draft in drafts.values():
                draft.unlink(missing_ok=True)
                draft.touch(mode=0o600)
        except OSError as error:
            raise InvalidInputError("--out", f"无法写入 {file}（{error.strerror}）") from error
        with ExitStack() as stack:
            yield _sinks(format_name, drafts, kinds, stack)
        for kind, draft in drafts.items():
            draft.replace(targets[kind])
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


def files(file: Path, format_name: str, kinds: Sequence[str]) -> tuple[Path, ...]:
    """Return the files that an export of these kinds of rows leaves."""
    return (file,) if format_name == "xlsx" else (file, *(_beside(file, kind) for kind in kinds[1:]))


def _beside(file: Path, kind: str) -> Path:
    return file.with_name(f"{file.stem}.{kind}{file.suffix}")


def _sinks(
    format_name: str, drafts: Mapping[str, Path], kinds: Mapping[str, Mapping[str, str]], stack: ExitStack
) -> dict[str, Sink]:
    if format_name == "xlsx":
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="leadtrail-export-"))
        options = {"constant_memory": True, "tmpdir": folder, "in_memory": False}
        never = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
        book = stack.enter_context(xlsxwriter.Workbook(str(next(iter(drafts.values()))), {**options, **never}))
        return {kind: _SheetSink(book.add_worksheet(kind), headings) for kind, headings in kinds.items()}
    sinks: dict[str, Sink] = {}
    for kind, draft in drafts.items():
        encoding = "utf-8-sig" if format_name == "csv" else "utf-8"
        lines = stack.enter_context(draft.open("w", encoding=encoding, newline=""))
        sinks[kind] = _CsvSink(csv.writer(lines), kinds[kind]) if format_name == "csv" else _JsonSink(lines)
    return sinks


class _CsvSink:
    def __init__(self, writer: Any, headings: Mapping[str, str]) -> None:
        self._writer = writer
        self._columns = tuple(headings)
        writer.writerow(headings.values())

    def write(self, row: Row) -> None:
        cells = (row[column] for column in self._columns)
        self._writer.writerow([cell if isinstance(cell, int) else inert(_text(cell)) for cell in cells])


class _SheetSink:
    def __init__(self, sheet: Any, headings: Mapping[str, str]) -> None:
        self._sheet = sheet
        self._columns = tuple(headings)
        self._next = 0
        sheet.freeze_panes(1, 0)
        self.write(headings)

    def write(self, row: Row) -> None:
        if self._next >= SHEET_ROWS:
            raise InvalidInputError(
                "--format", f"一张工作表最多 {SHEET_ROWS:,} 行，请改用 csv 或 json，或用 --since 缩小范围"
            )
        for place, column in enumerate(self._columns):
            cell = row[column]
            if isinstance(cell, int):
                self._sheet.write_number(self._next, place, cell)
            else:
                self._sheet.write_string(self._next, place, _fitted(storable(_text(cell))))
        self._next += 1


class _JsonSink:
    def __init__(self, lines: Any) -> None:
        self._lines = lines

    def write(self, row: Row) -> None:
        self._lines.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace").decode() + "\n")


def _text(cell: object) -> str:
    """Return a cell in words: a list of texts joined, what is deeper as JSON."""
    if cell is None:
        return ""
    if isinstance(cell, list | tuple):
        return "；".join(_text(each) for each in cell)
    if isinstance(cell, Mapping):
        return json.dumps(cell, ensure_ascii=False, sort_keys=True)
    return str(cell)


def _fitted(text: str) -> str:
    """Return text as a cell holds it: lines end as Excel ends them, and what is too long is seen to be cut."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if len(text) <= CELL_LETTERS else f"{text[: CELL_LETTERS - 1]}…"
