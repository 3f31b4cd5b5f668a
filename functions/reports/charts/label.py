"""Labels: what strangers typed, made fit to stand in a line of our page.

Names arrive from forms and chats. Escaping makes them harmless to the browser; this makes them harmless to the reader:
nothing invisible, no reversed direction, no tower of accents over the next line, no 1,400 characters in a chart.
"""

import unicodedata

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})  # controls, bidi and zero-width, lone surrogates, unassigned
_SPACES = frozenset({"Zs", "Zl", "Zp"})
_ACCENTS = frozenset({"Mn", "Me"})
_ACCENTS_IN_A_ROW = 2  # what real languages stack; more is decoration that covers other lines
_ELLIPSIS = "…"


def plain(text: str) -> str:
    """Return ``text`` as one visible line: invisible and direction characters gone, runs of space made one."""
    visible: list[str] = []
    accents = 0
    for character in text:
        kept = _visible(character)
        accents = accents + 1 if unicodedata.category(character) in _ACCENTS else 0
        if accents <= _ACCENTS_IN_A_ROW:
            visible.append(kept)
    return " ".join("".join(visible).split())


def cut(text: str, columns: int) -> str:
    """Return ``text`` in at most ``columns`` (a Chinese character takes two), with an ellipsis where it was cut."""
    if _columns(text) <= columns:
        return text
    room = columns - 1
    kept: list[str] = []
    for character in text:
        room -= _columns(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept) + _ELLIPSIS


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category in _SPACES or character in "\t\n\r\v\f":
        return " "
    return "" if category in _INVISIBLE else character


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
