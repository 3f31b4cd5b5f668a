"""The pages in a real browser: nothing runs, nothing loads, nothing overflows, figures drill down, paper shows all."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

from functions.reports import page as report
from functions.reports.charts.label import plain
from tests.unit.snapshots import HOSTILE, QIAN, TAGS, daily_snapshot, late_lead, lead_snapshot

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = {
    "markup": HOSTILE,
    "attribute": '" onmouseover="window.hit=1" style="position:fixed;inset:0',
    "closing": "</title></style></td></table><svg onload=window.hit=1>",
    "foreign": "<link rel=stylesheet href=http://127.0.0.1:9/x.css><iframe src=http://127.0.0.1:9/></iframe>",
    "direction": "\u202eexe.gnp\u202c 王磊",
    "endless": "长" * 1400,
    "unbroken": "W" * 1400,
}


@dataclass
class Visit:
    """A page opened from disk, and everything that it tried to load."""

    page: Page
    folder: Path
    requests: list[str] = field(default_factory=list)

    def open(self, html: str, anchor: str = "") -> Page:
        file = self.folder / "page.html"
        file.write_text(html, encoding="utf-8")
        self.requests.clear()
        self.page.goto(f"{file.as_uri()}{anchor}")
        return self.page

    @property
    def outside(self) -> list[str]:
        return [address for address in self.requests if not address.startswith(("file:", "data:"))]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(QUIET))
        yield chromium
        chromium.close()


@pytest.fixture
def phone(browser: Browser, tmp_path: Path) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN")
    visit = Visit(context.new_page(), tmp_path)
    visit.page.on("request", lambda request: visit.requests.append(request.url))
    yield visit
    context.close()


def without_policy(html: str) -> str:
    """The page without its own defence in depth: the escaping alone has to hold."""
    lines = html.splitlines()
    return "\n".join(line for line in lines if "Content-Security-Policy" not in line)


def overflows(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_hostile_name_is_read_runs_nothing_and_loads_nothing(phone: Visit, name: str) -> None:
    daily = daily_snapshot(late_lead(1, name=name, source=name), late_lead(2, owner=QIAN | {"name": name}))

    page = phone.open(without_policy(report.daily(daily)))
    page.locator("#lead-1 .name").first.hover()

    shown = page.locator("#lead-1 .who .name")
    assert page.evaluate("window.hit") is None
    assert phone.outside == []
    assert page.locator("script, img, iframe, [onmouseover], [onload], [onerror]").count() == 0
    assert shown.is_visible()
    assert shown.inner_text() == plain(name)
    assert not overflows(page)


def test_the_policy_of_the_page_stops_a_script_that_would_have_got_in(phone: Visit) -> None:
    broken = report.daily(daily_snapshot(late_lead())).replace("</main>", f"{HOSTILE}</main>")

    page = phone.open(broken)

    assert page.locator("script").count() == 1
    assert page.evaluate("window.hit") is None
    assert phone.outside == []


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_the_page_of_a_lead_withstands_the_same_names(phone: Visit, name: str) -> None:
    page = phone.open(without_policy(report.lead(lead_snapshot(name=name, stage=name))))

    assert page.evaluate("window.hit") is None
    assert phone.outside == []
    assert page.locator("h1").inner_text() == plain(name)
    assert not overflows(page)


def test_a_name_of_1400_characters_takes_two_lines(phone: Visit) -> None:
    page = phone.open(report.daily(daily_snapshot(late_lead(name="长" * 1400), late_lead(2))))

    box = page.locator("#lead-1 .who .name").bounding_box()

    assert box is not None
    assert box["height"] < 60


@pytest.mark.parametrize("width", [320, 390, 719, 720, 1200])
def test_nothing_overflows_at_any_width(phone: Visit, width: int) -> None:
    phone.page.set_viewport_size({"width": width, "height": 844})

    page = phone.open(report.daily(daily_snapshot(late_lead(tags=list(TAGS)), late_lead(2, owner=None))))

    assert not overflows(page)
    assert page.locator("#lead-1 .open").is_visible()


def test_a_figure_opens_just_its_leads_and_the_way_back_opens_all(phone: Visit) -> None:
    page = phone.open(report.daily(daily_snapshot(late_lead(1), late_lead(2, owner=QIAN), late_lead(3))))

    page.locator(".charts a[href='#owner-2']").click()

    assert page.locator(".lead:visible").count() == 1
    assert page.locator("#lead-2").is_visible()
    assert "只看「钱丽」，1 条" in page.locator("#owner-2").inner_text()

    page.locator("#owner-2 a").click()

    assert page.locator(".lead:visible").count() == 3


def test_a_tag_without_leads_says_so(phone: Visit) -> None:
    page = phone.open(report.daily(daily_snapshot(late_lead(1))))

    page.locator(".tags a").nth(1).click()

    assert page.locator(".lead:visible").count() == 0
    assert "没有线索属于「反复退回同一阶段」" in page.locator("#tag-2").inner_text()


def test_the_reasons_of_a_clock_open_at_a_tap(phone: Visit) -> None:
    page = phone.open(report.daily(daily_snapshot(late_lead(1))))
    reason = page.get_by_text("11-20（周五）11:40–12:00 计20分")
    folded = reason.is_visible()

    page.get_by_text("时限怎么算的").click()

    assert not folded
    assert reason.is_visible()


def test_paper_shows_all_leads_and_reasons_in_dark_ink_whatever_the_screen_showed(phone: Visit) -> None:
    phone.page.emulate_media(color_scheme="dark")
    page = phone.open(report.daily(daily_snapshot(late_lead(1), late_lead(2, owner=QIAN))), "#owner-2")

    page.emulate_media(media="print", color_scheme="dark")
    reasons = page.get_by_text("11-20（周五）11:40–12:00 计20分")

    assert page.locator(".lead:visible").count() == 2
    assert [reasons.nth(at).is_visible() for at in range(2)] == [True, True]
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".open:visible").count() == 0


@pytest.mark.parametrize(("scheme", "ground"), [("light", "rgb(243, 245, 242)"), ("dark", "rgb(16, 20, 18)")])
def test_the_page_follows_the_phone_into_the_dark(phone: Visit, scheme: Literal["light", "dark"], ground: str) -> None:
    phone.page.emulate_media(color_scheme=scheme)

    page = phone.open(report.notice("链接已过期", "链接 72 小时后失效。", "请打开最新一期日报。"))

    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ground


ASKED = {
    "title": "首次响应",
    "level": "第2级提醒",
    "is_open": True,
    "lines": [],
    "can_acknowledge": True,
    "can_snooze": True,
}


def test_the_buttons_of_an_alert_are_large_enough_for_a_thumb_and_stand_first(phone: Visit) -> None:
    page = phone.open(report.lead(lead_snapshot(alert=ASKED)))

    boxes = [button.bounding_box() for button in page.locator("button").all()]

    assert [button.inner_text() for button in page.locator("button").all()] == ["我已知晓，正在处理", "1小时后再提醒"]
    assert all(box is not None and box["height"] >= 44 and box["y"] < 300 for box in boxes)
    assert not overflows(page)


@pytest.mark.parametrize("name", ["我已知晓，正在处理", "1小时后再提醒"])
def test_a_button_sends_a_plain_form_to_its_own_address_without_a_script(phone: Visit, name: str) -> None:
    sent: list[tuple[str, str | None]] = []
    html = report.lead(lead_snapshot(alert=ASKED))
    address = "http://link.example/r/token"

    def answer(route: Route) -> None:
        if route.request.method == "POST":
            sent.append((route.request.url, route.request.post_data))
        route.fulfill(body=html, content_type="text/html; charset=utf-8")

    phone.page.route("http://link.example/**", answer)
    phone.page.goto(address)
    phone.page.get_by_role("button", name=name).click()

    assert sent == [(address, "action=acknowledge" if name.startswith("我") else "action=snooze")]
