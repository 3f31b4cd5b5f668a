"""Who is calling, and which leads they may see: their own, their team's, or all.

The role comes from the token's groups, the person and the team from the company's configuration.
What a caller may not see is answered like what does not exist (RELIABILITY row 15).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leadtrail.domain.company import Company
from leadtrail.domain.errors import ForbiddenError, NotFoundError
from leadtrail.domain.lead import Lead
from leadtrail.domain.merging import require_unmerged

RANKING = ("admin", "director", "manager", "rep")
EVERYWHERE = ("admin", "director")


@dataclass(frozen=True, slots=True)
class Caller:
    """A person who is signed in; ``team`` is a team's id, empty for directors and admins."""

    rep_id: str
    name: str
    role: str
    team: str

    @property
    def actor(self) -> str:
        """The caller as trails name who did something."""
        return f"rep:{self.rep_id}"

    @property
    def sees_all(self) -> bool:
        """True for those who answer for the whole company."""
        return self.role in EVERYWHERE

    @property
    def leads_people(self) -> bool:
        """True for everybody but reps."""
        return self.role in RANKING[:3]

    def sees_team(self, team: str) -> bool:
        """Tell whether the figures of ``team`` are the caller's to see."""
        return self.sees_all or (self.role == "manager" and bool(team) and team == self.team)

    def sees(self, lead: Lead) -> bool:
        """Tell whether ``lead`` is the caller's to see: a rep's own, a manager's team's, or any."""
        return self.sees_team(lead.team) or (self.role == "rep" and lead.owner == self.rep_id)


NOBODY = Caller("", "", "", "")


def caller(claims: Mapping[str, Any], company: Company) -> Caller:
    """Return whom verified claims name.

    Raises:
        ForbiddenError: no role among the groups, or nobody of that rep id works here.
    """
    named = groups(claims.get("cognito:groups"))
    role = next((role for role in RANKING if role in named), None)
    rep = company.reps.get(str(claims.get("custom:rep_id", "")))
    if role is None or rep is None or not rep.active:
        raise ForbiddenError
    return Caller(rep.id, rep.name, role, rep.team)


def groups(claim: object) -> tuple[str, ...]:
    """Read the groups of a token: a list, or the text that an HTTP API makes of one, ``[manager rep]``."""
    if isinstance(claim, str):
        return tuple(claim.strip("[]").replace(",", " ").replace('"', " ").split())
    return tuple(str(group) for group in claim) if isinstance(claim, list | tuple) else ()


def workable(lead: Lead | None, caller: Caller) -> Lead:
    """Return a lead on which the caller may work: visible, and not a part of another by now.

    Raises:
        NotFoundError: absent, or somebody else's.
        AlreadyMergedError: names the lead that it became part of: work goes on there.
    """
    seen = visible(lead, caller)
    require_unmerged(seen)
    return seen


def visible(lead: Lead | None, caller: Caller) -> Lead:
    """Return the lead, if there is one and it is the caller's to see.

    Raises:
        NotFoundError: absent, or somebody else's: the answer is the same.
    """
    if lead is None or not caller.sees(lead):
        raise NotFoundError
    return lead


def require_lead_of_people(caller: Caller) -> None:
    """Let managers, directors and admins pass.

    Raises:
        ForbiddenError: the caller is a rep.
    """
    if not caller.leads_people:
        raise ForbiddenError
