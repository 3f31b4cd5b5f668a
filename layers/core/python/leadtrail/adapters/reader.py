"""Reading the table: each access pattern of adapters/table.py is one method here."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from leadtrail.adapters.projection import lead_from_json
from leadtrail.adapters.querying import query_request
from leadtrail.adapters.table import (
    ConfigItem,
    Key,
    LeadItem,
    Raw,
    ReceiptItem,
    RotationItem,
    RowItem,
    lead_key,
    load_key,
    person_key,
    raw_key,
    receipt_key,
    rotation_key,
)
from leadtrail.adapters.values import (
    alert_from_item,
    body_from_item,
    event_from_item,
    identity_from_item,
    person_from_item,
    readable,
    recording_from_item,
    telling_from_item,
)
from leadtrail.domain import lead as leads_of
from leadtrail.domain.errors import BusyError
from leadtrail.domain.identity import Identity
from leadtrail.domain.ids import new_id
from leadtrail.domain.instant import from_text, to_text
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Event
from leadtrail.services.ports import (
    Alert,
    CommandView,
    IdentityRow,
    IntakeView,
    Listed,
    Person,
    RawBody,
    Receipt,
    Recording,
    Rotation,
    Telling,
)

# listing -> index, partition's prefix, whether it reads backwards
LISTINGS = {
    "owner": ("GSI2", "OWNER", True),
    "unowned": ("GSI2", "UNOWNED", False),
    "team": ("GSI3", "TEAM", True),
    "stage": ("GSI5", "STAGE", True),
    "risk": ("GSI4", "RISK", False),
}


@dataclass(frozen=True, slots=True)
class Page:
    """Raw items of one page of a query, and the key to go on from."""

    items: list[Raw]
    last: Raw | None


class TableReader:
    """The reading half of the store; ``key`` brings the company's HMAC key when it is first needed."""

    def __init__(self, client: Any, table: str, key: Callable[[], bytes], now: Callable[[], datetime]) -> None:
        self._client = client
        self._table = table
        self._key = key
        self.now = now

    # -- the ways to read ------------------------------------------------------------------------

    def get(self, key: Key) -> Raw | None:
        """Return one item, consistently."""
        answer = self._client.get_item(TableName=self._table, Key=raw_key(key), ConsistentRead=True)
        item: Raw | None = answer.get("Item")
        return item

    def batch(self, keys: Iterable[Key]) -> dict[tuple[str, str], Raw]:
        """Return up to 100 items by key, consistently; what the table holds back is asked for again.

        Raises:
            BusyError: the table held keys back five times running.
        """
        wanted = [raw_key(key) for key in {(k["PK"], k["SK"]): k for k in keys}.values()]
        found: dict[tuple[str, str], Raw] = {}
        for _ in range(5):
            if not wanted:
                return found
            request = {self._table: {"Keys": wanted, "ConsistentRead": True}}
            answer = self._client.batch_get_item(RequestItems=request)
            for item in answer["Responses"].get(self._table, []):
                found[item["PK"]["S"], item["SK"]["S"]] = item
            wanted = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
        if wanted:
            raise BusyError
        return found

    def query(self, partition: str, **options: Any) -> Iterator[Page]:
        """Yield the pages of one partition; ``index``, ``prefix``, ``upto``, ``below``, ``newest_first``, ``limit``."""
        request = query_request(self._table, partition, **options)
        while True:
            answer = self._client.query(**request)
            yield Page(answer["Items"], answer.get("LastEvaluatedKey"))
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def items(self, partition: str, **options: Any) -> Iterator[Raw]:
        """Yield the items of one partition, page by page."""
        for page in self.query(partition, **options):
            yield from page.items

    def hash_identity(self, identity: Identity) -> str:
        """Return the keyed hash that stands for an identity in the table."""
        return hmac.new(self._key(), f"{identity.kind}:{identity.value}".encode(), hashlib.sha256).hexdigest()

    def identity_key(self, identity: Identity) -> Key:
        """Return the key of an identity's item."""
        return {"PK": f"IDENTITY#{identity.kind}#{self.hash_identity(identity)}", "SK": "PERSON"}

    # -- the patterns ----------------------------------------------------------------------------

    def fingerprint(self, text: str) -> str:
        """Return a keyed hash of a text: it tells whether another one is the same, and nothing else."""
        return hmac.new(self._key(), f"text:{text}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def waiting(self, *, since: datetime, until: datetime) -> Iterator[tuple[str, str]]:
        """Yield source and key of the parked deliveries that wait for another message, received in that time."""
        span = (to_text(since), f"{to_text(until)}~")
        for item in self.items("PARKED", index="GSI1", between=span):
            _, source, key = item["GSI1SK"]["S"].split("#")
            yield source, key

    def kept_body(self, source: str, key: str) -> RawBody | None:
        """Return a delivery's body as it was kept, without the bytes of an archived one; None once it is gone."""
        item = self.get(receipt_key(source, key, "BODY"))
        return body_from_item(item) if item else None

    def intake_view(
        self, *, receipt: tuple[str, str], identities: Sequence[Identity], team: str, loads: Sequence[str] = ()
    ) -> IntakeView:
        """Read a delivery's receipt, identities, the rotation's turn, the stamp and the reps' loads in one batch."""
        by_key = {(key["PK"], key["SK"]): identity for identity in identities for key in [self.identity_key(identity)]}
        receipt_at = receipt_key(*receipt)
        turn_at = rotation_key(team)
        stamp_at = {"PK": "CONFIG", "SK": "STAMP"}
        loads_at = {rep: load_key(rep) for rep in loads}
        keys = [receipt_at, turn_at, stamp_at, *loads_at.values(), *({"PK": pk, "SK": sk} for pk, sk in by_key)]
        found = self.batch(keys)
        rows = {by_key[key]: identity_from_item(item) for key, item in found.items() if key in by_key}
        turn = found.get((turn_at["PK"], turn_at["SK"]))
        stamp = found.get((stamp_at["PK"], stamp_at["SK"]))
        return IntakeView(
            receipt=self._fresh(found.get((receipt_at["PK"], receipt_at["SK"])), *receipt),
            identities=rows,
            rotation=_rotation(team, turn),
            stamp=int(ConfigItem.from_raw_data(stamp).version) if stamp else 0,
            loads={rep: open_leads(found.get((key["PK"], key["SK"]))) for rep, key in loads_at.items()},
        )

    def rotation(self, name: str) -> Rotation:
        """Return the turn of a rotation, of a team (its id) or of one of its rules, consistently."""
        return _rotation(name, self.get(rotation_key(name)))

    def receipt(self, source: str, key: str) -> Receipt | None:
        """Return a receipt that has not expired."""
        return self._fresh(self.get(receipt_key(source, key)), source, key)

    def receipts(self, source: str, keys: Sequence[str]) -> dict[str, Receipt]:
        """Return which of up to 100 receipts of one source there are, in one batch."""
        found = self.batch(receipt_key(source, key) for key in keys)
        items = {key: found.get((at["PK"], at["SK"])) for key in keys for at in [receipt_key(source, key)]}
        fresh = ((key, self._fresh(item, source, key)) for key, item in items.items())
        return {key: receipt for key, receipt in fresh if receipt is not None}

    def lead(self, lead_id: str) -> Lead | None:
        """Return the projection, consistently."""
        item = self.get(lead_key(lead_id))
        return self._lead(item) if item else None

    def leads(self, lead_ids: Sequence[str]) -> dict[str, Lead]:
        """Return the projections of up to 100 leads in one batch."""
        found = self.batch(lead_key(lead_id) for lead_id in lead_ids)
        return {lead.lead_id: lead for item in found.values() for lead in [self._lead(item)]}

    def persons(self, person_ids: Iterable[str]) -> dict[str, Person]:
        """Return the contacts of up to 100 people in one batch."""
        found = self.batch(person_key(person_id) for person_id in person_ids)
        return {person.person_id: person for item in found.values() for person in [person_from_item(item)]}

    def lead_and_person(self, lead_id: str, person_id: str) -> tuple[Lead | None, Person | None]:
        """Return both in one batch."""
        found = self.batch([lead_key(lead_id), person_key(person_id)])
        lead = found.get((f"LEAD#{lead_id}", "LEAD"))
        person = found.get((f"PERSON#{person_id}", "CONTACT"))
        return self._lead(lead) if lead else None, person_from_item(person) if person else None

    def command_view(self, receipt: tuple[str, str] | None, lead_id: str) -> CommandView:
        """Read a command's receipt, its lead and the configuration's stamp in one batch."""
        lead_at, stamp_at = lead_key(lead_id), {"PK": "CONFIG", "SK": "STAMP"}
        receipt_at = [receipt_key(*receipt)] if receipt else []
        found = self.batch([lead_at, stamp_at, *receipt_at])
        lead = found.get((lead_at["PK"], lead_at["SK"]))
        stamp = found.get((stamp_at["PK"], stamp_at["SK"]))
        known = found.get((receipt_at[0]["PK"], receipt_at[0]["SK"])) if receipt_at else None
        return CommandView(
            receipt=self._fresh(known, *receipt) if receipt else None,
            lead=self._lead(lead) if lead else None,
            stamp=int(ConfigItem.from_raw_data(stamp).version) if stamp else 0,
        )

    def listed(self, listing: str, name: str, *, after: str = "", size: int = 50) -> Iterator[Listed]:
        """Yield the leads of an index (LISTINGS) in its order, from ``after`` on, ``size`` to a page."""
        index, prefix, newest_first = LISTINGS[listing]
        bound = {"below" if newest_first else "above": after}
        options = {"index": index, "newest_first": newest_first, "limit": size, **bound}
        for item in self.items(f"{prefix}#{name}", **options):
            yield Listed(item[f"{index}SK"]["S"], self._lead(item))

    def breached_beyond(self, team: str, at: datetime) -> Iterator[str]:
        """Yield the ids of a team's leads with a breach that lasted beyond ``at``; one may come twice."""
        for item in self.items(f"BREACHED#{team}", index="GSI4", above=to_text(at)):
            yield item["PK"]["S"].removeprefix("LEAD#")

    def readable(self, events: Iterable[Event], person: Person | None) -> tuple[Event, ...]:
        """Return events with their texts in clear; a text that the key does not open stays closed."""
        return tuple(readable(event, person) for event in events)

    def note_reading(self, person_id: str, *, lead_id: str, reader: str, at: datetime) -> None:
        """Keep who read a person's contact, through which lead, and when."""
        row = RowItem(
            **person_key(person_id, f"READ#{new_id(at)}"), doc={"lead": lead_id, "by": reader, "at": to_text(at)}
        )
        self._client.put_item(TableName=self._table, Item=row.serialize())

    def person_leads(self, person_id: str) -> tuple[str, ...]:
        """Return the ids of a person's leads, oldest first."""
        rows = self.items(f"PERSON#{person_id}", prefix="LEAD#")
        return tuple(row["SK"]["S"].removeprefix("LEAD#") for row in rows)

    def trail(self, lead_id: str, *, after: int = 0, limit: int | None = None) -> tuple[Event, ...]:
        """Return events by seq, from ``after`` on; texts as they rest."""
        events: list[Event] = []
        for item in self.items(f"LEAD#{lead_id}", between=(f"EVENT#{after + 1:08d}", "EVENT#~"), limit=limit):
            events.append(event_from_item(item))
            if limit is not None and len(events) == limit:
                break
        return tuple(events)

    def lead_and_trail(self, lead_id: str) -> tuple[Lead | None, tuple[Event, ...]]:
        """Return a projection with its whole trail, in one query; texts as they rest."""
        items = list(self.items(f"LEAD#{lead_id}", between=("EVENT#", "LEAD")))
        lead = next((self._lead(item) for item in items if item["SK"]["S"] == "LEAD"), None)
        return lead, tuple(event_from_item(item) for item in items if item["SK"]["S"].startswith("EVENT#"))

    def lead_ids(self) -> tuple[str, ...]:
        """Return every lead there is, the oldest first: a scan, for the operator's console only."""
        request = {"TableName": self._table, "IndexName": "GSI3", "ProjectionExpression": "PK"}
        pages = self._client.get_paginator("scan").paginate(**request)
        return tuple(sorted(item["PK"]["S"].removeprefix("LEAD#") for page in pages for item in page["Items"]))

    def alerts(self, lead_id: str) -> tuple[Alert, ...]:
        """Return the alerts of a lead, by rule, episode and level."""
        return tuple(alert_from_item(item) for item in self.items(f"LEAD#{lead_id}", prefix="ALERT#"))

    def tellings(self, lead_id: str) -> tuple[Telling, ...]:
        """Return what was said of a lead, to whom and by which channel, oldest first."""
        return tuple(telling_from_item(item) for item in self.items(f"LEAD#{lead_id}", prefix="TOLD#"))

    def identified(self, identity: Identity) -> IdentityRow | None:
        """Return whom an identity belongs to."""
        item = self.get(self.identity_key(identity))
        return identity_from_item(item) if item else None

    def recording(self, recording_id: str) -> Recording | None:
        """Return a recording by its id: its own row names the lead."""
        item = self.get({"PK": f"RECORDING#{recording_id}", "SK": "RECORDING"})
        return recording_from_item(item) if item else None

    def channels_with_work(self, now: datetime) -> dict[str, datetime]:
        """Return channels with a message due, and since when: one read more than there are channels with messages."""
        channels: dict[str, datetime] = {}
        above = ""
        while True:
            page = next(self.query("OUTBOX", index="GSI1", above=above, limit=1))
            if not page.items:
                return channels
            channel, text, _ = page.items[0]["GSI1SK"]["S"].split("#")
            send_at = from_text(text)
            if send_at <= now:
                channels[channel] = send_at
            above = f"{channel}#~"

    def _lead(self, item: Raw) -> Lead:
        row = LeadItem.from_raw_data(item)
        if row.lead["fold"] == leads_of.FOLD:
            return lead_from_json(row.lead)
        return leads_of.fold(self.trail(row.PK.removeprefix("LEAD#")))  # another version's fields may be others

    def _fresh(self, item: Raw | None, source: str, key: str) -> Receipt | None:
        if item is None:
            return None
        row = ReceiptItem.from_raw_data(item)
        # Deletion by TTL may lag by days, so that an expired receipt is one that is not there.
        expires_at = datetime.fromtimestamp(int(row.expires_at), UTC) if row.expires_at else None
        if expires_at and expires_at <= self.now():
            return None
        return Receipt(
            source=source,
            key=key,
            outcome=row.outcome,
            lead_id=row.lead_id,
            attempt=row.attempt,
            received_at=from_text(row.received_at),
            reason=row.reason,
            body_sha256=row.body_sha256,
            answer=row.answer,
            derived=row.derived,
            waits=row.GSI1PK is not None,
            expires_at=expires_at,
        )


def _rotation(name: str, item: Raw | None) -> Rotation:
    return Rotation(name, int(RotationItem.from_raw_data(item).turn) if item else 0)


def open_leads(item: Raw | None) -> int:
    """Return the count that an item of a rep's load holds; 0 without one."""
    return int(item["open"]["N"]) if item else 0
