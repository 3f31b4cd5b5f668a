"""What a bench says: figures in sections, each with its promise and how it was measured, as Markdown."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

TITLE = """# Benchmarks

What is promised, and what was measured: counts, and ratios of two times taken in the same run. `make bench` measures
and writes this page; a section that a run does not measure stays as it was, with the day and the machine that it names.
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One promise and what became of it; ``holds`` is None where nothing is promised."""

    name: str
    promise: str
    measured: str
    how: str
    holds: bool | None = None

    @property
    def row(self) -> str:
        """The figure as a row of a Markdown table."""
        verdict = {True: "yes", False: "**no**", None: "-"}[self.holds]
        return f"| {self.name} | {self.promise} | {self.measured} | {verdict} | {self.how} |"


@dataclass(frozen=True, slots=True)
class Section:
    """Figures of one kind, measured together; ``notes`` are paragraphs below the table."""

    name: str
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()

    def markdown(self, day: date) -> str:
        """Return the section with the day and machine of its measuring."""
        lines = [
            f"## {self.name}",
            "",
            f"Measured on {day} on {machine()}.",
            "",
            "| operation | promise | measured | holds | how |",
            "|---|---|---|---|---|",
            *(figure.row for figure in self.figures),
        ]
        return "\n".join([*lines, *(f"\n{note}" for note in self.notes)]) + "\n"


def machine() -> str:
    """Return what this machine is, as far as figures depend on it."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.exists() else []
    chip = " ".join(names[0].split()) if names else platform.machine()
    return f"{os.cpu_count()} cores ({chip}), {platform.system()}, Python {platform.python_version()}"


def page(before: str, sections: Iterable[str]) -> str:
    """Return the page with new sections in the place of those of the same name; others stay as they were."""
    kept = {_name(text): text for text in re.split(r"^(?=## )", before, flags=re.MULTILINE) if text.startswith("## ")}
    kept |= {_name(text): text for text in sections}
    return "\n".join([TITLE, *(text.rstrip() + "\n" for text in kept.values())])


def _name(section: str) -> str:
    return section.splitlines()[0]
