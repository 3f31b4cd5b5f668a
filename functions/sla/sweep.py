"""Every minute: clocks that are due are woken, and channels with something to say are handed to dispatch."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from leadtrail.domain import instant
from leadtrail.runtime import wiring
from leadtrail.runtime.telemetry import count, instrumented, logger
from leadtrail.services import watch

SPARE_MS = 10_000  # a sweep that is about to run out of time stops; the next one goes on


@instrumented
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Sweep at the real time, or at ``now`` where the environment allows it; raise what failed once all are served."""
    world = wiring.world()
    now, ahead = _now(event, world)
    swept = watch.sweep(
        store=world.store,
        config=world.config,
        now=now,
        ahead=ahead,
        has_time=lambda: context.get_remaining_time_in_millis() > SPARE_MS,
    )
    channels = world.store.channels_with_work(world.now())
    oldest = min(channels.values(), default=world.now())
    for channel in channels:
        _hand_over(channel, world)
    count("SweepLagSeconds", swept.lag.total_seconds(), "Seconds")
    count("SweepFinished", int(swept.finished))
    count("OutboxOldestAgeSeconds", max((world.now() - oldest).total_seconds(), 0), "Seconds")
    logger.info("sweep finished", leads=swept.leads, alerts=len(swept.alerts), channels=len(channels))
    for lead_id, error in swept.failed:
        logger.error("lead left as it was", lead_id=lead_id, reason=repr(error))
    if swept.failed:
        raise ExceptionGroup("leads that could not be woken", [error for _, error in swept.failed])
    return {
        "leads": swept.leads,
        "alerts": len(swept.alerts),
        "channels": list(channels),
        "lag_s": swept.lag.total_seconds(),
    }


def _now(event: dict[str, Any], world: wiring.World) -> tuple[datetime, timedelta]:
    """Return the time to sweep at, and how far it lies beyond the real one."""
    said, real = event.get("now"), world.now()
    now = instant.from_text(said) if world.settings.allow_now and isinstance(said, str) else real
    return now, now - real


def _hand_over(channel: str, world: wiring.World) -> None:
    payload = json.dumps({"channel": channel}).encode()
    world.functions.invoke(FunctionName=world.settings.dispatch_function, InvocationType="Event", Payload=payload)
