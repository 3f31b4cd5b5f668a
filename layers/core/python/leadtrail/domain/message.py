"""Messages for chat robots: Chinese markdown in which nothing that a stranger typed can act.

Every channel has its limit in bytes of UTF-8 (services/pacing.py); text is cut on a character border, a list on a
whole line.
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
LINE_NAME_LENGTH = 12  # of a name in a list
LEVEL_WORDS = {0: "即将超时", 1: "已超时"}
AUDIENCE_WORDS = {"manager": "已升级至主管", "director": "已升级至总监", "pool": "已超时，线索退回公海"}
UNASSIGNED_TITLE = "新线索无人可分配"
REPEATED = "（重发，如已收到请忽略）"
SHORT_ID = 6  # the last characters of an alert's id, which are the random ones


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


def short_id(alert_id: str) -> str:
    """Return what stands for an alert in its messages, the same in each copy."""
    return alert_id[-SHORT_ID:]


def headline(level: int, audience: str, rule: str) -> str:
    """Return what an alert says in a few words: 首次响应已超时, 首次响应已升级至主管."""
    said = LEVEL_WORDS[0] if level == 0 else AUDIENCE_WORDS.get(audience, LEVEL_WORDS[1])
    return f"{harmless(rule)}{said}"


def alert(words: AlertWords, *, limit: int = LIMIT_BYTES, is_repeat: bool = False) -> str:
    """Return an alert as markdown: who, what is late, by how much, why, and where to look."""
    colour = "comment" if words.level == 0 else "warning"
    lines = [
        f'### <font color="{colour}">{headline(words.level, words.audience, words.rule)}</font>',
        *([REPEATED] if is_repeat else []),
        f"**{harmless(words.name)}** {words.phone}",
        f"> 负责人：{harmless(words.owner)} 阶段：{harmless(words.stage)}",
        f"> 时限：{words.budget}，应于 {words.due} 前完成",
    ]
    if words.late_by:
        lines.append(f"> 已超出：{words.late_by}")
    lines += [f"> 计时：{line}" for line in words.explain]
    if words.estimated:
        lines.append("> 注：该年度节假日安排尚未公布，按周历推算")
    return _with_link(lines, words.link, words.alert_id, limit)


def unassigned(
    *,
    alert_id: str,
    name: str,
    phone: str,
    source: str,
    link: str,
    limit: int = LIMIT_BYTES,
    is_repeat: bool = False,
) -> str:
    """Return the word to a manager that nobody could get a new lead."""
    lines = [
        f'### <font color="warning">{UNASSIGNED_TITLE}</font>',
        *([REPEATED] if is_repeat else []),
        f"**{harmless(name)}** {phone}",
        f"> 来源：{harmless(source)}",
        "> 组内没有可接单的销售（请假、已满或未启用），首响时限照常计时，请尽快指派",
    ]
    return _with_link(lines, link, alert_id, limit)


def correction(
    *,
    alert_ids: Sequence[str],
    name: str,
    phone: str,
    rule: str,
    said: str,
    link: str,
    limit: int = LIMIT_BYTES,
    is_repeat: bool = False,
) -> str:
    """Return the word that what had been said was wrong; ``said`` is what is true: 已于 01-04(周日) 10:20 按时完成."""
    numbers = "、".join(f"#{short_id(one)}" for one in alert_ids)
    lines = [
        f'### <font color="info">更正：{harmless(rule)}</font>',
        *([REPEATED] if is_repeat else []),
        f"**{harmless(name)}** {phone}",
        f"> {said}，此前的提醒 {numbers} 作废",
    ]
    return _with_link(lines, link, alert_ids[-1], limit)


@dataclass(frozen=True, slots=True)
class Line:
    """One alert in a list: what, whose, how late; ``alert_id`` and ``link`` as in its own message."""

    what: str
    name: str
    owner: str
    late: str
    alert_id: str
    link: str

    def text(self) -> str:
        """Return the line as markdown."""
        parts = [harmless(self.name, LINE_NAME_LENGTH), f"负责人：{harmless(self.owner, LINE_NAME_LENGTH)}", self.late]
        shown = " · ".join(part for part in parts if part)
        return f"> **{self.what}** {shown} [#{short_id(self.alert_id)}]({self.link})"


def digest_title(count: int) -> str:
    """Return the title of a list of that many alerts."""
    return f"线索提醒汇总：{count}条"


def digest(lines: Sequence[Line], *, more: int, limit: int, is_repeat: bool = False) -> tuple[str, int]:
    """Return several alerts as one message, and how many of ``lines`` its bytes hold: whole lines, at least one.

    ``more`` are those that wait for the next message anyway. The count in the title is of what stands below it.
    """
    for count in range(len(lines), 0, -1):
        left_out = more + len(lines) - count
        shown = [
            f'### <font color="warning">{digest_title(count)}</font>',
            *([REPEATED] if is_repeat else []),
            *(line.text() for line in lines[:count]),
            *([f"另有{left_out}条，见列表，稍后另行汇总"] if left_out else []),
        ]
        text = "\n".join(shown)
        if count == 1 or len(text.encode()) <= limit:
            return text, count
    raise ValueError("a digest needs at least one line")


def _with_link(lines: Sequence[str], link: str, alert_id: str, limit: int) -> str:
    """Return a message whose last line, with the link, is whole whatever has to be cut before it."""
    tail = f"\n[查看线索]({link}) 提醒编号 {short_id(alert_id)}"
    return cut("\n".join(lines), limit - len(tail.encode())) + tail


def report(*, team: str, day: str, tags: Sequence[tuple[str, int]], link: str) -> str:
    """Return the push of a daily report as markdown."""
    counts = "\n".join(f"> {tag}：**{number}**" for tag, number in tags)
    return f"### 《高危线索预警日报》{day}\n**{harmless(team)}**\n{counts}\n\n[打开日报]({link})（72小时内有效）"
