"""Policies: the company's time limits as versioned data, pinned to each clock when it starts.

Here is which policy a lead follows; `rule` says what a promise is, `policy_input` reads and checks the wire shape
(docs/policies.md), `policy_schema` describes it. Distances of levels count from the breach: in business time when
given in hours, in working days when given in days (DESIGN section 5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from leadtrail.domain import policy_input
from leadtrail.domain.policy_input import DEFAULT, USUAL_ORDER
from leadtrail.domain.rule import AUDIENCES, TITLES, Distance, Level, Rule

__all__ = ["AUDIENCES", "DEFAULT", "TITLES", "Distance", "Level", "Policy", "Rule", "choose", "parse"]


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of one policy; ``active_from`` is aware UTC, ``body`` the wire shape as it was sent.

    ``when`` are conditions that all have to hold, ``order`` is its turn to be tried, the lowest first. ``leave`` says
    what becomes of clocks while their owner is away: pause, reassign, or nothing (None).
    """

    name: str
    version: int
    active_from: datetime
    calendar: Mapping[str, Any]
    rules: tuple[Rule, ...]
    when: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    order: int = USUAL_ORDER
    leave: str | None = None

    def rule(self, name: str) -> Rule | None:
        """Return the rule of that name, if this version has it."""
        return next((rule for rule in self.rules if rule.name == name), None)

    def fits(self, *, source: str, team: str, amount_fen: int | None, tags: Sequence[str]) -> bool:
        """Tell whether every condition holds; an amount that nobody knows lies in no range."""
        said: dict[str, Sequence[str]] = {"source": (source,), "team": (team,), "tag": tags}
        return all(
            _within(wanted, amount_fen) if key == "amount" else not _words(wanted).isdisjoint(said[key])
            for key, wanted in self.when.items()
        )


def _words(wanted: str | Sequence[str]) -> set[str]:
    return {wanted} if isinstance(wanted, str) else set(wanted)


def _within(wanted: Mapping[str, int], amount_fen: int | None) -> bool:
    if amount_fen is None:
        return False
    return wanted.get("min", 0) <= amount_fen <= wanted.get("max", amount_fen)


def choose(
    policies: Iterable[Policy], *, source: str, team: str, amount_fen: int | None = None, tags: Sequence[str] = ()
) -> Policy:
    """Return the first policy (by order, then name) whose conditions all hold.

    Where none does: the newest without conditions, else the default.

    Raises:
        LookupError: there is no default policy.
    """
    in_turn = sorted(policies, key=lambda policy: (policy.order, policy.name))
    for policy in in_turn:
        if policy.when and policy.fits(source=source, team=team, amount_fen=amount_fen, tags=tags):
            return policy
    for_all = [policy for policy in in_turn if not policy.when and policy.name != DEFAULT]
    if for_all:
        return max(for_all, key=lambda policy: policy.active_from)
    for policy in in_turn:
        if policy.name == DEFAULT:
            return policy
    raise LookupError("there is no default policy")


def parse(name: str, version: int, active_from: datetime, body: Mapping[str, Any]) -> Policy:
    """Read and check the wire shape.

    Raises:
        PolicyInvalidError: names the field (``rules[0].budget``) and the rule that it breaks.
    """
    reading = policy_input.read(name, body)
    return Policy(
        name=name,
        version=version,
        active_from=active_from,
        calendar=reading.calendar,
        rules=reading.rules,
        when=reading.when,
        body=dict(body),
        order=reading.order,
        leave=reading.leave,
    )
