"""GET|POST /webhooks/{source}: a form, a call system or WeCom hands over a lead or a touch."""

from __future__ import annotations

from typing import Any

from functions.ingest import samples, sources, taking, waiting
from leadtrail.adapters.outage import OUTAGES
from leadtrail.domain.company import Source
from leadtrail.domain.delivery import Delivery
from leadtrail.domain.errors import BodyTooLargeError, BusyError, LeadtrailError, NotFoundError, UnauthenticatedError
from leadtrail.runtime import http, wiring
from leadtrail.runtime.telemetry import count, instrumented, logger
from leadtrail.services.intake import Outcome

GATEWAY_BYTES = 10 * 1024 * 1024  # what API Gateway lets through: enough to see who sent too much
AT_ONCE = 10  # messages of one request that are stored while its sender waits
QUEUED = Outcome(None, "queued")


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
    except OUTAGES:  # before we knew who it was, or the queue is down, too: its sender may try again
        logger.exception("delivery could not be taken", source=source_id[:40])
        count("WebhookRejected", reason=BusyError.code)
        return http.problem(BusyError())


def _take(source_id: str, event: dict[str, Any], attempt: str) -> http.Answer:
    world = wiring.world()
    source = world.config.company().sources.get(source_id)
    if source is None:
        raise NotFoundError
    provider = sources.provider(source.provider)
    request = _request(source, event, world)
    secrets = world.source_secrets(source.secret)
    if len(request.body) > http.LIMIT_BYTES:
        raise _too_large(request, provider, secrets, world)
    secret = provider.verify(request, secrets)
    if request.method == "GET":
        return provider.echo(request, secret)
    with samples.kept_when_refused(request, world):
        deliveries = provider.parse(request, secret)
    outcomes = _stored(request, deliveries, world, attempt)
    for outcome in outcomes:
        logger.info("delivery taken", source=source.id, outcome=outcome.outcome, lead_id=outcome.lead_id)
        count("WebhookAccepted", outcome=outcome.outcome)
    return provider.acknowledge(outcomes[0].lead_id, outcomes[0].outcome)


def _too_large(
    request: sources.Request, provider: sources.Provider, secrets: list[dict[str, str]], world: wiring.World
) -> BodyTooLargeError:
    """Return the refusal of a body over the limit, whoever sent it; of one that a source signed, keep a sample."""
    refusal = BodyTooLargeError(limit=http.LIMIT_BYTES)
    try:
        provider.verify(request, secrets)
    except LeadtrailError:  # nobody's: refused all the same, and forgotten
        return refusal
    samples.keep(request, refusal, world)
    return refusal


def _stored(
    request: sources.Request, deliveries: tuple[Delivery, ...], world: wiring.World, attempt: str
) -> list[Outcome]:
    """Store the messages; what the table does not take now waits in a queue: many providers never try again.

    A table that could not be read a moment ago is not asked again: the sender's patience is not long enough for both.
    """
    has_queue = bool(world.settings.deliveries_queue)
    at_once = len(deliveries) <= AT_ONCE and not world.config.is_cut_off
    if at_once or not has_queue:
        try:
            return taking.take(request, deliveries, world, attempt=attempt)
        except OUTAGES as outage:
            logger.exception("table did not take the delivery", source=request.source.id)
            if not has_queue:
                raise outage
    waiting.put(request, world)
    return [QUEUED]


def _request(source: Source, event: dict[str, Any], world: wiring.World) -> sources.Request:
    http_call = event["requestContext"]["http"]
    asked = event.get("rawQueryString", "")
    address = world.settings.public_base_url + event.get("rawPath", "")
    return sources.Request(
        source,
        http_call["method"],
        http.raw_body(event, limit=GATEWAY_BYTES),
        world.now(),
        http.headers(event),
        http.query(event),
        url=f"{address}?{asked}" if asked else address,
        token=event.get("pathParameters", {}).get("token", ""),
        ip=http_call.get("sourceIp", ""),
    )
