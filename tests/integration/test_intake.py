import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from functions.ingest.webhook import handler
from leadtrail.adapters.rows import Write
from leadtrail.adapters.table import RotationItem
from leadtrail.domain.identity import Identity
from leadtrail.services.ports import ConflictError
from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.webhooks import Context, call_completed, http_event, lead_created, signed


def take(event: dict[str, Any], request_id: str = "request-1") -> tuple[int, dict[str, Any]]:
    answer = handler(event, Context(request_id))
    return answer["statusCode"], json.loads(answer["body"])


def count_leads(world: TestWorld) -> int:
    return len(list(world.store.items("TEAM#huadong", index="GSI3")))


def test_a_form_becomes_a_lead_with_an_owner_and_two_clocks(world: TestWorld, clock: TimeTravel) -> None:
    status, body = take(lead_created(clock()))

    lead = world.store.lead(body["id"])

    assert (status, body["outcome"]) == (200, "created")
    assert lead is not None
    assert lead.owner == "rep-li"
    assert [(running.rule, running.state) for running in lead.clocks] == [
        ("first_response", "running"),
        ("no_progress", "running"),
    ]
    assert lead.clocks[0].due_at == clock() + timedelta(hours=2)


def test_a_redelivery_is_a_no_op(world: TestWorld, clock: TimeTravel) -> None:
    _, first = take(lead_created(clock()))

    answers = [take(lead_created(clock()), f"request-{n}") for n in range(2, 5)]

    assert {body["outcome"] for _, body in answers} == {"duplicate"}
    assert {body["id"] for _, body in answers} == {first["id"]}
    assert count_leads(world) == 1


def test_one_phone_from_two_sources_is_one_lead_with_two_source_entries(world: TestWorld, clock: TimeTravel) -> None:
    _, first = take(lead_created(clock()))
    clock.at += timedelta(minutes=3)

    status, second = take(lead_created(clock(), message_id="msg_2", phone="+86 138-0013-8000", email="z@example.com"))

    lead = world.store.lead(first["id"])
    assert (status, second) == (200, {"id": first["id"], "outcome": "merged"})
    assert lead is not None
    assert len(lead.sources) == 2
    assert [running.rule for running in lead.clocks] == ["first_response", "no_progress"]
    assert world.store.identified(Identity("email", "z@example.com")) is not None


def test_leads_go_round_the_active_reps_of_a_team(world: TestWorld, clock: TimeTravel) -> None:
    bodies = [take(lead_created(clock(), message_id=f"m{n}", phone=f"1380013800{n}"), f"r{n}")[1] for n in range(4)]

    owners = [lead.owner for body in bodies for lead in [world.store.lead(body["id"])] if lead]

    assert owners == ["rep-li", "rep-zhang", "rep-li", "rep-zhang"]


def test_a_connected_call_meets_the_first_response_and_starts_the_second_touch(
    world: TestWorld, clock: TimeTravel
) -> None:
    _, body = take(lead_created(clock()))
    clock.at += timedelta(minutes=20)

    take(call_completed(clock()))

    lead = world.store.lead(body["id"])
    assert lead is not None
    assert [(running.rule, running.state) for running in lead.clocks] == [
        ("first_response", "met"),
        ("no_progress", "running"),
        ("second_touch", "running"),
    ]
    assert lead.clocks[2].due_at == clock() + timedelta(hours=72)


def test_a_call_too_short_to_be_a_talk_answers_nothing(world: TestWorld, clock: TimeTravel) -> None:
    _, body = take(lead_created(clock()))

    take(call_completed(clock(), talk_s=12))

    lead = world.store.lead(body["id"])
    assert lead is not None
    assert lead.clocks[0].state == "running"
    assert [event.kind for event in world.store.trail(body["id"])][-1] == "touch.recorded"


def test_a_missed_inbound_call_makes_a_lead_and_starts_its_clock(world: TestWorld, clock: TimeTravel) -> None:
    status, body = take(call_completed(clock(), direction="in", talk_s=0, agent=""))

    lead = world.store.lead(body["id"])
    assert (status, body["outcome"]) == (200, "created")
    assert lead is not None
    assert lead.clocks[0].state == "running"


