"""What came of posting a message to a chat provider: taken, too fast, refused, or nobody knows.

Providers answer HTTP 200 with a code of their own; those that are not 200 come from what stands before them.
"""

from __future__ import annotations

import http
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from leadtrail.adapters.posting import NoAnswerError, Post
from leadtrail.services.dispatching import Answer, Failed, Limited, Sent, Unanswered

MINUTE = timedelta(seconds=61)  # a provider's minute, with a second for the difference of our clocks
# What a door answers that stays shut until somebody mends the address or the rights.
SHUT = (301, 302, 303, 307, 308, 401, 403, 404, 410)


@dataclass(frozen=True, slots=True)
class Codes:
    """A provider's codes: the field that carries them, what is a limit and for how long, what waiting cannot mend."""

    name: str
    limited: Mapping[int, timedelta] = field(default_factory=dict)
    permanent: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """A provider's whole answer: its ``code`` and all that it said."""

    code: int
    document: Mapping[str, Any]


def ask(post: Post, url: str, body: Mapping[str, Any], codes: Codes) -> Said | Answer:
    """Post a JSON body; return what the provider said, or what else came of it."""
    try:
        status, raw = post(url, json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"))
    except NoAnswerError as error:
        return Unanswered(str(error))
    except OSError as error:
        return Failed(type(error).__name__)
    if status == http.HTTPStatus.GATEWAY_TIMEOUT:  # whoever stands before the provider waited in vain, as we would
        return Unanswered(f"HTTP {status}")
    if status == http.HTTPStatus.TOO_MANY_REQUESTS:
        return Limited(MINUTE)
    said = _said(raw, codes.name)
    if said is not None and (status == http.HTTPStatus.OK or said.code != 0):
        return said
    if status != http.HTTPStatus.OK:
        return Failed(f"HTTP {status}", permanent=status in SHUT)
    return Failed("an answer that is no robot's")


def judged(said: Said, codes: Codes) -> Answer:
    """Return what a provider's code means."""
    if said.code == 0:
        return Sent()
    if said.code in codes.limited:
        return Limited(codes.limited[said.code])
    return Failed(f"{codes.name} {said.code}", permanent=said.code in codes.permanent)


def _said(raw: bytes, name: str) -> Said | None:
    try:
        document = json.loads(raw)
        return Said(int(document[name]), document)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
