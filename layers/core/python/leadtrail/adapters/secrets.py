"""Secrets Manager with a short memory: a rotated secret is in use within a minute."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

MEMORY = timedelta(seconds=60)


class Secrets:
    """Secrets by name; what is missing is missing (callers fail closed)."""

    def __init__(self, client: Callable[[], Any], prefix: str, now: Callable[[], datetime]) -> None:
        self._make = client
        self._prefix = prefix
        self._now = now
        self._known: dict[str, tuple[datetime, str]] = {}

    @cached_property
    def _client(self) -> Any:
        return self._make()

    def text(self, secret_id: str) -> str:
        """Return a secret's text, at most a minute old.

        Raises:
            KeyError: there is no such secret, or it is empty.
        """
        read_at, text = self._known.get(secret_id, (None, ""))
        if read_at is not None and self._now() - read_at < MEMORY:
            return text
        try:
            text = str(self._client.get_secret_value(SecretId=secret_id)["SecretString"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                raise KeyError(secret_id) from error
            raise
        if not text:
            raise KeyError(secret_id)
        self._known[secret_id] = (self._now(), text)
        return text

    def valid(self, name: str) -> list[dict[str, str]]:
        """Return the values of ``<prefix><name>`` that are valid now: one, or two while it is being rotated.

        The secret's text is JSON: ``{"valid": [{...}, {...}]}``, the current value first.

        Raises:
            KeyError: there is no such secret.
        """
        values: list[dict[str, str]] = json.loads(self.text(self._prefix + name))["valid"]
        return values

    def write(self, name: str, values: Sequence[Mapping[str, str]]) -> None:
        """Make ``values`` the valid ones of ``<prefix><name>``, the current first; a secret that is not there is made.

        For the operator's console: no deployed function may write secrets. Others notice within a minute.
        """
        secret_id, text = self._prefix + name, json.dumps({"valid": [dict(value) for value in values]})
        try:
            self._client.put_secret_value(SecretId=secret_id, SecretString=text)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            self._client.create_secret(Name=secret_id, SecretString=text)
        self._known.pop(secret_id, None)
