"""What the webhook computes, held against the bare calls to AWS that it makes, with canned answers in one run."""

from __future__ import annotations

import gc
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from statistics import median
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from moto.core.models import botocore_stubber

from functions.ingest import webhook
from leadtrail.runtime.telemetry import logger
from tests.bench.figure import Figure, Section
from tests.bench.stand import Stand, stand
from tests.faults import fresh_session
from tests.integration.conftest import TestWorld
from tests.integration.webhooks import Context, lead_created

NAME = "Processor time of the webhook"
TURNS = 300
WARM = 30
LARGEST = 2.0
MEASURED = ("BatchGetItem", "TransactWriteItems")


class _Body(BytesIO):
    """A body as urllib3 gives it."""

    def stream(self, **_: Any) -> Any:
        yield self.read()


@dataclass(slots=True)
class Canned:
    """Answers the calls that are measured with what moto answered last, and writes down what was asked."""

    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answers: dict[str, bytes] = field(default_factory=dict)
    plays: bool = False

    def note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        """Write down a call's parameters: a botocore hook."""
        if not self.plays and model.name in MEASURED:
            self.asked.append((model.name, params))

    def answer(self, request: Any, event_name: str, **_: Any) -> Any:
        """Answer a signed request: a botocore hook."""
        operation = event_name.rsplit(".", 1)[-1]
        if self.plays:
            body = self.answers[operation]
        else:
            answer = botocore_stubber("before-send", request)
            if answer is None or operation not in MEASURED:
                return answer
            body = self.answers[operation] = answer.content
        headers = HTTPHeaders()
        headers["content-type"] = "application/x-amz-json-1.0"
        return AWSResponse(request.url, 200, headers, _Body(body))


def section() -> Section:
    """Measure new leads by a warm webhook, in turns with the calls that it made for them."""
    with stand() as company:
        whole, bare, calls = _measured(company)
    ratio = median(whole) / median(bare)
    return Section(
        NAME,
        (
            Figure(
                "webhook, new lead",
                f"at most {LARGEST} times its bare calls",
                f"{ratio:.2f} times",
                f"medians of {TURNS}, in turns: {_ms(whole)} against {_ms(bare)} ({calls})",
                ratio <= LARGEST,
            ),
        ),
        (
            "Processor time of this process (`time.process_time`). A hook before sending answers both sides with the"
            " same bytes, so that no server, no connection and no waiting is in the figure; botocore serializes, signs"
            " and parses on both sides. The bare calls are one batch_get_item and one transact_write_items of the same"
            " client with the very parameters of a new lead. Logs and metrics are written, into memory.",
        ),
    )


def _measured(company: Stand) -> tuple[list[float], list[float], str]:
    """Return seconds of the handler and of its bare calls, one pair a turn."""
    canned = Canned()
    world = _hooked(company, canned)
    events = [
        lead_created(company.clock(), message_id=f"c{number}", phone=f"1371{number:07d}", fields={"需求": "三月上线"})
        for number in range(WARM + TURNS)
    ]
    _accept(events[0], "first")
    canned.asked.clear()
    _accept(events[1], "second")
    asked, canned.plays = list(canned.asked), True
    if [name for name, _ in asked] != list(MEASURED):
        raise RuntimeError(f"a new lead took {[name for name, _ in asked]}")

    def bare() -> None:
        world.dynamodb.batch_get_item(**asked[0][1])
        world.dynamodb.transact_write_items(**asked[1][1])

    gc.freeze()  # as a container does with what loads once
    whole: list[float] = []
    alone: list[float] = []
    for number, event in enumerate(events):
        pair = _took(lambda event=event, number=number: _accept(event, f"c{number}")), _took(bare)  # type: ignore[misc]
        if number >= WARM:
            whole.append(pair[0])
            alone.append(pair[1])
    rows = len(asked[1][1]["TransactItems"])
    return whole, alone, f"1 BatchGetItem, 1 TransactWriteItems of {rows} rows"


def _hooked(company: Stand, canned: Canned) -> TestWorld:
    """Give the company clients that meet the hooks, and a logger that writes into memory."""
    session = fresh_session()
    session.events.unregister("before-send", botocore_stubber)
    session.events.register("before-send", canned.answer)
    session.events.register("provide-client-params", canned.note)
    world = company.world
    for name in ("dynamodb", "store", "config", "secrets"):
        vars(world).pop(name, None)
    logging.disable(logging.NOTSET)
    logger.registered_handler.setStream(StringIO())  # type: ignore[attr-defined]
    return world


def _accept(event: dict[str, Any], request: str) -> None:
    answer = webhook.handler(event, Context(request))
    if json.loads(answer["body"]).get("outcome") != "created":
        raise RuntimeError(f"the webhook answered {answer}")


def _took(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _ms(seconds: list[float]) -> str:
    return f"{median(seconds) * 1000:.2f} ms"
