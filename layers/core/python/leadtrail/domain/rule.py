"""Rules: one promise each, as values. `policy` holds them, `policy_input` reads them, `policy_schema` describes them.

What a rule may say stands here once, for those three: the events that start and meet it, its measures, its audiences,
and how a span is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from leadtrail.domain import instant
from leadtrail.domain.touch import KINDS

STARTS = ("lead.received", "touch.first", "touch.every", "stage.entered", "owner.assigned", "lead.reopened")
MEETS = ("touch", "stage", *(f"touch:{kind}" for kind in KINDS))
STAGE_STARTS, STAGE_MEETS = "stage.entered:", "stage:"  # a stage's name follows
MEASURES = ("business", "natural", "working_days")
POOL = "pool"
AUDIENCES = ("owner", "manager", "director", "team", POOL)
LONGEST = timedelta(days=365)  # every budget and distance is shorter
MOST_WORKING_DAYS = 260
MOST_LEVELS = 5
LONGEST_PAUSE_DAYS = 366
PAUSE_CAP = timedelta(days=14)
NAME = "[a-z][a-z0-9_]{0,39}"
TITLE = r"[^\s<>\[\](){}@*_#`~\\!|&:/.](?:[^\n\r\t<>\[\](){}@*_#`~\\!|&:/.]{0,18}[^\s<>\[\](){}@*_#`~\\!|&:/.])?"
STAGE = r"\S(?:.{0,62}\S)?"
DAYS = "P[0-9]{1,3}D"
TIME = "PT(?=[0-9])(?:[0-9]{1,6}H)?(?:[0-9]{1,7}M)?(?:[0-9]{1,9}S)?"
TITLES = {"first_response": "首次响应", "second_touch": "二次触达", "no_progress": "阶段推进"}


@dataclass(frozen=True, slots=True)
class Distance:
    """A span from one instant on: whole working days, or business time; exactly one is not zero, or both are."""

    days: int = 0
    time: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Level:
    """Who is told, how long after the breach; with ``any_hour`` outside working time too.

    The level ``pool`` gives the lead back, for the rules of its team to choose somebody else.
    """

    after: Distance
    to: str
    any_hour: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One promise: what starts it, what meets it, how long it may take, who is told when it breaks.

    ``budget`` is business or natural time; where ``measure`` is working_days, ``days`` counts instead.
    ``pause_cap`` is the longest pause in natural time, None where nobody may pause it.
    """

    name: str
    starts: str
    meets: tuple[str, ...]
    measure: str
    budget: timedelta
    days: int
    warn_at: float | None
    levels: tuple[Level, ...]
    own_title: str | None = None
    pause_cap: timedelta | None = PAUSE_CAP

    @property
    def title(self) -> str:
        """The rule's name as people read it."""
        return self.own_title or TITLES.get(self.name, self.name)

    @property
    def budget_words(self) -> str:
        """The budget in Chinese: 2个工作小时，72小时，5个工作日."""
        if self.measure == "working_days":
            return f"{self.days}个工作日"
        hours, rest = divmod(round(self.budget.total_seconds()), 3600)
        business = self.measure == "business"
        if rest:
            return ("工作时间" if business else "") + instant.duration_words(self.budget)
        return f"{hours}个工作小时" if business else f"{hours}小时"

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that the rule names, in what starts it and in what meets it."""
        named = [self.starts.removeprefix(STAGE_STARTS)] if self.starts.startswith(STAGE_STARTS) else []
        return (*named, *(what.removeprefix(STAGE_MEETS) for what in self.meets if what.startswith(STAGE_MEETS)))
