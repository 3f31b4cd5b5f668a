"""Writing the table: one decision is one TransactWriteItems, conditional on the version that was read.

Events, projection, clocks, alerts, outbox rows and the receipt stand together or not at all. Doing a
thing once rests on the receipt and on the version, nowhere else: after a failed condition the use
case reads again, and finds its own receipt if it was its own answer that got lost.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from leadtrail.adapters import rows as rows_of
from leadtrail.adapters import team_day, telling_rows
from leadtrail.adapters.reader import open_leads
from leadtrail.adapters.rows import Row
from leadtrail.adapters.table import RowItem, load_key, person_key
from leadtrail.adapters.values import identity_from_item
from leadtrail.adapters.wake_index import WakeIndex
from leadtrail.domain import lead as leads_of
from leadtrail.domain import trail
from leadtrail.domain.errors import BusyError, StaleLeadError
from leadtrail.domain.identity import Identity
from leadtrail.domain.instant import cut, to_text
from leadtrail.domain.lead import Lead, NeedsTrailError
from leadtrail.domain.trail import GENESIS, Event
from leadtrail.services.ports import Change, Committed, ConflictError, IdentityRow, MergeRecord, Person

T = TypeVar("T")
TRIES = 8
_CONFLICTS = ("ConditionalCheckFailed", "TransactionConflict")
_BUSY = ("ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded", "InternalServerError")


class TableStore(WakeIndex):
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
        [done] = self.commit_together([change])
        return done

    def commit_together(self, changes: Sequence[Change]) -> tuple[Committed, ...]:
        """Write decisions on several leads in one transaction, each conditional on its own version.

        At most 100 items in all, and none of them twice: a person's contact stands in one of the changes.

        Raises:
            ConflictError, BusyError: as `commit`; then none of the decisions was written.
        """
        done = [self._decided(change) for change in changes]
        rows = [row for change, made in zip(changes, done, strict=True) for row in self._rows(change, made)]
        changed = [(change.lead, made.lead) for change, made in zip(changes, done, strict=True) if made.events]
        self.write([*rows, *rows_of.loads((before, after) for before, after in changed if after)])
        return tuple(done)

    def write(self, rows: Sequence[Row]) -> None:
        """Write up to 100 rows in one transaction; raises as `commit` does."""
        try:
            self._client.transact_write_items(TransactItems=[row.request(self._table) for row in rows])
        except ClientError as error:
            raise _translated(error) from error

    def loads(self, rep_ids: Iterable[str]) -> dict[str, int]:
        """Return how many open leads each rep has, of up to 100 reps in one batch."""
        at = {rep: load_key(rep) for rep in rep_ids}
        found = self.batch(at.values())
        items = {rep: found.get((key["PK"], key["SK"])) for rep, key in at.items()}
        return {rep: open_leads(item) for rep, item in items.items()}

    def identities(self, identities: Sequence[Identity]) -> dict[Identity, IdentityRow]:
        """Return whom each of up to 100 identities belongs to, in one batch."""
        keys = {identity: f"{identity.kind}#{self.hash_identity(identity)}" for identity in identities}
        rows = self.identity_rows(keys.values())
        return {identity: rows[key] for identity, key in keys.items() if key in rows}

    def identities_of(self, person_id: str) -> dict[str, IdentityRow]:
        """Return a person's identities by kind and keyed hash; a call's session is none. Two reads."""
        listed = self.get(person_key(person_id, rows_of.IDENTITIES))
        rows = self.identity_rows(listed["keys"]["SS"] if listed else ())
        return {key: row for key, row in rows.items() if row.person_id == person_id}

    def identity_rows(self, keys: Iterable[str]) -> dict[str, IdentityRow]:
        """Return whom identities belong to now, by kind and keyed hash, a hundred to a batch."""
        wanted = sorted(keys)
        rows: dict[str, IdentityRow] = {}
        for start in range(0, len(wanted), 100):
            found = self.batch(rows_of.identity_key(key) for key in wanted[start : start + 100])
            rows |= {pk.removeprefix("IDENTITY#"): identity_from_item(item) for (pk, _), item in found.items()}
        return rows

    def merge_record(self, winner_id: str, loser_id: str) -> MergeRecord | None:
        """Return what a merge moved, unless it was undone."""
        item = self.get(rows_of.merge_key(winner_id, loser_id))
        if item is None:
            return None
        doc = RowItem.from_raw_data(item).doc
        moved = tuple((key, lead_id) for key, lead_id in doc["identities"])
        return MergeRecord(winner_id, loser_id, moved, tuple(doc["added"]))

    def _decided(self, change: Change) -> Committed:
        events = self._sealed(change)
        lead = self._folded(change, events) if events else change.lead
        return Committed(lead, events, tuple(change.alerts))

    def keep_sample(
        self, source: str, reason: str, outline: Mapping[str, Any], *, at: datetime, expires_at: datetime
    ) -> None:
        """Keep the outline of a refused delivery, unless this hour has one of its source and reason."""
        row = RowItem(
            PK=f"REJECTED#{source}",
            SK=f"{at:%Y-%m-%dT%H}#{reason}",
            doc={**outline, "at": to_text(at)},
            expires_at=int(expires_at.timestamp()),
        )
        try:
            self._client.put_item(
                TableName=self._table, Item=row.serialize(), ConditionExpression="attribute_not_exists(PK)"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise

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

    def _rows(self, change: Change, made: Committed) -> Iterator[Row]:
        lead = made.lead
        if lead is not None and made.events:
            yield rows_of.lead(change.lead, lead)
            yield from (rows_of.event(event, change.person) for event in made.events)
            yield from rows_of.clocks(change.lead, lead)
            yield from team_day.rows(change.lead, lead, made.events)
        if change.person:
            yield from self._person_rows(change, change.person)
        yield from self._identity_rows(change)
        if change.merge:
            yield rows_of.merge(change.merge)
        if change.unmerge:
            yield rows_of.unmerge(change.unmerge)
        if change.receipt:
            yield from rows_of.receipt(change.receipt, change.raw)
        if change.rotation:
            yield rows_of.rotation(change.rotation)
        yield from (telling_rows.alert(alert) for alert in change.alerts)
        yield from (telling_rows.outbox(row) for row in change.outbox)
        if change.recording:
            yield from rows_of.recording(change.recording)

    def _person_rows(self, change: Change, person: Person) -> Iterator[Row]:
        if change.new_person:
            yield rows_of.person(replace(person, contact=change.contact or person.contact))
        elif change.contact:
            yield rows_of.contact(person, change.contact)
        if change.lead is None and change.happenings:
            yield rows_of.lead_of_person(person.person_id, change.lead_id)
        for identity in change.claims:
            yield rows_of.claim(self.identity_key(identity), person.person_id, change.lead_id)
        for identity, before in change.moves:
            yield rows_of.move(self.identity_key(identity), before, change.lead_id)

    def _identity_rows(self, change: Change) -> Iterator[Row]:
        yield from (rows_of.repoint(repoint) for repoint in change.repoints)
        yield from (rows_of.release(self.identity_key(identity), row) for identity, row in change.releases)
        joining: dict[str, set[str]] = {}
        if change.person:
            claimed = {f"{identity.kind}#{self.hash_identity(identity)}" for identity in change.claims}
            joining[change.person.person_id] = claimed
        for repoint in change.repoints:
            joining.setdefault(repoint.after.person_id, set()).add(repoint.key)
        for person_id, keys in joining.items():
            yield from rows_of.identities(person_id, keys)


def _translated(error: ClientError) -> Exception:
    code = error.response["Error"]["Code"]
    reasons = [reason.get("Code", "") for reason in error.response.get("CancellationReasons", [])]
    if any(reason in _CONFLICTS for reason in reasons) or code in ("TransactionInProgressException", *_CONFLICTS):
        return ConflictError(", ".join(reasons) or code)
    if any(reason in _BUSY for reason in reasons) or code in ("ThrottlingException", *_BUSY):
        return BusyError()
    failed: Exception = error
    return failed
