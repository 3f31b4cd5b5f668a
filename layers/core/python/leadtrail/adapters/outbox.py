"""The outbox in the table: lease, attempts and limits, each step conditional on the lease."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from leadtrail.adapters.store import TableStore
from leadtrail.adapters.table import ChannelItem, OutboxItem, lead_key, outbox_sort, raw_key
from leadtrail.domain.instant import from_text, to_text
from leadtrail.services.dispatching import Lease
from leadtrail.services.ports import OutboxRow


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
        return Lease(channel, until, tuple(_at(ms) for ms in item.sent or []), _at(muted) if muted else None)

    def end_lease(self, lease: Lease) -> None:
        """Give the lease back, if it is still ours."""
        values = {":zero": {"N": "0"}, ":mine": _ms(lease.until), ":sent": _sent(lease)}
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

    def begin(self, row: OutboxRow, lease: Lease) -> None:
        """Note an attempt on the message and in the robot's minute; only the holder of the lease can."""
        self._client.transact_write_items(
            TransactItems=[
                self._update(
                    _key(row),
                    "SET attempts = :next",
                    "attempts = :before",
                    {":next": {"N": str(row.attempts + 1)}, ":before": {"N": str(row.attempts)}},
                ),
                self._update(
                    _state(lease.channel),
                    "SET sent = :sent",
                    "lease_until = :mine",
                    {":sent": _sent(lease), ":mine": _ms(lease.until)},
                ),
            ]
        )

    def done(self, row: OutboxRow, at: datetime) -> None:
        """Remove a message; its alert, if it has one, now says when it was sent."""
        steps = [{"Delete": {"TableName": self._table, "Key": _key(row)}}]
        if row.kind == "alert":
            facts = row.facts
            key = lead_key(facts["lead"], f"ALERT#{facts['rule']}#{facts['episode']}#{facts['level']}")
            told = {":at": {"S": to_text(at)}}
            steps.append(self._update(raw_key(key), "SET sent_at = :at", "attribute_exists(PK)", told))
        try:
            self._client.transact_write_items(TransactItems=steps)
        except ClientError as error:
            reasons = error.response.get("CancellationReasons", [])
            if not any(reason.get("Code") == "ConditionalCheckFailed" for reason in reasons):
                raise
            self.drop(row)  # the alert is gone (kept three years); its message must not be sent for ever

    def drop(self, row: OutboxRow) -> None:
        """Remove a message that nobody needs to hear any more."""
        self._client.delete_item(TableName=self._table, Key=_key(row))

    def postpone(self, row: OutboxRow, until: datetime) -> None:
        """Leave a message for later."""
        self._client.update_item(
            TableName=self._table,
            Key=_key(row),
            UpdateExpression="SET send_at = :at, GSI1SK = :sort",
            ConditionExpression="attribute_exists(PK)",
            ExpressionAttributeValues={
                ":at": {"S": to_text(until)},
                ":sort": {"S": outbox_sort(row.channel, until, row.id)},
            },
        )

    def _update(self, key: dict[str, Any], expression: str, condition: str, values: dict[str, Any]) -> dict[str, Any]:
        return {
            "Update": {
                "TableName": self._table,
                "Key": key,
                "UpdateExpression": expression,
                "ConditionExpression": condition,
                "ExpressionAttributeValues": values,
            }
        }


def _row(item: OutboxItem) -> OutboxRow:
    return OutboxRow(
        channel=item.PK.removeprefix("OUTBOX#"),
        id=item.SK,
        kind=item.kind,
        send_at=from_text(item.send_at),
        facts=item.facts,
        attempts=int(item.attempts),
    )


def _key(row: OutboxRow) -> dict[str, Any]:
    return raw_key({"PK": f"OUTBOX#{row.channel}", "SK": row.id})


def _state(channel: str) -> dict[str, Any]:
    return raw_key({"PK": f"CHANNEL#{channel}", "SK": "STATE"})


def _ms(at: datetime) -> dict[str, str]:
    return {"N": str(round(at.timestamp() * 1000))}


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _sent(lease: Lease) -> dict[str, str]:
    return {"S": json.dumps([round(at.timestamp() * 1000) for at in lease.sent])}
