"""Pausing, closing, reopening and withdrawing over the API, as reps and managers do it."""

from datetime import timedelta
from typing import Any

import pytest

from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.people import Reply, arrive, ask

WHY = "客户要求月底再联系"
HOUR = timedelta(hours=1)


def order(lead_id: str, what: str, *, user: str = "zhangsan", key: str | None = None, **body: Any) -> Reply:
    known = {"note": WHY} if what == "pause" else {"reason": WHY}
    return ask("POST", f"/leads/{lead_id}/{what}", user=user, body=known | body, key=key)


def pause(lead_id: str, clock: TimeTravel, hours: float = 24, **more: Any) -> Reply:
    said = {"until": (clock() + hours * HOUR).isoformat(), "reason": "customer-asked"}
    return order(lead_id, "pause", **(said | more))


def clocks(lead_id: str) -> dict[str, Any]:
    items = ask("GET", f"/leads/{lead_id}/clocks").body["items"]
    return {f"{item['rule']}#{item['episode']}": item for item in items}


def is_whole(lead_id: str) -> bool:
    found = ask("GET", f"/leads/{lead_id}/verify").body
    return bool(found["whole"] and found["fold_matches"])


def test_a_paused_lead_is_due_later_and_says_until_when(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world)
    clock.at += timedelta(minutes=30)

    reply = pause(lead_id, clock)

    assert reply.status == 200
    assert [event["kind"] for event in reply.body["events"]] == ["clock.paused", "clock.paused"]
    first = clocks(lead_id)["first_response#1"]
    assert (first["state"], first["due_at"]) == ("paused", "2026-01-27T11:00:00.000+08:00")
    assert first["pauses"]
    assert is_whole(lead_id)


def test_the_note_rests_with_the_person_and_the_reason_is_a_fact(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world)

    pause(lead_id, clock)

    event = next(item for item in ask("GET", f"/leads/{lead_id}/trail").body["items"] if item["kind"] == "clock.paused")
    assert event["text"] == {"reason": WHY}
    assert (event["facts"]["reason"], event["actor"]) == ("customer-asked", "rep:rep-zhang")


def test_a_resumed_lead_counts_only_the_pause_that_was(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world)
    clock.at += timedelta(minutes=30)
    pause(lead_id, clock)
    clock.at += HOUR

    reply = order(lead_id, "resume")

    assert reply.status == 200
    first = clocks(lead_id)["first_response#1"]
    assert (first["state"], first["due_at"]) == ("running", "2026-01-26T12:00:00.000+08:00")


def test_a_closed_lead_owes_nothing_and_a_reopened_one_what_it_owed(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world)
    clock.at += HOUR
    closed = order(lead_id, "close", outcome="lost")
    clock.at += timedelta(days=1)
    reopened = order(lead_id, "reopen")

    assert (closed.status, reopened.status) == (200, 200)
    found = clocks(lead_id)
    assert found["first_response#1"]["state"] == "cancelled"
    assert (found["first_response#2"]["state"], found["first_response#2"]["due_at"]) == (
        "running",
        "2026-01-27T11:00:00.000+08:00",
    )
    assert is_whole(lead_id)


def test_a_mistaken_touch_is_withdrawn_and_its_clock_runs_again(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world)
    clock.at += timedelta(minutes=10)
    said = {"kind": "call", "direction": "out", "occurred_at": clock().isoformat(), "talk_s": 60}
    touched = ask("POST", f"/leads/{lead_id}/touches", body=said).body["event"]["seq"]
    clock.at += timedelta(minutes=10)

    reply = order(lead_id, f"touches/{touched}/withdraw")

    assert reply.status == 200
    assert clocks(lead_id)["first_response#1"]["state"] == "running"
    assert is_whole(lead_id)


def test_what_a_machine_saw_only_a_manager_withdraws(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world)
    said = {"kind": "visit", "direction": "out", "occurred_at": clock().isoformat()}
    touched = ask("POST", f"/leads/{lead_id}/touches", user="wangfang", body=said).body["event"]["seq"]

    by_rep = order(lead_id, f"touches/{touched}/withdraw")
    by_manager = order(lead_id, f"touches/{touched}/withdraw", user="wangfang")

    assert (by_rep.status, by_manager.status) == (403, 200)


@pytest.mark.parametrize(
    ("what", "change", "refusal"),
    [
        ("pause", {"until": "2026-01-26T09:00:00+08:00"}, (422, "until")),
        ("pause", {"until": "2026-03-26T09:00:00+08:00"}, (422, "until")),
        ("pause", {"until": "9999-12-31T23:59:59-12:00"}, (422, "until")),
        ("pause", {"until": None}, (422, "until")),
        ("pause", {"until": "tomorrow"}, (422, "until")),
        ("pause", {"reason": "because"}, (422, "reason")),
        ("pause", {"note": "短"}, (422, "note")),
        ("pause", {"rules": ["nothing"]}, (422, "rules")),
        ("pause", {"owner": "rep-li"}, (422, "owner")),
        ("close", {"outcome": "open"}, (422, "outcome")),
        ("close", {}, (422, "outcome")),
        ("resume", {}, (422, "lead")),
        ("reopen", {}, (409, None)),
        ("touches/999/withdraw", {}, (422, "seq")),
        ("touches/x/withdraw", {}, (422, "seq")),
        ("touches/1/withdraw", {}, (422, "seq")),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_by_name_and_changes_nothing(
    world: TestWorld, clock: TimeTravel, what: str, change: dict[str, Any], refusal: tuple[int, str | None]
) -> None:
    status, field = refusal
    lead_id = arrive(world)
    before = ask("GET", f"/leads/{lead_id}").body["version"]
    known = {"until": (clock() + 24 * HOUR).isoformat(), "reason": "customer-asked"} if what == "pause" else {}

    reply = order(lead_id, what, **(known | change))

    assert (reply.status, reply.is_problem) == (status, True)
    if field:
        assert field in str(reply.body.get("field", "")) or field in str(reply.body)
    assert ask("GET", f"/leads/{lead_id}").body["version"] == before


def test_nobody_works_on_a_closed_lead_until_it_is_reopened(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world)
    order(lead_id, "close", outcome="won")

    assert pause(lead_id, clock).status == 409
    assert order(lead_id, "close", outcome="lost").status == 409
    assert order(lead_id, "resume").status == 409


def test_the_same_order_twice_takes_effect_once(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world)
    body = {"until": (clock() + 24 * HOUR).isoformat(), "reason": "customer-asked"}

    first, second = order(lead_id, "pause", key="k-1", **body), order(lead_id, "pause", key="k-1", **body)
    other = order(lead_id, "pause", key="k-1", **(body | {"reason": "customer-away"}))

    assert first.body == second.body
    assert (first.status, second.status, other.status) == (200, 200, 409)
    assert ask("GET", f"/leads/{lead_id}").body["version"] == first.body["version"]
