"""The secrets of a source: drawn by us, or given by the provider; nothing here is written or shown."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from console.source_guide import TOKEN, Ask, Guide
from leadtrail.domain.errors import InvalidInputError

LETTERS = 40
TOKEN_BYTES = 24  # 192 bits, in 32 letters that an address takes as they are
AES_KEY_BYTES = 32
PLACE = "secret-from-file"
_REFUSED = "不是所需的内容"
Prompt = Callable[[str], str]  # asks a person for a text that nobody else sees


@dataclass(frozen=True, slots=True)
class Drawn:
    """One new value of a source's secret; ``token`` belongs into the address, ``to_enter`` into the provider's console.

    Both are shown once: of the token only the SHA-256 is in ``value``.
    """

    value: Mapping[str, str]
    token: str = ""
    to_enter: str = ""


def draw(guide: Guide, *, ask: Prompt, file: Path | None, known: Mapping[str, str] | None = None) -> Drawn:
    """Return a new value of a secret: from ``file``, else asked for, the rest drawn.

    Where the source has a value already (``known``), what is left empty stays as it is.

    Raises:
        InvalidInputError: names what is missing or wrong.
    """
    given = _from_file(file, guide) if file else _asked(guide, ask, is_first=known is None)
    value = {**{key: text for key, text in (known or {}).items() if key != TOKEN}, **given}
    to_enter = ""
    if guide.drawn and "secret" not in given:
        value["secret"] = to_enter = _signing_key(guide.drawn)
    token = ""
    if guide.is_open:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        value[TOKEN] = hash_of(token)
    _check(value, guide)
    if known is not None and value == dict(known):
        raise InvalidInputError("secret", "与现在的密钥相同，没有可更换的内容")
    return Drawn(value, token, to_enter)


def hash_of(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _signing_key(form: str) -> str:
    if form == "whsec":
        return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(LETTERS))


def _asked(guide: Guide, ask: Prompt, *, is_first: bool) -> dict[str, str]:
    said = {field.key: ask(_question(field, is_first=is_first)).strip() for field in guide.asked}
    return {key: text for key, text in said.items() if text}


def _question(field: Ask, *, is_first: bool) -> str:
    if not is_first:
        return f"{field.title}，不变则直接回车"
    return field.title if field.is_needed else f"{field.title}，没有则直接回车"


def _from_file(file: Path, guide: Guide) -> dict[str, str]:
    """Read a JSON object of the fields, or a bare text where there is only one to give."""
    allowed = tuple(dict.fromkeys([*(["secret"] if guide.drawn else []), *(field.key for field in guide.asked)]))
    if not allowed:
        raise InvalidInputError(PLACE, "此来源的令牌由系统生成，不需要文件")
    try:
        text = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(PLACE, "文件无法读取") from error
    value: object = json_or_text(text)
    if isinstance(value, str) and value:
        needed = [field.key for field in guide.asked if field.is_needed] or list(allowed)
        if len(needed) != 1:
            raise InvalidInputError(PLACE, f"需要一个 JSON 对象，包含 {'、'.join(allowed)}")
        return {needed[0]: value}
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise InvalidInputError(PLACE, f"需要一个 JSON 对象，包含 {'、'.join(allowed)}")
    for key in value:
        if key not in allowed:
            raise InvalidInputError(PLACE, f"没有 {key} 这一项，只能是 {'、'.join(allowed)}")
    return {key: one.strip() for key, one in value.items() if one.strip()}


def json_or_text(text: str) -> object:
    """Return the JSON that a text is where it begins as an object, else the text."""
    if not text.startswith("{"):
        return text
    try:
        found: object = json.loads(text)
    except ValueError as error:
        raise InvalidInputError(PLACE, "不是有效的 JSON") from error
    return found


def _check(value: Mapping[str, str], guide: Guide) -> None:
    for field in guide.asked:
        if field.is_needed and not value.get(field.key):
            raise InvalidInputError(field.key, f"不能为空：{field.title}")
    for key, text in value.items():
        if not text.isascii() or not text.isprintable() or " " in text:
            raise InvalidInputError(key, f"{_REFUSED}：只能是没有空格的字母、数字和符号")
    if guide.drawn == "whsec":
        _check_base64("secret", value["secret"].removeprefix("whsec_"), 0)
    if "encoding_aes_key" in value:
        _check_base64("encoding_aes_key", value["encoding_aes_key"] + "=", AES_KEY_BYTES)


def _check_base64(key: str, text: str, size: int) -> None:
    """Refuse what the provider's module could not use: it would answer 401 for ever."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInputError(key, f"{_REFUSED}：不是 Base64") from error
    if not decoded or (size and len(decoded) != size):
        raise InvalidInputError(key, f"{_REFUSED}：长度不对")
