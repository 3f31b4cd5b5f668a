"""Retracting: whoever was told of a breach that turns out to be none hears that, too, by the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from leadtrail.domain.clock import WARNING
from leadtrail.domain.company import Company
from leadtrail.domain.ids import new_id
from leadtrail.domain.instant import to_text
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Happening
from leadtrail.services.ports import Change, OutboxRow, Store, Telling

RETRACTED: Final = "alert.retracted"
CORRECTED: Final = "corrected"
_HEARD: Final = ("sent", "unconfirmed")


def retraction_rows(
    lead: Lead, happenings: Sequence[Happening], tellings: Sequence[Telling], *, company: Company, now: datetime
) -> tuple[OutboxRow, ...]:
    """Return one message for each person or group that was told of a breach which ``happenings`` take back.

    A warning was right when it was given, and stays. What was taken back once is not taken back again. Who was told
    by a channel that is configured no more cannot be reached by it, and is left out.
    """
    rows = []
    for rule, episode in _retracted(happenings):
        heard: dict[tuple[str | None, str], list[Telling]] = {}
        for said in sorted(tellings, key=_in_order):
            if (said.rule, said.episode) != (rule, episode) or said.channel not in company.channels:
                continue
            if said.state == CORRECTED:
                heard.pop((said.to, said.channel), None)
            elif said.state in _HEARD and said.level > WARNING:
                heard.setdefault((said.to, said.channel), []).append(said)
        rows += [_row(lead, (rule, episode), way, told, now) for way, told in heard.items()]
    return tuple(rows)


def with_corrections(change: Change, *, store: Store, company: Company) -> Change:
    """Return the change with what must be said of the breaches that it takes back; one read more where there are any.

    The lead's own trail is the change's, so ``change.lead`` is given.
    """
    if change.lead is None or not _retracted(change.happenings):
        return change
    tellings = store.tellings(change.lead_id)
    rows = retraction_rows(change.lead, change.happenings, tellings, company=company, now=change.recorded_at)
    return replace(change, outbox=(*change.outbox, *rows))


def _retracted(happenings: Sequence[Happening]) -> list[tuple[str, int]]:
    found = (item.facts for item in happenings if item.kind == RETRACTED)
    return list(dict.fromkeys((facts["rule"], int(facts["episode"])) for facts in found))


def _in_order(said: Telling) -> tuple[datetime, bool]:
    return said.at, said.state == CORRECTED


def _row(
    lead: Lead, clock: tuple[str, int], way: tuple[str | None, str], told: Sequence[Telling], now: datetime
) -> OutboxRow:
    (rule, episode), (to, channel) = clock, way
    alerts = list(dict.fromkeys(said.alert_id for said in told))
    facts: dict[str, Any] = {
        "lead": lead.lead_id,
        "person": lead.person_id,
        "rule": rule,
        "episode": episode,
        "level": max(said.level for said in told),
        "alert": alerts[-1],
        "alerts": alerts,
        "at": to_text(now),
        "to": to,
        "channels": [channel],
        "tried": [],
    }
    return OutboxRow(channel, new_id(now), "retraction", now, facts)
