"""`leadtrail calendar check`: which years are published, when an unpublished one begins to matter, how a year counts.

Running clocks keep the policy version that they started under; what stands here is of the newest versions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

from rich.console import Console

from leadtrail.adapters import calendars
from leadtrail.adapters.store import TableStore
from leadtrail.domain import instant, schedule
from leadtrail.domain.policy import Policy
from leadtrail.domain.worktime import WorkCalendar
from leadtrail.runtime.wiring import World

AHEAD = timedelta(days=60)
ADVICE = (
    "国务院公布后，请更新依赖 chinesecalendar 并重新部署；"
    "等不及时，可在规则的日历里用 off、on 写明日期，并把该年列入 published"
)
_DAY = timedelta(days=1)
_WEEKDAYS = "一二三四五六日"


@dataclass(frozen=True, slots=True)
class Kept:
    """One calendar and the policies, newest versions, that count by it."""

    policies: tuple[Policy, ...]
    calendar: WorkCalendar

    @property
    def names(self) -> str:
        """The policies' names, as they are listed."""
        return "、".join(policy.name for policy in self.policies)

    def knows(self, year: int) -> bool:
        """Tell whether no day of the year is a guess."""
        return self.calendar.published is None or year in self.calendar.published


@dataclass(frozen=True, slots=True)
class Year:
    """The days of a year that differ from their weekday: weekdays off, days worked in exchange, hours of their own."""

    rest: tuple[date, ...]
    makeup: tuple[date, ...]
    special: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class Guessed:
    """How many clocks, of how many leads, have a due time that an unpublished year may still move."""

    clocks: int
    leads: int


def run(world: World, *, year: int | None = None, console: Console | None = None) -> int:
    """Print how every calendar stands; return 1 when a year that is needed within 60 days is not published, else 0.

    ``year`` is the year whose days are listed, the current one of each calendar's zone by default.
    """
    screen = console or Console()
    now = world.now()
    every = kept(world.config.current().policies.values())
    for one in every:
        _show(one, year or _today(one, now).year, now, screen)
    guessed = estimated_clocks(world.store)
    _print(screen, f"现在按周历推算的时钟：{guessed.clocks:,} 个（{guessed.leads:,} 条线索）")
    missing = [(one, wanted) for one in every for wanted in needed(one, now) if not one.knows(wanted)]
    for one, wanted in missing:
        until = _today(one, now) + AHEAD
        _print(
            screen,
            f"{wanted} 年的节假日与调休尚未公布，而 60 天内（到 {until}）就要用到（规则 {one.names}）。{ADVICE}。",
            style="red",
        )
    if not missing:
        _print(screen, "60 天内要用到的年份都已公布", style="green")
    return 1 if missing else 0


def kept(policies: Iterable[Policy]) -> tuple[Kept, ...]:
    """Return the calendars of these policies; those that count by equal calendars stand together, all by name."""
    together: dict[int, tuple[WorkCalendar, list[Policy]]] = {}
    for policy in sorted(policies, key=lambda policy: policy.name):
        calendar = calendars.resolve(policy.calendar)  # equal contents give the same object
        together.setdefault(id(calendar), (calendar, []))[1].append(policy)
    return tuple(Kept(tuple(found), calendar) for calendar, found in together.values())


def needed(one: Kept, now: datetime) -> tuple[int, ...]:
    """Return the years that the next 60 days of the calendar's zone lie in."""
    today = _today(one, now)
    return tuple(range(today.year, (today + AHEAD).year + 1))


def guessed_from(one: Kept, year: int) -> date | None:
    """Return the first day of the year before on which a clock starts that counts into ``year`` and is a guess.

    None where no day of the year is a guess, or only clocks count that take no notice of days.
    """
    first: date | None = None
    day = date(year - 1, 12, 31)
    while day.year == year - 1 and _is_guess(one, day):
        first, day = day, day - _DAY
    return first


