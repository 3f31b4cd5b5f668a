"""Strip: how a whole is made up, as one divided band with its legend below; each part is a link."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from functions.reports.charts.mark import Mark, drawing, percent

BAND_PX = 16
LEGEND_PX = 12  # air between the band and the first row of its legend
ROW_PX = 32

_PART = Markup('<a href="{href}"><rect class="mark part {tone}" x="{left}" width="{width}" height="{height}"/></a>')
_ROW = Markup(
    '<a href="{href}"><rect class="hit" y="{top}" width="100%" height="{row}"/>'
    '<rect class="mark {tone}" y="{swatch}" width="10" height="10" rx="2"/>'
    '<text class="label" x="18" y="{text}">{label}</text>'
    '<text class="value" x="100%" y="{text}" text-anchor="end">{count}</text></a>'
)


def strip(name: str, title: str, marks: Sequence[Mark]) -> Markup:
    """Return the SVG of ``marks`` in the order given; parts of size 0 stand only in the legend."""
    if not marks:
        return Markup("")
    band = Markup('<rect class="track" width="100%" height="{}"/>').format(BAND_PX)
    body = band + Markup("").join(_parts(marks)) + Markup("").join(_legend(marks))
    return drawing(name, title, marks, BAND_PX + LEGEND_PX + len(marks) * ROW_PX, body)


def _parts(marks: Sequence[Mark]) -> Iterator[Markup]:
    whole = max(1, sum(mark.count for mark in marks))
    before = 0
    for mark in marks:
        if mark.count:
            left, width = percent(before / whole), percent(mark.count / whole)
            yield _PART.format(href=mark.href, tone=mark.tone, left=left, width=width, height=BAND_PX)
        before += mark.count


def _legend(marks: Sequence[Mark]) -> Iterator[Markup]:
    for index, mark in enumerate(marks):
        top = BAND_PX + LEGEND_PX + index * ROW_PX
        yield _ROW.format(
            href=mark.href,
            label=mark.caption,
            count=mark.count,
            tone=mark.tone,
            top=top,
            row=ROW_PX,
            swatch=top + 11,
            text=top + 21,
        )
