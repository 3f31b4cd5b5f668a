"""Who gets a lead that comes in, by the team's rules as they are configured; and who hears of it when nobody can."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from functions.ingest.webhook import handler
from functions.sla import dispatch
from leadtrail.adapters.rows import Write
from leadtrail.adapters.table import RotationItem
from leadtrail.domain import lifecycle
from leadtrail.domain.delivery import Contact, Delivery
from leadtrail.domain.identity import Identity
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Event, Happening
from leadtrail.services import intake
from leadtrail.services.ports import Change, ConflictError
from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.test_sweep_and_dispatch import RobotNetwork, network
from tests.integration.webhooks import Context, lead_created

__all__ = ["network"]


class Office:
    """The team 华东一组 with 李四 and 张三, and new customers one after the other."""

    def __init__(self, world: TestWorld, clock: TimeTravel) -> None:
        self.world, self.clock, self.number = world, clock, 0

    def shares(self, **assignment: Any) -> None:
        """Configure how the team shares its leads."""
        self.put("team", "huadong", assignment=assignment)

    def put(self, kind: str, name: str, **changes: Any) -> None:
        known = self.world.config.configured(kind, name) or {}
        self.world.config.put(kind, name, {**known, **changes}, now=self.clock())

    def new(self, **data: Any) -> Lead:
        """A customer fills in the form, a minute after the one before."""
        self.number += 1
        self.clock.at += timedelta(minutes=1)
        event = lead_created(
            self.clock(), message_id=f"m{self.number}", **{"phone": f"1380013{self.number:04d}", **data}
        )
        answer = handler(event, Context(f"request-{self.number}"))
        assert answer["statusCode"] == 200, answer
        return self.lead(json.loads(answer["body"])["id"])

    def lead(self, lead_id: str) -> Lead:
        lead = self.world.store.lead(lead_id)
        assert lead is not None
        return lead

    def owners(self, number: int, **data: Any) -> list[str | None]:
        return [self.new(**data).owner for _ in range(number)]

    def close(self, lead: Lead) -> None:
        lead = self.lead(lead.lead_id)
        closed = Happening("lead.closed", self.clock(), "rep:li", {"outcome": "lost", "stage": "输单"})
        self.world.store.commit(Change(lead.lead_id, self.clock(), lead=lead, happenings=lifecycle.close(lead, closed)))

    def assigned(self, lead: Lead) -> list[tuple[str, str]]:
        """Return to whom the trail says that the lead went, and by what."""
        trail: Sequence[Event] = self.world.store.trail(lead.lead_id)
        return [(event.facts["owner"], event.facts["by"]) for event in trail if event.kind == "owner.assigned"]

    def waiting(self) -> list[tuple[str, Any]]:
        """Return what waits for the managers' robot: when it wants to be sent, and its facts."""
        rows = self.world.store.items("OUTBOX#managers")
        return [(row["send_at"]["S"], json.loads(row["facts"]["S"])) for row in rows]


@pytest.fixture
def office(world: TestWorld, clock: TimeTravel) -> Office:
    return Office(world, clock)


def test_weights_share_the_leads_out(office: Office) -> None:
    office.shares(mode="weighted", weights={"rep-li": 3, "rep-zhang": 1})

    owners = office.owners(8)

    assert Counter(owners) == {"rep-li": 6, "rep-zhang": 2}
    assert Counter(owners[:4]) == {"rep-li": 3, "rep-zhang": 1}


def test_the_trail_says_by_what_a_lead_was_assigned(office: Office) -> None:
    by_turn = office.new()
    office.shares(mode="weighted", weights={"rep-li": 1, "rep-zhang": 1})
    by_weight = office.new()
    office.shares(rules=[{"when": {"source": ["standard"]}, "to": ["rep-zhang"]}])
    by_rule = office.new()

    assert [office.assigned(lead) for lead in (by_turn, by_weight, by_rule)] == [
        [("rep-li", "rotation")],
        [("rep-zhang", "weight")],
        [("rep-zhang", "rule")],
    ]


def test_a_change_of_the_rules_counts_from_the_next_lead_on(office: Office) -> None:
    before = office.owners(2)

    office.shares(rules=[{"when": {"source": ["standard"]}, "to": ["rep-zhang"]}])

    assert before == ["rep-li", "rep-zhang"]
    assert office.owners(3) == ["rep-zhang"] * 3


