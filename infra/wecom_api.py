"""WeCom's API of external contacts, played for the local mode: its tokens, its refusals, its limit.

Contacts are what ``POST /wecom/_contacts`` gave, an object of ``external_userid`` to (parts of) WeCom's answer, null
for a contact that is gone. Anybody else is made up from the id, always the same, without a telephone number: as
in life, a number is there only where a rep noted it. As in life, too, only tokens of known age open anything.
Codes that public pages name: -1, 40001, 40013, 40014, 42001, 45009, 60020, 84061.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.chat_provider import RefusedError

TOKEN_PATH = "/wecom/cgi-bin/gettoken"  # noqa: S105 - a path
CONTACT_PATH = "/wecom/cgi-bin/externalcontact/get"
CONTACTS_PATH = "/wecom/_contacts"
PATHS = (TOKEN_PATH, CONTACT_PATH)
TOKEN_S = 7200
WINDOW_S = 60.0
CALLS_PER_WINDOW = 10_000  # of each API
FOLLOWERS_PER_PAGE = 500
SURNAMES, GIVEN = "王李张刘陈杨赵黄周吴", "伟芳娜敏静丽强磊军洋"

Query = Mapping[str, str]
Body = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Token:
    """A token of one corporation and secret, and when it ends (epoch seconds)."""

    text: str
    ends_at: float


class WeComApi:
    """Tokens and contacts of all corporations; ``now`` gives epoch seconds. Its caller keeps threads apart."""

    def __init__(self, now: Callable[[], float], *, calls_per_window: int = CALLS_PER_WINDOW) -> None:
        self._now = now
        self._calls_per_window = calls_per_window
        self._calls: dict[str, deque[float]] = {path: deque() for path in PATHS}
        self._tokens: dict[tuple[str, str], _Token] = {}
        self._expired: set[str] = set()
        self._contacts: dict[str, Mapping[str, Any] | None] = {}

    def give(self, contacts: object) -> int:
        """Take contacts by their external_userid, and return how many are known now; raises ValueError."""
        if not isinstance(contacts, dict):
            raise ValueError("expected an object of external_userid to a contact or null")
        for ref, contact in contacts.items():
            if contact is not None and not _is_contact(contact):
                raise ValueError(f"{ref} must be null, or an object with external_contact and follow_user as WeCom's")
        self._contacts |= contacts
        return len(self._contacts)

    def expire_tokens(self) -> None:
        """End every token that was given out."""
        self._expired |= {token.text for token in self._tokens.values()}
        self._tokens.clear()

    def answer(self, path: str, query: Query, *, trusted: bool) -> Body:
        """Answer one call as WeCom would; raises RefusedError."""
        self._count(path)
        if path == TOKEN_PATH:
            return self._token(query)
        if not trusted:
            raise RefusedError(60020, "not allow to access from your ip")
        self.account(query.get("access_token", ""))
        return self._contact(query.get("external_userid", ""), query.get("cursor", ""))

    def _count(self, path: str) -> None:
        now, calls = self._now(), self._calls[path]
        while calls and calls[0] <= now - WINDOW_S:
            calls.popleft()
        if len(calls) >= self._calls_per_window:
            raise RefusedError(45009, "api freq out of limit")
        calls.append(now)

    def _token(self, query: Query) -> Body:
        corp_id, secret = query.get("corpid", ""), query.get("corpsecret", "")
        if not corp_id:
            raise RefusedError(40013, "invalid corpid")
        if not secret or secret == "wrong":  # noqa: S105 - whatever a demo drew is right, but this one
            raise RefusedError(40001, "invalid credential")
        known = self._tokens.get((corp_id, secret))
        if known is None or known.ends_at <= self._now():
            known = _Token(secrets.token_urlsafe(32), self._now() + TOKEN_S)
            self._tokens[corp_id, secret] = known
        lasts_s = int(known.ends_at - self._now())
        return {"errcode": 0, "errmsg": "ok", "access_token": known.text, "expires_in": lasts_s}

    def account(self, text: str) -> tuple[str, str]:
        """Return whose token it is: corporation and secret; raises RefusedError."""
        found = next(((who, token) for who, token in self._tokens.items() if token.text == text), None)
        if text in self._expired or (found is not None and found[1].ends_at <= self._now()):
            raise RefusedError(42001, "access_token expired")
        if found is None:
            raise RefusedError(40014, "invalid access_token")
        return found[0]

    def _contact(self, ref: str, cursor: str) -> Body:
        given = self._contacts.get(ref, {})
        if not ref or given is None:
            raise RefusedError(84061, "not exist external contact")
        made = _made_up(ref)
        said = {**made["external_contact"], **given.get("external_contact", {})}
        followers = given.get("follow_user", made["follow_user"])
        start = int(cursor) if cursor.isascii() and cursor.isdigit() else 0
        end = start + FOLLOWERS_PER_PAGE
        more = {"next_cursor": str(end)} if end < len(followers) else {}
        page = {"external_contact": said, "follow_user": followers[start:end]}
        return {"errcode": 0, "errmsg": "ok", **page, **more}


def _is_contact(contact: object) -> bool:
    if not isinstance(contact, dict):
        return False
    said, followers = contact.get("external_contact", {}), contact.get("follow_user", [])
    return (
        isinstance(said, dict) and isinstance(followers, list) and set(contact) <= {"external_contact", "follow_user"}
    )


def _made_up(ref: str) -> dict[str, Any]:
    """Return a contact that depends on nothing but its id."""
    digest = hashlib.sha256(ref.encode("utf-8", "replace"))
    letters, drawn = digest.hexdigest(), digest.digest()
    name = SURNAMES[drawn[0] % 10] + GIVEN[drawn[1] % 10] + (GIVEN[drawn[2] % 10] if drawn[3] % 2 else "")
    contact = {"external_userid": ref, "name": name, "type": 1, "gender": drawn[4] % 3, "unionid": f"o{letters[:27]}"}
    follower = {"userid": f"member-{letters[-4:]}", "remark": name, "createtime": 1_769_392_800, "add_way": 1}
    return {"external_contact": contact, "follow_user": [follower]}
