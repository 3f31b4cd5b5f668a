"""`leadtrail policy …` on the table of the tests: as an operator types it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from console import connection, main, policies
from console.company import DEFAULT_POLICY
from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.people import arrive

QUICK = """
order = 5

[when]
source = ["standard", "wecom"]
amount = { min = 1000000 }

[calendar]
tz = "Asia/Shanghai"

[calendar.hours]
mon = [["09:00", "18:00"]]
tue = [["09:00", "18:00"]]

[[rules]]
name = "first_response"
title = "大单首响"
starts = "lead.received"
meets = ["touch"]
measure = "business"
budget = "PT30M"
levels = [{ after = "PT0S", to = "owner" }]
"""


@pytest.fixture
def run(world: TestWorld, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(connection, "connect", lambda _: world)
    monkeypatch.setenv("COLUMNS", "200")

    def typed(*words: str) -> Result:
        return CliRunner().invoke(main.app, ["policy", *words])

    return typed


def default_file(folder: Path, budget: str) -> Path:
    file = folder / "default.json"
    rules = [{**DEFAULT_POLICY["rules"][0], "budget": budget}]
    file.write_text(json.dumps({**DEFAULT_POLICY, "rules": rules}), "utf-8")
    return file


def toml_file(folder: Path, text: str = QUICK) -> Path:
    file = folder / "large.toml"
    file.write_text(text, "utf-8")
    return file


def test_a_file_becomes_a_policy_of_its_name_and_stays_one_version_when_put_again(
    world: TestWorld, run: Any, tmp_path: Path
) -> None:
    file = toml_file(tmp_path)

    first, again = run("put", str(file)), run("put", str(file))

    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "large 第 1 版已写入" in first.output
    assert "没有变化" in again.output
    stored = world.config.current().policies["large"]
    assert (stored.version, stored.order, stored.rules[0].title) == (1, 5, "大单首响")


def test_a_policy_can_be_put_under_another_name(world: TestWorld, run: Any, tmp_path: Path) -> None:
    done = run("put", str(toml_file(tmp_path)), "--name", "vip")

    assert done.exit_code == 0
    assert "vip" in world.config.current().policies


def test_policies_are_listed_in_the_order_in_which_they_are_tried(run: Any, tmp_path: Path) -> None:
    run("put", str(toml_file(tmp_path)))

    listed = run("list").output

    assert "大单首响 工作时间30分" in listed
    assert "source standard、wecom，amount 10,000.00元 起" in listed
    assert listed.index("large") < listed.index("default")


def test_what_is_shown_can_be_put_again(world: TestWorld, run: Any, tmp_path: Path) -> None:
    shown = run("show", "default")
    file = tmp_path / "default.json"
    file.write_text(shown.output, "utf-8")

    again = run("put", str(file))

    assert json.loads(shown.output) == DEFAULT_POLICY
    assert "没有变化" in again.output
    assert world.config.current().policies["default"].version == 1


def test_a_preview_shows_whom_a_file_would_make_late_and_changes_nothing(
    world: TestWorld, clock: TimeTravel, run: Any, tmp_path: Path
) -> None:
    lead_id = arrive(world)
    arrive(world, owner=None, team="huanan", phone="+8613900139000")
    clock.at += timedelta(hours=1)

    tried = run("preview", str(default_file(tmp_path, "PT30M")))

    assert tried.exit_code == 0
    assert "查看 2 条线索，其中 2 项计时适用此规则" in tried.output
    assert "现在已超时：0 → 2" in tried.output
    assert f"{lead_id} first_response：01-26 11:00 → 01-26 09:30" in tried.output
    assert policies.NOBODY in tried.output
    assert world.config.current().policies["default"].version == 1
    assert [event.kind for event in world.store.trail(lead_id)].count("clock.rebased") == 0


def test_running_clocks_are_brought_to_a_new_version_once(world: TestWorld, run: Any, tmp_path: Path) -> None:
    lead_id = arrive(world)
    run("put", str(default_file(tmp_path, "PT30M")))

    first, again = run("rebase", "default"), run("rebase", "default")

    assert "查看 1 条线索，1 条已改用新版本" in first.output
    assert "查看 1 条线索，0 条已改用新版本" in again.output
    [rebased] = [event for event in world.store.trail(lead_id) if event.kind == "clock.rebased"]
    assert rebased.actor.startswith("operator:")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("large.toml", QUICK.replace("PT30M", "PT0S"), "rules[0].budget"),
        ("large.toml", "order = ", "large.toml"),
        ("large.json", "[]", "large.json"),
        ("Large.toml", QUICK, "name"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_name(
    run: Any, tmp_path: Path, name: str, text: str, said: str
) -> None:
    file = tmp_path / name
    file.write_text(text, "utf-8")

    refused = [run("put", str(file)), run("preview", str(file))]

    assert [each.exit_code for each in refused] == [1, 1]
    assert all(said in each.output for each in refused)
    assert "large" not in run("list").output.lower()


def test_a_policy_that_nobody_knows_is_neither_shown_nor_rebased(run: Any) -> None:
    assert [run(verb, "nothing").exit_code for verb in ("show", "rebase")] == [1, 1]


def test_the_schema_is_printed_as_it_is_committed(run: Any) -> None:
    printed = run("schema")

    assert printed.output == policies.schema()
