"""The import of a whole event log into the running demo: how fast, and what bounds it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from console import connection, importing
from tests.bench.figure import Figure, Section

MAPPING = Path("docs/examples/bpic2012.toml")
LONGEST_S = 300


def section(log: Path) -> Section:
    """Import the log and say how long it took; the demo is to be fresh, since what is known is not imported again.

    Raises:
        RuntimeError: the log was in the demo already, at least in part.
    """
    began, own = time.monotonic(), time.process_time()
    tally = importing.run(log, MAPPING, connection.connect(os.environ))
    seconds, own_s = time.monotonic() - began, time.process_time() - own
    if tally.known:
        raise RuntimeError(f"{tally.known} leads were in already: start the demo with `make demo FRESH=1`")
    return Section(
        "Import of an event log",
        (
            Figure(
                f"{tally.added:,} leads from {tally.rows:,} rows, into the local stack",
                f"within {LONGEST_S} s on 2 cores",
                f"{seconds:.0f} s",
                f"{tally.added / seconds:,.0f} leads and {tally.events / seconds:,.0f} trail events a second",
                seconds <= LONGEST_S,
            ),
            Figure(
                "rows accounted for",
                "imported + merged + rejected = all",
                f"{tally.facts:,} + {tally.merged:,} + {tally.rejected:,} = {tally.rows:,}",
                "the importer's own account",
                tally.adds_up,
            ),
        ),
        (
            f"What bounds it: the importer itself computed for {own_s:.0f} s of the {seconds:.0f} s (seals, folds,"
            " clocks, requests); for the rest it waited for the stand-in of DynamoDB, one process on the same machine.",
        ),
    )
