"""Who may do what: every operation of the document, by every kind of caller. A new operation needs a row here."""

import json
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest

from functions.api import description, rest
from leadtrail.adapters import rows
from leadtrail.domain.report import Report
from leadtrail.services.ports import Recording
from tests.integration.conftest import SETTINGS, TestWorld, TimeTravel
from tests.integration.people import arrive, ask, claims, reply, request
from tests.integration.webhooks import Context

RECORDING = "01KFVX14M0ZPWN9P7WP1BKJ57X"
REPORT = "01KFVX14M0ZPWN9P7WP1BKJ57Y"
CALLERS = {
    "rep own": "zhangsan",
    "rep other": "lisi",
    "rep other team": "zhaoliu",
    "manager own team": "wangfang",
    "manager other team": "sunli",
    "director": "chenzong",
    "admin": "admin",
    "nobody": None,
}
GOOD = ("seen", "unseen")
DOCUMENT = description.document(rest.operations())
OPERATIONS = sorted(f"{method.upper()} {path}" for path, item in DOCUMENT["paths"].items() for method in item)


@dataclass(frozen=True, slots=True)
class Row:
    """What each caller of CALLERS gets, in that order.

    ``seen`` and ``unseen`` are answers of 2xx that do and do not speak of the scene's lead; ``ok`` is any 2xx.
    """

    cells: str
    body: Any = None
    query: dict[str, str] = field(default_factory=dict)


OWN = "seen 404 404 seen 404 seen seen 401"
MANAGERS = "403 403 403 seen 404 seen seen 401"
EVERYBODY = "ok ok ok ok ok ok ok 401"
TOUCH = {"kind": "call", "direction": "out", "occurred_at": "2026-01-26T09:00:00+08:00"}
PAUSE = {"until": "2026-01-27T09:00:00+08:00", "reason": "customer-asked", "note": "客户要求明天再谈"}
UPLOAD = {"lead_id": "{lead}", "file_name": "a.wav", "size": 5, "content_type": "audio/wav", "consent": True}
POLICY: dict[str, Any] = {
    "calendar": {"tz": "Asia/Shanghai", "hours": {"mon": [["09:00", "18:00"]]}},
    "rules": [
        {
            "name": "first_response",
            "starts": "lead.received",
            "meets": ["touch"],
            "measure": "business",
            "budget": "PT2H",
            "levels": [{"after": "PT0S", "to": "owner"}],
        }
    ],
}
LONGER = {**POLICY, "rules": [{**rule, "budget": "PT3H"} for rule in POLICY["rules"]]}
REASON = "客户确认是同一个人"
ROWS = {
    "GET /me": Row(EVERYBODY),
    "GET /leads": Row("seen unseen unseen seen unseen seen seen 401"),
    "GET /leads/{lead_id}": Row(OWN),
    "GET /leads/{lead_id}/trail": Row(OWN),
    "GET /leads/{lead_id}/verify": Row(OWN.replace("seen", "ok")),
    "GET /leads/{lead_id}/clocks": Row(OWN.replace("seen", "ok")),
    "GET /leads/{lead_id}/page": Row(OWN.replace("seen", "ok")),
    "POST /leads/{lead_id}/touches": Row(OWN.replace("seen", "ok"), TOUCH),
    "POST /leads/{lead_id}/merge": Row(MANAGERS.replace("seen", "422"), {"other": "{lead}", "reason": REASON}),
    "POST /leads/{lead_id}/split": Row(MANAGERS.replace("seen", "409"), {"other": "{lead}", "reason": REASON}),
    # whoever comes second finds nothing left to correct
    "POST /leads/{lead_id}/contact": Row("ok 404 404 422 404 422 422 401", {"name": "王晓明", "reason": REASON}),
    "POST /leads/{lead_id}/deals": Row(OWN.replace("seen", "ok"), {"reason": REASON}),
    # a rep may not give away, not even an own lead; whoever comes second finds it given already
    "POST /leads/{lead_id}/owner": Row("403 404 404 seen 404 409 409 401", {"owner": "rep-li", "reason": REASON}),
    # whoever comes second finds it paused, closed or withdrawn already, and nothing to resume or reopen
    "POST /leads/{lead_id}/pause": Row("ok 404 404 422 404 422 422 401", PAUSE),
    "POST /leads/{lead_id}/resume": Row("422 404 404 422 404 422 422 401", {"reason": REASON}),
    "POST /leads/{lead_id}/close": Row("ok 404 404 409 404 409 409 401", {"outcome": "lost", "reason": REASON}),
    "POST /leads/{lead_id}/reopen": Row("409 404 404 409 404 409 409 401", {"reason": REASON}),
    "POST /leads/{lead_id}/touches/{seq}/withdraw": Row("422 404 404 422 404 422 422 401", {"reason": REASON}),
    "POST /recordings": Row(OWN, UPLOAD),
    "GET /recordings/{recording_id}": Row(OWN),
    "GET /recordings/{recording_id}/transcript": Row(OWN.replace("seen", "ok")),
    "GET /policies": Row(EVERYBODY),
    "GET /policies/{name}": Row(EVERYBODY),
    "PUT /policies/{name}": Row("403 403 403 ok ok ok ok 401", POLICY),
    # the scene's lead would be due at another hour, and whoever answers for its team sees that
    "POST /policies/{name}/preview": Row("403 403 403 seen unseen seen seen 401", LONGER),
    "POST /policies/{name}/rebase": Row("403 403 403 ok ok ok ok 401", {"cursor": None}),
    "GET /reports": Row("403 403 403 seen unseen seen seen 401"),
    "POST /reports/daily": Row(MANAGERS.replace("seen", "ok"), {"team": "huadong", "day": "2026-01-26"}),
    "DELETE /reports/{report_id}/links": Row(MANAGERS.replace("seen", "ok")),
    "GET /openapi.json": Row("ok ok ok ok ok ok ok ok"),
}


