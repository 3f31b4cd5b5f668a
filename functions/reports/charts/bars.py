"""Bars: a ranking or a distribution, one horizontal bar per row, longest = full width.

The label stands above its bar and the value at the right edge, so that a long name never takes room from the bar
and the chart reads the same at any width. A row is one link, tall enough for a thumb.
"""

from collections.abc import Sequence

from markupsafe import Markup

from functions.reports.charts.mark import Mark, drawing, percent

ROW_PX = 40
_BAR_PX = 8

_ROW = Markup(
    '<a href="{href}"><rect class="hit" y="{top}" width="100%" height="{row}"/>'
    '<text class="label" y="{text}">{label}</text>'
    '<text class="value" x="100%" y="{text}" text-anchor="end">{count}</text>'
    '<rect class="track" y="{bar}" width="100%" height="{thick}" rx="2"/>'
    '<rect class="mark {tone}" y="{bar}" width="{width}" height="{thick}" rx="2"/></a>'
)


def bars(name: str, title: str, marks: Sequence[Mark]) -> Markup:
    """Return the SVG of ``marks`` in the order given; nothing at all for no marks."""
    if not marks:
        return Markup("")
    longest = max(1, *(mark.count for mark in marks))
    rows = (_row(mark, index * ROW_PX, mark.count / longest) for index, mark in enumerate(marks))
    return drawing(name, title, marks, len(marks) * ROW_PX, Markup("").join(rows))


def _row(mark: Mark, top_px: int, share: float) -> Markup:
    return _ROW.format(
        href=mark.href,
        label=mark.caption,
        count=mark.count,
        tone=mark.tone,
        top=top_px,
        row=ROW_PX,
        text=top_px + 16,
        bar=top_px + 24,
        thick=_BAR_PX,
        width=percent(share),
    )
