"""Who brings a message: WeCom applications and robots, DingTalk's and Feishu's robots, mail (docs/channels.md).

A robot's secret is ``{"url": ..., "secret"?: ...}``: the whole address that the provider shows, and the secret that
signs (CONTRACTS sections 2 and 3). WeCom applications and mail send to one person, robots to their group.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from leadtrail.adapters import feishu
from leadtrail.adapters.mail import Mail
from leadtrail.adapters.posting import Post, posted
from leadtrail.adapters.robot_text import fitted, plain, title_of
from leadtrail.adapters.verdict import MINUTE, Codes, Said, ask, judged
from leadtrail.adapters.wecom_app import WeComApp
from leadtrail.adapters.wecom_token import WeComTokens
from leadtrail.domain.company import Channel, Rep
from leadtrail.services.dispatching import Answer, Failed, Unanswered

DINGTALK_MUTE = timedelta(minutes=10, seconds=1)
WECOM_MUTE = MINUTE
WECOM_BYTES = 4096
DINGTALK_BYTES = 16_000  # of the 20,000 of a request: what JSON adds is ours
# What waiting does not mend: an unknown key, a wrong signature or keyword, a body that is refused as such.
CODES = Codes(
    "errcode",
    limited={45009: WECOM_MUTE, 130101: DINGTALK_MUTE},
    permanent=(93000, 310000, 300001, 300005, 40035, 40058, 44004, 460101),
)


class Robots:
    """Sends markdown; ``post`` is given so that tests can play the network, ``mail`` where there is mail to send."""

    def __init__(
        self,
        secret: Callable[[str], list[dict[str, str]]],
        now: Callable[[], datetime],
        post: Post | None = None,
        *,
        tokens: WeComTokens | None = None,
        mail: Mail | None = None,
    ) -> None:
        self._secret = secret
        self._now = now
        self._post = post or posted
        self._app = WeComApp(tokens, self._post) if tokens else None
        self._mail = mail

    def send(self, channel: Channel, markdown: str, *, to: Rep | None = None, title: str = "") -> Answer:
        """Send one message once, to the channel's group, or where the channel reaches persons to ``to``.

        An empty ``title`` is the first line. No call raises because of a provider, its answer or a wrong secret.
        """
        try:
            secret = self._secret(channel.secret)[0]
        except (KeyError, IndexError):
            return Failed(f"channel {channel.id} has no secret", permanent=True)
        answer = self._sent(channel.bot, secret, markdown, to, title or title_of(markdown))
        if isinstance(answer, Failed | Unanswered):
            return replace(answer, reason=f"channel {channel.id}: {answer.reason}")
        return answer

    def _sent(self, bot: str, secret: Mapping[str, str], markdown: str, to: Rep | None, title: str) -> Answer:
        if bot == "wecom-app" and self._app:
            return self._app.send(secret, to, markdown)
        if bot == "mail" and self._mail:
            return self._mail.send(secret, to, markdown, title)
        if "url" not in secret:
            return Failed("a secret without url", permanent=True)
        if bot == "feishu":
            return feishu.send(secret, markdown, title, now=self._now(), post=self._post)
        if bot == "dingtalk":
            return self._asked(*_dingtalk(secret, markdown, title, self._now()))
        if bot == "wecom":
            return self._asked(secret["url"], _wecom(markdown))
        return Failed(f"nobody speaks {bot}", permanent=True)

    def _asked(self, url: str, body: Mapping[str, Any]) -> Answer:
        said = ask(self._post, url, body, CODES)
        return judged(said, CODES) if isinstance(said, Said) else said


def _wecom(markdown: str) -> dict[str, Any]:
    return {"msgtype": "markdown", "markdown": {"content": fitted(markdown, WECOM_BYTES)}}


def _dingtalk(secret: Mapping[str, str], markdown: str, title: str, now: datetime) -> tuple[str, dict[str, Any]]:
    text = fitted(_paragraphs(markdown), DINGTALK_BYTES)
    body = {"msgtype": "markdown", "markdown": {"title": title, "text": text}}
    url = secret["url"]
    if secret.get("secret"):
        timestamp = round(now.timestamp() * 1000)
        url += f"&timestamp={timestamp}&sign={dingtalk_sign(secret['secret'], timestamp)}"
    return url, body


def dingtalk_sign(secret: str, timestamp_ms: int) -> str:
    """Return the URL-quoted signature of one request."""
    digest = hmac.new(secret.encode(), f"{timestamp_ms}\n{secret}".encode(), hashlib.sha256).digest()
    return quote(base64.b64encode(digest).decode(), safe="")


def _paragraphs(markdown: str) -> str:
    """DingTalk joins single line breaks; a blank line keeps each line its own."""
    return plain(markdown).replace("\n", "\n\n")
