"""`leadtrail reassign --from REP`: somebody leaves; nothing new comes to them, and their open leads go to others.

The rep is set inactive first, so that nothing arrives behind our back. Stopped half-way, run it again.
`leadtrail reassign --unassigned` shares out the leads that nobody was free for, as every five minutes.
Only ids are printed.
"""

from __future__ import annotations

import getpass

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from leadtrail.domain.errors import InvalidInputError
from leadtrail.runtime.wiring import World
from leadtrail.services import handover
from leadtrail.services.handover import HandedOver

SHOWN = 20


def run(
    world: World, rep_id: str, *, to: str | None = None, reason: str | None = None, console: Console | None = None
) -> int:
    """Set the rep inactive and hand their leads over; print what was done, and return 0 when no open lead is left.

    Raises:
        InvalidInputError: nobody of that id was ever configured or has leads, or ``to`` cannot take them.
    """
    screen = console or Console()
    handover.check(rep_id, to=to, reason=reason, company=world.config.current())
    _deactivate(world, rep_id, screen)
    with Progress(TextColumn("移交线索 {task.completed:,.0f} 条"), TimeElapsedColumn(), console=screen) as progress:
        task = progress.add_task("", total=None)
        done = handover.hand_over(
            rep_id,
            to=to,
            actor=operator(),
            reason=reason,
            store=world.store,
            config=world.config,
            now=world.now,
            tell=lambda turn: progress.advance(task, turn.owner is not None),
        )
    _account(done, screen)
    _warn(world, rep_id, screen)
    return 0 if done.is_complete else 1


def run_waiting(world: World, *, team: str | None = None, console: Console | None = None) -> int:
    """Assign the leads that wait for an owner, of ``team`` (id or name) or of all; return 0 when none waits any more.

    Raises:
        InvalidInputError: the company has no such team.
    """
    screen = console or Console()
    teams = _teams(team, world)
    complete = True
    for each in teams:
        done = handover.assign_waiting(each, store=world.store, config=world.config, now=world.now, actor=operator())
        complete = complete and done.is_complete
        screen.print(f"{each}：已分配 {sum(done.moved.values()):,} 条", markup=False)
        _list([f"{rep_id}：{count:,} 条" for rep_id, count in sorted(done.moved.items())], screen)
        if done.stayed:
            screen.print("  仍有线索等待负责人：组内无人可接", style="red")
        _failures(done, screen)
    return 0 if complete else 1


def _teams(wanted: str | None, world: World) -> list[str]:
    teams = world.config.current().teams
    named = [team.id for team in teams.values() if wanted is None or wanted in (team.id, team.name)]
    if not named:
        raise InvalidInputError("team", f"公司没有小组 {wanted}（现有：{'、'.join(sorted(teams))}）")
    return sorted(named)


def operator() -> str:
    """Return who runs this command, as trails name who did something: the name of the login."""
    try:
        return f"operator:{getpass.getuser()}"
    except (OSError, KeyError, ImportError):  # a container may run as a number that has no name
        return "operator:console"


def _deactivate(world: World, rep_id: str, screen: Console) -> None:
    """Write that the rep has left; an owner who came with an import was never configured."""

    def once() -> bool:
        body = world.config.configured("rep", rep_id)
        if body is None or not body.get("active", True):
            return body is not None
        world.config.put("rep", rep_id, {**body, "active": False}, now=world.now())
        screen.print(f"{rep_id} 已停用；请在公司配置文件中同样写上 active = false", markup=False)
        return True

    known = world.store.settled(once)
    if not known and next(world.store.listed("owner", rep_id, size=1), None) is None:
        raise InvalidInputError("from", f"没有 {rep_id} 这个人")


def _account(done: HandedOver, screen: Console) -> None:
    for rep_id, count in sorted(done.moved.items()):
        screen.print(f"{rep_id}：{count:,} 条", markup=False)
    screen.print(f"已移交 {sum(done.moved.values()):,} 条", style="green")
    if done.stayed:
        screen.print(f"{len(done.stayed):,} 条仍未移交：团队中无人可接，请用 --to 指定接手人", style="red")
        _list(done.stayed, screen)
    _failures(done, screen)


def _failures(done: HandedOver, screen: Console) -> None:
    if done.failed:
        screen.print(f"{len(done.failed):,} 条写入失败，请再运行一次", style="red")
        _list([f"{lead_id}：{type(error).__name__}" for lead_id, error in done.failed], screen)


def _list(lines: list[str] | tuple[str, ...], screen: Console) -> None:
    for line in lines[:SHOWN]:
        screen.print(f"  {line}", markup=False)
    if len(lines) > SHOWN:
        screen.print(f"  ……另有 {len(lines) - SHOWN:,} 条")


def _warn(world: World, rep_id: str, screen: Console) -> None:
    sources = world.config.current().sources.values()
    for source in sorted(source.id for source in sources if source.owner == rep_id):
        screen.print(f"来源 {source} 的默认负责人仍是 {rep_id}，请修改公司配置", style="yellow", markup=False)
