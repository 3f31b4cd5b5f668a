"""The lead's page on a phone: what it is, how its clocks stand and why, and everything that happened, in words.

The page is opened by a link and without signing in, so it shows what its chat already may: the number masked, and of
what people wrote only that they wrote something.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from leadtrail.domain.address import REFUSALS
from leadtrail.domain.clock import WARNING
from leadtrail.domain.company import Company
from leadtrail.domain.delivery import Contact
from leadtrail.domain.identity import veiled
from leadtrail.domain.instant import from_text
from leadtrail.domain.lead import Lead
from leadtrail.domain.policy import TITLES
from leadtrail.domain.touch import KIND_TITLES
from leadtrail.domain.trail import Event
from leadtrail.domain.transcript import REASONS
from leadtrail.services import acknowledging, chronicle, explaining, ledger
from leadtrail.services.acknowledging import Standing
from leadtrail.services.assigning import UNASSIGNED
from leadtrail.services.clock_words import clock_words
from leadtrail.services.explaining import AUDIENCES
from leadtrail.services.ledger import Entry
from leadtrail.services.ports import Alert, Configuration, Store, Telling

Json = dict[str, Any]
_EVENT_TITLES: Final = {
    "lead.received": "线索进入",
    "source.added": "再次来访",
    "merge.proposed": "疑似重复，待人工确认",
    "owner.assigned": "分配负责人",
    "touch.recorded": "跟进",
    "stage.changed": "阶段变更",
    "clock.started": "开始计时",
    "clock.warned": "即将超时",
    "clock.breached": "已超时",
    "clock.escalated": "升级提醒",
    "clock.met": "完成时限",
    "clock.cancelled": "取消计时",
    "clock.woken": "转为正常计时",
    "clock.paused": "暂停计时",
    "clock.resumed": "恢复计时",
    "clock.rebased": "重新计算时限",
    "alert.retracted": "撤回预警",
    "alert.acknowledged": "已知晓",
    "alert.snoozed": "稍后提醒",
    "owner.released": "退回公海",
    "touch.withdrawn": "撤回误录跟进",
    "contact.enriched": "补全客户资料",
    "contact.changed": "联系人有变动",
    "contact.corrected": "更正联系方式",
    "delivery.corrected": "重新解析后补正",
    "lead.merged": "合并了另一条线索",
    "lead.merged_into": "已并入另一条线索",
    "lead.split": "撤销合并",
    "recording.offered": "呼叫系统提供录音",
    "recording.refused": "录音未能获取",
    "recording.requested": "录音入库",
    "recording.failed": "录音无法转写",
    "transcript.ready": "录音已转写",
    "lead.closed": "线索关闭",
    "lead.reopened": "重新打开",
}
_DIRECTIONS: Final = {"in": "对方发起", "out": "我方发起"}
_CALL_DIRECTIONS: Final = {"in": "呼入", "out": "呼出"}
_OUTCOMES: Final = {"won": "赢单", "lost": "输单"}
_REASONS: Final[Mapping[str, str]] = {str(code): words for code, words in REASONS.items()}
_REFUSALS: Final[Mapping[str, str]] = {str(code): words for code, words in REFUSALS.items()}
_CHANGES: Final = {
    "edited": "企业微信资料有修改",
    "deleted": "销售删除了联系人",
    "removed_by_customer": "客户删除了销售",
    "transferred": "联系人已转接",
    "transfer_failed": "联系人转接失败",
}
_RELEASES: Final = {"pool": "长时间无人跟进", "leave": "负责人请假"}
_SYSTEM: Final = "系统"


def snapshot(lead: Lead, *, store: Store, config: Configuration, now: datetime, said: Telling | None = None) -> Json:
    """Return everything that the page of a lead says at ``now`` (aware UTC); times in the company's zone.

    ``said`` is the message whose link was opened: the page then asks whether it is known. Three queries of the lead's
    partition and one batch read for the contact.
    """
    company = config.company()
    contact = store.persons([lead.person_id]).get(lead.person_id)
    return describe(
        lead,
        events=store.trail(lead.lead_id),
        alerts=store.alerts(lead.lead_id),
        tellings=store.tellings(lead.lead_id),
        contact=contact.contact if contact else Contact(),
        company=company,
        config=config,
        now=now,
        said=said,
    )


def describe(
    lead: Lead,
    *,
    events: tuple[Event, ...],
    contact: Contact,
    company: Company,
    config: Configuration,
    now: datetime,
    alerts: tuple[Alert, ...] = (),
    tellings: tuple[Telling, ...] = (),
    said: Telling | None = None,
) -> Json:
    """Put a lead that was read into the shape of its page."""
    zone = ZoneInfo(company.zone)
    team = company.teams.get(lead.team)
    entries = ledger.of_lead(lead, events=events, alerts=alerts, tellings=tellings)
    titles = {entry.clock.rule: explaining.title(entry.clock, config=config) for entry in entries}
    return {
        "schema": 1,
        "kind": "lead",
        "id": lead.lead_id,
        "name": veiled(contact.name) or explaining.NAMELESS,
        "phone": explaining.shown_phone(contact),
        "stage": lead.stage,
        "owner": explaining.owner(lead.owner, company),
        "team": {"id": lead.team, "name": team.name if team else lead.team},
        "source": explaining.source_title(lead.source, company),
        "sources": [
            {"source": explaining.source_title(entry.source, company), "at": _local(entry.at, zone)}
            for entry in lead.sources
        ],
        "received_at": _local(lead.received_at, zone),
        "risk": list(lead.risk),
        "alert": _alert(acknowledging.standing(lead, said, events), entries, titles, company) if said else None,
        "clocks": [clock_words(entry, company=company, config=config) for entry in entries],
        "trail": [_event(event, company, zone, titles) for event in events],
        "as_of": _local(now, zone),
    }


def summary(event: Event, company: Company, titles: Mapping[str, str] = TITLES) -> str:
    """Return what an event says, in a few words; nothing that a person typed. ``titles`` are those of the rules."""
    facts = event.facts
    if event.kind in ("lead.received", "source.added"):
        return explaining.source_title(facts["source"], company)
    if event.kind == "owner.assigned":
        owner = explaining.owner(facts["owner"], company)
        return owner["name"] if owner else ""
    if event.kind == "touch.recorded":
        return _touch(event)
    if event.kind == "owner.released":
        return _RELEASES.get(facts["why"], "")
    if event.kind == "touch.withdrawn":
        return f"第 {facts['touch']} 条不再算数"
    if event.kind.startswith(("clock.", "alert.")):
        return "，".join(word for word in (_rule(event, titles), _of_clock(event, company)) if word)
    if event.kind == "stage.changed":
        return f"进入「{facts['to']}」"
    if event.kind == "lead.closed":
        return _OUTCOMES.get(facts["outcome"], str(facts["outcome"]))
    if event.kind == "contact.changed":
        return _CHANGES.get(facts["change"], str(facts["change"]))
    if event.kind == "recording.refused":
        return _REFUSALS.get(facts["reason"], "")
    if event.kind == "recording.failed":
        return _REASONS.get(facts["reason"], "")
    return ""


def _touch(event: Event) -> str:
    facts = event.facts
    direction = _CALL_DIRECTIONS if facts["touch"] == "call" else _DIRECTIONS
    words = [KIND_TITLES.get(facts["touch"], facts["touch"]), direction.get(facts["direction"], "")]
    if facts.get("talk_s") is not None:
        words.append(f"通话{facts['talk_s']}秒")
    words += ["自述"] if facts.get("self_reported") else []
    words += [] if facts["effective"] else ["不算有效触达"]
    words += ["有备注"] if event.text_hash else []
    return "，".join(word for word in words if word)


def _rule(event: Event, titles: Mapping[str, str]) -> str:
    rule: str = event.facts.get("rule", "")
    return "分配负责人" if rule == UNASSIGNED else titles.get(rule, rule)


def _of_clock(event: Event, company: Company) -> str:
    """Return what an event says of its clock beyond which one it is."""
    facts, zone = event.facts, ZoneInfo(company.zone)
    if event.kind == "clock.escalated":
        return f"通知{AUDIENCES.get(facts['to'], facts['to'])}"
    if event.kind == "clock.paused":
        return f"{chronicle.pause(facts['reason'])}，至 {_words(facts['until'], zone)}"
    if event.kind == "clock.rebased":
        return f"{chronicle.rebase(facts['why'])}，改为 {_words(facts['due_at'], zone)} 前完成"
    if event.kind == "clock.cancelled":
        return chronicle.CANCEL_REASONS.get(facts["why"], "")
    if event.kind == "alert.acknowledged":
        return explaining.who(facts["by"], company)
    if event.kind == "alert.snoozed":
        return f"{explaining.who(facts['by'], company)}，至 {_words(facts['until'], zone)}"
    return ""


def _words(text: str, zone: ZoneInfo) -> str:
    return explaining.local_words(from_text(text), zone)


def _alert(standing: Standing, entries: tuple[Entry, ...], titles: Mapping[str, str], company: Company) -> Json:
    """Return what the panel over the page says of the message whose link was opened, and which buttons it has."""
    said = standing.said
    found = [each for entry in entries for each in entry.said if _is_about(each.alert, said)]
    answers = [line for each in found for line in chronicle.answers(each, company)]
    if not standing.is_open:
        answers.append("这项提醒已经了结，不必再处理。")
    elif not standing.can_snooze and standing.snoozed_until is None:
        answers.append(f"这项提醒已推迟{acknowledging.MOST_SNOOZES}次，不能再推迟。")
    return {
        "title": "分配负责人" if said.rule == UNASSIGNED else titles.get(said.rule, said.rule),
        "level": "即将超时" if said.level == WARNING else f"第{said.level}级提醒",
        "is_open": standing.is_open,
        "lines": answers,
        "can_acknowledge": standing.can_acknowledge,
        "can_snooze": standing.can_snooze,
    }


def _is_about(alert: Alert, said: Telling) -> bool:
    return (alert.rule, alert.episode, alert.level) == (said.rule, said.episode, said.level)


def _event(event: Event, company: Company, zone: ZoneInfo, titles: Mapping[str, str]) -> Json:
    return {
        "seq": event.seq,
        "title": _EVENT_TITLES.get(event.kind, "其他记录"),
        "at": _local(event.occurred_at, zone),
        "recorded_at": _local(event.recorded_at, zone),
        "actor": _actor(event.actor, company),
        "summary": summary(event, company, titles),
    }


def _actor(actor: str, company: Company) -> str:
    """Return who did it: a person's name, where a machine's word came from, or the system."""
    kind, _, name = actor.partition(":")
    if kind == "source":
        return explaining.source_title(name, company)
    if kind == "channel":
        return explaining.who(actor, company)
    rep = company.reps.get(name or kind)
    return rep.name if rep else _SYSTEM


def _local(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat(timespec="seconds")