def test_an_answered_inbound_call_makes_a_lead_that_is_answered(world: TestWorld, clock: TimeTravel) -> None:
    event = call_completed(clock() - timedelta(minutes=4), direction="in", talk_s=180)

    _, body = take(event)

    lead = world.store.lead(body["id"])
    assert lead is not None
    assert lead.clocks[0].state == "met"


def test_a_call_to_an_unknown_number_is_parked_with_its_body(world: TestWorld, clock: TimeTravel) -> None:
    status, body = take(call_completed(clock()))

    assert (status, body) == (200, {"id": None, "outcome": "parked"})
    assert count_leads(world) == 0


def test_a_lead_that_nobody_can_reach_is_parked(world: TestWorld, clock: TimeTravel) -> None:
    status, body = take(lead_created(clock(), phone="n/a"))

    assert (status, body) == (200, {"id": None, "outcome": "parked"})


@pytest.mark.parametrize("field", ["webhook-signature", "webhook-id", "webhook-timestamp"])
def test_a_missing_signature_header_is_401_without_detail(world: TestWorld, clock: TimeTravel, field: str) -> None:
    event = lead_created(clock())
    del event["headers"][field]

    status, body = take(event)

    assert (status, body["code"]) == (401, "unauthenticated")
    assert "detail" not in body
    assert count_leads(world) == 0


