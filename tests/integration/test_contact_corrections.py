"""A wrong number put right, and a second deal of one person, through the people's API on moto."""

import json
from datetime import timedelta
from typing import Any

import pytest

from functions.ingest.webhook import handler
from leadtrail.domain import lead as leads_of
from leadtrail.domain.identity import Identity
from leadtrail.domain.lead import Lead
from leadtrail.services.ports import Change, Committed, IdentityRow
from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.people import Reply, arrive, ask
from tests.integration.webhooks import Context, lead_created

WRONG, RIGHT, OTHER = "+8613800138000", "+8613600136000", "+8613900139000"
REASON = "客户来电说号码写错了"
SWAP: dict[str, Any] = {"phones": {"add": ["136 0013 6000"], "remove": ["138-0013-8000"]}}


def read(world: TestWorld, lead_id: str) -> Lead:
    found = world.store.lead(lead_id)
    assert found is not None
    return found


def contact_of(world: TestWorld, lead_id: str) -> Any:
    person_id = read(world, lead_id).person_id
    return world.store.persons([person_id])[person_id].contact


def correct(lead_id: str, *, user: str = "zhangsan", key: str | None = None, **said: Any) -> Reply:
    return ask("POST", f"/leads/{lead_id}/contact", user=user, body={"reason": REASON} | said, key=key)


def deal(lead_id: str, *, user: str = "zhangsan", key: str | None = None) -> Reply:
    return ask("POST", f"/leads/{lead_id}/deals", user=user, body={"reason": "另有一个采购项目"}, key=key)


def fill_in(world: TestWorld, message_id: str, phone: str) -> dict[str, Any]:
    answer = handler(lead_created(world.now(), message_id=message_id, phone=phone), Context(message_id))
    body: dict[str, Any] = json.loads(answer["body"])
    return body


def test_a_wrong_number_is_put_right_in_its_place(world: TestWorld) -> None:
    lead_id = arrive(world, phone=WRONG)
    correct(lead_id, phones={"add": [OTHER]})

    reply = correct(lead_id, name=" 王晓明 ", **SWAP)

    assert reply.status == 200
    assert reply.body["corrected"] == {"name": True, "phones": {"added": 1, "removed": 1}, "emails": None}
    assert reply.body["version"] == read(world, lead_id).seq
    assert contact_of(world, lead_id).phones == (RIGHT, OTHER)
    assert contact_of(world, lead_id).name == "王晓明"


def test_identities_follow_the_correction(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world, phone=WRONG)
    person_id = read(world, lead_id).person_id
    correct(lead_id, emails={"add": ["Wang@Example.com"]}, **SWAP)
    clock.at += timedelta(minutes=1)

    right, wrong = fill_in(world, "m1", RIGHT), fill_in(world, "m2", WRONG)

    assert (right["outcome"], right["id"]) == ("merged", lead_id)
    assert wrong["outcome"] == "created"
    assert world.store.identified(Identity("email", "wang@example.com")) == IdentityRow(person_id, lead_id)
    assert len(world.store.identities_of(person_id)) == 2


def test_the_trail_says_how_many_and_never_which(world: TestWorld) -> None:
    lead_id = arrive(world, phone=WRONG)
    correct(lead_id, **SWAP)

    event = world.store.trail(lead_id)[-1]
    shown = ask("GET", f"/leads/{lead_id}/trail").body["items"][-1]

    assert (event.kind, event.actor, event.facts) == (
        "contact.corrected",
        "rep:rep-zhang",
        {"phones": {"added": 1, "removed": 1}},
    )
    assert shown["text"] == {"reason": REASON}
    assert leads_of.fold(world.store.trail(lead_id)) == read(world, lead_id)


def test_a_landline_is_kept_and_identifies_nobody(world: TestWorld) -> None:
    lead_id = arrive(world, phone=WRONG)

    correct(lead_id, phones={"add": ["010-61234567", "400-800-1234"]})

    assert contact_of(world, lead_id).phones == (WRONG, "+861061234567", "4008001234")
    assert len(world.store.identities_of(read(world, lead_id).person_id)) == 1


@pytest.mark.parametrize(("user", "named"), [("zhangsan", False), ("wangfang", True), ("chenzong", True)])
def test_somebody_elses_number_takes_a_merge(world: TestWorld, user: str, named: bool) -> None:
    lead_id = arrive(world, phone=WRONG)
    theirs = arrive(world, phone=OTHER, owner="rep-li")

    reply = correct(lead_id, user=user, phones={"add": [OTHER]})

    assert (reply.status, reply.body["code"]) == (409, "merge-needed")
    assert reply.body.get("lead") == (theirs if named else None)
    assert contact_of(world, lead_id).phones == (WRONG,)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "contact"),
        ({"phones": {"add": [WRONG]}}, "contact"),
        ({"phones": {"add": ["12"]}}, "phones.add[0]"),
        ({"phones": {"add": [RIGHT, "一二三"]}}, "phones.add[1]"),
        ({"phones": {"remove": [OTHER]}}, "phones.remove[0]"),
        ({"phones": {"add": [f"1360013{number:04d}" for number in range(20)]}}, "phones.add"),
        ({"phones": {"add": ["x"] * 21}}, "phones.add"),
        ({"phones": {"add": "13600136000"}}, "phones.add"),
        ({"phones": {"replace": []}}, "phones.replace"),
        ({"phones": None}, "phones"),
        ({"emails": {"add": ["nobody"]}}, "emails.add[0]"),
        ({"name": "  "}, "name"),
        ({"name": "长" * 101}, "name"),
        ({"owner": "rep-li"}, "owner"),
        ({"reason": "错了", "name": "王晓明"}, "reason"),
        ({"reason": None, "name": "王晓明"}, "reason"),
    ],
    ids=str,
)
def test_a_correction_that_makes_no_sense_names_its_field_and_changes_nothing(
    world: TestWorld, said: dict[str, Any], field: str
) -> None:
    lead_id = arrive(world, phone=WRONG)
    before = read(world, lead_id)

    reply = correct(lead_id, **said)

    assert (reply.status, reply.body["field"]) == (422, field)
    assert read(world, lead_id) == before


