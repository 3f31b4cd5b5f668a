"""People who come back: by another way, after their lead was closed, or under somebody else's number."""

import json
from datetime import timedelta
from typing import Any

import pytest

from functions.ingest.webhook import handler
from leadtrail.domain import lifecycle
from leadtrail.domain.identity import Identity
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Happening
from leadtrail.services.ports import Change
from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.webhooks import Context, call_completed, lead_created

PHONE, EMAIL = "13800138000", "z@example.com"


class Desk:
    """The webhook, one message after the other, a minute apart."""

    def __init__(self, world: TestWorld, clock: TimeTravel) -> None:
        self.world, self.clock, self.number = world, clock, 0

    def form(self, **data: Any) -> dict[str, Any]:
        return self._post(lead_created(self.clock(), message_id=f"m{self.number}", **data))

    def call(self, **data: Any) -> dict[str, Any]:
        return self._post(call_completed(self.clock(), message_id=f"m{self.number}", **data))

    def _post(self, event: dict[str, Any]) -> dict[str, Any]:
        answer = handler(event, Context(f"request-{self.number}"))
        assert answer["statusCode"] == 200, answer
        self.number += 1
        self.clock.at += timedelta(minutes=1)
        body: dict[str, Any] = json.loads(answer["body"])
        return body

    def lead(self, lead_id: str) -> Lead:
        lead = self.world.store.lead(lead_id)
        assert lead is not None
        return lead

    def close(self, lead_id: str) -> None:
        lead = self.lead(lead_id)
        closed = Happening("lead.closed", self.clock(), "rep:li", {"outcome": "lost", "stage": "输单"})
        happenings = lifecycle.close(lead, closed)
        self.world.store.commit(Change(lead_id, self.clock(), lead=lead, happenings=happenings))
        self.clock.at += timedelta(minutes=1)

    def proposals(self, lead_id: str) -> list[str]:
        return [e.facts["person"] for e in self.world.store.trail(lead_id) if e.kind == "merge.proposed"]


@pytest.fixture
def desk(world: TestWorld, clock: TimeTravel) -> Desk:
    return Desk(world, clock)


def test_who_comes_back_after_the_end_gets_a_new_lead_as_the_same_person(desk: Desk) -> None:
    first = desk.form()
    desk.close(first["id"])

    second = desk.form()

    assert second["outcome"] == "created"
    assert second["id"] != first["id"]
    assert desk.lead(second["id"]).person_id == desk.lead(first["id"]).person_id
    assert desk.world.store.person_leads(desk.lead(first["id"]).person_id) == (first["id"], second["id"])
    assert len(desk.lead(second["id"]).clocks) == 2


def test_who_came_back_by_phone_is_found_by_the_address_too(desk: Desk) -> None:
    first = desk.form(phone=PHONE, email=EMAIL)
    desk.close(first["id"])
    second = desk.form(phone=PHONE)  # the address still points to the old lead

    third = desk.form(phone="", email=EMAIL)

    assert (third["outcome"], third["id"]) == ("merged", second["id"])
    address = desk.world.store.identified(Identity("email", EMAIL))
    assert address is not None
    assert address.lead_id == second["id"]


def test_phone_and_address_of_one_person_name_the_newest_lead(desk: Desk) -> None:
    first = desk.form(phone=PHONE, email=EMAIL)
    desk.close(first["id"])
    second = desk.form(phone="", email=EMAIL)

    third = desk.form(phone=PHONE, email=EMAIL)

    assert (third["outcome"], third["id"]) == ("merged", second["id"])


def test_identities_of_two_persons_merge_into_the_older_and_propose_the_rest_to_a_human(desk: Desk) -> None:
    older, younger = desk.form(phone=PHONE), desk.form(phone="", email=EMAIL)

    both = desk.form(phone=PHONE, email=EMAIL)

    assert (both["outcome"], both["id"]) == ("merged", older["id"])
    assert desk.proposals(older["id"]) == [desk.lead(younger["id"]).person_id]
    assert desk.lead(younger["id"]).status == "open"


def test_a_merge_is_proposed_where_the_older_person_comes_back_too(desk: Desk) -> None:
    older, younger = desk.form(phone=PHONE), desk.form(phone="", email=EMAIL)
    desk.close(older["id"])

    both = desk.form(phone=PHONE, email=EMAIL)

    assert both["outcome"] == "created"
    assert desk.lead(both["id"]).person_id == desk.lead(older["id"]).person_id
    assert desk.proposals(both["id"]) == [desk.lead(younger["id"]).person_id]


def test_two_leads_of_one_landline_are_two_people(desk: Desk) -> None:
    first, second = desk.form(phone="010-61234567"), desk.form(phone="010-61234567")

    assert (first["outcome"], second["outcome"]) == ("created", "created")
    assert desk.lead(first["id"]).person_id != desk.lead(second["id"]).person_id


def test_whoever_fills_in_a_form_again_and_again_cannot_fill_up_a_contact(desk: Desk) -> None:
    first = desk.form(phone="", email=EMAIL)

    for number in range(25):
        desk.form(phone=f"打这个 {number}" + "长" * 1900, email=EMAIL)

    person_id = desk.lead(first["id"]).person_id
    assert len(desk.world.store.persons([person_id])[person_id].contact.phones) == 20


def test_a_long_inbound_call_is_answered_by_itself(desk: Desk) -> None:
    began = desk.clock() - timedelta(minutes=40)

    body = desk.call(direction="in", started_at=began.isoformat(), talk_s=2400)

    assert [(clock.rule, clock.state) for clock in desk.lead(body["id"]).clocks] == [
        ("first_response", "met"),
        ("no_progress", "running"),
        ("second_touch", "running"),
    ]


def test_a_late_call_before_any_sweep_is_a_breach_on_the_trail(desk: Desk) -> None:
    body = desk.form()
    desk.clock.at += timedelta(hours=2, minutes=30)

    desk.call()

    kinds = [event.kind for event in desk.world.store.trail(body["id"])]
    clock = desk.lead(body["id"]).clocks[0]
    assert [kind for kind in kinds if kind in ("clock.breached", "clock.met")] == ["clock.breached", "clock.met"]
    assert (clock.state, clock.breached_at) == ("breached", clock.due_at)


def test_a_form_of_endless_answers_is_taken_and_kept_whole_beside_its_receipt(desk: Desk) -> None:
    body = desk.form(fields={"数": [1] * 60_000, "需求": "三月上线"})

    person_id = desk.lead(body["id"]).person_id
    [received, *_] = desk.world.store.readable(
        desk.world.store.trail(body["id"]), desk.world.store.persons([person_id])[person_id]
    )

    assert received.text is not None
    assert received.text["需求"] == "三月上线"
    assert len(received.text["数"]) == 2001


def test_the_projection_of_another_version_is_folded_again_whatever_it_held(desk: Desk) -> None:
    body = desk.form()
    before = desk.lead(body["id"])
    desk.world.dynamodb.update_item(
        TableName="leadtrail-test",
        Key={"PK": {"S": f"LEAD#{body['id']}"}, "SK": {"S": "LEAD"}},
        UpdateExpression="SET #lead = :old",
        ExpressionAttributeNames={"#lead": "lead"},
        ExpressionAttributeValues={":old": {"S": json.dumps({"fold": 1, "lead_id": body["id"]})}},
    )

    assert desk.lead(body["id"]) == before
