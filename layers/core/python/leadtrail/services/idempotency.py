"""Commands of people that may be sent twice: the same key and body take effect once, and answer the same.

The receipt stands in the transaction of what the command did (Change.receipt), keyed by the person and
the key, so that nobody meets another's. Look it up before deciding, and again after a conflict: put both
into the attempt that `Store.settled` repeats.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from leadtrail.domain.errors import IdempotencyMismatchError
from leadtrail.domain.ids import new_id
from leadtrail.services.ports import Receipt

SOURCE = "people"
KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Command:
    """What an Idempotency-Key stands for: ``key`` (hashed with its person) and what was asked (hashed)."""

    key: str
    sha256: str

    @classmethod
    def of(cls, rep_id: str, key: str, address: str, document: Mapping[str, Any]) -> Command:
        """Return the command of a person; ``address`` is method and path, ``document`` the body that was read."""
        asked = json.dumps(document, sort_keys=True, ensure_ascii=False)
        return cls(_sha256(f"{rep_id}\n{key}"), _sha256(f"{address}\n{asked}"))

    @property
    def receipt_at(self) -> tuple[str, str]:
        """Source and key of the receipt, as `Store.receipt` takes them."""
        return SOURCE, self.key

    def repeated(self, known: Receipt | None) -> Mapping[str, Any] | None:
        """Return the answer that was given before, or None when ``known`` is None.

        Raises:
            IdempotencyMismatchError: the key was used for something else.
        """
        if known is None:
            return None
        if known.body_sha256 != self.sha256:
            raise IdempotencyMismatchError
        return known.answer or {}

    def receipt(self, answer: Mapping[str, Any], *, lead_id: str | None, now: datetime) -> Receipt:
        """Return the receipt to write with what the command does; kept for 24 h."""
        return Receipt(
            source=SOURCE,
            key=self.key,
            outcome="done",
            lead_id=lead_id,
            attempt=new_id(now),
            received_at=now,
            body_sha256=self.sha256,
            answer=answer,
            expires_at=now + KEPT,
        )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
