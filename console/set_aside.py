"""`leadtrail set-aside list | release`: clocks that no sweep wakes any more, since their waking failed three times.

A clock that is released is woken by the next sweep, as late as it then is. What failed has to be mended before, or it
is set aside again after three sweeps. A change of the clock itself (a touch, a stage, a pause) releases it as well.
"""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.instant import to_text
from leadtrail.runtime.wiring import World


def listing(world: World, *, console: Console | None = None) -> None:
    """Print which clocks were set aside, since when (UTC), and why; ids and kinds of errors only."""
    screen = console or Console()
    rows = list(world.store.set_aside())
    if not rows:
        screen.print("没有移出巡检的时限")
        return
    table = Table("线索", "时限", "移出于", "应唤醒于", "原因")
    for aside in rows:
        table.add_row(aside.lead_id, aside.clock, to_text(aside.since), to_text(aside.wakes_at), aside.reason)
    screen.print(table)


def release(world: World, *, lead_id: str | None, console: Console | None = None) -> int:
    """Put the clocks of a lead, or of all (None), back to where they wanted to be woken; return how many there were.

    Raises:
        InvalidInputError: no clock of that lead was set aside.
    """
    screen = console or Console()
    wanted = [aside for aside in world.store.set_aside() if lead_id in (None, aside.lead_id)]
    if lead_id is not None and not wanted:
        raise InvalidInputError("lead", f"线索 {lead_id} 没有移出巡检的时限")
    released = [aside for aside in wanted if world.store.release(aside)]
    for aside in released:
        screen.print(f"{aside.lead_id} {aside.clock}", markup=False)
    screen.print(f"已放回 {len(released):,} 项，下一次巡检时唤醒", style="green")
    return len(released)