class FakeFunctions:
    """The Lambda client: what was handed over."""

    def __init__(self) -> None:
        self.invoked: list[bytes] = []

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> None:  # noqa: N803 - boto3's names
        self.invoked.append(Payload)


@pytest.fixture
def lead_id(world: TestWorld, clock: TimeTravel) -> str:
    """A lead of 张三 in 华东, with a recording, its transcript, and a report of the team."""
    lead_id = arrive(world)
    world.functions = FakeFunctions()
    key = f"transcripts/{lead_id}/{RECORDING}.json"
    recording = Recording(RECORDING, lead_id, "ready", "uploads/x", "audio/wav", 5, clock(), transcript_key=key)
    world.store.write([*rows.recording(recording)])
    world.objects.put(SETTINGS.uploads_bucket, key, json.dumps(TRANSCRIPT).encode(), content_type="application/json")
    report = Report(REPORT, "daily", "huadong", date(2026, 1, 26), 1, clock(), clock(), {"超时未响应": 1}, "daily/x")
    world.reports.save(report, before=None, push=())
    return lead_id


TRANSCRIPT = {
    "recording_id": RECORDING,
    "version": 1,
    "engine": {"name": "vosk", "model": "m", "model_sha256": "0"},
    "channels": [{"channel": 0, "speaker": "unknown"}],
    "sentences": [],
    "duration_s": 1.0,
    "audio": {"sha256": "0", "size": 5},
}


def test_every_operation_of_the_document_has_a_row() -> None:
    assert sorted(ROWS) == OPERATIONS


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_caller_gets_what_is_theirs_and_nothing_else(world: TestWorld, lead_id: str, operation: str) -> None:
    method, path = operation.split(" ")
    row = ROWS[operation]
    ids = {"lead_id": lead_id, "recording_id": RECORDING, "report_id": REPORT, "name": "default", "seq": "1"}
    body = json.dumps(row.body).replace("{lead}", lead_id) if row.body else None

    found = {}
    for caller, user in CALLERS.items():
        answer = ask(method, path.format(**ids), user=user, body=body, query=row.query)
        found[caller] = what(answer.status, json.dumps(answer.body), lead_id)
        if answer.status >= 400:
            assert answer.is_problem
            assert answer.body["title"]

    wanted = dict(zip(CALLERS, row.cells.split(), strict=True))
    assert {
        caller: "ok" if wanted[caller] == "ok" and cell in GOOD else cell for caller, cell in found.items()
    } == wanted


def what(status: int, text: str, lead_id: str) -> str:
    if status >= 300:
        return str(status)
    return "seen" if lead_id in text or REPORT in text else "unseen"


@pytest.mark.parametrize("part", ["", "/trail", "/verify", "/clocks"])
def test_a_foreign_lead_is_answered_like_one_that_does_not_exist(world: TestWorld, lead_id: str, part: str) -> None:
    foreign = ask("GET", f"/leads/{lead_id}{part}", user="zhaoliu")
    absent = ask("GET", f"/leads/01ARZ3NDEKTSV4RRFFQ69G5FAV{part}", user="zhaoliu")

    assert foreign == absent
    assert foreign.status == 404


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"cognito:groups": "[]"}, 403),
        ({"cognito:groups": "[guests]"}, 403),
        ({"cognito:groups": ""}, 403),
        ({"custom:rep_id": "rep-nobody"}, 403),
        ({"custom:rep_id": ""}, 403),
        ({"cognito:groups": ["manager", "rep"]}, 200),
        ({"cognito:groups": "[rep admin]"}, 200),
    ],
    ids=str,
)
def test_a_token_counts_only_with_a_role_and_a_person(world: TestWorld, changed: dict[str, Any], status: int) -> None:
    event = request("GET", "/me", of={**claims("wangfang"), **changed})

    answer = reply(rest.handler(event, Context()))

    assert answer.status == status
    if status == 200:
        assert answer.body["role"] in ("manager", "admin")


def test_a_header_that_claims_to_be_a_token_is_not_believed(world: TestWorld) -> None:
    event = request("GET", "/me", of=None, headers={"authorization": "Bearer eyJhbGciOiJub25lIn0.e30."})

    answer = reply(rest.handler(event, Context()))

    assert (answer.status, answer.body["code"]) == (401, "unauthenticated")
    assert "detail" not in answer.body


def test_me_is_who_the_company_takes_me_for(world: TestWorld) -> None:
    rep, director = ask("GET", "/me"), ask("GET", "/me", user="chenzong")

    assert rep.body == {
        "id": "rep-zhang",
        "name": "张三",
        "role": "rep",
        "team": "huadong",
        "timezone": "Asia/Shanghai",
    }
    assert director.body["team"] is None


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/nothing"), ("PATCH", "/leads"), ("POST", "/me")])
def test_an_unknown_address_is_a_problem_and_not_found(world: TestWorld, method: str, path: str) -> None:
    answer = ask(method, path, body={})

    assert (answer.status, answer.body["code"], answer.is_problem) == (404, "not-found", True)
