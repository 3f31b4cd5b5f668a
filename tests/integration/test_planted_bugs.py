"""A test of the tests: five ways to do intake wrong, each of which the storm or the crashes must find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from functions.ingest import sources, taking
from leadtrail.adapters import rows as rows_of
from leadtrail.adapters import telling_rows
from leadtrail.adapters.outage import OUTAGES
from leadtrail.adapters.rows import Row, Update, Write
from leadtrail.adapters.store import TableStore
from leadtrail.domain.delivery import Delivery
from leadtrail.domain.lead import Lead
from leadtrail.runtime import wiring
from leadtrail.services.intake import Outcome
from leadtrail.services.ports import Change, Committed
from tests.bench import storm
from tests.integration.test_intake_crashes import SCENARIOS, differences, open_ward
from tests.integration.test_intake_faults import stormy, told_after

LEADS = 16
Plant = Callable[[pytest.MonkeyPatch], None]
commit, receipt_row, load_rows = TableStore.commit, rows_of.receipt, rows_of.loads


def marker_first(patched: pytest.MonkeyPatch) -> None:
    """The receipt stands before what it vouches for."""

    def committed(self: TableStore, change: Change) -> Committed:
        if change.receipt:
            self.write(list(receipt_row(change.receipt, change.raw)))
        return commit(self, replace(change, receipt=None, raw=None))

    patched.setattr(TableStore, "commit", committed)


def no_condition(patched: pytest.MonkeyPatch) -> None:
    """Receipt and identities are written whoever was first."""

    def unconditional(rows: Iterable[Write]) -> Iterator[Write]:
        yield from (replace(row, condition=None, values={}, names={}) for row in rows)

    claim = rows_of.claim
    patched.setattr(rows_of, "receipt", lambda proof, raw: unconditional(receipt_row(proof, raw)))
    patched.setattr(rows_of, "claim", lambda *said: next(unconditional([claim(*said)])))


def bare_add(patched: pytest.MonkeyPatch) -> None:
    """The count of open leads moves by itself, after the decision."""
    aside: list[Update] = []

    def withheld(changed: Iterable[tuple[Lead | None, Lead]]) -> Iterator[Update]:
        aside[:] = load_rows(changed)
        yield from ()

    def committed(self: TableStore, change: Change) -> Committed:
        done = commit(self, change)
        for row in aside:
            request: dict[str, Any] = row.request(self._table)["Update"]
            self._client.update_item(**request)
        return done

    patched.setattr(rows_of, "loads", withheld)
    patched.setattr(TableStore, "commit", committed)


def send_before_commit(patched: pytest.MonkeyPatch) -> None:
    """What workers are to do is handed out before it is certain that there is anything to do."""

    def committed(self: TableStore, change: Change) -> Committed:
        early: Sequence[Row] = [telling_rows.outbox(row) for row in change.outbox]
        if early:
            self.write(early)
        return commit(self, replace(change, outbox=()))

    patched.setattr(TableStore, "commit", committed)


def ok_while_in_progress(patched: pytest.MonkeyPatch) -> None:
    """Who comes while something is under way, or gets nowhere, is told that all is well."""
    take = taking.take

    def swallowed(
        request: sources.Request, deliveries: Iterable[Delivery], world: wiring.World, *, attempt: str
    ) -> list[Outcome]:
        try:
            return take(request, deliveries, world, attempt=attempt)
        except OUTAGES:
            return [Outcome(None, "duplicate")]

    patched.setattr(taking, "take", swallowed)


def after_a_storm() -> list[str]:
    with stormy(queued=False) as raging:
        return told_after(raging, storm.plan(LEADS, bursts=0.2))


def after_crashes(name: str) -> list[str]:
    with open_ward(SCENARIOS[name]) as ward:
        return differences(ward, lambda dies_at: ward.deliver(SCENARIOS[name].event, dies_at))


FOUND_BY: dict[str, tuple[Plant, Callable[[], list[str]], str]] = {
    "marker first": (marker_first, lambda: after_crashes("a new lead"), "less by"),
    "marker first, in a storm": (marker_first, after_a_storm, "receipt"),
    "no condition": (no_condition, after_a_storm, "leads: "),
    "bare ADD": (bare_add, lambda: after_crashes("a new lead"), "LOAD"),
    "bare ADD, in a storm": (bare_add, after_a_storm, "loads: "),
    "send before commit": (send_before_commit, lambda: after_crashes("a call with its recording"), "OUTBOX#@fetch"),
    "200 while in progress": (ok_while_in_progress, after_a_storm, "missing"),
}


@pytest.mark.parametrize("bug", FOUND_BY)
def test_a_planted_bug_is_found(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, check, sign = FOUND_BY[bug]
    plant(monkeypatch)

    told = check()

    assert any(sign in each for each in told), told


@pytest.mark.parametrize("check", [after_a_storm, lambda: after_crashes("a call with its recording")])
def test_without_a_bug_nothing_is_told(check: Callable[[], list[str]]) -> None:
    told = check()

    assert told == []
