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
from datetime import datetime
from pathlib import Path
from typing import Any

from leadtrail.domain import ids, transcript
from leadtrail.domain.errors import BusyError
from leadtrail.domain.transcript import Engine, FailureReason, Speaker, Transcript, Word
from leadtrail.domain.trail import Happening
from leadtrail.services.ports import Change, ConflictError, Now, Objects, Recording, Store

LARGEST = 100 * 1024 * 1024
ACTOR = "system:transcriber"
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


def transcribe(
    key: str,
    *,
    listen: Listen,
    store: Store,
    objects: Objects,
    bucket: str,
    folder: Path,
    now: Now,
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
        speakers: who speaks on each channel of a two-channel recording, where the company knows.
    """
    recording = _announced(key, store)
    if recording is None:
        return Outcome("ignored", reason="unknown-key")
    if recording.state in (READY, FAILED):
        return _outcome(recording, is_new=False)
    kept = _kept(recording, objects, bucket)
    if kept is not None:
        return _ready(recording, kept, store=store, now=now)
    try:
        kept = _made(recording, listen, store, objects, bucket, folder, now, speakers)
    except UnreadableError as error:
        return _failed(recording, error.reason, store=store, now=now)
    if kept is None:
        return Outcome("ignored", recording.id, recording.lead_id, "upload-gone")
    return _ready(recording, kept, store=store, now=now)


def transcript_key(recording: Recording) -> str:
    """Return where the first version of a recording's transcript lies."""
    return f"transcripts/{recording.lead_id}/{recording.id}/v{transcript.TRANSCRIPT_VERSION}.json"


def _announced(key: str, store: Store) -> Recording | None:
    parts = key.split("/")
    if len(parts) != 3 or parts[0] != "uploads" or not (ids.is_id(parts[1]) and ids.is_id(parts[2])):
        return None
    recording = store.recording(parts[2])
    return recording if recording and recording.object_key == key else None


def _made(
    recording: Recording,
    listen: Listen,
    store: Store,
    objects: Objects,
    bucket: str,
    folder: Path,
    now: Now,
    speakers: Sequence[Speaker],
) -> _Kept | None:
    """Transcribe and store; None where the upload has been deleted meanwhile."""
    size = objects.size(bucket, recording.object_key)
    if size is None:
        return None
    if size > LARGEST:
        raise UnreadableError("too-large")
    audio = folder / recording.id
    objects.download(bucket, recording.object_key, str(audio))
    note = _progress(recording, store, now)
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
    body = json.dumps({**content, "audio": source}, ensure_ascii=False, separators=(",", ":")).encode()
    return _stored(recording, body, objects, bucket)


def _speakers(channels: int, known: Sequence[Speaker]) -> tuple[Speaker, ...]:
    return tuple(known) if channels == len(known) == 2 else ("unknown",) * channels


def _stored(recording: Recording, body: bytes, objects: Objects, bucket: str) -> _Kept:
    key = transcript_key(recording)
    if not objects.put_new(bucket, key, body, _JSON):
        kept = _kept(recording, objects, bucket)
        if kept is not None:
            return kept
        objects.put(bucket, key, body, _JSON)  # what lies there is no transcript of ours
    return _Kept(body, json.loads(body))


def _kept(recording: Recording, objects: Objects, bucket: str) -> _Kept | None:
    """Return the transcript that lies there, if it is a whole one of this recording."""
    body = objects.get(bucket, transcript_key(recording))
    if body is None:
        return None
    try:
        content = json.loads(body)
    except ValueError:
        return None
    wanted = {"recording_id": recording.id, "version": transcript.TRANSCRIPT_VERSION}
    is_ours = isinstance(content, dict) and wanted.items() <= content.items() and "audio" in content
    return _Kept(body, content) if is_ours else None


def _progress(recording: Recording, store: Store, now: Now) -> Callable[[float], None]:
    noted: int | None = None

    def note(share: float) -> None:
        nonlocal noted
        percent = min(99, int(share * 100))
        if noted is not None and percent < noted + _PROGRESS_STEP:
            return
        noted = percent
        change = Change(
            recording.lead_id, now(), recording=replace(recording, state="transcribing", progress=percent)
        )
        # Only a hint for whoever waits: a busy table, or a worker that was faster, must not stop the work itself.
        with suppress(ConflictError, BusyError):
            store.commit(change)

    return note


def _ready(recording: Recording, kept: _Kept, *, store: Store, now: Now) -> Outcome:
    content = kept.content
    duration_ms, channels = round(content["duration_s"] * 1000), len(content["channels"])
    facts = {
        "recording": recording.id,
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
        recording,
        state=READY,
        duration_ms=duration_ms,
        channels=channels,
        sha256=content["audio"]["sha256"],
        transcript_key=transcript_key(recording),
        progress=None,
    )
    return _ended(done, "transcript.ready", facts, store=store, now=now)


def _failed(recording: Recording, reason: FailureReason, *, store: Store, now: Now) -> Outcome:
    done = replace(recording, state=FAILED, reason=reason, progress=None)
    return _ended(done, "recording.failed", {"recording": recording.id, "reason": reason}, store=store, now=now)


def _ended(done: Recording, kind: str, facts: dict[str, Any], *, store: Store, now: Now) -> Outcome:
    """Write the last event together with the recording, unless another worker was first.

    Raises:
        LookupError: the table holds a recording without its lead.
    """

    def attempt() -> Outcome:
        current = store.recording(done.id)
        if current is not None and current.state in (READY, FAILED):
            return _outcome(current, is_new=False)
        lead = store.lead(done.lead_id)
        if lead is None:
            raise LookupError(f"lead {done.lead_id} of recording {done.id}")
        at: datetime = now()
        store.commit(
            Change(done.lead_id, at, lead=lead, happenings=[Happening(kind, at, ACTOR, facts)], recording=done)
        )
        return _outcome(done)

    return store.settled(attempt)


def _outcome(recording: Recording, *, is_new: bool = True) -> Outcome:
    return Outcome(recording.state, recording.id, recording.lead_id, recording.reason, is_new)
