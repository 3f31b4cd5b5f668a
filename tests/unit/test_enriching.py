"""What a provider says about a contact joins the lead once, takes nothing from anybody, and waits if it must."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from leadtrail.domain import lead as leads_of
from leadtrail.domain import trail
from leadtrail.domain.company import Company, Rep, Source
from leadtrail.domain.delivery import CONTACTS, Contact
from leadtrail.domain.identity import Identity
from leadtrail.domain.lead import Lead
from leadtrail.domain.policy import Policy
from leadtrail.domain.trail import Event, Happening
from leadtrail.domain.worktime import WorkCalendar
from leadtrail.services.enriching import (
    EnrichedContact,
    Outcome,
    ProviderBusyError,
    ProviderRefusedError,
    Wanted,
    enrich,
)
from leadtrail.services.ports import Change, Committed, ConflictError, IdentityRow, IntakeView, Person, Rotation
from tests.builders import NINE, SALT, policy_of

CONTACT_ID = Identity("external_userid", "woWANG")
PHONE = Identity("phone", "+8613800000001")
UNION = Identity("unionid", "oUNION")
MAIL = Identity("email", "wang@example.com")
WANTED = Wanted("L", "P", "wecom", "receipt-1", "wecom", "woWANG", "zhangsan")
FOUND = EnrichedContact(
    name="王女士",
    unionid="oUNION",
    phones=("138 0000 0001",),
    emails=("Wang@Example.com",),
    owner_userid="zhangsan",
    corp_name="晨光贸易",
    remark="下周二回电 13800000001",
)
LATER = NINE + timedelta(minutes=5)


def opened(owner: str | None = "rep-zhang") -> list[Happening]:
    facts = {"source": "wecom", "stage": "新线索", "team": "huadong", "person": "P"}
    received = Happening("lead.received", NINE, "source:wecom", facts)
    assigned = Happening(
        "owner.assigned", NINE, "system:assignment", {"owner": owner, "team": "huadong", "by": "wecom"}
    )
    return [received, assigned] if owner else [received]


@dataclass
class Table:
    """A table of one lead, in memory; ``meanwhile`` are what others write right before each of our writes."""

    person: Person | None = field(default_factory=lambda: Person("P", Contact(), b"k" * 32, SALT))
    rows: dict[Identity, IdentityRow] = field(default_factory=lambda: {CONTACT_ID: IdentityRow("P", "L")})
    happenings: list[Happening] = field(default_factory=opened)
    meanwhile: list[Callable[[], None]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    merged: dict[str, str] = field(default_factory=dict)

    @property
    def events(self) -> tuple[Event, ...]:
        return trail.append(self.happenings, lead_id="L", seq=0, head=trail.GENESIS, recorded_at=NINE, salt=SALT)

    def settled(self, attempt: Callable[[], Any]) -> Any:
        while True:
            try:
                return attempt()
            except ConflictError:
                continue

    def lead_and_person(self, lead_id: str, person_id: str) -> tuple[Lead | None, Person | None]:
        return self.lead(lead_id), self.person if self.person and person_id == self.person.person_id else None

    def lead(self, lead_id: str) -> Lead | None:
        if lead_id not in ("L", *self.merged):
            return None
        return replace(leads_of.fold(self.events), lead_id=lead_id, merged_into=self.merged.get(lead_id))

    def intake_view(self, *, receipt: tuple[str, str], identities: Sequence[Identity], team: str) -> IntakeView:
        rows = {identity: self.rows[identity] for identity in identities if identity in self.rows}
        return IntakeView(None, rows, Rotation(team, 0), 7)

    def trail(self, lead_id: str) -> tuple[Event, ...]:
        return self.events

    def readable(self, events: Iterable[Event], person: Person | None) -> tuple[Event, ...]:
        return tuple(events)

    def commit(self, change: Change) -> Committed:
        if self.meanwhile:
            self.meanwhile.pop(0)()
            raise ConflictError
        assert self.person is not None
        self.changes.append(change)
        self.happenings += change.happenings
        self.rows |= {identity: IdentityRow(self.person.person_id, "L") for identity in change.claims}
        self.person = replace(self.person, contact=change.contact or self.person.contact)
        return Committed(change.lead)

    @property
    def kinds(self) -> list[str]:
        return [happening.kind for change in self.changes for happening in change.happenings]


class Configured:
    """A configuration of two reps and one source."""

    def company(self, stamp: int | None = None) -> Company:
        reps = {
            "rep-zhang": Rep("rep-zhang", "张三", "rep", "huadong", "zhangsan"),
            "rep-zhao": Rep("rep-zhao", "赵六", "rep", "huanan", "zhaoliu"),
        }
        sources = {"wecom": Source("wecom", "wecom", "huadong", "source/wecom")}
        nothing: Mapping[str, Any] = {}
        policies = {"default": policy_of()}
        return Company(1, "示例", "Asia/Shanghai", nothing, reps, sources, nothing, policies)

    def calendar(self, policy: Policy) -> WorkCalendar:
        return WorkCalendar.from_dict(policy.calendar)


@dataclass
class Oracle:
    """A provider that answers what the test says."""

    answer: EnrichedContact | Exception | None = FOUND
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)

    def contact(self, secret: str, ref: str, userid: str | None) -> EnrichedContact | None:
        self.asked.append((secret, ref, userid))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def run(table: Table, answer: EnrichedContact | Exception | None = FOUND, wanted: Wanted = WANTED) -> Outcome:
    return enrich(wanted, provider=Oracle(answer), store=table, config=Configured(), now=lambda: LATER)  # type: ignore[arg-type]


def test_a_contact_without_anything_is_filled_in_one_change_with_one_event() -> None:
    table = Table()

    outcome = run(table)

    [change] = table.changes
    [told] = change.happenings
    assert outcome == Outcome("enriched", ("name", "phone", "email", "unionid", "corp_name", "remark"))
    assert (told.kind, told.actor, told.occurred_at) == ("contact.enriched", "system:enrichment", LATER)
    assert change.contact == Contact("王女士", ("+8613800000001",), ("wang@example.com",))
    assert set(change.claims) == {UNION, PHONE, MAIL}
    assert change.lead is not None


def test_nothing_personal_stands_in_the_facts_and_what_people_wrote_is_text() -> None:
    table = Table()

    run(table)

    [told] = table.changes[0].happenings
    assert told.facts == {
        "source": "wecom",
        "receipt": "receipt-1",
        "provider": "wecom",
        "filled": ["name", "phone", "email", "unionid", "corp_name", "remark"],
    }
    assert told.text == {"corp_name": "晨光贸易", "remark": "下周二回电 13800000001"}
    assert table.changes[0].person is not None


def test_a_message_that_comes_again_changes_nothing() -> None:
    table = Table()
    run(table)

    again = run(table)

    assert again == Outcome("unchanged")
    assert table.kinds == ["contact.enriched"]


def test_a_message_that_comes_again_does_not_bring_back_what_people_corrected() -> None:
    table = Table()
    run(table)
    assert table.person is not None
    table.person = replace(table.person, contact=Contact("王女士"))
    del table.rows[PHONE]

    again = run(table)

    assert (again, len(table.changes)) == (Outcome("unchanged"), 1)


def test_another_message_that_says_the_same_changes_nothing_either() -> None:
    table = Table()
    run(table)

    assert run(table, wanted=replace(WANTED, receipt="2")) == Outcome("unchanged")


def test_only_what_was_noted_since_is_told_the_next_time() -> None:
    table = Table()
    run(table)

    outcome = run(
        table, replace(FOUND, phones=("13800000001", "13900000002"), remark="已约见"), replace(WANTED, receipt="2")
    )

    assert outcome == Outcome("enriched", ("phone", "remark"))
    assert table.changes[1].happenings[0].text == {"remark": "已约见"}
    assert table.changes[1].claims == [Identity("phone", "+8613900000002")]


def test_a_name_that_people_gave_is_kept() -> None:
    table = Table()
    table.person = Person("P", Contact("王小姐", ("+8613700000000",)), b"k" * 32, SALT)

    run(table)

    assert table.person.contact.name == "王小姐"
    assert table.person.contact.phones == ("+8613700000000", "+8613800000001")


def test_an_identity_of_somebody_else_is_left_to_them_and_a_merge_is_proposed_once() -> None:
    table = Table()
    table.rows |= {PHONE: IdentityRow("Q", "M"), MAIL: IdentityRow("Q", "M")}

    run(table)
    run(table, replace(FOUND, remark="又改了"), replace(WANTED, receipt="2"))

    assert table.kinds == ["contact.enriched", "merge.proposed", "contact.enriched"]
    assert table.changes[0].happenings[1].facts == {"person": "Q"}
    assert table.changes[0].claims == [UNION]
    assert table.rows[PHONE].person_id == "Q"


def test_a_proposal_alone_is_written_without_claiming_that_something_was_filled() -> None:
    table = Table()
    found = EnrichedContact(phones=("13800000001",))
    run(table, found)
    table.rows[PHONE] = IdentityRow("Q", "M")

    outcome = run(table, found, replace(WANTED, receipt="2"))

    assert outcome == Outcome("enriched")
    assert table.kinds == ["contact.enriched", "merge.proposed"]


@pytest.mark.parametrize("number", ["010-61234567", "400 820 8820", "微信同号", ""])
def test_a_number_that_identifies_nobody_is_kept_and_not_claimed(number: str) -> None:
    table = Table()

    run(table, EnrichedContact(name="王女士", phones=(number,)))

    assert table.changes[0].claims == []
    assert table.person is not None
    assert len(table.person.contact.phones) == (1 if number else 0)


def test_whoever_notes_a_hundred_numbers_fills_up_nothing() -> None:
    table = Table()

    run(table, EnrichedContact(phones=tuple(f"138000001{n:02d}" for n in range(100))))

    assert table.person is not None
    assert len(table.person.contact.phones) == CONTACTS
    assert len(table.changes[0].claims) == CONTACTS


@pytest.mark.parametrize(
    ("userid", "found_userid", "owner"),
    [("zhangsan", "zhaoliu", "rep-zhang"), (None, "zhaoliu", "rep-zhao"), ("somebody", None, None)],
    ids=["who the event named", "who has the contact", "nobody we know"],
)
def test_a_lead_that_nobody_owns_goes_to_the_rep_of_the_contact(
    userid: str | None, found_userid: str | None, owner: str | None
) -> None:
    table = Table(happenings=opened(owner=None))

    outcome = run(table, replace(FOUND, owner_userid=found_userid), replace(WANTED, userid=userid))

    lead = leads_of.fold(table.events)
    assert lead.owner == owner
    assert ("owner" in outcome.filled) == (owner is not None)
    assert [each.facts["by"] for each in table.happenings if each.kind == "owner.assigned"] == ["wecom"] * bool(owner)


def test_a_lead_that_somebody_owns_stays_theirs() -> None:
    table = Table(happenings=opened(owner="rep-zhao"))

    run(table)

    assert leads_of.fold(table.events).owner == "rep-zhao"


def test_a_closed_lead_learns_who_it_was_and_gets_no_owner() -> None:
    closed = Happening("lead.closed", NINE, "rep:li", {"outcome": "lost", "stage": "输单"})
    table = Table(happenings=[*opened(owner=None), closed])

    run(table)

    assert table.kinds == ["contact.enriched"]


def test_who_was_erased_is_not_even_asked_for() -> None:
    oracle = Oracle()

    outcome = enrich(WANTED, provider=oracle, store=Table(person=None), config=Configured(), now=lambda: LATER)  # type: ignore[arg-type]

    assert outcome == Outcome("erased")
    assert oracle.asked == []


def test_who_is_erased_while_the_provider_answers_leaves_nothing() -> None:
    table = Table()

    def erase() -> None:
        table.person = None

    table.meanwhile = [erase]

    outcome = run(table)

    assert (outcome, table.changes) == (Outcome("erased"), [])


def test_a_lead_that_is_not_there_is_done() -> None:
    assert run(Table(), wanted=replace(WANTED, lead_id="X")) == Outcome("no-lead")


def test_a_contact_that_the_provider_does_not_know_is_done() -> None:
    table = Table()

    assert run(table, None) == Outcome("unknown-contact")
    assert table.changes == []


def test_an_identity_that_somebody_takes_meanwhile_is_theirs() -> None:
    table = Table()

    def take() -> None:
        table.rows[PHONE] = IdentityRow("Q", "M")

    table.meanwhile = [take]

    run(table)

    assert table.kinds == ["contact.enriched", "merge.proposed"]
    assert PHONE not in table.changes[0].claims


def test_what_is_asked_for_a_lead_that_was_merged_meanwhile_goes_to_the_winner() -> None:
    table = Table(person=Person("W", Contact(), b"w" * 32, SALT))
    table.happenings[0] = replace(table.happenings[0], facts={**table.happenings[0].facts, "person": "W"})
    table.merged = {"LOSER": "L"}

    outcome = run(table, wanted=replace(WANTED, lead_id="LOSER"))

    [change] = table.changes
    assert outcome.outcome == "enriched"
    assert change.lead_id == "L"
    assert change.person is not None
    assert change.person.person_id == "W"


@pytest.mark.parametrize("error", [ProviderBusyError("limit"), ProviderRefusedError("untrusted-address")])
def test_a_provider_that_does_not_answer_is_asked_again_later(error: Exception) -> None:
    table = Table()

    with pytest.raises(type(error)):
        run(table, error)

    assert table.changes == []


def test_a_source_that_is_not_configured_waits_for_an_operator() -> None:
    with pytest.raises(ProviderRefusedError, match="unknown-source"):
        run(Table(), wanted=replace(WANTED, source="gone"))


def test_the_provider_is_asked_with_the_secret_of_the_source() -> None:
    oracle = Oracle()

    enrich(WANTED, provider=oracle, store=Table(), config=Configured(), now=lambda: LATER)  # type: ignore[arg-type]

    assert oracle.asked == [("source/wecom", "woWANG", "zhangsan")]
