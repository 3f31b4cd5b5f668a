"""What Feishu demands of a message to a custom robot, and in which words it refuses one (client-docs/bot-v3).

100 messages a minute and 5 a second, 20 KB a request. Errors travel as HTTP 200 with ``code``. Codes that public pages
name: 9499, 11232, 19021; from memory: 19001.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from infra.chat_provider import Message, RefusedError, Robot

CLOCK_S = 3600.0
BODY_BYTES = 20 * 1024


def sign(secret: str, timestamp_s: str) -> str:
    """Return Feishu's signature of a time in epoch seconds: time and secret are the key of an empty message."""
    return base64.b64encode(hmac.new(f"{timestamp_s}\n{secret}".encode(), b"", hashlib.sha256).digest()).decode()


def read(robot: Robot, body: bytes, now: float) -> Message:
    """Return what people see of a body at ``now`` (epoch seconds), a card's head first; raises RefusedError."""
    if len(body) > BODY_BYTES:
        raise RefusedError(9499, "Bad Request: body too large")
    try:
        document = json.loads(body)
    except ValueError as error:
        raise RefusedError(9499, "Bad Request") from error
    if not isinstance(document, dict):
        raise RefusedError(9499, "Bad Request")
    if robot.secret:
        _check_signature(robot.secret, document, now)
    kinds = {"text": _text, "interactive": _card}
    text = kinds.get(str(document.get("msg_type")), lambda _: "")(document)
    if not text.strip():
        raise RefusedError(9499, "Bad Request")
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    return Message(at, robot.channel, robot.bot, robot.audience, text)


def _check_signature(secret: str, document: Mapping[str, Any], now: float) -> None:
    stamp, given = str(document.get("timestamp", "")), str(document.get("sign", ""))
    fresh = stamp.isascii() and stamp.isdigit() and abs(now - int(stamp[:13])) <= CLOCK_S
    if not fresh or not hmac.compare_digest(sign(secret, stamp).encode(), given.encode("utf-8", "replace")):
        raise RefusedError(19021, "sign match fail or timestamp is not within one hour from current time")


def _text(document: Mapping[str, Any]) -> str:
    content = document.get("content")
    text = content.get("text") if isinstance(content, dict) else None
    return text if isinstance(text, str) else ""


def _card(document: Mapping[str, Any]) -> str:
    """Return a card as text: the head as a heading, then its markdown elements."""
    card = document.get("card")
    if not isinstance(card, dict) or not isinstance(card.get("elements"), list):
        return ""
    header = card.get("header")
    title = header.get("title") if isinstance(header, dict) else None
    head = [f"### {title['content']}"] if isinstance(title, dict) and isinstance(title.get("content"), str) else []
    elements = (one for one in card["elements"] if isinstance(one, dict) and one.get("tag") == "markdown")
    return "\n".join([*head, *(str(one.get("content", "")) for one in elements)])
