"""``leadtrail verify LEAD`` and ``leadtrail verify --all``: every seal hashed again, every projection folded again.

What this cannot prove, a tail that was cut off or a lead that was removed whole, it says: the anchors show that.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from leadtrail.adapters.store import TableStore
from leadtrail.adapters.values import readable
from leadtrail.domain import lead as leads_of
from leadtrail.domain import trail
from leadtrail.domain.trail import Break, Event
from leadtrail.runtime.wiring import World
from leadtrail.services.ports import Person

WORKERS = 2
SHOWN = 20
LIMITS = "说明：被截去的末尾、被整条删除的线索，在当晚的锚点生成之前无法由此发现。"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one trail showed; ``broken`` names the first seal that does not hold (seq 0: the projection)."""

    lead_id: str
    events: int
    broken: Break | None


def run(world: World, lead_id: str | None = None, *, console: Console | None = None, workers: int = WORKERS) -> int:
    """Verify one lead, or all; print what was found, and return the exit status: 0 whole, 1 broken or absent."""
    screen = console or Console()
    began = time.monotonic()
    lead_ids = (lead_id,) if lead_id else world.store.lead_ids()
    events = 0
    broken: list[Finding] = []
    for finding in _watched(findings(world.store, lead_ids, workers=workers), len(lead_ids), screen):
        events += finding.events
        if finding.broken:
            broken.append(finding)
    seconds = time.monotonic() - began
    screen.print(
        f"核对了 {len(lead_ids):,} 条线索、{events:,} 个事件，用时 {seconds:.0f} 秒"
        f"(每秒 {events / max(seconds, 0.001):,.0f} 个)"
    )
    for finding in broken[:SHOWN]:
        screen.print(_words(finding), style="red", markup=False)
    if len(broken) > SHOWN:
        screen.print(f"……另有 {len(broken) - SHOWN:,} 条线索不一致", style="red")
    screen.print("不一致：第一处见上" if broken else "全部封印完好，投影与事件一致", style="red" if broken else "green")
    screen.print(LIMITS, style="dim")
    return 1 if broken else 0


def findings(store: TableStore, lead_ids: Sequence[str], *, workers: int = WORKERS) -> Iterator[Finding]:
    """Verify leads, some at once; what was found comes in their order."""
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield from pool.map(lambda lead_id: verify(store, lead_id), lead_ids)
        finally:
            pool.shutdown(cancel_futures=True)


def verify(store: TableStore, lead_id: str) -> Finding:
    """Hash one trail again and fold it; what is written meanwhile is read once more before it counts as broken."""
    finding = _verify(store, lead_id)
    return finding if finding.broken is None else _verify(store, lead_id)


def _verify(store: TableStore, lead_id: str) -> Finding:
    lead, events = store.lead_and_trail(lead_id)
    if not events:
        return Finding(lead_id, 0, Break(0, "没有这条线索" if lead is None else "线索没有任何事件"))
    salt = None
    if lead is not None and any(event.cipher for event in events):
        person = store.persons([lead.person_id]).get(lead.person_id)
        salt = person.salt if person else None
        unreadable = next((event for event in events if not _is_readable(event, person)), None)
        if unreadable:
            return Finding(lead_id, len(events), Break(unreadable.seq, "文字无法解密"))
        events = tuple(readable(event, person) for event in events)
    broken = trail.verify(events, salt=salt)
    if broken is None and (lead is None or lead != leads_of.fold(events)):
        broken = Break(0, "线索的现状与事件推算的结果不一致")
    return Finding(lead_id, len(events), broken)


def _is_readable(event: Event, person: Person | None) -> bool:
    """Tell whether a text opens with its person's key; one of an erased person need not."""
    try:
        readable(event, person)
    except InvalidTag:
        return False
    return True


def _words(finding: Finding) -> str:
    if finding.broken is None:
        return f"线索 {finding.lead_id}：完好"
    place = f"第 {finding.broken.seq} 个事件" if finding.broken.seq else "线索"
    return f"线索 {finding.lead_id}，{place}：{finding.broken.why}"


def _watched(found: Iterable[Finding], total: int, screen: Console) -> Iterator[Finding]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen) as progress:
        yield from progress.track(found, total=total, description="核对封印")
