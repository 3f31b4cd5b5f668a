"""Pages: complete, harmless, the same bytes for the same snapshot, and legible in both colour schemes."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from functions.reports import page
from tests.unit.snapshots import (
    HOSTILE,
    QIAN,
    TAGS,
    ZHAO,
    daily_snapshot,
    event,
    late_clock,
    late_lead,
    lead_snapshot,
)

STYLE = (Path(page.__file__).parent / "templates" / "style.html").read_text(encoding="utf-8")


class Read(HTMLParser):
    """What a browser would make of a page: its elements, its visible text, the ids and where its links lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    @property
    def ids(self) -> list[str]:
        return [attrs["id"] or "" for _, attrs in self.elements if "id" in attrs]

    @property
    def links(self) -> list[str]:
        return [attrs["href"] or "" for tag, attrs in self.elements if tag == "a"]

    def carrying(self, name: str) -> list[str]:
        """The ids of the leads that a facet shows."""
        rows = [attrs for tag, attrs in self.elements if tag == "tr" and (attrs.get("class") or "").startswith("lead ")]
        return [row["id"] or "" for row in rows if name in (row["class"] or "").split()]


PAGES: dict[str, Callable[[], str]] = {
    "daily": lambda: page.daily(daily_snapshot(late_lead(1), late_lead(2))),
    "empty": lambda: page.daily(daily_snapshot()),
    "lead": lambda: page.lead(lead_snapshot()),
    "notice": lambda: page.notice("链接已过期", "链接 72 小时后失效。", "请打开最新一期日报。"),
}


@pytest.mark.parametrize("made", PAGES.values(), ids=PAGES)
def test_a_page_stands_alone_and_forbids_everything_but_its_own_style(made: Callable[[], str]) -> None:
    html = made()

    read = Read(html)

    policy = next(attrs["content"] for _, attrs in read.elements if attrs.get("http-equiv"))
    assert html.startswith('<!doctype html>\n<html lang="zh-CN">')
    assert (policy or "").startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    assert {"script", "img", "iframe", "form", "base", "object"}.isdisjoint(read.tags)
    assert [attrs["href"] for tag, attrs in read.elements if tag == "link"] == ["data:,"]
    assert "url(" not in html
    assert "@import" not in html


@pytest.mark.parametrize("made", PAGES.values(), ids=PAGES)
def test_a_page_fits_a_phone_both_schemes_and_no_index(made: Callable[[], str]) -> None:
    metas = {attrs.get("name"): attrs.get("content") for tag, attrs in Read(made()).elements if tag == "meta"}

    assert (metas["viewport"] or "").startswith("width=device-width, initial-scale=1")
    assert metas["color-scheme"] == "light dark"
    assert (metas["robots"] or "").startswith("noindex")
    assert metas["referrer"] == "no-referrer"


@pytest.mark.parametrize("made", PAGES.values(), ids=PAGES)
def test_the_same_snapshot_gives_the_same_bytes(made: Callable[[], str]) -> None:
    assert made().encode() == made().encode()


@pytest.mark.parametrize("made", PAGES.values(), ids=PAGES)
def test_ids_are_unique_and_every_inner_link_has_a_place_to_go(made: Callable[[], str]) -> None:
    read = Read(made())

    assert len(read.ids) == len(set(read.ids))
    assert {link[1:] for link in read.links if link.startswith("#")} <= set(read.ids)


def test_the_three_tags_are_always_shown_in_the_order_given_with_their_counts() -> None:
    html = page.daily(daily_snapshot(late_lead(1), late_lead(2)))

    tiles = re.findall(r'<a href="#(tag-\d)"><b>(\d+)</b><span>([^<]+)</span>', html)

    assert tiles == [("tag-1", "2", TAGS[0]), ("tag-2", "0", TAGS[1]), ("tag-3", "0", TAGS[2])]


