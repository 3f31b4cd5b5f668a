"""Feishu's custom robots 飞书自定义机器人 (open.feishu.cn, client-docs/bot-v3/add-custom-bot).

100 messages a minute and 5 a second for each robot, 20 KB a request. Codes that public pages name: 11232 (limit),
19021 (signature), 9499 (a body that it does not understand); from memory: 19001, 19022, 19024, and 9499 for a limit.
The signature is the other way round than DingTalk's: time and secret are the key, and nothing is signed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from leadtrail.adapters.posting import Post
from leadtrail.adapters.robot_text import fitted, lines_of
from leadtrail.adapters.verdict import MINUTE, Codes, Said, ask, judged
from leadtrail.services.dispatching import Answer, Limited

TEXT_BYTES = 16_000  # of the 20 KB of a request: what JSON adds is ours
UNCLEAR = 9499
CODES = Codes(
    "code",
    limited={11232: MINUTE, 99991400: MINUTE},
    permanent=(UNCLEAR, 19001, 19021, 19022, 19024),  # no robot, signature, address, keyword
)


def send(secret: Mapping[str, str], markdown: str, title: str, *, now: datetime, post: Post) -> Answer:
    """Send a card to the group of a robot."""
    body = {"msg_type": "interactive", "card": _card(markdown, title)}
    if secret.get("secret"):
        timestamp_s = int(now.timestamp())
        body |= {"timestamp": str(timestamp_s), "sign": feishu_sign(secret["secret"], timestamp_s)}
    said = ask(post, secret["url"], body, CODES)
    if not isinstance(said, Said):
        return said
    if said.code == UNCLEAR and "many" in str(said.document.get("msg")).lower():  # "too many request"
        return Limited(MINUTE)
    return judged(said, CODES)


def feishu_sign(secret: str, timestamp_s: int) -> str:
    """Return the signature of one request."""
    digest = hmac.new(f"{timestamp_s}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _card(markdown: str, title: str) -> dict[str, Any]:
    """A card carries links as links; its markdown knows neither headings nor quotes, so the first line is its head."""
    lines = lines_of(markdown)
    text = "\n".join(lines[1:] if len(lines) > 1 else lines)
    return {
        "header": {"title": {"tag": "plain_text", "content": title}, "template": "orange"},
        "elements": [{"tag": "markdown", "content": fitted(text, TEXT_BYTES)}],
    }
