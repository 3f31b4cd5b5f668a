"""The configuration's copy outside the table: one JSON object in the archive, for who starts while the table is down.

It says which sources there are, so that their deliveries can be verified and queued. It holds what the rows of the
table hold, names of secrets among them but no secret. The table's word comes first, always; `infra/stack.py` says who
may read and write it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from leadtrail.adapters.table import ConfigItem
from leadtrail.domain.instant import from_text, to_text

if TYPE_CHECKING:
    from leadtrail.adapters.objects import Objects

KEY = "configuration/current.json"
FORMAT = 1
LASTS = timedelta(days=7)  # then it is written anew: the bucket forgets what is a month old
STAMP = "STAMP"


@dataclass(frozen=True, slots=True)
class Copied:
    """The rows of the configuration at one stamp; ``written_at`` is aware UTC."""

    rows: tuple[ConfigItem, ...]
    written_at: datetime

    def is_good(self, stamp: int, now: datetime) -> bool:
        """Tell whether it says what the table says at ``stamp``, and will not be forgotten soon."""
        return stamp_of(self.rows) == stamp and now - self.written_at < LASTS


class ConfigurationCopy:
    """The copy in one bucket; S3 is loaded when it is first used."""

    def __init__(self, objects: Callable[[], Objects], bucket: str) -> None:
        self._objects = objects
        self._bucket = bucket

    def write(self, rows: Iterable[ConfigItem], *, now: datetime) -> None:
        """Put these rows in the place of what was copied before."""
        content = {"format": FORMAT, "written_at": to_text(now), "rows": [_as_json(row) for row in rows]}
        body = json.dumps(content, ensure_ascii=False).encode()
        self._objects().put(self._bucket, KEY, body, "application/json")

    def read(self) -> Copied | None:
        """Return what was copied; None where nothing was, or by a version of this code that wrote it in another way."""
        body = self._objects().get(self._bucket, KEY)
        content: dict[str, Any] = json.loads(body) if body else {}
        if content.get("format") != FORMAT:
            return None
        return Copied(
            tuple(ConfigItem(PK="CONFIG", **row) for row in content["rows"]), from_text(content["written_at"])
        )


def stamp_of(rows: Iterable[ConfigItem]) -> int:
    """Return how often a configuration of these rows has been changed."""
    return next((int(row.version) for row in rows if row.SK == STAMP), 0)


def _as_json(row: ConfigItem) -> dict[str, Any]:
    return {"SK": row.SK, "version": int(row.version), "active_from": row.active_from, "body": row.body}
