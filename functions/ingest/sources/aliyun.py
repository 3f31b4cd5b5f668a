"""Aliyun 阿里云语音: pushed call and recording reports (help.aliyun.com/zh/vms/voicereport-7, voicerecordreport-6).

It signs nothing: the address is the secret. A push is a JSON array; VoiceRecordReport names the recording
(`record_file`) and no number, VoiceReport the numbers (`caller`, `callee`): `call_id` joins them. Times are China's.
A call of one leg that the platform dials is its robot or its recorded notice: nobody of ours speaks, so it has no talk.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from functions.ingest.sources import Request, Sample, Secret, calls
from functions.ingest.sources.signature import by_address
from functions.ingest.sources.standard import echo
from leadtrail.domain import identity
from leadtrail.domain.company import Source
from leadtrail.domain.delivery import Delivery, RecordingOffer
from leadtrail.domain.errors import InvalidInputError
from leadtrail.runtime.http import Answer, answer, json_array, json_object

__all__ = ["acknowledge", "echo", "parse", "sample", "verify"]

TOGETHER = 100  # messages of one push
STARTS = ("originate_time", "start_time", "b_start_time", "end_time")
TRANSFERRED = "smart_transfer"  # voice_type of a robot's call that it handed to a person
NO_FINISHED_CALL = "消息中没有号码，也没有录音"


def verify(request: Request, secrets: Sequence[Secret]) -> Secret:
    """Return the secret whose token stands in the path."""
    return by_address(request, secrets)


def parse(request: Request, secret: Secret) -> tuple[Delivery, ...]:
    """Read every report of a push."""
    del secret  # nothing in the body is encrypted
    return tuple(_delivery(request, body, path) for body, path in _messages(request.body))


def _messages(raw: bytes) -> list[tuple[Mapping[str, Any], str]]:
    """Return the reports with their paths; an MNS consumer hands them over one by one, without the array."""
    if not raw.lstrip().startswith(b"["):
        return [(json_object(raw), "")]
    messages = json_array(raw)
    if not 1 <= len(messages) <= TOGETHER:
        raise InvalidInputError("messages", f"需要1到{TOGETHER}条消息")
    for index, body in enumerate(messages):
        if not isinstance(body, Mapping):
            raise InvalidInputError(f"[{index}]", "需要一个对象")
    return [(body, f"[{index}].") for index, body in enumerate(messages)]


def _delivery(request: Request, body: Mapping[str, Any], path: str) -> Delivery:
    call_id = calls.identifier(body, "call_id", f"{path}call_id")
    recordings = _recordings(body, path)
    caller, callee = (calls.word(body, key, f"{path}{key}") for key in ("caller", "callee"))
    if caller or callee:
        return _call(request, body, path, call_id, recordings)
    if recordings:
        return calls.recording(request, key=call_id, call_id=call_id, offered=recordings[0])
    said = "+".join(calls.word(body, key, f"{path}{key}") for key in ("status_code", "status_time"))
    key = f"status+{call_id}+{said}"
    return calls.parked(request, key=key, kind="call", reason=NO_FINISHED_CALL, call_id=call_id)


def _recordings(body: Mapping[str, Any], path: str) -> tuple[RecordingOffer, ...]:
    url = calls.word(body, "record_file", f"{path}record_file")
    if not url:
        return ()
    began = "record_begin_time" if calls.word(body, "record_begin_time", f"{path}record_begin_time") else "start_time"
    offered = calls.offer(
        url,
        f"{path}record_file",
        started_at=calls.moment(body, began, f"{path}{began}"),
        duration_s=calls.seconds(body, "duration", f"{path}duration"),
    )
    return (offered,)


def _call(
    request: Request, body: Mapping[str, Any], path: str, call_id: str, recordings: tuple[RecordingOffer, ...]
) -> Delivery:
    caller, callee = (calls.word(body, key, f"{path}{key}") for key in ("caller", "callee"))
    # No field names the direction: the platform dials people, unless only the caller is one.
    direction = "in" if _is_person(caller) and not _is_person(callee) else "out"
    started = next((key for key in STARTS if calls.word(body, key, f"{path}{key}")), STARTS[0])
    return calls.call(
        request,
        key=f"call+{call_id}",
        call_id=call_id,
        direction=direction,
        customer=caller if direction == "in" else callee,
        started_at=calls.required_moment(body, started, f"{path}{started}"),
        talk_s=_talk_s(body, path, direction),
        recordings=recordings,
    )


def _is_person(number: str) -> bool:
    known = identity.phone(number)
    return known is not None and known.identifies


def _talk_s(body: Mapping[str, Any], path: str, direction: str) -> int:
    """Return seconds in which both legs were connected, where one of them is a person of ours."""
    together = "b_duration" if calls.word(body, "b_duration", f"{path}b_duration") else "duration"
    talk_s = calls.seconds(body, together, f"{path}{together}") or 0
    first_leg_at = calls.moment(body, "a_start_time", f"{path}a_start_time")
    is_transferred = calls.word(body, "voice_type", f"{path}voice_type") == TRANSFERRED
    return talk_s if direction == "in" or first_leg_at or is_transferred else 0


def acknowledge(lead_id: str | None, outcome: str) -> Answer:
    """Answer in Aliyun's words; without a number in `code` it comes three times more."""
    return answer(200, {"code": 0, "msg": "接收成功"})


def sample(source: Source, secret: Secret, at: datetime, url: str) -> Sample:
    """Return one answered inbound call of 65 seconds that ended at ``at``; the address proves who sends it."""

    def ago(seconds: int) -> str:
        return f"{(at - timedelta(seconds=seconds)).astimezone(calls.CHINA):%Y-%m-%d %H:%M:%S}"

    report = {
        "call_id": f"leadtrail-test^{int(at.timestamp() * 1000)}",
        "caller": "19900000000",
        "callee": "057100000000",
        "originate_time": ago(80),
        "ring_time": ago(75),
        "start_time": ago(65),
        "end_time": ago(0),
        "duration": "65",
        "voice_type": "voice",
        "status_code": "200000",
    }
    return Sample(json.dumps([report]).encode(), {"content-type": "application/json;charset=utf-8"})
