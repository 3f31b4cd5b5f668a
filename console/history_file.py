"""The file of an import and its mapping: CSV rows (gzip too) into source events by case, bad rows with their reason."""

from __future__ import annotations

import csv
import gzip
import json
import tomllib
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from sys import intern
from typing import IO, Any

from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.history import CALL, MEANINGS, RECEIVED, Meaning, Reading, SourceEvent
from leadtrail.domain.instant import from_text

LONGEST = 200  # characters of a case, activity or resource
GZIP = b"\x1f\x8b"
SECTIONS = ("source", "team", "contact", "direction", "columns", "amount", "lifecycle", "activities", "owners")
NEEDED_COLUMNS = ("case", "activity", "lifecycle", "time")
COLUMNS = (*NEEDED_COLUMNS, "resource", "amount")

UNREADABLE = "这一行不是有效的 CSV (not readable as CSV)"
WRONG_WIDTH = "列数与表头不一致 (not as many columns as the header)"
NO_CASE = "缺少案件编号 (the case id is missing)"
NO_ACTIVITY = "缺少活动名称 (the activity is missing)"
BAD_TEXT = "文字过长或含有无效字符 (too long, or not printable text)"
BAD_TIME = "时间无法识别，须为带时区的 ISO 8601 (not an ISO 8601 time with an offset)"
FUTURE = "时间晚于现在 (in the future)"
BAD_LIFECYCLE = "未知的生命周期 (unknown lifecycle)"
TWICE = "与前面的一行完全相同 (the same row stands above)"


