"""GET|POST /webhooks/{source}: a form, a call system or WeCom hands over a lead or a touch."""

from __future__ import annotations

import hashlib
from typing import Any

from functions.ingest import sources
from leadtrail.domain.company import Source
from leadtrail.domain.errors import LeadtrailError, NotFoundError, UnauthenticatedError
from leadtrail.runtime import http, wiring
from leadtrail.runtime.telemetry import count, instrumented, logger
from leadtrail.services import intake
from leadtrail.services.ports import RawBody

LARGE_BYTES = 64 * 1024  # a larger body goes to S3 before the receipt that names it
KEPT_HEADERS = ("content-type", "user-agent", "webhook-id", "webhook-timestamp")


@instrumented
def handler(event: dict[str, Any], context: Any) -> http.Answer:
    """Verify, parse, store once, acknowledge; a refusal is a problem that says what to mend."""
    source_id = event.get("pathParameters", {}).get("source", "")
    try:
        return _take(source_id, event, getattr(context, "aws_request_id", ""))
    except LeadtrailError as error:
        logger.warning("delivery refused", source=source_id[:40], reason=error.code)
        count("WebhookRejected", reason=error.code)
        if error.status == 401:  # whoever forges learns nothing
            return http.problem(UnauthenticatedError())
        return http.problem(error)


def _take(source_id: str, event: dict[str, Any], attempt: str) -> http.Answer:
    world = wiring.world()
    source = world.config.company().sources.get(source_id)
    if source is None:
        raise NotFoundError
    provider = sources.provider(source.provider)
    request = _request(source, event, world)
    secret = provider.verify(request, world.source_secrets(source.secret))
    if request.method == "GET":
        return provider.echo(request, secret)
    [delivery] = provider.parse(request, secret)
    outcome = intake.receive(
        delivery,
        _raw(request, world),
        store=world.store,
        config=world.config,
        new_person=world.new_person,
        attempt=attempt,
        now=lambda: request.at,
    )
    logger.info("delivery taken", source=source.id, outcome=outcome.outcome, lead_id=outcome.lead_id)
    count("WebhookAccepted", outcome=outcome.outcome)
    return provider.acknowledge(outcome.lead_id, outcome.outcome)


def _request(source: Source, event: dict[str, Any], world: wiring.World) -> sources.Request:
    http_call = event["requestContext"]["http"]
    asked = event.get("rawQueryString", "")
    address = world.settings.public_base_url + event.get("rawPath", "")
    return sources.Request(
        source,
        http_call["method"],
        http.raw_body(event),
        world.now(),
        http.headers(event),
        http.query(event),
        url=f"{address}?{asked}" if asked else address,
        token=event.get("pathParameters", {}).get("token", ""),
        ip=http_call.get("sourceIp", ""),
    )


def _raw(request: sources.Request, world: wiring.World) -> RawBody:
    digest = hashlib.sha256(request.body).hexdigest()
    archived = None
    if len(request.body) > LARGE_BYTES:
        archived = f"raw/{request.source.id}/{digest}"
        world.objects.put(world.settings.archive_bucket, archived, request.body, "application/octet-stream")
    kept = {name: request.headers[name] for name in KEPT_HEADERS if name in request.headers}
    return RawBody(request.body, kept, digest, archived)
