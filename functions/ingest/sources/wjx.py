"""问卷星 Wenjuanxing: answers of a questionnaire; `sign` does not cover them, the address proves the sender.

Where the secret has the push key (`secret`), sign = sha1(activity + index + key) must fit, too. The questions
come as q1, q2 without titles: which is what is configuration (`fields`: role -> q2), or the answers tell.
`submittime` is local time without a zone: +08:00.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from functions.ingest.sources import Request, Sample, Secret, fields, roles
from functions.ingest.sources.person import person
from functions.ingest.sources.signature import by_address, fitting
from functions.ingest.sources.standard import acknowledge, echo
from leadtrail.domain import instant
from leadtrail.domain.company import Source
from leadtrail.domain.delivery import Delivery
from leadtrail.domain.errors import InvalidInputError
from leadtrail.runtime.http import json_object

__all__ = ["acknowledge", "echo", "parse", "sample", "verify"]

_QUESTION = re.compile(r"q\d{1,5}(_\d{1,5})*", re.ASCII)
_CHINA = timezone(timedelta(hours=8))


def verify(request: Request, secrets: Sequence[Secret]) -> Secret:
    """Return the secret whose token stands in the address, and whose push key signed the answer sheet's number."""
    fit = by_address(request, secrets)
    if not fit.get("secret"):
        return fit
    body = json_object(request.body)
    parts = [_number(body, name) for name in ("activity", "index")]
    return fitting([fit], [_number(body, "sign")], lambda secret: _signature(secret["secret"], parts))


def _signature(key: str, parts: Sequence[str]) -> str:
    return hashlib.sha1("".join([*parts, key]).encode()).hexdigest()  # noqa: S324 - Wenjuanxing's own scheme


def parse(request: Request, secret: Secret) -> tuple[Delivery, ...]:
    """Read one answer sheet."""
    del secret  # nothing in the body is encrypted
    body = json_object(request.body)
    activity, join_id = _number(body, "activity", required=True), _number(body, "joinid", required=True)
    known, others = roles.told_apart(_answers(body, request.source.fields), request.source.fields, by_value=True)
    contact, identities, unreachable = person(**known)
    channel = {"sojumpparm": roles.spoken(body.get("sojumpparm"))}  # what the link to the questionnaire carried
    delivery = Delivery(
        source=request.source.id,
        key=f"{activity}+{join_id}",
        kind="lead",
        occurred_at=_submitted_at(body),
        signed=False,
        identities=identities,
        contact=contact,
        fields=fields.kept((name, said) for name, said in (others | channel).items() if said),
        source_ref=activity,
        parked=unreachable,
    )
    return (delivery,)


def _number(body: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    """Return a number that comes as text or as a number."""
    value = body.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return fields.text(body, name, name, required=required)


def _submitted_at(body: Mapping[str, Any]) -> datetime | None:
    local = fields.text(body, "submittime", "submittime")
    if not local:
        return None
    try:
        return instant.from_text(f"{local}+08:00")
    except (ValueError, OverflowError) as error:
        raise InvalidInputError("submittime", "需要北京时间，如 2026-01-26 09:00:00") from error


def _answers(body: Mapping[str, Any], configured: Mapping[str, str]) -> list[roles.Answer]:
    """Return the questions, and what else the configuration names; `name` is the questionnaire's."""
    return [
        roles.Answer(code, code, roles.spoken(value))
        for code, value in body.items()
        if _QUESTION.fullmatch(code) or code in configured.values()
    ]


def sample(source: Source, secret: Secret, at: datetime, url: str) -> Sample:
    """Return one answer sheet; the token in ``url`` proves the sender, and the sign where there is a push key."""
    del url
    questions = {source.fields.get(role, code): roles.SAMPLE[role] for role, code in (("name", "q1"), ("phone", "q2"))}
    about = {
        "activity": "1",
        "index": "1",
        "joinid": f"{at:%Y%m%d%H%M%S%f}",
        "name": "测试问卷",
        "submittime": f"{at.astimezone(_CHINA):%Y-%m-%d %H:%M:%S}",
        "sign": _signature(secret["secret"], ["1", "1"]) if secret.get("secret") else "",
    }
    return Sample(json.dumps({**questions, **about}, ensure_ascii=False).encode())
