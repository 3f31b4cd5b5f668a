"""The outbox in the table: lease, attempts, limits and ledger, each step one write, conditional on what was read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from leadtrail.adapters import telling_rows
from leadtrail.adapters.store import TableStore
from leadtrail.adapters.table import ChannelItem, OutboxItem, lead_key, outbox_sort, raw_key
from leadtrail.domain.instant import from_text, to_text
from leadtrail.services.outgoing import Lease, LeaseLostError, Told
from leadtrail.services.ports import ConflictError, OutboxRow, Telling

AT_ONCE: Final = 33  # rows that are done in one transaction: three items each
TOLD_KEPT: Final = timedelta(days=1)  # somebody's messages count for an hour
_MISSED: Final = "ConditionalCheckFailed"
_PASSING: Final = ("TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded")


class TableOutbox:
    """The outbox of all channels."""

    def __init__(self, client: Any, table: str, store: TableStore) -> None:
        self._client = client
        self._table = table
        self._store = store

    def take_lease(self, channel: str, *, now: datetime, until: datetime) -> Lease | None:
        """Return the lease with what is known of the robot's limits, or None while somebody else holds it."""
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key=_state(channel),
                UpdateExpression="SET lease_until = :until",
                ConditionExpression="attribute_not_exists(lease_until) OR lease_until <= :now",
                ExpressionAttributeValues={":until": _ms(until), ":now": _ms(now)},
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return None
            raise
        item = ChannelItem.from_raw_data(answer["Attributes"])
        muted = int(item.muted_until or 0)
        return Lease(channel, until, _instants(item), _at(muted) if muted else None)

    def end_lease(self, lease: Lease) -> None:
        """Give the lease back, if it is still ours."""
        values = {":zero": {"N": "0"}, ":mine": _ms(lease.until), ":sent": _sent(lease.sent)}
        values[":muted"] = _ms(lease.muted_until) if lease.muted_until else {"N": "0"}
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_state(lease.channel),
                UpdateExpression="SET lease_until = :zero, sent = :sent, muted_until = :muted",
                ConditionExpression="lease_until = :mine",
                ExpressionAttributeValues=values,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise  # a lease that ran out is somebody else's by now

    def due(self, channel: str, now: datetime, limit: int) -> Sequence[OutboxRow]:
        """Return messages that want to be sent by ``now``, the longest waiting first."""
        rows: list[OutboxRow] = []
        for item in self._store.items(f"OUTBOX#{channel}"):
            row = OutboxItem.from_raw_data(item)
            if from_text(row.send_at) <= now:
                rows.append(_row(row))
                if len(rows) == limit:
                    break
        return rows

    def told(self, channel: str, to: str) -> Told:
        """Return when a person was told over a channel, as far as it is known."""
        item = self._store.get({"PK": f"CHANNEL#{channel}", "SK": f"TO#{to}"})
        return Told(to, _instants(ChannelItem.from_raw_data(item)) if item else ())

    def begin(self, rows: Sequence[OutboxRow], lease: Lease, told: Told | None) -> None:
        """Note an attempt on its rows, in the robot's minute and the person's hour, in one transaction.

        Raises:
            LeaseLostError: the lease is somebody else's, or a row is no longer as it was read.
        """
        mine = {":sent": _sent(lease.sent), ":mine": _ms(lease.until)}
        steps = [self._update(_state(lease.channel), "SET sent = :sent", "lease_until = :mine", mine)]
        for row in rows:
            values, before = _values(row), {":before": {"N": str(row.attempts - 1)}}
            steps.append(self._update(_key(row), _KEPT, "attempts = :before", values | before))
        if told is not None:
            gone_at = {"N": str(int((told.at[-1] + TOLD_KEPT).timestamp()))}
            key = raw_key({"PK": f"CHANNEL#{lease.channel}", "SK": f"TO#{told.to}"})
            values = {":sent": _sent(told.at), ":gone": gone_at}
            steps.append(self._update(key, "SET sent = :sent, expires_at = :gone", None, values))
        missed = self._written(steps)
        if missed:
            raise LeaseLostError(f"channel {lease.channel}")

    def done(
        self, rows: Sequence[OutboxRow], state: str, at: datetime, *, personal: bool, is_digest: bool = False
    ) -> None:
        """Remove messages, each with its line in the ledger; an alert that was sent now says when it first was.

        The rows of one message are at most 32, and go in one transaction; what says nothing of a lead has no line.
        """
        for start in range(0, len(rows), AT_ONCE):
            steps: list[dict[str, Any]] = []
            alerts: dict[tuple[str, str], OutboxRow] = {}
            for row in rows[start : start + AT_ONCE]:
                steps.append({"Delete": {"TableName": self._table, "Key": _key(row)}})
                if row.kind in ("alert", "retraction"):
                    said = _telling(row, state, at, to=row.facts.get("to") if personal else None, is_digest=is_digest)
                    steps.append(telling_rows.telling(said).request(self._table))
                if row.kind == "alert" and state == "sent":
                    alerts[row.facts["lead"], _alert_sort(row)] = row
            noted = [self._noted(row, at) for row in alerts.values()]
            missed = self._written([*steps, *noted])
            if missed:  # alerts that are gone (kept three years); their messages must not be sent for ever
                there = [step for index, step in enumerate(noted, start=len(steps)) if index not in missed]
                self._written([*steps, *there])

    def drop(self, row: OutboxRow) -> None:
        """Remove work that was handed on to somebody else; nobody was told anything."""
        self._client.delete_item(TableName=self._table, Key=_key(row))

    def keep(self, rows: Sequence[OutboxRow]) -> None:
        """Write back messages that stay, as they are to be; one that is gone stays gone."""
        for start in range(0, len(rows), 100):
            steps = [
                self._update(_key(row), _KEPT, "attribute_exists(PK)", _values(row))
                for row in rows[start : start + 100]
            ]
            missed = self._written(steps)
            if missed:
                self._written([step for index, step in enumerate(steps) if index not in missed])

    def move(self, row: OutboxRow, rows: Sequence[OutboxRow]) -> None:
        """Put other messages in the place of one that is still there, in one transaction."""
        there = "attribute_exists(PK)"
        steps = [telling_rows.outbox(other).request(self._table) for other in rows]
        places = [(other.channel, other.id) for other in rows]
        if (row.channel, row.id) in places:  # somebody else's on the same channel: it is written over
            steps[places.index((row.channel, row.id))]["Put"]["ConditionExpression"] = there
        else:
            steps.append({"Delete": {"TableName": self._table, "Key": _key(row), "ConditionExpression": there}})
        self._written(steps)

    def _noted(self, row: OutboxRow, at: datetime) -> dict[str, Any]:
        key = raw_key(lead_key(row.facts["lead"], _alert_sort(row)))
        expression = "SET sent_at = if_not_exists(sent_at, :at)"
        return self._update(key, expression, "attribute_exists(PK)", {":at": {"S": to_text(at)}})

    def _written(self, steps: Sequence[dict[str, Any]]) -> frozenset[int]:
        """Write a transaction, and again while others are in its way; return which conditions failed, if any did."""
        if not steps:
            return frozenset()
        return self._store.settled(lambda: self._tried(steps))

    def _tried(self, steps: Sequence[dict[str, Any]]) -> frozenset[int]:
        try:
            self._client.transact_write_items(TransactItems=list(steps))
        except ClientError as error:
            reasons = [reason.get("Code") for reason in error.response.get("CancellationReasons", [])]
            if _MISSED in reasons:
                return frozenset(index for index, reason in enumerate(reasons) if reason == _MISSED)
            if any(reason in _PASSING for reason in reasons):
                raise ConflictError(", ".join(map(str, reasons))) from error
            raise
        return frozenset()

    def _update(
        self, key: dict[str, Any], expression: str, condition: str | None, values: dict[str, Any]
    ) -> dict[str, Any]:
        update = {
            "TableName": self._table,
            "Key": key,
            "UpdateExpression": expression,
            "ExpressionAttributeValues": values,
        }
        return {"Update": update | ({"ConditionExpression": condition} if condition else {})}


