"""The people's API: every route behind a JWT, and /openapi.json for everybody. Trigger: the HTTP API."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as NoRouteError
from pydantic import RootModel

from functions.api import description, identity, leads, me, owner, policies, progress, recordings, reports
from functions.api.operation import Area, Call, Operation
from leadtrail.domain.errors import LeadtrailError, NotFoundError
from leadtrail.runtime import http
from leadtrail.runtime.telemetry import instrumented, logger


class Document(RootModel[dict[str, Any]]):
    """An OpenAPI 3.1 document."""


about = Area("接口说明")
AREAS = (
    me.router,
    leads.router,
    identity.router,
    owner.router,
    progress.router,
    policies.router,
    recordings.router,
    reports.router,
    about,
)


def operations() -> tuple[Operation, ...]:
    """Return every operation of the API, in the order of the document."""
    return tuple(operation for area in AREAS for operation in area.operations)


@about.operation("GET", "/openapi.json", summary="本接口的说明", answer=Document, public=True)
def openapi(_: Call[Any, Any]) -> Document:
    """The document that describes this API; open to everybody."""
    return Document(description.document(operations()))


app = APIGatewayHttpResolver()
for area in AREAS:
    app.include_router(area)


def refused(error: LeadtrailError) -> Response[str]:
    """Answer a refusal as problem+json."""
    logger.info("request refused", code=error.code, status=error.status)
    answer = http.problem(error)
    return Response(answer["statusCode"], body=answer["body"], headers=answer["headers"])


def no_route(_: NoRouteError) -> Response[str]:
    """Answer an address that nobody knows as problem+json."""
    return refused(NotFoundError())


app.exception_handler(LeadtrailError)(refused)
app.not_found(no_route)


@instrumented
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request of the HTTP API (payload 2.0)."""
    return app.resolve(event, context)
