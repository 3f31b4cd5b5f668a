"""Logs and metrics: one logger, one decorator, phone numbers never in the clear."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

P = ParamSpec("P")
R = TypeVar("R")
NAMESPACE = "Leads"
_PHONE = re.compile(r"(?<!\d)(?:\+?86)?(1[3-9]\d)\d{4}(\d{4})(?!\d)")


class MaskingFormatter(LambdaPowertoolsFormatter):
    """JSON lines in which a mobile number, wherever it slipped in, reads 138****0001."""

    def serialize(self, log: Any) -> str:
        """Return the line, masked."""
        return _PHONE.sub(r"\1****\2", super().serialize(log))


logger = Logger(logger_formatter=MaskingFormatter(), utc=True)


def instrumented(handler: Callable[[dict[str, Any], Any], R]) -> Callable[[dict[str, Any], Any], R]:
    """Give a handler its log context, and log one line for each invocation, with how long it took."""

    @wraps(handler)
    def invoke(event: dict[str, Any], context: Any) -> R:
        began = time.monotonic()
        logger.append_keys(request_id=getattr(context, "aws_request_id", ""))
        try:
            answer = handler(event, context)
        except Exception:
            logger.exception("invocation failed", duration_ms=_since(began))
            raise
        logger.info("invocation finished", duration_ms=_since(began))
        return answer

    return invoke


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def count(name: str, value: float = 1, unit: str = "Count", **dimensions: str) -> None:
    """Emit one metric in CloudWatch's embedded format; dimensions are bounded sets, never an id."""
    now = round(time.time() * 1000)
    metric = {"Namespace": NAMESPACE, "Dimensions": [sorted(dimensions)], "Metrics": [{"Name": name, "Unit": unit}]}
    line: Mapping[str, object] = {
        "_aws": {"Timestamp": now, "CloudWatchMetrics": [metric]},
        name: value,
        **dimensions,
    }
    print(json.dumps(line, ensure_ascii=False))  # EMF is read from standard output
