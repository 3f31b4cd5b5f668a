"""TiNet 天润融通: pushed call records, JSON or form-encoded (github.com/ti-net/smartlink-sdk-java, PushCdrRequest).

It signs nothing: the address is the secret. Talk is `bridgeDuration`, and only where the status says that both
sides were on the line: a menu that answers (3), or a customer who waits for a seat (22, 41, 50), is no talk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from functions.ingest.sources import Request, Sample, Secret, calls, fields
from functions.ingest.sources.signature import by_address
from functions.ingest.sources.standard import echo
from leadtrail.domain.company import Source
from leadtrail.domain.delivery import Delivery, RecordingOffer
from leadtrail.domain.errors import InvalidInputError
from leadtrail.runtime.http import Answer, text_answer

__all__ = ["acknowledge", "echo", "parse", "sample", "verify"]

TYPES = ("cdr_ib", "cdr_ob_agent", "cdr_ob_customer")
TALKED = ("1", "24", "33", "43", "52")  # of the statuses 1 to 53: a seat and the customer were both connected
AGENT = ("clientName", "agentName", "cno")
RECORDINGS = ("recordUrl", "recordFile")


def verify(request: Request, secrets: Sequence[Secret]) -> Secret:
    """Return the secret whose token stands in the path."""
    return by_address(request, secrets)


def parse(request: Request, secret: Secret) -> tuple[Delivery, ...]:
    """Read one call record."""
    del secret  # nothing in the body is encrypted
    body = calls.message(request)
    unique_id = calls.identifier(body, "uniqueId", "uniqueId")
    direction = "in" if fields.one_of(body, "cdrType", "cdrType", TYPES) == "cdr_ib" else "out"
    started_at = calls.required_moment(body, "startTime", "startTime")
    delivery = calls.call(
        request,
        key=unique_id,
        call_id=calls.word(body, "mainUniqueId", "mainUniqueId") or unique_id,
        direction=direction,
        customer=calls.word(body, "customerNumber", "customerNumber"),
        started_at=started_at,
        talk_s=_talk_s(body, started_at),
        agent=_agent(request.source, body),
        recordings=_recordings(body),
    )
    return (delivery,)


def _talk_s(body: Mapping[str, Any], started_at: datetime) -> int:
    talk_s = calls.seconds(body, "bridgeDuration", "bridgeDuration", required=True) or 0
    status = calls.word(body, "status", "status", required=True)
    for key in ("answerTime", "bridgeTime", "endTime"):
        at = calls.moment(body, key, key)
        if at is not None and at < started_at:
            raise InvalidInputError(key, "不能早于 startTime")
    return talk_s if status in TALKED else 0


def _agent(source: Source, body: Mapping[str, Any]) -> str:
    return calls.first_word(body, (source.fields["agent"],) if "agent" in source.fields else AGENT)


def _recordings(body: Mapping[str, Any]) -> tuple[RecordingOffer, ...]:
    """Return the recording where it is an address; what is only a file's name can be fetched by nobody."""
    path = next((key for key in RECORDINGS if calls.word(body, key, key).lower().startswith("http")), None)
    if path is None:
        return ()
    bridged_at = calls.moment(body, "bridgeTime", "bridgeTime")
    return (calls.offer(calls.word(body, path, path), path, started_at=bridged_at),)


def acknowledge(lead_id: str | None, outcome: str) -> Answer:
    """Answer with the word of success."""
    return text_answer(200, "success")


def sample(source: Source, secret: Secret, at: datetime, url: str) -> Sample:
    """Return one answered inbound call of 65 seconds that ended at ``at``; the address proves who sends it."""
    ended = int(at.timestamp())
    body = {
        "uniqueId": f"leadtrail-test-{int(at.timestamp() * 1000)}",
        "cdrType": "cdr_ib",
        "callType": "1",
        "customerNumber": "19900000000",
        "startTime": ended - 80,
        "answerTime": ended - 78,
        "bridgeTime": ended - 65,
        "bridgeDuration": 65,
        "endTime": ended,
        "totalDuration": 80,
        "status": 1,
    }
    return Sample(urlencode(body).encode(), {"content-type": "application/x-www-form-urlencoded"})
