"""What WeCom and DingTalk demand of a message to a robot, and in which words they refuse one (Feishu: `feishu_robot`).

Errors travel as providers send them: HTTP 200 with ``errcode``, or Feishu's ``code``. Codes that a public page names:
45009, 93000, 310000, 130101. From memory: 19001 (Feishu), 40058, 40008, 44004 (WeCom), 300001, 400105, 40035, 460101
(DingTalk).
Sizes are in bytes; DingTalk's signature is good for an hour around its own time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Bot = Literal["wecom", "dingtalk", "feishu"]

DINGTALK_CLOCK_S = 3600.0
DINGTALK_BODY_BYTES = 20_000
WECOM_BYTES = {"text": 2048, "markdown": 4096, "markdown_v2": 4096}
PATHS: dict[str, tuple[Bot, str]] = {
    "/wecom/cgi-bin/webhook/send": ("wecom", "key"),
    "/dingtalk/robot/send": ("dingtalk", "access_token"),
}
"""Who answers on a path, and which query value names the robot there."""
HOOK = "/feishu/open-apis/bot/v2/hook/"
"""Feishu names the robot in the path."""


def addressed(path: str, query: Mapping[str, str]) -> tuple[Bot, str] | None:
    """Return which provider's robot a request is for, with the robot's key; None: no robot's address."""
    if path.startswith(HOOK):
        return "feishu", path.removeprefix(HOOK)
    if path not in PATHS:
        return None
    bot, parameter = PATHS[path]
    return bot, query.get(parameter, "")


@dataclass(frozen=True, slots=True)
class Robot:
    """One robot of one chat: ``key`` is what its address ends in; ``secret`` signs (DingTalk, Feishu)."""

    channel: str
    bot: Bot
    audience: str
    key: str
    secret: str = ""

    def url(self, base: str) -> str:
        """Return the webhook address that a sender is configured with, below ``base`` (no trailing slash)."""
        if self.bot == "feishu":
            return f"{base}{HOOK}{self.key}"
        path, parameter = next((path, name) for path, (bot, name) in PATHS.items() if bot == self.bot)
        return f"{base}{path}?{parameter}={self.key}"


@dataclass(frozen=True, slots=True)
class Message:
    """What people saw: ``at`` in ISO 8601 with offset, ``text`` as sent, ``mentions`` as the sender asked for them."""

    at: str
    channel: str
    bot: str
    audience: str
    text: str
    mentions: tuple[str, ...] = ()


class RefusedError(Exception):
    """A robot says no; ``errcode`` and ``errmsg`` are the provider's."""

    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(errmsg)
        self.errcode = errcode
        self.errmsg = errmsg


def unknown_robot(bot: Bot) -> RefusedError:
    """Return the refusal of a key that no robot has."""
    if bot == "wecom":
        return RefusedError(93000, "invalid webhook url")
    if bot == "feishu":
        return RefusedError(19001, "param invalid: incoming webhook access token invalid")
    return RefusedError(300001, "token is not exist")


def too_fast(robot: Robot) -> RefusedError:
    """Return the refusal of a message beyond the limit of its minute."""
    if robot.bot == "wecom":
        return RefusedError(45009, "api freq out of limit")
    if robot.bot == "feishu":
        return RefusedError(11232, "frequency limited")
    return RefusedError(130101, "send too fast, exceed 20 times per minute")


def sign(secret: str, timestamp_ms: str) -> str:
    """Return DingTalk's signature (base64, not yet URL-encoded) of a time in epoch milliseconds."""
    digest = hmac.new(secret.encode(), f"{timestamp_ms}\n{secret}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def check_signature(robot: Robot, query: Mapping[str, str], now: float) -> None:
    """Check DingTalk's ``timestamp`` and ``sign`` at ``now`` (epoch seconds); raises RefusedError."""
    stamp = query.get("timestamp", "")
    fresh = stamp.isascii() and stamp.isdigit() and abs(now - int(stamp[:16]) / 1000) <= DINGTALK_CLOCK_S
    if not fresh:
        raise RefusedError(310000, "invalid timestamp")
    if not hmac.compare_digest(sign(robot.secret, stamp).encode(), query.get("sign", "").encode()):
        raise RefusedError(310000, "sign not match")


def read(robot: Robot, body: bytes, now: float) -> Message:
    """Return what people see of a webhook's raw body at ``now`` (epoch seconds); raises RefusedError."""
    try:
        document = json.loads(body)
    except ValueError as error:  # covers bad UTF-8 too
        raise RefusedError(40035 if robot.bot == "dingtalk" else 40008, "invalid json") from error
    if not isinstance(document, dict):
        raise RefusedError(40035 if robot.bot == "dingtalk" else 40008, "invalid message")
    text, mentions = _wecom(document) if robot.bot == "wecom" else _dingtalk(document, len(body))
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    return Message(at, robot.channel, robot.bot, robot.audience, text, mentions)


def _wecom(document: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    kind = str(document.get("msgtype"))
    limit = WECOM_BYTES.get(kind)
    if limit is None:
        raise RefusedError(40008, "invalid message type")
    part = _part(document, kind)
    text = part.get("content")
    if not isinstance(text, str) or not text.strip():
        raise RefusedError(44004, "empty content")
    size = _size(text)
    if size > limit:
        raise RefusedError(40058, f"{kind}.content exceed max length {limit}. invalid Request Parameter: {size} bytes")
    return text, (*_names(part, "mentioned_list"), *_names(part, "mentioned_mobile_list"))


def _dingtalk(document: Mapping[str, Any], size: int) -> tuple[str, tuple[str, ...]]:
    kind = str(document.get("msgtype"))
    if kind not in {"text", "markdown"}:
        raise RefusedError(400105, "unsupported msgtype")
    if size > DINGTALK_BODY_BYTES:
        raise RefusedError(460101, "message too long, exceed 20000 bytes")
    part = _part(document, kind)
    text = part.get("text" if kind == "markdown" else "content")
    if not isinstance(text, str) or not text.strip():
        raise RefusedError(40035, f"缺少参数 {kind}")
    if kind == "markdown" and not part.get("title"):
        raise RefusedError(40035, "缺少参数 markdown.title")
    at = _part(document, "at")
    everyone = ("@all",) if at.get("isAtAll") is True else ()
    return text, (*_names(at, "atMobiles"), *_names(at, "atUserIds"), *everyone)


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = document.get(name)
    return part if isinstance(part, dict) else {}


def _names(part: Mapping[str, Any], name: str) -> tuple[str, ...]:
    names = part.get(name)
    return tuple(str(one) for one in names) if isinstance(names, list) else ()


def _size(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:  # a lone surrogate is no text that a person could read
        raise RefusedError(40058, "content is not utf-8") from error
