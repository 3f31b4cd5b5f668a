"""Builders of the snapshots that pages are made of; Monday 2026-11-23 08:30 in Shanghai, unless told otherwise."""

from typing import Any

Json = dict[str, Any]

HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>'
TAGS = ("超时未响应", "反复退回同一阶段", "连续3次跳过SOP项")
ZHAO = {"id": "rep-zhao", "name": "赵强"}
QIAN = {"id": "rep-qian", "name": "钱丽"}


def late_clock(**changes: Any) -> Json:
    """A first response that was due on Friday afternoon."""
    return {
        "rule": "first_response",
        "title": "首次响应",
        "due_at": "2026-11-20T15:10:00+08:00",
        "breached_at": "2026-11-20T15:10:00+08:00",
        "overdue": "2小时50分（工作时间）",
        "level": 2,
        "level_title": "已升级至主管",
        "budget": "2个工作小时",
        "certainty": "published",
        "explain": ["11-20（周五）11:40–12:00 计20分", "11-20（周五）13:30–15:10 计1小时40分"],
        "told": [
            "负责人 赵强 11-20(周五) 15:10（企业微信应用，已读 15:21）",
            "主管 王芳 11-20(周五) 16:10（企业微信应用，未读）",
        ],
    } | changes


def late_lead(number: int = 1, **changes: Any) -> Json:
    """A lead that nobody has answered."""
    return {
        "id": f"01K{number:023d}",
        "name": f"客户{number}",
        "phone": f"138****{number:04d}",
        "owner": ZHAO,
        "stage": "需求确认",
        "source": "官网表单",
        "received_at": "2026-11-20T11:40:00+08:00",
        "tags": [TAGS[0]],
        "severity": 2,
        "clocks": [late_clock()],
        "url": f"https://leads.example.com/leads/{number}",
    } | changes


def daily_snapshot(*leads: Json, **changes: Any) -> Json:
    """The daily report of one team over ``leads``; its figures are counted from them."""
    owners = {lead["owner"]["id"] if lead["owner"] else "": lead["owner"] for lead in leads}
    labels = {3: "总监级", 2: "主管级", 1: "负责人级"}
    return {
        "schema": 2,
        "kind": "daily",
        "id": "01KAQ5R7J8M2N4P6Q8S0T2V4W6",
        "version": 1,
        "company": "示例公司",
        "team": {"id": "huadong", "name": "华东一组"},
        "day": "2026-11-23",
        "as_of": "2026-11-23T08:30:00+08:00",
        "timezone": "Asia/Shanghai",
        "public_base_url": "https://leads.example.com",
        "tags": {tag: sum(tag in lead["tags"] for lead in leads) for tag in TAGS},
        "open_leads": 42,
        "at_risk": len(leads),
        "paused": 0,
        "notes": [],
        "corrections": [],
        "leads": list(leads),
        "by_owner": [
            {"owner": owner, "count": sum(lead["owner"] == owner for lead in leads)} for owner in owners.values()
        ],
        "by_overdue": [{"label": "1小时内", "count": 0}, {"label": "1小时至1个工作日", "count": len(leads)}],
        "by_severity": [
            {"severity": level, "label": label, "count": sum(lead["severity"] == level for lead in leads)}
            for level, label in labels.items()
        ],
        "anchor": "3fa9c1d2",
    } | changes


def event(seq: int, at: str, **changes: Any) -> Json:
    """One line of a trail, learned when it happened."""
    return {
        "seq": seq,
        "title": f"事件{seq}",
        "at": at,
        "recorded_at": at,
        "actor": "系统",
        "summary": "",
    } | changes


def lead_snapshot(**changes: Any) -> Json:
    """One lead with a broken promise, a kept one, and a trail of three events."""
    times: Json = {"started_at": "2026-11-20T11:40:00+08:00", "met_at": None, "breached_at": None}
    breached = times | {"state": "breached", "state_title": "已超时", "breached_at": "2026-11-20T15:10:00+08:00"}
    running = times | {"state": "running", "state_title": "计时中"}
    first, second = late_clock(), late_clock(rule="second_touch", title="二次触达", budget="72小时", explain=[])
    for clock in (first, second):
        for field in ("overdue", "level", "level_title", "told"):
            del clock[field]
        clock |= {"paused_until": None, "estimated": None, "next": None, "correction": None, "rebased": []}
        clock |= {"pauses": [], "levels": [], "history": [], "policy": {"name": "default", "version": 1}}
    return {
        "schema": 1,
        "kind": "lead",
        "id": "01KAQ5R7J8M2N4P6Q8S0T2V4W6",
        "name": "王磊",
        "phone": "138****0001",
        "stage": "需求确认",
        "owner": ZHAO,
        "team": {"id": "huadong", "name": "华东一组"},
        "source": "官网表单",
        "sources": [{"source": "官网表单", "at": "2026-11-20T11:40:00+08:00"}],
        "received_at": "2026-11-20T11:40:00+08:00",
        "risk": [TAGS[0]],
        "alert": None,
        "clocks": [first | breached, second | running],
        "trail": [
            event(1, "2026-11-20T11:40:00+08:00", title="线索进入", summary="官网表单"),
            event(2, "2026-11-20T15:10:00+08:00", title="首次响应超时", summary="已提醒赵强"),
            event(
                3,
                "2026-11-20T14:02:00+08:00",
                title="电话未接通",
                actor="赵强",
                recorded_at="2026-11-20T18:05:00+08:00",
            ),
        ],
        "as_of": "2026-11-23T08:30:00+08:00",
    } | changes
