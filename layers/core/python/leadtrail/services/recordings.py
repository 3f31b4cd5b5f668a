"""Recordings, as people see them: asking for an upload, how far it is, and what was said.

The server chooses the key, `uploads/<lead>/<recording>`, out of ids alone: a file's name is somebody's words, and is
kept only where words are, encrypted on the trail. S3 itself holds the upload to key, type and size.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from leadtrail.domain import ids
from leadtrail.domain.errors import NotFoundError, RecordingRefusedError
from leadtrail.domain.instant import to_text
from leadtrail.domain.trail import Happening
from leadtrail.services.idempotency import Command
from leadtrail.services.people import Caller, visible, workable
from leadtrail.services.ports import Change, Objects, Recording, Store

LARGEST = 100 * 1024 * 1024  # bytes: what the policy of an upload lets in
OPEN_FOR = timedelta(minutes=15)
AHEAD = timedelta(minutes=5)  # how far a person's clock may be ahead of ours
NAME_LENGTH = 255
AUDIO_TYPES = frozenset(
    f"audio/{kind}"
    for kind in (
        "3gpp", "aac", "amr", "flac", "m4a", "mp3", "mp4", "mpeg", "ogg", "opus", "wav", "wave", "webm",
        "x-flac", "x-m4a", "x-ms-wma", "x-wav",
    )
)  # fmt: skip
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control characters, marks that turn text round, broken pairs, line breaks


@dataclass(frozen=True, slots=True)
class Upload:
    """What a person wants to upload; ``size`` in bytes, ``occurred_at`` (aware UTC) is when the call took place."""

    lead_id: str
    file_name: str
    size: int
    content_type: str
    consent: bool
    occurred_at: datetime | None = None


def request(
    upload: Upload,
    *,
    caller: Caller,
    command: Command | None,
    store: Store,
    objects: Objects,
    bucket: str,
    now: datetime,
) -> Mapping[str, Any]:
    """Open an upload for 15 minutes and put the request on the trail; the answer of ``POST /recordings``.

    Raises:
        RecordingRefusedError: no consent, or a type, size, name or time that is not let in; names the field.
        NotFoundError: the lead is absent, or not the caller's to see.
        AlreadyMergedError: it became part of another lead, which is named.
        IdempotencyMismatchError: the key was used for something else.
    """
    content_type = _checked(upload, now)

    def attempt() -> Mapping[str, Any]:
        known = command.repeated(store.receipt(*command.receipt_at)) if command else None
        if known is not None:
            return known
        lead = workable(store.lead(upload.lead_id) if ids.is_id(upload.lead_id) else None, caller)
        recording = _waiting(upload, content_type, now)
        answer = _opened(recording, objects, bucket, now)
        person = store.persons([lead.person_id]).get(lead.person_id)
        requested = Happening(
            "recording.requested",
            now,
            f"rep:{caller.rep_id}",
            _facts(upload, recording),
            # Nobody's key is left where the person was erased: then the file's name is not kept at all.
            {"file_name": upload.file_name} if person else None,
        )
        receipt = command.receipt(answer, lead_id=lead.lead_id, now=now) if command else None
        store.commit(
            Change(
                lead_id=lead.lead_id,
                recorded_at=now,
                lead=lead,
                happenings=[requested],
                person=person,
                receipt=receipt,
                recording=recording,
            )
        )
        return answer

    return store.settled(attempt)


def status(recording_id: str, *, caller: Caller, store: Store) -> Recording:
    """Return a recording of a lead that the caller may see.

    Raises:
        NotFoundError: absent, or of somebody else's lead.
    """
    recording = store.recording(recording_id) if ids.is_id(recording_id) else None
    if recording is None:
        raise NotFoundError
    visible(store.lead(recording.lead_id), caller)
    return recording


def transcript(recording_id: str, *, caller: Caller, store: Store, objects: Objects, bucket: str) -> bytes:
    """Return a transcript as it is stored: UTF-8 JSON.

    Raises:
        NotFoundError: the recording is not the caller's to see, or has no transcript (yet), or it was erased.
    """
    recording = status(recording_id, caller=caller, store=store)
    if recording.transcript_key is None:
        raise NotFoundError("这段录音还没有转写结果", state=recording.state, reason=recording.reason)
    body = objects.get(bucket, recording.transcript_key)
    if body is None:
        raise NotFoundError("转写结果已被删除")
    return body


def progress(recording: Recording) -> float:
    """Return the share that is transcribed: 0 before, 1 when ready."""
    return 1.0 if recording.state == "ready" else (recording.progress or 0) / 100


def _checked(upload: Upload, now: datetime) -> str:
    """Return the media type without its parameters, once everything about the upload is let in."""
    content_type = upload.content_type.partition(";")[0].strip().lower()
    if not upload.consent:
        raise RecordingRefusedError("consent", "必须先取得对方同意录音的许可")
    if content_type not in AUDIO_TYPES:
        raise RecordingRefusedError("content_type", "只接受音频文件", accepted=sorted(AUDIO_TYPES))
    if not 1 <= upload.size <= LARGEST:
        raise RecordingRefusedError("size", "大小须在1字节到100 MB之间", largest=LARGEST)
    if not 1 <= len(upload.file_name) <= NAME_LENGTH:
        raise RecordingRefusedError("file_name", f"须为1到{NAME_LENGTH}个字符")
    if any(unicodedata.category(letter) in _UNSEEN for letter in upload.file_name):
        raise RecordingRefusedError("file_name", "不能含有控制字符")
    if upload.occurred_at and upload.occurred_at > now + AHEAD:
        raise RecordingRefusedError("occurred_at", "通话时间不能晚于现在")
    return content_type


def _waiting(upload: Upload, content_type: str, now: datetime) -> Recording:
    recording_id = ids.new_id(now)
    return Recording(
        id=recording_id,
        lead_id=upload.lead_id,
        state="waiting",
        object_key=f"uploads/{upload.lead_id}/{recording_id}",
        content_type=content_type,
        size=upload.size,
        created_at=now,
    )


def _opened(recording: Recording, objects: Objects, bucket: str, now: datetime) -> dict[str, Any]:
    url, fields = objects.presigned_post(
        bucket,
        recording.object_key,
        content_type=recording.content_type,
        largest=LARGEST,
        seconds=round(OPEN_FOR.total_seconds()),
    )
    return {"id": recording.id, "upload": {"url": url, "fields": fields}, "expires_at": to_text(now + OPEN_FOR)}


def _facts(upload: Upload, recording: Recording) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "recording": recording.id,
        "content_type": recording.content_type,
        "size": recording.size,
        "consent": True,
    }
    if upload.occurred_at:
        facts["called_at"] = to_text(upload.occurred_at)
    return facts
