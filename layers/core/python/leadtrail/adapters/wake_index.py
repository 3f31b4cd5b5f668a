"""The wake index: who wakes by now, whose waking failed, who was set aside, and whose due time is a guess.

A row stands in one partition at a time: in its shard while its clock wants to be woken, under ASIDE once its waking has
failed too often. A failure is kept as the time of its sweep in a set, since a bare count would count twice when an
answer got lost. Whatever writes the clock anew takes failures and setting aside with it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby, islice
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from leadtrail.adapters.reader import TableReader
from leadtrail.adapters.table import SHARDS, ClockItem, Key, Raw, aside_sort, lead_key, raw_key, shard_of, wake_sort
from leadtrail.domain.errors import BusyError, StaleLeadError
from leadtrail.domain.instant import from_text, to_text
from leadtrail.services.ports import Aside, ConflictError, Waking

# What DynamoDB says of a request that it will never take; every other answer is about DynamoDB, or about us all.
_REFUSALS = ("ValidationException", "TransactionCanceledException", "ItemCollectionSizeLimitExceededException")
_CONDITION = "ConditionalCheckFailedException"
COUNTED = 100  # of clocks set aside: as far as the sweep counts them


class WakeIndex(TableReader):
    """The clocks of all leads, by when they want to be looked at."""

    def waking(self, now: datetime) -> Iterator[Waking]:
        """Yield the clocks that want to be woken by ``now``, of all shards the earliest first: one query a shard."""
        shards = [self._waking_of(f"WAKE#{shard:02d}", now) for shard in range(SHARDS)]
        yield from heapq.merge(*shards, key=lambda waking: (waking.wakes_at, waking.lead_id, waking.clock))

    def _waking_of(self, shard: str, now: datetime) -> Iterator[Waking]:
        for item in self.items(shard, index="GSI1", upto=f"{to_text(now)}~"):
            at, lead_id, clock = item["GSI1SK"]["S"].split("#", 2)
            yield Waking(lead_id, from_text(at), clock)

    @staticmethod
    def is_outage(error: Exception) -> bool:
        """Tell whether an error says something of the table, or of who wrote first, and nothing of the lead."""
        if isinstance(error, ClientError):
            return error.response["Error"]["Code"] not in _REFUSALS
        if isinstance(error, ParamValidationError):
            return False
        return isinstance(error, BusyError | StaleLeadError | ConflictError | BotoCoreError)

    def note_failure(self, waking: Waking, at: datetime) -> int:
        """Keep that a sweep at ``at`` could not wake this clock, and return how many sweeps could not; 0 if it moved.

        Noting the same sweep again changes nothing.
        """
        values = {":at": {"SS": [to_text(at)]}, ":seen": {"S": _seen(waking)}}
        answer = self._update(waking, "ADD failures :at", "GSI1SK = :seen", values)
        return len(answer["failures"]["SS"]) if answer else 0

    def put_aside(self, waking: Waking, reason: str, at: datetime) -> bool:
        """Take a clock out of what wakes, for ``reason`` (nothing personal); False if it moved meanwhile."""
        values = {
            ":aside": {"S": "ASIDE"},
            ":sort": {"S": aside_sort(at, waking.lead_id, waking.clock)},
            ":seen": {"S": _seen(waking)},
            ":why": {"S": reason},
            ":wakes": {"S": to_text(waking.wakes_at)},
        }
        change = "SET GSI1PK = :aside, GSI1SK = :sort, aside_reason = :why, aside_wakes_at = :wakes"
        return self._update(waking, change, "GSI1SK = :seen", values) is not None

    def aside_count(self) -> int:
        """Return how many leads have a clock set aside, of the first hundred clocks: one query."""
        keys = islice(self.items("ASIDE", index="GSI1", limit=COUNTED), COUNTED)
        return len({item["PK"]["S"] for item in keys})

    def set_aside(self) -> Iterator[Aside]:
        """Yield every clock that was set aside, the longest first; for the operator's console."""
        keys = self.items("ASIDE", index="GSI1")
        for _, group in groupby(enumerate(keys), key=lambda numbered: numbered[0] // 100):
            known = [(item["PK"]["S"], item["SK"]["S"]) for _, item in group]
            found = self.batch({"PK": pk, "SK": sk} for pk, sk in known)
            yield from (_aside(found[key]) for key in known if "aside_wakes_at" in found.get(key, {}))

    def release(self, aside: Aside) -> bool:
        """Put a clock back to where it wanted to be woken, its failures forgotten; False if it is back already."""
        values = {
            ":aside": {"S": "ASIDE"},
            ":shard": {"S": shard_of(aside.lead_id)},
            ":sort": {"S": wake_sort(aside.wakes_at, aside.lead_id, aside.clock)},
        }
        change = "SET GSI1PK = :shard, GSI1SK = :sort REMOVE failures, aside_reason, aside_wakes_at"
        return self._update(aside, change, "GSI1PK = :aside", values) is not None

    def estimated(self, size: int = 100) -> Iterator[Sequence[str]]:
        """Yield the ids of leads with a clock whose due time is a guess, soonest first, ``size`` clocks to a page."""
        seen: set[str] = set()
        for page in self.query("ESTIMATED", index="GSI5", limit=size):
            ids = dict.fromkeys(item["PK"]["S"].removeprefix("LEAD#") for item in page.items)
            fresh = [lead_id for lead_id in ids if lead_id not in seen]
            seen.update(fresh)
            if fresh:
                yield fresh

    def _update(self, of: Waking | Aside, change: str, condition: str, values: Raw) -> dict[str, Any] | None:
        """Change a clock's row and return it as it is now; None where the condition does not hold."""
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key=raw_key(_clock_key(of)),
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == _CONDITION:
                return None
            raise
        item: Raw = answer["Attributes"]
        return item


def _clock_key(of: Waking | Aside) -> Key:
    return lead_key(of.lead_id, f"CLOCK#{of.clock}")


def _seen(waking: Waking) -> str:
    return wake_sort(waking.wakes_at, waking.lead_id, waking.clock)


def _aside(item: Raw) -> Aside:
    row = ClockItem.from_raw_data(item)
    since, lead_id, clock = str(row.GSI1SK).split("#", 2)
    return Aside(lead_id, clock, from_text(since), str(row.aside_reason), from_text(str(row.aside_wakes_at)))
