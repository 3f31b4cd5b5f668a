"""`leadtrail configure FILE`: the company as one TOML file: teams, people, sources, robots, policies.

Everything is checked before anything is written; what stands already is left alone, so that the same
file can be run again. Secrets do not belong here, only their names (docs/runbook.md).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from leadtrail.domain import policy as policies
from leadtrail.domain.company import ROLES, Source, Team, read_channel, read_rep, read_team
from leadtrail.domain.errors import InvalidInputError
from leadtrail.runtime.wiring import World

KINDS = ("company", "team", "rep", "source", "channel", "policy", "pipeline")
ZONE = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One configured thing as the file wants it."""

    kind: str
    name: str
    body: dict[str, Any]


def run(file: Path, world: World) -> list[Wanted]:
    """Write what the file wants and the table does not say yet; return what was written.

    Raises:
        InvalidInputError: names the place in the file; nothing was written.
    """
    wanted = read(file, now=world.now())
    changed = [one for one in wanted if world.config.configured(one.kind, one.name) != one.body]
    for one in changed:
        world.config.put(one.kind, one.name, one.body, now=world.now())
    return changed


def read(file: Path, *, now: datetime) -> list[Wanted]:
    """Read and check a file.

    Raises:
        InvalidInputError: names the place, such as ``rep.rep-lin.team``.
    """
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(str(file), f"不是有效的 TOML({error})") from error
    for kind in content:
        if kind not in KINDS:
            raise InvalidInputError(kind, f"只能是 {'、'.join(KINDS)}")
    about = content.pop("company", {})
    wanted = [Wanted("company", "company", _about(about))]
    for kind in KINDS[1:]:
        for name, body in content.get(kind, {}).items():
            _check(kind, name, body, now, about.get("zone", ZONE))
            wanted.append(Wanted(kind, name, body))
    _check_teams(wanted)
    _check_assignments(wanted)
    return wanted


def _about(body: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(body.get("name"), str) or not body["name"]:
        raise InvalidInputError("company.name", "不能为空")
    try:
        ZoneInfo(body.get("zone", ZONE))
    except (ValueError, LookupError, OSError) as error:
        raise InvalidInputError("company.zone", "不是有效的时区，例如 Asia/Shanghai") from error
    return dict(body)


def _check(kind: str, name: str, body: object, now: datetime, zone: str) -> None:
    place = f"{kind}.{name}"
    if not isinstance(body, Mapping):
        raise InvalidInputError(place, "需要一张表")
    if kind == "policy":
        policies.parse(name, 1, now, body)
        return
    if kind == "pipeline":
        _check_stages(place, body)
        return
    makers: dict[str, Callable[[], object]] = {
        "team": lambda: read_team(name, body),
        "rep": lambda: read_rep(name, body, zone=zone),
        "source": lambda: Source(id=name, **body),
        "channel": lambda: read_channel(name, body),
    }
    try:
        makers[kind]()
    except TypeError as error:  # a field too many or too few; Python's own words name it
        raise InvalidInputError(place, f"字段不对({error})") from error
    if kind == "rep" and body["role"] not in ROLES:
        raise InvalidInputError(f"{place}.role", f"只能是 {'、'.join(ROLES)} 之一")


def _check_stages(place: str, body: Mapping[str, Any]) -> None:
    stages = body.get("stages")
    if set(body) != {"stages"} or not isinstance(stages, list) or not stages:
        raise InvalidInputError(f"{place}.stages", "需要一个阶段名的列表")
    for index, stage in enumerate(stages):
        if not isinstance(stage, str) or not 1 <= len(stage) <= 64 or stage != stage.strip():
            raise InvalidInputError(f"{place}.stages[{index}]", "需要1到64个字的阶段名，前后没有空格")
    if len(set(stages)) != len(stages):
        raise InvalidInputError(f"{place}.stages", "阶段名不能重复")


def _check_teams(wanted: list[Wanted]) -> None:
    """Whoever names a team or a deputy names one of this file; a director has no team, a channel may serve all."""
    teams = {one.name for one in wanted if one.kind == "team"}
    for one in wanted:
        team = one.body.get("team")
        if one.kind in ("rep", "source", "channel") and team and team not in teams:
            raise InvalidInputError(f"{one.kind}.{one.name}.team", f"文件里没有团队 {team}")
    reps = {one.name for one in wanted if one.kind == "rep"}
    for one in wanted:
        deputy = one.body.get("deputy") if one.kind == "rep" else None
        if deputy is not None and deputy not in reps:
            raise InvalidInputError(f"rep.{one.name}.deputy", f"文件里没有人员 {deputy}")
    if not any(one.kind == "policy" and one.name == policies.DEFAULT for one in wanted):
        raise InvalidInputError("policy.default", "必须有一条默认规则")


def _check_assignments(wanted: list[Wanted]) -> None:
    """Whoever a team's rules name is a rep of that team; one who left keeps the place."""
    reps = {one.name: one.body["team"] for one in wanted if one.kind == "rep" and one.body["role"] == "rep"}
    for one in wanted:
        if one.kind == "team":
            team = read_team(one.name, one.body)
            for rep, place in _named(team):
                if reps.get(rep) != team.id:
                    raise InvalidInputError(f"team.{team.id}.assignment.{place}", f"团队中没有销售 {rep}")


def _named(team: Team) -> list[tuple[str, str]]:
    """Return the reps whom a team's rules name, with their places."""
    weighted = [(rep, f"weights.{rep}") for rep in team.assignment.weights]
    rules = enumerate(team.assignment.rules)
    return weighted + [
        (rep, f"rules[{index}].to[{place}]") for index, rule in rules for place, rep in enumerate(rule.to)
    ]
