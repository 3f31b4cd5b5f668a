"""A call system offers a recording by URL: bring it to S3. Trigger: the queue that takes offered recordings.

What will never be given ends as `recording.refused` on the lead's trail; any other trouble leaves its message in the
queue, to be tried again.
"""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from leadtrail.adapters.download import Downloader
from leadtrail.domain.company import Source
from leadtrail.runtime import wiring
from leadtrail.runtime.telemetry import count, instrumented, logger
from leadtrail.services import fetching
from leadtrail.services.fetching import Login


@instrumented
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Work through the messages of one batch and name those that must come again."""
    failed = [message for message in event["Records"] if not _is_done(message)]
    return {"batchItemFailures": [{"itemIdentifier": message["messageId"]} for message in failed]}


@cache
def downloader() -> Downloader:
    """Return this container's way out."""
    return Downloader()


def _is_done(message: dict[str, Any]) -> bool:
    try:
        _fetch(message["body"])
    except Exception:
        logger.exception("fetching failed, to be tried again", message_id=message["messageId"])
        count("RecordingFetchFailed")
        return False
    return True


def _fetch(body: str) -> None:
    here, began, offer = wiring.world(), time.monotonic(), fetching.parse(body)
    source = here.config.current().sources.get(offer.source)  # as it stands now: a refusal is for good
    with TemporaryDirectory() as folder:
        outcome = fetching.fetch(
            offer, hosts=source.recording_hosts if source else (), login=_login(here, source),
            download=downloader(), store=here.store, objects=here.objects, bucket=here.settings.uploads_bucket,
            folder=Path(folder), now=here.now,
        )  # fmt: skip
    logger.info(
        "offered recording settled", lead_id=offer.lead_id, source=offer.source,
        recording_id=outcome.recording_id, state=outcome.state, reason=outcome.reason,
    )  # fmt: skip
    count("RecordingFetchMs", round((time.monotonic() - began) * 1000), "Milliseconds", state=outcome.state)
    if outcome.is_new and outcome.reason:
        count("RecordingRefused", reason=outcome.reason)


def _login(here: wiring.World, source: Source | None) -> Login | None:
    """Return the login that the source's secret holds for its recordings, if there is one."""
    secrets = here.source_secrets(source.secret) if source else []
    pairs = ((secret.get("recording_user"), secret.get("recording_password")) for secret in secrets)
    return next((Login(user, password) for user, password in pairs if user and password), None)
