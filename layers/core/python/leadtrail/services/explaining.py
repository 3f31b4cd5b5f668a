"""Why a clock is due when it is, how late it is, whose lead it is: the one place where that is put into words.

Reports, the API and alerts say the same of a clock because all of them ask here. A clock is explained by the policy
version that it pinned when it started, however the policy reads today.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from leadtrail.domain import schedule
from leadtrail.domain.clock import Clock
from leadtrail.domain.company import Company
from leadtrail.domain.delivery import Contact
from leadtrail.domain.identity import masked
from leadtrail.domain.instant import duration_words
from leadtrail.domain.policy import TITLES, Rule
from leadtrail.domain.span import Span, merged, without
from leadtrail.domain.worktime import Counted, WorkCalendar
from leadtrail.services.ports import Configuration

AUDIENCES: Final = {"owner": "负责人", "manager": "主管", "director": "总监", "team": "团队群", "pool": "公海"}
LEVEL_TITLES: Final = {
    "owner": "已提醒负责人",
    "manager": "已升级至主管",
    "director": "已升级至总监",
    "team": "已提醒团队群",
    "pool": "已退回公海",
}
SEVERITIES: Final = {"owner": 1, "team": 1, "manager": 2, "director": 3, "pool": 2}  # of the pool the manager hears
STATE_TITLES: Final = {
    "running": "计时中",
    "paused": "已暂停",
    "met": "已按时完成",
    "breached": "已超时",
    "cancelled": "已取消",
}
PROVIDER_TITLES: Final = {"wecom": "企业微信", "typeform": "在线表单", "standard": "系统对接"}
BOT_TITLES: Final = {
    "wecom": "企业微信群",
    "wecom-app": "企业微信应用",
    "dingtalk": "钉钉群",
    "feishu": "飞书群",
    "mail": "邮件",
}
NAMELESS: Final = "未留名"
MOST_LINES: Final = 20  # of one explanation; a budget of many weeks shows how it began and how it ended
_SHOWN_AT_EACH_END: Final = 8
_WEEKDAYS: Final = "一二三四五六日"
_PAUSED: Final = "{since} 至 {until} 暂停，不计时"
_MOVED: Final = "前一次触达补录较晚，截止时间顺延至 {due}"
_KEPT: Final = "日历或制度后来有变动，这次计时仍以 {due} 为准"
_ESTIMATED: Final = "{years}年节假日安排尚未公布，按周历推算"


def explain(clock: Clock, *, config: Configuration) -> list[str]:
    """Return the counted time line by line: 「01-04(周日·调休上班) 09:00–11:00 计2小时」, in the calendar's zone.

    Pauses follow, whether or not they put the due time off: lateness leaves them out too.

    Raises:
        LookupError: the pinned policy version or its rule was never configured.
    """
    rule, calendar = _pinned(clock, config)
    counted = schedule.count(rule, calendar, clock.started_at, clock.pauses)
    if rule.measure == "natural":
        lines = [_natural(piece, calendar) for piece in _unpaused(clock, clock.started_at, counted.due_at)]
    else:
        lines = _shortened(calendar.describe(counted.segments), counted)
    lines += [_paused(pause, calendar) for pause in clock.pauses]
    if clock.due_at != counted.due_at:
        moved = _MOVED if clock.starts == "touch.first" and clock.due_at > counted.due_at else _KEPT
        lines.append(moved.format(due=local_words(clock.due_at, calendar.zone)))
    return lines


def overdue(clock: Clock, now: datetime, *, config: Configuration) -> timedelta:
    """Return how late the answer is at ``now``, or was when it came: working time, natural for natural rules.

    Pauses of the clock do not count.
    """
    rule, calendar = _pinned(clock, config)
    until = min(now, clock.met_at) if clock.met_at else now
    if rule.measure == "natural":
        return sum((end - begin for begin, end in _unpaused(clock, clock.due_at, until)), timedelta(0))
    return calendar.elapsed(clock.due_at, until, clock.pauses)


def overdue_words(clock: Clock, now: datetime, *, config: Configuration) -> str:
    """Return how late a clock is: 5小时20分(工作时间), or 1天3小时 for natural time."""
    rule, _ = _pinned(clock, config)
    span = overdue(clock, now, config=config)
    return duration_words(span) if rule.measure == "natural" else f"{_hours_words(span)}(工作时间)"


def budget_words(clock: Clock, *, config: Configuration) -> str:
    """Return what was promised: 2个工作小时，72小时，5个工作日."""
    rule, _ = _pinned(clock, config)
    return rule.budget_words


def title(clock: Clock, *, config: Configuration | None = None) -> str:
    """Return the rule's name as people read it: 首次响应; with ``config``, as the pinned policy names it."""
    return TITLES.get(clock.rule, clock.rule) if config is None else _pinned(clock, config)[0].title


def audience(clock: Clock) -> str | None:
    """Return whom the highest level recorded so far told (owner, manager, ...); None when nobody yet."""
    return next((step.to for step in clock.steps if step.level == clock.level), None)


