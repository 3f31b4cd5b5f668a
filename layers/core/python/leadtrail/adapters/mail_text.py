"""A message as a page in a mail: escaped, nothing from elsewhere, links only where the message has them."""

from __future__ import annotations

import html
import re

from leadtrail.adapters.robot_text import lines_of, split_links

_STYLE = "font:15px/1.6 'PingFang SC','HarmonyOS Sans SC','MiSans','Microsoft YaHei',sans-serif;color:#1d2129"


def html_of(markdown: str) -> str:
    """Return a whole page (zh-CN) of a message's markdown; the first line is its heading."""
    first, *rest = [_line(line) for line in lines_of(markdown)] or [""]
    paragraphs = "".join(f'<p style="margin:0 0 6px">{line}</p>' for line in rest)
    return (
        f'<!doctype html><html lang="zh-CN"><body style="{_STYLE}">'
        f'<h2 style="font-size:16px;margin:0 0 8px">{first}</h2>{paragraphs}</body></html>'
    )


def _line(line: str) -> str:
    return "".join(_piece(text, address) for text, address in split_links(line))


def _piece(text: str, address: str) -> str:
    shown = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html.escape(text))
    return f'<a href="{html.escape(address)}">{shown}</a>' if address else shown
