"""Spreadsheets: encodings and delimiters found out, cells as they were typed, nothing lost in silence."""

from __future__ import annotations

import csv
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from console import spreadsheet
from leadtrail.domain.errors import InvalidInputError
from tests.hostile_cells import HOSTILE

HEADER, ROW = ("姓名", "手机", "备注"), ("赵一鸣", "19900000001", "想看演示，二月有空")


def text_file(folder: Path, encoding: str, delimiter: str = ",") -> Path:
    file = folder / "leads.csv"
    file.write_bytes("".join(delimiter.join(row) + "\r\n" for row in (HEADER, ROW)).encode(encoding))
    return file


def workbook(file: Path, *rows: tuple[Any, ...], sheet: str = "名单") -> Path:
    book = openpyxl.Workbook()
    made = book.active
    assert made is not None
    made.title = sheet
    for row in rows:
        made.append(row)
    book.create_sheet("别的").append(("邮箱", "称呼"))
    book.save(file)
    return file


def cells(file: Path, sheet: str | None = None) -> list[tuple[str, ...]]:
    return [line.cells for line in spreadsheet.read(file, sheet).lines]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_encoding_and_delimiter_find_themselves_out(tmp_path: Path, encoding: str, delimiter: str) -> None:
    file = text_file(tmp_path, encoding, delimiter)

    assert cells(file) == [HEADER, ROW]


def test_rare_characters_of_gb18030_are_read(tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_bytes("姓名,手机\n㐂𠮷,19900000001\n".encode("gb18030"))

    read = spreadsheet.read(file)

    assert read.lines[1].cells[0] == "㐂𠮷"
    assert "GBK" in read.kind


def test_rows_keep_their_line_and_empty_ones_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_text('姓名,手机\n"赵\n一鸣",19900000001\n,\n\n钱,19900000002\n', encoding="utf-8")

    lines = spreadsheet.read(file).lines

    assert [(line.number, line.cells[1]) for line in lines] == [(1, "手机"), (2, "19900000001"), (6, "19900000002")]


def test_a_quote_that_never_ends_is_refused_instead_of_swallowing_what_follows(tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_text('姓名,手机\n赵,19900000001\n"钱,19900000002\n孙,19900000003\n', encoding="utf-8")

    with pytest.raises(InvalidInputError, match="第 3 行"):
        spreadsheet.read(file)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "旧版"),
        (b"PK\x03\x04broken", "完整的 XLSX"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\xff", "编码"),
        (b"a,b\n\x00\x01,c\n", "编码"),
    ],
    ids=["old excel", "cut off", "a picture", "zeros"],
)
def test_what_is_no_spreadsheet_is_refused(tmp_path: Path, raw: bytes, says: str) -> None:
    file = tmp_path / "leads.csv"
    file.write_bytes(raw)

    with pytest.raises(InvalidInputError, match=says):
        spreadsheet.read(file)


def test_a_zip_that_is_no_workbook_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "leads.xlsx"
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("readme.txt", "hello")

    with pytest.raises(InvalidInputError, match="完整的 XLSX"):
        spreadsheet.read(file)


def test_cells_of_a_workbook_are_read_as_they_were_typed(tmp_path: Path) -> None:
    typed = ("赵", 13800000001, 13800000001.0, 1.38e10, 8613800000001234, 0.5, True, None, datetime(2026, 1, 20, 9, 5))  # noqa: DTZ001 - what a workbook holds has no zone
    file = workbook(tmp_path / "leads.xlsx", ("姓名", "手机"), typed)

    read = cells(file)[1]

    assert read[:4] == ("赵", "13800000001", "13800000001", "13800000000")
    assert read[4] == "8.61380000000123e+15"  # more digits than a spreadsheet keeps: seen to be lost
    assert read[5:] == ("0.5", "是", "", "2026-01-20 09:05:00")


def test_a_sheet_is_chosen_by_name(tmp_path: Path) -> None:
    file = workbook(tmp_path / "leads.xlsx", HEADER, ROW)

    assert cells(file) == [HEADER, ROW]
    assert cells(file, "别的") == [("邮箱", "称呼")]
    with pytest.raises(InvalidInputError, match="名单、别的"):
        spreadsheet.read(file, "没有")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_a_spreadsheet_would_execute_is_made_inert_and_read_back_as_it_was(hostile: str, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"

    spreadsheet.write_csv(file, [("姓名", "手机"), (hostile, "\x0b\x00赵\ud800")])

    with file.open(encoding="utf-8-sig", newline="") as lines:
        [_, row] = csv.reader(lines)
    assert row == [f"'{hostile}", "赵"]
    assert cells(file)[1][0] == hostile.strip() or cells(file)[1][0] == hostile
