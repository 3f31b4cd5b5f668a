"""The watch: wake the clocks that are due, record what became true, and leave a message for who must know.

State-driven: an overlapping or repeated sweep finds the lead already changed and does nothing; a
missed hour is caught up by the next one. Costs one query a shard, and two calls for each lead that
wakes, however many leads are open. The longest overdue come first, and a sweep that runs out of time
leaves the rest to the next minute's. A lead that cannot be woken is left alone after three sweeps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from leadtrail.domain.clock import Notice
from leadtrail.domain.errors import LeadtrailError
from leadtrail.domain.lead import Lead
from leadtrail.services import alerting, retracting, second_look
from leadtrail.services.ports import Alert, Change, Configuration, OutboxRow, Store, Waking
from leadtrail.services.second_look import Found

TRIES = 3  # sweeps that may fail with a clock before it is set aside


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did.

    ``lag`` is how late the longest overdue clock was when it began, ``failed`` are the leads left as they are with
    why, ``aside`` those of them that no sweep will try again. Not ``finished``: there was more than time for it.
    """

    leads: int
    alerts: tuple[Alert, ...]
    lag: timedelta
    failed: tuple[tuple[str, Exception], ...]
    aside: tuple[str, ...]
    finished: bool


@dataclass(slots=True)
class _Run:
    """One sweep under way: whom it has seen, whom it told, what failed."""

    store: Store
    config: Configuration
    now: datetime
    ahead: timedelta
    seen: set[str] = field(default_factory=set)
    alerts: list[Alert] = field(default_factory=list)
    failed: dict[str, Exception] = field(default_factory=dict)
    aside: list[str] = field(default_factory=list)

    def attempt(self, waking: Waking) -> None:
        """Wake a lead once, for all its clocks; a failure counts for each of those that are due."""
        lead_id = waking.lead_id
        if lead_id not in self.seen:
            self.seen.add(lead_id)
            try:
                self.alerts += self._wake(lead_id)
            except Exception as error:
                self.failed[lead_id] = error
        if lead_id in self.failed and not self.store.is_outage(self.failed[lead_id]):
            self._count_failure(waking, self.failed[lead_id])

    def _count_failure(self, waking: Waking, error: Exception) -> None:
        try:
            tried = self.store.note_failure(waking, self.now)
            if tried >= TRIES and self.store.put_aside(waking, reason_of(error), self.now):
                self.aside.append(waking.lead_id)
        except Exception as trouble:
            trouble.__cause__ = error
            self.failed[waking.lead_id] = trouble

    def _wake(self, lead_id: str) -> tuple[Alert, ...]:
        def once() -> tuple[Alert, ...]:
            lead = self.store.lead(lead_id)
            if lead is None:
                raise LookupError(f"the wake index names lead {lead_id}, which is not there")
            found = second_look.wake(lead, store=self.store, config=self.config, now=self.now)
            if not found.happenings:  # an overlapping sweep was first, or the index is a moment behind
                return ()
            change = retracting.with_corrections(
                self._change(lead, found), store=self.store, company=self.config.company()
            )
            return self.store.commit(change).alerts

        return self.store.settled(once)

    def _change(self, lead: Lead, found: Found) -> Change:
        told = [self._tell(found, notice) for notice in found.notices]
        return Change(
            lead_id=lead.lead_id,
            recorded_at=self.now,
            lead=lead,
            happenings=found.happenings,
            alerts=[alert for alert, _ in told],
            outbox=[row for _, rows in told for row in rows],
            rotation=found.rotation,
        )

    def _tell(self, found: Found, notice: Notice) -> tuple[Alert, tuple[OutboxRow, ...]]:
        return alerting.tell(
            found.lead,
            notice,
            company=self.config.company(),
            send_at=self._send_at(notice),
            now=self.now,
            newcomer=found.newcomer,
        )

    def _send_at(self, notice: Notice) -> datetime:
        """Return when a message goes: at the next opening of the clock's own calendar, unless its level knows no hours.

        Where a test plays the future, what would be sent at once then is sent at once.
        """
        policy = self.config.policy(notice.clock.policy, notice.clock.policy_version)
        at_once = alerting.goes_at_any_hour(notice, policy)
        return (self.now if at_once else self.config.calendar(policy).next_opening(self.now)) - self.ahead


def sweep(
    *,
    store: Store,
    config: Configuration,
    now: datetime,
    ahead: timedelta = timedelta(0),
    has_time: Callable[[], bool] = lambda: True,
) -> Swept:
    """Wake every clock that wants to be woken by ``now`` (aware UTC); one lead's failure never stops the others.

    ``ahead`` is how far ``now`` lies beyond the real time, where a test plays the future.
    """
    config.company()  # what fails here fails for every lead, and is the fault of none
    run = _Run(store, config, now, ahead)
    earliest, finished = now, True
    for waking in store.waking(now):
        earliest = min(earliest, waking.wakes_at)
        if not has_time():
            finished = False
            break
        run.attempt(waking)
    woken = len(run.seen) - len(run.failed)
    aside = tuple(dict.fromkeys(run.aside))
    return Swept(woken, tuple(run.alerts), now - earliest, tuple(run.failed.items()), aside, finished)


def reason_of(error: Exception) -> str:
    """Return what kind of error it was and which function of ours met it: nothing that the error says of the lead."""
    if isinstance(error, LeadtrailError):
        return f"{type(error).__name__} ({error.code})"
    place, frame = "", error.__traceback__
    while frame is not None:
        module = frame.tb_frame.f_globals.get("__name__", "")
        if module.startswith("leadtrail."):
            place = f"{module.removeprefix('leadtrail.')}.{frame.tb_frame.f_code.co_name}"
        frame = frame.tb_next
    return f"{type(error).__name__} ({place})" if place else type(error).__name__
