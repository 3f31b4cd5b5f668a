"""The slow truth about a lead's clocks, walking quarter hours: facts in, states out. Shares no code with the product.

Instants lie on quarter hours; office hours are 09:00-12:00 and 13:30-18:00 in Shanghai, on weekdays that are not off.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone

QUARTER, HOUR, DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)
SHANGHAI, NEVER = timezone(8 * HOUR), datetime.max.replace(tzinfo=timezone(8 * HOUR))


def works(day: date, off: frozenset[date]) -> bool:
    return day.weekday() < 5 and day not in off


def opens(at: datetime, off: frozenset[date]) -> bool:
    local = at.astimezone(SHANGHAI)
    minute = local.hour * 60 + local.minute
    return works(local.date(), off) and (540 <= minute < 720 or 810 <= minute < 1080)


def walk(at: datetime, span: timedelta, counts: Callable[[datetime], bool]) -> datetime:
    while span:
        span -= QUARTER * counts(at)
        at += QUARTER
    return at


@dataclass
class Clock:
    rule: str
    start: datetime
    off: frozenset[date]
    granted: datetime | None = None  # from when on there is an hour of grace
    pauses: list[tuple[datetime, datetime]] = field(default_factory=list)
    met: datetime | None = None
    ended: datetime | None = None

    def rests(self, at: datetime) -> bool:
        return any(since <= at < until for since, until in self.pauses)

    def business(self, at: datetime, span: timedelta) -> datetime:
        return walk(at, span, lambda t: opens(t, self.off) and not self.rests(t))

    def due(self) -> datetime:
        if self.rule == "first_response":
            return self.business(self.start, 2 * HOUR)
        if self.rule == "no_progress":
            return self.days_after(self.start, 5)
        natural = walk(self.start, 72 * HOUR, lambda t: not self.rests(t))
        return max(natural, self.business(self.granted, HOUR)) if self.granted else natural

    def days_after(self, at: datetime, days: int) -> datetime:
        while not (opens(at, self.off) or opens(at - QUARTER, self.off)):
            at += QUARTER
        due, lost = at, timedelta(0)
        while days:
            due += DAY
            days -= works(due.astimezone(SHANGHAI).date(), self.off)
        while at < due:
            lost += QUARTER * (opens(at, self.off) and self.rests(at))
            at += QUARTER
        return self.business(due, lost)

    def level(self, now: datetime) -> int:
        return sum(at <= now for due in [self.due()] for at in (due, self.business(due, HOUR), self.days_after(due, 1)))

    def state(self, now: datetime) -> str:
        if self.met:
            return "met" if self.met <= self.due() else "breached"
        if self.ended:
            return "cancelled"
        return "breached" if self.due() <= now else "paused" if self.rests(now) else "running"


class Reference:
    def __init__(self, at: datetime, off: frozenset[date]) -> None:
        self.first, self.first_typed, self.closed = NEVER, False, at
        self.clocks = [Clock("first_response", at, off), Clock("no_progress", at, off)]

    def owed(self) -> Iterable[Clock]:
        return [clock for clock in self.clocks if not clock.met and not clock.ended]

    def touch(self, at: datetime, now: datetime, off: frozenset[date], *, typed: bool) -> None:
        for clock in (c for c in self.clocks if c.rule != "no_progress" and (not c.ended or at <= c.due() <= c.ended)):
            answers = [at] if clock.rule == "first_response" or at > clock.start else []
            if clock.rule == "second_touch" and at < self.first and not self.first_typed and not clock.ended:
                answers.append(self.first)
            clock.met = min([*answers, clock.met] if clock.met else answers, default=None)
        if self.first == NEVER:
            self.clocks.append(Clock("second_touch", NEVER, off))
        for clock in (each for each in self.clocks if each.rule == "second_touch" and not each.ended):
            is_asked = at < min(self.first, clock.start) and clock.off is off
            if is_asked and (clock.met or clock.start == NEVER or clock.due() > now):
                clock.start, clock.granted = at, None
                clock.granted = now if clock.due() <= now else None
        if at < self.first:
            self.first, self.first_typed = at, typed
