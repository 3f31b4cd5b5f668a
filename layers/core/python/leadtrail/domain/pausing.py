"""Pauses: time that does not count, because somebody said why and until when (DESIGN section 5).

A pause holds up every clock of a lead that still owes an answer: a running one is due later, a late one is escalated
later. Nobody may pause without an end, nor for longer in all than the rule's policy allows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from leadtrail.domain import clock as clocks_of
from leadtrail.domain import schedule
from leadtrail.domain.clock import Clock
from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.instant import duration_words
from leadtrail.domain.lead import Lead
from leadtrail.domain.lifecycle import Pinned
from leadtrail.domain.policy import Rule
from leadtrail.domain.trail import Happening

REASONS = {
    "customer-asked": "客户要求稍后联系",
    "customer-away": "客户休假或出差",
    "waiting-for-customer": "等待客户内部流程",
    "waiting-for-us": "等待我方协作",
}
LEAVE = "leave"  # the owner is away; the policy's word, not a person's
SHORTEST = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for: until when (aware UTC), one of `REASONS`, and of which rules (none: all that can be)."""

    until: datetime
    reason: str
    rules: tuple[str, ...] = ()


def pause(lead: Lead, wish: Wish, *, now: datetime, actor: str, pinned: Pinned) -> tuple[Happening, ...]:
    """Return `clock.paused` for the clocks that a wish holds up, behind the breaches that came before it.

    Raises:
        InvalidInputError: names ``until``, ``reason`` or ``rules``, and the rule that it breaks.
    """
    if wish.reason not in REASONS:
        raise InvalidInputError("reason", f"只能是 {'、'.join(REASONS)} 之一", allowed=list(REASONS))
    if wish.until < now + SHORTEST:
        raise InvalidInputError("until", "必须写明结束时间，且至少在5分钟以后")
    rested = {clock.key: clocks_of.rest(clock, now) for clock in lead.clocks if clock.is_open}
    happenings: tuple[Happening, ...] = ()
    for clock in _asked([after for _, after in rested.values()], wish):
        timing = pinned(clock)
        rule = timing.policy.rule(clock.rule)
        if rule is None:
            continue
        if rule.pause_cap is None:
            if wish.rules:
                raise InvalidInputError("rules", f"「{rule.title}」不允许暂停")
            continue
        _check_cap(clock, rule, rule.pause_cap, wish, now)
        paused = schedule.pause(clock, rule, timing.calendar, at=now, until=wish.until, reason=wish.reason)
        before = (*rested[clock.key][0], *clocks_of.missed(clock, now))
        happenings += (*before, replace(paused, actor=actor))
    if not happenings:
        raise InvalidInputError("rules", "没有可以暂停的时限")
    return happenings


def _asked(clocks: Iterable[Clock], wish: Wish) -> list[Clock]:
    pausable = [clock for clock in clocks if clock.is_open and not clock.dormant and clock.paused_until is None]
    unknown = [name for name in wish.rules if name not in {clock.rule for clock in pausable}]
    if unknown:
        raise InvalidInputError("rules", f"{unknown[0]} 没有正在计时的时限，或已经暂停")
    return [clock for clock in pausable if not wish.rules or clock.rule in wish.rules]


def _check_cap(clock: Clock, rule: Rule, cap: timedelta, wish: Wish, now: datetime) -> None:
    spent = sum((until - since for since, until in clock.pauses), timedelta(0))
    if spent + (wish.until - now) > cap:
        left = max(cap - spent, timedelta(0))
        raise InvalidInputError(
            "until",
            f"「{rule.title}」累计最多暂停{duration_words(cap)}，还可暂停{duration_words(left)}",
            rule_name=rule.name,
            left_seconds=int(left.total_seconds()),
        )


def resume(lead: Lead, *, now: datetime, actor: str, pinned: Pinned) -> tuple[Happening, ...]:
    """Return `clock.resumed` for every clock that a pause holds up: it counts from now on.

    Raises:
        InvalidInputError: nothing is paused.
    """
    happenings: list[Happening] = []
    for clock in lead.clocks:
        is_resting = clock.is_open and clock.paused_until is not None and clock.paused_until > now
        timing = pinned(clock) if is_resting else None
        rule = timing.policy.rule(clock.rule) if timing else None
        if timing and rule:
            happenings.append(replace(schedule.resume(clock, rule, timing.calendar, at=now), actor=actor))
    if not happenings:
        raise InvalidInputError("lead", "没有暂停中的时限")
    return tuple(happenings)


def for_leave(clock: Clock, *, away: tuple[datetime, datetime], now: datetime, pinned: Pinned) -> Happening | None:
    """Return `clock.paused` for a clock whose owner is ``away`` (since, until), where its policy pauses for leave."""
    timing = pinned(clock)
    rule = timing.policy.rule(clock.rule)
    if rule is None or timing.policy.leave != "pause" or clock.paused_until is not None:
        return None
    since, until = away
    return schedule.pause(clock, rule, timing.calendar, at=now, since=since, until=until, reason=LEAVE)
