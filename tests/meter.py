"""A meter on a DynamoDB client: how often it was asked for what, and how many items its reads brought."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Meter:
    """Counts from its making on; a page of a query is a call of its own."""

    def __init__(self, client: Any) -> None:
        self.calls: Counter[str] = Counter()
        self.items_read = 0
        client.meta.events.register("before-call", self._called)
        client.meta.events.register("after-call", self._answered)

    @property
    def pages(self) -> int:
        """How many pages queries and scans were answered with."""
        return self.calls["Query"] + self.calls["Scan"]

    def _called(self, model: Any, **_: object) -> None:
        self.calls[model.name] += 1

    def _answered(self, model: Any, parsed: dict[str, Any], **_: object) -> None:
        self.items_read += parsed.get("Count", 0) + ("Item" in parsed)
