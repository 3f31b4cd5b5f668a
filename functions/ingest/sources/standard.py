"""Standard Webhooks: forms and call systems that sign as https://www.standardwebhooks.com says.

`lead.created`: {"id"?, "name", "phone", "email"?, "fields"?}; `call.completed`: {"phone",
"direction", "started_at", "talk_s", "agent"}. Signed are id, timestamp and the raw body. Svix signs the same
with headers of its own name; where both sets come, those of the standard win.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from functions.ingest.sources import Request, Sample, Secret, fields, roles
from functions.ingest.sources.person import person
from functions.ingest.sources.signature import fitting, within_window
from leadtrail.domain import instant
from leadtrail.domain.company import Source
from leadtrail.domain.delivery import CallRecord, Delivery
from leadtrail.domain.errors import NotFoundError, UnauthenticatedError
from leadtrail.runtime.http import Answer, answer, json_object

TYPES = ("lead.created", "call.completed")
DAY_S = 86400
SIGNED_HEADERS = ("id", "timestamp", "signature")


def verify(request: Request, secrets: Sequence[Secret]) -> Secret:
    """Return the secret that signed id, timestamp and body; several signatures may stand in the header."""
    message_id, timestamp, signatures = _said(request)
    if not message_id or len(message_id) > 256 or not message_id.isascii():
        raise UnauthenticatedError
    within_window(timestamp, request.at)
    given = [part.removeprefix("v1,") for part in signatures.split() if part[:3] == "v1,"]
    return fitting(secrets, given, lambda secret: _signature(secret["secret"], message_id, timestamp, request.body))


def _said(request: Request) -> tuple[str, str, str]:
    """Return id, timestamp and signatures, all of one set of headers."""
    headers = request.headers
    family = "webhook" if any(f"webhook-{part}" in headers for part in SIGNED_HEADERS) else "svix"
    message_id, timestamp, signatures = (headers.get(f"{family}-{part}", "") for part in SIGNED_HEADERS)
    return message_id, timestamp, signatures


def _signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:  # a secret that nobody can sign with lets nobody in
        raise UnauthenticatedError from error
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def parse(request: Request, secret: Secret) -> tuple[Delivery, ...]:
    """Read a lead or a finished call."""
    del secret  # nothing in the body is encrypted
    body = json_object(request.body)
    kind = fields.one_of(body, "type", "type", TYPES)
    message_id, timestamp, _ = _said(request)
    sent_at = datetime.fromtimestamp(int(timestamp), UTC)
    said_at = fields.moment(body, "timestamp", "timestamp") or sent_at
    data = fields.mapping(body, "data", "data", required=True)
    contact, identities, unreachable = person(
        name=fields.text(data, "name", "data.name"),
        phone=fields.text(data, "phone", "data.phone"),
        email=fields.text(data, "email", "data.email"),
    )
    call = _call(data) if kind == "call.completed" else None
    answers = fields.mapping(data, "fields", "data.fields")
    delivery = Delivery(
        source=request.source.id,
        key=message_id,
        kind="call" if call else "lead",
        occurred_at=call.started_at if call else said_at,
        signed=True,
        identities=identities,
        contact=contact,
        fields=fields.kept(answers.items()),
        source_ref=fields.text(data, "id", "data.id") or None,
        call=call,
        parked=unreachable,
    )
    return (delivery,)


def _call(data: Mapping[str, Any]) -> CallRecord:
    started_at = fields.moment(data, "started_at", "data.started_at", required=True)
    assert started_at is not None  # noqa: S101 - required above; tells the type checker
    return CallRecord(
        direction=fields.one_of(data, "direction", "data.direction", ("in", "out")),
        started_at=started_at,
        talk_s=fields.whole(data, "talk_s", "data.talk_s", largest=DAY_S),
        agent=fields.text(data, "agent", "data.agent") or None,
    )


def echo(request: Request, secret: Secret) -> Answer:
    """Refuse: this provider never asks."""
    raise NotFoundError


def acknowledge(lead_id: str | None, outcome: str) -> Answer:
    """Answer as API.md says."""
    return answer(200, {"id": lead_id, "outcome": outcome})


def sample(source: Source, secret: Secret, at: datetime, url: str) -> Sample:
    """Return one `lead.created`, signed."""
    del source, url
    message_id, timestamp = f"msg_test{at:%Y%m%dT%H%M%S%f}", str(int(at.timestamp()))
    event = {"type": "lead.created", "timestamp": instant.to_text(at), "data": roles.SAMPLE}
    body = json.dumps(event, ensure_ascii=False).encode()
    signature = f"v1,{_signature(secret['secret'], message_id, timestamp, body)}"
    said = zip(SIGNED_HEADERS, (message_id, timestamp, signature), strict=True)
    return Sample(body, {f"webhook-{part}": value for part, value in said})
