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
from leadtrail.domain.clock import Clock
from leadtrail.domain.company import Company
from leadtrail.domain.delivery import Contact
from leadtrail.domain.lead import Lead
from leadtrail.domain.policy import TITLES
from leadtrail.domain.touch import KIND_TITLES
from leadtrail.domain.trail import Event
from leadtrail.domain.transcript import REASONS
from leadtrail.services import explaining
from leadtrail.services.ports import Configuration, Store

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
    "clock.woken": "恢复计时",
    "alert.retracted": "撤回预警",
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
_AUDIENCES: Final = {"owner": "负责人", "manager": "主管", "director": "总监"}
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
_SYSTEM: Final = "系统"


def snapshot(lead: Lead, *, store: Store, config: Configuration, now: datetime) -> Json:
    """Return everything that the page of a lead says at ``now`` (aware UTC); times in the company's zone."""
    company = config.company()
    contact = store.persons([lead.person_id]).get(lead.person_id)
    return describe(
        lead,
        events=store.trail(lead.lead_id),
        contact=contact.contact if contact else Contact(),
        company=company,
        config=config,
        now=now,
    )


def describe(
    lead: Lead,
    *,
    events: tuple[Event, ...],
    contact: Contact,
    company: Company,
    config: Configuration,
    now: datetime,
) -> Json:
    """Put a lead that was read into the shape of its page."""
    zone = ZoneInfo(company.zone)
    team = company.teams.get(lead.team)
    return {
        "schema": 1,
        "kind": "lead",
        "id": lead.lead_id,
        "name": contact.name or explaining.NAMELESS,
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
        "clocks": [_clock(clock, zone, config) for clock in lead.clocks],
        "trail": [_event(event, company, zone) for event in events],
        "as_of": _local(now, zone),
    }


def summary(event: Event, company: Company) -> str:
    """Return what an event says, in a few words; nothing that a person typed."""
    facts = event.facts
    if event.kind in ("lead.received", "source.added"):
        return explaining.source_title(facts["source"], company)
    if event.kind == "owner.assigned":
        owner = explaining.owner(facts["owner"], company)
        return owner["name"] if owner else ""
    if event.kind == "touch.recorded":
        return _touch(event)
    if event.kind == "clock.escalated":
        return f"{_rule(event)}，通知{_AUDIENCES.get(facts['to'], facts['to'])}"
    if event.kind.startswith("clock.") or event.kind == "alert.retracted":
        return _rule(event)
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


def _rule(event: Event) -> str:
    rule: str = event.facts.get("rule", "")
    return TITLES.get(rule, rule)


def _event(event: Event, company: Company, zone: ZoneInfo) -> Json:
    return {
        "seq": event.seq,
        "title": _EVENT_TITLES.get(event.kind, "其他记录"),
        "at": _local(event.occurred_at, zone),
        "recorded_at": _local(event.recorded_at, zone),
        "actor": _actor(event.actor, company),
        "summary": summary(event, company),
    }


def _actor(actor: str, company: Company) -> str:
    """Return who did it: a person's name, where a machine's word came from, or the system."""
    kind, _, name = actor.partition(":")
    if kind == "source":
        return explaining.source_title(name, company)
    rep = company.reps.get(name or kind)
    return rep.name if rep else _SYSTEM


def _clock(clock: Clock, zone: ZoneInfo, config: Configuration) -> Json:
    return {
        "rule": clock.rule,
        "title": explaining.title(clock),
        "state": clock.state,
        "state_title": explaining.state_title(clock),
        "due_at": _local(clock.due_at, zone),
        "started_at": _local(clock.started_at, zone),
        "met_at": _local(clock.met_at, zone) if clock.met_at else None,
        "breached_at": _local(clock.breached_at, zone) if clock.breached_at else None,
        "budget": explaining.budget_words(clock, config=config),
        "certainty": clock.certainty,
        "explain": explaining.explain(clock, config=config),
    }


def _local(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat(timespec="seconds")
