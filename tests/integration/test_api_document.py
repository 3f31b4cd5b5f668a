import json
from typing import Any

from console import openapi
from functions.api import rest
from tests.integration.conftest import TestWorld
from tests.integration.people import ask, reply, request
from tests.integration.webhooks import Context

API = {
    ("GET", "/me"),
    ("GET", "/leads"),
    ("GET", "/leads/{lead_id}"),
    ("GET", "/leads/{lead_id}/trail"),
    ("GET", "/leads/{lead_id}/verify"),
    ("GET", "/leads/{lead_id}/clocks"),
    ("GET", "/leads/{lead_id}/page"),
    ("POST", "/leads/{lead_id}/touches"),
    ("POST", "/leads/{lead_id}/merge"),
    ("POST", "/leads/{lead_id}/split"),
    ("POST", "/leads/{lead_id}/contact"),
    ("POST", "/leads/{lead_id}/deals"),
    ("POST", "/leads/{lead_id}/owner"),
    ("POST", "/leads/{lead_id}/pause"),
    ("POST", "/leads/{lead_id}/resume"),
    ("POST", "/leads/{lead_id}/close"),
    ("POST", "/leads/{lead_id}/reopen"),
    ("POST", "/leads/{lead_id}/touches/{seq}/withdraw"),
    ("POST", "/recordings"),
    ("GET", "/recordings/{recording_id}"),
    ("GET", "/recordings/{recording_id}/transcript"),
    ("GET", "/policies"),
    ("GET", "/policies/{name}"),
    ("PUT", "/policies/{name}"),
    ("POST", "/policies/{name}/preview"),
    ("POST", "/policies/{name}/rebase"),
    ("GET", "/reports"),
    ("POST", "/reports/daily"),
    ("DELETE", "/reports/{report_id}/links"),
    ("GET", "/openapi.json"),
}


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(openapi.text())
    return found


def test_the_document_is_open_to_everybody_and_is_the_committed_one(world: TestWorld) -> None:
    served = reply(rest.handler(request("GET", "/openapi.json", of=None), Context()))

    assert served.status == 200
    assert served.body == json.loads(openapi.COMMITTED.read_text("utf-8"))
    assert openapi.COMMITTED.read_text("utf-8") == openapi.text(), "run: python -m console.openapi"


def test_the_document_holds_every_call_of_the_contract() -> None:
    found = {(method.upper(), path) for path, item in document()["paths"].items() for method in item}

    assert found == API


def test_every_operation_says_what_it_takes_and_what_it_answers() -> None:
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            answers = operation["responses"]
            good = [status for status in answers if status.startswith("2")]
            named = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"}
            assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}
            assert len(good) == 1
            assert ("content" in answers[good[0]]) is (good != ["204"])
            assert ("requestBody" in operation) is (method in ("post", "put"))
            assert ("401" in answers) is (operation.get("security") != [])
            ours = [status for status in answers if status > "3" and status != "401"]  # 401 is the gateway's own
            assert all("application/problem+json" in answers[status]["content"] for status in ours)


def test_every_reference_of_the_document_leads_somewhere() -> None:
    found = document()

    def references(value: object) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if "$ref" in value else []
            return own + [ref for item in value.values() for ref in references(item)]
        return [ref for item in value for ref in references(item)] if isinstance(value, list) else []

    names = {reference.removeprefix("#/components/schemas/") for reference in references(found)}

    assert names == set(found["components"]["schemas"])
    assert found["openapi"].startswith("3.1")


def test_answers_carry_no_field_that_the_document_does_not_name(world: TestWorld) -> None:
    schema = document()["components"]["schemas"]["Me"]

    me = ask("GET", "/me").body

    assert set(me) == set(schema["properties"]) == set(schema["required"])
