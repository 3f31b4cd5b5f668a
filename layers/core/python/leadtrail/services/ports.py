"""What the use cases need of the outside, as Protocols: adapters implement them, tests fake them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol, TypeVar

from leadtrail.domain.company import Company
from leadtrail.domain.delivery import Contact
from leadtrail.domain.identity import Identity
from leadtrail.domain.lead import Lead
from leadtrail.domain.policy import Policy
from leadtrail.domain.report import Link, Opening, Report
from leadtrail.domain.trail import Event, Happening
from leadtrail.domain.worktime import WorkCalendar

Now = Callable[[], datetime]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Person:
    """A person's contact with the key and salt of their texts: personal data."""

    person_id: str
    contact: Contact
    key: bytes
    salt: bytes


@dataclass(frozen=True, slots=True)
class IdentityRow:
    """Who an identity belongs to, and the lead that this person was last given."""

    person_id: str
    lead_id: str


@dataclass(frozen=True, slots=True)
class Repoint:
    """An identity (``key``: its kind and keyed hash) that goes from one person and lead to another."""

    key: str
    before: IdentityRow
    after: IdentityRow


@dataclass(frozen=True, slots=True)
class MergeRecord:
    """What a merge moved, so that it can be undone: no personal data, identities and contact by keyed hash.

    ``identities`` are (key, lead that it pointed to before), ``added`` what the winner's contact had not known.
    """

    winner_id: str
    loser_id: str
    identities: Sequence[tuple[str, str]] = ()
    added: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that one delivery or command took effect; kept for as long as its source may repeat itself.

    ``attempt`` is drawn once per invocation, so that a writer whose answer was lost knows its own.
    ``answer`` is what people's commands answer again. ``expires_at`` None: kept for good. ``derived`` stands for
    what the parser made of a delivery; a parked one that ``waits`` for another message is tried again by itself.
    ``replaces`` is the outcome of the receipt that this one takes the place of.
    """

    source: str
    key: str
    outcome: str
    lead_id: str | None
    attempt: str
    received_at: datetime
    reason: str | None = None
    body_sha256: str | None = None
    answer: Mapping[str, Any] | None = None
    derived: str | None = None
    waits: bool = False
    replaces: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RawBody:
    """The bytes of a delivery as they came, with headers and query; ``archived`` names the S3 key of a large one."""

    body: bytes
    headers: Mapping[str, str]
    sha256: str
    archived: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alert:
    """One notice of one clock: created once per lead, rule, episode and level."""

    id: str
    lead_id: str
    rule: str
    episode: int
    level: int
    audience: str
    channel: str
    created_at: datetime
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A message that waits: facts only, its words are made at the moment of sending.

    ``attempts`` were begun on this channel; ``failures`` of them were certainly not taken. ``unsure`` attempts, on
    whatever channel, may have been taken: no answer came, or nobody lived to hear it. ``held``: it waited for the end
    of quiet hours, or of somebody's hour.
    """

    channel: str
    id: str
    kind: str  # alert, retraction or report
    send_at: datetime
    facts: Mapping[str, Any]
    attempts: int = 0
    unsure: int = 0
    failures: int = 0
    held: bool = False


@dataclass(frozen=True, slots=True)
class Telling:
    """One message of one alert as it went, to a person (a rep's id) or a group (None): a line of the ledger.

    ``id`` is the outbox row's. ``state``: sent, unconfirmed (sent twice, and never answered), moot (no longer
    true when its turn came), or corrected (this message took back what had been said). ``digest``: it was folded
    into one message with others. ``seen_at`` is when its link was first opened by a person.
    """

    id: str
    lead_id: str
    alert_id: str
    rule: str
    episode: int
    level: int
    to: str | None
    channel: str
    state: str
    at: datetime
    digest: bool = False
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Correction:
    """A breach that proved to be none: when it was due, when the answer came (None: by a new calendar), when we knew.

    ``owner`` is whose lead it was then; every instant is aware UTC.
    """

    lead_id: str
    person_id: str
    owner: str | None
    rule: str
    policy: str
    policy_version: int
    due_at: datetime
    answered_at: datetime | None
    learned_at: datetime


