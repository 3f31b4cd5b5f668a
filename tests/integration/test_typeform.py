"""Typeform's responses through the webhook entry."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest

from functions.ingest.webhook import handler
from leadtrail.domain.identity import Identity
from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.webhooks import Context, http_event, lead_created

SECRET = "tf-secret"


def answered(ref: str, kind: str, said: Any) -> dict[str, Any]:
    return {"type": kind, kind: said, "field": {"id": f"id-{ref}", "type": kind, "ref": ref}}


ANSWERS = [
    answered("name", "text", "王五"),
    answered("phone", "phone_number", "+8613900139000"),
    answered("email", "email", "Wang@Example.com"),
    answered("budget", "number", 12.5),
    answered("when", "choice", {"label": "三月"}),
]


def submitted(named: str = "t1", *, answers: Any = None, **changes: Any) -> dict[str, Any]:
    response = {
        "form_id": "lT4Z3j",
        "token": named,
        "submitted_at": "2026-01-26T00:58:00Z",
        "hidden": {"utm_source": "baidu"},
        "definition": {"fields": [{"ref": "budget", "title": "预算(万元)"}]},
        "answers": ANSWERS if answers is None else answers,
        **changes,
    }
    return signed(json.dumps({"event_id": "e", "event_type": "form_response", "form_response": response}))


def signed(body: str, secret: str = SECRET) -> dict[str, Any]:
    digest = base64.b64encode(hmac.new(secret.encode(), body.encode(), hashlib.sha256).digest()).decode()
    return http_event("typeform", body, headers={"Typeform-Signature": f"sha256={digest}"})


def take(event: dict[str, Any], request_id: str = "request-1") -> tuple[int, dict[str, Any]]:
    answer = handler(event, Context(request_id))
    return answer["statusCode"], json.loads(answer["body"])


def test_a_response_becomes_a_lead_with_contact_and_answers(world: TestWorld, clock: TimeTravel) -> None:
    status, body = take(submitted())

    lead = world.store.lead(body["id"])
    assert (status, body["outcome"]) == (200, "created")
    assert lead is not None
    person = world.store.persons([lead.person_id])[lead.person_id]
    [received, *_] = world.store.readable(world.store.trail(lead.lead_id), person)
    assert (person.contact.name, person.contact.phones) == ("王五", ("+8613900139000",))
    assert person.contact.emails == ("wang@example.com",)
    assert received.text == {"预算(万元)": "12.5", "when": '{"label": "三月"}', "hidden.utm_source": "baidu"}
    assert lead.clocks[0].started_at == clock() - timedelta(minutes=2)


def test_a_response_is_taken_once_however_often_and_late_it_comes(world: TestWorld, clock: TimeTravel) -> None:
    _, first = take(submitted())
    clock.at += timedelta(days=40)

    again = [take(submitted(), f"request-{n}")[1] for n in range(2, 4)]

    assert again == [{"id": first["id"], "outcome": "duplicate"}] * 2


def test_a_second_response_of_the_same_person_is_a_second_source(world: TestWorld, clock: TimeTravel) -> None:
    _, first = take(submitted())

    _, second = take(submitted("t2"), "request-2")

    lead = world.store.lead(first["id"])
    assert second == {"id": first["id"], "outcome": "merged"}
    assert lead is not None
    assert len(lead.sources) == 2


def test_a_form_and_another_source_with_one_address_are_one_lead(world: TestWorld, clock: TimeTravel) -> None:
    _, first = take(submitted())
    clock.at += timedelta(minutes=1)

    _, second = take(lead_created(clock(), phone="", email="wang@example.com"), "request-2")

    lead = world.store.lead(first["id"])
    assert second == {"id": first["id"], "outcome": "merged"}
    assert lead is not None
    assert [entry.source for entry in lead.sources] == ["typeform", "standard"]


def test_a_response_that_nobody_can_be_reached_by_is_parked(world: TestWorld, clock: TimeTravel) -> None:
    status, body = take(submitted(answers=[answered("name", "text", "王五")]))

    assert (status, body) == (200, {"id": None, "outcome": "parked"})


@pytest.mark.parametrize("secret", ["", "another", SECRET + " "])
def test_another_secret_is_refused_and_nothing_is_stored(world: TestWorld, clock: TimeTravel, secret: str) -> None:
    status, body = take(signed(submitted()["body"], secret))

    assert (status, "detail" in body) == (401, False)
    assert world.store.identified(Identity("phone", "+8613900139000")) is None


def test_a_changed_body_is_refused(world: TestWorld, clock: TimeTravel) -> None:
    event = submitted()
    event["body"] = event["body"].replace("13900139000", "13900139001")

    status, _ = take(event)

    assert status == 401


def test_the_bytes_are_verified_as_they_came(world: TestWorld, clock: TimeTravel) -> None:
    event = signed(json.dumps(json.loads(submitted()["body"]), indent=4, ensure_ascii=False) + "\n\n")

    status, body = take(event)

    assert (status, body["outcome"]) == (200, "created")


def test_a_body_over_64_kilobytes_is_archived_before_its_lead(world: TestWorld, clock: TimeTravel) -> None:
    event = submitted(answers=[*ANSWERS, answered("story", "text", "长" * 30_000)])
    raw = event["body"].encode()

    status, body = take(event)

    archived = world.objects.get("archive-test", f"raw/typeform/{hashlib.sha256(raw).hexdigest()}")
    assert (status, body["outcome"]) == (200, "created")
    assert archived == raw


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"token": ""}, "form_response.token"),
        ({"submitted_at": "2026-13-01T00:00:00Z"}, "form_response.submitted_at"),
        ({"answers": "none"}, "form_response.answers"),
        ({"hidden": 3}, "form_response.hidden"),
    ],
)
def test_nonsense_is_422_and_names_the_field(
    world: TestWorld, clock: TimeTravel, changes: dict[str, Any], field: str
) -> None:
    status, body = take(submitted(**changes))

    assert (status, body["field"]) == (422, field)
