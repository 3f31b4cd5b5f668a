"""What could not be done at once is done later.

From the queue: deliveries that the table could not take. Every five minutes: parked deliveries, leads that nobody
was free for, and the configuration's copy that the webhook goes by while the table is down.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from functions.ingest import taking, waiting
from leadtrail.runtime import wiring
from leadtrail.runtime.telemetry import count, instrumented, logger
from leadtrail.services import handover

PATIENCE = timedelta(hours=6)  # how long a parked delivery is tried again by itself; then an operator replays it
SPARE_MS = 10_000


@instrumented
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Take what waits in the queue, and name what must come again; or try once more what waits in the table."""
    if "Records" not in event:
        _try_parked(context)
        _assign_waiting(context)
        _renew_copy()
        return {}
    failed = [message for message in event["Records"] if not _is_taken(message)]
    return {"batchItemFailures": [{"itemIdentifier": message["messageId"]} for message in failed]}


def _is_taken(message: dict[str, Any]) -> bool:
    world = wiring.world()
    try:
        request = waiting.read(json.loads(message["body"]), world)
        outcomes = taking.take(request, taking.parsed(request, world), world, attempt=message["messageId"])
    except Exception:
        logger.exception("waiting delivery failed, to be tried again", message_id=message["messageId"])
        return False
    for outcome in outcomes:
        logger.info("waiting delivery taken", source=request.source.id, outcome=outcome.outcome)
        count("WebhookAccepted", outcome=outcome.outcome)
    return True


def _try_parked(context: Any) -> None:
    world = wiring.world()
    now = world.now()
    settled = tried = 0
    for source, key in world.store.waiting(since=now - PATIENCE, until=now):
        if not _has_time(context):
            break
        tried += 1
        try:
            outcome = taking.take_again(source, key, world, attempt=f"{context.aws_request_id}:{key}")
        except Exception:
            logger.exception("parked delivery failed", source=source, receipt=key)
            continue
        settled += outcome is not None and outcome.lead_id is not None
    logger.info("parked deliveries tried", tried=tried, settled=settled)
    count("DeliveriesUnparked", settled)


def _assign_waiting(context: Any) -> None:
    world = wiring.world()
    done = handover.assign_every_waiting(
        store=world.store, config=world.config, now=world.now, has_time=lambda: _has_time(context)
    )
    for lead_id, error in done.failed:
        logger.error("waiting lead failed", lead_id=lead_id, exc_info=error)
    assigned = sum(done.moved.values())
    logger.info("waiting leads assigned", assigned=assigned)
    count("LeadsAssigned", assigned)


def _renew_copy() -> None:
    renewed = wiring.world().config.renew_copy()
    logger.info("configuration copy looked at", renewed=renewed)


def _has_time(context: Any) -> bool:
    return bool(context.get_remaining_time_in_millis() >= SPARE_MS)
