"""THE table: every item, its key, and every access pattern. A pattern that is not in this map does not exist.

| pattern | how | keys |
|---|---|---|
| a delivery's surroundings | BatchGetItem | RECEIPT#<source>#<hash>, IDENTITY#<kind>#<hmac>, TEAM#<team>, CONFIG |
| a delivery's body, 30 days | GetItem | RECEIPT#<source>#<hash> / BODY |
| parked deliveries that wait for another | Query GSI1 (sparse) | PARKED / <received_at>#<source>#<hash> |
| deliveries of a source (console only) | Scan | RECEIPT#<source>#<hash> / RECEIPT |
| samples of refused deliveries, 7 days | Query | REJECTED#<source> / <hour>#<reason> |
| a lead | GetItem | LEAD#<lead> / LEAD |
| what a person's command needs | BatchGetItem | RECEIPT#people#<hash>, LEAD#<lead> / LEAD, CONFIG / STAMP |
| a page of leads with names | BatchGetItem | LEAD#<lead> / LEAD, PERSON#<person> / CONTACT |
| a trail | Query | LEAD#<lead> / EVENT#<seq> |
| a lead with its trail | Query | LEAD#<lead> / EVENT#<seq> to LEAD |
| every lead (console only) | Scan GSI3 | TEAM#<team> / <lead> |
| which cases of an import are in | BatchGetItem | RECEIPT#import:<source>#<hash> / RECEIPT |
| an import's pinned policy | GetItem | JOB#import#<hash of file and mapping> / JOB |
| alerts, recordings of a lead | Query | LEAD#<lead> / ALERT#<rule>#<episode>#<level>, RECORDING#<recording> |
| what was said of a lead, to whom and how | Query | LEAD#<lead> / TOLD#<ulid> |
| a recording by id | GetItem | RECORDING#<recording> / RECORDING -> its lead, state and progress |
| a person's identities | GetItem, then BatchGetItem | PERSON#<person> / IDENTITIES -> IDENTITY#<kind>#<hmac> |
| a rotation's turn | GetItem | TEAM#<team> or TEAM#<team>/<rule> / ROTATION |
| how many open leads reps have | BatchGetItem | REP#<rep> / LOAD |
| what a merge moved | GetItem | LEAD#<winner> / MERGE#<loser> |
| a person's leads | Query | PERSON#<person> / LEAD#<lead> |
| who wakes by now | Query GSI1 | WAKE#<shard> / <wakes_at>#<lead>#<rule>#<episode> |
| clocks set aside, since their waking failed | Query GSI1 (sparse) | ASIDE / <since>#<lead>#<rule>#<episode> |
| clocks whose due time is a guess, soonest first | Query GSI5 (sparse) | ESTIMATED / <due_at>#<lead>#<rule>#<episode> |
| channels with work | Query GSI1 | OUTBOX / <channel>#<send_at>#<ulid> |
| a channel's messages in order | Query | OUTBOX#<channel> / <ulid> |
| a channel's lease and limits | GetItem, UpdateItem | CHANNEL#<channel> / STATE |
| when a person was last told over a channel | GetItem, UpdateItem | CHANNEL#<channel> / TO#<rep> |
| leads of an owner, newest first | Query GSI2 | OWNER#<rep> / <lead> |
| open leads of a team that wait for an owner, oldest first | Query GSI2 | UNOWNED#<team> / <lead> |
| leads of a team, newest first | Query GSI3 | TEAM#<team> / <lead> |
| leads of a team in a stage, newest first | Query GSI5 | STAGE#<team>#<stage> / <lead> |
| late leads of a team, worst first | Query GSI4 (sparse) | RISK#<team> / <9 - severity>#<breached_at>#<lead> |
| a team's breaches that lasted beyond then | Query GSI4 (sparse) | BREACHED#<team> / <ended or 9999>#<lead>#<clock> |
| the configuration | Query | CONFIG / <kind>#<id>; CONFIG / STAMP counts its changes |
| a version of a configured thing | GetItem | CONFIG#<kind>#<id> / V#<n> |
| a team's breaches that were put right, as we learned | Query | CORRECTED#<team> / <learned_at>#<lead>#<clock> |
| a team's pauses that end beyond then | Query | PAUSED#<team> / <until>#<since>#<lead>#<clock> |
| the message that a link speaks of | BatchGetItem | LEAD#<lead> / TOLD#<row>, OUTBOX#<channel> / <row> |
| a report | GetItem | REPORT#<report> / REPORT |
| a team's reports, newest first | Query | REPORTS#<kind>#<team> / <day>#<report> |
| a report link | GetItem, UpdateItem | LINK#<hmac> / LINK; its openings LINK#<hmac> / OPENED#<ulid> |
| how often a report's links were revoked | GetItem | REPORT#<report> / LINKS |
| who read a contact | Query | PERSON#<person> / READ#<ulid> |

Personal data rests in PERSON CONTACT and in RECEIPT BODY, nowhere else.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pynamodb.attributes import BinaryAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.exceptions import AttributeNullError
from pynamodb.models import Model

from leadtrail.domain.instant import to_text

SHARDS = 16  # of the wake index: no key takes an eighth of the writes (RELIABILITY row 26)
Raw = dict[str, Any]
Key = dict[str, Any]  # PK and SK, both text


class Item(Model):
    """What every item has; calls go through one boto3 client (adapters/store.py), items only through here."""

    class Meta:
        """PynamoDB wants a name; the real one comes from the environment with each call."""

        table_name = "leadtrail"

    PK = UnicodeAttribute(hash_key=True)
    SK = UnicodeAttribute(range_key=True)
    expires_at = NumberAttribute(null=True)

    def serialize(self, null_check: bool = True) -> Raw:
        """Return the item in DynamoDB's own form.

        As PynamoDB does, without its search for lists and maps, of which these items have none: a webhook writes some
        fifteen items, and this is a thirtieth of its processor time.

        Raises:
            AttributeNullError: something that an item of this kind must have is missing.
        """
        known, item = self.attribute_values, {}
        for name, attribute in self.get_attributes().items():
            value = known.get(name)
            if value is not None:
                item[attribute.attr_name] = {attribute.attr_type: attribute.serialize(value)}
            elif null_check and not attribute.null:
                raise AttributeNullError(name)
        return item


class LeadItem(Item):
    """The projection of one trail, conditional on ``version`` (its last seq)."""

    version = NumberAttribute()
    status = UnicodeAttribute()
    stage = UnicodeAttribute()
    lead: JSONAttribute = JSONAttribute()
    GSI2PK = UnicodeAttribute(null=True)
    GSI2SK = UnicodeAttribute(null=True)
    GSI3PK = UnicodeAttribute(null=True)
    GSI3SK = UnicodeAttribute(null=True)
    GSI4PK = UnicodeAttribute(null=True)
    GSI4SK = UnicodeAttribute(null=True)
    GSI5PK = UnicodeAttribute(null=True)
    GSI5SK = UnicodeAttribute(null=True)


class EventItem(Item):
    """One sealed event; ``cipher`` is its text, encrypted with the person's key."""

    v = NumberAttribute()
    kind = UnicodeAttribute()
    occurred_at = UnicodeAttribute()
    recorded_at = UnicodeAttribute()
    actor = UnicodeAttribute()
    facts: JSONAttribute = JSONAttribute()
    text_hash = UnicodeAttribute(null=True)
    prev = UnicodeAttribute()
    seal = UnicodeAttribute()
    cipher = UnicodeAttribute(null=True)


