"""Tencent CCC 腾讯云联络中心: pushed calls and recordings (tencentcloud.com/document/product/1229/59641 and 59642).

It signs nothing: the address is the secret. `?action=cdr` is one call, `?action=record` one recording of one party;
they come in any order and are joined by SessionId. Talk is what lies between AcceptTimestamp and EndedTimestamp:
`Duration` is said to be the same, and is not believed where the call was never accepted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from functions.ingest.sources import Request, Sample, Secret, calls, fields
from functions.ingest.sources.signature import by_address
from functions.ingest.sources.standard import echo
from leadtrail.domain import identity
from leadtrail.domain.company import Source
from leadtrail.domain.delivery import Delivery
from leadtrail.domain.errors import InvalidInputError
from leadtrail.runtime.http import Answer, answer, json_object

__all__ = ["acknowledge", "echo", "parse", "sample", "verify"]

DIRECTIONS = ("in", "out")  # as Tencent counts them: 0 and 1
INTERNAL = 6  # CallType of a call between two seats
AGENT = ("Name", "UserId", "Mail")


def verify(request: Request, secrets: Sequence[Secret]) -> Secret:
    """Return the secret whose token stands in the path."""
    return by_address(request, secrets)


def parse(request: Request, secret: Secret) -> tuple[Delivery, ...]:
    """Read a call record or a recording; any other push is parked."""
    del secret  # nothing in the body is encrypted
    body = json_object(request.body)
    action = request.query.get("action", "")
    if action == "cdr":
        return (_call(request, body),)
    if action == "record":
        return (_recording(request, body),)
    if not action:
        raise InvalidInputError("action", "不能为空")
    key = f"{action[:40]}+{hashlib.sha256(request.body).hexdigest()}"
    return (calls.parked(request, key=key, kind="call", reason=f"暂不处理的推送类型：{action[:40]}"),)


def _call(request: Request, body: Mapping[str, Any]) -> Delivery:
    call_id = calls.identifier(body, "SessionId", "SessionId")
    direction = DIRECTIONS[fields.whole(body, "Direction", "Direction", largest=1)]
    customer = "Caller" if direction == "in" else "Callee"
    calls.seconds(body, "Duration", "Duration")
    return calls.call(
        request,
        key=f"cdr+{call_id}",
        call_id=call_id,
        direction=direction,
        customer=calls.word(body, customer, customer),
        started_at=calls.required_moment(body, "StartTimestamp", "StartTimestamp"),
        talk_s=_talk_s(body),
        agent=_agent(request.source, body),
        parked="坐席之间的内部通话" if calls.word(body, "CallType", "CallType") == str(INTERNAL) else None,
    )


def _talk_s(body: Mapping[str, Any]) -> int:
    """Return seconds from the answer to the end; ringing, queueing and the menu before it are no talk."""
    accepted_at = calls.moment(body, "AcceptTimestamp", "AcceptTimestamp")
    if accepted_at is None:
        return 0
    talk = calls.required_moment(body, "EndedTimestamp", "EndedTimestamp") - accepted_at
    if not timedelta() <= talk <= timedelta(seconds=calls.DAY_S):
        raise InvalidInputError("EndedTimestamp", "应在 AcceptTimestamp 之后一天以内")
    return int(talk.total_seconds())


def _agent(source: Source, body: Mapping[str, Any]) -> str:
    """Return the last seat of the call, by the field that is configured or by the first that is filled."""
    seat = fields.mapping(body, "SeatUser", "SeatUser")
    return calls.first_word(seat, (source.fields["agent"],) if "agent" in source.fields else AGENT)


def _recording(request: Request, body: Mapping[str, Any]) -> Delivery:
    """Read the recording of one party: a telephone number is the customer's, an e-mail address the seat's."""
    call_id = calls.identifier(body, "SessionId", "SessionId")
    record_id = calls.identifier(body, "RecordId", "RecordId")
    endpoint = calls.identifier(body, "EndpointUser", "EndpointUser")
    known = identity.phone(endpoint)
    is_customer = known is not None and known.number.startswith("+")  # short numbers are seats' extensions
    path = "RecordURL" if calls.word(body, "RecordURL", "RecordURL") else "CustomRecordURL"
    offered = calls.offer(
        calls.word(body, path, path, required=True),
        path,
        party="customer" if is_customer else "rep",
        started_at=calls.moment(body, "Timestamp", "Timestamp"),
    )
    customer = endpoint if is_customer else ""
    key = f"record+{call_id}+{record_id}"
    return calls.recording(request, key=key, call_id=call_id, offered=offered, customer=customer)


def acknowledge(lead_id: str | None, outcome: str) -> Answer:
    """Answer in Tencent's words: anything but ErrCode 0 is sent three times more."""
    return answer(200, {"ErrCode": 0, "ErrMsg": ""})


def sample(source: Source, secret: Secret, at: datetime, url: str) -> Sample:
    """Return one answered inbound call of 65 seconds that ended at ``at``; the address proves who sends it."""
    ended = int(at.timestamp())
    body = {
        "SdkAppId": 1400000000,
        "SessionId": f"leadtrail-test-{int(at.timestamp() * 1000)}",
        "Caller": "008619900000000",
        "Callee": "4000000000",
        "Direction": 0,
        "CallType": 2,
        "Duration": 65,
        "StartTimestamp": ended - 80,
        "RingTimestamp": ended - 75,
        "AcceptTimestamp": ended - 65,
        "EndedTimestamp": ended,
        "EndStatusString": "ok",
    }
    return Sample(
        json.dumps(body).encode(), {"content-type": "application/json;charset=utf8"}, {"action": "cdr", "version": "1"}
    )
