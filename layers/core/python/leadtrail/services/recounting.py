"""Recounting: due times that were guessed, for want of a published calendar, are counted by what is known now.

A year's holidays come with a deployment. What they move is written as `clock.rebased`, and a breach that they prove
wrong is corrected. Leads are read a hundred to a batch, and only those that change are read again and written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Happening
from leadtrail.services import retracting, second_look
from leadtrail.services.ports import Change, Configuration, Store


@dataclass(frozen=True, slots=True)
class Recounted:
    """What a run did: how many due times are a guess still, how many leads changed, and which could not be counted.

    Not ``finished``: there was more than time for it; the next run begins with what is due soonest, as this one did.
    """

    estimated: int
    changed: int
    failed: tuple[tuple[str, Exception], ...]
    finished: bool


def recount(
    *, store: Store, config: Configuration, now: datetime, has_time: Callable[[], bool] = lambda: True
) -> Recounted:
    """Count every guessed due time anew at ``now`` (aware UTC); one lead's failure never stops the others.

    Where no due time is a guess it costs one query.
    """
    estimated = changed = 0
    failed: list[tuple[str, Exception]] = []
    for lead in _guessed(store):
        if not has_time():
            return Recounted(estimated, changed, tuple(failed), finished=False)
        try:
            after = _recounted(lead, store=store, config=config, now=now)
        except Exception as error:
            failed.append((lead.lead_id, error))
            after = lead
        changed += after is not lead
        estimated += sum(second_look.is_guess(clock, config) for clock in after.clocks)
    return Recounted(estimated, changed, tuple(failed), finished=True)


def _guessed(store: Store) -> Iterable[Lead]:
    for lead_ids in store.estimated():
        yield from store.leads(lead_ids).values()


def _recounted(lead: Lead, *, store: Store, config: Configuration, now: datetime) -> Lead:
    """Return the lead as it is now: the very one that was read in the batch, where nothing changes."""
    if not _happenings(lead, config, now):
        return lead

    def once() -> Lead:
        known = store.lead(lead.lead_id)
        if known is None:
            raise LookupError(f"lead {lead.lead_id} was there a moment ago")
        happenings = _happenings(known, config, now)
        if not happenings:
            return known
        change = Change(lead_id=known.lead_id, recorded_at=now, lead=known, happenings=happenings)
        done = store.commit(retracting.with_corrections(change, store=store, company=config.company()))
        return done.lead or known

    return store.settled(once)


def _happenings(lead: Lead, config: Configuration, now: datetime) -> tuple[Happening, ...]:
    return tuple(
        happening for clock in lead.clocks for happening in second_look.recounted(lead, clock, config=config, now=now)
    )
