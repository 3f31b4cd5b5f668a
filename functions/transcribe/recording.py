"""An upload has arrived in S3: transcribe it. Trigger: the queue that S3 announces uploads to.

What can never be transcribed ends as `failed`; any other trouble leaves its message in the queue, to be tried again.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote_plus

from functions.transcribe import recognizer
from functions.transcribe.audio import AudioError
from leadtrail.runtime import wiring
from leadtrail.runtime.telemetry import count, instrumented, logger
from leadtrail.services import transcribing
from leadtrail.services.transcribing import Heard, UnreadableError


@instrumented
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Work through the messages of one batch and name those that must come again."""
    failed = [message for message in event["Records"] if not _is_done(message)]
    return {"batchItemFailures": [{"itemIdentifier": message["messageId"]} for message in failed]}


def _is_done(message: dict[str, Any]) -> bool:
    try:
        for record in json.loads(message["body"]).get("Records", []):  # S3's own test message has none
            _transcribe(unquote_plus(record["s3"]["object"]["key"]))
    except Exception:
        logger.exception("transcription failed, to be tried again", message_id=message["messageId"])
        return False
    return True


def _transcribe(key: str) -> None:
    here, began = wiring.world(), time.monotonic()
    with TemporaryDirectory() as folder:
        outcome = transcribing.transcribe(
            key, listen=_listen, folder=Path(folder), now=here.now,
            store=here.store, objects=here.objects, bucket=here.settings.uploads_bucket,
            speakers=here.config.company().extra.get("stereo_speakers", ()),
        )  # fmt: skip
    logger.info("upload settled", recording_id=outcome.recording_id, state=outcome.state, reason=outcome.reason)
    count("TranscribeMs", round((time.monotonic() - began) * 1000), "Milliseconds", state=outcome.state)
    if outcome.state == "failed" and outcome.is_new:
        count("TranscribeFailed", reason=outcome.reason or "")


def _listen(path: Path, on_progress: Callable[[float], None]) -> Heard:
    engine = recognizer.VoskRecognizer(Path(wiring.world().settings.model_path))
    try:
        heard = recognizer.transcribe(path, recognizer=engine, on_progress=on_progress)
    except AudioError as error:
        raise UnreadableError(error.reason) from error
    return Heard(engine.engine, heard.duration_s, heard.words)
