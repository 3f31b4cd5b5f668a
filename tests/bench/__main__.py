"""``python -m tests.bench``: measure what is promised, print it, and write it into docs/benchmarks.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from tests.bench import calls, cold_start, cpu, event_log, faults, figure, sweeping, walking
from tests.bench.figure import Section

PAGE = Path("docs/benchmarks.md")
MEASURES = ("calls", "sweep", "start", "due", "cpu", "faults")


def main() -> int:
    """Measure, print and write; 1 if a promise does not hold."""
    asked = _arguments()
    measures: dict[str, Callable[[], Section]] = {
        "calls": calls.section,
        "sweep": lambda: sweeping.section(sweeping.SAMPLE if asked.quick else sweeping.SIZES),
        "start": cold_start.section,
        "due": lambda: walking.section(quick=asked.quick),
        "cpu": cpu.section,
        "faults": lambda: faults.section(faults.SAMPLE if asked.quick else faults.LEADS),
    }
    sections = [measures[name]() for name in measures if name in asked.only]
    if asked.log:
        sections.append(event_log.section(asked.log))
    texts = {section.name: section.markdown(asked.date) for section in sections}
    print("\n".join(texts.values()))
    if not asked.log:
        print("Import of an event log: not measured in this run (--log FILE, with a fresh demo running)")
    if asked.quick:
        for sampled in (sweeping.NAME, walking.NAME, faults.NAME):
            texts.pop(sampled, None)  # a sample is no figure to keep
    before = PAGE.read_text("utf-8") if PAGE.exists() else ""
    PAGE.write_text(figure.page(before, texts.values()), "utf-8")
    broken = [each.name for section in sections for each in section.figures if each.holds is False]
    for name in broken:
        print(f"a promise does not hold: {name}", file=sys.stderr)
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", nargs="*", choices=MEASURES, default=MEASURES)
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"walk from {walking.SAMPLE} starts, send {faults.SAMPLE} leads, sweep among {sweeping.SAMPLE[-1]:,} only,"
        " and keep all of that off the page",
    )
    parser.add_argument("--log", type=Path, help="an event log to import into the running demo, which takes minutes")
    parser.add_argument("--date", type=date.fromisoformat, default=datetime.now(UTC).date(), help="day of the page")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