class ClockItem(Item):
    """A clock's place in the wake index, and of a breached one in its team's history; what it is stands in the lead.

    ``failures`` are the sweeps that could not wake it, ``aside_reason`` and ``aside_wakes_at`` why it was set aside and
    when it wanted to be woken. Whoever writes the clock anew writes none of them.
    """

    state = UnicodeAttribute()
    due_at = UnicodeAttribute()
    GSI1PK = UnicodeAttribute(null=True)
    GSI1SK = UnicodeAttribute(null=True)
    GSI4PK = UnicodeAttribute(null=True)
    GSI4SK = UnicodeAttribute(null=True)
    GSI5PK = UnicodeAttribute(null=True)
    GSI5SK = UnicodeAttribute(null=True)
    failures = UnicodeSetAttribute(null=True)
    aside_reason = UnicodeAttribute(null=True)
    aside_wakes_at = UnicodeAttribute(null=True)


class PersonItem(Item):
    """A person's contact, with the key and salt of their texts."""

    name = UnicodeAttribute()
    phones: JSONAttribute = JSONAttribute()
    emails: JSONAttribute = JSONAttribute()
    key = BinaryAttribute(legacy_encoding=False)
    salt = BinaryAttribute(legacy_encoding=False)


class RowItem(Item):
    """A row that is only its keys and one document: pointers, readings, openings."""

    doc: JSONAttribute = JSONAttribute(null=True)


