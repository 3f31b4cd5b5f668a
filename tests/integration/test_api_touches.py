from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from leadtrail.services import watch
from leadtrail.services.ports import Change, Committed, ConflictError
from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.people import Reply, arrive, ask


def said(at: datetime, **more: Any) -> dict[str, Any]:
    return {"kind": "call", "direction": "out", "occurred_at": at.isoformat(), "talk_s": 60, **more}


def report(lead_id: str, body: object, *, user: str = "zhangsan", key: str | None = None) -> Reply:
    return ask("POST", f"/leads/{lead_id}/touches", user=user, body=body, key=key)


@pytest.fixture
def calls(world: TestWorld) -> Iterator[list[str]]:
    """The names of the calls that reach DynamoDB."""
    made: list[str] = []
    world.dynamodb.meta.events.register(
        "before-call.dynamodb", lambda model, **_: made.append(model.name), unique_id="counting"
    )
    yield made
    world.dynamodb.meta.events.unregister("before-call.dynamodb", unique_id="counting")


def test_a_reported_touch_meets_the_first_response_and_starts_the_second(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world)
    clock.at += timedelta(minutes=30)

    reply = report(lead_id, said(clock() - timedelta(minutes=5), note="已约周三见面"))

    assert (reply.status, reply.body) == (
        201,
        {"event": {"seq": 5, "kind": "touch.recorded"}, "met": ["first_response"]},
    )
    clocks = {item["rule"]: item for item in ask("GET", f"/leads/{lead_id}/clocks").body["items"]}
    assert clocks["first_response"]["state"] == "met"
    assert clocks["first_response"]["met_at"] == "2026-01-26T09:30:00.000+08:00"
    assert clocks["second_touch"]["explain"] == ["自然时间 01-26(周一) 09:30 至 01-29(周四) 09:30 计72小时"]
    event = ask("GET", f"/leads/{lead_id}/trail").body["items"][4]
    assert (event["actor"], event["facts"]["self_reported"], event["text"]) == (
        "rep:rep-zhang",
        True,
        {"note": "已约周三见面"},
    )
    assert ask("GET", f"/leads/{lead_id}/verify").body["fold_matches"] is True


def test_a_call_without_talk_is_kept_and_answers_nothing(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world)

    reply = report(lead_id, said(clock(), talk_s=3))

    assert (reply.status, reply.body["met"]) == (201, [])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"occurred_at": "2026-01-26T09:06:00+08:00"}, "occurred_at"),
        ({"occurred_at": "2026-01-26T08:44:00+08:00"}, "occurred_at"),
        ({"occurred_at": "2026-01-26T09:00:00"}, "occurred_at"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"occurred_at": 1769389200}, "occurred_at"),
        ({"occurred_at": "9999-12-31T23:59:59-12:00"}, "occurred_at"),
        ({"kind": "pigeon"}, "kind"),
        ({"direction": None}, "direction"),
        ({"talk_s": -1}, "talk_s"),
        ({"talk_s": 86401}, "talk_s"),
        ({"talk_s": "60"}, "talk_s"),
        ({"talk_s": 1.5}, "talk_s"),
        ({"talk_s": True}, "talk_s"),
        ({"kind": "visit"}, "talk_s"),
        ({"note": "长" * 2001}, "note"),
        ({"note": ["a"]}, "note"),
        ({"effective": True}, "effective"),
    ],
    ids=str,
)
def test_a_touch_that_makes_no_sense_names_its_field_and_changes_nothing(
    world: TestWorld, clock: TimeTravel, change: dict[str, Any], field: str
) -> None:
    lead_id = arrive(world)

    reply = report(lead_id, said(clock()) | change)

    assert (reply.status, reply.body["field"]) == (422, field)
    assert reply.is_problem
    assert world.store.lead(lead_id).seq == 4  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("{", 400),
        ("[]", 400),
        ('"text"', 400),
        ('{"talk_s": NaN}', 400),
        ('{"talk_s": ' + "9" * 5000 + "}", 400),
        ('{"note": "\\ud800"}', 400),
        ('{"note": "\\u0000"}', 400),
        ('{"kind": "call", "kind": "visit"}', 400),
        ("[" * 100_000, 400),
        ('{"note": "' + "a" * 262_144 + '"}', 413),
    ],
    ids=["empty", "cut", "list", "text", "NaN", "digits", "surrogate", "NUL", "twice", "deep", "large"],
)
def test_a_hostile_body_is_refused_as_a_problem(world: TestWorld, body: str, status: int) -> None:
    lead_id = arrive(world)

    reply = report(lead_id, body)

    assert reply.status == status
    assert reply.is_problem