@dataclass(frozen=True, slots=True)
class Rotation:
    """The turn of a team's rotation, as read; committing it moves the turn on by one."""

    team: str
    turn: int


@dataclass(frozen=True, slots=True)
class Recording:
    """One call recording of a lead; ``state``: waiting, queued, transcribing, ready or failed.

    ``size`` is what was announced, ``sha256`` is of the audio, ``progress`` in percent while transcribing.
    """

    id: str
    lead_id: str
    state: str
    object_key: str
    content_type: str
    size: int
    created_at: datetime
    reason: str | None = None
    duration_ms: int | None = None
    channels: int | None = None
    sha256: str | None = None
    transcript_key: str | None = None
    progress: int | None = None


@dataclass(frozen=True, slots=True)
class IntakeView:
    """What one batch read tells about a delivery: its receipt, who it may be, whose turn it is, the stamp, loads."""

    receipt: Receipt | None
    identities: Mapping[Identity, IdentityRow]
    rotation: Rotation
    stamp: int
    loads: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommandView:
    """What one batch read tells about a person's command: its receipt, the lead, the configuration's stamp."""

    receipt: Receipt | None
    lead: Lead | None
    stamp: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A lead with its place in a listing; what follows is asked for by the place."""

    place: str
    lead: Lead


@dataclass(frozen=True, slots=True)
class Waking:
    """A clock of this lead (its key: rule and episode) wanted to be woken at this instant."""

    lead_id: str
    wakes_at: datetime
    clock: str


@dataclass(frozen=True, slots=True)
class Aside:
    """A clock that no sweep wakes any more, since its waking failed: since when, why, and when it wanted to be woken.

    ``reason`` is the kind of error with words of our own, and nothing personal.
    """

    lead_id: str
    clock: str
    since: datetime
    reason: str
    wakes_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """One decision, written in one conditional transaction or not at all.

    ``lead`` is what was read (None: a new one); the write is conditional on its version. ``person``
    is needed where a happening carries text, and is written when ``new_person``; a ``contact`` is written
    on the condition that ``person`` still says what was read.
    """

    lead_id: str
    recorded_at: datetime
    lead: Lead | None = None
    happenings: Sequence[Happening] = ()
    person: Person | None = None
    new_person: bool = False
    claims: Sequence[Identity] = ()  # identities that become this person's
    moves: Sequence[tuple[Identity, IdentityRow]] = ()  # identities that now point to this lead, as read before
    repoints: Sequence[Repoint] = ()  # identities that go to another person, or come back from one
    releases: Sequence[tuple[Identity, IdentityRow]] = ()  # identities that are nobody's from now on
    contact: Contact | None = None  # a known person's contact, as it is to be from now on
    merge: MergeRecord | None = None  # what the undoing of this merge will need
    unmerge: MergeRecord | None = None  # the merge that this undoes
    receipt: Receipt | None = None
    raw: RawBody | None = None
    alerts: Sequence[Alert] = ()
    outbox: Sequence[OutboxRow] = ()
    rotation: Rotation | None = None
    recording: Recording | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """What stands in the table now; ``lead`` is None where only a receipt was written."""

    lead: Lead | None
    events: tuple[Event, ...] = ()
    alerts: tuple[Alert, ...] = field(default_factory=tuple)


class ConflictError(Exception):
    """Somebody else wrote first: read again and decide again."""


class Store(Protocol):
    """The table, as the use cases see it. Reads that precede a write are consistent."""

    def settled(self, attempt: Callable[[], T]) -> T:
        """Call ``attempt`` again, with jitter, for as long as it meets ConflictError (then StaleLeadError)."""

    def commit(self, change: Change) -> Committed:
        """Write one decision in one transaction; raises ConflictError, BusyError."""

    def commit_together(self, changes: Sequence[Change]) -> tuple[Committed, ...]:
        """Write decisions on several leads in one transaction, of at most 100 items; raises as `commit`."""

    def loads(self, rep_ids: Iterable[str]) -> dict[str, int]:
        """Return how many open leads each rep has."""

    def fingerprint(self, text: str) -> str:
        """Return a keyed hash of a text: it tells whether another one is the same, and nothing else."""

    def intake_view(
        self, *, receipt: tuple[str, str], identities: Sequence[Identity], team: str, loads: Sequence[str] = ()
    ) -> IntakeView:
        """Read a delivery's surroundings in one batch, with the open leads of the reps in ``loads``."""

    def waiting(self, *, since: datetime, until: datetime) -> Iterator[tuple[str, str]]:
        """Yield source and key of the parked deliveries that wait for another message, received in that time."""

    def keep_sample(
        self, source: str, reason: str, outline: Mapping[str, Any], *, at: datetime, expires_at: datetime
    ) -> None:
        """Keep the outline of a refused delivery, unless this hour has one of its source and reason."""

    def kept_body(self, source: str, key: str) -> RawBody | None:
        """Return a delivery's body as it was kept, without the bytes of an archived one; None once it is gone."""

    def rotation(self, name: str) -> Rotation:
        """Return the turn of a rotation (`Assignment.rotation_name`), consistently."""

    def receipt(self, source: str, key: str) -> Receipt | None:
        """Return a receipt that has not expired."""

    def command_view(self, receipt: tuple[str, str] | None, lead_id: str) -> CommandView:
        """Read what a person's command on a lead needs in one batch."""

    def listed(self, listing: str, name: str, *, after: str = "", size: int = 50) -> Iterator[Listed]:
        """Yield the leads of an owner, a team or its stage (``team#stage``), newest first.

        Those of a team at risk come worst first, and those that wait for an owner (``unowned``) oldest first.
        """

    def breached_beyond(self, team: str, at: datetime) -> Iterator[str]:
        """Yield the ids of a team's leads with a breach that lasted beyond ``at`` (aware UTC); one may come twice."""

    def identified(self, identity: Identity) -> IdentityRow | None:
        """Return whom an identity belongs to."""

    def identities(self, identities: Sequence[Identity]) -> dict[Identity, IdentityRow]:
        """Return whom each of up to 100 identities belongs to, in one batch."""

    def identities_of(self, person_id: str) -> dict[str, IdentityRow]:
        """Return a person's identities by key, as `Repoint` names them; a call's session is none."""

    def identity_rows(self, keys: Iterable[str]) -> dict[str, IdentityRow]:
        """Return whom identities belong to now, by key."""

    def hash_identity(self, identity: Identity) -> str:
        """Return the keyed hash that stands for an identity in the table."""

    def merge_record(self, winner_id: str, loser_id: str) -> MergeRecord | None:
        """Return what a merge moved, unless it was undone."""

    def person_leads(self, person_id: str) -> tuple[str, ...]:
        """Return the ids of a person's leads, oldest first."""

    def readable(self, events: Iterable[Event], person: Person | None) -> tuple[Event, ...]:
        """Return events with their texts in clear where the key opens them."""

    def note_reading(self, person_id: str, *, lead_id: str, reader: str, at: datetime) -> None:
        """Keep who read a person's contact, and when."""

    def lead(self, lead_id: str) -> Lead | None:
        """Return the projection, consistently."""

    def lead_and_person(self, lead_id: str, person_id: str) -> tuple[Lead | None, Person | None]:
        """Return both in one batch."""

    def leads(self, lead_ids: Sequence[str]) -> dict[str, Lead]:
        """Return the projections of up to 100 leads in one batch."""

    def persons(self, person_ids: Iterable[str]) -> dict[str, Person]:
        """Return the contacts of up to 100 people in one batch."""

    def trail(self, lead_id: str, *, after: int = 0, limit: int | None = None) -> tuple[Event, ...]:
        """Return events by seq, texts as they rest (encrypted)."""

    def waking(self, now: datetime) -> Iterable[Waking]:
        """Yield the clocks that want to be woken by ``now``, the earliest first."""

    def is_outage(self, error: Exception) -> bool:
        """Tell whether an error says something of the table, or of who wrote first, and nothing of the lead."""

    def note_failure(self, waking: Waking, at: datetime) -> int:
        """Keep that the sweep at ``at`` could not wake this clock; return how many sweeps could not, 0 if it moved."""

    def put_aside(self, waking: Waking, reason: str, at: datetime) -> bool:
        """Take a clock out of what wakes, for ``reason`` (nothing personal); False if it moved meanwhile."""

    def aside_count(self) -> int:
        """Return how many leads have a clock set aside, of the first hundred clocks."""

    def estimated(self, size: int = 100) -> Iterable[Sequence[str]]:
        """Yield the ids of leads with a clock whose due time is a guess, soonest first, page by page; each once."""

    def alerts(self, lead_id: str) -> tuple[Alert, ...]:
        """Return the alerts of a lead."""

    def tellings(self, lead_id: str) -> tuple[Telling, ...]:
        """Return what was said of a lead, to whom and by which channel, oldest first."""

    def recording(self, recording_id: str) -> Recording | None:
        """Return a recording by its id, consistently."""


