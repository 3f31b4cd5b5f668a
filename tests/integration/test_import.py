"""An event history becomes trails, once; and the trails can be verified."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from console import history_file, importing, verifying
from console.connection import LocalWorld, NotConnectedError, connect
from leadtrail.adapters.rows import Write
from leadtrail.adapters.store import TableStore
from leadtrail.domain.errors import InvalidInputError
from tests import event_log
from tests.integration.conftest import NINE, TestWorld

MAPPING = Path(__file__).parents[2] / "docs/examples/bpic2012.toml"


class KilledError(Exception):
    """The process ends here."""


def screen() -> Console:
    return Console(file=io.StringIO(), width=200)


def bring_in(file: Path, world: TestWorld, mapping: Path = MAPPING) -> importing.Tally:
    return importing.run(file, mapping, world, workers=1, console=screen())


def verified(world: TestWorld, lead_id: str | None = None) -> tuple[int, str]:
    console = screen()
    status = verifying.run(world, lead_id, console=console, workers=1)
    shown: Any = console.file
    return status, shown.getvalue()


def everything(world: TestWorld) -> list[dict[str, Any]]:
    pages = world.dynamodb.get_paginator("scan").paginate(TableName=world.settings.table)
    return [item for page in pages for item in page["Items"]]


def rejects(file: Path) -> list[list[str]]:
    with file.with_name(f"{file.name}.rejected.csv").open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.reader(lines))[1:]


def kill_after(world: TestWorld, writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let so many transactions through, and then end the process."""
    real = TableStore.write
    left = writes

    def write(self: TableStore, rows: Sequence[Write]) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KilledError
        real(self, rows)

    monkeypatch.setattr(TableStore, "write", write)


def test_every_row_of_a_log_is_accounted_for_and_every_seal_is_whole(world: TestWorld, tmp_path: Path) -> None:
    rows = event_log.rows(6)
    log = event_log.write(tmp_path / "log.csv.gz", rows)

    tally = bring_in(log, world)

    assert (tally.rows, tally.added, tally.rejected) == (len(rows), 6, 0)
    assert tally.adds_up
    assert tally.merged > 0
    status, shown = verified(world)
    assert status == 0
    assert "核对了 6 条线索" in shown
    assert "全部封印完好" in shown


def test_a_second_run_adds_nothing(world: TestWorld, tmp_path: Path) -> None:
    log = event_log.write(tmp_path / "log.csv", event_log.rows(3))
    first = bring_in(log, world)
    before = everything(world)
    world.clock.at += timedelta(hours=1)

    again = bring_in(log, world)

    assert everything(world) == before
    assert (again.added, again.known, again.events) == (0, 3, 0)
    assert (again.facts, again.merged, again.rejected) == (first.facts, first.merged, first.rejected)


def test_an_import_tells_nobody_wakes_nothing_and_puts_no_lead_at_risk(world: TestWorld, tmp_path: Path) -> None:
    log = event_log.write(tmp_path / "log.csv", event_log.rows(5))

    tally = bring_in(log, world)

    items = everything(world)
    assert tally.breaches > 0
    assert not [item for item in items if "GSI1PK" in item or "GSI4PK" in item]
    assert not [item for item in items if item["PK"]["S"].startswith("OUTBOX#") or "ALERT#" in item["SK"]["S"]]
    assert list(world.store.waking(world.now())) == []


def test_events_keep_the_time_at_which_they_happened_and_were_recorded_now(world: TestWorld, tmp_path: Path) -> None:
    log = event_log.write(tmp_path / "log.csv", event_log.long_case(1))

    bring_in(log, world)

    [lead_id] = world.store.lead_ids()
    lead, trail = world.store.lead_and_trail(lead_id)
    assert lead is not None
    assert (lead.origin, lead.status, lead.received_at) == ("import", "lost", event_log.OPENING)
    assert {event.recorded_at for event in trail} == {NINE}
    assert {event.occurred_at.year for event in trail} == {2011}
    person = world.store.persons([lead.person_id])[lead.person_id]
    assert (person.contact.name, person.contact.phones) == ("客户 200000", ())