@pytest.mark.parametrize("name", ["owner", "stage", "team", "risk", "version", "score", "status", "actor", "id"])
def test_nobody_changes_a_lead_by_fields_that_are_not_asked_for(world: TestWorld, clock: TimeTravel, name: str) -> None:
    lead_id = arrive(world)
    before = world.store.lead(lead_id)

    reply = report(lead_id, said(clock(), **{name: "rep-li"}))

    assert (reply.status, reply.body["field"]) == (422, name)
    assert world.store.lead(lead_id) == before


def test_the_same_key_and_body_take_effect_once_and_answer_the_same(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world)
    body = said(clock())

    first = report(lead_id, body, key="tap-1")
    clock.at += timedelta(hours=23)
    again = report(lead_id, dict(reversed(body.items())), key="tap-1")

    assert (first.status, first.body) == (again.status, again.body) == (201, first.body)
    assert world.store.lead(lead_id).touches == 1  # type: ignore[union-attr]


def test_the_same_key_with_another_body_or_lead_is_a_conflict(world: TestWorld, clock: TimeTravel) -> None:
    lead_id, other = arrive(world), arrive(world, phone="+8613900139000")
    report(lead_id, said(clock()), key="tap-1")

    replies = [report(lead_id, said(clock(), talk_s=61), key="tap-1"), report(other, said(clock()), key="tap-1")]

    assert [reply.status for reply in replies] == [409, 409]
    assert replies[0].body["code"] == "idempotency-mismatch"


def test_a_key_belongs_to_one_person_and_lasts_a_day(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world)
    body = said(clock())
    report(lead_id, body, key="tap-1")

    other = report(lead_id, body, user="wangfang", key="tap-1")
    clock.at += timedelta(hours=24)
    later = report(lead_id, body, key="tap-1")

    assert (other.status, later.status) == (201, 201)
    assert world.store.lead(lead_id).touches == 3  # type: ignore[union-attr]


@pytest.mark.parametrize("key", ["", "a" * 256, "two words", "键"], ids=["empty", "long", "space", "chinese"])
def test_a_key_that_makes_no_sense_is_named(world: TestWorld, clock: TimeTravel, key: str) -> None:
    lead_id = arrive(world)

    reply = report(lead_id, said(clock()), key=key)

    assert (reply.status, reply.body["field"]) == (422, "Idempotency-Key")


def test_an_answer_that_was_lost_is_found_by_its_receipt(
    world: TestWorld, clock: TimeTravel, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_id = arrive(world)
    commit = world.store.commit
    lost: list[Change] = []

    def commit_and_lose(change: Change) -> Committed:
        done = commit(change)
        if not lost:
            lost.append(change)
            raise ConflictError
        return done

    monkeypatch.setattr(world.store, "commit", commit_and_lose)

    reply = report(lead_id, said(clock()), key="tap-1")

    assert (reply.status, reply.body["event"]["seq"]) == (201, 5)
    assert world.store.lead(lead_id).touches == 1  # type: ignore[union-attr]


def test_a_touch_costs_two_calls_three_with_a_note_and_a_repetition_one(
    world: TestWorld, clock: TimeTravel, calls: list[str]
) -> None:
    lead_id = arrive(world)
    calls.clear()

    report(lead_id, said(clock()), key="tap-1")
    plain, _ = list(calls), calls.clear()
    clock.at += timedelta(seconds=30)
    report(lead_id, said(clock(), note="再联系"), key="tap-2")
    noted, _ = list(calls), calls.clear()
    report(lead_id, said(clock(), note="再联系"), key="tap-2")

    assert plain == ["BatchGetItem", "TransactWriteItems"]
    assert noted == ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]
    assert calls == ["BatchGetItem"]


def test_a_touch_on_an_unknown_lead_is_not_found(world: TestWorld, clock: TimeTravel) -> None:
    for lead_id in ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "nothing", "LEAD%23x"):
        assert report(lead_id, said(clock())).status == 404


def test_what_a_person_types_in_corrects_no_breach_whatever_clock_wrote_the_breach(
    world: TestWorld, clock: TimeTravel
) -> None:
    lead_id = arrive(world)
    ahead = clock() + timedelta(hours=3)
    watch.sweep(store=world.store, config=world.config, now=ahead)

    report(lead_id, said(clock()))

    clocks = {item["rule"]: item for item in ask("GET", f"/leads/{lead_id}/clocks").body["items"]}
    assert clocks["first_response"]["state"] == "breached"
    assert clocks["first_response"]["met_at"] is not None
