"""Reading leads: lists and search, one lead with its contact, its trail, whether it is whole, its clocks.

Every function takes the caller, and shows nothing that is not theirs to see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice

from leadtrail.domain import identity, ids, trail
from leadtrail.domain import lead as leads_of
from leadtrail.domain.clock import Clock
from leadtrail.domain.company import Company
from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.identity import Identity
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Break, Event
from leadtrail.services import chronicle, explaining, ledger
from leadtrail.services.ledger import Entry
from leadtrail.services.people import Caller, visible
from leadtrail.services.ports import Configuration, Listed, Person, Store

MOST_EXAMINED = 1000  # leads that one request looks at; the cursor goes on from there
CHUNK = 100  # contacts that one batch reads
_RISK_PLACE = re.compile(r"\d#[0-9T:.\-]{23}Z#[0-9A-Z]{26}")
Walk = Iterator[Listed]


@dataclass(frozen=True, slots=True)
class Query:
    """What a list is narrowed to; None narrows nothing. ``words`` is an exact number or a part of a name."""

    owner: str | None = None
    team: str | None = None
    stage: str | None = None
    risk: str | None = None
    late: bool | None = None
    words: str | None = None

    @property
    def is_about_risk(self) -> bool:
        """True where the sparse index holds every lead that can match."""
        return bool(self.late or self.risk)

    @property
    def is_narrow(self) -> bool:
        """True where a page of the index may hold few leads that match."""
        return bool(self.stage or self.risk or self.late is not None or self.owner)

    def matches(self, lead: Lead) -> bool:
        """Tell whether the lead itself fits; names are compared by `_knows`."""
        return (
            self.owner in (None, lead.owner)
            and self.team in (None, lead.team)
            and self.stage in (None, lead.stage)
            and (self.risk is None or self.risk in lead.risk)
            and self.late in (None, bool(lead.late_clocks))
        )


@dataclass(frozen=True, slots=True)
class LeadView:
    """A lead with its person; None where there is none, or they were erased."""

    lead: Lead
    person: Person | None


@dataclass(frozen=True, slots=True)
class LeadPage:
    """One page of a list; ``place`` is where the next one begins, None at the end."""

    items: tuple[LeadView, ...]
    place: str | None


@dataclass(frozen=True, slots=True)
class TrailPage:
    """One page of a trail by seq; ``after`` is the seq from which the next one goes on, None at the end."""

    events: tuple[Event, ...]
    is_erased: bool
    after: int | None


@dataclass(frozen=True, slots=True)
class Verified:
    """What checking a whole trail has shown.

    ``anchored_until_seq`` is 0 until nightly anchors exist: that nobody rewrote the whole trail with
    its projection, and that nobody dropped the lead, is not proven before.
    """

    events: int
    head: str
    fold_matches: bool
    broken: Break | None
    anchored_until_seq: int = 0

    @property
    def is_whole(self) -> bool:
        """True when every seal holds and nothing is missing up to the projection's last event."""
        return self.broken is None


@dataclass(frozen=True, slots=True)
class ClockView:
    """A clock with its ledger, and in words: what was promised, what was counted, and what became of it."""

    entry: Entry
    title: str
    budget: str
    explained: tuple[str, ...]
    history: tuple[str, ...]

    @property
    def clock(self) -> Clock:
        """The clock itself."""
        return self.entry.clock


def search(query: Query, *, caller: Caller, company: Company, store: Store, limit: int, after: str = "") -> LeadPage:
    """Return a page of the leads that the caller may see: newest first; with late or risk, worst first.

    Raises:
        InvalidInputError: a team, owner or stage that nobody has configured, or ``after`` is no place in this
            list; names the field.
    """
    _check_names(query, company)
    number = identity.phone(query.words) if query.words else None
    # What is filtered here is read in large pages: a stage that few leads are in would cost a query a handful.
    size = CHUNK if query.words or query.is_narrow else limit + 1
    if number is not None and number.identifies:
        _check_place(after, by_risk=False)
        return _page(_of_number(number.number, store, after), _Wanted(query, caller, _anybody, size), store, limit)
    by_risk = query.is_about_risk and caller.role != "rep"
    _check_place(after, by_risk=by_risk)
    walks = [
        store.listed(listing, name, after=after, size=size)
        for listing, name in _partitions(query, caller, company, by_risk)
    ]
    walk = merge(*walks, key=lambda listed: listed.place, reverse=not by_risk)
    return _page(walk, _Wanted(query, caller, _knowing(query.words), size), store, limit)


def _check_names(query: Query, company: Company) -> None:
    """Refuse names that make no sense here: an empty list would say that there are no such leads."""
    if query.team is not None and query.team not in company.teams:
        raise InvalidInputError("team", "没有这个团队")
    if query.owner is not None and query.owner not in company.reps and not query.owner.startswith("import:"):
        raise InvalidInputError("owner", "没有这个负责人")
    if query.stage is not None and query.stage not in company.stages:
        raise InvalidInputError("stage", f"没有这个阶段；现有：{'、'.join(company.stages)}")


