"""Chat robots: WeCom 群机器人 and DingTalk 自定义机器人 (CONTRACTS sections 2 and 3).

A channel's secret is ``{"url": ..., "secret"?: ...}``: the whole address that the provider shows,
and DingTalk's signing secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from leadtrail.domain.company import Channel
from leadtrail.services.dispatching import Answer, Failed, Limited, Sent

TIMEOUT_S = 5
DINGTALK_MUTE = timedelta(minutes=10, seconds=1)
WECOM_MUTE = timedelta(seconds=61)
LIMITED = {45009: WECOM_MUTE, 130101: DINGTALK_MUTE}
# What waiting does not mend: an unknown key, a wrong signature or keyword, a body that is refused as such.
PERMANENT = (93000, 310000, 300001, 300005, 40035, 40058, 44004, 460101)

Post = Callable[[str, bytes], tuple[int, bytes]]


class Robots:
    """Sends markdown; ``post`` is given so that tests can play the network."""

    def __init__(
        self, secret: Callable[[str], list[dict[str, str]]], now: Callable[[], datetime], post: Post | None = None
    ) -> None:
        self._secret = secret
        self._now = now
        self._post = post or _post

    def send(self, channel: Channel, markdown: str) -> Answer:
        """Send one message; what cannot be told (no answer in 5 s) counts as not sent, and is sent again."""
        try:
            secret = self._secret(channel.secret)[0]
        except (KeyError, IndexError):
            return Failed(f"channel {channel.id} has no secret", permanent=True)
        url, body = _dingtalk(secret, markdown, self._now()) if channel.bot == "dingtalk" else _wecom(secret, markdown)
        try:
            status, raw = self._post(url, json.dumps(body, ensure_ascii=False).encode())
        except OSError as error:  # includes time-outs and refused connections
            return Failed(f"channel {channel.id}: {type(error).__name__}")
        return _understood(channel.id, status, raw)


def _wecom(secret: Mapping[str, str], markdown: str) -> tuple[str, dict[str, Any]]:
    return secret["url"], {"msgtype": "markdown", "markdown": {"content": markdown}}


def _dingtalk(secret: Mapping[str, str], markdown: str, now: datetime) -> tuple[str, dict[str, Any]]:
    title = markdown.splitlines()[0].lstrip("# ")
    body = {"msgtype": "markdown", "markdown": {"title": plain(title), "text": _paragraphs(markdown)}}
    url = secret["url"]
    if "secret" in secret:
        timestamp = round(now.timestamp() * 1000)
        url += f"&timestamp={timestamp}&sign={dingtalk_sign(secret['secret'], timestamp)}"
    return url, body


def dingtalk_sign(secret: str, timestamp_ms: int) -> str:
    """Return the URL-quoted signature of one request."""
    digest = hmac.new(secret.encode(), f"{timestamp_ms}\n{secret}".encode(), hashlib.sha256).digest()
    return quote(base64.b64encode(digest).decode(), safe="")


def plain(markdown: str) -> str:
    """Return a title without the colours that only WeCom understands."""
    text = markdown
    for mark in ('<font color="warning">', '<font color="comment">', '<font color="info">', "</font>"):
        text = text.replace(mark, "")
    return text


def _paragraphs(markdown: str) -> str:
    """DingTalk joins single line breaks; a blank line keeps each line its own."""
    return plain(markdown).replace("\n", "\n\n")


def _understood(channel: str, status: int, raw: bytes) -> Answer:
    if status != 200:
        return Failed(f"channel {channel}: HTTP {status}")
    try:
        code = int(json.loads(raw)["errcode"])
    except (ValueError, KeyError, TypeError):
        return Failed(f"channel {channel}: an answer that is no robot's")
    if code == 0:
        return Sent()
    if code in LIMITED:
        return Limited(LIMITED[code])
    return Failed(f"channel {channel}: errcode {code}", permanent=code in PERMANENT)


def _post(url: str, body: bytes) -> tuple[int, bytes]:
    """POST JSON to a robot; its address is the operator's own secret, https or loopback."""
    parts = urlsplit(url)
    if parts.scheme != "https" and (parts.scheme, parts.hostname) != ("http", "127.0.0.1"):
        raise OSError("a robot's address must be https")
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - checked above
            return answer.status, answer.read(65536)
    except urllib.error.HTTPError as error:
        return error.code, b""
