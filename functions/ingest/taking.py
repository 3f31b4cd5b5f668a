"""Taking deliveries: verified requests become leads, by HTTP, from the queue or out of the archive."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from functions.ingest import sources
from leadtrail.domain.delivery import Delivery
from leadtrail.domain.errors import UnauthenticatedError
from leadtrail.runtime import wiring
from leadtrail.services import intake
from leadtrail.services.intake import Outcome
from leadtrail.services.ports import RawBody

LARGE_BYTES = 64 * 1024  # a larger body goes to S3 before the receipt that names it
NOT_KEPT = ("authorization", "cookie", "host", "forwarded", "via", "content-length")
SIGNATURES = ("signature", "sign", "x-forwarded", "x-amzn", "accept")


def take(
    request: sources.Request, deliveries: Iterable[Delivery], world: wiring.World, *, attempt: str
) -> list[Outcome]:
    """Store each message of a verified request with everything that follows from it.

    Raises:
        BusyError, or an error of botocore: the table cannot take it now. What was stored before stays stored.
    """
    messages = list(deliveries)
    raw = _raw(request, world, always_archived=len(messages) > 1)
    return [
        intake.receive(
            delivery,
            raw,
            store=world.store,
            config=world.config,
            new_person=world.new_person,
            attempt=attempt,
            now=lambda: request.at,
        )
        for delivery in messages
    ]


def take_again(source_id: str, key: str, world: wiring.World, *, attempt: str) -> Outcome | None:
    """Derive a delivery that we have once more, with today's parser; only what differs takes effect.

    None where its body is not kept any more, or nothing in it is this delivery for today's parser.
    """
    source, body = world.config.company().sources.get(source_id), world.store.kept_body(source_id, key)
    if source is None or body is None:
        return None
    raw = world.objects.get(world.settings.archive_bucket, body.archived) if body.archived else body.body
    if raw is None:
        return None
    request = sources.Request(source, "POST", raw, world.now(), body.headers, body.query)
    delivery = next((one for one in parsed(request, world) if one.receipt == key), None)
    if delivery is None:
        return None
    return intake.receive(
        delivery,
        None,
        store=world.store,
        config=world.config,
        new_person=world.new_person,
        attempt=attempt,
        now=lambda: request.at,
        again=True,
    )


def parsed(request: sources.Request, world: wiring.World) -> tuple[Delivery, ...]:
    """Parse a body that was verified when it came: any of the source's secrets that reads it will do.

    Raises:
        UnauthenticatedError: none does: it was encrypted with one that the source has no longer.
    """
    source = request.source
    provider = sources.provider(source.provider)
    for secret in world.source_secrets(source.secret) or [{}]:
        try:
            return provider.parse(request, secret)
        except UnauthenticatedError:  # encrypted with another of the source's secrets
            continue
    raise UnauthenticatedError


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that a parser may need, without signatures, addresses and credentials."""
    return {
        name: value
        for name, value in headers.items()
        if name not in NOT_KEPT and not any(part in name for part in SIGNATURES)
    }


def kept_query(query: Mapping[str, str]) -> dict[str, str]:
    """Return the query that a parser may need, without signatures and tokens."""
    return {name: value for name, value in query.items() if "sign" not in name and "token" not in name}


def _raw(request: sources.Request, world: wiring.World, *, always_archived: bool) -> RawBody:
    digest = hashlib.sha256(request.body).hexdigest()
    archived = None
    if always_archived or len(request.body) > LARGE_BYTES:
        archived = f"raw/{request.source.id}/{digest}"
        world.objects.put(world.settings.archive_bucket, archived, request.body, "application/octet-stream")
    return RawBody(request.body, kept_headers(request.headers), digest, archived, kept_query(request.query))
