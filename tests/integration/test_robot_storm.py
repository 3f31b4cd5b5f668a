"""2,000 alerts against misbehaving robots: all arrive, no limit is ever broken, nobody is told three times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from leadtrail.adapters import telling_rows
from leadtrail.adapters.outbox import TableOutbox
from leadtrail.domain.company import HOURLY
from leadtrail.services.outgoing import Lease, Told
from leadtrail.services.ports import Alert, OutboxRow
from tests.builders import NINE
from tests.integration.conftest import TestWorld
from tests.memory_outbox import MemoryOutbox
from tests.robot_storm import APP, CHANNELS, Seen, Storm, Weather, alerts

ALERTS = 2000
OVER = timedelta(hours=2)
LATER = datetime(9000, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CALM = Weather(refused=0, lost=0, crash=0, overlap=0.5, outage=(timedelta(0), timedelta(0)))


def faults(seen: Seen, rows: Sequence[OutboxRow]) -> dict[str, list[str]]:
    """Return what must not have happened, by kind; nothing in a storm that was weathered."""
    ids = [row.facts["alert"][-6:] for row in rows]
    found = {
        "lost": [one for one in ids if not seen.copies[one]],
        "three copies": [one for one in ids if seen.copies[one] > 2],
        "doubled without a lost answer": [one for one in ids if seen.copies[one] == 2 and not seen.ambiguous[one]],
        "too fast": seen.too_fast,
    }
    return {kind: cases for kind, cases in found.items() if cases}


def busiest(storm: Storm, channel: str, span: timedelta, *, reader: str | None = None) -> int:
    """Return how many messages of a channel (or to one reader) came within the fullest ``span``."""
    inbox = [one for one in storm.network.robots.inbox() if one.channel == channel and reader in (None, one.audience)]
    at = [datetime.fromisoformat(one.at) for one in inbox]
    return max(sum(begin <= one < begin + span for one in at) for begin in at)


def test_a_storm_of_alerts_reaches_everybody_within_every_limit() -> None:
    rows = alerts(ALERTS, Random(1), OVER)
    outbox = MemoryOutbox(rows)

    seen = Storm(outbox).blows(lambda: not outbox.rows)

    assert faults(seen, rows) == {}
    assert set(outbox.ledger) == {row.id for row in rows}
    assert min(seen.calls[what] for what in ("502", "lost", "outage")) > 20
    assert seen.crashes > 20


def test_robots_that_are_patient_are_used_to_their_limits_and_not_beyond() -> None:
    rows = alerts(ALERTS, Random(1), OVER)
    outbox = MemoryOutbox(rows)
    storm = Storm(outbox, weather=CALM)

    seen = storm.blows(lambda: not outbox.rows)

    assert faults(seen, rows) == {}
    assert set(seen.copies.values()) == {1}
    assert [busiest(storm, channel, MINUTE) for channel in ("group", "managers")] == [20, 20]
    assert max(busiest(storm, "app", 60 * MINUTE, reader=name) for name in APP.members.values()) <= HOURLY


def test_dispatchers_that_die_all_the_time_leave_nothing_unsaid_and_untold() -> None:
    rows = alerts(ALERTS, Random(1), OVER)
    outbox = MemoryOutbox(rows)

    seen = Storm(outbox, weather=Weather(crash=0.01)).blows(lambda: not outbox.rows)

    found, short = faults(seen, rows), {row.facts["alert"][-6:]: row.id for row in rows}
    assert seen.crashes > 300
    assert {outbox.ledger[short[one]] for one in found.pop("lost", [])} <= {"unconfirmed"}  # twice nobody lived to say
    assert found == {}


class Unleased(MemoryOutbox):
    """A planted bug: whoever asks gets the lease, and nobody asks whose it is."""

    def take_lease(self, channel: str, *, now: datetime, until: datetime) -> Lease | None:
        self.leases[channel] = replace(self.leases.get(channel, Lease(channel, NINE)), until=until)
        return self.leases[channel]

    def is_held(self, lease: Lease) -> bool:
        return True


class Unbegun(MemoryOutbox):
    """A planted bug: no attempt is noted before it is made."""

    def begin(self, rows: Sequence[OutboxRow], lease: Lease, told: Told | None) -> None:
        return


@pytest.mark.parametrize(
    ("planted", "weather", "shown"),
    [
        pytest.param(Unleased, CALM, "too fast", id="no lease"),
        pytest.param(Unbegun, Weather(crash=0.02), "three copies", id="attempts not noted before they are made"),
    ],
)
def test_the_storm_shows_a_planted_bug(planted: type[MemoryOutbox], weather: Weather, shown: str) -> None:
    rows = alerts(ALERTS, Random(1), OVER)
    outbox = planted(rows)

    seen = Storm(outbox, weather=weather).blows(lambda: not outbox.rows)

    assert shown in faults(seen, rows)


def test_the_same_storm_over_the_table(world: TestWorld) -> None:
    rows = alerts(80, Random(1), 5 * MINUTE)
    for start in range(0, len(rows), 50):
        some = rows[start : start + 50]
        world.store.write(
            [write for row in some for write in (telling_rows.outbox(row), telling_rows.alert(_alert(row)))]
        )
    storm = Storm(world.outbox, weather=Weather(outage=(MINUTE, 4 * MINUTE)), tick=MINUTE)

    seen = storm.blows(lambda: not any(world.outbox.due(one, LATER, 1) for one in CHANNELS))

    tellings = {row.id: world.store.tellings(row.facts["lead"]) for row in rows}
    assert faults(seen, rows) == {}
    assert isinstance(world.outbox, TableOutbox)
    assert {row_id: [told.id for told in said] for row_id, said in tellings.items()} == {
        row.id: [row.id] for row in rows
    }


def _alert(row: OutboxRow) -> Alert:
    facts = row.facts
    return Alert(
        id=facts["alert"],
        lead_id=facts["lead"],
        rule=facts["rule"],
        episode=facts["episode"],
        level=facts["level"],
        audience=facts["audience"],
        channel=row.channel,
        created_at=row.send_at,
    )
