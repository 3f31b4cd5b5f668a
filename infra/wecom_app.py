"""A WeCom application and its members, played for the local mode (developer.work.weixin.qq.com, path/90236).

It takes markdown of at most 2,048 bytes for members whom it knows, 30 a minute and 1,000 an hour for each, and shows
the same JSON once within the interval that the sender names. Codes that public pages name: 40008, 40056, 40058,
81013; from memory: 41011, 44004, 301002, and 45009 for a member's limit (the page says only that more is thrown away).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from infra.chat_provider import Message, RefusedError
from infra.robot_limit import SlidingWindow

SEND_PATH = "/wecom/cgi-bin/message/send"
MARKDOWN_BYTES = 2048
MEMBER_LIMITS = ((30, 60.0), (1000, 3600.0))
SAME_S = 1800


@dataclass(frozen=True, slots=True)
class App:
    """One application: who may send as it, and its members by UserID, each with the name that the inbox shows."""

    channel: str
    corp_id: str
    agent_id: int
    secret: str
    members: Mapping[str, str] = field(default_factory=dict)

    @property
    def bot(self) -> str:
        """What the inbox calls it."""
        return "wecom-app"


class Desk:
    """Takes messages for one application; ``now`` gives epoch seconds."""

    def __init__(self, app: App, now: Callable[[], float]) -> None:
        self.app = app
        self._now = now
        self._members = {userid.lower(): userid for userid in app.members}
        self._limits = {userid: SlidingWindow(MEMBER_LIMITS, now) for userid in app.members}
        self._shown: dict[bytes, float] = {}

    def take(self, body: bytes) -> tuple[list[Message], Mapping[str, object]]:
        """Return what members see of a body, and WeCom's answer to it; raises RefusedError."""
        document = _read(body)
        if document.get("agentid") != self.app.agent_id:
            raise RefusedError(40056, "invalid agentid")
        text = _text(document)
        wanted = [one.lower() for one in str(document.get("touser", "")).split("|")]
        known = list(self._members.values()) if wanted == ["@all"] else self._known(wanted)
        unknown = [one for one in wanted if one not in self._members and one != "@all"]
        if not known:
            raise RefusedError(81013, "user & party & tag all invalid")
        answer = {"errcode": 0, "errmsg": "ok", "invaliduser": "|".join(unknown), "msgid": _digest(body).hex()[:16]}
        if self._is_repeated(document, body):
            return [], answer
        for userid in known:
            if not self._limits[userid].takes():
                raise RefusedError(45009, "api freq out of limit")
        self._shown[_digest(body)] = self._now()
        at = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds")
        app = self.app
        return [Message(at, app.channel, app.bot, app.members[userid], text) for userid in known], answer

    def _known(self, wanted: list[str]) -> list[str]:
        return [self._members[one] for one in wanted if one in self._members]

    def _is_repeated(self, document: Mapping[str, Any], body: bytes) -> bool:
        """The provider's own check: the same JSON is not shown again within the interval."""
        if document.get("enable_duplicate_check") != 1:
            return False
        interval = document.get("duplicate_check_interval")
        since = self._now() - (interval if isinstance(interval, int) else SAME_S)
        shown_at = self._shown.get(_digest(body))
        return shown_at is not None and shown_at > since


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


def _read(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise RefusedError(40008, "invalid message type. Warning: wrong json format.") from error
    if not isinstance(document, dict):
        raise RefusedError(40008, "invalid message type")
    return document


def _text(document: Mapping[str, Any]) -> str:
    kind = str(document.get("msgtype"))
    if kind not in ("markdown", "text"):
        raise RefusedError(40008, "invalid message type")
    part = document.get(kind)
    text = part.get("content") if isinstance(part, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise RefusedError(44004, "empty content")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:  # a lone surrogate is no text that a person could read
        raise RefusedError(40058, "content is not utf-8") from error
    if size > MARKDOWN_BYTES:
        raise RefusedError(40058, f"{kind}.content exceed max length {MARKDOWN_BYTES}")
    return text
