"""The company's configuration in the table: one query reads all of it, a stamp tells when it is stale."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from leadtrail.adapters import calendars
from leadtrail.adapters.outage import OUTAGES
from leadtrail.adapters.rows import Write
from leadtrail.adapters.store import TableStore
from leadtrail.adapters.table import ConfigItem, Raw
from leadtrail.domain import policy as policies
from leadtrail.domain.company import Channel, Company, Source, read_rep, read_team
from leadtrail.domain.instant import from_text, to_text
from leadtrail.domain.lead import NEW_STAGE
from leadtrail.domain.policy import Policy
from leadtrail.domain.worktime import WorkCalendar

MEMORY = timedelta(seconds=60)
KINDS = ("team", "rep", "source", "channel", "policy", "pipeline")


class TableConfiguration:
    """Reads the configuration at most once a minute, or at once when its stamp has moved on."""

    def __init__(self, store: TableStore, zone: str) -> None:
        self._store = store
        self._zone = zone
        self._company: Company | None = None
        self._read_at = datetime.min.replace(tzinfo=UTC)
        self._versions: dict[tuple[str, int], Policy] = {}

    def company(self, stamp: int | None = None) -> Company:
        """Return the configuration; one older than ``stamp``, or than a minute, is read again.

        While the table cannot be read, the one that is known goes on, so that deliveries can still be verified.
        """
        now = self._store.now()
        known = self._company
        fresh = known is not None and now - self._read_at < MEMORY and (stamp is None or known.stamp >= stamp)
        if known is None or not fresh:
            try:
                known = self._company = _company(self._store.items("CONFIG"), self._zone)
                self._read_at = now
            except OUTAGES:
                if known is None or (stamp is not None and known.stamp < stamp):
                    raise  # nothing to go by, or known to be wrong
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
        rows = {row.SK: row for item in self._store.items("CONFIG") for row in [ConfigItem.from_raw_data(item)]}
        known, stamp = rows.get(f"{kind}#{name}"), rows.get("STAMP")
        version = int(known.version) + 1 if known else 1
        fields: dict[str, Any] = {"version": version, "active_from": to_text(now), "body": body}
        writes = [
            _guarded(ConfigItem(PK="CONFIG", SK=f"{kind}#{name}", **fields), int(known.version) if known else None),
            _guarded(ConfigItem(PK=f"CONFIG#{kind}#{name}", SK=f"V#{version:06d}", **fields), None),
            _guarded(
                ConfigItem(PK="CONFIG", SK="STAMP", version=int(stamp.version) + 1 if stamp else 1),
                int(stamp.version) if stamp else None,
            ),
        ]
        self._store.write(writes)
        return version


def _guarded(item: ConfigItem, version: int | None) -> Write:
    if version is None:
        return Write(item, "attribute_not_exists(PK)")
    return Write(item, "version = :version", {":version": {"N": str(version)}})


def _company(items: Iterable[Raw], zone: str) -> Company:
    things: dict[str, dict[str, ConfigItem]] = {kind: {} for kind in (*KINDS, "company")}
    stamp = 0
    for item in items:
        row = ConfigItem.from_raw_data(item)
        if row.SK == "STAMP":
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
        channels={name: _channel(name, row.body) for name, row in things["channel"].items()},
        policies={name: _policy(name, row) for name, row in things["policy"].items()},
        stages=_stages(row.body for _, row in sorted(things["pipeline"].items())),
        extra={name: value for name, value in about.items() if name not in ("name", "zone")},
    )


def _source(name: str, body: dict[str, Any]) -> Source:
    lists: dict[str, Any] = {key: tuple(body[key]) for key in ("allow_ips", "recording_hosts") if key in body}
    return Source(id=name, **{**body, **lists})


def _stages(pipelines: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((NEW_STAGE, *(stage for body in pipelines for stage in body["stages"]))))


def _channel(name: str, body: dict[str, Any]) -> Channel:
    return Channel(id=name, **{**body, "audiences": tuple(body["audiences"])})


def _policy(name: str, row: ConfigItem) -> Policy:
    return policies.parse(name, int(row.version), from_text(str(row.active_from)), row.body)
