"""The company's configuration in the table: one query reads all of it, a stamp tells when it is stale."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from leadtrail.adapters import calendars
from leadtrail.adapters.configuration_copy import STAMP, ConfigurationCopy, stamp_of
from leadtrail.adapters.outage import OUTAGES
from leadtrail.adapters.rows import Write
from leadtrail.adapters.store import TableStore
from leadtrail.adapters.table import ConfigItem
from leadtrail.domain import policy as policies
from leadtrail.domain.company import Company, Source, read_channel, read_rep, read_team
from leadtrail.domain.instant import from_text, to_text
from leadtrail.domain.lead import NEW_STAGE
from leadtrail.domain.policy import Policy
from leadtrail.domain.worktime import WorkCalendar

MEMORY = timedelta(seconds=60)
KINDS = ("team", "rep", "source", "channel", "policy", "pipeline")


class TableConfiguration:
    """Reads the configuration at most once a minute, or at once when its stamp has moved on.

    ``copy`` is kept in step with every change. A function that ``trusts_copy`` goes by it while the table cannot be
    read and nothing is known yet; ``is_cut_off`` says that the table could not be read when it was last tried.
    """

    def __init__(
        self, store: TableStore, zone: str, *, copy: ConfigurationCopy | None = None, trusts_copy: bool = False
    ) -> None:
        self._store = store
        self._zone = zone
        self._copy = copy
        self._trusts_copy = trusts_copy
        self.is_cut_off = False
        self._company: Company | None = None
        self._read_at = datetime.min.replace(tzinfo=UTC)
        self._versions: dict[tuple[str, int], Policy] = {}

    def company(self, stamp: int | None = None) -> Company:
        """Return the configuration; one older than ``stamp``, or than a minute, is read again.

        While the table cannot be read, the one that is known goes on, so that deliveries can still be verified.
        """
        now = self._store.now()
        known = self._company
        young = now - self._read_at < MEMORY and not self.is_cut_off
        if known is None or not young or (stamp is not None and known.stamp < stamp):
            try:
                known = _company(self._rows(), self._zone)
                self._read_at, self.is_cut_off = now, False
            except OUTAGES:
                self.is_cut_off = True
                known = known or self._copied()
                if known is None or (stamp is not None and known.stamp < stamp):
                    raise  # nothing to go by, or known to be wrong
            self._company = known
        return known

    def current(self) -> Company:
        """Return the configuration as it stands now: one small read when nothing has changed."""
        item = self._store.get({"PK": "CONFIG", "SK": "STAMP"})
        return self.company(stamp=int(ConfigItem.from_raw_data(item).version) if item else 0)

    def policy(self, name: str, version: int) -> Policy:
        """Return one version of a policy.

        Raises:
            LookupError: there never was such a version.
        """
        if (name, version) not in self._versions:
            item = self._store.get({"PK": f"CONFIG#policy#{name}", "SK": f"V#{version:06d}"})
            if item is None:
                raise LookupError(f"policy {name} version {version}")
            self._versions[name, version] = _policy(name, ConfigItem.from_raw_data(item))
        return self._versions[name, version]

    def calendar(self, policy: Policy) -> WorkCalendar:
        """Return the working time of a policy version, published holidays filled in."""
        return calendars.resolve(policy.calendar)

    def configured(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return the current body of one configured thing, as it stands in the table."""
        item = self._store.get({"PK": "CONFIG", "SK": f"{kind}#{name}"})
        return ConfigItem.from_raw_data(item).body if item else None

    def put(self, kind: str, name: str, body: dict[str, Any], *, now: datetime) -> int:
        """Store a new version of one configured thing and return its number; the stamp moves on.

        Raises:
            ConflictError: somebody else changed it at the same moment.
        """
        rows = {row.SK: row for row in self._rows()}
        known, stamp = rows.get(f"{kind}#{name}"), rows.get(STAMP)
        version = int(known.version) + 1 if known else 1
        fields: dict[str, Any] = {"version": version, "active_from": to_text(now), "body": body}
        changed = ConfigItem(PK="CONFIG", SK=f"{kind}#{name}", **fields)
        stamped = ConfigItem(PK="CONFIG", SK=STAMP, version=int(stamp.version) + 1 if stamp else 1)
        writes = [
            _guarded(changed, int(known.version) if known else None),
            _guarded(ConfigItem(PK=f"CONFIG#{kind}#{name}", SK=f"V#{version:06d}", **fields), None),
            _guarded(stamped, int(stamp.version) if stamp else None),
        ]
        self._store.write(writes)
        if self._copy:
            with suppress(*OUTAGES):  # the change stands, whatever S3 says; `renew_copy` makes up for it
                self._copy.write((rows | {changed.SK: changed, STAMP: stamped}).values(), now=now)
        return version

    def renew_copy(self) -> bool:
        """Write the copy where it is missing, behind the table, or soon forgotten; tell whether it was written.

        Two changes at one moment may leave the older one's copy, and a change without S3 leaves none.
        """
        now = self._store.now()
        if self._copy is None:
            return False
        rows = tuple(self._rows())
        copied = self._copy.read()
        if copied and copied.is_good(stamp_of(rows), now):
            return False
        self._copy.write(rows, now=now)
        return True

    def _rows(self) -> Iterable[ConfigItem]:
        return map(ConfigItem.from_raw_data, self._store.items("CONFIG"))

    def _copied(self) -> Company | None:
        """Return the company as it was copied; None where there is no copy to go by, or none can be read either."""
        if self._copy is None or not self._trusts_copy:
            return None
        try:
            copied = self._copy.read()
        except OUTAGES:  # the table's own failure is the one to be told
            return None
        return _company(copied.rows, self._zone) if copied else None


def _guarded(item: ConfigItem, version: int | None) -> Write:
    if version is None:
        return Write(item, "attribute_not_exists(PK)")
    return Write(item, "version = :version", {":version": {"N": str(version)}})


def _company(rows: Iterable[ConfigItem], zone: str) -> Company:
    things: dict[str, dict[str, ConfigItem]] = {kind: {} for kind in (*KINDS, "company")}
    stamp = 0
    for row in rows:
        if row.SK == STAMP:
            stamp = int(row.version)
            continue
        kind, name = row.SK.split("#", 1)
        things.setdefault(kind, {})[name] = row
    about = things["company"]["company"].body if "company" in things["company"] else {}
    zone = about.get("zone", zone)
    return Company(
        stamp=stamp,
        name=about.get("name", ""),
        zone=zone,
        teams={name: read_team(name, row.body) for name, row in things["team"].items()},
        reps={name: read_rep(name, row.body, zone=zone) for name, row in things["rep"].items()},
        sources={name: _source(name, row.body) for name, row in things["source"].items()},
        channels={name: read_channel(name, row.body) for name, row in things["channel"].items()},
        policies={name: _policy(name, row) for name, row in things["policy"].items()},
        stages=_stages(row.body for _, row in sorted(things["pipeline"].items())),
        extra={name: value for name, value in about.items() if name not in ("name", "zone")},
    )


def _source(name: str, body: dict[str, Any]) -> Source:
    lists: dict[str, Any] = {key: tuple(body[key]) for key in ("allow_ips", "recording_hosts") if key in body}
    return Source(id=name, **{**body, **lists})


def _stages(pipelines: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((NEW_STAGE, *(stage for body in pipelines for stage in body["stages"]))))


def _policy(name: str, row: ConfigItem) -> Policy:
    return policies.parse(name, int(row.version), from_text(str(row.active_from)), row.body)