def test_a_long_case_takes_several_transactions_of_at_most_ninety_items(
    world: TestWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = event_log.write(tmp_path / "log.csv", event_log.long_case(50))
    sizes: list[int] = []
    real = TableStore.write

    def write(self: TableStore, rows: Sequence[Write]) -> None:
        sizes.append(len(rows))
        real(self, rows)

    monkeypatch.setattr(TableStore, "write", write)
    bring_in(log, world)

    assert len(sizes) == 4  # the job, the stages, and two pieces of the case
    assert max(sizes) <= 90
    assert verified(world)[0] == 0


@pytest.mark.parametrize("writes", [0, 1, 2, 3], ids=["at once", "after the job", "in the long case", "after it"])
def test_a_killed_run_goes_on_where_it_was(
    writes: int, world: TestWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = event_log.write(tmp_path / "log.csv", [*event_log.long_case(50), *event_log.rows(1)])
    with monkeypatch.context() as patched:
        kill_after(world, writes, patched)
        with pytest.raises(KilledError):
            bring_in(log, world)
    world.clock.at += timedelta(minutes=5)

    tally = bring_in(log, world)

    assert tally.adds_up
    assert tally.added + tally.known == 2
    assert len(world.store.lead_ids()) == 2
    assert verified(world)[0] == 0
    again = bring_in(log, world)
    assert (again.added, again.known) == (0, 2)


def test_a_run_that_goes_on_keeps_the_policy_that_it_began_with(
    world: TestWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = event_log.write(tmp_path / "log.csv", event_log.long_case(50))
    with monkeypatch.context() as patched:
        kill_after(world, 2, patched)
        with pytest.raises(KilledError):
            bring_in(log, world)
    body = world.config.configured("policy", "default")
    assert body is not None
    world.config.put("policy", "default", body, now=world.now())

    bring_in(log, world)

    [lead_id] = world.store.lead_ids()
    lead = world.store.lead(lead_id)
    assert lead is not None
    assert {clock.policy_version for clock in lead.clocks} == {1}


def test_bad_rows_go_to_a_file_with_their_line_and_reason(world: TestWorld, tmp_path: Path) -> None:
    when = "2011-10-10T09:00:00.000+02:00"
    good = ("1", "A_SUBMITTED", "COMPLETE", "112", when, "500")
    rows: list[Sequence[str]] = [
        good,
        ("", "O_SENT", "COMPLETE", "112", when, "500"),
        ("1", "", "COMPLETE", "112", when, "500"),
        ("1", "O_SENT", "COMPLETE", "112", "yesterday", "500"),
        ("1", "O_SENT", "COMPLETE", "112", "2011-10-10T09:00:00", "500"),
        ("1", "O_SENT", "COMPLETE", "112", "2099-10-10T09:00:00Z", "500"),
        ("1", "O_SENT", "ABORT", "112", when, "500"),
        good,
        ("1", "O_SENT", "COMPLETE", "112"),
        ("1", "=cmd|' /C calc'!A0\0", "COMPLETE", "112", when, "500"),
        ("2", "O_SENT", "COMPLETE", "112", when, "500"),
        ("1", "O_SENT", "COMPLETE", "112", "2011-10-10T08:59:59.999+02:00", "500"),
        ("3", "A_SUBMITTED", "COMPLETE", "112", when, "much"),
    ]
    log = event_log.write(tmp_path / "log.csv", rows)

    tally = bring_in(log, world)

    assert tally.adds_up
    assert (tally.rows, tally.facts, tally.rejected, tally.added) == (13, 1, 12, 1)
    found = {int(line): why for line, why, _ in rejects(log)}
    assert list(found) == list(range(3, 15))
    assert found[3] == history_file.NO_CASE
    assert found[4] == history_file.NO_ACTIVITY
    assert found[5] == found[6] == history_file.BAD_TIME
    assert found[7] == history_file.FUTURE
    assert found[8] == history_file.BAD_LIFECYCLE
    assert found[9] == history_file.TWICE
    assert found[10] == history_file.WRONG_WIDTH
    assert found[11] == history_file.BAD_TEXT
    assert "受理事件" in found[12]
    assert "早于" in found[13]
    assert "金额" in found[14]
    assert json.loads(rejects(log)[8][2])[1].startswith("=cmd")


def test_bytes_that_are_no_text_are_rejected_and_the_rest_is_imported(world: TestWorld, tmp_path: Path) -> None:
    log = event_log.write(tmp_path / "log.csv", event_log.long_case(1))
    log.write_bytes(log.read_bytes() + b"200000,O_S\xff\xfeENT,COMPLETE,112,2011-10-11T09:00:00Z,5\r\n\r\n")

    tally = bring_in(log, world)

    assert (tally.rejected, tally.added) == (1, 1)
    assert tally.adds_up
    assert rejects(log)[0][1] == history_file.BAD_TEXT


def test_a_case_that_says_something_else_than_before_is_left_alone(world: TestWorld, tmp_path: Path) -> None:
    rows = event_log.long_case(2)
    bring_in(event_log.write(tmp_path / "first.csv", rows), world)
    before = world.store.lead_ids()
    later = event_log.write(tmp_path / "later.csv", rows[:-1])

    tally = bring_in(later, world)

    assert (tally.added, tally.rejected) == (0, len(rows) - 1)
    assert tally.adds_up
    assert {why for _, why, _ in rejects(later)} == {importing.CHANGED}
    assert world.store.lead_ids() == before


def test_a_file_that_is_cut_off_is_refused_and_nothing_is_written(world: TestWorld, tmp_path: Path) -> None:
    log = event_log.write(tmp_path / "log.csv.gz", event_log.rows(3))
    whole = gzip.decompress(log.read_bytes())
    log.write_bytes(gzip.compress(whole)[:-20])

    with pytest.raises(InvalidInputError, match="不完整"):
        bring_in(log, world)

    assert world.store.lead_ids() == ()


def test_a_header_without_a_needed_column_is_named(world: TestWorld, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("case_id,activity\n1,A_SUBMITTED\n", encoding="utf-8")

    with pytest.raises(InvalidInputError, match=r"columns\.lifecycle"):
        bring_in(log, world)


@pytest.mark.parametrize(
    ("line", "wrong", "names"),
    [
        ('team = "huadong"', 'team = "nobody"', "team"),
        ('source = "bpic2012"', 'source = "a#b"', "source"),
        ('case = "case_id"', "", "columns.case"),
        ('A_SUBMITTED = "received"', "", "activities"),
        ('{ won = "已成交" }', '{ maybe = "x" }', "activities.A_APPROVED"),
        ('direction = "out"', 'direction = "up"', "direction"),
        ("[owners]", "[people]", "people"),
        ('contact = "客户', "contact = 客户", "mapping"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_named(
    line: str, wrong: str, names: str, world: TestWorld, tmp_path: Path
) -> None:
    mapping = tmp_path / "m.toml"
    mapping.write_text(MAPPING.read_text("utf-8").replace(line, wrong), encoding="utf-8")
    log = event_log.write(tmp_path / "log.csv", event_log.rows(1))

    with pytest.raises(InvalidInputError) as refused:
        bring_in(log, world, mapping)

    assert refused.value.facts["field"] == names
    assert world.store.lead_ids() == ()


def test_verifying_names_the_first_broken_seal(world: TestWorld, tmp_path: Path) -> None:
    bring_in(event_log.write(tmp_path / "log.csv", event_log.rows(2)), world)
    lead_id = world.store.lead_ids()[1]
    world.dynamodb.update_item(
        TableName=world.settings.table,
        Key={"PK": {"S": f"LEAD#{lead_id}"}, "SK": {"S": "EVENT#00000002"}},
        UpdateExpression="SET actor = :other",
        ExpressionAttributeValues={":other": {"S": "rep:nobody"}},
    )

    status, shown = verified(world)

    assert status == 1
    assert f"线索 {lead_id}，第 2 个事件：内容与封印不符" in shown
    assert verified(world, world.store.lead_ids()[0])[0] == 0
    assert verified(world, lead_id)[0] == 1


def test_verifying_finds_a_projection_that_its_events_do_not_give(world: TestWorld, tmp_path: Path) -> None:
    bring_in(event_log.write(tmp_path / "log.csv", event_log.long_case(1)), world)
    [lead_id] = world.store.lead_ids()
    world.dynamodb.delete_item(
        TableName=world.settings.table,
        Key={"PK": {"S": f"LEAD#{lead_id}"}, "SK": {"S": f"EVENT#{_last(world, lead_id):08d}"}},
    )

    status, shown = verified(world)

    assert status == 1
    assert "线索的现状与事件推算的结果不一致" in shown


def _last(world: TestWorld, lead_id: str) -> int:
    return world.store.trail(lead_id)[-1].seq


def test_verifying_a_lead_that_is_not_there_fails(world: TestWorld) -> None:
    status, shown = verified(world, "01ARZ3NDEKTSV4RRFFQ69G5FAV")

    assert status == 1
    assert "没有这条线索" in shown


def test_the_console_works_on_the_running_demo_or_on_the_environment(tmp_path: Path) -> None:
    stack = tmp_path / "stack.json"
    with pytest.raises(NotConnectedError, match="make demo"):
        connect({}, stack)
    aws = {"endpoint": "http://127.0.0.1:1", "region": "us-east-1", "access_key_id": "a", "secret_access_key": "b"}
    stack.write_text(json.dumps({"aws": aws, "table": "here", "buckets": {"uploads": "u"}}), encoding="utf-8")

    local, remote = connect({}, stack), connect({"TABLE_NAME": "there"}, stack)

    assert isinstance(local, LocalWorld)
    assert (local.settings.table, local.settings.uploads_bucket) == ("here", "u")
    assert local.dynamodb.meta.endpoint_url == "http://127.0.0.1:1"
    assert replace(remote.settings, table="") == replace(local.settings, table="", uploads_bucket="")
