"""From a recording that a call system offers by URL to an upload like any other, however often it is offered.

The recording's id comes of the offer itself, so the same offer is the same recording. Its row and its event are
written before the object: the object's arrival starts the transcription, which looks the row up. A worker that died
in between leaves a row that waits; whoever comes next puts the object there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from leadtrail.domain import ids
from leadtrail.domain.address import FetchRefusedError, Refusal
from leadtrail.domain.instant import from_text, to_text
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Happening
from leadtrail.services.ports import Change, Now, Objects, Recording, Store

PARTIES = ("customer", "rep", "both")
STORED, REFUSED, KNOWN = "stored", "refused", "known"
_WAITING = "waiting"
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)  # the first instant of a ULID
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_BEGINNINGS = (
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"#!AMR", "audio/amr"),
    (b"\x1a\x45\xdf\xa3", "audio/webm"),
    (b"#!SILK", "audio/silk"),
    (b"\x02#!SILK", "audio/silk"),
    (_ASF, "audio/x-ms-wma"),
    (b".snd", "audio/basic"),
)
_HEAD = 16  # bytes that tell what a file is


class UnreachableError(Exception):
    """The host cannot give the recording now: tried again, then kept among the dead letters; holds no URL."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user of the call system that may fetch its recordings."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Offer:
    """A recording that a source offers for a lead; ``started_at`` (aware UTC) is when the call began.

    ``receipt`` is the key of the receipt of the delivery that brought it; ``session`` is the provider's name of the
    call. The URL may hold a password of its own: it is neither logged nor kept.
    """

    lead_id: str
    source: str
    receipt: str
    url: str = field(repr=False)
    party: str = "both"
    started_at: datetime | None = None
    session: str | None = None

    @property
    def recording_id(self) -> str:
        """The same ULID for the same source, receipt and URL: of the call's time, or else of the lead's."""
        offered = "\n".join((self.source, self.receipt, self.url)).encode("utf-8", "surrogatepass")
        at = max(self.started_at or ids.instant_of(self.lead_id), _FIRST)
        return ids.new_id(at, int.from_bytes(hashlib.sha256(offered).digest()[:10], "big"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an offer came to: ``state`` is stored, refused (with a ``reason``) or known; ``is_new`` for the first."""

    state: str
    recording_id: str
    reason: Refusal | None = None
    is_new: bool = True


class Download(Protocol):
    """The way out to a call system."""

    def __call__(self, url: str, *, hosts: Sequence[str], path: Path, login: Login | None) -> None:
        """Bring what lies under ``url`` into the file ``path``, if every host on the way is listed and public.

        Raises:
            FetchRefusedError: it may not be called, or does not give it, and never will.
            UnreachableError: it cannot now; OSError and HTTPException mean the same.
        """


@dataclass(frozen=True, slots=True)
class _Job:
    offer: Offer
    store: Store
    now: Now

    def lead(self) -> Lead:
        """Return the lead, whose person is still to be known."""
        lead = self.store.lead(self.offer.lead_id)
        if lead is None:
            raise LookupError(f"lead {self.offer.lead_id} of an offered recording")
        if not self.store.persons([lead.person_id]):
            raise FetchRefusedError("erased")
        return lead

    def facts(self, **known: Any) -> dict[str, Any]:
        """Return what an event says of the offer: no URL, which may open the recording to whoever reads it."""
        offer = self.offer
        return {"recording": offer.recording_id, **known, "party": offer.party, "receipt": offer.receipt}


def parse(body: str) -> Offer:
    """Read a message of the queue.

    Raises:
        ValueError: not an offer, which only a fault of ours can send.
        KeyError: a field is missing.
    """
    told = json.loads(body)
    names = ("lead", "source", "receipt", "url", "party")
    if (
        not isinstance(told, dict)
        or not all(isinstance(told[name], str) for name in names)
        or told["party"] not in PARTIES
    ):
        raise ValueError("not an offer of a recording")
    if not ids.is_id(told["lead"]):
        raise ValueError("not the id of a lead")
    started = told.get("started_at")
    return Offer(
        lead_id=told["lead"],
        source=told["source"],
        receipt=told["receipt"],
        url=told["url"],
        party=told["party"],
        started_at=from_text(started) if started else None,
        session=told.get("session"),
    )


def fetch(
    offer: Offer,
    *,
    hosts: Sequence[str],
    login: Login | None,
    download: Download,
    store: Store,
    objects: Objects,
    bucket: str,
    folder: Path,
    now: Now,
) -> Outcome:
    """Bring an offered recording into ``bucket``, once, with its row and its event on the lead's trail.

    Args:
        offer: the queue's message.
        hosts: from which the source's recordings are fetched; none: every offer is refused.
        login: for the offer's own host, if it wants one.
        download: the way out.
        store: the table.
        objects: S3.
        bucket: of uploads.
        folder: where the audio may lie meanwhile.
        now: the time.

    Raises:
        UnreachableError: try again later; OSError and HTTPException mean the same.
        LookupError: there is no such lead.
    """
    job, path = _Job(offer, store, now), folder / offer.recording_id
    known = store.recording(offer.recording_id)
    if known and (known.state != _WAITING or objects.size(bucket, known.object_key) is not None):
        return Outcome(KNOWN, known.id, is_new=False)
    try:
        job.lead()
        download(offer.url, hosts=hosts, path=path, login=login)
        recording = _requested(job, _waiting(job, path))
    except FetchRefusedError as error:
        return _refused(job, error.reason, known)
    if recording.state != _WAITING:  # a faster worker brought it meanwhile
        return Outcome(KNOWN, recording.id, is_new=False)
    objects.upload(bucket, recording.object_key, str(path), recording.content_type)
    return Outcome(STORED, recording.id)


def audio_type(head: bytes) -> str | None:
    """Return the media type of a file that begins with ``head`` (16 bytes or more), or None where it is no audio."""
    for beginning, media_type in _BEGINNINGS:
        if head.startswith(beginning):
            return media_type
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "audio/wav"
    if head[4:8] == b"ftyp":
        return "audio/mp4"
    return _framed(head)


def _framed(head: bytes) -> str | None:
    """Return the type of MPEG audio without a header of its own: frames one behind the other."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:  # the layer that ADTS leaves empty
        return "audio/aac"
    version, layer, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 2 & 3
    is_frame = version != 1 and layer in (1, 2) and head[2] >> 4 != 15 and rate != 3
    return "audio/mpeg" if is_frame else None


def _waiting(job: _Job, path: Path) -> Recording:
    """Return the row of what was downloaded, once its first bytes say that it is audio."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise FetchRefusedError("empty")
    content_type = audio_type(head)
    if content_type is None:
        raise FetchRefusedError("not-audio")
    recording_id, lead_id = job.offer.recording_id, job.offer.lead_id
    return Recording(
        id=recording_id,
        lead_id=lead_id,
        state=_WAITING,
        object_key=f"uploads/{lead_id}/{recording_id}",
        content_type=content_type,
        size=path.stat().st_size,
        created_at=job.now(),
    )


def _requested(job: _Job, recording: Recording) -> Recording:
    """Write the row and its event, unless they stand; return the row that stands."""

    def attempt() -> Recording:
        standing = job.store.recording(recording.id)
        if standing is not None:
            return standing
        lead, at = job.lead(), job.now()
        facts = job.facts(content_type=recording.content_type, size=recording.size, origin="call-system")
        if job.offer.started_at:
            facts["called_at"] = to_text(min(job.offer.started_at, at))
        requested = _happening(job, "recording.requested", facts)
        job.store.commit(Change(lead.lead_id, at, lead=lead, happenings=[requested], recording=recording))
        return recording

    return job.store.settled(attempt)


def _refused(job: _Job, reason: Refusal, known: Recording | None) -> Outcome:
    """Write why, once for each reason; a row that waits for this recording waits no longer."""
    facts = job.facts(reason=reason)
    failed = replace(known, state="failed", reason=reason) if known else None

    def attempt() -> Outcome:
        lead = job.store.lead(job.offer.lead_id)
        if lead is None:
            raise LookupError(f"lead {job.offer.lead_id} of an offered recording")
        trail = job.store.trail(lead.lead_id)  # newer than the lead? Then the commit fails, and all is read again.
        is_told = any(event.kind == "recording.refused" and event.facts == facts for event in trail)
        if is_told and failed is None:
            return Outcome(REFUSED, job.offer.recording_id, reason, is_new=False)
        refused = _happening(job, "recording.refused", facts)
        job.store.commit(Change(lead.lead_id, job.now(), lead=lead, happenings=[refused], recording=failed))
        return Outcome(REFUSED, job.offer.recording_id, reason)

    return job.store.settled(attempt)


def _happening(job: _Job, kind: str, facts: dict[str, Any]) -> Happening:
    return Happening(kind, job.now(), f"source:{job.offer.source}", facts)
