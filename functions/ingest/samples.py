"""Samples of refused deliveries: what an authenticated sender got wrong, without what it said (kept seven days)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from functions.ingest import sources
from leadtrail.adapters.outage import OUTAGES
from leadtrail.domain import outline
from leadtrail.domain.errors import LeadtrailError, UnauthenticatedError
from leadtrail.runtime import wiring
from leadtrail.runtime.telemetry import logger

KEPT = timedelta(days=7)


@contextmanager
def kept_when_refused(request: sources.Request, world: wiring.World) -> Iterator[None]:
    """Keep a sample of a verified request that is refused inside: one an hour for each source and reason."""
    try:
        yield
    except UnauthenticatedError:
        raise  # it could not be decrypted: nobody knows who sent it
    except LeadtrailError as error:
        keep(request, error, world)
        raise


def keep(request: sources.Request, error: LeadtrailError, world: wiring.World) -> None:
    """Keep the outline of a request, unless this hour has one for the reason."""
    try:
        world.store.keep_sample(
            request.source.id,
            error.code,
            {
                "detail": error.detail[:500],
                "bytes": len(request.body),
                "content_type": request.headers.get("content-type", "")[:100],
                "outline": outline.of(request.body),
            },
            at=request.at,
            expires_at=request.at + KEPT,
        )
    except OUTAGES:  # the refusal itself is what counts
        logger.exception("sample of a refused delivery was not kept", source=request.source.id)
