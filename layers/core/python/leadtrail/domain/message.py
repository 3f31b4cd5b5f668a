"""Messages for chat robots: Chinese markdown in which nothing that a stranger typed can act.

Limits by bytes (CONTRACTS section 2: WeCom markdown 4,096 bytes of UTF-8); cut on a character border.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from leadtrail.domain.identity import veiled

LIMIT_BYTES = 4096
MASK = "\0\0\0\0"  # stands for the four asterisks of a masked number while others lose their force
NAME_LENGTH = 40
# What markdown, mentions and links are made of becomes its full-width twin, which looks alike and does nothing.
_ACTIVE = {ord(letter): ord(letter) + 0xFEE0 for letter in "<>[](){}@*_#`~\\!|&:/."}
LEVEL_WORDS = {0: "即将超时", 1: "已超时"}
AUDIENCE_WORDS = {"manager": "已升级至主管", "director": "已升级至总监"}


@dataclass(frozen=True, slots=True)
class AlertWords:
    """What an alert says; the texts are for people, in Chinese."""

    alert_id: str
    level: int
    audience: str
    rule: str
    name: str
    phone: str
    owner: str
    stage: str
    due: str
    late_by: str
    budget: str
    explain: Sequence[str]
    estimated: bool
    link: str


def harmless(text: str, length: int = NAME_LENGTH) -> str:
    """Return text without control, bidi or invisible characters, in which markdown and mentions are full-width."""
    visible = "".join(
        " " if letter.isspace() else letter
        for letter in unicodedata.normalize("NFC", text)
        if letter.isspace() or unicodedata.category(letter)[0] != "C"
    )
    plain = veiled(" ".join(visible.split())).replace("****", MASK).translate(_ACTIVE).replace(MASK, "****")
    return plain if len(plain) <= length else plain[: length - 1] + "…"


def cut(text: str, limit: int = LIMIT_BYTES) -> str:
    """Return text of at most ``limit`` bytes of UTF-8, cut on a character border."""
    raw = text.encode()
    return text if len(raw) <= limit else raw[: limit - 3].decode(errors="ignore") + "…"


def alert(words: AlertWords) -> str:
    """Return an alert as markdown: who, what is late, by how much, why, and where to look."""
    colour = "comment" if words.level == 0 else "warning"
    title = AUDIENCE_WORDS.get(words.audience, LEVEL_WORDS[min(words.level, 1)])
    lines = [
        f'### <font color="{colour}">{words.rule}{title}</font>',
        f"**{harmless(words.name)}** {words.phone}",
        f"> 负责人：{harmless(words.owner)} 阶段：{harmless(words.stage)}",
        f"> 时限：{words.budget}，应于 {words.due} 前完成",
    ]
    if words.late_by:
        lines.append(f"> 已超出：{words.late_by}")
    lines += [f"> 计时：{line}" for line in words.explain]
    if words.estimated:
        lines.append("> 注：该年度节假日安排尚未公布，按周历推算")
    tail = f"\n[查看线索]({words.link}) 提醒编号 {words.alert_id[-6:]}"
    return cut("\n".join(lines), LIMIT_BYTES - len(tail.encode())) + tail


def unassigned(*, alert_id: str, name: str, phone: str, source: str, link: str) -> str:
    """Return the word to a manager that nobody could get a new lead."""
    lines = [
        '### <font color="warning">新线索无人可分配</font>',
        f"**{harmless(name)}** {phone}",
        f"> 来源：{harmless(source)}",
        "> 组内没有可接单的销售（请假、已满或未启用），首响时限照常计时，请尽快指派",
    ]
    return "\n".join(lines) + f"\n\n[查看线索]({link}) 提醒编号 {alert_id[-6:]}"


def report(*, team: str, day: str, tags: Sequence[tuple[str, int]], link: str) -> str:
    """Return the push of a daily report as markdown."""
    counts = "\n".join(f"> {tag}：**{number}**" for tag, number in tags)
    return f"### 《高危线索预警日报》{day}\n**{harmless(team)}**\n{counts}\n\n[打开日报]({link})（72小时内有效）"