def test_the_report_names_itself_its_team_day_and_version() -> None:
    read = Read(page.daily(daily_snapshot(late_lead(), version=3)))

    for said in (
        "高危线索预警日报",
        "华东一组",
        "2026年11月23日 星期一",
        "数据截至 08:30",
        "在跟 42 条线索",
        "第 3 版",
    ):
        assert said in read.text
    assert "存证锚点 3fa9c1d2" in read.text


def test_a_day_without_trouble_says_so_in_a_friendly_way() -> None:
    read = Read(page.daily(daily_snapshot(open_leads=17, anchor=None)))

    assert "今天没有人超时" in read.text
    assert "在跟的 17 条线索都在时限内" in read.text
    assert "存证锚点尚未生成" in read.text
    assert "svg" not in read.tags
    assert "table" not in read.tags


def test_leads_stand_in_the_order_of_the_snapshot() -> None:
    html = page.daily(daily_snapshot(late_lead(3), late_lead(1), late_lead(2)))

    names = re.findall(r'<span class="name">(客户\d)</span>', html)

    assert names == ["客户3", "客户1", "客户2"]


def test_a_late_clock_says_how_late_to_whom_and_why() -> None:
    read = Read(page.daily(daily_snapshot(late_lead())))

    for said in (
        "首次响应",
        "超时 2小时50分（工作时间）",
        "已升级至主管",
        "应在 11-20（周五）15:10 前完成",
        "时限 2个工作小时",
        "11-20（周五）11:40–12:00 计20分",
    ):
        assert said in read.text
    assert "按周历推算" not in read.text


def test_an_estimated_due_time_is_marked_and_a_time_of_another_year_shows_its_year() -> None:
    clock = late_clock(certainty="estimated", due_at="2025-12-31T18:00:00+08:00")

    read = Read(page.daily(daily_snapshot(late_lead(clocks=[clock]), notes=["2027年节假日安排尚未公布"])))

    assert "按周历推算" in read.text
    assert "2025-12-31（周三）18:00" in read.text
    assert "2027年节假日安排尚未公布" in read.text


def test_each_figure_shows_just_the_leads_that_it_counts() -> None:
    first = late_lead(1, tags=[TAGS[0], TAGS[2]], severity=3)
    second = late_lead(2, owner=QIAN, severity=1)
    third = late_lead(3, owner=None, tags=[TAGS[1]], clocks=[])
    spans = [{"label": "1小时内", "count": 1, "leads": [second["id"]]}]

    read = Read(page.daily(daily_snapshot(first, second, third, by_overdue=spans)))

    assert read.carrying("tag-1") == ["lead-1", "lead-2"]
    assert read.carrying("tag-2") == ["lead-3"]
    assert read.carrying("tag-3") == ["lead-1"]
    assert read.carrying("severity-3") == ["lead-1"]
    assert read.carrying("owner-2") == ["lead-2"]
    assert read.carrying("owner-3") == ["lead-3"]
    assert read.carrying("overdue-1") == ["lead-2"]
    assert "未分配" in read.text


def test_a_span_of_lateness_that_names_no_leads_goes_to_the_whole_list() -> None:
    read = Read(page.daily(daily_snapshot(late_lead())))

    assert not [name for name in read.ids if re.fullmatch(r"overdue-\d", name)]
    assert "#leads" in read.links


@pytest.mark.parametrize("field", ["name", "source", "stage", "phone"])
def test_hostile_text_of_a_lead_is_shown_and_makes_no_element(field: str) -> None:
    harmless = Read(page.daily(daily_snapshot(late_lead())))

    read = Read(page.daily(daily_snapshot(late_lead(**{field: HOSTILE}))))

    assert read.tags == harmless.tags
    assert HOSTILE in read.text


