"""Charts: counted marks in, inline SVG out. No script, no axis to decode: each value is printed beside its mark."""

from functions.reports.charts.bars import bars
from functions.reports.charts.mark import Mark, Tone
from functions.reports.charts.strip import strip

__all__ = ["Mark", "Tone", "bars", "strip"]
