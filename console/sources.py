"""`leadtrail source …`: a source is configuration and a secret, so that adding a form needs no code and no deploy.

Everything is checked before anything is written. The secret comes first: a secret that no source names does nothing,
and a source without one lets nobody in. Functions notice either within a minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from console.source_guide import GUIDES, Guide
from console.source_secrets import Drawn, Prompt, draw
from console.source_wish import Wish, checked
from functions.ingest.sources import PROVIDERS
from leadtrail.domain.company import Company, Source
from leadtrail.domain.errors import InvalidInputError
from leadtrail.runtime.wiring import World

SOON = "一分钟内生效"


def add(
    wish: Wish,
    world: World,
    *,
    ask: Prompt,
    file: Path | None = None,
    replace: bool = False,
    console: Console | None = None,
) -> None:
    """Write a source and its secret, and print what is to be entered at the provider.

    A source that stands already as it is wished stays untouched; ``replace`` changes it, its secret stays.

    Raises:
        InvalidInputError: names what is wrong, or the source is another one already; nothing was written.
    """
    screen = console or Console()
    company = world.config.current()
    known = world.config.configured("source", wish.name)
    body = checked(wish, company) | ({"secret": known["secret"]} if known else {})
    source = Source(id=wish.name, provider=wish.provider, team=wish.team, secret=body["secret"])
    address(world, source)  # a token that is drawn and cannot be shown would be lost
    _check_known(wish.name, known, body, replace=replace)
    guide = GUIDES[wish.provider]
    drawn = None
    if known is None or not world.source_secrets(body["secret"]):
        drawn = draw(guide, ask=ask, file=file)
        world.secrets.write(body["secret"], [drawn.value])
    if known != body:
        world.store.settled(lambda: world.config.put("source", wish.name, body, now=world.now()))
        screen.print(f"来源 {wish.name} 已写入，{SOON}", style="green")
    elif drawn is None:
        screen.print(f"来源 {wish.name} 已存在，没有变化")
    _show(world, source, guide, drawn, screen)


def rotate(name: str, world: World, *, ask: Prompt, file: Path | None = None, console: Console | None = None) -> None:
    """Put a new value before the one that is in use; both are valid until ``finish``.

    Raises:
        InvalidInputError: there is no such source, a rotation is under way, or the new value makes no sense.
    """
    screen = console or Console()
    source = named(name, world.config.current())
    address(world, source)  # as in `add`
    values = world.source_secrets(source.secret)
    if len(values) > 1:
        raise InvalidInputError(name, f"上一次更换还没有结束，请先运行 leadtrail source rotate {name} --done")
    guide = GUIDES[source.provider]
    drawn = draw(guide, ask=ask, file=file, known=values[0] if values else None)
    world.secrets.write(source.secret, [drawn.value, *values])
    screen.print(f"新密钥已写入，{SOON}；{'旧密钥仍然有效' if values else '此前没有密钥'}", style="green")
    _show(world, source, guide, drawn, screen)
    if values:
        screen.print(
            f"在对方那里换好之后，等重试结束（一天），再运行 leadtrail source rotate {name} --done", markup=False
        )


def finish(name: str, world: World, *, console: Console | None = None) -> None:
    """End a rotation: only the current value stays valid.

    Raises:
        InvalidInputError: there is no such source.
    """
    screen = console or Console()
    source = named(name, world.config.current())
    values = world.source_secrets(source.secret)
    if len(values) < 2:
        screen.print("没有旧密钥，没有变化")
        return
    world.secrets.write(source.secret, values[:1])
    screen.print(f"旧密钥{SOON[:-2]}失效", style="green")
    if source.provider == "wecom" and values[0].get("encoding_aes_key") != values[1].get("encoding_aes_key"):
        screen.print("用旧的 EncodingAESKey 加密的消息从此无法再重放", style="yellow")


def listing(world: World, *, console: Console | None = None) -> None:
    """Print the sources: provider, team, address and how many secrets are valid."""
    screen = console or Console()
    company = world.config.current()
    table = Table("来源", "提供方", "小组", "有效密钥", "地址")
    table.columns[-1].overflow = "fold"
    for source in sorted(company.sources.values(), key=lambda one: one.id):
        guide = GUIDES.get(source.provider)
        count = str(len(world.source_secrets(source.secret))) if guide else "—"
        table.add_row(source.id, source.provider, source.team, count, _address(world, source) if guide else "—")
    screen.print(table)


def named(name: str, company: Company) -> Source:
    """Return a source that a provider delivers to.

    Raises:
        InvalidInputError: there is none of that name, or its leads come from lists that people import.
    """
    source = company.sources.get(name)
    if source is None:
        raise InvalidInputError("source", f"没有 {name} 这个来源（现有：{'、'.join(sorted(company.sources)) or '无'}）")
    if source.provider not in PROVIDERS:
        raise InvalidInputError("source", f"{name} 是名单导入的来源，没有提供方向它推送")
    return source


def address(world: World, source: Source, token: str = "") -> str:
    """Return where a provider sends to, exactly as the webhook computes it: some providers sign it.

    Raises:
        InvalidInputError: nobody said where the API is.
    """
    base = world.settings.public_base_url
    if not base:
        raise InvalidInputError("PUBLIC_BASE_URL", "没有设置接口地址：请设为部署输出的 ApiUrlOutput")
    return f"{base}/webhooks/{source.id}{f'/{token}' if token else ''}"


def _check_known(name: str, known: Mapping[str, Any] | None, body: Mapping[str, Any], *, replace: bool) -> None:
    if known is None or known == body:
        return
    if known["provider"] != body["provider"]:
        raise InvalidInputError(name, f"已有同名的来源，提供方是 {known['provider']}，请换一个名称")
    if not replace:
        raise InvalidInputError(name, "已有同名的来源，配置不同；确要改为现在这样，请加 --replace")


def _address(world: World, source: Source) -> str:
    return address(world, source, "<令牌>" if GUIDES[source.provider].is_open else "")


def _show(world: World, source: Source, guide: Guide, drawn: Drawn | None, screen: Console) -> None:
    """Print what belongs where; what is shown only once says so."""

    def line(text: str, style: str = "") -> None:
        screen.print(text, style=style, markup=False, soft_wrap=True)  # an address is copied whole

    line(f"在「{guide.title}」的「{guide.menu}」中填写：")
    line(f"  地址  {address(world, source, drawn.token) if drawn and drawn.token else _address(world, source)}")
    if drawn and drawn.to_enter:
        line(f"  密钥  {drawn.to_enter}")
    line(f"  {guide.enter}")
    if drawn and (drawn.token or drawn.to_enter):
        line("以上只显示这一次，请现在就复制", "yellow")
