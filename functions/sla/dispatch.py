"""Outbox rows reach people: a stream record, or the sweep, hints that a channel has work."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from leadtrail.domain.company import Channel
from leadtrail.runtime import wiring
from leadtrail.runtime.telemetry import count, instrumented, logger
from leadtrail.services import dispatching, links, wording
from leadtrail.services.dispatching import Dispatched

SPARE_MS = 20_000  # an attempt may wait five seconds for a robot and still has to note what came of it


@instrumented
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Send what each channel named may send now. A failure of one is raised once the others are served."""
    world = wiring.world()
    failed = []
    for channel_id in channels(event):
        try:
            _serve(channel_id, world, context)
        except Exception as error:
            logger.exception("channel failed", channel=channel_id)
            failed.append(error)
    if failed:
        raise ExceptionGroup("channels that could not be served", failed)
    return {"batchItemFailures": []}


def channels(event: dict[str, Any]) -> list[str]:
    """Return the channels that stream records, or the sweep's hand-over, speak of; each once."""
    if "channel" in event:
        return [event["channel"]]
    keys = (record["dynamodb"]["Keys"]["PK"]["S"] for record in event.get("Records", []))
    return list(dict.fromkeys(key.removeprefix("OUTBOX#") for key in keys if key.startswith("OUTBOX#")))


def _hand_over(channel_id: str, world: wiring.World, context: Any) -> None:
    """Put the work that waits into its worker's queue; a message that goes there twice is done once by the worker."""
    handed = 0
    while context.get_remaining_time_in_millis() > SPARE_MS:
        rows = world.outbox.due(channel_id, world.now(), 10)
        if not rows:
            break
        for row in rows:
            world.queues.put(channel_id, row.facts)
            world.outbox.drop(row)
        handed += len(rows)
    logger.info("work handed over", channel=channel_id, messages=handed)


def _serve(channel_id: str, world: wiring.World, context: Any) -> None:
    if channel_id.startswith("@"):
        _hand_over(channel_id, world, context)
        return
    company = world.config.company()
    channel = company.channels.get(channel_id)
    if channel is None:
        logger.error("channel is not configured", channel=channel_id)
        count("AlertUndeliverable", bot="none")
        return
    done = dispatching.dispatch(
        channel,
        company=company,
        outbox=world.outbox,
        words=wording.ChannelWords(
            channel, store=world.store, config=world.config, links=lambda targets, to: _links(targets, to, world)
        ),
        send=world.robots.send,
        now=world.now,
        rest=time.sleep,
        has_time=lambda: context.get_remaining_time_in_millis() > SPARE_MS,
    )
    _report(channel, done)


def _links(targets: Sequence[str], recipient: str, world: wiring.World) -> Sequence[str]:
    return links.make(
        targets,
        recipient=recipient,
        reports=world.reports,
        public_base_url=world.settings.public_base_url,
        now=world.now(),
    )


def _report(channel: Channel, done: Dispatched) -> None:
    """Say what was done, and tell the operator what only they can mend."""
    logger.info(
        "channel served",
        channel=channel.id,
        messages=done.messages,
        sent=done.sent,
        retried=done.retried,
        moved=done.moved,
        dropped=done.dropped,
        waiting=done.waiting,
    )
    count("AlertsSent", done.sent, bot=channel.bot)
    count("AlertsRetried", done.retried, bot=channel.bot)
    for reason in done.refused:
        logger.error("robot refuses for good", channel=channel.id, reason=reason)
        count("AlertUndeliverable", bot=channel.bot)
    for alert_id in done.unconfirmed:
        logger.error("message was never confirmed", channel=channel.id, alert_id=alert_id)
        count("AlertsAmbiguous", bot=channel.bot)
