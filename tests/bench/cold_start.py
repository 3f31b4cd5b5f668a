"""What an entry's cold start loads, held against the DynamoDB client alone, in processes that take turns."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.figure import Figure, Section

ROOT = Path(__file__).resolve().parents[2]
TURNS = 15
LARGEST = 1.6
BASELINE = 'import boto3; boto3.client("dynamodb")'
ENTRY = """
import functions.{module}
from leadtrail.runtime import wiring
wiring.world().store, wiring.world().config
"""
PROGRAMS = {
    "baseline": BASELINE,
    "webhook": ENTRY.format(module="ingest.webhook"),
    "sweep": ENTRY.format(module="sla.sweep"),
}
MEASURED = """
import sys, time
sys.path += {path!r}
wall, cpu = time.perf_counter(), time.process_time()
{program}
print(time.process_time() - cpu, time.perf_counter() - wall)
"""


@dataclass(frozen=True, slots=True)
class Start:
    """One start, in seconds: of the processor, and on the wall."""

    cpu_s: float
    wall_s: float


def search_path() -> list[str]:
    """Return where a function finds its modules: its bundle, the core layer, and the packages."""
    boto3 = importlib.util.find_spec("boto3")
    if boto3 is None or boto3.origin is None:
        raise RuntimeError("boto3 is not installed")
    return [str(ROOT), str(ROOT / "layers/core/python"), str(Path(boto3.origin).parents[1])]


def run(program: str, *, bytecode: str | None = None) -> str:
    """Run a program as Lambda would import it, and return what it prints; ``bytecode`` is a folder for .pyc files."""
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_DEFAULT_REGION": "cn-north-1",
        "POWERTOOLS_SERVICE_NAME": "leadtrail",
        "TABLE_NAME": "leadtrail",
        "KEY_SECRET": "leadtrail/key",
    }
    environment |= {"PYTHONPYCACHEPREFIX": bytecode} if bytecode else {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def section() -> Section:
    """Measure the imports; the programs take turns, so that what else the machine does meets all alike."""
    path = search_path()
    programs = {name: MEASURED.format(path=path, program=program) for name, program in PROGRAMS.items()}
    starts: dict[str, list[Start]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as bytecode:
        for program in programs.values():  # compiles
            run(program, bytecode=bytecode)
        for _ in range(TURNS):
            for name, program in programs.items():
                starts[name].append(Start(*map(float, run(program, bytecode=bytecode).split())))
    return Section(
        "Cold start",
        (
            _figure("import of the webhook entry", starts["webhook"], starts["baseline"]),
            _figure("import of the sweep entry", starts["sweep"], starts["baseline"]),
        ),
        (
            f"Baseline: `{BASELINE}`, {_ms(starts['baseline'])}. An entry: its module, the composition root, the"
            f" DynamoDB client, store and configuration. {TURNS} starts of each, in turns, each in a process of its"
            " own, bytecode compiled. Loading waits for nothing, so the ratio is of processor time, which other work on"
            " the machine disturbs less than the wall. The Secrets Manager client, the provider of a source and the"
            " published holidays are loaded by the first delivery that needs them, and are in no figure here;"
            " `tests/infrastructure/test_cold_start.py` holds what an entry may load.",
        ),
    )


def _figure(name: str, starts: list[Start], baseline: list[Start]) -> Figure:
    ratio = median(start.cpu_s for start in starts) / median(start.cpu_s for start in baseline)
    on_the_wall = min(start.wall_s for start in starts) / min(start.wall_s for start in baseline)
    return Figure(
        name,
        f"at most {LARGEST} times the client alone",
        f"{ratio:.2f} times",
        f"ratio of medians of processor time ({_ms(starts)}); fastest on the wall {on_the_wall:.2f} times",
        ratio <= LARGEST,
    )


def _ms(starts: list[Start]) -> str:
    return f"{median(start.cpu_s for start in starts) * 1000:.0f} ms"
