"""The markdown of our messages in the dialect of each provider, and within its size.

Messages are written in WeCom's dialect: headings, quotes, bold, links, and three colours.
"""

from __future__ import annotations

import re

_COLOUR = re.compile(r'<font color="(?:warning|comment|info)">|</font>')
_LINK = re.compile(r"\[([^\[\]]+)\]\((https?://[^\s()]+)\)")
MORE = "…"


def plain(markdown: str) -> str:
    """Return markdown without the colours that only WeCom understands."""
    return _COLOUR.sub("", markdown)


def title_of(markdown: str) -> str:
    """Return the first line as a title: no marks, no colours."""
    first = plain(markdown).strip().partition("\n")[0]
    return first.lstrip("#> ").replace("**", "").strip()


def lines_of(markdown: str) -> list[str]:
    """Return the lines that say something, without the marks of headings and quotes."""
    stripped = (re.sub(r"^(?:#{1,6}\s+|>\s?)", "", line) for line in plain(markdown).splitlines())
    return [line for line in stripped if line.strip()]


def readable(markdown: str) -> str:
    """Return markdown as text for a reader without it: ``[words](address)`` becomes words and address."""
    return "\n".join(_LINK.sub(r"\1：\2", line).replace("**", "") for line in lines_of(markdown))


def split_links(line: str) -> list[tuple[str, str]]:
    """Return a line in pieces of text and address; where the address is empty it is text only."""
    pieces: list[tuple[str, str]] = []
    end = 0
    for found in _LINK.finditer(line):
        pieces += [(line[end : found.start()], ""), (found[1], found[2])]
        end = found.end()
    return [piece for piece in (*pieces, (line[end:], "")) if piece[0]]


def fitted(markdown: str, limit: int) -> str:
    """Return text of at most ``limit`` bytes of UTF-8; the last line, which carries link and id, is kept whole."""
    if len(markdown.encode("utf-8", "replace")) <= limit:
        return markdown
    head, _, tail = markdown.rpartition("\n")
    room = limit - len(f"{MORE}\n{tail}".encode("utf-8", "replace"))
    if room < 0:
        return _cut(markdown, limit)
    return f"{head.encode('utf-8', 'replace')[:room].decode(errors='ignore')}{MORE}\n{tail}"


def _cut(text: str, limit: int) -> str:
    return text.encode("utf-8", "replace")[: limit - len(MORE.encode())].decode(errors="ignore") + MORE
