"""Rebasing: running clocks leave the policy version that they pinned, because somebody said so.

A new version holds for clocks that start from then on (`policies.change`). This brings it to those that run: one
transaction a lead, page by page; what follows the newest version already is left alone, so that a walk may be stopped,
run twice, and run by two at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from leadtrail.domain import schedule
from leadtrail.domain.company import Company
from leadtrail.domain.errors import BusyError, StaleLeadError
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Happening
from leadtrail.services import policies
from leadtrail.services.governing import MOST_EXAMINED, walk
from leadtrail.services.idempotency import Command
from leadtrail.services.people import Caller, require_lead_of_people
from leadtrail.services.ports import Change, Configuration, Store

MOST_WRITTEN = 100  # leads that one request writes


@dataclass(frozen=True, slots=True)
class Rebased:
    """One page: leads that were looked at, that were written, and that could not be; ``place`` is where to go on."""

    leads: int
    changed: int
    failed: tuple[str, ...]
    place: str | None

    def answer(self) -> dict[str, Any]:
        """Return what the command's receipt keeps."""
        return {"leads": self.leads, "changed": self.changed, "failed": list(self.failed), "place": self.place}


def rebase_lead(lead: Lead, *, company: Company, config: Configuration, now: datetime) -> tuple[Happening, ...]:
    """Return `clock.rebased` for every running clock of a lead that pinned another version than it would follow now.

    A rule that the policy no longer has leaves its clocks as they are, and clocks of an import sleep on.
    """
    policy = company.policy_of(lead)
    calendar = config.calendar(policy)
    found = []
    for clock in lead.clocks:
        rule = policy.rule(clock.rule)
        if rule is None or not clock.is_open or clock.dormant:
            continue
        happening = schedule.rebase(clock, policy, rule, calendar, at=now, why="policy")
        if happening is not None:
            found.append(happening)
    return tuple(found)


def rebase(
    name: str,
    *,
    caller: Caller,
    command: Command | None,
    store: Store,
    config: Configuration,
    now: datetime,
    after: str = "",
    actor: str | None = None,
) -> Rebased:
    """Bring the newest version of a policy to the clocks of the leads that follow it, one page of the caller's teams.

    A lead that cannot be written now is named, and the others go on. ``actor`` did it, where that is not the caller.

    Raises:
        ForbiddenError: the caller is a rep.
        NotFoundError: there is no such policy.
        InvalidInputError: ``after`` is no place of this list; names ``cursor``.
        IdempotencyMismatchError: the command's key was used for something else.
    """
    require_lead_of_people(caller)
    policies.one(name, config=config)
    known = command.repeated(store.receipt(*command.receipt_at)) if command else None
    if known is not None:
        return Rebased(known["leads"], known["changed"], tuple(known["failed"]), known["place"])
    page = _Page(name, caller, actor or caller.actor, store, config, now)
    done = page.run(after)
    if command:
        receipt = command.receipt(done.answer(), lead_id=None, now=now)
        store.settled(lambda: store.commit(Change(lead_id="", recorded_at=now, receipt=receipt)))
    return done


@dataclass(frozen=True, slots=True)
class _Page:
    """One page of one walk."""

    name: str
    caller: Caller
    actor: str
    store: Store
    config: Configuration
    now: datetime

    def run(self, after: str) -> Rebased:
        company = self.config.current()
        leads = changed = 0
        failed: list[str] = []
        place: str | None = None
        for at, listed in walk(after, caller=self.caller, company=company, store=self.store):
            if leads == MOST_EXAMINED or changed == MOST_WRITTEN:
                return Rebased(leads, changed, tuple(failed), place)
            try:
                changed += self._lead(listed, company)
            except (StaleLeadError, BusyError):
                failed.append(listed.lead_id)
            leads, place = leads + 1, at
        return Rebased(leads, changed, tuple(failed), None)

    def _lead(self, listed: Lead, company: Company) -> bool:
        """Rebase a lead, as it is now, where as it was listed there is something to do."""
        return bool(self._happenings(listed, company)) and self.store.settled(
            lambda: self._written(listed.lead_id, company)
        )

    def _written(self, lead_id: str, company: Company) -> bool:
        lead = self.store.lead(lead_id)
        happenings = self._happenings(lead, company) if lead else ()
        if lead is None or not happenings:  # others were first
            return False
        by_actor = tuple(replace(happening, actor=self.actor) for happening in happenings)
        self.store.commit(Change(lead_id=lead_id, recorded_at=self.now, lead=lead, happenings=by_actor))
        return True

    def _happenings(self, lead: Lead, company: Company) -> tuple[Happening, ...]:
        if not lead.is_open or company.policy_of(lead).name != self.name:
            return ()
        return rebase_lead(lead, company=company, config=self.config, now=self.now)