def _check_place(after: str, *, by_risk: bool) -> None:
    if after and not (_RISK_PLACE.fullmatch(after) if by_risk else ids.is_id(after)):
        raise InvalidInputError("cursor", "不是这个列表的游标")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a walk is looking for, and how many leads it takes at a time."""

    query: Query
    caller: Caller
    knows: Callable[[Person | None], bool]
    size: int

    def passes(self, lead: Lead) -> bool:
        return self.caller.sees(lead) and self.query.matches(lead)


def _page(walk: Walk, wanted: _Wanted, store: Store, limit: int) -> LeadPage:
    found: list[LeadView] = []
    examined = 0
    while chunk := [*islice(walk, wanted.size)]:
        people = _people([listed.lead for listed in chunk if wanted.passes(listed.lead)], store)
        for index, listed in enumerate(chunk, start=1):
            person = people.get(listed.lead.person_id)
            if wanted.passes(listed.lead) and wanted.knows(person):
                found.append(LeadView(listed.lead, person))
            examined += 1
            if len(found) == limit or examined == MOST_EXAMINED:
                goes_on = index < len(chunk) or next(walk, None) is not None
                return LeadPage(tuple(found), listed.place if goes_on else None)
    return LeadPage(tuple(found), None)


def _people(leads: list[Lead], store: Store) -> dict[str, Person]:
    wanted = [*dict.fromkeys(lead.person_id for lead in leads if lead.person_id)]
    people: dict[str, Person] = {}
    for start in range(0, len(wanted), CHUNK):
        people |= store.persons(wanted[start : start + CHUNK])
    return people


def _partitions(query: Query, caller: Caller, company: Company, by_risk: bool) -> list[tuple[str, str]]:
    """Return the fewest partitions that hold every lead which can match and is the caller's to see."""
    if caller.role == "rep":
        return [("owner", caller.rep_id)] if query.owner in (None, caller.rep_id) else []
    if query.owner and not by_risk:
        return [("owner", query.owner)]
    teams = [query.team] if query.team else sorted(company.teams) if caller.sees_all else [caller.team]
    listing = "risk" if by_risk else "stage" if query.stage else "team"
    behind = f"#{query.stage}" if listing == "stage" else ""
    return [(listing, f"{team}{behind}") for team in teams if caller.sees_team(team)]


def _of_number(number: str, store: Store, after: str) -> Walk:
    row = store.identified(Identity("phone", number))
    if row is None:
        return iter(())
    newest = sorted(store.person_leads(row.person_id), reverse=True)
    wanted = [lead_id for lead_id in newest if not after or lead_id < after][:CHUNK]
    leads = store.leads(wanted)
    return iter([Listed(lead_id, leads[lead_id]) for lead_id in wanted if lead_id in leads])


def _anybody(_: Person | None) -> bool:
    return True


def _knowing(words: str | None) -> Callable[[Person | None], bool]:
    if not words:
        return _anybody
    part = words.casefold()
    number = identity.phone(words)

    def knows(person: Person | None) -> bool:
        if person is None:
            return False
        return part in person.contact.name.casefold() or (number is not None and number.number in person.contact.phones)

    return knows


def seen(lead_id: str, *, caller: Caller, store: Store) -> Lead:
    """Return a lead that the caller may see.

    Raises:
        NotFoundError: absent, or somebody else's.
    """
    return visible(store.lead(lead_id) if ids.is_id(lead_id) else None, caller)


def read(lead_id: str, *, caller: Caller, store: Store, now: datetime) -> LeadView:
    """Return a lead with its contact in clear, and keep who read it.

    Raises:
        NotFoundError: absent, or somebody else's.
    """
    lead = seen(lead_id, caller=caller, store=store)
    person = _people([lead], store).get(lead.person_id)
    if person is not None:
        store.note_reading(person.person_id, lead_id=lead_id, reader=caller.rep_id, at=now)
    return LeadView(lead, person)


def events(lead_id: str, *, caller: Caller, store: Store, after: int, limit: int) -> TrailPage:
    """Return a page of the trail, texts in clear.

    Raises:
        NotFoundError: absent, or somebody else's.
    """
    lead = seen(lead_id, caller=caller, store=store)
    found = store.trail(lead_id, after=after, limit=limit + 1)
    person = _people([lead], store).get(lead.person_id)
    shown = store.readable(found[:limit], person)
    return TrailPage(shown, person is None, shown[-1].seq if len(found) > limit else None)


def verify(lead_id: str, *, caller: Caller, store: Store) -> Verified:
    """Check every seal and every readable text of a trail, and its projection against its fold.

    Raises:
        NotFoundError: absent, or somebody else's.
    """
    lead = seen(lead_id, caller=caller, store=store)
    person = _people([lead], store).get(lead.person_id)
    found = store.readable(store.trail(lead_id), person)
    lead = seen(lead_id, caller=caller, store=store) if len(found) > lead.seq else lead
    broken = _broken(found, lead, person)
    folded = broken is None and leads_of.fold(found) == lead
    return Verified(len(found), lead.head, folded, broken)


def _broken(found: tuple[Event, ...], lead: Lead, person: Person | None) -> Break | None:
    broken = trail.verify(found, salt=person.salt if person else None)
    closed = [event.seq for event in found if person and event.cipher is not None and event.text is None]
    if closed and (broken is None or closed[0] < broken.seq):
        return Break(closed[0], "文字无法解密")
    if broken is None and len(found) < lead.seq:
        return Break(len(found) + 1, "事件缺失")
    if broken is None and len(found) > lead.seq:
        return Break(lead.seq + 1, "线索记录之后多出的事件")
    if broken is None and found[lead.seq - 1].seal != lead.head:
        return Break(lead.seq, "与线索记录的最后封印不符")
    return broken


def clocks(lead_id: str, *, caller: Caller, store: Store, config: Configuration) -> tuple[ClockView, ...]:
    """Return the clocks of a lead in the order in which they started, each explained with all that became of it.

    Raises:
        NotFoundError: absent, or somebody else's.
    """
    lead = seen(lead_id, caller=caller, store=store)
    company = config.company()
    return tuple(
        ClockView(
            entry=entry,
            title=explaining.title(entry.clock, config=config),
            budget=explaining.budget_words(entry.clock, config=config),
            explained=tuple(explaining.explain(entry.clock, config=config)),
            history=chronicle.history(entry, company),
        )
        for entry in ledger.read(lead, store)
    )
