"""Which leads a policy governs: the teams that a caller answers for, walked page by page.

A place is `<team>/<lead>`, the last lead that was looked at: whoever goes on from there meets no lead twice.
"""

from __future__ import annotations

from collections.abc import Iterator

from leadtrail.domain import ids
from leadtrail.domain.company import Company
from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.lead import Lead
from leadtrail.services.people import Caller
from leadtrail.services.ports import Store

MOST_EXAMINED = 500  # leads that one request looks at
PAGE = 100


def walk(after: str, *, caller: Caller, company: Company, store: Store) -> Iterator[tuple[str, Lead]]:
    """Yield the leads of the caller's teams, closed ones among them, each with its place, from ``after`` on.

    Raises:
        InvalidInputError: ``after`` is no place of this walk; names ``cursor``.
    """
    teams = [team for team in sorted(company.teams) if caller.sees_team(team)]
    first, _, lead_id = after.rpartition("/")
    if after and (first not in teams or not ids.is_id(lead_id)):
        raise InvalidInputError("cursor", "不是这个列表的游标")
    return _walk(teams, first, lead_id, store)


def _walk(teams: list[str], first: str, lead_id: str, store: Store) -> Iterator[tuple[str, Lead]]:
    for team in teams:
        if team < first:
            continue
        for listed in store.listed("team", team, after=lead_id if team == first else "", size=PAGE):
            yield f"{team}/{listed.lead.lead_id}", listed.lead
