"""Who gets a lead: a team's rules as data, and the choice that they come to.

Pure: the caller tells the turn, who has how many leads, and who is at work. The rotation's turn is a number that only
grows. It is laid over those who can be chosen now, and not over everybody: if the turn of whoever is away fell to the
next in line, that one would get twice the share.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from math import gcd
from typing import Generic, Literal, Protocol, TypeVar

from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.span import Span

ROUND_ROBIN, WEIGHTED = "round_robin", "weighted"
FIELDS = ("mode", "weights", "cap", "hours", "sticky", "rules")
CONDITIONS = (("source",), ("field", "in"), ("contains", "field"))
HEAVIEST, LARGEST_CAP, MOST_RULES, MOST_WORDS = 100, 10_000, 50, 500

By = Literal["sticky", "rule", "rotation", "weight", "nobody"]
Why = Literal["away", "full", "off-hours"]


class Member(Protocol):
    """What a choice needs to know of a rep: the id, and when they are away (aware UTC, the end excluded)."""

    @property
    def id(self) -> str:
        """The rep's id."""

    @property
    def away(self) -> tuple[Span, ...]:
        """When they are on leave."""


M = TypeVar("M", bound=Member)


@dataclass(frozen=True, slots=True)
class Rule:
    """Whom leads of some sources, or with some answer in ``field``, go to: one of the three conditions is set."""

    to: tuple[str, ...]
    sources: tuple[str, ...] = ()
    field: str = ""
    among: tuple[str, ...] = ()
    contains: str = ""

    def applies(self, source: str, fields: Mapping[str, str]) -> bool:
        """Tell whether a delivery fits; full-width letters, capitals and outer spaces make no difference."""
        if self.sources:
            return source in self.sources
        said = _plain(fields.get(self.field, ""))
        return _plain(self.contains) in said if self.contains else said in map(_plain, self.among)


@dataclass(frozen=True, slots=True)
class Assignment:
    """How a team shares its leads; as it stands, a plain rotation in which a known customer keeps their rep.

    ``weights`` are shares (1 for whoever is not named), ``cap`` is the most open leads of one rep, ``hours`` passes
    over reps who are not at work while somebody else is, and the first of ``rules`` that applies narrows the choice.
    """

    mode: str = ROUND_ROBIN
    weights: Mapping[str, int] = field(default_factory=dict)
    cap: int | None = None
    hours: bool = False
    sticky: bool = True
    rules: tuple[Rule, ...] = ()

    @property
    def reads_fields(self) -> bool:
        """True where what a form says decides, so that the caller has to know it."""
        return any(rule.field for rule in self.rules)

    def rule_for(self, source: str, fields: Mapping[str, str]) -> Rule | None:
        """Return the first rule that applies."""
        return next((rule for rule in self.rules if rule.applies(source, fields)), None)

    def rotation_name(self, team: str, source: str, fields: Mapping[str, str]) -> str:
        """Return the rotation whose turn decides: the team's, or the one of the rule that applies.

        Each rule counts its own turns. With one counter for all, leads of a rule that come at every other turn would
        always meet the same rep, and the team's other leads would too.
        """
        rule = self.rule_for(source, fields)
        return team if rule is None else f"{team}/{self.rules.index(rule) + 1}"


@dataclass(frozen=True, slots=True)
class Choice(Generic[M]):
    """Who gets the lead, by what, whether that used up the turn, and who was passed over and why."""

    rep: M | None
    by: By
    took_turn: bool = False
    passed: tuple[tuple[str, Why], ...] = ()


def choose(
    assignment: Assignment,
    members: Sequence[M],
    *,
    turn: int,
    load: Mapping[str, int],
    source: str,
    fields: Mapping[str, str],
    previous: str | None,
    is_working: Callable[[M], bool],
    now: datetime,
) -> Choice[M]:
    """Return who gets a lead at ``now`` (aware UTC).

    ``members`` are the team's active reps in order, ``load`` their open leads (needed with a cap only), ``previous``
    the rep who had this customer, ``turn`` the count of `Assignment.rotation_name`. A known customer goes back to
    their rep unless that one is away. A rule of which nobody is free gives way to the whole team; when everybody who
    is free is out of hours, hours do not count, so that the lead waits for the morning with an owner.
    """
    unfit: dict[str, Why] = {rep.id: why for rep in members if (why := _unfit(rep, assignment, load, now))}
    known = previous if assignment.sticky else None
    keeper = next((rep for rep in members if rep.id == known), None)
    if keeper is not None and unfit.get(keeper.id) != "away":
        return Choice(keeper, "sticky")
    rule = assignment.rule_for(source, fields)
    named = [rep for rep in members if rule and rep.id in rule.to]
    narrowed = any(rep.id not in unfit for rep in named)
    asked = {rep.id for rep in (named if narrowed else members)} | {known}
    free = [rep for rep in members if rep.id in asked and rep.id not in unfit]
    ready = [rep for rep in free if is_working(rep)] if assignment.hours else free
    ready = ready or free
    resting: dict[str, Why] = {rep.id: "off-hours" for rep in free if rep not in ready}
    passed = tuple((rep.id, why) for rep in members if rep.id in asked and (why := (unfit | resting).get(rep.id)))
    if not ready:
        return Choice(None, "nobody", passed=passed)
    by: By = "rule" if narrowed else "weight" if assignment.mode == WEIGHTED else "rotation"
    return Choice(_in_turn(ready, assignment, turn), by, took_turn=len(ready) > 1, passed=passed)