def days_of(calendar: WorkCalendar, year: int) -> Year:
    """Return the days of a year that the system counts otherwise than their weekday says."""
    rest: list[date] = []
    makeup: list[date] = []
    special: list[date] = []
    for ordinal in range(date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal() + 1):
        day = date.fromordinal(ordinal)
        kind = calendar.hours.kind(day)
        if not calendar.is_workday(day):
            rest += [day] if calendar.weekly[day.weekday()] else []
        elif kind != "workday":
            (makeup if kind == "makeup" else special).append(day)
    return Year(tuple(rest), tuple(makeup), tuple(special))


def estimated_clocks(store: TableStore) -> Guessed:
    """Count the open clocks whose due time is a guess, by their own index: a batch for each hundred of them."""
    clocks = leads = 0
    for lead_ids in store.estimated():
        for lead in store.leads(lead_ids).values():
            found = [c for c in lead.clocks if c.is_open and not c.dormant and c.certainty == "estimated"]
            clocks += len(found)
            leads += bool(found)
    return Guessed(clocks, leads)


def _is_guess(one: Kept, day: date) -> bool:
    """Tell whether a clock of any rule that starts in the last second of the day is a guess."""
    at = datetime.combine(day + _DAY, datetime.min.time(), one.calendar.zone).astimezone(UTC) - timedelta(seconds=1)
    rules = (rule for policy in one.policies for rule in policy.rules)
    return any(schedule.count(rule, one.calendar, at).certainty == "estimated" for rule in rules)


def _show(one: Kept, year: int, now: datetime, screen: Console) -> None:
    _print(screen, f"规则 {one.names}（{one.calendar.zone.key}）", style="bold")
    published = one.calendar.published
    if published is None:
        _print(screen, "  不看法定节假日：只有星期，与日历里写明的日期")
    else:
        _print(screen, f"  已公布：{_ranges(published)}")
        _show_next(one, _today(one, now).year + 1, screen)
    guess = "" if one.knows(year) else "，按周历推算"
    days = days_of(one.calendar, year)
    for title, found in (("休息的工作日", days.rest), ("调休上班", days.makeup), ("另有工时", days.special)):
        said = [_words(one.calendar, day, with_hours=found is not days.rest) for day in found]
        _print(screen, f"  {year} 年{title}（{len(said)} 天{guess}）：{'、'.join(said) or '无'}")


def _show_next(one: Kept, following: int, screen: Console) -> None:
    if one.knows(following):
        _print(screen, f"  {following} 年：已公布")
        return
    _print(screen, f"  {following} 年：尚未公布（国务院通常在 11 月公布下一年的安排）", style="yellow")
    since = guessed_from(one, following)
    if since is not None:
        _print(screen, f"  从 {since}（周{_WEEKDAYS[since.weekday()]}）起开始的时钟会数到 {following} 年，按周历推算")


def _words(calendar: WorkCalendar, day: date, *, with_hours: bool) -> str:
    hours = f"，{instant.duration_words(_worked(calendar, day))}" if with_hours else ""
    return f"{day:%m-%d}（周{_WEEKDAYS[day.weekday()]}{hours}）"


def _worked(calendar: WorkCalendar, day: date) -> timedelta:
    """Return the working time of the segments that begin on this day, a night shift's whole."""
    midnight = datetime.combine(day, datetime.min.time(), calendar.zone)
    segments = calendar.segments(midnight.astimezone(UTC), midnight.astimezone(UTC) + 3 * _DAY)
    return sum((each.end - each.start for each in segments if each.day == day), timedelta(0))


def _today(one: Kept, now: datetime) -> date:
    return now.astimezone(one.calendar.zone).date()


def _ranges(years: Iterable[int]) -> str:
    return "、".join(_range(found) for found in _runs(years)) or "无"


def _runs(years: Iterable[int]) -> Iterator[list[int]]:
    for _, run in groupby(enumerate(sorted(years)), key=lambda numbered: numbered[1] - numbered[0]):
        yield [year for _, year in run]


def _range(run: list[int]) -> str:
    return f"{run[0]} 年" if len(run) == 1 else f"{run[0]}–{run[-1]} 年"


def _print(screen: Console, text: str, style: str | None = None) -> None:
    screen.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
