"""What a lead may be worth, and what it is marked with: amounts and tags as people write them into forms.

What cannot be read is no amount, and stays what was said. Tags go where nothing personal may stand: one that holds
a telephone number or an address is left out.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from leadtrail.domain import identity

AMOUNTS = ("amount", "金额", "预计金额", "预算金额", "意向金额", "成交金额")
TAGS = ("tags", "标签")
MOST_TAGS, LONGEST_TAG = 50, 40
MOST_FEN = 10**14  # a trillion yuan
_AMOUNT = re.compile(
    r"(?:rmb|cny|¥)?((?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,15})(?:\.[0-9]{1,6})?)(万|亿)?(?:元|块|rmb|cny)?"
)
_UNITS = {"": 1, "万": 10**4, "亿": 10**8}
_BETWEEN = re.compile(r"[，,、;；\n]+")


def amount_fen(fields: Mapping[str, str]) -> int | None:
    """Return the amount that a form names, in fen: 12,000.50 or 3万元; None where there is none to be read."""
    said = _said(fields, AMOUNTS)
    match = _AMOUNT.fullmatch(re.sub(r"\s", "", unicodedata.normalize("NFKC", said[:60])).lower())
    if match is None:
        return None
    yuan = Decimal(match[1].replace(",", "")) * _UNITS[match[2] or ""]
    fen = int((yuan * 100).quantize(Decimal(1), ROUND_HALF_UP))
    return fen if fen <= MOST_FEN else None


def tags(fields: Mapping[str, str]) -> tuple[str, ...]:
    """Return the tags that a form names, each once: a text with commas or the like between, or a JSON list."""
    words = (" ".join(_plain(word).split()) for word in _words(_said(fields, TAGS)))
    fitting = (word for word in words if 1 <= len(word) <= LONGEST_TAG and not _is_personal(word))
    return tuple(dict.fromkeys(fitting))[:MOST_TAGS]


def _said(fields: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((fields[name] for name in names if fields.get(name)), "")


def _words(said: str) -> list[str]:
    if said.startswith("["):
        try:
            return [word for word in json.loads(said) if isinstance(word, str)]
        except ValueError:  # a text that merely begins like a list
            return _BETWEEN.split(said)
    return _BETWEEN.split(said)


def _plain(word: str) -> str:
    return "".join(letter for letter in word if letter.isspace() or unicodedata.category(letter)[0] != "C")


def _is_personal(word: str) -> bool:
    return (
        "@" in word or re.search(r"[0-9]{7}", re.sub(r"[\s-]", "", word)) is not None or identity.veiled(word) != word
    )
