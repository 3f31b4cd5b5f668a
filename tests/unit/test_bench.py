"""The page of figures: what a run measures takes its place, what it does not measure stays."""

from datetime import date

from tests.bench import figure
from tests.bench.figure import Figure, Section

DAY = date(2026, 1, 26)


def section(name: str, measured: str, *, holds: bool | None = True) -> str:
    return Section(name, (Figure("webhook", "2", measured, "counted", holds),), ("A note.",)).markdown(DAY)


def test_a_section_takes_the_place_of_its_older_self_and_leaves_the_others() -> None:
    before = figure.page("", [section("Calls", "3"), section("Import", "61 s")])

    after = figure.page(before, [section("Calls", "2")])

    assert after == figure.page("", [section("Calls", "2"), section("Import", "61 s")])


def test_the_same_figures_make_the_same_page() -> None:
    page = figure.page("", [section("Calls", "2")])

    assert figure.page(page, [section("Calls", "2")]) == page


def test_a_figure_that_breaks_its_promise_says_so() -> None:
    rows = {holds: section("Calls", "9", holds=holds) for holds in (True, False, None)}

    assert "| webhook | 2 | 9 | yes | counted |" in rows[True]
    assert "| webhook | 2 | 9 | **no** | counted |" in rows[False]
    assert "| webhook | 2 | 9 | - | counted |" in rows[None]


def test_a_section_names_its_day_and_its_machine() -> None:
    text = section("Calls", "2")

    assert f"Measured on {DAY} on {figure.machine()}." in text
