"""`leadtrail policy …`: time limits as files: shown, tried against the open leads, put in force, brought to clocks.

A file is the body of `PUT /policies/{name}` as TOML or JSON; its name without the ending is the policy's.
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from console.handing_over import operator
from leadtrail.domain import policy_schema
from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.policy import Policy
from leadtrail.runtime.wiring import World
from leadtrail.services import policies, previewing, rebasing
from leadtrail.services.people import Caller
from leadtrail.services.previewing import Compared

SOON = "一分钟内生效，只用于此后开始的计时"
SHOWN = 20
NOBODY = "（无人负责）"


def schema() -> str:
    """Return the JSON Schema of a policy, as docs/policy.schema.json holds it."""
    return json.dumps(policy_schema.document(), ensure_ascii=False, indent=2) + "\n"


def listing(world: World, *, console: Console | None = None) -> None:
    """Print the policies in the order in which they are tried."""
    table = Table("名称", "版本", "次序", "条件", "规则")
    known = policies.every(config=world.config)
    for each in sorted(known, key=lambda policy: (not policy.when, policy.order, policy.name)):
        promises = "；".join(f"{rule.title} {rule.budget_words}" for rule in each.rules)
        table.add_row(each.name, str(each.version), str(each.order), _conditions(each), promises)
    (console or Console()).print(table)


def show(name: str, world: World) -> str:
    """Return the body of a policy's newest version as JSON, to be put again.

    Raises:
        NotFoundError: there is no such policy.
    """
    return json.dumps(policies.one(name, config=world.config).body, ensure_ascii=False, indent=2)


def put(file: Path, world: World, *, name: str | None = None, console: Console | None = None) -> None:
    """Store a file as a policy's new version; what is in force already stays untouched.

    Raises:
        InvalidInputError: the file cannot be read, or names what no clock could follow; nothing was written.
    """
    screen = console or Console()
    body, wanted = read(file), name or file.stem
    known = world.config.current().policies.get(wanted)
    if known is not None and known.body == body:
        screen.print(f"{wanted} 第 {known.version} 版已是这个内容，没有变化", markup=False)
        return
    changed = policies.change(wanted, body, caller=_operator(), store=world.store, config=world.config, now=world.now())
    screen.print(f"{wanted} 第 {changed.version} 版已写入，{SOON}", style="green", markup=False)
    screen.print(f"要让计时中的线索也改用它：leadtrail policy rebase {wanted}", markup=False)


def preview(file: Path, world: World, *, name: str | None = None, console: Console | None = None) -> None:
    """Print who would be late tomorrow if running clocks followed a file; nothing is written.

    Raises:
        InvalidInputError: as `put`.
    """
    screen = console or Console()
    body, wanted = read(file), name or file.stem
    leads, after = 0, ""
    compared: list[Compared] = []
    now = world.now()
    while True:
        page = previewing.preview(
            wanted, body, caller=_operator(), store=world.store, config=world.config, now=now, after=after
        )
        leads += page.leads
        compared += page.compared
        if page.place is None:
            break
        after = page.place
    whole = previewing.Preview(leads, now, page.tomorrow, tuple(compared))
    _show(whole, screen, ZoneInfo(world.config.company().zone))


def rebase(name: str, world: World, *, console: Console | None = None) -> int:
    """Bring the newest version to the running clocks, page by page; return 0 when no lead failed.

    Raises:
        NotFoundError: there is no such policy.
    """
    screen = console or Console()
    total: Counter[str] = Counter()
    failed: list[str] = []
    after = ""
    while True:
        page = rebasing.rebase(
            name,
            caller=_operator(),
            command=None,
            store=world.store,
            config=world.config,
            now=world.now(),
            after=after,
            actor=operator(),
        )
        total.update(leads=page.leads, changed=page.changed)
        failed += page.failed
        if page.place is None:
            break
        after = page.place
    screen.print(f"查看 {total['leads']:,} 条线索，{total['changed']:,} 条已改用新版本", style="green")
    if failed:
        screen.print(f"{len(failed):,} 条暂时没有写入，请再运行一次：{'、'.join(failed[:SHOWN])}", style="red")
    return 1 if failed else 0


def read(file: Path) -> dict[str, Any]:
    """Return the body that a file holds.

    Raises:
        InvalidInputError: it is neither TOML nor JSON, or no object.
    """
    try:
        text = file.read_text("utf-8")
        body = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (ValueError, OSError) as error:  # both decoders' refusals are ValueErrors, as text that is no UTF-8 is
        raise InvalidInputError(file.name, f"无法读取：{error}") from error
    if not isinstance(body, dict):
        raise InvalidInputError(file.name, "需要一个对象")
    return body


def _operator() -> Caller:
    who = operator()
    return Caller(who, who, "admin", "")


def _conditions(policy: Policy) -> str:
    if not policy.when:
        return "全部"
    return escape("，".join(f"{key} {_value(value)}" for key, value in policy.when.items()))


def _value(value: object) -> str:
    if isinstance(value, dict):
        least, most = (f"{value[edge] / 100:,.2f}元" if edge in value else "" for edge in ("min", "max"))
        return f"{least} 至 {most}" if least and most else f"{least} 起" if least else f"至多 {most}"
    return "、".join(value) if isinstance(value, list) else str(value)


def _show(found: previewing.Preview, screen: Console, zone: ZoneInfo) -> None:
    screen.print(f"查看 {found.leads:,} 条线索，其中 {len(found.compared):,} 项计时适用此规则；没有写入任何内容")
    now, tomorrow = found.late_now, found.late_by_tomorrow
    screen.print(f"现在已超时：{now[0]:,} → {now[1]:,}")
    screen.print(f"到 {found.tomorrow.astimezone(zone):%m-%d %H:%M} 仍不处理会超时：{tomorrow[0]:,} → {tomorrow[1]:,}")
    owners = Table("负责人", "现行规则", "新规则")
    for owner, counts in found.by_owner.items():
        owners.add_row(escape(owner) or NOBODY, f"{counts[0]:,}", f"{counts[1]:,}")
    if found.by_owner:
        screen.print(owners)
    for each in found.changed[:SHOWN]:
        before, after = (f"{at.astimezone(zone):%m-%d %H:%M}" for at in (each.due_before, each.due_after))
        screen.print(f"  {each.lead_id} {each.rule}：{before} → {after}", markup=False)
