import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from leadtrail.domain.company import BOTS, Channel
from leadtrail.domain.message import AlertWords, Line, alert, correction, cut, digest, harmless, unassigned
from leadtrail.services.pacing import limit_bytes

WORDS = AlertWords(
    alert_id="01KAR3NDEKTSV4RRFFQ69G5FAV",
    level=1,
    audience="owner",
    rule="首次响应",
    name="张三",
    phone="138****0001",
    owner="李四",
    stage="新线索",
    due="01-26(周一) 11:00",
    late_by="20分(工作时间)",
    budget="2个工作小时",
    explain=["01-26(周一) 09:00–11:00 计2小时"],
    estimated=False,
    link="http://127.0.0.1/r/token",
)


def test_a_message_says_who_what_by_how_much_why_and_where() -> None:
    text = alert(WORDS)

    for expected in (
        "首次响应已超时",
        "张三",
        "138****0001",
        "李四",
        "20分(工作时间)",
        "计2小时",
        "G5FAV",
        "](http://127",
    ):
        assert expected in text


def test_a_hostile_name_can_neither_mention_nor_link_nor_fake_a_line() -> None:
    shown = harmless("@all <@zhang>\n> [点我](http://evil)\u202e\u0007")

    assert not set(shown) & set("@<>[]()\n\u202e\u0007")


def test_a_name_of_1400_characters_is_cut_within_the_channels_bytes() -> None:
    text = alert(replace(WORDS, name="汉" * 1400))

    assert len(text.encode()) <= 4096
    assert text.endswith("提醒编号 9G5FAV")


def test_text_is_cut_on_a_character_border() -> None:
    assert cut("汉" * 2000, 100).encode().decode().endswith("…")
    assert len(cut("汉" * 2000, 100).encode()) <= 100


def test_a_number_or_an_address_in_a_name_is_shown_to_nobody() -> None:
    shown = harmless("客户13912345678 http://evil.example/a")

    assert "139****5678" in shown
    assert "13912345678" not in shown
    assert not set(shown) & set(":/.")


HOSTILE = {
    "everybody": "@all",
    "a mention": "<@zhangsan>",
    "a mention of Feishu": '<at id="all"></at>',
    "a link": "[点我](http://evil.example/a)",
    "new lines": "张三\n\n### 假标题\n> 负责人：王五",
    "bidi": "\u202e三张\u2066\u200f\ufeff",
    "markup": "**粗** `码` ~~删~~ ![图](x) <img src=x onerror=alert(1)>",
    "1,400 characters": "汉" * 1400,
    "1,400 astral characters": "𠮷" * 1400,
}
LINK = "https://leads.example/r/" + "a" * 43


def _alert(name: str, limit: int) -> str:
    words = replace(WORDS, name=name, owner=name, stage=name, rule=name, link=LINK)
    return alert(words, limit=limit, is_repeat=True)


def _unassigned(name: str, limit: int) -> str:
    return unassigned(
        alert_id=WORDS.alert_id, name=name, phone=WORDS.phone, source=name, link=LINK, limit=limit, is_repeat=True
    )


def _correction(name: str, limit: int) -> str:
    return correction(
        alert_ids=[WORDS.alert_id],
        name=name,
        phone=WORDS.phone,
        rule=name,
        said="已于 01-26(周一) 10:20 按时完成（记录补传）",
        link=LINK,
        limit=limit,
        is_repeat=True,
    )


def _digest(name: str, limit: int) -> str:
    line = Line(harmless(name), name, name, "超出20分(工作时间)", WORDS.alert_id, LINK)
    return digest([line] * 32, more=500, limit=limit, is_repeat=True)[0]


@pytest.mark.parametrize("bot", BOTS)
@pytest.mark.parametrize("made", [_alert, _unassigned, _correction, _digest], ids=lambda made: made.__name__[1:])
@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_name_does_nothing_in_any_message_of_any_bot(
    bot: str, made: Callable[[str, int], str], name: str
) -> None:
    limit = limit_bytes(Channel("one", bot, ("owner",), "one"))

    text = made(name, limit)

    others = re.sub(r"\((?:周[一二三四五六日]|工作时间)\)", "", text)
    others = re.sub(r'<font color="(?:warning|comment|info)">|</font>', "", others)
    others = re.sub(rf"\[(?:查看线索|#[0-9A-Z]{{6}})\]\({re.escape(LINK)}\)", "", others)
    assert not set(others) & set("@<[](){}`~!\\\u202e\u2066\u200f\ufeff")
    assert len(text.encode()) <= limit
    assert "9G5FAV" in text
    assert [line for line in text.splitlines() if line.startswith("### 假") or line.startswith("> 负责人：王五")] == []
    assert text.startswith("### <font")


def test_a_list_is_cut_on_a_whole_line_and_says_how_many_are_left() -> None:
    lines = [
        Line("首次响应已超时", f"客户{n}", "李四", "超出20分(工作时间)", f"01KAR3NDEKTSV4RRFF{n:08d}", LINK)
        for n in range(20)
    ]

    text, count = digest(lines, more=7, limit=2048)

    title, *shown, last = text.splitlines()
    assert 5 < count < 20
    assert title == f'### <font color="warning">线索提醒汇总：{count}条</font>'
    assert [line.endswith(f"({LINK})") for line in shown] == [True] * count
    assert last == f"另有{27 - count}条，见列表，稍后另行汇总"
    assert len(text.encode()) <= 2048


def test_a_list_that_holds_everything_says_nothing_of_others() -> None:
    line = Line("首次响应已超时", "张三", "李四", "超出20分(工作时间)", WORDS.alert_id, LINK)

    text, count = digest([line], more=0, limit=4096)

    assert (count, text.splitlines()[1]) == (
        1,
        f"> **首次响应已超时** 张三 · 负责人：李四 · 超出20分(工作时间) [#9G5FAV]({LINK})",
    )


def test_a_repeated_message_says_so_and_keeps_its_number() -> None:
    first, again = alert(WORDS), alert(WORDS, is_repeat=True)

    assert "（重发，如已收到请忽略）" in again
    assert "重发" not in first
    assert first.splitlines()[-1] == again.splitlines()[-1]


def test_a_correction_names_what_is_true_and_the_numbers_that_are_void() -> None:
    text = correction(
        alert_ids=["01KAR3NDEKTSV4RRFFQ69ABC123", WORDS.alert_id],
        name="张三",
        phone="138****0001",
        rule="首次响应",
        said="已于 01-26(周一) 10:20 按时完成（记录补传）",
        link=LINK,
    )

    assert "更正：首次响应" in text
    assert "已于 01-26(周一) 10:20 按时完成（记录补传），此前的提醒 #ABC123、#9G5FAV 作废" in text
