"""Spreadsheets as people send them: CSV of any Chinese encoding and delimiter, or XLSX, as rows of plain text.

What would lose rows in silence is refused whole: bytes of no encoding, a quote that never ends. What goes out again
is made inert, so that no spreadsheet takes a cell for a formula.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from leadtrail.domain.errors import InvalidInputError

LARGEST_BYTES = 64 * 1024**2
UNPACKED_BYTES = 512 * 1024**2  # a small archive can hold a large lie
MOST_ROWS = 200_000
LOOKED_AT = 20  # lines by which the delimiter is found
DELIMITERS = {",": "逗号", ";": "分号", "\t": "制表符"}
EXACT = 10**15  # a spreadsheet keeps 15 digits of a number
BYTE_ORDERS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
ENCODINGS = ("utf-8", "gb18030")  # in this order: strict UTF-8 refuses nearly every GBK text, and not the other way
NAMES = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8(BOM)", "utf-16": "UTF-16", "gb18030": "GBK/GB18030"}
ZIP, OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
FORMULA = tuple("=+-@\t\r＝＋－＠")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its number in the file (1 is the first; for a CSV row of several lines, where it begins), its cells."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a file holds, without its empty rows; ``kind`` says in words how it was read."""

    kind: str
    lines: tuple[Line, ...]


def read(file: Path, sheet: str | None = None) -> Sheet:
    """Read a CSV or XLSX file, told apart by its first bytes; ``sheet`` names one of a workbook's (default: the first).

    Raises:
        InvalidInputError: too large, of no encoding, not whole, or there is no such sheet.
    """
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise InvalidInputError("file", f"文件超过 {LARGEST_BYTES // 1024**2} MB")
        raw = file.read_bytes()
    except OSError as error:
        raise InvalidInputError("file", f"无法读取 {file}（{error.strerror}）") from error
    if raw.startswith(OLD_EXCEL):
        raise InvalidInputError("file", "这是旧版 .xls 或加密的工作簿：请在 Excel 里另存为不加密的 .xlsx 或 CSV")
    if raw.startswith(ZIP):
        return _workbook(raw, sheet)
    if sheet is not None:
        raise InvalidInputError("sheet", "只有 XLSX 文件有工作表")
    return _text_file(raw)


def inert(text: str) -> str:
    """Return text that no spreadsheet takes for a formula, without characters that its format cannot hold."""
    plain = storable(text)
    return f"'{plain}" if plain.startswith(FORMULA) or plain.lstrip().startswith(FORMULA) else plain


def storable(text: str) -> str:
    """Return text without the control characters and lone surrogates that neither XML nor UTF-8 can hold."""
    return _CONTROLS.sub("", text)


def write_csv(file: Path, rows: Iterable[Sequence[str]]) -> None:
    """Write rows as CSV that Excel opens as it is: UTF-8 with BOM, every cell inert."""
    with file.open("w", encoding="utf-8-sig", newline="") as lines:
        csv.writer(lines).writerows([inert(cell) for cell in row] for row in rows)


def _text_file(raw: bytes) -> Sheet:
    text, encoding = _decoded(raw)
    delimiter = _delimiter(text)
    lines = _kept(_csv_rows(text, delimiter))
    return Sheet(f"CSV，{NAMES[encoding]}，{DELIMITERS[delimiter]}分隔", lines)


def _decoded(raw: bytes) -> tuple[str, str]:
    marked = [encoding for mark, encoding in BYTE_ORDERS if raw.startswith(mark)]
    for encoding in marked or ENCODINGS:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        return text, encoding
    raise InvalidInputError("file", "不是 XLSX，也不是 UTF-8 或 GBK 编码的文本")


def _delimiter(text: str) -> str:
    """Return the delimiter by which the most lines have the same width, and of those the one with most columns."""
    start = "\n".join(line for line in text.splitlines()[: LOOKED_AT * 2] if line.strip())

    def score(delimiter: str) -> tuple[int, int]:
        try:
            widths = Counter(len(row) for row in csv.reader(io.StringIO(start, newline=""), delimiter=delimiter))
        except csv.Error:  # whoever reads the whole file says what is wrong, and where
            return (0, 0)
        return max(((count, width) for width, count in widths.items() if width > 1), default=(0, 0))

    return max(DELIMITERS, key=score)


def _csv_rows(text: str, delimiter: str) -> Iterator[tuple[int, Sequence[object]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:  # read loosely, a quote that never ends would swallow all rows behind it
            raise InvalidInputError("file", f"从第 {number} 行起无法按 CSV 读取，多半是引号没有成对") from error
        yield number, row


def _workbook(raw: bytes, sheet: str | None) -> Sheet:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > UNPACKED_BYTES:
                raise InvalidInputError("file", f"解压后超过 {UNPACKED_BYTES // 1024**2} MB")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl's remarks on styles and extensions that no cell depends on
            book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
            found = _sheet(book, sheet)
            return Sheet(f"XLSX，工作表“{found.title}”", _kept(_numbered(found)))
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, EOFError, SyntaxError) as error:
        # SyntaxError: what the XML parser calls a document that is none.
        raise InvalidInputError("file", "不是完整的 XLSX 文件") from error


def _sheet(book: Any, name: str | None) -> Any:
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    if name is None:
        return next(iter(sheets.values()))
    if name not in sheets:
        raise InvalidInputError("sheet", f"没有工作表“{name}”（现有：{'、'.join(sheets)}）")
    return sheets[name]


def _numbered(sheet: Any) -> Iterator[tuple[int, Sequence[object]]]:
    sheet.reset_dimensions()  # some programs write a size that is not theirs
    yield from enumerate(sheet.iter_rows(values_only=True), start=1)


def _kept(rows: Iterable[tuple[int, Sequence[object]]]) -> tuple[Line, ...]:
    lines = []
    for number, row in rows:
        cells = tuple(_cell(value) for value in row)
        if any(cells):
            lines.append(Line(number, cells))
        if len(lines) > MOST_ROWS:
            raise InvalidInputError("file", f"超过 {MOST_ROWS:,} 行，请分成几个文件")
    return tuple(lines)


def _cell(value: object) -> str:
    """Return a cell as a person reads it; a whole number keeps its digits, or shows that they are lost."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, int | float):
        is_whole = abs(value) < EXACT and value == int(value)
        return str(int(value)) if is_whole else f"{value:.15g}"
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds").removesuffix(" 00:00:00")
    if isinstance(value, date):
        return value.isoformat()
    text = storable(str(value)).strip().strip("\ufeff")
    return _undone(text)


def _undone(text: str) -> str:
    """Return text without the mark that `inert` set before it."""
    return text[1:] if text.startswith("'") and inert(text[1:]) == text else text
