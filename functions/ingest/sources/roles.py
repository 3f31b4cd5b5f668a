"""Which answer of a form is the name, the telephone number or the address, and what is only said besides.

Configuration (`fields`: role -> the provider's field, by its code or title) decides alone for the roles that
it names. For the others the field's type tells, then its title, and, for forms whose fields have no titles,
the answer itself: a mobile number is the phone, an address the e-mail.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from functions.ingest.sources import fields
from leadtrail.domain import identity

PERSONAL = ("name", "phone", "email")
SAMPLE = {"name": "测试线索", "phone": "19900000000"}  # whom `leadtrail source test` sends
TITLE_LENGTH = 100  # a longer title is a sentence, and no name of a role
TITLES = {
    "name": "姓名 名字 称呼 联系人 联系人姓名 客户姓名 真实姓名 name fullname",
    "phone": "手机 电话 手机号 手机号码 联系电话 联系手机 联系方式 电话号码"
    " phone mobile telephone tel phonenumber mobilenumber mobilephone",
    "email": "邮箱 邮箱地址 电子邮箱 电子邮件 邮件 email mail emailaddress",
}
ROLE_OF_TITLE = {title: role for role, titles in TITLES.items() for title in titles.split()}
TELLING = ("phone", "value", "label", "text", "name")  # of an answer that is an object, the text in it
_ASIDE = re.compile(r"[(\[【][^)\]】]*[)\]】]|[\W_]+")  # 手机（必填）： is 手机
_ADDRESSING = re.compile(r"^(?:请填写|请输入|请留下|您的|你的|your)+")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: the provider's ``code`` of its field, the ``title`` that people saw, and the ``role`` of its type."""

    code: str
    title: str
    said: str
    role: str = ""


def told_apart(
    answers: Iterable[Answer], configured: Mapping[str, str], *, by_value: bool = False
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the answers of name, phone and email, and the others by title, or by role where it is configured."""
    given = [answer for answer in answers if answer.said.strip()]
    chosen = {role: answer for role, code in configured.items() if (answer := _named(given, code))}
    for role in PERSONAL:
        if role not in configured:
            free = [answer for answer in given if answer not in chosen.values()]
            if best := _best(role, _candidates(role, free, by_value=by_value)):
                chosen[role] = best
    known = {role: answer.said[: fields.LONGEST] for role, answer in chosen.items() if role in PERSONAL}
    others = {role: answer.said for role, answer in chosen.items() if role not in PERSONAL}
    for number, answer in enumerate(given, start=1):
        if answer not in chosen.values():
            others[f"{answer.title} ({number})" if answer.title in others else answer.title] = answer.said
    return known, others


def _named(answers: Sequence[Answer], code: str) -> Answer | None:
    by_code = (answer for answer in answers if answer.code == code)
    return next(by_code, None) or next((answer for answer in answers if answer.title == code), None)


def _candidates(role: str, answers: Sequence[Answer], *, by_value: bool) -> list[Answer]:
    typed = [answer for answer in answers if answer.role == role]
    titled = [answer for answer in answers if not answer.role and role_of_title(answer.title) == role]
    valued = [answer for answer in answers if by_value and _role_of_value(answer.said) == role]
    return [*typed, *titled, *valued]


def _best(role: str, candidates: Sequence[Answer]) -> Answer | None:
    """Return the first that can be read as its role: of 座机 and 手机 one is often left with a dash."""
    readers = {"phone": identity.phone, "email": identity.email}
    read = readers.get(role, bool)
    return next((answer for answer in candidates if read(answer.said)), candidates[0] if candidates else None)


def role_of_title(title: str) -> str | None:
    """Return the role that a question's title names, in Chinese or English: 您的手机号（必填） is the phone."""
    if len(title) > TITLE_LENGTH:
        return None
    words = _ASIDE.sub("", unicodedata.normalize("NFKC", title).lower())
    return ROLE_OF_TITLE.get(_ADDRESSING.sub("", words))


def _role_of_value(said: str) -> str | None:
    number = identity.phone(said)
    is_international = unicodedata.normalize("NFKC", said[:8]).strip().startswith("+")
    if number and number.identifies and (number.number.startswith("+86") or is_international):
        return "phone"
    return "email" if identity.email(said) else None


def spoken(value: object) -> str:
    """Return an answer as people read it: of an object the text in it, lists with 、 between, the rest as JSON."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return _of_object(value)
    if isinstance(value, list):
        return "、".join(text for item in value if (text := spoken(item)))
    return fields.spoken(value)


def _of_object(value: Mapping[str, object]) -> str:
    if "url" in value:  # a file: its name alone would lose it
        return fields.spoken(value)
    for key in TELLING:
        inner = value.get(key)
        if isinstance(inner, str):
            return inner
    parts = [part for part in value.values() if isinstance(part, str)]
    return " ".join(part for part in parts if part) if len(parts) == len(value) else fields.spoken(value)
