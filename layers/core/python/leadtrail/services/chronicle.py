"""The ledger in words: what became of a clock line by line, what comes next, who was told and whether they saw it.

Times are in the company's zone, as its people read them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from leadtrail.domain import clock as clocks_of
from leadtrail.domain import pausing
from leadtrail.domain.clock import Clock
from leadtrail.domain.company import Company
from leadtrail.domain.instant import from_text
from leadtrail.domain.trail import Event
from leadtrail.services.explaining import AUDIENCES, BOT_TITLES, channel_title, local_words, who
from leadtrail.services.ledger import Entry, Said
from leadtrail.services.ports import Telling

PAUSE_REASONS: Final[Mapping[str, str]] = {
    **pausing.REASONS,
    pausing.LEAVE: "负责人请假",
    "merged": "合并到另一条线索期间",
    "closed": "线索关闭期间",
}
REBASE_REASONS: Final[Mapping[str, str]] = {
    "calendar": "节假日安排公布",
    "policy": "时限规则调整",
    "owner": "更换负责人",
    "leave": "负责人请假安排变动",
}
CANCEL_REASONS: Final[Mapping[str, str]] = {
    "won": "赢单",
    "lost": "输单",
    "merged": "并入另一条线索",
    "superseded": "已由新的时限接替",
    "recounted": "按新公布的日历并未超时",
    "withdrawn": "开始计时的跟进已撤回",
}
_BY: Final[Mapping[str, str]] = {"touch": "跟进", "stage": "阶段推进", "calendar": "节假日安排公布"}
_STATES: Final[Mapping[str, str]] = {"unconfirmed": "未确认送达", "moot": "未发送，届时已不必提醒"}
CORRECTED: Final = "corrected"  # the state of a message that takes an alert back
_LEARNED_LATE: Final = 60  # seconds between "it happened" and "we learned of it" that people are told of


def history(entry: Entry, company: Company) -> tuple[str, ...]:
    """Return what happened to a clock, in the order in which it did: 「01-26(周一) 11:00 超时」."""
    zone = ZoneInfo(company.zone)
    lines = [
        (event.occurred_at, f"{local_words(event.occurred_at, zone)} {words}{_learned(event, zone)}")
        for event in entry.events
        if (words := _event(event, company, zone))
    ]
    lines += [
        (telling.at, f"{local_words(telling.at, zone)} {_telling(telling)}{told(telling, company, with_time=False)}")
        for said in entry.said
        for telling in said.told
        if telling.state != "moot"
    ]
    return tuple(line for _, line in sorted(lines, key=lambda pair: pair[0]))


def next_step(clock: Clock, company: Company) -> str | None:
    """Return what this clock waits for: 「01-26(周一) 12:00 升级至主管」; None where nobody owes an answer."""
    if not clock.is_open or clock.dormant:
        return None
    zone = ZoneInfo(company.zone)
    wakes_at = clock.wakes_at
    if wakes_at is None:
        return "提醒已到最高一级，等待跟进"
    at = local_words(wakes_at, zone)
    if clock.paused_until:
        return f"{at} 恢复计时"
    if clock.state == "running":
        to = AUDIENCES.get(clock.steps[0].to, clock.steps[0].to)
        return f"{at} 提前提醒{to}" if wakes_at < clock.due_at else f"{at} 到期，仍未完成则提醒{to}"
    step = next(step for step in clock.steps if step.level > clock.level)
    return f"{at} {_escalating(step.to)}"


def correction(entry: Entry, company: Company) -> tuple[str, str] | None:
    """Return what had been said of a breach that was none, and what is true instead."""
    if entry.corrected_at is None or entry.breach_withdrawn is None:
        return None
    zone = ZoneInfo(company.zone)
    was = f"{local_words(entry.breach_withdrawn, zone)} 超时"
    learned = local_words(entry.corrected_at, zone)
    met_at = entry.clock.met_at
    if met_at is None:
        return was, f"重新计算后并未超时，{learned} 更正，预警已撤回"
    return was, f"实际已于 {local_words(met_at, zone)} 完成，{learned} 得知，预警已撤回"


def pause(reason: str) -> str:
    """Return why time did not count, as people read it; what nobody has a word for stays as it is."""
    return PAUSE_REASONS.get(reason, reason)


def rebase(why: str) -> str:
    """Return why a due time was counted again."""
    return REBASE_REASONS.get(why, why)


def told(telling: Telling, company: Company, *, with_time: bool = True) -> str:
    """Return one line of the ledger: 「李雷 01-26(周一) 11:00（企业微信应用，已读）」."""
    zone = ZoneInfo(company.zone)
    time = f" {local_words(telling.at, zone)}" if with_time else ""
    notes = [way(telling, company)] if telling.to else []
    notes += ["更正通知"] if telling.state == CORRECTED and with_time else []
    notes += ["与其他提醒合并发送"] if telling.digest else []
    notes += [seen(telling, zone)]
    return f"{recipient(telling, company)}{time}（{'，'.join(notes)}）"


def told_as(clock: Clock, telling: Telling, company: Company) -> str:
    """Return one line of the ledger behind whom its level was for: 「主管 王芳 01-26(周一) 12:00（邮件，未读）」."""
    to = next((step.to for step in clock.steps if step.level == max(telling.level, 1)), "")
    return f"{AUDIENCES.get(to, to)} {told(telling, company)}"


def recipient(telling: Telling, company: Company) -> str:
    """Return who was told: a person by name, a group by the name of its channel."""
    return who(telling.to, company) if telling.to else channel_title(telling.channel, company)


def way(telling: Telling, company: Company) -> str:
    """Return by what a person was told: 企业微信应用, 邮件."""
    channel = company.channels.get(telling.channel)
    return BOT_TITLES.get(channel.bot, telling.channel) if channel else telling.channel


def seen(telling: Telling, zone: ZoneInfo) -> str:
    """Return whether a message was seen: 未读, 已读 11:05, or why nobody could."""
    if telling.seen_at is None:
        return _STATES.get(telling.state, "未读")
    local = telling.seen_at.astimezone(zone)
    is_same_day = local.date() == telling.at.astimezone(zone).date()
    return f"已读 {local:%H:%M}" if is_same_day else f"已读 {local_words(telling.seen_at, zone)}"


def answers(said: Said, company: Company) -> tuple[str, ...]:
    """Return what people answered to an alert: that they know, that they want to hear of it later."""
    zone = ZoneInfo(company.zone)
    lines = []
    if said.acknowledged:
        pressed = said.acknowledged
        lines.append(f"{who(pressed.by, company)} {local_words(pressed.at, zone)} 表示已知晓，正在处理")
    if said.snoozed_until:
        lines.append(f"已选择稍后提醒，{local_words(said.snoozed_until, zone)} 再次提醒")
    return tuple(lines)


def _telling(telling: Telling) -> str:
    return "已更正告知" if telling.state == CORRECTED else "已告知"


def _escalating(to: str) -> str:
    if to == "pool":
        return "退回公海"
    return f"提醒{AUDIENCES[to]}" if to in ("owner", "team") else f"升级至{AUDIENCES.get(to, to)}"


def _learned(event: Event, zone: ZoneInfo) -> str:
    """Return when we learned of an answer that came in late; what the watch notices late is no news."""
    is_late = (event.recorded_at - event.occurred_at).total_seconds() >= _LEARNED_LATE
    return f"（{local_words(event.recorded_at, zone)} 得知）" if is_late and event.kind == "clock.met" else ""


def _event(event: Event, company: Company, zone: ZoneInfo) -> str:
    words = _WORDS.get(event.kind)
    return words(event, company, zone) if words else ""


def _at(event: Event, name: str, zone: ZoneInfo) -> str:
    return local_words(from_text(event.facts[name]), zone)


def _started(event: Event, _: Company, zone: ZoneInfo) -> str:
    return f"开始计时，应在 {_at(event, 'due_at', zone)} 前完成"


def _escalated(event: Event, _: Company, __: ZoneInfo) -> str:
    return f"第{event.facts['level']}级：{_escalating(event.facts['to'])}"


def _met(event: Event, _: Company, __: ZoneInfo) -> str:
    return f"以{_BY.get(event.facts['by'], '跟进')}完成"


def _cancelled(event: Event, _: Company, __: ZoneInfo) -> str:
    why = CANCEL_REASONS.get(event.facts["why"], "")
    return f"取消计时（{why}）" if why else "取消计时"


def _paused(event: Event, _: Company, zone: ZoneInfo) -> str:
    return f"暂停计时至 {_at(event, 'until', zone)}（{pause(event.facts['reason'])}）"


def _resumed(event: Event, _: Company, zone: ZoneInfo) -> str:
    return f"恢复计时，应在 {_at(event, 'due_at', zone)} 前完成" if "due_at" in event.facts else "恢复计时"


def _rebased(event: Event, _: Company, zone: ZoneInfo) -> str:
    why = rebase(event.facts["why"])
    return f"因{why}重新计算，应完成时间由 {_at(event, 'due_before', zone)} 改为 {_at(event, 'due_at', zone)}"


def _retracted(event: Event, _: Company, __: ZoneInfo) -> str:
    return f"更正：因{_BY.get(event.facts['answered_by'], '新的情况')}撤回超时预警"


def _acknowledged(event: Event, company: Company, _: ZoneInfo) -> str:
    return f"{who(event.facts['by'], company)}表示已知晓，正在处理"


def _snoozed(event: Event, company: Company, zone: ZoneInfo) -> str:
    return f"{who(event.facts['by'], company)}选择稍后提醒，{_at(event, 'until', zone)} 再次提醒"


_WORDS: Final[Mapping[str, Callable[[Event, Company, ZoneInfo], str]]] = {
    "clock.started": _started,
    "clock.warned": lambda *_: "即将超时",
    "clock.breached": lambda *_: "超时",
    "clock.escalated": _escalated,
    "clock.met": _met,
    "clock.cancelled": _cancelled,
    "clock.woken": lambda *_: "转为正常计时",
    "clock.paused": _paused,
    "clock.resumed": _resumed,
    "clock.rebased": _rebased,
    "alert.retracted": _retracted,
    "alert.acknowledged": _acknowledged,
    "alert.snoozed": _snoozed,
}


def level_title(level: int, to: str) -> str:
    """Return a level as people read it: 到期前提醒负责人, 第2级：升级至主管."""
    if level == clocks_of.WARNING:
        return f"到期前提醒{AUDIENCES.get(to, to)}"
    return f"第{level}级：{_escalating(to)}"


def instants(clock: Clock) -> Mapping[int, datetime]:
    """Return when each level of a clock is reached, the warning among them."""
    warning = {clocks_of.WARNING: clock.warn_at} if clock.warn_at else {}
    return warning | {step.level: step.at for step in clock.steps}
