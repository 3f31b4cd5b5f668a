"""Any call system that pushes a record of each call: its field names are configuration.

`fields` of the source maps a role to the system's own field: `id`, `direction` (with `direction.in` and
`direction.out` for its words, else in and out), `customer` or `caller` and `callee`, `started_at`, `talk_s` (seconds of
talk such as `billsec`, never `duration`, which counts the ringing in), `agent`, `recording_url`. JSON or form-encoded.
It signs nothing: the address is the secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from functions.ingest.sources import Request, Sample, Secret, calls
from functions.ingest.sources.signature import by_address
from functions.ingest.sources.standard import echo
from leadtrail.domain.company import Source
from leadtrail.domain.delivery import Delivery
from leadtrail.domain.errors import InvalidInputError
from leadtrail.runtime.http import Answer, answer

__all__ = ["acknowledge", "echo", "parse", "sample", "verify"]

NEEDED = ("id", "direction", "started_at", "talk_s")


def verify(request: Request, secrets: Sequence[Secret]) -> Secret:
    """Return the secret whose token stands in the path."""
    return by_address(request, secrets)


def parse(request: Request, secret: Secret) -> tuple[Delivery, ...]:
    """Read one call record by the configured names; a needed one that is missing is refused by its name.

    Agent and recording are not: systems leave them out of a missed call.
    """
    del secret  # nothing in the body is encrypted
    names = request.source.fields
    for role in NEEDED:
        if role not in names:
            raise InvalidInputError(f"fields.{role}", "来源没有配置这个字段")
    body = calls.message(request)
    for role in NEEDED:
        if names[role] not in body:
            raise InvalidInputError(names[role], f"消息中没有配置的字段（{role}）")
    call_id = calls.identifier(body, names["id"], names["id"])
    direction = _direction(body, names)
    customer = _customer(names, direction)
    if customer not in body:
        raise InvalidInputError(customer, "消息中没有客户号码的字段")
    started_at = calls.required_moment(body, names["started_at"], names["started_at"])
    talk_s = calls.seconds(body, names["talk_s"], names["talk_s"], required=True) or 0
    url = _optional(body, names, "recording_url")
    delivery = calls.call(
        request,
        key=call_id,
        call_id=call_id,
        direction=direction,
        customer=calls.word(body, customer, customer),
        started_at=started_at,
        talk_s=talk_s,
        agent=_optional(body, names, "agent"),
        recordings=(calls.offer(url, names["recording_url"]),) if url else (),
    )
    return (delivery,)


def _direction(body: Mapping[str, Any], names: Mapping[str, str]) -> str:
    said = calls.word(body, names["direction"], names["direction"], required=True)
    words = {names.get("direction.in", "in"): "in", names.get("direction.out", "out"): "out"}
    if said not in words:
        raise InvalidInputError(names["direction"], f"只能是 {'、'.join(words)} 之一")
    return words[said]


def _customer(names: Mapping[str, str], direction: str) -> str:
    """Return the field that holds the customer's number: its own, or the side that is not ours."""
    role = "customer" if "customer" in names else ("caller" if direction == "in" else "callee")
    if role not in names:
        raise InvalidInputError(f"fields.{role}", "来源没有配置这个字段")
    return names[role]


def _optional(body: Mapping[str, Any], names: Mapping[str, str], role: str) -> str:
    return calls.word(body, names[role], names[role]) if role in names else ""


def acknowledge(lead_id: str | None, outcome: str) -> Answer:
    """Answer as API.md says."""
    return answer(200, {"id": lead_id, "outcome": outcome})


def sample(source: Source, secret: Secret, at: datetime, url: str) -> Sample:
    """Return one answered inbound call of 65 seconds that ended at ``at``, in the configured fields."""
    started_at = (at - timedelta(seconds=65)).astimezone(calls.CHINA)
    said = {
        "id": f"leadtrail-test-{int(at.timestamp() * 1000)}",
        "direction": source.fields.get("direction.in", "in"),
        "customer": "19900000000",
        "caller": "19900000000",
        "callee": "4000000000",
        "started_at": f"{started_at:%Y-%m-%d %H:%M:%S}",
        "talk_s": "65",
    }
    body = {name: said.get(role, "") for role, name in source.fields.items() if "." not in role}
    return Sample(json.dumps(body).encode(), {"content-type": "application/json"})
