"""Operations of the people's API: one declaration that routes, reads, checks, answers and documents.

`Area` is Powertools' Router with one more decorator. What an operation declares (query, body and
answer as pydantic models) is what it enforces and what /openapi.json says, so that none of the three
can drift, and no operation exists outside the document. Powertools' own validation was not taken:
its 422 is no problem+json, it lets unknown query parameters pass, and it cannot refuse a body that
json_object refuses (docs/api.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from pydantic import BaseModel

from functions.api import reading, signed_in
from functions.api.reading import Nothing
from leadtrail.domain.instant import cut
from leadtrail.runtime import http, wiring
from leadtrail.runtime.wiring import World
from leadtrail.services.idempotency import Command
from leadtrail.services.people import NOBODY, Caller

Q = TypeVar("Q", bound=BaseModel)
B = TypeVar("B", bound=BaseModel)
A = TypeVar("A", bound=BaseModel | None)


@dataclass(frozen=True, slots=True)
class Operation:
    """What one operation declares; ``answer`` None is an empty answer, ``public`` needs no token."""

    method: str
    path: str
    name: str
    tag: str
    summary: str
    description: str
    query: type[BaseModel]
    body: type[BaseModel] | None
    answer: type[BaseModel] | None
    status: int
    problems: tuple[int, ...]
    public: bool

    @property
    def takes_key(self) -> bool:
        """Every POST by a person takes an Idempotency-Key."""
        return self.method == "POST"


@dataclass(frozen=True, slots=True)
class Call(Generic[Q, B]):
    """One request, read and checked; ``now`` is aware UTC cut to milliseconds.

    ``body`` is there when the operation declared one; ``document`` is the body as it was sent.
    ``command`` is there when the request carries an Idempotency-Key.
    """

    caller: Caller
    path: Mapping[str, str]
    query: Q
    body: B
    document: Mapping[str, Any]
    command: Command | None
    world: World
    now: datetime


class Area(Router):
    """The router of one area; ``operations`` is its part of the document."""

    def __init__(self, tag: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Powertools gives it no types
        self.tag = tag
        self.operations: list[Operation] = []

    def operation(
        self,
        method: str,
        path: str,
        *,
        summary: str,
        answer: type[Any] | None,
        query: type[Q] = Nothing,  # type: ignore[assignment]  # Q is Nothing where no query is declared
        body: type[B] = Nothing,  # type: ignore[assignment]  # B likewise
        status: int = 200,
        problems: tuple[int, ...] = (),
        public: bool = False,
    ) -> Callable[[Callable[[Call[Q, B]], A]], Callable[[Call[Q, B]], A]]:
        """Register a function as the operation ``method`` ``path`` (``/leads/{lead_id}``).

        ``problems`` are refusals beyond those that follow from the declaration: 401, 403, 404 with a
        path parameter, 422 with query or body, 400 and 413 with a body, 409 for a POST.
        """
        given = None if body is Nothing else body

        def register(function: Callable[[Call[Q, B]], A]) -> Callable[[Call[Q, B]], A]:
            declared = Operation(
                method=method,
                path=path,
                name=function.__name__,
                tag=self.tag,
                summary=summary,
                description=(function.__doc__ or "").strip(),
                query=query,
                body=given,
                answer=answer,
                status=status,
                problems=problems,
                public=public,
            )
            self.operations.append(declared)

            def invoke(**values: str) -> Response[str]:
                event: dict[str, Any] = self.current_event.raw_event
                return _answered(declared, function(_call(declared, query, body, event, values)))

            self.route(re.sub(r"\{(\w+)\}", r"<\1>", path), method=method)(invoke)
            return function

        return register


def _call(
    declared: Operation, query: type[Q], body: type[B], event: Mapping[str, Any], values: Mapping[str, str]
) -> Call[Q, B]:
    world = wiring.world()
    caller = NOBODY if declared.public else signed_in.caller(event, world.config.company())
    raw = http.raw_body(event)
    document = http.json_object(raw) if declared.body else {}
    command = reading.command(http.headers(event), caller, declared.method, event, document)
    return Call(
        caller=caller,
        path=values,
        query=reading.checked(query, http.query(event), strings=True),
        body=reading.checked(body, document),
        document=document,
        command=command if declared.takes_key else None,
        world=world,
        now=cut(world.now()),
    )


def _answered(declared: Operation, answer: BaseModel | None) -> Response[str]:
    if answer is None:
        return Response(declared.status, body="")
    return Response(declared.status, "application/json; charset=utf-8", answer.model_dump_json())