class Objects(Protocol):
    """What is too large for the table: recordings, transcripts and reports, by bucket and key."""

    def put(self, bucket: str, key: str, body: bytes, content_type: str) -> None:
        """Store an object."""

    def put_new(self, bucket: str, key: str, body: bytes, content_type: str) -> bool:
        """Store an object unless one has this key; tell whether it was stored."""

    def size(self, bucket: str, key: str) -> int | None:
        """Return an object's size in bytes, or None if there is none."""

    def get(self, bucket: str, key: str) -> bytes | None:
        """Return an object's bytes, or None if there is none."""

    def download(self, bucket: str, key: str, path: str) -> None:
        """Stream an object into a file."""

    def upload(self, bucket: str, key: str, path: str, content_type: str) -> None:
        """Stream a file into an object."""

    def presigned_post(
        self, bucket: str, key: str, *, content_type: str, largest: int, seconds: int
    ) -> tuple[str, dict[str, str]]:
        """Return the URL and form fields of an upload that is held to size, type and key."""


class Configuration(Protocol):
    """The company's configuration, cached."""

    def company(self, stamp: int | None = None) -> Company:
        """Return the configuration; one older than ``stamp`` is read again."""

    def current(self) -> Company:
        """Return the configuration as it stands now."""

    def put(self, kind: str, name: str, body: dict[str, Any], *, now: datetime) -> int:
        """Store a new version of one configured thing and return its number; raises ConflictError."""

    def policy(self, name: str, version: int) -> Policy:
        """Return one version of a policy, for ever the same."""

    def calendar(self, policy: Policy) -> WorkCalendar:
        """Return the working time of a policy version."""


