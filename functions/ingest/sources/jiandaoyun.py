"""简道云 Jiandaoyun: records of a form (hc.jiandaoyun.com/open/11507).

X-JDY-Signature = hex sha1("nonce:payload:secret:timestamp"), nonce and timestamp stand in the query. `data`
holds widgets -> values; which is what is configuration (`fields`: role -> widget), or an alias such as `phone`
tells, or the answers themselves do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from functions.ingest.sources import Request, Sample, Secret, fields, roles
from functions.ingest.sources.person import person
from functions.ingest.sources.signature import fitting, within_window
from functions.ingest.sources.standard import acknowledge, echo
from leadtrail.domain import instant
from leadtrail.domain.company import Source
from leadtrail.domain.delivery import Delivery
from leadtrail.runtime.http import json_object

__all__ = ["acknowledge", "echo", "parse", "sample", "verify"]

TIME_OF = {"data_create": "createTime", "data_update": "updateTime"}
ABOUT_THE_RECORD = (
    *("_id", "appId", "entryId", "formName", "flowState", "extParams"),
    *("creator", "updater", "deleter", "createTime", "updateTime", "deleteTime"),
)


def verify(request: Request, secrets: Sequence[Secret]) -> Secret:
    """Return the secret that signed nonce, body and time."""
    timestamp, nonce = request.query.get("timestamp", ""), request.query.get("nonce", "")
    within_window(timestamp, request.at)
    given = request.headers.get("x-jdy-signature", "")
    usable = [secret for secret in secrets if secret.get("secret")]
    return fitting(usable, [given], lambda secret: _signature(secret["secret"], nonce, request.body, timestamp))


def _signature(secret: str, nonce: str, body: bytes, timestamp: str) -> str:
    parts = (nonce.encode("utf-8", "surrogatepass"), body, secret.encode(), timestamp.encode())
    return hashlib.sha1(b":".join(parts)).hexdigest()  # noqa: S324 - Jiandaoyun's own scheme


def parse(request: Request, secret: Secret) -> tuple[Delivery, ...]:
    """Read a new or changed record; what else is pushed is parked."""
    del secret  # nothing in the body is encrypted
    body = json_object(request.body)
    operation = fields.text(body, "op", "op", required=True)
    key = fields.text(request.headers, "x-jdy-deliverid", "X-JDY-DeliverId", required=True)
    if operation not in TIME_OF:
        why = f"暂不处理的简道云推送：{operation[:40]}"
        return (Delivery(request.source.id, key, "lead", None, signed=True, parked=why),)
    data = fields.mapping(body, "data", "data", required=True)
    known, others = roles.told_apart(_answers(data), request.source.fields, by_value=True)
    contact, identities, unreachable = person(**known)
    time = TIME_OF[operation]
    delivery = Delivery(
        source=request.source.id,
        key=key,
        kind="lead",
        occurred_at=fields.moment(data, time, f"data.{time}"),
        signed=True,
        identities=identities,
        contact=contact,
        fields=fields.kept(others.items()),
        source_ref=fields.text(data, "entryId", "data.entryId") or None,
        parked=unreachable,
    )
    return (delivery,)


def _answers(data: Mapping[str, Any]) -> list[roles.Answer]:
    return [
        roles.Answer(widget, widget, roles.spoken(value))
        for widget, value in data.items()
        if widget not in ABOUT_THE_RECORD
    ]


def sample(source: Source, secret: Secret, at: datetime, url: str) -> Sample:
    """Return a new record of a form, signed."""
    del url
    unique, timestamp = f"test-{at:%Y%m%dT%H%M%S%f}", str(int(at.timestamp()))
    answers = {source.fields.get(role, role): said for role, said in roles.SAMPLE.items()}
    data = {**answers, "_id": unique, "entryId": "test", "createTime": instant.to_text(at)}
    body = json.dumps({"op": "data_create", "data": data}, ensure_ascii=False).encode()
    signature = _signature(secret["secret"], "test", body, timestamp)
    headers = {"x-jdy-signature": signature, "x-jdy-deliverid": unique}
    return Sample(body, headers, {"timestamp": timestamp, "nonce": "test"})
