"""A contact came with an id only: ask its provider who it is. Trigger: the queue that the webhook puts questions into.

A provider that is busy, and one that refuses us until an operator changes something, leave the message in the
queue, to be tried again: the lead stands already, and nothing is lost.
"""

import json
from typing import Any

from leadtrail.runtime import wiring
from leadtrail.runtime.telemetry import count, instrumented, logger
from leadtrail.runtime.wiring import World
from leadtrail.services import enriching
from leadtrail.services.enriching import Provider, ProviderBusyError, ProviderRefusedError, Wanted


@instrumented
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Work through the messages of one batch and name those that must come again."""
    failed = [message for message in event["Records"] if not _is_done(message)]
    return {"batchItemFailures": [{"itemIdentifier": message["messageId"]} for message in failed]}


def _is_done(message: dict[str, Any]) -> bool:
    try:
        _enrich(_wanted(message["body"]))
    except ProviderBusyError as error:
        logger.warning("provider was busy, to be tried again", message_id=message["messageId"], reason=error.reason)
        return False
    except ProviderRefusedError as error:
        logger.error("provider refused us, to be tried again", message_id=message["messageId"], reason=error.reason)
        count("EnrichmentRefused", reason=error.reason)
        return False
    except Exception:
        logger.exception("enrichment failed, to be tried again", message_id=message["messageId"])
        return False
    return True


def _wanted(body: str) -> Wanted:
    said = json.loads(body)
    return Wanted(
        lead_id=said["lead"], person_id=said["person"], source=said["source"], receipt=said["receipt"],
        provider=said["provider"], ref=said["ref"], userid=said.get("userid"),
    )  # fmt: skip


def _enrich(wanted: Wanted) -> None:
    here = wiring.world()
    provider = _provider(wanted.provider, here)
    outcome = enriching.enrich(wanted, provider=provider, store=here.store, config=here.config, now=here.now)
    logger.info("contact settled", lead_id=wanted.lead_id, outcome=outcome.outcome, filled=outcome.filled)
    count("ContactEnriched", provider=wanted.provider, outcome=outcome.outcome)


def _provider(name: str, here: World) -> Provider:
    match name:
        case "wecom":
            return here.wecom
        case "hubspot":
            return here.hubspot
    raise ValueError("a question to a provider that we do not know")
