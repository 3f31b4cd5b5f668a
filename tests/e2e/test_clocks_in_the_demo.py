"""Clocks as the demo shows them: each kind of lead with its page, a digest and no storm, the buttons of a message."""

import re
from typing import Any

import pytest

from console.demo_scenes import FAIR
from tests.e2e.conftest import Client, eventually

# title, number, what stands on its page
SCENES = [
    ("即将超时", "13300133012", ("计时中", "到期前提醒负责人", "赵六")),
    ("已超时", "18900189011", ("已超时", "第1级", "计2小时")),
    ("已升级至总监", "13500135007", ("已超时", "升级至总监", "陈总")),
    ("更正", "15100151013", ("已更正", "已按时完成", "撤回预警")),
    ("暂停中", "15200152014", ("已暂停", "不计时", "客户要求稍后联系")),
    ("重新打开", "15300153015", ("重新打开", "线索关闭期间", "计时中")),
]


def lead_of(client: Client, phone: str) -> dict[str, Any]:
    [lead] = client.call("sunli", "GET", "/leads", params={"q": phone}).json()["items"]
    return dict(lead)


@pytest.mark.parametrize(("title", "phone", "words"), SCENES, ids=[scene[1] for scene in SCENES])
def test_each_kind_of_lead_is_there_and_its_page_explains_it_in_chinese(
    client: Client, title: str, phone: str, words: tuple[str, ...]
) -> None:
    lead = lead_of(client, phone)

    link = client.call("sunli", "GET", f"/leads/{lead['id']}/page").json()["link"]
    page = client.http.get(link, timeout=30)

    assert page.status_code == 200
    assert [word for word in words if word not in page.text] == [], title
    assert "<script" not in page.text
    assert client.call("sunli", "GET", f"/leads/{lead['id']}/verify").json()["fold_matches"] is True


def test_the_inbox_shows_the_fair_as_a_list_and_no_storm(client: Client) -> None:
    def heard() -> list[dict[str, Any]]:
        said = [each for each in client.inbox() if "展会名单响应" in each["text"]]
        return said if _count(said) == len(FAIR) else []

    said = eventually(heard)

    assert any("线索提醒汇总" in each["text"] for each in said)
    assert len(said) <= 4  # one; a sweep that came while the list was still being written makes it a few
    minutes = [each["at"][:16] for each in client.inbox() if each["channel"] == said[0]["channel"]]
    assert max(minutes.count(minute) for minute in minutes) <= 20


def _count(said: list[dict[str, Any]]) -> int:
    return sum(len(re.findall("展会名单响应", each["text"])) for each in said)


def test_what_was_told_too_soon_is_taken_back_in_the_same_chat(client: Client) -> None:
    said = eventually(lambda: [each for each in client.inbox() if "更正：" in each["text"]])

    before = [each for each in client.inbox() if "韩松" in each["text"] and "更正：" not in each["text"]]
    assert {each["audience"] for each in said if "韩松" in each["text"]} == {each["audience"] for each in before}


def test_whoever_opens_a_message_and_presses_the_button_stands_in_the_ledger(client: Client) -> None:
    [message] = eventually(
        lambda: [each for each in client.inbox() if "沈清" in each["text"] and each["bot"] == "wecom-app"]
    )
    [link] = re.findall(r"\]\((\S+/r/[\w-]+)\)", message["text"])

    shown = client.http.get(link, timeout=30, headers={"user-agent": "Mozilla/5.0 (iPhone) MicroMessenger"})
    pressed = client.http.post(link, data={"action": "acknowledge"}, timeout=30, allow_redirects=False)
    again = client.http.post(link, data={"action": "acknowledge"}, timeout=30, allow_redirects=False)

    assert "我已知晓" in shown.text
    assert (pressed.status_code, again.status_code) == (303, 303)
    lead = lead_of(client, "18900189011")
    clocks = client.call("sunli", "GET", f"/leads/{lead['id']}/clocks").json()["items"]
    [alert] = [each for clock in clocks for each in clock["alerts"] if each["level"] == 1]
    assert alert["acknowledged"]["by"]
    assert alert["told"][0]["seen_at"]
    trail = client.call("sunli", "GET", f"/leads/{lead['id']}/trail", params={"limit": "100"}).json()["items"]
    assert [each["kind"] for each in trail].count("alert.acknowledged") == 1