@dataclass(frozen=True, slots=True)
class Plan:
    """A mapping file: how the columns are called, how activities are read, what a contact is called."""

    reading: Reading
    columns: Mapping[str, str]
    lifecycles: frozenset[str]
    contact: str
    sha256: str

    def name(self, case: str) -> str:
        """Return the contact's name for a case."""
        return self.contact.replace("{case}", case)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that is not taken: its line in the file (1 is the header), why, and what stood there."""

    line: int
    why: str
    row: Sequence[str]


@dataclass(slots=True)
class Rows:
    """What a file holds: ``total`` rows, each in one of ``cases`` or ``rejected``; ``until`` is its last instant."""

    sha256: str
    total: int = 0
    cases: dict[str, list[SourceEvent]] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    until: datetime | None = None


def plan(file: Path) -> Plan:
    """Read a mapping file.

    Raises:
        InvalidInputError: names the entry and what is wrong with it.
    """
    try:
        raw = file.read_bytes()
        body = tomllib.loads(raw.decode("utf-8"))
    except OSError as error:
        raise InvalidInputError("mapping", f"无法读取 {file}({error.strerror})") from error
    except ValueError as error:
        raise InvalidInputError("mapping", f"{file.name} 不是有效的 TOML:{error}") from error
    unknown = sorted(set(body) - set(SECTIONS))
    if unknown:
        raise InvalidInputError(unknown[0], "映射文件没有这一项")
    lifecycle = _table(body, "lifecycle")
    start, complete = _text(lifecycle, "start", "lifecycle."), _text(lifecycle, "complete", "lifecycle.")
    direction = body.get("direction", "out")
    if direction not in ("in", "out"):
        raise InvalidInputError("direction", "只能是 in 或 out")
    reading = Reading(
        source=_source(body),
        team=_text(body, "team"),
        meanings=_meanings(_table(body, "activities")),
        start=start,
        complete=complete,
        direction=direction,
        currency=str(_table(body, "amount", {}).get("currency", "")),
        owners=_strings(_table(body, "owners", {}), "owners"),
    )
    others = lifecycle.get("other", [])
    if not isinstance(others, list):
        raise InvalidInputError("lifecycle.other", "需要一个列表")
    known = frozenset((start, complete, *map(str, others)))
    return Plan(reading, _columns(body), known, _text(body, "contact"), sha256(raw).hexdigest())


def _source(body: Mapping[str, Any]) -> str:
    source = _text(body, "source")
    if len(source) > 40 or not all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in source):
        raise InvalidInputError("source", "只能用字母、数字、- 和 _,最多40个字符")
    return source


def _columns(body: Mapping[str, Any]) -> dict[str, str]:
    columns = _strings(_table(body, "columns"), "columns")
    for name in NEEDED_COLUMNS:
        if name not in columns:
            raise InvalidInputError(f"columns.{name}", "缺少这一项")
    for name in columns:
        if name not in COLUMNS:
            raise InvalidInputError(f"columns.{name}", f"只能是 {'、'.join(COLUMNS)} 之一")
    return columns


def _meanings(table: Mapping[str, Any]) -> dict[str, Meaning]:
    meanings = {name: _meaning(f"activities.{name}", value) for name, value in table.items()}
    if all(meaning.becomes != RECEIVED for meaning in meanings.values()):
        raise InvalidInputError("activities", "至少要有一项活动是 received(受理)")
    return meanings


def _meaning(path: str, value: object) -> Meaning:
    if value in (RECEIVED, CALL):
        return Meaning(str(value))
    if isinstance(value, Mapping) and len(value) == 1:
        [(becomes, stage)] = value.items()
        if becomes in MEANINGS and becomes not in (RECEIVED, CALL) and isinstance(stage, str) and stage:
            return Meaning(becomes, stage)
    raise InvalidInputError(path, '只能是 "received"、"call"、{ stage = "…" }、{ won = "…" } 或 { lost = "…" }')


def _table(body: Mapping[str, Any], name: str, default: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    table = body.get(name, default)
    if not isinstance(table, Mapping):
        raise InvalidInputError(name, f"缺少 [{name}] 这一节")
    return table


def _text(table: Mapping[str, Any], name: str, prefix: str = "") -> str:
    value = table.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidInputError(f"{prefix}{name}", "需要一段文字")
    return value


def _strings(table: Mapping[str, Any], path: str) -> dict[str, str]:
    return {name: _text(table, name, f"{path}.") for name in table}


def rows(file: Path, mapping: Plan, *, now: datetime) -> Rows:
    """Read a file whole (a large one takes 0.5 KB of memory for each row).

    Raises:
        InvalidInputError: it cannot be read at all, or its first line lacks a column of the mapping.
    """
    try:
        with file.open("rb") as plain:
            found = Rows(_hash(plain))
            plain.seek(0)
            is_packed = plain.read(2) == GZIP
        opened = gzip.open if is_packed else open
        with opened(file, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
            _read_into(found, csv.reader(lines), mapping, now)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InvalidInputError("file", f"{file.name} 不完整或已损坏") from error
    except OSError as error:
        raise InvalidInputError("file", f"无法读取 {file}({error.strerror})") from error
    return found


def _hash(file: IO[bytes]) -> str:
    digest = sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _read_into(found: Rows, reader: Any, mapping: Plan, now: datetime) -> None:
    header: list[str] = next(reader, [])
    places = _places(header, mapping.columns)
    seen: set[tuple[str, ...]] = set()
    for line, row in _numbered(reader):
        if row == []:
            continue  # an empty line is no event
        found.total += 1
        why = _refusal(row, len(header), seen)
        event = None if why or row is None else _event(line, row, places, mapping, now)
        if isinstance(event, SourceEvent) and row is not None:
            found.cases.setdefault(row[places["case"]].strip(), []).append(event)
            found.until = max(found.until or event.at, event.at)
        else:
            found.rejected.append(Rejected(line, why or str(event), row or ()))


def _numbered(reader: Any) -> Iterator[tuple[int, list[str] | None]]:
    """Yield each row with the line on which it begins; None is one that the CSV reader refused."""
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            row = None
        yield line, row


def _places(header: Sequence[str], columns: Mapping[str, str]) -> dict[str, int]:
    for name, column in columns.items():
        if column not in header:
            raise InvalidInputError(f"columns.{name}", f"文件的第一行没有“{column}”这一列")
    return {name: header.index(column) for name, column in columns.items()}


def _refusal(row: Sequence[str] | None, width: int, seen: set[tuple[str, ...]]) -> str | None:
    if row is None:
        return UNREADABLE
    if len(row) != width:
        return WRONG_WIDTH
    whole = tuple(row)
    if whole in seen:
        return TWICE
    seen.add(whole)
    return None


def _event(line: int, row: Sequence[str], places: Mapping[str, int], mapping: Plan, now: datetime) -> SourceEvent | str:
    """Return the event of a row, or why it is none."""
    text = {name: row[place].strip() for name, place in places.items()}
    if not text["case"]:
        return NO_CASE
    if not text["activity"]:
        return NO_ACTIVITY
    if any(len(value) > LONGEST or not value.isprintable() for value in text.values()):
        return BAD_TEXT
    if text["lifecycle"] not in mapping.lifecycles:
        return BAD_LIFECYCLE
    try:
        at = from_text(text["time"])
    except (ValueError, OverflowError):
        return BAD_TIME
    if at > now:
        return FUTURE
    activity, lifecycle, resource = (intern(text.get(name, "")) for name in ("activity", "lifecycle", "resource"))
    return SourceEvent(line, activity, lifecycle, resource, at, intern(text.get("amount", "")))


def write_rejected(file: Path, rejected: Iterable[Rejected]) -> None:
    """Write the rejected rows by line; a row stands as one JSON text, in which no spreadsheet sees a formula."""
    with file.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(("line", "reason", "row"))
        for each in sorted(rejected, key=lambda each: each.line):
            writer.writerow((each.line, each.why, json.dumps(list(each.row), ensure_ascii=False)))
