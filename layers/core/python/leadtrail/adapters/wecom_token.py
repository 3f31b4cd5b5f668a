"""Access tokens of WeCom's API (developer.work.weixin.qq.com, path/91039, limits path/90312, codes path/90455).

Each application of a corporation has a secret and so tokens of its own. Tokens are remembered until five minutes
before they end. After too many calls nobody asks for a minute.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from leadtrail.adapters.https import Get, Json, document, fetched
from leadtrail.services.enriching import ProviderBusyError, ProviderRefusedError

EARLY = timedelta(minutes=5)  # before its end a token is no longer used
PAUSE = timedelta(seconds=61)  # the limit is counted by the minute
STALE_TOKEN = (40001, 40014, 42001)
LIMITED = (45009, 45033)
# What waiting does not mend: an operator has to.
REFUSED = {
    60020: "untrusted-address",
    40001: "bad-secret",
    40013: "bad-corp-id",
    48002: "not-permitted",
    60011: "not-permitted",
}


@dataclass(frozen=True, slots=True)
class Account:
    """Who asks: one corporation with the secret of the application that may."""

    corp_id: str
    secret: str


@dataclass(frozen=True, slots=True)
class _Token:
    """An access token, and until when (aware UTC) it is used."""

    text: str
    until: datetime


class WeComTokens:
    """Asks WeCom's API, and remembers its tokens as long as it lives."""

    def __init__(self, base: str, now: Callable[[], datetime], get: Get | None = None) -> None:
        self.base = base
        self._now = now
        self._get = get or fetched
        self._tokens: dict[Account, _Token] = {}
        self._paused_until: dict[Account, datetime] = {}

    def text(self, account: Account) -> str:
        """Return a token that is good now.

        Raises:
            ProviderBusyError: WeCom does not answer now, or our limit is used up.
            ProviderRefusedError: no such corporation, or not its secret.
        """
        known = self._tokens.get(account)
        if known is not None and self._now() < known.until:
            return known.text
        answer = self.asked(account, "gettoken", {"corpid": account.corp_id, "corpsecret": account.secret})
        token, lasts_s = answer.get("access_token"), answer.get("expires_in")
        if answer["errcode"] != 0:
            raise failure(answer["errcode"])
        if not isinstance(token, str) or not isinstance(lasts_s, int):
            raise ProviderBusyError("unexpected-answer")
        self._tokens[account] = _Token(token, self._now() + timedelta(seconds=lasts_s) - EARLY)
        return token

    def forget(self, account: Account) -> None:
        """Ask for a new token next time: WeCom no longer knows this one."""
        self._tokens.pop(account, None)

    def asked(self, account: Account, name: str, query: Mapping[str, str]) -> Json:
        """Return WeCom's answer to a GET with its ``errcode``; raises ProviderBusyError."""
        now = self._now()
        if now < self._paused_until.get(account, now):
            raise ProviderBusyError("limit")
        answer = document(*self._reached(f"{self.base}/cgi-bin/{name}?{urlencode(query)}"))
        if not isinstance(answer.get("errcode", 0), int):
            raise ProviderBusyError("unexpected-answer")
        if answer.get("errcode") in LIMITED:
            self._paused_until[account] = now + PAUSE
        return {"errcode": 0, **answer}

    def _reached(self, url: str) -> tuple[int, bytes]:
        try:
            return self._get(url, {})
        except (OSError, http.client.HTTPException) as error:
            raise ProviderBusyError("unreachable") from error


def failure(code: int) -> Exception:
    """Return the error that an ``errcode`` means."""
    if code in LIMITED:
        return ProviderBusyError("limit")
    if code in REFUSED:
        return ProviderRefusedError(REFUSED[code])
    return ProviderBusyError("busy" if code == -1 else f"errcode {code}")
