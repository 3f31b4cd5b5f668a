"""Every minute: clocks that are due are woken, and channels with something to say are handed to dispatch.

A run that is about to run out of time stops; the next minute's goes on with what is overdue the longest. It does not
call itself: that would gain seconds, and `SweepLagSeconds` says at once when a minute is too short.
A lead that could not be woken is a line in the log and never an error of the run, which would hide the others' state:
it is tried again for two more minutes, then it is set aside and an alarm rings for as long as it is.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from leadtrail.domain import instant
from leadtrail.runtime import wiring
from leadtrail.runtime.telemetry import count, instrumented, logger
from leadtrail.services import watch
from leadtrail.services.watch import Swept

SPARE_MS = 10_000  # for what was begun, and for the hand-overs


@instrumented
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Sweep at the real time, or at ``now`` where the environment allows it."""
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
    _account(swept, world)
    count("OutboxOldestAgeSeconds", max((world.now() - oldest).total_seconds(), 0), "Seconds")
    logger.info("sweep finished", leads=swept.leads, alerts=len(swept.alerts), channels=len(channels))
    return {
        "leads": swept.leads,
        "alerts": len(swept.alerts),
        "channels": list(channels),
        "lag_s": swept.lag.total_seconds(),
        "failed": len(swept.failed),
        "finished": swept.finished,
    }


def _account(swept: Swept, world: wiring.World) -> None:
    """Say what an operator has to know."""
    count("SweepLagSeconds", swept.lag.total_seconds(), "Seconds")
    count("SweepFinished", int(swept.finished))
    count("LeadsNotWoken", len(swept.failed))
    count("LeadsSetAside", world.store.aside_count())
    count("AlertUndeliverable", sum(not alert.channel for alert in swept.alerts), bot="none")
    for lead_id, error in swept.failed:
        logger.error("lead left as it was", lead_id=lead_id, reason=watch.reason_of(error), exc_info=error)
    for lead_id in swept.aside:
        logger.error("lead set aside", lead_id=lead_id)


def _now(event: dict[str, Any], world: wiring.World) -> tuple[datetime, timedelta]:
    """Return the time to sweep at, and how far it lies beyond the real one."""
    said, real = event.get("now"), world.now()
    now = instant.from_text(said) if world.settings.allow_now and isinstance(said, str) else real
    return now, now - real


def _hand_over(channel: str, world: wiring.World) -> None:
    payload = json.dumps({"channel": channel}).encode()
    world.functions.invoke(FunctionName=world.settings.dispatch_function, InvocationType="Event", Payload=payload)