def test_a_forged_stale_or_swapped_signature_stores_nothing(world: TestWorld, clock: TimeTravel) -> None:
    stale = lead_created(clock() - timedelta(minutes=5, seconds=2))
    early = lead_created(clock() + timedelta(minutes=5, seconds=2))
    forged = lead_created(clock(), secret="whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
    swapped = lead_created(clock())
    swapped["body"] = lead_created(clock(), phone="13900139000")["body"]

    statuses = [take(event)[0] for event in (stale, early, forged, swapped)]

    assert statuses == [401, 401, 401, 401]
    assert count_leads(world) == 0


def test_both_secrets_are_valid_while_one_is_being_rotated(world: TestWorld, clock: TimeTravel) -> None:
    old, new = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    text = json.dumps({"valid": [{"secret": new}, {"secret": old}]})
    world.secrets._client.update_secret(SecretId="leadtrail/source/standard", SecretString=text)

    statuses = [
        take(lead_created(clock(), message_id=f"m{n}", secret=secret, phone=f"1380013801{n}"))[0]
        for n, secret in enumerate((old, new))
    ]

    assert statuses == [200, 200]


def test_a_source_without_a_secret_lets_nobody_in(world: TestWorld, clock: TimeTravel) -> None:
    world.secrets._client.delete_secret(SecretId="leadtrail/source/standard", ForceDeleteWithoutRecovery=True)

    status, _ = take(lead_created(clock()))

    assert status == 401


def test_an_unknown_source_is_404(world: TestWorld) -> None:
    status, _ = take(http_event("nobody", "{}"))

    assert status == 404


HOSTILE = {
    "too large": ("x" * (256 * 1024 + 1), 413),
    "nested over 32": ("[" * 33 + "]" * 33, 400),
    "nested a hundred thousand": ('{"a":' * 30000 + "1" + "}" * 30000, 400),
    "not a number": ('{"type": NaN}', 400),
    "a lone surrogate": ('{"type": "\\ud800"}', 400),
    "NUL": ('{"type": "\\u0000"}', 400),
    "5,000 digits": ('{"n": ' + "9" * 5000 + "}", 400),
    "an exponent without end": ('{"n": 1e999}', 400),
    "not an object": ("[1]", 400),
    "no JSON": ("hello", 400),
    "a key twice": ('{"type": "a", "type": "b"}', 400),
    "an unknown type": ('{"type": "lead.exploded", "data": {}}', 422),
    "data of the wrong type": ('{"type": "lead.created", "data": []}', 422),
    "a phone of the wrong type": ('{"type": "lead.created", "data": {"phone": 1}}', 422),
    "a time without a zone": ('{"type": "lead.created", "timestamp": "2026-01-26T09:00:00", "data": {}}', 422),
    "a time that makes no sense": ('{"type": "lead.created", "timestamp": "yesterday", "data": {}}', 422),
}


@pytest.mark.parametrize(("body", "expected"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_body_is_refused_by_name(world: TestWorld, clock: TimeTravel, body: str, expected: int) -> None:
    status, answer = take(signed(body, clock()))

    assert status == expected
    assert answer["title"]
    assert count_leads(world) == 0


def test_what_people_typed_rests_encrypted_and_nothing_personal_is_in_the_facts(
    world: TestWorld, clock: TimeTravel
) -> None:
    _, body = take(lead_created(clock(), fields={"需求": "三月上线"}))

    dump = json.dumps([dict(item) for item in world.store.items(f"LEAD#{body['id']}")], default=str, ensure_ascii=False)

    assert "三月上线" not in dump
    assert "13800138000" not in dump
    assert "张三" not in dump


def test_a_provider_ahead_of_our_clock_never_moves_a_deadline_forward(world: TestWorld, clock: TimeTravel) -> None:
    event = signed(
        json.dumps(
            {
                "type": "lead.created",
                "timestamp": (clock() + timedelta(days=1)).isoformat(),
                "data": {"name": "李", "phone": "13800138000"},
            }
        ),
        clock(),
    )

    _, body = take(event)

    lead = world.store.lead(body["id"])
    assert lead is not None
    assert lead.clocks[0].started_at == clock()


def test_a_provider_behind_moves_a_deadline_back_by_fifteen_minutes_at_most(
    world: TestWorld, clock: TimeTravel
) -> None:
    clock.at += timedelta(hours=2)
    body = json.dumps(
        {
            "type": "lead.created",
            "timestamp": (clock() - timedelta(days=1)).isoformat(),
            "data": {"name": "李", "phone": "13800138000"},
        }
    )

    _, answer = take(signed(body, clock()))

    lead = world.store.lead(answer["id"])
    assert lead is not None
    assert lead.clocks[0].started_at == clock() - timedelta(minutes=15)


def test_many_leads_at_once_do_not_wait_for_one_turn(
    world: TestWorld, clock: TimeTravel, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = world.store.write

    def somebody_was_first(rows: Sequence[Write]) -> None:
        if any(isinstance(row, Write) and isinstance(row.item, RotationItem) for row in rows):
            raise ConflictError
        write(rows)

    monkeypatch.setattr(world.store, "write", somebody_was_first)
    monkeypatch.setattr(world.store, "_sleep", lambda _: None)

    status, body = take(lead_created(clock()))

    lead = world.store.lead(body["id"])
    assert (status, body["outcome"]) == (200, "created")
    assert lead is not None
    assert lead.owner in ("rep-li", "rep-zhang")


def test_a_table_that_nobody_can_write_asks_the_provider_to_come_again(
    world: TestWorld, clock: TimeTravel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(rows: Sequence[Write]) -> None:
        raise ConflictError

    monkeypatch.setattr(world.store, "write", never)
    monkeypatch.setattr(world.store, "_sleep", lambda _: None)

    answer = handler(lead_created(clock()), Context())

    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "5")


def test_an_answer_that_got_lost_is_not_a_repetition(
    world: TestWorld, clock: TimeTravel, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = world.store.write
    lost = [True]

    def answer_lost(rows: Sequence[Write]) -> None:
        write(rows)
        if lost.pop() if lost else False:
            raise ConflictError

    monkeypatch.setattr(world.store, "write", answer_lost)
    monkeypatch.setattr(world.store, "_sleep", lambda _: None)

    status, body = take(lead_created(clock()))

    assert (status, body["outcome"]) == (200, "created")
    assert count_leads(world) == 1


def test_a_call_from_long_before_the_lead_answers_nothing(world: TestWorld, clock: TimeTravel) -> None:
    _, body = take(lead_created(clock()))

    take(call_completed(clock(), started_at=(clock() - timedelta(days=1)).isoformat()))

    lead = world.store.lead(body["id"])
    assert lead is not None
    assert lead.clocks[0].state == "running"
    assert lead.first_touch_at is None
