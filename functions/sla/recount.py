"""Every night: due times that were guessed are counted anew, by the calendar that came with this deployment."""

from __future__ import annotations

from typing import Any

from leadtrail.runtime import wiring
from leadtrail.runtime.telemetry import count, instrumented, logger
from leadtrail.services import recounting

SPARE_MS = 10_000


@instrumented
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Count anew what is a guess; raise what failed once all are counted."""
    world = wiring.world()
    done = recounting.recount(
        store=world.store,
        config=world.config,
        now=world.now(),
        has_time=lambda: context.get_remaining_time_in_millis() > SPARE_MS,
    )
    logger.info("due times recounted", changed=done.changed, estimated=done.estimated, finished=done.finished)
    count("ClocksEstimated", done.estimated)
    for lead_id, error in done.failed:
        logger.error("lead not recounted", lead_id=lead_id, exc_info=error)
    if done.failed:
        raise ExceptionGroup("leads that could not be recounted", [error for _, error in done.failed])
    return {"estimated": done.estimated, "changed": done.changed, "finished": done.finished}
