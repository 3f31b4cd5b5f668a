"""A mark: one counted thing in a chart, and the place in the page that lists what was counted."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from functions.reports.charts.label import cut, plain

Tone = Literal["bar", "s1", "s2", "s3"]
"""Colour by meaning: ``bar`` is neutral, ``s1`` to ``s3`` are the severities. The page's CSS says which colours."""

LABEL_COLUMNS = 24  # at 13 px about 160 px: leaves room for the value in the narrowest chart (a third of an A4 page)


@dataclass(frozen=True, slots=True)
class Mark:
    """One row of a chart: ``count`` leads under ``label``; ``href`` is the anchor of their list in the same page."""

    label: str
    count: int
    href: str
    tone: Tone = "bar"

    @property
    def caption(self) -> str:
        """The label, made visible and cut to the width of a chart."""
        return cut(plain(self.label), LABEL_COLUMNS)


def drawing(name: str, title: str, marks: Iterable[Mark], height_px: int, body: Markup) -> Markup:
    """Return ``body`` framed as an image of ``height_px`` that screen readers can name and read out.

    ``name`` makes the ids, so it must be unique in the page; it is chosen by us, never by data.
    Widths inside are percentages and heights pixels: the text keeps its size on a phone and on paper.
    """
    description = "；".join(f"{mark.caption} {mark.count} 条" for mark in marks)
    return Markup(
        '<svg class="chart" role="img" width="100%" height="{height}" aria-labelledby="{name}-title {name}-desc">'
        '<title id="{name}-title">{title}</title><desc id="{name}-desc">{description}</desc>{body}</svg>'
    ).format(name=name, title=title, description=description, height=height_px, body=body)


def percent(share: float) -> str:
    """Return a share of one as a CSS percentage, always with the same two decimals."""
    return f"{share * 100:.2f}%"
