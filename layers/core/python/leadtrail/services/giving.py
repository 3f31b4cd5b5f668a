"""A manager gives a lead to somebody: the command that names its owner, where no rule does or a rule chose wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from leadtrail.domain import ids, lifecycle
from leadtrail.domain.company import Company, Rep
from leadtrail.domain.errors import AlreadyOwnerError, InvalidInputError, LeadClosedError, NotFoundError
from leadtrail.domain.lead import Lead
from leadtrail.domain.lifecycle import Timing
from leadtrail.domain.trail import Happening
from leadtrail.services.idempotency import Command
from leadtrail.services.people import Caller, require_lead_of_people, visible, workable
from leadtrail.services.ports import Change, Configuration, Store
from leadtrail.services.sharing import takes_leads

BY = "person"


@dataclass(frozen=True, slots=True)
class Given:
    """Whose the lead is, in which team, and its version now; ``repeated`` when it was done already."""

    lead_id: str
    owner: str
    team: str
    version: int
    repeated: bool = False

    def answer(self) -> dict[str, Any]:
        """Return the wire shape of docs/api.md, as its receipt keeps it."""
        return {"id": self.lead_id, "owner": self.owner, "team": self.team, "version": self.version}


def give(
    lead_id: str,
    to: str,
    reason: str,
    *,
    caller: Caller,
    command: Command | None,
    store: Store,
    config: Configuration,
    now: datetime,
) -> Given:
    """Make ``to`` the owner of a lead, which goes to their team; once per command. Its clocks run on.

    The reason rests encrypted on the trail; the trail of somebody who was erased goes without.

    Raises:
        NotFoundError: absent, or not the caller's to see.
        ForbiddenError: the caller is a rep.
        AlreadyMergedError, LeadClosedError: nobody works on it any more.
        InvalidInputError: ``owner`` is nobody who works here and whom the caller may see.
        AlreadyOwnerError: it is theirs already.
        IdempotencyMismatchError, StaleLeadError: as any command.
    """
    if not ids.is_id(lead_id):
        raise NotFoundError

    def once() -> Given:
        view = store.command_view(command.receipt_at if command else None, lead_id)
        known = command.repeated(view.receipt) if command else None
        if known is not None:
            return Given(known["id"], known["owner"], known["team"], known["version"], repeated=True)
        lead = _givable(view.lead, caller)
        company = config.company(view.stamp)
        owner = _receiver(to, caller, company)
        if lead.owner == owner.id:
            raise AlreadyOwnerError(owner=owner.id)
        given = Given(lead_id, owner.id, owner.team or lead.team, lead.seq + 1)
        person = store.persons([lead.person_id]).get(lead.person_id) if lead.person_id else None
        assigned = _assigned(lead, given, caller, now)
        worded = replace(assigned, text={"reason": reason}) if person else assigned
        policy = company.policy_of(lead)
        happenings = lifecycle.give(lead, worded, timing=Timing(policy, config.calendar(policy)))
        given = replace(given, version=lead.seq + len(happenings))
        store.commit(
            Change(
                lead_id=lead_id,
                recorded_at=now,
                lead=lead,
                happenings=happenings,
                person=person,
                receipt=command.receipt(given.answer(), lead_id=lead_id, now=now) if command else None,
            )
        )
        return given

    return store.settled(once)


def _givable(found: Lead | None, caller: Caller) -> Lead:
    visible(found, caller)
    require_lead_of_people(caller)
    lead = workable(found, caller)
    if not lead.is_open:
        raise LeadClosedError(lead=lead.lead_id)
    return lead


def _receiver(to: str, caller: Caller, company: Company) -> Rep:
    rep = company.reps.get(to)
    if rep is None or not takes_leads(rep) or not caller.sees_team(rep.team):
        raise InvalidInputError("owner", "需要一位在职的销售或主管")
    return rep


def _assigned(lead: Lead, given: Given, caller: Caller, now: datetime) -> Happening:
    assigned = lifecycle.assign(given.owner, given.team, now, by=BY)
    before = {"from": lead.owner} if lead.owner else {}
    return replace(assigned, actor=caller.actor, facts={**assigned.facts, **before})