class Reports(Protocol):
    """Reports and their links in the table."""

    def report(self, report_id: str) -> Report | None:
        """Return the newest version of a report."""

    def listed(
        self, kind: str, teams: Iterable[str], *, day: date | None, after: str | None, limit: int
    ) -> tuple[Report, ...]:
        """Return up to ``limit`` reports, newest day first, behind the sort key ``after`` (``Report.sort_key``)."""

    def save(self, report: Report, *, before: Report | None, push: Sequence[OutboxRow]) -> None:
        """Write a version and its messages in one transaction; raises ConflictError, BusyError."""

    def hash_link(self, token: str) -> str:
        """Return the keyed hash under which a link rests."""

    def link(self, hashed: str) -> Link | None:
        """Return a link, alive or not."""

    def save_links(self, links: Sequence[Link]) -> None:
        """Write up to 100 new links."""

    def generations(self, report_ids: Iterable[str]) -> Mapping[str, int]:
        """Return how often the links of each report have been revoked."""

    def revoke_links(self, report_id: str) -> None:
        """Move the generation of a report's links on; raises ConflictError."""

    def log_opening(self, opening: Opening) -> None:
        """Keep that a link was followed."""

    def told(self, lead_id: str, row_id: str, channels: Iterable[str]) -> Telling | None:
        """Return the message that a link speaks of, sent or (``state``: waiting) in one of these channels' outboxes."""

    def note_seen(self, lead_id: str, row_id: str, at: datetime) -> None:
        """Keep when a message was first seen, if its line of the ledger is there; never raises for what is not."""

    def corrections(self, team: str, *, since: datetime, until: datetime) -> tuple[Correction, ...]:
        """Return a team's breaches that were put right after ``since``, up to ``until`` (aware UTC), in that order."""

    def paused(self, team: str, at: datetime) -> int:
        """Return how many leads of a team had a clock that rested at ``at`` (aware UTC)."""
