"""WeCom's API of external contacts (developer.work.weixin.qq.com, path/92114, path/90313, limits path/90454).

A source's secret holds ``corp_id`` and ``contact_secret`` (the secret of 客户联系 or of an application that may
call it). The API trusts fixed addresses only: whoever asks from elsewhere is answered 60020 until an operator enters
the address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from leadtrail.adapters.https import Get, Json, clean
from leadtrail.adapters.wecom_token import STALE_TOKEN, Account, WeComTokens, failure
from leadtrail.services.enriching import EnrichedContact, ProviderBusyError, ProviderRefusedError

PAGES = 20
NO_SUCH_CONTACT = (84061, 40096)


class WeCom:
    """Asks WeCom for contacts; ``get`` is given so that tests can play the network."""

    def __init__(
        self,
        base: str,
        secret: Callable[[str], list[dict[str, str]]],
        now: Callable[[], datetime],
        get: Get | None = None,
    ) -> None:
        self._secret = secret
        self._tokens = WeComTokens(base, now, get)

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

    def _account(self, secret: str) -> Account:
        try:
            values = self._secret(secret)
        except KeyError:
            values = []
        for value in values:
            if value.get("corp_id") and value.get("contact_secret"):
                return Account(value["corp_id"], value["contact_secret"])
        raise ProviderRefusedError("no-secret")

    def _page(self, account: Account, ref: str, cursor: str) -> Json | None:
        """Return one page of a contact; a token that WeCom no longer knows is renewed once."""
        query = {"external_userid": ref} | ({"cursor": cursor} if cursor else {})
        for is_last in (False, True):
            token = self._tokens.text(account)
            answer = self._tokens.asked(account, "externalcontact/get", {"access_token": token, **query})
            code = answer["errcode"]
            if code == 0:
                return answer
            if code in NO_SUCH_CONTACT:
                return None
            if code not in STALE_TOKEN or is_last:
                break
            self._tokens.forget(account)
        raise failure(code)


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
