"""Writing the table: one decision is one TransactWriteItems, conditional on the version that was read.

Events, projection, clocks, alerts, outbox rows and the receipt stand together or not at all. Doing a
thing once rests on the receipt and on the version, nowhere else: after a failed condition the use
case reads again, and finds its own receipt if it was its own answer that got lost.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from leadtrail.adapters import rows as rows_of
from leadtrail.adapters.reader import TableReader
from leadtrail.adapters.rows import Write
from leadtrail.domain import lead as leads_of
from leadtrail.domain import trail
from leadtrail.domain.errors import BusyError, StaleLeadError
from leadtrail.domain.instant import cut
from leadtrail.domain.lead import Lead, NeedsTrailError
from leadtrail.domain.trail import GENESIS, Event
from leadtrail.services.ports import Change, Committed, ConflictError, Person

T = TypeVar("T")
TRIES = 8
_CONFLICTS = ("ConditionalCheckFailed", "TransactionConflict")
_BUSY = ("ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded", "InternalServerError")


class TableStore(TableReader):
    """The whole table; ``sleep`` is given so that tests need not wait."""

    def __init__(
        self,
        client: Any,
        table: str,
        key: Callable[[], bytes],
        now: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(client, table, key, now)
        self._sleep = sleep

    def settled(self, attempt: Callable[[], T]) -> T:
        """Call ``attempt`` until nobody gets in between; waits 10 ms to 1.3 s, doubled and jittered.

        Raises:
            StaleLeadError: others were first eight times running.
        """
        for tried in range(TRIES):
            try:
                return attempt()
            except ConflictError:
                # Spreading retries needs no secrecy.
                self._sleep(random.uniform(0.2, 1.0) * 0.01 * 2**tried)  # noqa: S311 - jitter, not a secret
        raise StaleLeadError

    def commit(self, change: Change) -> Committed:
        """Write one decision in one transaction.

        Raises:
            ConflictError: a condition failed or another transaction was under way; decide again.
            BusyError: the table cannot take it now.
        """
        events = self._sealed(change)
        lead = self._folded(change, events) if events else change.lead
        self.write([*self._rows(change, lead, events)])
        return Committed(lead, events, tuple(change.alerts))

    def write(self, rows: Sequence[Write]) -> None:
        """Write up to 100 rows in one transaction; raises as `commit` does."""
        try:
            self._client.transact_write_items(TransactItems=[row.request(self._table) for row in rows])
        except ClientError as error:
            raise _translated(error) from error

    def _sealed(self, change: Change) -> tuple[Event, ...]:
        before = change.lead
        salt = change.person.salt if change.person else b""
        happenings = [replace(happening, occurred_at=cut(happening.occurred_at)) for happening in change.happenings]
        return trail.append(
            happenings,
            lead_id=change.lead_id,
            seq=before.seq if before else 0,
            head=before.head if before else GENESIS,
            recorded_at=cut(change.recorded_at),
            salt=salt,
        )

    def _folded(self, change: Change, events: Sequence[Event]) -> Lead:
        try:
            return leads_of.evolve(change.lead, events)
        except NeedsTrailError:
            known = self.trail(change.lead_id)
            if len(known) != events[0].seq - 1:  # somebody wrote meanwhile; the condition would fail too
                raise ConflictError from None
            return leads_of.fold((*known, *events))

    def _rows(self, change: Change, lead: Lead | None, events: Sequence[Event]) -> Iterator[Write]:
        if lead is not None and events:
            yield rows_of.lead(change.lead, lead)
            yield from (rows_of.event(event, change.person) for event in events)
            yield from rows_of.clocks(change.lead, lead)
        if change.person:
            yield from self._person_rows(change, change.person)
        if change.receipt:
            yield from rows_of.receipt(change.receipt, change.raw)
        if change.rotation:
            yield rows_of.rotation(change.rotation)
        yield from (rows_of.alert(alert) for alert in change.alerts)
        yield from (rows_of.outbox(row) for row in change.outbox)
        if change.recording:
            yield from rows_of.recording(change.recording)

    def _person_rows(self, change: Change, person: Person) -> Iterator[Write]:
        if change.new_person or change.contact:
            yield rows_of.person(replace(person, contact=change.contact or person.contact), new=change.new_person)
        if change.lead is None and change.happenings:
            yield rows_of.lead_of_person(person.person_id, change.lead_id)
        for identity in change.claims:
            yield rows_of.claim(self.identity_key(identity), person.person_id, change.lead_id)
        for identity, before in change.moves:
            yield rows_of.move(self.identity_key(identity), before, change.lead_id)


def _translated(error: ClientError) -> Exception:
    code = error.response["Error"]["Code"]
    reasons = [reason.get("Code", "") for reason in error.response.get("CancellationReasons", [])]
    if any(reason in _CONFLICTS for reason in reasons) or code in ("TransactionInProgressException", *_CONFLICTS):
        return ConflictError(", ".join(reasons) or code)
    if any(reason in _BUSY for reason in reasons) or code in ("ThrottlingException", *_BUSY):
        return BusyError()
    failed: Exception = error
    return failed