@pytest.mark.parametrize(
    ("user", "status"),
    [("zhangsan", 200), ("lisi", 404), ("wangfang", 200), ("sunli", 404), ("chenzong", 200), ("admin", 200)],
)
def test_who_sees_a_lead_corrects_its_contact(world: TestWorld, user: str, status: int) -> None:
    lead_id = arrive(world, phone=WRONG)

    assert correct(lead_id, user=user, **SWAP).status == status


def test_the_same_key_corrects_once_and_answers_the_same(world: TestWorld) -> None:
    lead_id = arrive(world, phone=WRONG)

    once, again = correct(lead_id, key="k", **SWAP), correct(lead_id, key="k", **SWAP)

    assert (again.status, again.body) == (200, once.body)
    assert correct(lead_id, key="k", name="王晓明").body["code"] == "idempotency-mismatch"
    assert [event.kind for event in world.store.trail(lead_id)].count("contact.corrected") == 1


def test_corrections_through_two_leads_of_one_person_both_stay(
    world: TestWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_id = arrive(world, phone=WRONG)
    beside = deal(lead_id).body["id"]
    commit = world.store.commit
    raced: list[Reply] = []

    def overtaken(change: Change) -> Committed:
        if not raced:
            monkeypatch.setattr(world.store, "commit", commit)
            raced.append(correct(beside, name="王晓明"))
        return commit(change)

    monkeypatch.setattr(world.store, "commit", overtaken)
    reply = correct(lead_id, **SWAP)

    assert (raced[0].status, reply.status) == (200, 200)
    assert (contact_of(world, lead_id).name, contact_of(world, lead_id).phones) == ("王晓明", (RIGHT,))


def test_a_second_deal_is_a_lead_of_its_own_beside_the_first(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world, phone=WRONG)
    clock.at += timedelta(minutes=30)

    reply = deal(lead_id)

    assert reply.status == 201
    first, second = read(world, lead_id), read(world, reply.body["id"])
    assert second.is_open
    assert (second.person_id, second.source, second.team, second.owner) == (
        first.person_id,
        first.source,
        first.team,
        first.owner,
    )
    assert [(each.rule, each.state, each.started_at) for each in second.clocks] == [
        ("first_response", "running", clock()),
        ("no_progress", "running", clock()),
    ]
    received = world.store.trail(second.lead_id)[0]
    assert (received.facts["beside"], received.actor) == (lead_id, "rep:rep-zhang")
    assert world.store.person_leads(first.person_id) == (first.lead_id, second.lead_id)
    assert world.store.loads(["rep-zhang"]) == {"rep-zhang": 2}
    assert ask("GET", f"/leads/{second.lead_id}/verify").body["fold_matches"] is True


def test_the_same_key_opens_one_deal(world: TestWorld) -> None:
    lead_id = arrive(world, phone=WRONG)

    once, again = deal(lead_id, key="k"), deal(lead_id, key="k")

    assert (again.status, again.body) == (201, once.body)
    assert len(world.store.person_leads(read(world, lead_id).person_id)) == 2


def test_what_became_part_of_another_lead_is_neither_corrected_nor_doubled(world: TestWorld) -> None:
    lead_id = arrive(world, phone=WRONG)
    beside = deal(lead_id).body["id"]
    body = {"other": beside, "reason": "其实是同一笔生意"}
    assert ask("POST", f"/leads/{lead_id}/merge", user="wangfang", body=body).status == 200

    loser = beside if read(world, beside).status == "merged" else lead_id
    replies = [correct(loser, **SWAP), deal(loser)]

    assert [(reply.status, reply.body["code"]) for reply in replies] == [(409, "already-merged")] * 2


def test_a_lead_tells_what_it_became_part_of(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world, phone=WRONG)
    clock.at += timedelta(minutes=1)
    beside = deal(lead_id).body["id"]
    body = {"other": beside, "reason": "其实是同一笔生意"}
    ask("POST", f"/leads/{lead_id}/merge", user="wangfang", body=body)

    shown = ask("GET", f"/leads/{beside}").body

    assert (shown["status"], shown["merged_into"]) == ("merged", lead_id)


@pytest.mark.parametrize("name", ["王\u202e明", "王明\n@all", "王\u200b明", "王\x07明"])
def test_a_name_is_one_line_that_reads_as_it_is(world: TestWorld, name: str) -> None:
    lead_id = arrive(world)

    refused = ask("POST", f"/leads/{lead_id}/contact", body={"name": name, "reason": "客户来电更正"})

    assert (refused.status, refused.body["field"]) == (422, "name")
