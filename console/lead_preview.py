"""What an import of a list would do, before it does it: which column is what, the first rows as read, the counts.

Numbers and addresses are masked: the preview is seen over shoulders, and in screenshots.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as Drawn
from rich.text import Text

from console.columns import BY, Table
from leadtrail.domain.company import Company
from leadtrail.domain.identity import masked, veiled
from leadtrail.services.enlisting import Entry

ROWS = 5
SHOWN = 10  # faults; all of them stand in the file of errors
WIDEST = 40  # characters of a cell


def show(screen: Console, table: Table, entries: Sequence[Entry], *, kind: str, refused: int, company: Company) -> None:
    """Print how a file was understood."""
    screen.print(kind, markup=False, highlight=False)
    screen.print(_columns(table))
    if entries:
        screen.print(_rows(entries[:ROWS], company))
    screen.print(f"可以导入 {len(entries):,} 行，有误 {refused:,} 行", style="red" if refused else "green")
    again = repeated(entries)
    if again:
        screen.print(f"其中 {again:,} 行的电话或邮箱在前面的行里出现过，会并入同一条线索", style="yellow")


def repeated(entries: Sequence[Entry]) -> int:
    """Return how many rows name somebody whom a row above names."""
    seen: set[object] = set()
    count = 0
    for entry in entries:
        count += not seen.isdisjoint(entry.identities)
        seen.update(entry.identities)
    return count


def veiled_address(address: str) -> str:
    """Return an e-mail address as everybody may see it: z***@example.com."""
    name, _, host = address.partition("@")
    return f"{name[:1]}***@{host}"


def _columns(table: Table) -> Drawn:
    drawn = Drawn("列", "读作", "依据", title="列与字段")
    for column in table.columns:
        drawn.add_row(_cell(column.heading), column.title, BY[column.by])
    return drawn


def _rows(entries: Sequence[Entry], company: Company) -> Drawn:
    drawn = Drawn("行", "姓名", "电话", "邮箱", "负责人", "小组", "阶段", "其他", title=f"前 {len(entries)} 行")
    for entry in entries:
        drawn.add_row(
            str(entry.line),
            _cell(veiled(entry.contact.name)),
            _cell("、".join(masked(number) for number in entry.contact.phones)),
            _cell("、".join(veiled_address(address) for address in entry.contact.emails)),
            _cell(entry.owner.name if entry.owner else "（轮流分配）"),
            _cell(company.teams[entry.team].name),
            _cell(entry.stage),
            _cell(veiled("；".join(f"{name}：{text}" for name, text in entry.fields.items()))),
        )
    return drawn


def _cell(text: str) -> Text:
    flat = " ".join(text.split())
    return Text(flat if len(flat) <= WIDEST else f"{flat[:WIDEST]}…")