_KEPT: Final = (
    "SET attempts = :attempts, unsure = :unsure, failures = :failures, held = :held, send_at = :at, GSI1SK = :sort"
)


def _values(row: OutboxRow) -> dict[str, Any]:
    """Return the values of `_KEPT`."""
    return {
        ":attempts": {"N": str(row.attempts)},
        ":unsure": {"N": str(row.unsure)},
        ":failures": {"N": str(row.failures)},
        ":held": {"N": str(int(row.held))},
        ":at": {"S": to_text(row.send_at)},
        ":sort": {"S": outbox_sort(row.channel, row.send_at, row.id)},
    }


def _telling(row: OutboxRow, state: str, at: datetime, *, to: str | None, is_digest: bool) -> Telling:
    facts = row.facts
    takes_back = row.kind == "retraction" and state != "moot"
    return Telling(
        id=row.id,
        lead_id=facts["lead"],
        alert_id=facts["alert"],
        rule=facts["rule"],
        episode=int(facts["episode"]),
        level=int(facts["level"]),
        to=to,
        channel=row.channel,
        state="corrected" if takes_back else state,
        at=at,
        digest=is_digest,
    )


def _alert_sort(row: OutboxRow) -> str:
    return f"ALERT#{row.facts['rule']}#{row.facts['episode']}#{row.facts['level']}"


def _row(item: OutboxItem) -> OutboxRow:
    return OutboxRow(
        channel=item.PK.removeprefix("OUTBOX#"),
        id=item.SK,
        kind=item.kind,
        send_at=from_text(item.send_at),
        facts=item.facts,
        attempts=int(item.attempts),
        unsure=int(item.unsure or 0),
        failures=int(item.failures or 0),
        held=bool(item.held),
    )


def _key(row: OutboxRow) -> dict[str, Any]:
    return raw_key({"PK": f"OUTBOX#{row.channel}", "SK": row.id})


def _state(channel: str) -> dict[str, Any]:
    return raw_key({"PK": f"CHANNEL#{channel}", "SK": "STATE"})


def _ms(at: datetime) -> dict[str, str]:
    return {"N": str(round(at.timestamp() * 1000))}


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _instants(item: ChannelItem) -> tuple[datetime, ...]:
    return tuple(_at(ms) for ms in item.sent or [])


def _sent(instants: Sequence[datetime]) -> dict[str, str]:
    return {"S": json.dumps([round(at.timestamp() * 1000) for at in instants])}
