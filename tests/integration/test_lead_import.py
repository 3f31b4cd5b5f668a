"""A list that people keep becomes leads, once and whole or not at all; and every lead comes out again, inert."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from rich.console import Console
from typer.testing import CliRunner

from console import exporting, lead_import, main
from leadtrail.domain.errors import BusyError, InvalidInputError
from leadtrail.domain.lead import Lead
from leadtrail.services import enlisting, intake
from tests.hostile_cells import HOSTILE
from tests.integration.conftest import NINE, TestWorld
from tests.integration.people import arrive

EXAMPLE = Path(__file__).parents[2] / "docs/examples/leads.csv"
GOOD = "姓名,手机,负责人\n赵一鸣,19900000001,张三\n钱小雨,19900000002,\n"
NOTED = "姓名,手机,公司,阶段\n钱小雨,19900000002,云帆教育,需求确认\n"


class KilledError(Exception):
    """The process ends here."""


def screen() -> Console:
    return Console(file=io.StringIO(), width=200)


def shown(console: Console) -> str:
    written: Any = console.file
    return str(written.getvalue())


def listed(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    file = folder / "leads.csv"
    file.write_bytes(text.encode(encoding))
    return file


def bring_in(file: Path, world: TestWorld, **options: Any) -> lead_import.Tally:
    options = {"team": "huadong", "agreed": lambda rows: True, "console": screen(), **options}
    return lead_import.run(file, world, **options)


def everything(world: TestWorld) -> list[dict[str, Any]]:
    pages = world.dynamodb.get_paginator("scan").paginate(TableName=world.settings.table)
    return sorted(
        (item for page in pages for item in page["Items"]), key=lambda item: (item["PK"]["S"], item["SK"]["S"])
    )


def leads(world: TestWorld) -> dict[str, Lead]:
    """The leads by the name of their person."""
    found = world.store.leads(world.store.lead_ids())
    people = world.store.persons(lead.person_id for lead in found.values())
    return {people[lead.person_id].contact.name: lead for lead in found.values()}


def errors(file: Path) -> list[dict[str, str]]:
    with file.with_name(f"{file.name}.errors.csv").open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def export(world: TestWorld, out: Path, **options: Any) -> exporting.Tally:
    return exporting.run(out, world, format_name=out.suffix[1:], console=screen(), **options)


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_ten_leads_of_the_example_are_in_with_clocks_that_start_now(world: TestWorld) -> None:
    tally = bring_in(EXAMPLE, world)

    found = leads(world)
    assert (tally.rows, tally.created, tally.refused) == (10, 10, 0)
    assert len(found) == 10
    assert {lead.received_at for lead in found.values()} == {NINE}
    assert {lead.origin for lead in found.values()} == {"live"}
    assert all(lead.clock("first_response", 1) is not None for lead in found.values())
    assert world.config.current().sources["import"].provider == "import"
    assert found["周宏"].stage == "方案确认"
    assert [clock.state for clock in found["周宏"].clocks if clock.rule == "no_progress"] == ["met", "running"]


def test_what_a_row_says_beside_is_kept_on_the_trail_for_whoever_may_read_it(world: TestWorld) -> None:
    bring_in(EXAMPLE, world)

    lead = leads(world)["赵一鸣"]
    person = world.store.persons([lead.person_id])[lead.person_id]
    [received] = [event for event in world.store.readable(world.store.trail(lead.lead_id), person) if event.text]
    assert received.kind == "lead.received"
    assert received.text == {
        "公司": "云帆教育",
        "来源": "官网表单",
        "备注": "想看演示，二月初有空",
        "登记时间": "2026-01-19 09:20",
    }
    assert (person.contact.phones, person.contact.emails) == (("+8619900000001",), ("zhao@example.com",))


def test_a_second_run_adds_nothing(world: TestWorld) -> None:
    bring_in(EXAMPLE, world)
    before = everything(world)
    world.clock.at += timedelta(hours=1)

    again = bring_in(EXAMPLE, world)

    assert (again.created, again.merged, again.known) == (0, 0, 10)
    assert everything(world) == before


def test_a_workbook_in_any_order_is_the_same_list(world: TestWorld, tmp_path: Path) -> None:
    bring_in(listed(tmp_path, GOOD), world)
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (
        ("名单",),
        ("负责人", "手机", "姓名"),
        ("张三", 19900000001, "赵一鸣"),
        (None, 19900000002.0, "钱小雨"),
    ):
        sheet.append(row)
    book.save(tmp_path / "leads.xlsx")

    again = bring_in(tmp_path / "leads.xlsx", world)

    assert (again.created, again.known) == (0, 2)


def test_one_bad_row_keeps_all_out_and_is_told_with_line_column_and_reason(world: TestWorld, tmp_path: Path) -> None:
    before = everything(world)
    file = listed(tmp_path, GOOD + "孙建平,12,李四\n=1+1,19900000004,王五\n赵一鸣,199 0000 0001,张三\n周宏,,\n")

    tally = bring_in(file, world)

    assert (tally.is_done, tally.refused, tally.rows) == (False, 4, 6)
    assert everything(world) == before
    told = errors(file)
    assert [(row["错误行号"], row["错误列"]) for row in told] == [
        ("4", "手机"),
        ("5", "负责人"),
        ("6", "整行"),
        ("7", "手机"),
    ]
    assert told[2]["错误原因"] == "与第 2 行重复"
    assert told[1]["姓名"] == "'=1+1"
    assert told[0]["负责人"] == "李四"


def test_the_good_rows_go_in_where_the_bad_may_be_left_out_and_the_mended_follow(
    world: TestWorld, tmp_path: Path
) -> None:
    file = listed(tmp_path, GOOD + "孙建平,12,李四\n", "gbk")

    first = bring_in(file, world, skip_bad=True)

    assert (first.created, first.refused, first.is_done) == (2, 1, True)
    assert first.errors is not None
    mended = tmp_path / "mended.csv"
    mended.write_text(first.errors.read_text("utf-8-sig").replace(",12,", ",19900000003,"), encoding="utf-8")
    second = bring_in(mended, world)
    assert (second.created, second.refused) == (1, 0)
    assert sorted(leads(world)) == sorted(("孙建平", "赵一鸣", "钱小雨"))


def test_nothing_is_written_on_a_dry_run_or_where_nobody_says_yes(world: TestWorld, tmp_path: Path) -> None:
    before = everything(world)
    file = listed(tmp_path, GOOD)

    dry = bring_in(file, world, dry_run=True)
    asked: list[int] = []
    declined = bring_in(file, world, agreed=lambda rows: bool(asked.append(rows)))

    assert not dry.is_done
    assert not declined.is_done
    assert asked == [2]
    assert everything(world) == before
    assert [each.name for each in tmp_path.iterdir()] == ["leads.csv"]


def test_the_preview_shows_columns_and_rows_and_no_number_in_clear(world: TestWorld, tmp_path: Path) -> None:
    console = screen()
    text = "姓名,手机,邮箱,备注\n[red]赵,19900000001,zhao@example.com,改打 19900000009\n"

    bring_in(listed(tmp_path, text, "utf-8-sig"), world, dry_run=True, console=console)

    seen = shown(console)
    assert "UTF-8(BOM)" in seen
    assert "[red]赵" in seen
    assert "199****0001" in seen
    assert "z***@example.com" in seen
    assert "19900000001" not in seen
    assert "19900000009" not in seen
    assert "可以导入 1 行，有误 0 行" in seen


def test_the_named_owner_gets_the_lead_and_the_rotation_the_others(world: TestWorld, tmp_path: Path) -> None:
    text = "姓名,手机,负责人\n赵一鸣,19900000001,李四\n钱小雨,19900000002,rep-li\n孙建平,19900000003,\n"

    bring_in(listed(tmp_path, text), world)

    found = leads(world)
    assert [found[name].owner for name in ("赵一鸣", "钱小雨")] == ["rep-li", "rep-li"]
    assert found["孙建平"].owner in [rep.id for rep in world.config.current().rotation("huadong")]


def test_rows_of_several_teams_go_to_a_source_of_each(world: TestWorld, tmp_path: Path) -> None:
    text = "姓名,手机,小组,负责人\n赵一鸣,19900000001,华南一组,\n钱小雨,19900000002,,\n孙建平,19900000003,,赵六\n"

    bring_in(listed(tmp_path, text), world)

    found = leads(world)
    assert [found[name].team for name in ("赵一鸣", "钱小雨", "孙建平")] == ["huanan", "huadong", "huanan"]
    assert [found[name].source for name in ("赵一鸣", "钱小雨")] == ["import-huanan", "import"]


def test_a_known_customer_keeps_their_lead_and_gets_one_more_source(world: TestWorld, tmp_path: Path) -> None:
    lead_id = arrive(world, phone="+8619900000001", name="赵一鸣")

    tally = bring_in(listed(tmp_path, GOOD), world)

    assert (tally.created, tally.merged) == (1, 1)
    lead = world.store.lead(lead_id)
    assert lead is not None
    assert [entry.source for entry in lead.sources] == ["standard", "import"]


def test_a_run_that_was_killed_goes_on_where_it_was(
    world: TestWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "姓名,手机,阶段\n赵一鸣,19900000001,需求确认\n钱小雨,19900000002,需求确认\n"
    file = listed(tmp_path, text)
    with monkeypatch.context() as patched:

        def killed(*_: Any, **__: Any) -> None:
            raise KilledError

        patched.setattr(enlisting, "_place", killed)
        with pytest.raises(KilledError):
            bring_in(file, world)
    assert {name: lead.stage for name, lead in leads(world).items()} == {"赵一鸣": "新线索"}
    world.clock.at += timedelta(minutes=5)

    tally = bring_in(file, world)

    assert (tally.created, tally.known) == (1, 1)
    assert {name: lead.stage for name, lead in leads(world).items()} == {"赵一鸣": "需求确认", "钱小雨": "需求确认"}
    before = everything(world)
    bring_in(file, world)
    assert everything(world) == before


def test_a_table_that_is_busy_is_said_with_what_to_do(
    world: TestWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = screen()

    def busy(*_: Any, **__: Any) -> None:
        raise BusyError

    monkeypatch.setattr(intake, "receive", busy)
    with pytest.raises(BusyError):
        bring_in(listed(tmp_path, GOOD), world, console=console)

    assert "再次运行同一条命令" in shown(console)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"source": "standard"}, "--source"),
        ({"source": "a#b"}, "--source"),
        ({"team": "nobody"}, "--team"),
        ({"overrides": {"没有": "电话"}}, "--map"),
        ({"sheet": "名单"}, "sheet"),
    ],
    ids=["another's source", "no name", "no team", "no column", "no sheet"],
)
def test_options_that_make_no_sense_are_named(
    options: Mapping[str, Any], says: str, world: TestWorld, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match=says):
        bring_in(listed(tmp_path, GOOD), world, **options)


def test_the_commands_say_by_their_status_whether_all_is_in(
    world: TestWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "_world", lambda: world)
    file = listed(tmp_path, GOOD + "孙建平,12,李四\n")
    command = ["leads", "import", str(file), "--team", "华东一组"]

    refused = CliRunner().invoke(main.app, [*command, "--yes"])
    declined = CliRunner().invoke(main.app, [*command, "--skip-bad"], input="n\n")
    taken = CliRunner().invoke(main.app, [*command, "--skip-bad", "--yes"])
    exported = CliRunner().invoke(main.app, ["leads", "export", "--out", str(tmp_path / "all.csv")])

    assert (refused.exit_code, declined.exit_code, taken.exit_code, exported.exit_code) == (1, 1, 0, 0)
    assert "未导入任何一行" in refused.output
    assert "导入这 2 行？" in declined.output
    assert "新线索 2 条" in taken.output
    assert "含明文" in exported.output
    assert len(rows_of(tmp_path / "all.csv")) == 2


def test_every_lead_comes_out_with_what_is_known_of_it(world: TestWorld, tmp_path: Path) -> None:
    bring_in(listed(tmp_path, NOTED), world)
    arrive(world, owner="rep-zhao", team="huanan", name="别组", phone="+8619900000099")

    whole = export(world, tmp_path / "all.csv")
    team = export(world, tmp_path / "team.csv", team="华南一组")
    later = export(world, tmp_path / "later.csv", since=date(2026, 1, 27))

    assert (whole.leads, team.leads, later.leads) == (2, 1, 0)
    row = {row["姓名"]: row for row in rows_of(tmp_path / "all.csv")}["钱小雨"]
    assert row["电话"] == "'+8619900000002"
    assert (row["来源"], row["小组"], row["阶段"], row["状态"]) == ("import", "华东一组", "需求确认", "open")
    assert row["登记时间"] == "2026-01-26T09:00:00+08:00"
    assert "first_response#1 running 2026-01-26T11:00:00+08:00" in row["时限"]
    assert [each.stat().st_mode & 0o777 for each in whole.files] == [0o600]


def test_an_exported_list_can_be_imported_again(world: TestWorld, tmp_path: Path) -> None:
    bring_in(listed(tmp_path, GOOD), world)
    export(world, tmp_path / "all.csv")

    again = bring_in(tmp_path / "all.csv", world, dry_run=True)

    assert (again.rows, again.refused) == (2, 0)


def test_json_holds_one_object_a_line_and_the_trail_beside_it(world: TestWorld, tmp_path: Path) -> None:
    bring_in(listed(tmp_path, NOTED), world)

    tally = export(world, tmp_path / "all.json", with_events=True)

    found = [json.loads(line) for line in (tmp_path / "all.json").read_text("utf-8").splitlines()]
    events = [json.loads(line) for line in (tmp_path / "all.events.json").read_text("utf-8").splitlines()]
    assert (len(found), len(events)) == (tally.leads, tally.events)
    assert {row["name"]: row["phones"] for row in found}["钱小雨"] == ["+8619900000002"]
    assert {clock["rule"] for clock in found[0]["clocks"]} == {"first_response", "no_progress"}
    received = events[0]
    assert (received["lead_id"], received["seq"], received["kind"]) == (found[0]["id"], 1, "lead.received")
    assert received["text"] == {"公司": "云帆教育"}


def test_no_hostile_cell_is_a_formula_in_a_workbook_or_in_csv(world: TestWorld, tmp_path: Path) -> None:
    for number, hostile in enumerate(HOSTILE):
        arrive(world, name=f"{hostile}\x0b", phone=f"+861990000{number:04d}", text={hostile: hostile})
        world.clock.at += timedelta(seconds=1)

    tally = export(world, tmp_path / "all.xlsx", with_events=True)
    export(world, tmp_path / "all.csv", with_events=True)

    book = openpyxl.load_workbook(tmp_path / "all.xlsx")
    found = [cell for sheet in book.worksheets for row in sheet.iter_rows() for cell in row]
    assert [sheet.title for sheet in book.worksheets] == ["leads", "events"]
    assert [cell.value for cell in found if cell.data_type == "f"] == []
    names = [row[1] for row in book["leads"].iter_rows(min_row=2, values_only=True)]
    assert [str(name).strip() for name in names] == [hostile.strip() for hostile in HOSTILE]
    assert book["events"].max_row == tally.events + 1
    for file in ("all.csv", "all.events.csv"):
        cells = [cell for row in rows_of(tmp_path / file) for cell in row.values()]
        assert [cell for cell in cells if cell.startswith(tuple("=+-@\t\r＝＋－＠"))] == []


def test_an_export_that_fails_leaves_the_old_file_and_nothing_else(
    world: TestWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_in(listed(tmp_path, GOOD), world)
    out = tmp_path / "all.xlsx"
    out.write_text("the old one")

    def killed(*_: Any, **__: Any) -> None:
        raise KilledError

    monkeypatch.setattr(exporting, "lead_row", killed)
    with pytest.raises(KilledError):
        export(world, out)

    assert sorted(each.name for each in tmp_path.iterdir()) == ["all.xlsx", "leads.csv"]
    assert out.read_text() == "the old one"


@pytest.mark.parametrize(
    ("out", "format_name", "team"),
    [("a.csv", "pdf", None), ("a.csv", "csv", "nobody"), ("none/a.csv", "csv", None)],
    ids=["format", "team", "folder"],
)
def test_an_export_that_makes_no_sense_is_refused(
    out: str, format_name: str, team: str | None, world: TestWorld, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError):
        exporting.run(tmp_path / out, world, format_name=format_name, team=team, console=screen())
