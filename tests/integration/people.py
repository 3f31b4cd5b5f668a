"""Clients of the people's API: signed-in requests as the HTTP API hands them over, and leads to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from console.company import USERS
from functions.api.rest import handler
from leadtrail.adapters import cipher
from leadtrail.domain import lifecycle
from leadtrail.domain.delivery import Contact
from leadtrail.domain.identity import Identity
from leadtrail.domain.ids import new_id
from leadtrail.domain.lifecycle import Timing
from leadtrail.services.ports import Change, Person
from tests.integration.conftest import TestWorld
from tests.integration.webhooks import Context

BY_NAME = {user.name: user for user in USERS}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person's client gets."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_problem(self) -> bool:
        return self.headers.get("content-type", "").startswith("application/problem+json")


def claims(name: str) -> dict[str, str]:
    """The claims of a user, in the strings that an HTTP API makes of them."""
    user = BY_NAME[name]
    return {"sub": name, "cognito:groups": f"[{user.role}]", "custom:rep_id": user.rep_id}


def request(
    method: str,
    path: str,
    *,
    of: Mapping[str, Any] | None,
    body: object = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The event of payload 2.0; ``body`` is text as it is sent, or an object."""
    context: dict[str, Any] = {"http": {"method": method, "path": path}, "stage": "$default"}
    if of is not None:
        context["authorizer"] = {"jwt": {"claims": dict(of), "scopes": None}}
    return {
        "version": "2.0",
        "routeKey": "ANY /{proxy+}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", **(headers or {})},
        "queryStringParameters": dict(query or {}),
        "requestContext": context,
        "body": body if isinstance(body, str) or body is None else json.dumps(body, ensure_ascii=False),
        "isBase64Encoded": False,
    }


def ask(
    method: str,
    path: str,
    *,
    user: str | None = "zhangsan",
    body: object = None,
    query: Mapping[str, str] | None = None,
    key: str | None = None,
) -> Reply:
    """Send a request as a user of the simulated company; None has no token."""
    headers = {"idempotency-key": key} if key is not None else {}
    of = claims(user) if user else None
    answer = handler(request(method, path, of=of, body=body, query=query, headers=headers), Context())
    return reply(answer)


def reply(answer: Mapping[str, Any]) -> Reply:
    headers = {name.lower(): value for name, value in (answer.get("headers") or {}).items()}
    return Reply(answer["statusCode"], json.loads(answer["body"]) if answer["body"] else None, headers)


def arrive(
    world: TestWorld,
    *,
    owner: str | None = "rep-zhang",
    team: str = "huadong",
    name: str = "王小明",
    phone: str = "+8613800138000",
    at: datetime | None = None,
    text: dict[str, str] | None = None,
) -> str:
    """Let a lead of a new person arrive, and return its id."""
    received_at = at or world.now()
    person = Person(new_id(received_at), Contact(name, (phone,), ()), cipher.new_key(), cipher.new_salt())
    company = world.config.company()
    policy = company.policy_for(source="standard", team=team)
    lead_id = new_id(received_at)
    happenings = lifecycle.receive(
        source="standard",
        person=person.person_id,
        team=team,
        owner=owner,
        actor="source:standard",
        receipt="receipt",
        occurred_at=None,
        received_at=received_at,
        signed=True,
        timing=Timing(policy, world.config.calendar(policy)),
        text=text,
    )
    world.store.commit(
        Change(
            lead_id=lead_id,
            recorded_at=received_at,
            happenings=happenings,
            person=person,
            new_person=True,
            claims=(Identity("phone", phone),),
        )
    )
    return lead_id