class IdentityItem(Item):
    """Identity -> person and their latest lead; its conditional put is the de-duplication."""

    person_id = UnicodeAttribute()
    lead_id = UnicodeAttribute()


class ReceiptItem(Item):
    """One delivery or command that took effect."""

    outcome = UnicodeAttribute()
    attempt = UnicodeAttribute()
    received_at = UnicodeAttribute()
    parser = NumberAttribute()
    lead_id = UnicodeAttribute(null=True)
    reason = UnicodeAttribute(null=True)
    body_sha256 = UnicodeAttribute(null=True)
    answer: JSONAttribute = JSONAttribute(null=True)
    derived = UnicodeAttribute(null=True)
    GSI1PK = UnicodeAttribute(null=True)
    GSI1SK = UnicodeAttribute(null=True)


class BodyItem(Item):
    """Raw bytes (zlib) and headers of a delivery, 30 days; ``archived`` is the S3 key of a large one."""

    headers: JSONAttribute = JSONAttribute()
    query: JSONAttribute = JSONAttribute(null=True)
    sha256 = UnicodeAttribute()
    body = BinaryAttribute(null=True, legacy_encoding=False)
    archived = UnicodeAttribute(null=True)


class RotationItem(Item):
    """Whose turn it is."""

    turn = NumberAttribute()


class AlertItem(Item):
    """One notice of one clock and level."""

    id = UnicodeAttribute()
    rule = UnicodeAttribute()
    episode = NumberAttribute()
    level = NumberAttribute()
    audience = UnicodeAttribute()
    channel = UnicodeAttribute()
    created_at = UnicodeAttribute()
    sent_at = UnicodeAttribute(null=True)


class TellingItem(Item):
    """One message of one alert as it went: to whom, by which channel, seen or not."""

    alert_id = UnicodeAttribute()
    rule = UnicodeAttribute()
    episode = NumberAttribute()
    level = NumberAttribute()
    to = UnicodeAttribute(null=True)
    channel = UnicodeAttribute()
    state = UnicodeAttribute()
    at = UnicodeAttribute()
    digest = NumberAttribute(default=0)
    seen_at = UnicodeAttribute(null=True)


class OutboxItem(Item):
    """A message that waits; GSI1 tells the sweep which channels have work."""

    kind = UnicodeAttribute()
    send_at = UnicodeAttribute()
    attempts = NumberAttribute(default=0)
    unsure = NumberAttribute(null=True)
    failures = NumberAttribute(null=True)
    held = NumberAttribute(null=True)
    facts: JSONAttribute = JSONAttribute()
    GSI1PK = UnicodeAttribute(null=True)
    GSI1SK = UnicodeAttribute(null=True)


