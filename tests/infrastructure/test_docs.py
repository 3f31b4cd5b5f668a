"""Documents against the code: what they list is all there is, what they link to is there, what they show runs."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from console import openapi
from console.main import app
from infra.choices import Choices
from leadtrail.domain import clock as clocks_of
from leadtrail.domain import lead as leads_of
from leadtrail.domain import lifecycle
from leadtrail.domain.trail import Happening
from tests.builders import NINE, call, happening, sealed, self_reported, timing
from tests.infrastructure.assembly import FUNCTIONS, ROOT

PRODUCT = ("layers/core/python/leadtrail", "functions", "infra", "console")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
EMITTERS = ("Happening", "_happening", "_ended", "_rescheduled")


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for folder in PRODUCT:
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield file.relative_to(ROOT), ast.parse(file.read_text("utf-8"))


def files() -> Iterator[Path]:
    """Everything that may be committed; git itself is not needed on a machine that tests."""
    lines = (line.strip() for line in page(".gitignore").splitlines())
    ignored = [line.rstrip("/") for line in lines if line] + ["/.git"]
    for folder, inside, names in os.walk(ROOT):
        here = Path(folder).relative_to(ROOT)
        inside[:] = [name for name in inside if not is_ignored(here / name, ignored)]
        yield from (ROOT / here / name for name in names if not is_ignored(here / name, ignored))


def is_ignored(file: Path, patterns: list[str]) -> bool:
    return any(
        file.match(pattern) if not pattern.startswith("/") else f"/{file.as_posix()}" == pattern for pattern in patterns
    )


def blocks(text: str, language: str = r"\w*") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def row(kind: str) -> str:
    [found] = re.findall(rf"^\| `{re.escape(kind)}` \|.*$", page("docs/events.md"), re.MULTILINE)
    return str(found)


def emitted() -> set[str]:
    """Kinds that the code writes: text of the form `word.word` handed to whatever makes a happening."""
    calls = (node for _, tree in modules() for node in ast.walk(tree) if isinstance(node, ast.Call))
    given = (
        argument.value
        for node in calls
        if isinstance(node.func, ast.Name) and node.func.id in EMITTERS
        for argument in node.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    )
    return {value for value in given if re.fullmatch(r"[a-z]+\.[a-z]+", value)}


def a_life() -> list[Happening]:
    """Happenings of nearly every kind that `domain/` makes."""
    begun = lifecycle.receive(
        source="standard", person="P", team="huadong", owner="rep-li", actor="source:standard", receipt="r",
        occurred_at=NINE, received_at=NINE, signed=True, timing=timing(), facts={"ref": "7"},
    )  # fmt: skip
    lead = leads_of.fold(sealed(begun))
    late = NINE + timedelta(days=9)
    woken = [
        each for clock in lead.clocks for at in (clock.warn_at, late) if at for each in clocks_of.wake(clock, at)[0]
    ]
    overdue = leads_of.fold(sealed([*begun, *woken]))
    typed = self_reported(NINE, recorded_at=NINE)
    moved = happening("stage.changed", late, **{"from": "新线索", "to": "需求确认"})
    closed = happening("lead.closed", late, outcome="lost", stage="输单")
    in_time = lifecycle.touch(overdue, call(NINE + timedelta(minutes=5)), timing=timing(), now=late)
    rest = (lifecycle.advance(lead, moved, timing=timing()), lifecycle.close(lead, closed))
    return [*begun, *woken, typed, *in_time, *(each for some in rest for each in some)]


def test_every_kind_of_event_that_the_code_writes_is_explained_and_no_other() -> None:
    explained = set(re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", page("docs/events.md"), re.MULTILINE))

    assert explained == emitted()


def test_every_fact_of_an_event_is_named_in_its_row() -> None:
    told = a_life()

    missing = {(each.kind, fact) for each in told for fact in each.facts if f"`{fact}`" not in row(each.kind)}

    assert missing == set()
    assert {"clock.breached", "clock.met", "clock.cancelled", "alert.retracted"} <= {each.kind for each in told}


def test_every_route_of_the_api_is_in_its_document_and_no_other() -> None:
    served = {
        f"{method.upper()} {path}" for path, item in json.loads(openapi.text())["paths"].items() for method in item
    }

    listed = set(re.findall(r"`((?:GET|POST|PUT|DELETE|PATCH) /[^`]*)`", "\n".join(table_of("docs/api.md"))))

    assert listed == served


def table_of(name: str) -> list[str]:
    return [line for line in page(name).splitlines() if line.startswith("|")]


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_every_command_and_every_verb_of_the_makefile_is_in_the_readme(readme: str) -> None:
    commands = set(paths(get_command(app), "leadtrail"))
    verbs = {f"make {verb}" for verb in ("demo", "test", "check", "synth", "e2e", "bench", "import-log")}

    unsaid = {wanted for wanted in commands | verbs if wanted not in page(readme)}

    assert unsaid == set()
    assert all(re.search(rf"^{verb.removeprefix('make ')}:", page("Makefile"), re.MULTILINE) for verb in verbs)


def paths(command: Any, name: str) -> Iterator[str]:
    parts = getattr(command, "commands", None)
    if parts is None:
        yield name
        return
    for each, part in parts.items():
        yield from paths(part, f"{name} {each}")


def test_every_choice_of_a_deployment_is_in_the_runbook() -> None:
    unsaid = {name for name in Choices.__slots__ if f"`{name}`" not in page("docs/runbook.md")}

    assert unsaid == set()


def test_the_chinese_readme_follows_the_english_one() -> None:
    english, chinese = page("README.md"), page("README.zh-CN.md")

    pictures = [re.findall(r'src="([^"]+)"', text) for text in (english, chinese)]
    headings = [re.findall(r"^#+ ", text, re.MULTILINE) for text in (english, chinese)]
    bullets = [len(re.findall(r"^(?:\||- )", text, re.MULTILINE)) for text in (english, chinese)]

    assert blocks(chinese) == blocks(english)
    assert headings[0] == headings[1]
    assert pictures[0] == pictures[1]
    assert bullets[0] == bullets[1]


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_every_relative_link_leads_somewhere(file: Path) -> None:
    text = file.read_text("utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) + re.findall(r'src="([^"]+)"', text)

    broken = [one for one in targets if "://" not in one and not (file.parent / one).exists()]

    assert broken == []


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md", "docs/architecture.md"])
def test_every_path_that_a_document_names_is_there(readme: str) -> None:
    named = re.findall(r"(?:docs|tests|infra|functions|layers|console)/[\w./*-]*\w[\w*/]*", page(readme))

    assert [one for one in named if not list(ROOT.glob(one.rstrip("/")))] == []


def test_the_picture_shows_every_function() -> None:
    shown = set(re.findall(r"<text [^>]*>([^<]+)</text>", page("docs/architecture.svg")))

    assert set(FUNCTIONS) <= shown


def test_a_term_stands_once_in_the_glossary_with_a_word_that_the_code_has() -> None:
    rows = [line.strip("| ").split(" | ") for line in table_of("docs/glossary.md")[2:]]
    code = "\n".join((ROOT / file).read_text("utf-8") for file, _ in modules())

    terms = [term for each in rows for term in re.split("[、(]", each[0].replace(")", ""))]
    unknown = {word for each in rows for word in re.findall(r"`(\w+)`", each[2]) if not re.search(rf"\b{word}\b", code)}

    assert len(terms) == len(set(terms))
    assert unknown == set()


def test_every_picture_of_a_document_is_small() -> None:
    sizes = {file.name: file.stat().st_size for file in (ROOT / "docs" / "images").iterdir()}

    assert {name for name, size in sizes.items() if size > 200_000} == set()
    assert set(sizes) == {Path(one).name for one in re.findall(r'src="([^"]+)"', page("README.md"))}


def test_every_module_says_what_it_holds() -> None:
    silent = [
        str(file)
        for file, tree in modules()
        if not ast.get_docstring(tree) and (tree.body or file.name != "__init__.py")
    ]

    assert silent == []


# Put together from parts, or this file would be its own first finding.
FORBIDDEN = tuple(
    re.compile(f"{first}{second}")
    for first, second in (
        (r"files\.python", r"hosted\.org"),
        (r"registry\.npm", r"js\.org"),
        (r"py", r"pi\.org/simple"),
        (r"--(?:extra-)?index", r"-url[ =]h"),
        (r"(?<![\w.$/-])/(?:work|root|home/\w+)", r"/(?:main|shared|\w+/leadtrail)"),
    )
)


def test_no_file_names_a_registry_or_a_folder_of_this_machine() -> None:
    found = {
        f"{file.relative_to(ROOT)}: {hit.group()}"
        for file in files()
        if file.suffix != ".png"
        for pattern in FORBIDDEN
        for hit in [pattern.search(file.read_text("utf-8", "replace"))]
        if hit
    }

    assert found == set()