def _unfit(rep: Member, assignment: Assignment, load: Mapping[str, int], now: datetime) -> Why | None:
    if any(since <= now < until for since, until in rep.away):
        return "away"
    return "full" if assignment.cap is not None and load.get(rep.id, 0) >= assignment.cap else None


def _in_turn(ready: Sequence[M], assignment: Assignment, turn: int) -> M:
    shares = assignment.weights if assignment.mode == WEIGHTED else {}
    order = _interleaved(tuple(shares.get(rep.id, 1) for rep in ready))
    return ready[order[turn % len(order)]]


@lru_cache(maxsize=256)
def _interleaved(weights: tuple[int, ...]) -> tuple[int, ...]:
    """Return whose turn it is, round by round, each as often as its weight and as evenly as can be: 3, 1 is A A B A.

    The k-th of w turns of one stands at (2k + 1) / 2w of the round (Sainte-Laguë's order); the first wins a tie.
    """
    common = gcd(*weights)
    shares = [weight // common for weight in weights]
    places = [((2 * k + 1) / (2 * share), index) for index, share in enumerate(shares) for k in range(share)]
    return tuple(index for _, index in sorted(places))


def parse(body: object, place: str) -> Assignment:
    """Read and check a team's rules as they are configured.

    Raises:
        InvalidInputError: names the place below ``place``, such as ``team.huadong.assignment.weights.rep-li``.
    """
    known = _table(body, place, FIELDS)
    mode = known.get("mode", ROUND_ROBIN)
    if mode not in (ROUND_ROBIN, WEIGHTED):
        raise InvalidInputError(f"{place}.mode", f"只能是 {ROUND_ROBIN} 或 {WEIGHTED}")
    shares = _table(known.get("weights", {}), f"{place}.weights")
    weights = {rep: _whole(share, f"{place}.weights.{rep}", HEAVIEST) for rep, share in shares.items()}
    if mode == WEIGHTED and not weights:
        raise InvalidInputError(f"{place}.weights", "按权重分配时需要写明各人的权重")
    cap = known.get("cap")
    rules = known.get("rules", [])
    if not isinstance(rules, list) or len(rules) > MOST_RULES:
        raise InvalidInputError(f"{place}.rules", f"需要一个列表，最多 {MOST_RULES} 条规则")
    return Assignment(
        mode=str(mode),
        weights=weights,
        cap=None if cap is None else _whole(cap, f"{place}.cap", LARGEST_CAP),
        hours=_yes_or_no(known.get("hours", False), f"{place}.hours"),
        sticky=_yes_or_no(known.get("sticky", True), f"{place}.sticky"),
        rules=tuple(_rule(rule, f"{place}.rules[{index}]") for index, rule in enumerate(rules)),
    )


def _rule(body: object, place: str) -> Rule:
    known = _table(body, place, ("when", "to"))
    to = _words(known.get("to"), f"{place}.to")
    at = f"{place}.when"
    when = _table(known.get("when"), at, ("source", "field", "in", "contains"))
    if tuple(sorted(when)) not in CONDITIONS:
        raise InvalidInputError(at, "条件需写作 source，或 field 加 in，或 field 加 contains")
    if "source" in when:
        return Rule(to, sources=_words(when["source"], f"{at}.source"))
    name = _word(when["field"], f"{at}.field")
    if "in" in when:
        return Rule(to, field=name, among=_words(when["in"], f"{at}.in"))
    return Rule(to, field=name, contains=_word(when["contains"], f"{at}.contains"))


def _table(value: object, place: str, allowed: Sequence[str] | None = None) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise InvalidInputError(place, "需要一张表")
    for key in value:
        if not isinstance(key, str) or (allowed is not None and key not in allowed):
            raise InvalidInputError(f"{place}.{key}", "没有这个字段")
    return dict(value)


def _whole(value: object, place: str, largest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= largest:
        raise InvalidInputError(place, f"需要 1 到 {largest} 的整数")
    return value


def _yes_or_no(value: object, place: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidInputError(place, "只能是 true 或 false")
    return value


def _words(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_WORDS:
        raise InvalidInputError(place, f"需要一个列表，1 到 {MOST_WORDS} 项")
    return tuple(_word(each, f"{place}[{index}]") for index, each in enumerate(value))


def _word(value: object, place: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(place, "需要一段文字")
    return value


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()