def level_title(clock: Clock) -> str:
    """Return how far a late clock has been escalated: 已升级至主管."""
    return LEVEL_TITLES.get(audience(clock) or "", "已超时")


def severity(clock: Clock) -> int:
    """Return 1 to 3 for a clock of which the owner, the manager or the director has been told."""
    return max((SEVERITIES.get(step.to, 1) for step in clock.steps if step.level <= clock.level), default=1)


def state_title(clock: Clock) -> str:
    """Return a clock's state as people read it; a promise that was kept too late says both."""
    return "超时后完成" if clock.state == "breached" and clock.met_at else STATE_TITLES[clock.state]


def estimated_years(clock: Clock, *, config: Configuration) -> frozenset[int]:
    """Return the years whose holidays nobody had published when they were counted for this clock."""
    if clock.certainty != "estimated":
        return frozenset()
    rule, calendar = _pinned(clock, config)
    counted = schedule.count(rule, calendar, clock.started_at, clock.pauses)
    guessed = frozenset(segment.day.year for segment in counted.segments if segment.estimated)
    return guessed or frozenset({clock.due_at.astimezone(calendar.zone).year})


def estimated_words(clock: Clock, *, config: Configuration) -> str | None:
    """Return what a due time was guessed by, 2027年节假日安排尚未公布，按周历推算, or None where nothing was."""
    years = "、".join(str(year) for year in sorted(estimated_years(clock, config=config)))
    return _ESTIMATED.format(years=years) if years else None


def local_words(at: datetime, zone: ZoneInfo) -> str:
    """Return an instant as people write it in ``zone``: 01-04(周日) 09:00, with seconds only where there are any."""
    local = at.astimezone(zone)
    time = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    return f"{local:%m-%d}(周{_WEEKDAYS[local.weekday()]}) {time}"


def channel_title(channel_id: str, company: Company) -> str:
    """Return a channel as people know it: what its messages come by for a person's own, the name of a group's."""
    channel = company.channels.get(channel_id)
    if channel is None:
        return channel_id
    return channel.name or BOT_TITLES.get(channel.bot, channel_id)


def who(name: str, company: Company) -> str:
    """Return who did something: ``name`` is a rep's id, or ``channel:<id>`` for somebody of a group."""
    kind, _, channel_id = name.partition(":")
    if kind == "channel":
        return f"{channel_title(channel_id, company)}成员"
    rep = company.reps.get(name)
    return rep.name if rep else name


def source_title(source: str, company: Company) -> str:
    """Return where a lead came from as people read it; a source that nobody named so keeps its id."""
    known = company.sources.get(source)
    return PROVIDER_TITLES.get(known.provider, source) if known else source


def owner(rep_id: str | None, company: Company) -> dict[str, str] | None:
    """Return ``{"id", "name"}`` of an owner; somebody who is no longer configured keeps the id as a name."""
    if rep_id is None:
        return None
    rep = company.reps.get(rep_id)
    return {"id": rep_id, "name": rep.name if rep else rep_id}


def shown_phone(contact: Contact) -> str:
    """Return a person's first number, masked: 138****0001."""
    return masked(contact.phones[0]) if contact.phones else "未留电话"


def _pinned(clock: Clock, config: Configuration) -> tuple[Rule, WorkCalendar]:
    policy = config.policy(clock.policy, clock.policy_version)
    rule = policy.rule(clock.rule)
    if rule is None:
        raise LookupError(f"rule {clock.rule} of policy {policy.name} version {policy.version}")
    return rule, config.calendar(policy)


def _unpaused(clock: Clock, since: datetime, until: datetime) -> list[Span]:
    """Return the natural time between two instants piece by piece; nothing when ``until`` lies before ``since``."""
    return list(without((since, until), merged(clock.pauses)))


def _paused(pause: Span, calendar: WorkCalendar) -> str:
    since, until = (local_words(at, calendar.zone) for at in pause)
    return _PAUSED.format(since=since, until=until)


def _natural(piece: Span, calendar: WorkCalendar) -> str:
    since, until = piece
    begin, end = local_words(since, calendar.zone), local_words(until, calendar.zone)
    return f"自然时间 {begin} 至 {end} 计{_hours_words(until - since)}"


def _shortened(lines: list[str], counted: Counted) -> list[str]:
    if len(lines) <= MOST_LINES:
        return lines
    left_out = counted.segments[_SHOWN_AT_EACH_END:-_SHOWN_AT_EACH_END]
    spent = sum((segment.end - segment.start for segment in left_out), timedelta(0))
    middle = f"……中间{len(left_out)}段，共计{_hours_words(spent)}"
    return [*lines[:_SHOWN_AT_EACH_END], middle, *lines[-_SHOWN_AT_EACH_END:]]


def _hours_words(span: timedelta) -> str:
    """Return counted time in hours and minutes: a working day is no fixed number of hours, so no days are made."""
    if span < timedelta(hours=1):
        return duration_words(span)
    hours, rest = divmod(span, timedelta(hours=1))
    minutes = rest // timedelta(minutes=1)
    return f"{hours}小时{minutes}分" if minutes else f"{hours}小时"
