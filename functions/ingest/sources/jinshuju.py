"""金数据 Jinshuju: entries of a form; nothing is signed, the address and the network prove the sender.

Which field is what is configuration (`fields`: role -> the field's API code, such as field_1): codes can be
renamed there. Without it a code such as `phone` tells, and the answers themselves do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from functions.ingest.sources import Request, Sample, Secret, fields, roles
from functions.ingest.sources.person import person
from functions.ingest.sources.signature import by_address
from functions.ingest.sources.standard import acknowledge, echo
from leadtrail.domain import instant
from leadtrail.domain.company import Source
from leadtrail.domain.delivery import Delivery
from leadtrail.runtime.http import json_object

__all__ = ["acknowledge", "echo", "parse", "sample", "verify"]

ABOUT_THE_ENTRY = ("token", "serial_number", "creator_name", "created_at", "updated_at", "color_mark", "gen_code")


def verify(request: Request, secrets: Sequence[Secret]) -> Secret:
    """Return the secret whose token stands in the address."""
    return by_address(request, secrets)


def parse(request: Request, secret: Secret) -> tuple[Delivery, ...]:
    """Read one entry; a changed entry is a further delivery of the same person."""
    del secret  # nothing in the body is encrypted
    body = json_object(request.body)
    form = fields.text(body, "form", "form", required=True)
    entry = fields.mapping(body, "entry", "entry", required=True)
    known, others = roles.told_apart(_answers(entry), request.source.fields, by_value=True)
    contact, identities, unreachable = person(**known)
    updated_at = fields.text(entry, "updated_at", "entry.updated_at")
    delivery = Delivery(
        source=request.source.id,
        key=f"{form}+{_token(entry)}+{updated_at}",
        kind="lead",
        occurred_at=fields.moment(entry, "created_at", "entry.created_at"),
        signed=False,
        identities=identities,
        contact=contact,
        fields=fields.kept(others.items()),
        source_ref=form,
        parked=unreachable,
    )
    return (delivery,)


def _token(entry: Mapping[str, Any]) -> str:
    """Return the entry's token, or its serial number within the form where an old form sends none."""
    if entry.get("token") or not entry.get("serial_number"):
        return fields.text(entry, "token", "entry.token", required=True)
    return str(fields.whole(entry, "serial_number", "entry.serial_number", largest=10**12))


def _answers(entry: Mapping[str, Any]) -> list[roles.Answer]:
    return [
        roles.Answer(code, code, roles.spoken(value))
        for code, value in entry.items()
        if code not in ABOUT_THE_ENTRY and not code.startswith("info_")
    ]


def sample(source: Source, secret: Secret, at: datetime, url: str) -> Sample:
    """Return one entry of a form; the token in ``url`` is all the proof there is."""
    del secret, url
    answers = {source.fields.get(role, role): said for role, said in roles.SAMPLE.items()}
    made_at = instant.to_text(at)
    about = {"token": f"test-{at:%Y%m%dT%H%M%S%f}", "serial_number": 1, "created_at": made_at, "updated_at": made_at}
    body = {"form": "test", "form_name": "测试表单", "entry": {**answers, **about}}
    return Sample(json.dumps(body, ensure_ascii=False).encode())
