"""Pages: a snapshot in, one self-contained HTML file out.

A page is a pure function of its snapshot: no clock, no look-up, no arithmetic on figures, ids by position. The same
snapshot gives the same bytes, so a report can be made again and compared. Nothing loads and nothing runs: drilling down
is done with anchors and the CSS ``:target``, and the page's own policy forbids everything else.

Everything in a snapshot may have been typed by a stranger. All text is made visible (``charts.label.plain``) before the
templates see it and escaped by them; only http(s) addresses become links.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from functions.reports.charts import Mark, Tone, bars, strip
from functions.reports.charts.label import plain

_WEEKDAYS = "一二三四五六日"
_ZONES = {"Asia/Shanghai": "北京时间"}
_TONES: Mapping[int, Tone] = {1: "s1", 2: "s2", 3: "s3"}
_UNOWNED = "未分配"
_LEARNED_LATE = timedelta(minutes=1)  # below it, "when it happened" and "when we learned it" are one moment to people


@dataclass(frozen=True, slots=True)
class Facet:
    """One figure and the leads behind it: the page shows just these when its anchor ``id`` is the target.

    ``leads`` are positions in the snapshot's list; None where the snapshot does not say which leads were counted,
    and the figure then leads to the whole list.
    """

    id: str
    label: str
    count: int
    leads: frozenset[int] | None
    tone: Tone = "bar"

    @property
    def mark(self) -> Mark:
        """The facet as a row of a chart."""
        return Mark(self.label, self.count, "#leads" if self.leads is None else f"#{self.id}", self.tone)


def daily(snapshot: Mapping[str, Any]) -> str:
    """Return 《高危线索预警日报》 of one team and day; ``snapshot`` is what ``services/daily.py`` made.

    Raises ``jinja2.UndefinedError`` or ``KeyError`` when the snapshot lacks a field of its contract.
    """
    known = _visible(snapshot)
    tags, severities, overdue, owners = _by_tag(known), _by_severity(known), _by_overdue(known), _by_owner(known)
    facets = [facet for facet in (*tags, *severities, *overdue, *owners) if facet.leads is not None]
    return _render(
        "daily.html",
        known,
        year=_moment(known["as_of"]).year,
        zone=_ZONES.get(known["timezone"], known["timezone"]),
        tag_facets=tags,
        facets=facets,
        facets_of=[_ids_of(position, facets) for position in range(len(known["leads"]))],
        severity_labels={row["severity"]: row["label"] for row in known["by_severity"]},
        tones=_TONES,
        severity_chart=strip("by-severity", "按级别", [facet.mark for facet in severities]),
        overdue_chart=bars("by-overdue", "按超时长短", [facet.mark for facet in overdue]),
        owner_chart=bars("by-owner", "按负责人", [facet.mark for facet in owners]),
    )


def lead(snapshot: Mapping[str, Any]) -> str:
    """Return the phone page of one lead: its state, its clocks with their explanations, its trail, newest first.

    Raises ``jinja2.UndefinedError`` or ``KeyError`` when the snapshot lacks a field of its contract.
    """
    known = _visible(snapshot)
    trail = sorted(known["trail"], key=lambda event: (_moment(event["at"]), event["seq"]), reverse=True)
    return _render("lead.html", known, year=_moment(known["as_of"]).year, newest_first=trail)


def notice(title: str, text: str, hint: str) -> str:
    """Return a small page that says ``title`` (an expired link, a missing report), why, and what to do now."""
    return _render("notice.html", _visible({"title": title, "text": text, "hint": hint}))


def _by_tag(known: Mapping[str, Any]) -> list[Facet]:
    return [
        Facet(f"tag-{number}", tag, count, frozenset(at for at, row in enumerate(known["leads"]) if tag in row["tags"]))
        for number, (tag, count) in enumerate(known["tags"].items(), start=1)
    ]


def _by_severity(known: Mapping[str, Any]) -> list[Facet]:
    return [
        Facet(
            f"severity-{group['severity']}",
            group["label"],
            group["count"],
            frozenset(at for at, row in enumerate(known["leads"]) if row["severity"] == group["severity"]),
            _TONES[group["severity"]],
        )
        for group in known["by_severity"]
    ]


def _by_overdue(known: Mapping[str, Any]) -> list[Facet]:
    """Return the spans of lateness; a group may name the ids of its ``leads``, and only then can be shown by itself."""
    return [
        Facet(f"overdue-{number}", group["label"], group["count"], _named(known["leads"], group.get("leads")))
        for number, group in enumerate(known["by_overdue"], start=1)
    ]


def _by_owner(known: Mapping[str, Any]) -> list[Facet]:
    return [
        Facet(
            f"owner-{number}",
            group["owner"]["name"] if group["owner"] else _UNOWNED,
            group["count"],
            frozenset(at for at, row in enumerate(known["leads"]) if _id(row["owner"]) == _id(group["owner"])),
        )
        for number, group in enumerate(known["by_owner"], start=1)
    ]


def _named(leads: Sequence[Mapping[str, Any]], ids: Sequence[str] | None) -> frozenset[int] | None:
    return None if ids is None else frozenset(at for at, row in enumerate(leads) if row["id"] in ids)


def _id(owner: Mapping[str, str] | None) -> str | None:
    return owner["id"] if owner else None


def _ids_of(position: int, facets: Sequence[Facet]) -> str:
    return " ".join(facet.id for facet in facets if facet.leads is not None and position in facet.leads)


def _visible(value: Any) -> Any:
    """Return the same shape with every text made one visible line, so that no template can forget to."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {plain(key): _visible(entry) for key, entry in value.items()}
    if isinstance(value, Sequence):
        return [_visible(entry) for entry in value]
    return value


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _short(text: str, year: int) -> str:
    """Return an instant as people write it, in the offset that it came with: ``11-20（周五）16:10``."""
    moment = _moment(text)
    day = f"{moment:%m-%d}" if moment.year == year else f"{moment:%Y-%m-%d}"
    return f"{day}（周{_WEEKDAYS[moment.weekday()]}）{moment:%H:%M}"


def _long(text: str) -> str:
    """Return a day in full: ``2026年11月23日 星期一``."""
    day = date.fromisoformat(text)
    return f"{day.year}年{day.month}月{day.day}日 星期{_WEEKDAYS[day.weekday()]}"


def _learned_late(event: Mapping[str, Any]) -> bool:
    return abs(_moment(event["recorded_at"]) - _moment(event["at"])) >= _LEARNED_LATE


def _linkable(address: str | None) -> bool:
    return address is not None and address.lower().startswith(("https://", "http://"))


def _render(template: str, known: Mapping[str, Any], **layout: Any) -> str:
    return _templates().get_template(template).render(known=known, **layout)


@cache
def _templates() -> Environment:
    """Return the templates that lie beside this file, in a checkout and in a bundle alike."""
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters.update(short=_short, long=_long, clock=lambda text: f"{_moment(text):%H:%M}")
    found.tests.update(linkable=_linkable, learned_late=_learned_late)
    return found
