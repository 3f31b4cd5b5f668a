"""WeCom's API of external contacts (developer.work.weixin.qq.com, path/92114, path/90313, limits path/90454).

A source's secret holds ``corp_id`` and ``contact_secret`` (the secret of 客户联系 or of an application that may
call it). Tokens are remembered until five minutes before they end. The API trusts fixed addresses only: whoever
asks from elsewhere is answered 60020 until an operator enters the address.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from leadtrail.adapters.https import Get, Json, clean, document, fetched
from leadtrail.services.enriching import EnrichedContact, ProviderBusyError, ProviderRefusedError

PAGES = 20
EARLY = timedelta(minutes=5)  # before its end a token is no longer used
PAUSE = timedelta(seconds=61)  # the limit is counted by the minute
STALE_TOKEN = (40001, 40014, 42001)
LIMITED = (45009, 45033)
NO_SUCH_CONTACT = (84061, 40096)
# What waiting does not mend: an operator has to.
REFUSED = {
    60020: "untrusted-address",
    40001: "bad-secret",
    40013: "bad-corp-id",
    48002: "not-permitted",
    60011: "not-permitted",
}


@dataclass(frozen=True, slots=True)
class _Account:
    """Who asks: one corporation with the secret that may read its contacts."""

    corp_id: str
    secret: str


@dataclass(frozen=True, slots=True)
class _Token:
    """An access token, and until when (aware UTC) it is used."""

    text: str
    until: datetime


class WeCom:
    """Asks WeCom for contacts; ``get`` is given so that tests can play the network."""

    def __init__(
        self,
        base: str,
        secret: Callable[[str], list[dict[str, str]]],
        now: Callable[[], datetime],
        get: Get | None = None,
    ) -> None:
        self._base = base
        self._secret = secret
        self._now = now
        self._get = get or fetched
        self._tokens: dict[_Account, _Token] = {}
        self._paused_until: dict[_Account, datetime] = {}

    def contact(self, secret: str, ref: str, userid: str | None) -> EnrichedContact | None:
        """Return an external contact, what ``userid`` noted about it before what others did; None: no such contact.

        Raises:
            ProviderBusyError: WeCom does not answer now, or our limit is used up.
            ProviderRefusedError: wrong secret, missing right, or an address that WeCom does not trust.
        """
        account = self._account(secret)
        first = self._page(account, ref, "")
        if first is None:
            return None
        followers = list(_followers(first))
        cursor = _text(first, "next_cursor")
        for _ in range(PAGES - 1):
            page = self._page(account, ref, cursor) if cursor else None
            if page is None:
                break
            followers += _followers(page)
            cursor = _text(page, "next_cursor")
        return _understood(first, sorted(followers, key=lambda each: _text(each, "userid") != userid))

    def _account(self, secret: str) -> _Account:
        try:
            values = self._secret(secret)
        except KeyError:
            values = []
        for value in values:
            if value.get("corp_id") and value.get("contact_secret"):
                return _Account(value["corp_id"], value["contact_secret"])
        raise ProviderRefusedError("no-secret")

    def _page(self, account: _Account, ref: str, cursor: str) -> Json | None:
        """Return one page of a contact; a token that WeCom no longer knows is renewed once."""
        query = {"external_userid": ref} | ({"cursor": cursor} if cursor else {})
        for is_last in (False, True):
            token = self._token(account)
            answer = self._asked(account, "externalcontact/get", {"access_token": token, **query})
            code = answer["errcode"]
            if code == 0:
                return answer
            if code in NO_SUCH_CONTACT:
                return None
            if code not in STALE_TOKEN or is_last:
                break
            self._tokens.pop(account, None)
        raise _failure(code)

    def _token(self, account: _Account) -> str:
        known = self._tokens.get(account)
        if known is not None and self._now() < known.until:
            return known.text
        answer = self._asked(account, "gettoken", {"corpid": account.corp_id, "corpsecret": account.secret})
        token, lasts_s = answer.get("access_token"), answer.get("expires_in")
        if answer["errcode"] != 0:
            raise _failure(answer["errcode"])
        if not isinstance(token, str) or not isinstance(lasts_s, int):
            raise ProviderBusyError("unexpected-answer")
        self._tokens[account] = _Token(token, self._now() + timedelta(seconds=lasts_s) - EARLY)
        return token

    def _asked(self, account: _Account, name: str, query: Mapping[str, str]) -> Json:
        """Return WeCom's answer with its ``errcode``; after too many calls nobody asks for a minute."""
        now = self._now()
        if now < self._paused_until.get(account, now):
            raise ProviderBusyError("limit")
        answer = document(*self._reached(f"{self._base}/cgi-bin/{name}?{urlencode(query)}"))
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


def _failure(code: int) -> Exception:
    if code in LIMITED:
        return ProviderBusyError("limit")
    if code in REFUSED:
        return ProviderRefusedError(REFUSED[code])
    return ProviderBusyError("busy" if code == -1 else f"errcode {code}")


def _followers(page: Json) -> Iterator[Json]:
    found = page.get("follow_user")
    yield from (each for each in found if isinstance(each, dict)) if isinstance(found, list) else ()


def _understood(answer: Json, followers: list[Json]) -> EnrichedContact:
    said = answer.get("external_contact")
    if not isinstance(said, dict):
        raise ProviderBusyError("unexpected-answer")
    name, ours = _text(said, "name"), followers[0] if followers else {}
    remark = _text(ours, "remark")
    return EnrichedContact(
        name=name,
        unionid=_text(said, "unionid") or None,
        phones=tuple(dict.fromkeys(number for each in followers for number in _numbers(each))),
        owner_userid=_text(ours, "userid") or None,
        corp_name=_text(said, "corp_name") or _text(ours, "remark_corp_name"),
        remark=remark if remark != name else "",  # WeCom's own remark of a new contact is its name
    )


def _numbers(follower: Json) -> Iterator[str]:
    found = follower.get("remark_mobiles")
    for number in found if isinstance(found, list) else ():
        if text := clean(number):
            yield text


def _text(answer: Json, name: str) -> str:
    return clean(answer.get(name))
