"""Twilio: signed status callbacks of calls and recordings (twilio.com/docs/usage/webhooks/webhooks-security).

X-Twilio-Signature = base64 HMAC-SHA1 of the address and the sorted fields, keyed by the auth token (`secret`). No time
is signed: the receipt refuses replays. Only a call that is over is a call; its Timestamp (RFC 2822) is that of its end.
A recording names the first leg of a call of two, so that the legs are joined by ParentCallSid.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import urlencode

from functions.ingest.sources import Request, Sample, Secret, calls, fields
from functions.ingest.sources.standard import echo
from leadtrail.domain.company import Source
from leadtrail.domain.delivery import Delivery
from leadtrail.domain.errors import InvalidInputError, MalformedBodyError, UnauthenticatedError
from leadtrail.runtime.http import Answer, text_answer

__all__ = ["acknowledge", "echo", "parse", "sample", "verify"]

OVER = ("completed", "busy", "no-answer", "failed", "canceled")
RUNNING = ("queued", "initiated", "ringing", "in-progress", "answered")
RECORDINGS = ("completed", "in-progress", "absent", "failed")
DIRECTIONS = ("inbound", "outbound-api", "outbound-dial")
MACHINES = ("machine_", "fax")  # what AnsweredBy begins with when nobody listened
SEATS = ("client:", "sip:")  # a side of the call that is a seat, not a telephone
PORTS = {"https": 443, "http": 80}
_RFC_2822 = re.compile(r"(?:[A-Z][a-z]{2}, )?\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", re.ASCII)


def verify(request: Request, secrets: Sequence[Secret]) -> Secret:
    """Return the secret that signed address and fields; every pair of secret and spelling is compared."""
    try:
        pairs = calls.form(request.body)
    except MalformedBodyError as error:  # what cannot be read cannot have been signed
        raise UnauthenticatedError from error
    given = request.headers.get("x-twilio-signature", "").encode("utf-8", "surrogatepass")
    found = None
    for secret in secrets:
        for url in _spellings(request.url):
            if secret.get("secret") and hmac.compare_digest(_signature(secret["secret"], url, pairs).encode(), given):
                found = found or secret
    if found is None:
        raise UnauthenticatedError
    return found


def _spellings(url: str) -> tuple[str, str]:
    """Return the address without a port and with one: Twilio signs either, and its own validator tries both."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    name, colon, port = host.rpartition(":")
    bare = name if colon and port.isdigit() else host
    with_port = host if bare != host else f"{host}:{PORTS.get(scheme, 443)}"
    return f"{scheme}://{bare}{slash}{path}", f"{scheme}://{with_port}{slash}{path}"


def _signature(token: str, url: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Sign the address and the sorted fields; equal values of one field are signed once, as Twilio's validator does."""
    signed = url + "".join(f"{name}{value}" for name, value in sorted(set(pairs)))
    # SHA-1 is what Twilio signs with; the token is the secret.
    digest = hmac.new(token.encode(), signed.encode("utf-8", "surrogatepass"), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def parse(request: Request, secret: Secret) -> tuple[Delivery, ...]:
    """Read the status of a call or of a recording."""
    del secret  # nothing in the body is encrypted
    body = dict(reversed(calls.form(request.body)))  # of a field that stands twice the first is meant
    return (_recording(request, body) if "RecordingStatus" in body else _call(request, body),)


def _call(request: Request, body: Mapping[str, str]) -> Delivery:
    sid = calls.identifier(body, "CallSid", "CallSid")
    status = fields.one_of(body, "CallStatus", "CallStatus", OVER + RUNNING)
    call_id, key = calls.word(body, "ParentCallSid", "ParentCallSid") or sid, f"{sid}+{status}"
    if status in RUNNING:
        reason = f"通话尚未结束：{status}"
        return calls.parked(request, key=key, kind="call", reason=reason, call_id=call_id, signed=True)
    is_completed = status == "completed"
    lasted_s = calls.seconds(body, "CallDuration", "CallDuration", required=is_completed) or 0
    lasted_s = lasted_s if is_completed else 0  # nobody answered the others
    ended_at = _said_at(body, "Timestamp") or request.at
    direction, customer, agent = _sides(body)
    return calls.call(
        request,
        key=key,
        call_id=call_id,
        direction=direction,
        customer=customer,
        started_at=ended_at - timedelta(seconds=lasted_s),
        talk_s=0 if fields.text(body, "AnsweredBy", "AnsweredBy").startswith(MACHINES) else lasted_s,
        agent=agent,
        signed=True,
    )


def _sides(body: Mapping[str, str]) -> tuple[str, str, str]:
    """Return direction, the customer's number and the seat; a leg that reaches a seat is of a call that came in."""
    caller, callee = calls.word(body, "From", "From", required=True), calls.word(body, "To", "To", required=True)
    is_inbound = fields.one_of(body, "Direction", "Direction", DIRECTIONS) == "inbound"
    if is_inbound or callee.startswith(SEATS):
        return "in", caller, _seat(callee)
    return "out", callee, _seat(caller)


def _seat(side: str) -> str:
    return side.partition(":")[2].partition("@")[0] if side.startswith(SEATS) else ""


def _said_at(body: Mapping[str, str], key: str) -> datetime | None:
    """Return an instant written as RFC 2822, or None where it is absent."""
    said = fields.text(body, key, key)
    if not said:
        return None
    try:
        if not _RFC_2822.fullmatch(said):
            raise ValueError("not RFC 2822")
        at = parsedate_to_datetime(said)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(key, "需要 RFC 2822 时间，如 Mon, 26 Jan 2026 01:00:00 +0000") from error
    return calls.between(at if at.tzinfo else at.replace(tzinfo=UTC), key)  # -0000 is UTC that nobody vouches for


def _recording(request: Request, body: Mapping[str, str]) -> Delivery:
    sid = calls.identifier(body, "RecordingSid", "RecordingSid")
    call_id = calls.identifier(body, "CallSid", "CallSid")
    status = fields.one_of(body, "RecordingStatus", "RecordingStatus", RECORDINGS)
    key = f"{sid}+{status}"
    if status != "completed":
        reason = f"没有可取的录音：{status}"
        return calls.parked(request, key=key, kind="recording", reason=reason, call_id=call_id, signed=True)
    offered = calls.offer(
        f"{fields.text(body, 'RecordingUrl', 'RecordingUrl', required=True)}.wav",
        "RecordingUrl",
        started_at=_said_at(body, "RecordingStartTime"),
        duration_s=calls.seconds(body, "RecordingDuration", "RecordingDuration"),
    )
    return calls.recording(request, key=key, call_id=call_id, offered=offered, signed=True)


def acknowledge(lead_id: str | None, outcome: str) -> Answer:
    """Answer with nothing: a status callback is no question for TwiML."""
    return text_answer(200, "")


def sample(source: Source, secret: Secret, at: datetime, url: str) -> Sample:
    """Return one answered inbound call of 65 seconds that ended at ``at``, signed for ``url``."""
    pairs = {
        "CallSid": f"CA{hashlib.sha256(at.isoformat().encode()).hexdigest()[:32]}",
        "CallStatus": "completed",
        "Direction": "inbound",
        "From": "+8619900000000",
        "To": "+18005551212",
        "CallDuration": "65",
        "Timestamp": format_datetime(at.astimezone(UTC)),
    }
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-twilio-signature": _signature(secret["secret"], url, pairs.items()),
    }
    return Sample(urlencode(pairs).encode(), headers)
