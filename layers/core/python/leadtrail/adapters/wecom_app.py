"""Messages of a WeCom application to one member (developer.work.weixin.qq.com, path/90236; codes path/90455).

A channel's secret is ``{"corp_id", "agent_id", "secret"}``. A member gets 30 messages a minute and 1,000 an hour of
one application; what is more WeCom throws away. The same JSON is shown once within half an hour, so that a repeat
which says the same does no harm. Codes that public pages name: 40014, 42001, 40001, 40008, 40056, 40058, 45009,
60020, 81013; from memory: 45033, 48002, 60011, 301002.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from leadtrail.adapters.posting import Post
from leadtrail.adapters.robot_text import fitted
from leadtrail.adapters.verdict import MINUTE, Codes, Said, ask, judged
from leadtrail.adapters.wecom_token import LIMITED, STALE_TOKEN, Account, WeComTokens
from leadtrail.domain.company import Rep
from leadtrail.services.dispatching import Answer, Failed, Limited
from leadtrail.services.enriching import ProviderBusyError, ProviderRefusedError

LIMIT_BYTES = 2048
SAME_S = 1800
# A UserID has 1 to 64 of these, and begins with a letter or digit: `@all` and `a|b` are none.
_USERID = re.compile(r"[A-Za-z0-9][\w.@-]{0,63}", re.ASCII)
NEEDED = ("corp_id", "agent_id", "secret")
CODES = Codes(
    "errcode",
    limited=dict.fromkeys(LIMITED, MINUTE),
    permanent=(40001, 40008, 40013, 40056, 40058, 44004, 48002, 60011, 60020, 81013, 301002),
)


class WeComApp:
    """Sends to members; tokens are remembered as long as it lives."""

    def __init__(self, tokens: WeComTokens, post: Post) -> None:
        self._tokens = tokens
        self._post = post

    def send(self, secret: Mapping[str, str], to: Rep | None, markdown: str) -> Answer:
        """Send one message to one member of the corporation."""
        if any(not secret.get(name) for name in NEEDED) or not secret["agent_id"].isdigit():
            return Failed(f"a secret without {', '.join(NEEDED)}", permanent=True)
        if to is None or not _USERID.fullmatch(to.wecom_userid or ""):
            return Failed("nobody with a WeCom UserID", permanent=True)
        account = Account(secret["corp_id"], secret["secret"])
        try:
            said = self._said(account, _body(secret, to.wecom_userid or "", markdown))
        except ProviderRefusedError as error:
            return Failed(error.reason, permanent=True)
        except ProviderBusyError as error:
            return Limited(MINUTE) if error.reason == "limit" else Failed(error.reason)
        if not isinstance(said, Said):
            return said
        if said.code == 0 and _is_refused(said, to.wecom_userid or ""):
            return Failed("invaliduser", permanent=True)
        return judged(said, CODES)

    def _said(self, account: Account, body: Mapping[str, Any]) -> Said | Answer:
        """Return WeCom's answer; a token that it no longer knows is renewed once."""
        said = self._sent(account, body)
        if isinstance(said, Said) and said.code in STALE_TOKEN:
            self._tokens.forget(account)
            return self._sent(account, body)
        return said

    def _sent(self, account: Account, body: Mapping[str, Any]) -> Said | Answer:
        token = self._tokens.text(account)
        return ask(self._post, f"{self._tokens.base}/cgi-bin/message/send?access_token={token}", body, CODES)


def _body(secret: Mapping[str, str], userid: str, markdown: str) -> dict[str, Any]:
    return {
        "touser": userid,
        "msgtype": "markdown",
        "agentid": int(secret["agent_id"]),
        "markdown": {"content": fitted(markdown, LIMIT_BYTES)},
        "enable_duplicate_check": 1,
        "duplicate_check_interval": SAME_S,
    }


def _is_refused(said: Said, userid: str) -> bool:
    """Tell whether an answer that else says ok names the member; WeCom writes their id in small letters."""
    named = (str(said.document.get(name) or "").split("|") for name in ("invaliduser", "unlicenseduser"))
    return any(userid.lower() in (one.lower() for one in names) for names in named)
