"""HubSpot: webhooks of an app, up to 100 events each, signed as v3; they hold ids, and the object is fetched later.

X-HubSpot-Signature-v3 = base64 HMAC-SHA256(method + uri + body + timestamp), the time in ms and within five
minutes. Of the uri HubSpot decodes some escapes, and no others, before it signs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from functions.ingest.sources import Request, Sample, Secret, fields
from functions.ingest.sources.signature import WINDOW, fitting
from functions.ingest.sources.standard import acknowledge, echo
from leadtrail.domain.company import Source
from leadtrail.domain.delivery import Delivery, Enrichment
from leadtrail.domain.errors import InvalidInputError, UnauthenticatedError
from leadtrail.domain.identity import Identity
from leadtrail.runtime.http import json_array

__all__ = ["acknowledge", "echo", "parse", "sample", "verify"]

EVENTS = 100  # HubSpot puts at most so many into one request
CONTACT_TYPE = "0-1"  # of `object.*` subscriptions: that object is a contact
DELETIONS = ("deletion", "privacyDeletion")
LARGEST_ID = 10**18
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = 253_370_764_799_999  # the end of the year 9998
_DECODED = {f"%{ord(letter):02X}": letter for letter in ":/?@!$'()*,;"}
_ESCAPE = re.compile("|".join(_DECODED), re.IGNORECASE)


def verify(request: Request, secrets: Sequence[Secret]) -> Secret:
    """Return the secret that signed method, address, body and time."""
    timestamp = request.headers.get("x-hubspot-request-timestamp", "")
    _check_window(timestamp, request.at)
    given = request.headers.get("x-hubspot-signature-v3", "")
    signed = _signed(request.method, request.url, request.body, timestamp)
    usable = [secret for secret in secrets if secret.get("secret")]
    return fitting(usable, [given], lambda secret: _signature(secret["secret"], signed))


def _check_window(milliseconds: str, at: datetime) -> None:
    if not (milliseconds.isascii() and milliseconds.isdigit() and len(milliseconds) <= 14):
        raise UnauthenticatedError
    if abs(at - _moment(int(milliseconds))) > WINDOW:
        raise UnauthenticatedError


def _signed(method: str, url: str, body: bytes, timestamp: str) -> bytes:
    uri = _ESCAPE.sub(lambda found: _DECODED[found[0].upper()], url)
    return f"{method}{uri}".encode("utf-8", "surrogatepass") + body + timestamp.encode()


def _signature(secret: str, signed: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


def parse(request: Request, secret: Secret) -> tuple[Delivery, ...]:
    """Read all events of a request: new contacts, changes and deletions of known ones; the rest is parked."""
    del secret  # nothing in the body is encrypted
    events = json_array(request.body)
    if not 1 <= len(events) <= EVENTS:
        raise InvalidInputError("events", f"需要1到{EVENTS}个事件")
    return tuple(_delivery(request.source, event, f"events[{index}]") for index, event in enumerate(events))


def _delivery(source: Source, event: object, path: str) -> Delivery:
    if not isinstance(event, Mapping):
        raise InvalidInputError(path, "需要一个对象")
    portal = fields.whole(event, "portalId", f"{path}.portalId", largest=LARGEST_ID)
    number = fields.whole(event, "eventId", f"{path}.eventId", largest=LARGEST_ID)
    target = _object_id(event, path)
    change, why = _meaning(event, path)
    is_there = not why and bool(target)
    return Delivery(
        source=source.id,
        key=f"{portal}+{number}+{target}",
        kind="contact" if change else "lead",
        occurred_at=_occurred_at(event, path),
        signed=True,
        identities=(Identity("object", f"hubspot:{portal}:{target}"),) if is_there else (),
        source_ref=fields.text(event, "changeSource", f"{path}.changeSource") or None,
        change=change,
        enrichment=Enrichment("hubspot", target) if is_there and change != "deleted" else None,
        parked=why or (None if target else "事件中没有对象编号"),
    )


def _object_id(event: Mapping[str, Any], path: str) -> str:
    """Return the object's id, empty where the event is about none or about two (an association)."""
    if event.get("objectId") is None:
        return ""
    return str(fields.whole(event, "objectId", f"{path}.objectId", largest=LARGEST_ID))


def _meaning(event: Mapping[str, Any], path: str) -> tuple[str | None, str | None]:
    """Return what changed in a known contact (None: a new one), and why the event is passed over."""
    subscription = fields.text(event, "subscriptionType", f"{path}.subscriptionType", required=True)
    kind, _, what = subscription.partition(".")
    is_contact = kind == "contact" or (kind == "object" and event.get("objectTypeId") == CONTACT_TYPE)
    if not is_contact or not what:
        return None, f"暂不处理的 HubSpot 事件：{subscription[:40]}"
    if what == "creation":
        return None, None
    return "deleted" if what in DELETIONS else "edited", None


def _occurred_at(event: Mapping[str, Any], path: str) -> datetime | None:
    if event.get("occurredAt") is None:
        return None
    return _moment(fields.whole(event, "occurredAt", f"{path}.occurredAt", largest=_LATEST_MS))


def sample(source: Source, secret: Secret, at: datetime, url: str) -> Sample:
    """Return one new contact, signed for ``url``: an id alone, as HubSpot sends it."""
    del source
    unique = (at - _EPOCH) // timedelta(milliseconds=1)
    event = {
        "eventId": unique,
        "portalId": 1,
        "occurredAt": unique,
        "subscriptionType": "contact.creation",
        "attemptNumber": 0,
        "objectId": unique,
        "changeSource": "TEST",
    }
    body = json.dumps([event]).encode()
    signature = _signature(secret["secret"], _signed("POST", url, body, str(unique)))
    return Sample(body, {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": str(unique)})
