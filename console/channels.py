"""`leadtrail channel …`: a channel is configuration and a secret, so that a new robot needs no code and no deploy.

Everything is checked before anything is written. The secret comes first: a secret that no channel names does nothing,
and a channel without one tells nobody anything. Functions notice either within a minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from console.channel_guide import GUIDES
from console.channel_wish import Wish, check_secret, checked
from console.source_secrets import Drawn, Prompt, draw
from console.sources import SOON
from leadtrail.domain.company import Channel, Company
from leadtrail.domain.errors import InvalidInputError
from leadtrail.runtime.wiring import World

AUDIENCE_WORDS = {"owner": "负责人", "manager": "主管", "director": "总监", "team": "全组"}


def add(
    wish: Wish,
    world: World,
    *,
    ask: Prompt,
    file: Path | None = None,
    replace: bool = False,
    renew: bool = False,
    console: Console | None = None,
) -> None:
    """Write a channel and its secret.

    A channel that stands already as it is wished stays untouched; ``replace`` changes it, its secret stays unless
    ``renew`` asks for a new one.

    Raises:
        InvalidInputError: names what is wrong, or the channel is another one already; nothing was written.
    """
    screen = console or Console()
    known = world.config.configured("channel", wish.name)
    body = checked(wish, world.config.current()) | ({"secret": known["secret"]} if known else {})
    _check_known(wish.name, known, body, replace=replace)
    drawn = None
    if known is None or renew or not world.source_secrets(body["secret"]):
        drawn = _drawn(wish.bot, ask=ask, file=file, screen=screen)
        world.secrets.write(body["secret"], [drawn.value])
    if known != body:
        world.store.settled(lambda: world.config.put("channel", wish.name, body, now=world.now()))
    if known == body and drawn is None:
        screen.print(f"渠道 {wish.name} 已存在，没有变化")
        return
    screen.print(f"渠道 {wish.name} 已写入，{SOON}", style="green")
    screen.print(f"试发一条：leadtrail channel test {wish.name}{_to(wish.bot)}", markup=False)


def listing(world: World, *, console: Console | None = None) -> None:
    """Print the channels: kind, audience, team, quiet hours, and whether there is a secret."""
    screen = console or Console()
    company = world.config.current()
    table = Table("渠道", "方式", "受众", "小组", "安静时段", "密钥")
    for channel in sorted(company.channels.values(), key=lambda one: one.id):
        has_secret = bool(world.source_secrets(channel.secret))
        table.add_row(
            channel.id,
            GUIDES[channel.bot].title if channel.bot in GUIDES else channel.bot,
            "、".join(AUDIENCE_WORDS.get(one, one) for one in channel.audiences),
            channel.team or "全部",
            f"{channel.quiet.since:%H:%M}–{channel.quiet.until:%H:%M}" if channel.quiet else "—",
            "有" if has_secret else "缺",
        )
    screen.print(table)


def named(name: str, company: Company) -> Channel:
    """Return a channel of that name.

    Raises:
        InvalidInputError: there is none.
    """
    channel = company.channels.get(name)
    if channel is None:
        known = "、".join(sorted(company.channels)) or "无"
        raise InvalidInputError("channel", f"没有 {name} 这个渠道（现有：{known}）")
    return channel


def _drawn(bot: str, *, ask: Prompt, file: Path | None, screen: Console) -> Drawn:
    guide = GUIDES[bot]
    if file is None:
        screen.print(f"{guide.title}：{guide.menu}", markup=False)
        screen.print(f"  {guide.enter}", markup=False)
    drawn = draw(guide, ask=ask, file=file)
    check_secret(bot, drawn.value)
    return drawn


def _check_known(name: str, known: Mapping[str, Any] | None, body: Mapping[str, Any], *, replace: bool) -> None:
    if known is None or known == body:
        return
    if known["bot"] != body["bot"]:
        raise InvalidInputError(name, f"已有同名的渠道，方式是 {known['bot']}，请换一个名称")
    if not replace:
        raise InvalidInputError(name, "已有同名的渠道，配置不同；确要改为现在这样，请加 --replace")


def _to(bot: str) -> str:
    return " --to <人员编号>" if bot in ("wecom-app", "mail") else ""
