"""Typeform: `form_response` webhooks, signed over the raw body; the receipt refuses replays.

Which answer is the name, the telephone number or the address is configuration (`fields`: role ->
the question's ref); without it the type of the question tells.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from functions.ingest.sources import Request, Secret, fields
from functions.ingest.sources.person import person
from functions.ingest.sources.signature import fitting
from functions.ingest.sources.standard import acknowledge, echo
from leadtrail.domain.delivery import Delivery
from leadtrail.domain.errors import InvalidInputError
from leadtrail.runtime.http import json_object

__all__ = ["acknowledge", "echo", "parse", "verify"]

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
    known, others = _answers(response, request.source.fields)
    contact, identities, unreachable = person(
        name=known.get("name", ""), phone=known.get("phone", ""), email=known.get("email", "")
    )
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


def _answers(response: Mapping[str, Any], refs: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the answers that have a role, and the others by their question."""
    answers = response.get("answers") or []
    if not isinstance(answers, list):
        raise InvalidInputError("form_response.answers", "需要一个列表")
    role_of_ref = {ref: role for role, ref in refs.items()}
    titles = _titles(response)
    known: dict[str, str] = {}
    others: dict[str, str] = {}
    for index, item in enumerate(answers):
        path = f"form_response.answers[{index}]"
        if not isinstance(item, Mapping):
            raise InvalidInputError(path, "需要一个对象")
        question = fields.mapping(item, "field", f"{path}.field")
        kind = fields.text(item, "type", f"{path}.type", required=True)
        ref = fields.text(question, "ref", f"{path}.field.ref") or fields.text(question, "id", f"{path}.field.id")
        said = fields.spoken(item.get(kind, ""))
        role = role_of_ref.get(ref) or ROLE_OF_TYPE.get(kind)
        if role and role not in known:
            known[role] = said
        else:
            title = titles.get(ref) or ref or f"answer {index + 1}"
            others[f"{title} ({index + 1})" if title in others else title] = said
    return known, others


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
