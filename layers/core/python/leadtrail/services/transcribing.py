"""From an uploaded recording to `transcript.ready` or `recording.failed` on the trail, however often it is announced.

The transcript is stored once, and only if there is none yet: recognising again gives other words, so a worker that
finds one, left by a crash or by a faster worker, takes it as it is. What the last event says about a transcript is
read from the stored object alone, so that every way there ends in the same rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from leadtrail.domain import ids, transcript
from leadtrail.domain.errors import BusyError
from leadtrail.domain.trail import Happening
from leadtrail.domain.transcript import Engine, FailureReason, Speaker, Transcript, Word
from leadtrail.services.ports import Change, ConflictError, Now, Objects, Recording, Store
from leadtrail.services.recordings import LARGEST

ACTOR = "system:transcriber"
LONGEST = timedelta(minutes=14)  # of the 15 that AWS gives a function
READY, FAILED = "ready", "failed"
_PROGRESS_STEP = 5  # percent: an hour of sound writes its progress twenty times at most
_JSON = "application/json"


class UnreadableError(Exception):
    """The recording can never be transcribed; ``reason`` is a key of ``leadtrail.domain.transcript.REASONS``."""

    def __init__(self, reason: FailureReason) -> None:
        super().__init__(reason)
        self.reason: FailureReason = reason


@dataclass(frozen=True, slots=True)
class Heard:
    """What an engine heard: the words of each channel, in seconds from the start of the recording."""

    engine: Engine
    duration_s: float
    words: Sequence[Sequence[Word]]


Listen = Callable[[Path, Callable[[float], None]], Heard]
"""Recognise a file and tell the share done (0 to 1) on the way; raises UnreadableError for what is no recording."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an announced upload came to: ``state`` is ready, failed or ignored; ``reason`` says why it is not ready."""

    state: str
    recording_id: str = ""
    lead_id: str = ""
    reason: str | None = None
    is_new: bool = True


@dataclass(frozen=True, slots=True)
class _Kept:
    """A stored transcript: its bytes and their meaning."""

    body: bytes
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Job:
    """One recording that is not at its end, and what it takes to get there."""

    recording: Recording
    store: Store
    objects: Objects
    bucket: str
    now: Now
    until: datetime

    def kept(self) -> _Kept | None:
        """Return the transcript that lies there, if it is a whole one of this recording."""
        body = self.objects.get(self.bucket, transcript_key(self.recording))
        if body is None:
            return None
        try:
            content = json.loads(body)
        except ValueError:
            return None
        wanted = {"recording_id": self.recording.id, "version": transcript.TRANSCRIPT_VERSION}
        if not isinstance(content, dict) or not wanted.items() <= content.items() or "audio" not in content:
            return None
        return _Kept(body, content)

    def keep(self, body: bytes) -> _Kept:
        """Store a transcript unless one is there; return the one that is there now."""
        key = transcript_key(self.recording)
        if not self.objects.put_new(self.bucket, key, body, _JSON):
            kept = self.kept()
            if kept is not None:
                return kept
            self.objects.put(self.bucket, key, body, _JSON)  # what lies there is no transcript of ours
        return _Kept(body, json.loads(body))


def transcribe(
    key: str,
    *,
    listen: Listen,
    store: Store,
    objects: Objects,
    bucket: str,
    folder: Path,
    now: Now,
    longest: timedelta = LONGEST,
    speakers: Sequence[Speaker] = (),
) -> Outcome:
    """Bring the upload under ``key`` to its end; a key that nobody asked for, and one that ended already, is left.

    Args:
        key: `uploads/<lead>/<recording>` as S3 announces it, of any content.
        listen: the engine.
        store: the table.
        objects: S3.
        bucket: of uploads and transcripts.
        folder: where the audio may lie while it is read.
        now: the time.
        longest: how long the engine may work; a recording that takes longer is too long, now and at any later try.
        speakers: who speaks on each channel of a two-channel recording, where the company knows.
    """
    recording = _announced(key, store)
    if recording is None:
        return Outcome("ignored", reason="unknown-key")
    if recording.state in (READY, FAILED):
        return _outcome(recording, is_new=False)
    job = _Job(recording, store, objects, bucket, now, now() + longest)
    try:
        kept = job.kept() or _made(job, listen, folder, speakers)
    except UnreadableError as error:
        return _failed(job, error.reason)
    return _ready(job, kept) if kept else Outcome("ignored", recording.id, recording.lead_id, "upload-gone")


