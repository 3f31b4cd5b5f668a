"""Recordings over HTTP: POST /recordings, GET /recordings/{id}, GET /recordings/{id}/transcript."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from functions.api.operation import Area, Call
from functions.api.reading import Nothing, Request
from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.instant import from_text
from leadtrail.domain.transcript import REASONS, Speaker
from leadtrail.runtime.telemetry import logger
from leadtrail.services import recordings
from leadtrail.services.recordings import Upload

router = Area("recordings")


class UploadRequest(Request):
    """A call recording of a lead; ``size`` in bytes up to 100 MB, ``consent`` must be true."""

    lead_id: str
    file_name: str
    size: int
    content_type: str
    occurred_at: str | None = None
    consent: bool = False


class Form(BaseModel):
    """Where the browser posts the file, after these fields (multipart/form-data)."""

    url: str
    fields: dict[str, str]


class OpenedUpload(BaseModel):
    """The recording's id and where to upload it, for 15 minutes."""

    id: str
    upload: Form
    expires_at: str


class RecordingStatus(BaseModel):
    """How far a recording is; ``reason`` is why it failed, ``reason_text`` says so to people."""

    id: str
    lead_id: str
    state: Literal["waiting", "queued", "transcribing", "ready", "failed"]
    progress: float
    reason: str | None
    reason_text: str | None
    duration_s: float | None
    channels: int | None
    sha256: str | None


class Engine(BaseModel):
    """What recognised the words."""

    name: str
    model: str
    model_sha256: str


class Channel(BaseModel):
    """Who speaks on a channel."""

    channel: int
    speaker: Speaker


class Word(BaseModel):
    """One word; times in seconds, confidence from 0 to 1."""

    text: str
    start: float
    end: float
    confidence: float


class Sentence(BaseModel):
    """Words of one channel between two pauses."""

    index: int
    channel: int
    start: float
    end: float
    text: str
    confidence: float
    words: list[Word]


class Audio(BaseModel):
    """The file that was transcribed; ``size`` in bytes."""

    sha256: str
    size: int


class Transcript(BaseModel):
    """What was said; all times in seconds from the start of the recording."""

    recording_id: str
    version: int
    engine: Engine
    channels: list[Channel]
    sentences: list[Sentence]
    duration_s: float
    audio: Audio


@router.operation(
    "POST",
    "/recordings",
    summary="申请上传一段通话录音",
    body=UploadRequest,
    answer=OpenedUpload,
    status=201,
    problems=(404,),
)
def request_recording(call: Call[Nothing, UploadRequest]) -> OpenedUpload:
    """Open an upload for 15 minutes; S3 itself holds it to size, type and place, and it is transcribed on arrival."""
    asked = call.body
    try:
        occurred_at = from_text(asked.occurred_at) if asked.occurred_at is not None else None
    except ValueError as error:
        raise InvalidInputError("occurred_at", "需要带时区的 ISO 8601 时间") from error
    answer = recordings.request(
        Upload(asked.lead_id, asked.file_name, asked.size, asked.content_type, asked.consent, occurred_at),
        caller=call.caller,
        command=call.command,
        store=call.world.store,
        objects=call.world.objects,
        bucket=call.world.settings.uploads_bucket,
        now=call.now,
    )
    logger.info("recording requested", recording_id=answer["id"], lead_id=asked.lead_id, rep_id=call.caller.rep_id)
    return OpenedUpload.model_validate(answer)


@router.operation("GET", "/recordings/{recording_id}", summary="录音转写到哪一步", answer=RecordingStatus)
def read_recording(call: Call[Nothing, Nothing]) -> RecordingStatus:
    """Tell how far a recording is: waiting (for its upload), transcribing, ready, or failed with a reason."""
    found = recordings.status(call.path["recording_id"], caller=call.caller, store=call.world.store)
    return RecordingStatus(
        id=found.id,
        lead_id=found.lead_id,
        state=found.state,  # type: ignore[arg-type]  # pydantic checks what the table holds
        progress=recordings.progress(found),
        reason=found.reason,
        reason_text=next((text for code, text in REASONS.items() if code == found.reason), None),
        duration_s=found.duration_ms / 1000 if found.duration_ms is not None else None,
        channels=found.channels,
        sha256=found.sha256,
    )


@router.operation("GET", "/recordings/{recording_id}/transcript", summary="录音的文字稿", answer=Transcript)
def read_transcript(call: Call[Nothing, Nothing]) -> Transcript:
    """Return what was said; 404 until the recording is ready. A transcript is made once and never changes."""
    body = recordings.transcript(
        call.path["recording_id"],
        caller=call.caller,
        store=call.world.store,
        objects=call.world.objects,
        bucket=call.world.settings.uploads_bucket,
    )
    return Transcript.model_validate_json(body)
