"""Tally: `FORM_RESPONSE` webhooks, signed over the raw body; the receipt refuses replays.

Which answer is what is configuration (`fields`: role -> the field's key or label); without it its type tells,
then its label.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from functions.ingest.sources import Request, Sample, Secret, fields, roles
from functions.ingest.sources.person import person
from functions.ingest.sources.signature import fitting
from functions.ingest.sources.standard import acknowledge, echo
from leadtrail.domain import instant
from leadtrail.domain.company import Source
from leadtrail.domain.delivery import Delivery
from leadtrail.domain.errors import InvalidInputError
from leadtrail.runtime.http import json_object

__all__ = ["acknowledge", "echo", "parse", "sample", "verify"]

ROLE_OF_TYPE = {"INPUT_PHONE_NUMBER": "phone", "INPUT_EMAIL": "email"}
LABELS = {"name": "姓名", "phone": "手机"}  # of the sample


def verify(request: Request, secrets: Sequence[Secret]) -> Secret:
    """Return the secret whose HMAC-SHA256 of the body stands in `Tally-Signature`."""
    given = request.headers.get("tally-signature", "")
    usable = [secret for secret in secrets if secret.get("secret")]
    return fitting(usable, [given], lambda secret: _signature(secret["secret"], request.body))


def _signature(secret: str, body: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def parse(request: Request, secret: Secret) -> tuple[Delivery, ...]:
    """Read the answers of one response."""
    del secret  # nothing in the body is encrypted
    body = json_object(request.body)
    fields.one_of(body, "eventType", "eventType", ("FORM_RESPONSE",))
    data = fields.mapping(body, "data", "data", required=True)
    known, others = roles.told_apart(_answers(data), request.source.fields)
    contact, identities, unreachable = person(**known)
    delivery = Delivery(
        source=request.source.id,
        key=fields.text(body, "eventId", "eventId", required=True),
        kind="lead",
        occurred_at=fields.moment(body, "createdAt", "createdAt"),
        signed=True,
        identities=identities,
        contact=contact,
        fields=fields.kept(others.items()),
        source_ref=fields.text(data, "formId", "data.formId") or None,
        parked=unreachable,
    )
    return (delivery,)


def _answers(data: Mapping[str, Any]) -> list[roles.Answer]:
    items = data.get("fields") or []
    if not isinstance(items, list):
        raise InvalidInputError("data.fields", "需要一个列表")
    return [answer for index, item in enumerate(items) if (answer := _answer(item, f"data.fields[{index}]"))]


def _answer(item: object, path: str) -> roles.Answer | None:
    """Return one answer, or None for what only says again that a box of a question is ticked."""
    if not isinstance(item, Mapping):
        raise InvalidInputError(path, "需要一个对象")
    kind = fields.text(item, "type", f"{path}.type", required=True)
    key = fields.text(item, "key", f"{path}.key", required=True)
    title = fields.text(item, "label", f"{path}.label").strip() or key
    value = item.get("value")
    if kind == "CHECKBOXES" and isinstance(value, bool):
        return None
    said = roles.spoken(_chosen(value, _options(item)))
    return roles.Answer(key, title, said, ROLE_OF_TYPE.get(kind, ""))


def _options(item: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of a question's options by their ids, where they came along."""
    options = item.get("options")
    if not isinstance(options, list):
        return {}
    named = (option for option in options if isinstance(option, Mapping))
    return {str(option.get("id")): str(option["text"]) for option in named if option.get("text")}


def _chosen(value: object, options: Mapping[str, str]) -> object:
    """Return what was chosen in place of the options' ids."""
    if isinstance(value, list):
        return [_chosen(one, options) for one in value]
    return options.get(value, value) if isinstance(value, str) else value


def sample(source: Source, secret: Secret, at: datetime, url: str) -> Sample:
    """Return one response, signed."""
    del url
    unique = f"test-{at:%Y%m%dT%H%M%S%f}"
    answers = [
        {"key": source.fields.get(role, role), "label": LABELS[role], "type": "INPUT_TEXT", "value": said}
        for role, said in roles.SAMPLE.items()
    ]
    response = {"responseId": unique, "formId": "test", "formName": "测试表单", "fields": answers}
    event = {"eventId": unique, "eventType": "FORM_RESPONSE", "createdAt": instant.to_text(at), "data": response}
    body = json.dumps(event, ensure_ascii=False).encode()
    return Sample(body, {"tally-signature": _signature(secret["secret"], body)})
