"""Reports and the links that open them: what they are called, and when a link has died.

A report has one id per kind, team and day, and a version each time it says something else. A link is a right of
whoever holds it, so that it is bound: to one target, one recipient, three days, and the generation of its report's
links. Revoking moves the generation on: every link that was ever handed out dies at once, without being looked up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from leadtrail.domain.ids import new_id

DAILY: Final = "daily"
KINDS: Final = (DAILY,)
MORNING: Final = time(8, 30)  # company time: what a past day's report shows, and when the schedule fires
LINK_LIVES: Final = timedelta(hours=72)
LINK_KEPT: Final = timedelta(days=90)  # a link that died is still told from one that never was
OPENING_KEPT: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Report:
    """One version of one report; ``as_of`` and ``made_at`` are aware UTC, ``folder`` is where it lies in S3.

    ``folder`` ends in a digest of the snapshot, so that two makers at the same moment never overwrite each other.
    """

    id: str
    kind: str
    team: str
    day: date
    version: int
    as_of: datetime
    made_at: datetime
    tags: Mapping[str, int]
    folder: str

    @property
    def sort_key(self) -> str:
        """Where it stands in its team's list: by day, and the same for all of its versions."""
        return f"{self.day}#{self.id}"

    @property
    def snapshot_key(self) -> str:
        """S3 key of the JSON that the page is made of."""
        return f"{self.folder}.json"

    @property
    def page_key(self) -> str:
        """S3 key of the page."""
        return f"{self.folder}.html"


@dataclass(frozen=True, slots=True)
class Link:
    """A link as it rests in the table; the token itself is nowhere, ``hash`` is its keyed hash.

    ``target`` is ``report:<id>`` or ``lead:<id>``, ``recipient`` is ``rep:<id>`` or ``channel:<id>``.
    """

    hash: str
    target: str
    recipient: str
    generation: int
    made_at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Opening:
    """Somebody followed a link; ``address`` is masked, ``agent`` is what the browser called itself, cut."""

    id: str
    link: str
    at: datetime
    recipient: str
    agent: str
    address: str


def report_id(kind: str, team: str, day: date) -> str:
    """Return the one id of a team's report of a day: whoever makes it, however often."""
    digest = hashlib.sha256(f"{kind}:{team}:{day}".encode()).digest()
    return new_id(datetime(day.year, day.month, day.day, tzinfo=UTC), int.from_bytes(digest[:10], "big"))


def morning_of(day: date, zone: ZoneInfo) -> datetime:
    """Return 08:30 of a day of the company, aware UTC."""
    return datetime.combine(day, MORNING, tzinfo=zone).astimezone(UTC)