def test_whoever_has_as_many_open_leads_as_the_cap_gets_one_when_another_is_closed(office: Office) -> None:
    office.shares(cap=2)
    first, *others = [office.new() for _ in range(4)]
    fifth = office.new()

    office.close(first)

    assert [lead.owner for lead in (first, *others)] == ["rep-li", "rep-zhang", "rep-li", "rep-zhang"]
    assert fifth.owner is None
    assert office.world.store.loads(["rep-li", "rep-zhang"]) == {"rep-li": 1, "rep-zhang": 2}
    assert office.owners(2) == ["rep-li", None]


def test_leads_of_before_the_cap_count_too(office: Office) -> None:
    office.owners(2)

    office.shares(cap=1)

    assert office.new().owner is None


def test_whoever_is_on_leave_gets_nothing_until_it_ends(office: Office) -> None:
    office.put("rep", "rep-li", away=[["2026-01-26", "2026-01-26"]])
    today = office.owners(2)
    office.clock.at += timedelta(days=1)

    assert today == ["rep-zhang", "rep-zhang"]
    assert "rep-li" in office.owners(2)


def test_out_of_hours_are_passed_over_while_somebody_works_and_at_night_nobody_is(office: Office) -> None:
    late = {day: [["13:30", "22:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
    office.put("rep", "rep-li", hours=late)
    office.shares(hours=True)

    morning = office.owners(2)
    office.clock.at += timedelta(hours=11)
    evening = office.owners(2)
    office.clock.at += timedelta(hours=4)
    night = office.owners(2)

    assert morning == ["rep-zhang"] * 2
    assert evening == ["rep-li"] * 2
    assert sorted(map(str, night)) == ["rep-li", "rep-zhang"]


def test_a_rule_by_what_the_form_says_narrows_the_choice(office: Office) -> None:
    office.shares(
        rules=[
            {"when": {"field": "产品", "in": ["企业版"]}, "to": ["rep-zhang"]},
            {"when": {"field": "城市", "contains": "杭州"}, "to": ["rep-li"]},
        ]
    )

    owners = [
        office.new(fields=said).owner
        for said in ({"产品": " 企业版 "}, {"产品": "企业版", "城市": "杭州"}, {"城市": "浙江杭州市"}, {"城市": "杭州"})
    ]

    assert owners == ["rep-zhang", "rep-zhang", "rep-li", "rep-li"]
    assert office.owners(2, fields={"产品": "个人版"}) == ["rep-li", "rep-zhang"]


def test_a_rule_of_which_nobody_is_free_gives_way_to_the_team(office: Office) -> None:
    office.put("rep", "rep-zhang", away=[["2026-01-26", "2026-01-26"]])
    office.shares(rules=[{"when": {"source": ["standard"]}, "to": ["rep-zhang"]}])

    lead = office.new()

    assert office.assigned(lead) == [("rep-li", "rotation")]


def test_a_customer_who_comes_back_meets_the_same_rep(office: Office) -> None:
    first = office.new(phone="13900000001")
    office.close(first)
    assert office.new().owner == "rep-zhang"
    assert office.new().owner == "rep-li"

    again = office.new(phone="13900000001")

    assert again.lead_id != first.lead_id
    assert office.assigned(again) == [("rep-li", "sticky")]
    assert office.new().owner == "rep-zhang"  # the turn was not used up


def test_a_customer_who_comes_back_takes_a_turn_where_the_team_wants_it_or_the_rep_is_away(office: Office) -> None:
    for phone in ("13900000001", "13900000002"):
        office.close(office.new(phone=phone))
    office.put("rep", "rep-li", away=[["2026-01-26", "2026-01-26"]])
    of_one_on_leave = office.new(phone="13900000001")
    office.put("rep", "rep-li", away=[])
    office.shares(sticky=False)

    of_one_who_is_there = office.new(phone="13900000002")

    assert office.assigned(of_one_on_leave) == [("rep-zhang", "rotation")]
    assert office.assigned(of_one_who_is_there) == [("rep-li", "rotation")]


def test_the_owner_of_a_source_gets_its_leads_in_their_own_team(office: Office) -> None:
    office.put("source", "standard", owner="rep-zhao")

    lead = office.new()

    assert office.assigned(lead) == [("rep-zhao", "source")]
    assert lead.team == "huanan"


def test_an_owner_who_left_gets_nothing(office: Office) -> None:
    office.put("source", "standard", owner="rep-zhao")
    office.put("rep", "rep-zhao", active=False)

    assert office.assigned(office.new()) == [("rep-li", "rotation")]


def test_whom_a_person_names_comes_before_the_source_and_the_rules(office: Office, world: TestWorld) -> None:
    office.put("source", "standard", owner="rep-zhao")
    delivery = Delivery(
        "standard",
        "k1",
        "lead",
        None,
        signed=True,
        identities=(Identity("phone", "+8613900000009"),),
        contact=Contact("王女士", ("+8613900000009",)),
        owner="rep-zhang",
    )

    outcome = intake.receive(
        delivery,
        None,
        store=world.store,
        config=world.config,
        new_person=world.new_person,
        attempt="a",
        now=world.now,
    )

    assert outcome.lead_id is not None
    lead = office.lead(outcome.lead_id)
    assert (lead.team, office.assigned(lead)) == ("huadong", [("rep-zhang", "person")])


def nobody_is_there(office: Office) -> None:
    for rep in ("rep-li", "rep-zhang"):
        office.put("rep", rep, away=[["2026-01-26", "2026-01-26"]])


def test_where_nobody_is_free_the_lead_waits_with_its_clocks_running_and_the_manager_is_told_once(
    office: Office, clock: TimeTravel, network: RobotNetwork
) -> None:
    nobody_is_there(office)

    lead = office.new(name="王女士", phone="13900000001")
    handler(lead_created(clock(), message_id="m1", name="王女士", phone="13900000001"), Context("again"))
    [(_, facts)] = office.waiting()
    dispatch.handler({"channel": "managers"}, Context())

    [(url, text)] = network.taken
    [alert] = office.world.store.alerts(lead.lead_id)
    assert lead.owner is None
    assert [(each.rule, each.state) for each in lead.clocks] == [
        ("first_response", "running"),
        ("no_progress", "running"),
    ]
    assert lead.clocks[0].due_at == clock() + timedelta(hours=2)
    assert (alert.rule, alert.audience, alert.channel, alert.id) == (
        "assignment",
        "manager",
        "managers",
        facts["alert"],
    )
    assert "王女士" not in str(facts)
    assert "dingtalk" in url
    assert "新线索无人可分配" in text
    assert "**王女士** 139****0001" in text
    assert "首响时限照常计时" in text
    assert office.waiting() == []


def test_who_is_told_at_night_reads_it_in_the_morning(office: Office, clock: TimeTravel, network: RobotNetwork) -> None:
    nobody_is_there(office)
    clock.at += timedelta(hours=11)  # 20:00

    office.new()

    [(send_at, _)] = office.waiting()
    dispatch.handler({"channel": "managers"}, Context())
    assert send_at == "2026-01-27T01:00:00.000Z"
    assert network.taken == []


def test_a_manager_hears_nothing_of_a_lead_that_got_an_owner_meanwhile(
    office: Office, clock: TimeTravel, network: RobotNetwork
) -> None:
    nobody_is_there(office)
    lead = office.new()
    given = lifecycle.assign("rep-li", "huadong", clock(), by="mgr-wang")
    office.world.store.commit(Change(lead.lead_id, clock(), lead=lead, happenings=(given,)))

    dispatch.handler({"channel": "managers"}, Context())

    assert network.taken == []
    assert office.waiting() == []


def test_leads_that_nobody_could_get_are_told_one_by_one(office: Office) -> None:
    nobody_is_there(office)

    found = [office.new() for _ in range(3)]

    assert [facts["lead"] for _, facts in office.waiting()] == [lead.lead_id for lead in found]


def test_in_a_crowd_the_turn_is_left_to_the_clock_and_the_lead_is_never_left_behind(
    office: Office, world: TestWorld, clock: TimeTravel, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = world.store.write

    def somebody_was_first(rows: Sequence[Any]) -> None:
        if any(isinstance(row, Write) and isinstance(row.item, RotationItem) for row in rows):
            raise ConflictError
        write(rows)

    monkeypatch.setattr(world.store, "write", somebody_was_first)
    monkeypatch.setattr(world.store, "_sleep", lambda _: None)
    found = []
    for number in range(4):
        clock.at = clock.at.replace(microsecond=number)
        found.append(office.new())

    assert [office.assigned(lead) for lead in found] == [[(rep, "crowd")] for rep in ("rep-li", "rep-zhang") * 2]
