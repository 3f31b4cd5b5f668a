"""Handing over: the open leads of somebody who leaves, and those that found nobody free, go to others.

Each goes once and in a transaction of its own. A walk can be stopped and run again: what has been moved is no longer
listed where it was. Clocks run on, and from the next alert on the new owner is told. New leads no longer come to
somebody once the configuration says that they have left; those that came while we walked are found by walking again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain

from leadtrail.domain.company import Company
from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.lead import Lead
from leadtrail.services.ports import Configuration, Now, Store
from leadtrail.services.sharing import Leaver, Turn, Waiting, takes_leads

__all__ = ["HandedOver", "Turn", "assign_every_waiting", "assign_waiting", "check", "hand_over"]
SYSTEM = "system:assignment"
PAGE = 100
LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What a run did: leads by new owner, leads that nobody was free for, and leads that could not be written.

    Of leads that wait for an owner, ``stayed`` names the first that goes on waiting: with it the walk ended.
    """

    moved: Mapping[str, int]
    stayed: tuple[str, ...] = ()
    failed: tuple[tuple[str, Exception], ...] = ()

    @property
    def is_complete(self) -> bool:
        """True when no lead is left of those that were to be moved."""
        return not self.stayed and not self.failed


def check(rep_id: str, *, to: str | None, reason: str | None, company: Company) -> None:
    """Refuse a handover that makes no sense, before anything is changed.

    Raises:
        InvalidInputError: names ``to`` or ``reason``.
    """
    receiver = company.reps.get(to) if to is not None else None
    if to is not None and to == rep_id:
        raise InvalidInputError("to", "不能移交给本人")
    if to is not None and not takes_leads(receiver):
        raise InvalidInputError("to", "需要一位在职的销售或主管")
    if reason is not None and not 1 <= len(reason.strip()) <= LONGEST_REASON:
        raise InvalidInputError("reason", f"需要 1 到 {LONGEST_REASON} 个字")


def hand_over(
    rep_id: str,
    *,
    to: str | None,
    actor: str,
    reason: str | None,
    store: Store,
    config: Configuration,
    now: Now,
    tell: Callable[[Turn], None] = lambda _: None,
) -> HandedOver:
    """Give the open leads of a rep to ``to``, or to whom their team's rules choose without that rep.

    ``actor`` did it, ``tell`` hears of each lead when its turn is over; one lead's failure never stops the others.
    ``reason`` is kept with the person's texts, encrypted; the trail of somebody who was erased goes without. One batch
    read and one transaction a lead, and one read more each for a cap and for rules that ask what the form said.

    Raises:
        InvalidInputError: names ``to`` or ``reason``; nothing was changed.
    """
    company = config.current()
    check(rep_id, to=to, reason=reason, company=company)
    leaver = Leaver(rep_id, to, actor, reason, store, config, company, now)
    run = _Run(store, leaver.move)
    seen: set[str] = set()
    done = -1
    while len(seen) > done:
        done = len(seen)
        for listed in store.listed("owner", rep_id, size=PAGE):
            lead_id = listed.lead.lead_id
            if lead_id in seen or not listed.lead.is_open:
                continue
            seen.add(lead_id)
            turn = run.attempt(listed.lead)
            if turn is not None:
                tell(turn)
    return run.done()


def assign_waiting(
    team: str,
    *,
    store: Store,
    config: Configuration,
    now: Now,
    actor: str = SYSTEM,
    has_time: Callable[[], bool] = lambda: True,
) -> HandedOver:
    """Give the leads of a team that wait for an owner, the oldest first, to whom its rules choose now.

    They choose as at intake, and the rotation's turn moves on. The walk ends with the first lead for which nobody is
    free, since whoever is free is so for any lead of the team (but for one that was taken from them); and it ends when
    ``has_time`` says so, for the next one to go on. A team of which no lead waits costs one query.
    """
    listed = store.listed("unowned", team, size=PAGE)
    first = next(listed, None)
    if first is None:
        return HandedOver({})
    run = _Run(store, Waiting(team, actor, store, config, config.current(), now).move)
    for each in chain([first], listed):
        if not has_time():
            break
        turn = run.attempt(each.lead)
        if turn is not None and turn.owner is None and each.lead.released_from is None:
            break
    return run.done()


def assign_every_waiting(
    *,
    store: Store,
    config: Configuration,
    now: Now,
    actor: str = SYSTEM,
    has_time: Callable[[], bool] = lambda: True,
) -> HandedOver:
    """Do as `assign_waiting` for every team, one after the other, and return what all of it came to."""
    teams = [
        assign_waiting(team, store=store, config=config, now=now, actor=actor, has_time=has_time)
        for team in sorted(config.company().teams)
    ]
    moved = sum((Counter(done.moved) for done in teams), Counter[str]())
    stayed = tuple(lead_id for done in teams for lead_id in done.stayed)
    return HandedOver(dict(moved), stayed, tuple(failure for done in teams for failure in done.failed))


@dataclass(slots=True)
class _Run:
    """One run: how it moves a lead, and what it has done so far."""

    store: Store
    move: Callable[[Lead], Turn | None]
    moved: Counter[str] = field(default_factory=Counter)
    stayed: list[str] = field(default_factory=list)
    failed: list[tuple[str, Exception]] = field(default_factory=list)

    def attempt(self, listed: Lead) -> Turn | None:
        """Move one lead, and note what became of it; None where it failed, or others were first."""
        try:
            turn = self.store.settled(lambda: self.move(listed))
        except Exception as error:
            self.failed.append((listed.lead_id, error))
            return None
        if turn is None:
            return None
        if turn.owner is None:
            self.stayed.append(turn.lead_id)
        else:
            self.moved[turn.owner] += 1
        return turn

    def done(self) -> HandedOver:
        return HandedOver(dict(self.moved), tuple(self.stayed), tuple(self.failed))
