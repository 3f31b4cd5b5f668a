"""`leadtrail source test NAME`: one lead of our own making, signed as the provider signs, over HTTP.

Of an address token only the hash is kept, so that it has to be given. To put a token of our own beside it for a moment
would open a door that an interrupted command leaves open, and test another address than the one that was pasted.
"""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

from rich.console import Console

from console import sources
from console.handing_over import operator
from console.source_guide import GUIDES, TOKEN
from console.source_secrets import Prompt, hash_of
from functions.ingest.sources import Request, Sample, Secret, provider
from leadtrail.domain import lifecycle
from leadtrail.domain.company import Source
from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.lead import LOST
from leadtrail.domain.trail import Happening
from leadtrail.runtime.wiring import World
from leadtrail.services.intake import CREATED
from leadtrail.services.ports import Change, Receipt

PATIENCE_S = 75.0  # functions notice a new source or secret within a minute
PAUSE_S = 5.0
TIMEOUT_S = 30.0
NOT_YET = (HTTPStatus.NOT_FOUND, HTTPStatus.UNAUTHORIZED)
SHOWN = 300


@dataclass(frozen=True, slots=True)
class Said:
    """What the address answered."""

    status: int
    text: str


Post = Callable[[str, bytes, Mapping[str, str]], Said]


@dataclass(frozen=True, slots=True)
class Way:
    """How a sample gets to the address, and how to wait; replaced in tests."""

    post: Post = field(default_factory=lambda: post)
    sleep: Callable[[float], None] = time.sleep


def run(
    name: str, world: World, *, token: str | None, ask: Prompt, way: Way | None = None, console: Console | None = None
) -> int:
    """Send one sample and print what came of it; return 0 where it was taken.

    Raises:
        InvalidInputError: there is no such source, it has no secret, or the token is none of its own.
    """
    screen, way = console or Console(), way or Way()
    source = sources.named(name, world.config.current())
    secret, token = _proof(source, world.source_secrets(source.secret), token, ask)
    url = sources.address(world, source, token)
    said, receipts = _sent(source, secret, url, world=world, way=way, screen=screen)
    screen.print(f"HTTP {said.status}", style="green" if said.status == HTTPStatus.OK else "red")
    if said.status != HTTPStatus.OK:
        screen.print(said.text[:SHOWN], markup=False)
        return 1
    for receipt in receipts:
        why = f"（{receipt.reason}）" if receipt.reason else ""
        screen.print(f"结果 {receipt.outcome}{why}，线索 {receipt.lead_id or '无'}", markup=False)
    if not receipts:
        screen.print("已收下，尚在队列中，稍后入库")
    for receipt in receipts:
        if receipt.lead_id and receipt.outcome == CREATED:
            _close(receipt.lead_id, world)
            screen.print("测试线索已关闭，不再计时", style="dim")
    return 0


def _close(lead_id: str, world: World) -> None:
    """Close the lead of a test as lost: nobody is to be told that it was left alone."""

    def once() -> None:
        lead, now = world.store.lead(lead_id), world.now()
        if lead is None or not lead.is_open:
            return
        closed = Happening("lead.closed", now, operator(), {"outcome": LOST, "stage": lead.stage, "why": "source-test"})
        world.store.commit(
            Change(lead_id=lead_id, recorded_at=now, lead=lead, happenings=lifecycle.close(lead, closed))
        )

    world.store.settled(once)


def _proof(source: Source, secrets: list[dict[str, str]], token: str | None, ask: Prompt) -> tuple[Secret, str]:
    """Return the secret to sign with, and the token that belongs into the address."""
    if not secrets:
        raise InvalidInputError(source.id, f"还没有密钥，请运行 leadtrail source rotate {source.id}")
    if not GUIDES[source.provider].is_open:
        return secrets[0], ""
    given = (token or ask("地址末尾的令牌")).strip().rpartition("/")[2]  # the whole address will do, too
    fitting = next((one for one in secrets if one.get(TOKEN) == hash_of(given)), None)
    if fitting is None:
        raise InvalidInputError("token", f"不是此来源的令牌；已遗失的话，请运行 leadtrail source rotate {source.id}")
    return fitting, given


def _sent(
    source: Source, secret: Secret, url: str, *, world: World, way: Way, screen: Console
) -> tuple[Said, list[Receipt]]:
    """Send a sample, and another one while the functions may not yet know the source or its secret."""
    waited_s = 0.0
    while True:
        at = world.now()
        sample = provider(source.provider).sample(source, secret, at, url)
        said = way.post(_with_query(url, sample), sample.body, _headers(sample))
        if said.status not in NOT_YET or waited_s >= PATIENCE_S:
            request = Request(source, "POST", sample.body, at, _headers(sample), sample.query, url=url)
            return said, _receipts(request, secret, world) if said.status == HTTPStatus.OK else []
        if not waited_s:
            screen.print(f"HTTP {said.status}：新的来源和密钥一分钟内生效，正在等待……")
        way.sleep(PAUSE_S)
        waited_s += PAUSE_S


def _receipts(request: Request, secret: Secret, world: World) -> list[Receipt]:
    """Return what stands in the table: many providers want an answer that says nothing."""
    deliveries = provider(request.source.provider).parse(request, secret)
    found = (world.store.receipt(request.source.id, delivery.receipt) for delivery in deliveries)
    return [receipt for receipt in found if receipt is not None]


def _with_query(url: str, sample: Sample) -> str:
    return f"{url}?{urlencode(sample.query)}" if sample.query else url


def _headers(sample: Sample) -> dict[str, str]:
    kind = "text/xml" if sample.body.startswith(b"<") else "application/json"
    return {"content-type": kind, "user-agent": "leadtrail-source-test", **sample.headers}


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Said:
    """POST over HTTP and return what was answered, whatever the status.

    Raises:
        InvalidInputError: the address cannot be reached.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise InvalidInputError("PUBLIC_BASE_URL", "需要以 https:// 开头的地址")
    # No proxy of this machine comes between us and a demo on loopback.
    proxies: dict[str, str] | None = {} if parts.hostname == "127.0.0.1" else None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    request = urllib.request.Request(url, body, dict(headers), method="POST")  # noqa: S310 - http or https, see above
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            return Said(answer.status, answer.read().decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        return Said(error.code, error.read().decode("utf-8", "replace"))
    except urllib.error.URLError as error:
        raise InvalidInputError("PUBLIC_BASE_URL", f"{parts.hostname} 无法连接（{error.reason}）") from error