def test_hostile_text_makes_no_element_in_the_other_pages() -> None:
    trail = [event(1, "2026-11-20T11:40:00+08:00", title=HOSTILE, summary=HOSTILE, actor=HOSTILE)]
    whole = lead_snapshot(name=HOSTILE, owner=ZHAO | {"name": HOSTILE}, risk=[HOSTILE], trail=trail)

    for html in (page.lead(whole), page.notice(HOSTILE, HOSTILE, HOSTILE)):
        read = Read(html)
        assert {"img", "script"}.isdisjoint(read.tags)
        assert HOSTILE in read.text


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "", None])
def test_only_web_addresses_become_links(address: str | None) -> None:
    read = Read(page.daily(daily_snapshot(late_lead(url=address))))

    assert all(link.startswith("#") for link in read.links)


def test_invisible_and_direction_characters_never_reach_the_page() -> None:
    html = page.daily(daily_snapshot(late_lead(name="\u202e\u2066王\x00\x1b磊\u200b\ud800"), company="示\u202e例"))

    assert "王磊" in html
    assert not re.search("[\x00-\x09\x0b-\x1f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", html)
    assert html.encode()


def test_a_name_of_nothing_visible_reads_as_no_name() -> None:
    assert "未留姓名" in Read(page.daily(daily_snapshot(late_lead(name="\u202e\u200b")))).text
    assert "未留姓名" in Read(page.lead(lead_snapshot(name=""))).text


def test_a_snapshot_that_lacks_a_field_is_refused_not_guessed() -> None:
    lacking = late_lead()
    del lacking["stage"]

    with pytest.raises(UndefinedError, match="stage"):
        page.daily(daily_snapshot(lacking))


def test_two_hundred_leads_stay_a_light_page() -> None:
    html = page.daily(daily_snapshot(*(late_lead(number) for number in range(1, 201))))

    assert len(html.encode()) < 400_000


def test_a_lead_page_shows_state_clocks_and_explanations() -> None:
    read = Read(page.lead(lead_snapshot()))

    for said in ("王磊", "138****0001", "赵强", "需求确认", "超时未响应", "首次响应", "已超时", "二次触达", "计时中"):
        assert said in read.text
    assert "11-20（周五）11:40–12:00 计20分" in read.text


def test_the_trail_runs_from_the_newest_and_tells_what_was_learned_later() -> None:
    html = page.lead(lead_snapshot())

    titles = re.findall(r"<li>\s*<div class=\"between\"><h3>([^<]+)</h3>", html)

    assert titles == ["首次响应超时", "电话未接通", "线索进入"]
    assert re.findall(r"([^>]+)</time> 记录", html) == ["11-20（周五）18:05"]


def test_a_notice_says_what_why_and_what_next() -> None:
    read = Read(page.notice("链接已过期", "链接 72 小时后失效。", "请打开最新一期日报。"))

    assert read.text.endswith("链接已过期 链接 72 小时后失效。 请打开最新一期日报。")


def colours(scheme: str) -> dict[str, str]:
    blocks = {"light": STYLE.split("@media")[0], "dark": STYLE.split("@media")[1]}
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[scheme]))


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


TEXT_ON = [(text, ground) for text in ("ink", "soft", "link") for ground in ("page", "surface", "track")]
CHIPS = [(tone, f"{tone}-wash") for tone in ("s1", "s2", "s3", "calm")] + [("s3", "surface"), ("calm", "surface")]
MARKS = [(mark, "surface") for mark in ("bar", "mark1", "mark2", "mark3")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("pairs", "least"), [(TEXT_ON, 4.5), (CHIPS, 4.5), (MARKS, 3.0)], ids=["text", "chips", "marks"]
)
def test_contrast_meets_aa(scheme: str, pairs: list[tuple[str, str]], least: float) -> None:
    known = colours(scheme)

    found = {pair: contrast(known[pair[0]], known[pair[1]]) for pair in pairs}

    assert {pair: ratio for pair, ratio in found.items() if ratio < least} == {}


def test_headings_never_skip_a_level() -> None:
    levels = [int(tag[1]) for tag, _ in Read(page.lead(lead_snapshot())).elements if re.fullmatch(r"h\d", tag)]

    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