class ChannelItem(Item):
    """A robot's lease and limits: when it sent, until when it is leased and muted (epoch milliseconds)."""

    lease_until = NumberAttribute(default=0)
    muted_until = NumberAttribute(default=0)
    sent: JSONAttribute = JSONAttribute(null=True)


class RecordingItem(Item):
    """One call recording; the transcript itself lies in S3."""

    lead_id = UnicodeAttribute()
    state = UnicodeAttribute()
    object_key = UnicodeAttribute()
    content_type = UnicodeAttribute()
    size = NumberAttribute()
    created_at = UnicodeAttribute()
    reason = UnicodeAttribute(null=True)
    duration_ms = NumberAttribute(null=True)
    channels = NumberAttribute(null=True)
    sha256 = UnicodeAttribute(null=True)
    transcript_key = UnicodeAttribute(null=True)
    progress = NumberAttribute(null=True)


class ReportItem(Item):
    """The newest version of a report; or, as ``LINKS``, the generation of its links."""

    version = NumberAttribute()
    doc: JSONAttribute = JSONAttribute(null=True)


class ConfigItem(Item):
    """One configured thing, or the stamp that counts the changes."""

    version = NumberAttribute()
    active_from = UnicodeAttribute(null=True)
    body: JSONAttribute = JSONAttribute(null=True)


def lead_key(lead_id: str, sort: str = "LEAD") -> Key:
    """Return the key of an item in a lead's partition."""
    return {"PK": f"LEAD#{lead_id}", "SK": sort}


def person_key(person_id: str, sort: str = "CONTACT") -> Key:
    """Return the key of an item in a person's partition."""
    return {"PK": f"PERSON#{person_id}", "SK": sort}


def receipt_key(source: str, key: str, sort: str = "RECEIPT") -> Key:
    """Return the key of a receipt or of its body."""
    return {"PK": f"RECEIPT#{source}#{key}", "SK": sort}


def rotation_key(name: str) -> Key:
    """Return the key of a rotation's turn."""
    return {"PK": f"TEAM#{name}", "SK": "ROTATION"}


def load_key(rep_id: str) -> Key:
    """Return the key of the count of a rep's open leads."""
    return {"PK": f"REP#{rep_id}", "SK": "LOAD"}


def event_sort(seq: int) -> str:
    """Return the sort key of the event with this number."""
    return f"EVENT#{seq:08d}"


def shard_of(lead_id: str) -> str:
    """Return the wake shard of a lead, spread by the random end of its ULID."""
    return f"WAKE#{sum(lead_id[-4:].encode()) % SHARDS:02d}"


def wake_sort(at: datetime, lead_id: str, clock_key: str) -> str:
    """Return the sort key of a clock in the wake index."""
    return f"{to_text(at)}#{lead_id}#{clock_key}"


def aside_sort(since: datetime, lead_id: str, clock_key: str) -> str:
    """Return the place of a clock among those that were set aside."""
    return f"{to_text(since)}#{lead_id}#{clock_key}"


def estimate_sort(due_at: datetime, lead_id: str, clock_key: str) -> str:
    """Return the place of a clock among those whose due time is a guess."""
    return f"{to_text(due_at)}#{lead_id}#{clock_key}"


def breach_end(met_at: datetime | None, cancelled_by: datetime | None) -> str:
    """Return until when a breach lasted, as it sorts: one that lasts sorts behind every instant."""
    ended = met_at or cancelled_by
    return to_text(ended) if ended else "9999"


def parked_sort(received_at: datetime, source: str, key: str) -> str:
    """Return the place of a parked delivery among those that wait."""
    return f"{to_text(received_at)}#{source}#{key}"


def outbox_sort(channel: str, send_at: datetime, row_id: str) -> str:
    """Return the place of a message among what waits: by channel, then by when it wants to be sent."""
    return f"{channel}#{to_text(send_at)}#{row_id}"


def raw_key(key: Key) -> Raw:
    """Return a key in DynamoDB's own form."""
    return {name: {"S": value} for name, value in key.items()}
