"""The queue of deliveries: a verified request that the table cannot take now waits there as it came.

Only the webhook writes to it, and only what it has verified: signatures and tokens stay behind, and a secret that is
rotated meanwhile turns nothing away.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from functions.ingest import sources, taking
from leadtrail.domain.errors import NotFoundError
from leadtrail.domain.instant import from_text, to_text
from leadtrail.runtime import wiring

QUEUE = "deliveries"
MESSAGE_BYTES = 180_000  # of a compressed body, before base64: SQS takes 256 KB in all


def put(request: sources.Request, world: wiring.World) -> None:
    """Put a request into the queue; a body that is too large even compressed goes to S3 before.

    Raises:
        KeyError, ClientError, BotoCoreError: the queue does not take it either.
    """
    packed = zlib.compress(request.body)
    message: dict[str, Any] = {
        "source": request.source.id,
        "at": to_text(request.at),
        "headers": taking.kept_headers(request.headers),
        "query": taking.kept_query(request.query),
    }
    if len(packed) > MESSAGE_BYTES:
        message["archived"] = f"raw/{request.source.id}/{hashlib.sha256(request.body).hexdigest()}"
        archive = world.settings.archive_bucket
        world.objects.put(archive, message["archived"], request.body, "application/octet-stream")
    else:
        message["body"] = base64.b64encode(packed).decode()
    world.queues.put(QUEUE, message)


def read(message: Mapping[str, Any], world: wiring.World) -> sources.Request:
    """Return the request that a message holds, at the time at which it was received.

    Raises:
        NotFoundError: its source is not configured any more.
        LookupError: its archived body is gone.
    """
    source = world.config.company().sources.get(message["source"])
    if source is None:
        raise NotFoundError
    return sources.Request(
        source,
        "POST",
        _body(message, world),
        received_at(message),
        message["headers"],
        message["query"],
    )


def received_at(message: Mapping[str, Any]) -> datetime:
    """Return when the request was received, aware UTC."""
    return from_text(message["at"])


def _body(message: Mapping[str, Any], world: wiring.World) -> bytes:
    if "body" in message:
        return zlib.decompress(base64.b64decode(message["body"]))
    body = world.objects.get(world.settings.archive_bucket, message["archived"])
    if body is None:
        raise LookupError("the archived body of a waiting delivery is gone")
    return body
