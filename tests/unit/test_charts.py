"""Charts: values are printed, rows are links, strangers' labels stay text, the same marks give the same bytes."""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence

import pytest
from markupsafe import Markup

from functions.reports.charts import Mark, bars, strip
from functions.reports.charts.label import cut, plain
from tests.unit.snapshots import HOSTILE

Chart = Callable[[str, str, Sequence[Mark]], Markup]

MARKS = [Mark("赵强", 4, "#owner-1"), Mark("钱丽", 1, "#owner-2"), Mark("未分配", 0, "#owner-3")]


def parsed(svg: Markup) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own output, a few hundred bytes


@pytest.mark.parametrize("chart", [bars, strip])
def test_every_value_is_printed_beside_its_label(chart: Chart) -> None:
    drawn = parsed(chart("by-owner", "按负责人", MARKS))

    texts = [text.text for text in drawn.iter("text")]

    assert texts == ["赵强", "4", "钱丽", "1", "未分配", "0"]


@pytest.mark.parametrize("chart", [bars, strip])
def test_every_mark_leads_to_its_list(chart: Chart) -> None:
    drawn = parsed(chart("by-owner", "按负责人", MARKS))

    targets = {link.get("href") for link in drawn.iter("a")}

    assert targets == {"#owner-1", "#owner-2", "#owner-3"}


@pytest.mark.parametrize("chart", [bars, strip])
def test_a_screen_reader_hears_the_title_and_all_values(chart: Chart) -> None:
    drawn = parsed(chart("by-owner", "按负责人", MARKS))

    assert drawn.get("role") == "img"
    assert drawn.get("aria-labelledby") == "by-owner-title by-owner-desc"
    assert drawn.findtext("title") == "按负责人"
    assert drawn.findtext("desc") == "赵强 4 条；钱丽 1 条；未分配 0 条"


def test_the_longest_bar_is_full_and_the_others_are_in_proportion() -> None:
    drawn = parsed(bars("by-owner", "按负责人", MARKS))

    widths = [rect.get("width") for rect in drawn.iter("rect") if rect.get("class", "").startswith("mark")]

    assert widths == ["100.00%", "25.00%", "0.00%"]


def test_the_parts_of_a_strip_meet_and_fill_it() -> None:
    drawn = parsed(strip("by-severity", "按级别", MARKS))

    parts = [(rect.get("x"), rect.get("width")) for rect in drawn.iter("rect") if "part" in rect.get("class", "")]

    assert parts == [("0.00%", "80.00%"), ("80.00%", "20.00%")]


@pytest.mark.parametrize("chart", [bars, strip])
def test_all_zero_is_drawn_without_dividing_by_it(chart: Chart) -> None:
    drawn = parsed(chart("by-owner", "按负责人", [Mark("赵强", 0, "#owner-1")]))

    assert [text.text for text in drawn.iter("text")] == ["赵强", "0"]


@pytest.mark.parametrize("chart", [bars, strip])
def test_no_marks_draw_nothing(chart: Chart) -> None:
    assert chart("by-owner", "按负责人", []) == ""


@pytest.mark.parametrize("chart", [bars, strip])
def test_a_hostile_label_stays_text(chart: Chart) -> None:
    drawn = parsed(chart("by-owner", HOSTILE, [Mark(HOSTILE, 1, '#"><script>')]))

    assert {element.tag for element in drawn.iter()} == {"svg", "title", "desc", "a", "rect", "text"}
    assert drawn.findtext("title") == HOSTILE


@pytest.mark.parametrize("chart", [bars, strip])
def test_the_same_marks_give_the_same_bytes(chart: Chart) -> None:
    assert chart("by-owner", "按负责人", MARKS) == chart("by-owner", "按负责人", list(MARKS))


@pytest.mark.parametrize(
    ("typed", "seen"),
    [
        ("王磊", "王磊"),
        ("  王\t\n磊\u2028 ", "王 磊"),
        ("\u202eexe.gnp\u202c\u2066x\u2069", "exe.gnpx"),
        ("a\x00\x1b[31mb\u200b\ufeff", "a[31mb"),
        ("bad\ud800", "bad"),
        ("李" + "\u0301" * 60, "李\u0301\u0301"),
        ("\u202e\u200b", ""),
        ("José 🙂", "José 🙂"),
    ],
)
def test_what_people_see_of_a_typed_name(typed: str, seen: str) -> None:
    assert plain(typed) == seen


@pytest.mark.parametrize(
    ("text", "columns", "short"),
    [
        ("王磊", 4, "王磊"),
        ("王磊磊", 4, "王…"),
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("长" * 1400, 24, "长" * 11 + "…"),
    ],
)
def test_a_label_is_cut_by_width_not_by_count(text: str, columns: int, short: str) -> None:
    assert cut(text, columns) == short
