"""Typeform: `form_response` webhooks, signed over the raw body; the receipt refuses replays.

Which answer is the name, the telephone number or the address is configuration (`fields`: role ->
the question's ref); without it the type of the question tells, then its title.
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

ROLE_OF_TYPE = {"phone_number": "phone", "email": "email"}


def verify(request: Request, secrets: Sequence[Secret]) -> Secret:
    """Return the secret whose HMAC-SHA256 of the body stands in `Typeform-Signature: sha256=...`."""
    given = request.headers.get("typeform-signature", "")
    return fitting(secrets, [given], lambda secret: _signature(secret["secret"], request.body))


def _signature(secret: str, body: bytes) -> str:
    return "sha256=" + base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def parse(request: Request, secret: Secret) -> tuple[Delivery, ...]:
    """Read the answers of one response."""
    del secret  # nothing in the body is encrypted
    body = json_object(request.body)
    fields.one_of(body, "event_type", "event_type", ("form_response",))
    response = fields.mapping(body, "form_response", "form_response", required=True)
    token = fields.text(response, "token", "form_response.token", required=True)
    form_id = fields.text(response, "form_id", "form_response.form_id")
    known, others = roles.told_apart(_answers(response), request.source.fields)
    contact, identities, unreachable = person(**known)
    hidden = fields.mapping(response, "hidden", "form_response.hidden")
    delivery = Delivery(
        source=request.source.id,
        key=f"{form_id}:{token}",
        kind="lead",
        occurred_at=fields.moment(response, "submitted_at", "form_response.submitted_at"),
        signed=True,
        identities=identities,
        contact=contact,
        fields=fields.kept([*others.items(), *((f"hidden.{key}", value) for key, value in hidden.items())]),
        source_ref=form_id or None,
        parked=unreachable,
    )
    return (delivery,)


def _answers(response: Mapping[str, Any]) -> list[roles.Answer]:
    answers = response.get("answers") or []
    if not isinstance(answers, list):
        raise InvalidInputError("form_response.answers", "需要一个列表")
    titles = _titles(response)
    return [_answer(item, index, titles) for index, item in enumerate(answers)]


def _answer(item: object, index: int, titles: Mapping[str, str]) -> roles.Answer:
    path = f"form_response.answers[{index}]"
    if not isinstance(item, Mapping):
        raise InvalidInputError(path, "需要一个对象")
    question = fields.mapping(item, "field", f"{path}.field")
    kind = fields.text(item, "type", f"{path}.type", required=True)
    ref = fields.text(question, "ref", f"{path}.field.ref") or fields.text(question, "id", f"{path}.field.id")
    title = titles.get(ref) or ref or f"answer {index + 1}"
    return roles.Answer(ref, title, fields.spoken(item.get(kind, "")), ROLE_OF_TYPE.get(kind, ""))


def _titles(response: Mapping[str, Any]) -> dict[str, str]:
    """Return the questions' titles by ref, where the definition came along."""
    definition = fields.mapping(response, "definition", "form_response.definition")
    questions = definition.get("fields")
    if not isinstance(questions, list):
        return {}
    return {
        str(question.get("ref") or question.get("id")): str(question.get("title"))[: fields.LONGEST]
        for question in questions
        if isinstance(question, Mapping) and question.get("title")
    }


def sample(source: Source, secret: Secret, at: datetime, url: str) -> Sample:
    """Return one response, signed."""
    del url
    answers = [
        {"type": "text", "text": said, "field": {"ref": source.fields.get(role, role)}}
        for role, said in roles.SAMPLE.items()
    ]
    response = {"form_id": "test", "token": f"test-{at:%Y%m%dT%H%M%S%f}", "submitted_at": instant.to_text(at)}
    event = {"event_type": "form_response", "form_response": {**response, "answers": answers}}
    body = json.dumps(event, ensure_ascii=False).encode()
    return Sample(body, {"typeform-signature": _signature(secret["secret"], body)})