def transcript_key(recording: Recording) -> str:
    """Return where the first version of a recording's transcript lies."""
    return f"transcripts/{recording.lead_id}/{recording.id}/v{transcript.TRANSCRIPT_VERSION}.json"


def _announced(key: str, store: Store) -> Recording | None:
    parts = key.split("/")
    if len(parts) != 3 or parts[0] != "uploads" or not (ids.is_id(parts[1]) and ids.is_id(parts[2])):
        return None
    recording = store.recording(parts[2])
    return recording if recording and recording.object_key == key else None


def _made(job: _Job, listen: Listen, folder: Path, speakers: Sequence[Speaker]) -> _Kept | None:
    """Transcribe and store; None where the upload has been deleted meanwhile."""
    recording = job.recording
    size = job.objects.size(job.bucket, recording.object_key)
    if size is None:
        return None
    if size > LARGEST:
        raise UnreadableError("too-large")
    audio = folder / recording.id
    job.objects.download(job.bucket, recording.object_key, str(audio))
    note = _progress(job)
    note(0.0)
    heard = listen(audio, note)
    with audio.open("rb") as file:
        source = {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "size": audio.stat().st_size}
    content = transcript.to_json(
        Transcript(
            recording_id=recording.id,
            engine=heard.engine,
            speakers=_speakers(len(heard.words), speakers),
            sentences=transcript.sentences(heard.words),
            duration_s=heard.duration_s,
        )
    )
    return job.keep(json.dumps({**content, "audio": source}, ensure_ascii=False, separators=(",", ":")).encode())


def _speakers(channels: int, known: Sequence[Speaker]) -> tuple[Speaker, ...]:
    if channels == len(known) == 2:
        return tuple(known)
    return tuple("unknown" for _ in range(channels))


def _progress(job: _Job) -> Callable[[float], None]:
    noted: int | None = None

    def note(share: float) -> None:
        nonlocal noted
        if job.now() > job.until:
            raise UnreadableError("too-long")
        percent = min(99, int(share * 100))
        if noted is not None and percent < noted + _PROGRESS_STEP:
            return
        noted = percent
        recording = replace(job.recording, state="transcribing", progress=percent)
        # Only a hint for whoever waits: a busy table, or a worker that was faster, must not stop the work itself.
        with suppress(ConflictError, BusyError):
            job.store.commit(Change(recording.lead_id, job.now(), recording=recording))

    return note


def _ready(job: _Job, kept: _Kept) -> Outcome:
    content = kept.content
    duration_ms, channels = round(content["duration_s"] * 1000), len(content["channels"])
    facts = {
        "recording": job.recording.id,
        "version": content["version"],
        "sha256": hashlib.sha256(kept.body).hexdigest(),
        "engine": content["engine"]["name"],
        "model": content["engine"]["model"],
        "model_sha256": content["engine"]["model_sha256"],
        "audio_sha256": content["audio"]["sha256"],
        "duration_ms": duration_ms,
        "channels": channels,
        "sentences": len(content["sentences"]),
    }
    done = replace(
        job.recording,
        state=READY,
        duration_ms=duration_ms,
        channels=channels,
        sha256=content["audio"]["sha256"],
        transcript_key=transcript_key(job.recording),
        progress=None,
    )
    return _ended(job, done, "transcript.ready", facts)


def _failed(job: _Job, reason: FailureReason) -> Outcome:
    done = replace(job.recording, state=FAILED, reason=reason, progress=None)
    return _ended(job, done, "recording.failed", {"recording": done.id, "reason": reason})


def _ended(job: _Job, done: Recording, kind: str, facts: dict[str, Any]) -> Outcome:
    """Write the last event together with the recording, unless another worker was first.

    Raises:
        LookupError: the table holds a recording without its lead.
    """

    def attempt() -> Outcome:
        current = job.store.recording(done.id)
        if current is not None and current.state in (READY, FAILED):
            return _outcome(current, is_new=False)
        lead = job.store.lead(done.lead_id)
        if lead is None:
            raise LookupError(f"lead {done.lead_id} of recording {done.id}")
        at = job.now()
        happening = Happening(kind, at, ACTOR, facts)
        job.store.commit(Change(done.lead_id, at, lead=lead, happenings=[happening], recording=done))
        return _outcome(done)

    return job.store.settled(attempt)


def _outcome(recording: Recording, *, is_new: bool = True) -> Outcome:
    return Outcome(recording.state, recording.id, recording.lead_id, recording.reason, is_new)
