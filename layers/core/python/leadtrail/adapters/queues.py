"""SQS: deliveries that the table could not take, and what workers have to do. Messages are JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any


class Queues:
    """Puts messages into queues by name; ``urls`` are those that this function may use."""

    def __init__(self, client: Callable[[], Any], urls: Mapping[str, str]) -> None:
        self._make = client
        self._urls = urls

    @cached_property
    def _client(self) -> Any:
        return self._make()

    def put(self, name: str, message: Mapping[str, Any]) -> None:
        """Put one message of at most 256 KB into the queue ``name``.

        Raises:
            KeyError: this function was given no such queue.
            ClientError, BotoCoreError: the queue does not take it.
        """
        url = self._urls[name]
        if not url:
            raise KeyError(name)
        self._client.send_message(QueueUrl=url, MessageBody=json.dumps(message, ensure_ascii=False))
