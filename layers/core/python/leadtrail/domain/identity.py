"""What identifies a person: telephone numbers in one spelling, and which of them may identify.

Landlines and 400 numbers never identify a person by themselves (DESIGN section 9).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

KINDS = ("phone", "unionid", "external_userid", "email", "session", "object")
"""``session``: a call system's call, which only joins its messages; ``object``: a contact of another system."""
# Also what address books add and nobody sees: zero-width marks and the direction of writing.
_SEPARATORS = re.compile(r"[\s\-‐-―−()（）.·\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")
_MOBILE = re.compile(r"1[3-9]\d{9}")
_LANDLINE = re.compile(r"0(?:10|2\d|[3-9]\d{2})[2-8]\d{6,7}")  # area codes: 010, 02x, 03xx to 09xx
_SERVICE = re.compile(r"(?:400|800)\d{7}|95\d{3,6}|1[02]\d{3,6}")
_MOBILE_IN_TEXT = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")


@dataclass(frozen=True, slots=True)
class Phone:
    """A number in E.164 (service numbers such as 400 as they are dialled), and whether it identifies a person."""

    number: str
    identifies: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """One thing that identifies a person: its kind and normalised value (personal data: never stored in clear)."""

    kind: str
    value: str


def phone(text: str) -> Phone | None:
    """Read a number as people and call systems write it, +86 by default; None if it is no number.

    Full-width digits, spaces, dashes, brackets, +86, 0086 and 86 are understood.
    """
    digits = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).removeprefix("tel:")
    if not re.fullmatch(r"\+?[0-9]{3,20}", digits, re.ASCII):
        return None
    if digits.startswith(("+", "00")):
        digits = digits.removeprefix("+").removeprefix("00")
        if not digits.startswith("86"):
            return Phone(f"+{digits}", identifies=True) if re.fullmatch(r"[1-9]\d{7,14}", digits) else None
        digits = digits.removeprefix("86")
    elif digits.startswith("86") and len(digits) > 11:  # no number within the country is so long and begins with 86
        digits = digits[2:]
    digits = digits.removeprefix("0") if _MOBILE.fullmatch(digits.removeprefix("0")) else digits
    return _chinese(digits)


def _chinese(digits: str) -> Phone | None:
    if _MOBILE.fullmatch(digits):
        return Phone(f"+86{digits}", identifies=True)
    if _SERVICE.fullmatch(digits):
        return Phone(digits, identifies=False)
    landline = digits if digits.startswith("0") else f"0{digits}"
    if _LANDLINE.fullmatch(landline):
        return Phone(f"+86{landline.removeprefix('0')}", identifies=False)
    return None


def email(text: str) -> str | None:
    """Return the address in lower case, or None if it is none."""
    address = unicodedata.normalize("NFKC", text).strip().lower()
    return address if len(address) <= 254 and _EMAIL.fullmatch(address) else None


def veiled(text: str) -> str:
    """Return text in which mobile numbers that people wrote into it are masked: names hold them, too."""
    return _MOBILE_IN_TEXT.sub(lambda found: masked(found[0]), text)


def masked(number: str) -> str:
    """Return a number as everybody may see it: 138****0001."""
    local = number.removeprefix("+86")
    return f"{local[:3]}****{local[-4:]}" if len(local) >= 8 else f"{local[:1]}****"
