"""The chat robots of WeCom and DingTalk, played on loopback, and what people would have seen.

They keep the real limits, because a dispatcher that only ever met a patient robot would learn on its first bad
morning: 20 messages a minute (WeCom refuses the rest, DingTalk then says nothing for ten minutes), sizes in bytes,
DingTalk's signature and its hour. On request they also fail the way networks fail: down, dropped, or kept with the
answer lost. Everything accepted is appended to an NDJSON file, so an inbox outlives a restart.

Errors travel as both providers send them: HTTP 200 with ``errcode``. Codes that a public page names: 45009, 93000,
310000, 130101. From memory: 40058, 40008, 44004 (WeCom), 300001, 400105, 40035, 460101 (DingTalk).

The page shows two chat windows. Message text is hostile until escaped: it is escaped first, and only then do the few
marks of the robots' markdown turn into elements, so that nothing a lead is called can become one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

Bot = Literal["wecom", "dingtalk"]

WINDOW_S = 60.0
MESSAGES_PER_WINDOW = 20
DINGTALK_MUTE_S = 600.0
DINGTALK_CLOCK_S = 3600.0
DINGTALK_BODY_BYTES = 20_000
WECOM_BYTES = {"text": 2048, "markdown": 4096, "markdown_v2": 4096}
BODY_BYTES = 64 * 1024
PATHS: dict[str, tuple[Bot, str]] = {
    "/wecom/cgi-bin/webhook/send": ("wecom", "key"),
    "/dingtalk/robot/send": ("dingtalk", "access_token"),
}
SEED = 20260126
PAGE_ZONE = ZoneInfo("Asia/Shanghai")
PAGE_MESSAGES = 200
WINDOWS = (("wecom", "企业微信", "群机器人"), ("dingtalk", "钉钉", "自定义机器人"))
STYLE = """
:root{color-scheme:light dark;--bg:#e9ebee;--pane:#f5f6f7;--card:#fff;--ink:#1d2129;--soft:#6b7280;--line:#dfe2e6;
--warning:#c2410c;--info:#15803d;--wecom:#2a6fd6;--dingtalk:#1677ff}
@media(prefers-color-scheme:dark){:root{--bg:#111315;--pane:#1a1d20;--card:#24282c;--ink:#e8eaed;--soft:#9aa3ad;
--line:#33383d;--warning:#fb923c;--info:#4ade80;--wecom:#6ea8fe;--dingtalk:#69a9ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.6 "PingFang SC","HarmonyOS Sans SC","MiSans",
"Microsoft YaHei",sans-serif}
main{display:grid;grid-template-columns:1fr 1fr;gap:16px;max-width:1200px;margin:0 auto;padding:16px}
section{background:var(--pane);border:1px solid var(--line);border-radius:12px;overflow:hidden;min-width:0}
h1{font-size:16px;margin:0;padding:12px 16px;background:var(--card);border-bottom:1px solid var(--line);display:flex;
gap:8px;align-items:baseline}
h1 small{font-weight:400;color:var(--soft);font-size:13px;margin-left:auto}
.wecom h1{box-shadow:inset 0 3px var(--wecom)}.dingtalk h1{box-shadow:inset 0 3px var(--dingtalk)}
ol{list-style:none;margin:0;padding:12px 16px;display:flex;flex-direction:column;gap:14px}
.who{font-size:12px;color:var(--soft);margin:0 0 4px}
.who b{color:var(--ink);font-weight:500}
.bubble{background:var(--card);border:1px solid var(--line);border-radius:4px 12px 12px 12px;padding:10px 14px;
overflow-wrap:anywhere}
.bubble p,.bubble blockquote,.bubble h2{margin:0 0 4px}.bubble h2{font-size:15px}
.bubble blockquote{border-left:3px solid var(--line);padding-left:10px;color:var(--soft)}
.bubble a{color:var(--wecom)}.warning{color:var(--warning)}.info{color:var(--info)}.comment{color:var(--soft)}
.empty{color:var(--soft);text-align:center;padding:48px 16px;margin:0}
@media(max-width:720px){main{grid-template-columns:1fr;padding:8px}}
"""


@dataclass(frozen=True, slots=True)
class Robot:
    """One robot of one chat: ``key`` is WeCom's ``key`` or DingTalk's ``access_token``; ``secret`` signs (DingTalk)."""

    channel: str
    bot: Bot
    audience: str
    key: str
    secret: str = ""

    def url(self, base: str) -> str:
        """Return the webhook address that a sender is configured with, below ``base`` (no trailing slash)."""
        path, parameter = next((path, name) for path, (bot, name) in PATHS.items() if bot == self.bot)
        return f"{base}{path}?{parameter}={self.key}"


@dataclass(frozen=True, slots=True)
class Message:
    """What people saw: ``at`` in ISO 8601 with offset, ``text`` as sent, ``mentions`` as the sender asked for them."""

    at: str
    channel: str
    bot: str
    audience: str
    text: str
    mentions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """How the robots fail on purpose; ``ambiguous`` and ``drop`` are probabilities from 0 to 1."""

    down: bool = False
    ambiguous: float = 0.0
    drop: float = 0.0
    muted: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a robot's webhook: query values by name, and the raw body."""

    path: str
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller gets: a status with JSON, or no answer at all (``status`` 0: the connection just closes)."""

    status: int
    body: Mapping[str, object] = field(default_factory=dict)


class ControlError(ValueError):
    """``POST /_ctl`` asked for something that the robots cannot do."""


class RefusedError(Exception):
    """A robot says no; ``errcode`` and ``errmsg`` are the provider's."""

    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(errmsg)
        self.errcode = errcode
        self.errmsg = errmsg


LOST = Answer(0)
OK = Answer(200, {"errcode": 0, "errmsg": "ok"})


class Robots:
    """All robots of a demo, their limits and their common inbox.

    ``now`` gives epoch seconds. ``inbox_file`` is NDJSON, read at start and appended to; None keeps nothing.
    Safe to use from several threads.
    """

    def __init__(
        self, robots: Iterable[Robot], *, now: Callable[[], float] = time.time, inbox_file: Path | None = None
    ) -> None:
        self._robots = {(robot.bot, robot.key): robot for robot in robots}
        self._now = now
        self._file = inbox_file
        self._inbox = _read(inbox_file)
        self._accepted: dict[str, deque[float]] = {robot.channel: deque() for robot in self._robots.values()}
        self._muted_until: dict[str, float] = {}
        self._misbehaviour = Misbehaviour()
        self._dice = Random(SEED)  # noqa: S311 - misbehaviour must repeat itself; nothing secret is drawn
        self._lock = threading.Lock()

    def inbox(self) -> list[Message]:
        """Return what people have seen, oldest first."""
        with self._lock:
            return list(self._inbox)

    def misbehaviour(self) -> Misbehaviour:
        """Return how the robots fail at the moment."""
        with self._lock:
            return self._misbehaviour

    def control(self, wish: object) -> Misbehaviour:
        """Change how the robots fail: fields that ``wish`` does not name stay. Raises ControlError."""
        with self._lock:
            wanted = _misbehaviour(wish, self._misbehaviour)
            self._misbehaviour = wanted
            if isinstance(wish, dict) and "muted" in wish:
                until = self._now() + DINGTALK_MUTE_S if wanted.muted else 0.0
                self._muted_until = {robot.channel: until for robot in self._robots.values() if robot.bot == "dingtalk"}
            return wanted

    def send(self, request: Request) -> Answer:
        """Take one message as the provider would."""
        with self._lock:
            if self._misbehaviour.down:
                return Answer(502, {"message": "Bad Gateway"})
            if self._dice.random() < self._misbehaviour.drop:
                return LOST
            try:
                self._accept(request)
            except RefusedError as refusal:
                return Answer(200, {"errcode": refusal.errcode, "errmsg": refusal.errmsg})
            return LOST if self._dice.random() < self._misbehaviour.ambiguous else OK

    def _accept(self, request: Request) -> None:
        bot, parameter = PATHS[request.path]
        robot = self._robots.get((bot, request.query.get(parameter, "")))
        if robot is None:
            raise (
                RefusedError(93000, "invalid webhook url")
                if bot == "wecom"
                else RefusedError(300001, "token is not exist")
            )
        now = self._now()
        if bot == "dingtalk":
            _check_signature(robot, request.query, now)
        message = _message(robot, request.body, now)
        self._count(robot, now)
        self._keep(message)

    def _count(self, robot: Robot, now: float) -> None:
        if now < self._muted_until.get(robot.channel, 0.0):
            raise _too_fast(robot)
        accepted = self._accepted[robot.channel]
        while accepted and accepted[0] <= now - WINDOW_S:
            accepted.popleft()
        if len(accepted) >= MESSAGES_PER_WINDOW:
            if robot.bot == "dingtalk":
                self._muted_until[robot.channel] = now + DINGTALK_MUTE_S
            raise _too_fast(robot)
        accepted.append(now)

    def _keep(self, message: Message) -> None:
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(message)) + "\n")
        self._inbox.append(message)


def sign(secret: str, timestamp_ms: str) -> str:
    """Return DingTalk's signature (base64, not yet URL-encoded) of a time in epoch milliseconds."""
    digest = hmac.new(secret.encode(), f"{timestamp_ms}\n{secret}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _check_signature(robot: Robot, query: Mapping[str, str], now: float) -> None:
    stamp = query.get("timestamp", "")
    fresh = stamp.isascii() and stamp.isdigit() and abs(now - int(stamp[:16]) / 1000) <= DINGTALK_CLOCK_S
    if not fresh:
        raise RefusedError(310000, "invalid timestamp")
    if not hmac.compare_digest(sign(robot.secret, stamp).encode(), query.get("sign", "").encode()):
        raise RefusedError(310000, "sign not match")


def _message(robot: Robot, body: bytes, now: float) -> Message:
    try:
        document = json.loads(body)
    except ValueError as error:  # covers bad UTF-8 too
        raise RefusedError(40035 if robot.bot == "dingtalk" else 40008, "invalid json") from error
    if not isinstance(document, dict):
        raise RefusedError(40035 if robot.bot == "dingtalk" else 40008, "invalid message")
    text, mentions = _wecom(document) if robot.bot == "wecom" else _dingtalk(document, len(body))
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    return Message(at, robot.channel, robot.bot, robot.audience, text, mentions)


def _wecom(document: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    kind = str(document.get("msgtype"))
    limit = WECOM_BYTES.get(kind)
    if limit is None:
        raise RefusedError(40008, "invalid message type")
    part = _part(document, kind)
    text = part.get("content")
    if not isinstance(text, str) or not text.strip():
        raise RefusedError(44004, "empty content")
    size = _size(text)
    if size > limit:
        raise RefusedError(40058, f"{kind}.content exceed max length {limit}. invalid Request Parameter: {size} bytes")
    return text, (*_names(part, "mentioned_list"), *_names(part, "mentioned_mobile_list"))


def _dingtalk(document: Mapping[str, Any], size: int) -> tuple[str, tuple[str, ...]]:
    kind = str(document.get("msgtype"))
    if kind not in {"text", "markdown"}:
        raise RefusedError(400105, "unsupported msgtype")
    if size > DINGTALK_BODY_BYTES:
        raise RefusedError(460101, "message too long, exceed 20000 bytes")
    part = _part(document, kind)
    text = part.get("text" if kind == "markdown" else "content")
    if not isinstance(text, str) or not text.strip():
        raise RefusedError(40035, f"缺少参数 {kind}")
    if kind == "markdown" and not part.get("title"):
        raise RefusedError(40035, "缺少参数 markdown.title")
    at = _part(document, "at")
    everyone = ("@all",) if at.get("isAtAll") is True else ()
    return text, (*_names(at, "atMobiles"), *_names(at, "atUserIds"), *everyone)


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = document.get(name)
    return part if isinstance(part, dict) else {}


def _names(part: Mapping[str, Any], name: str) -> tuple[str, ...]:
    names = part.get(name)
    return tuple(str(one) for one in names) if isinstance(names, list) else ()


def _size(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:  # a lone surrogate is no text that a person could read
        raise RefusedError(40058, "content is not utf-8") from error


def _too_fast(robot: Robot) -> RefusedError:
    if robot.bot == "wecom":
        return RefusedError(45009, "api freq out of limit")
    return RefusedError(130101, "send too fast, exceed 20 times per minute")


def _misbehaviour(wish: object, current: Misbehaviour) -> Misbehaviour:
    if not isinstance(wish, dict) or not set(wish) <= {"down", "ambiguous", "drop", "muted"}:
        raise ControlError("expected an object with down, ambiguous, drop or muted")
    for name, value in wish.items():
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ControlError(f"{name} must be a number from 0 to 1")
    return Misbehaviour(
        down=bool(wish.get("down", current.down)),
        ambiguous=float(wish.get("ambiguous", current.ambiguous)),
        drop=float(wish.get("drop", current.drop)),
        muted=bool(wish.get("muted", current.muted)),
    )


def _read(file: Path | None) -> list[Message]:
    """Return the kept messages; a last line that a killed process left unfinished is cut off."""
    if file is None or not file.exists():
        return []
    *lines, unfinished = file.read_text(encoding="utf-8").split("\n")
    if unfinished:
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    rows = [json.loads(line) for line in lines]
    return [Message(**{**row, "mentions": tuple(row["mentions"])}) for row in rows]


def render(messages: Sequence[Message]) -> str:
    """Return the whole page (zh-CN, self-contained, reloads every 3 s): the newest 200 messages, newest on top."""
    windows = "".join(_window(bot, name, kind, messages) for bot, name, kind in WINDOWS)
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><meta http-equiv="refresh" content="3">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><title>机器人消息 · Leadtrail 演示</title>'
        f"<style>{STYLE}</style></head><body><main>{windows}</main></body></html>"
    )


def _window(bot: str, name: str, kind: str, messages: Sequence[Message]) -> str:
    own = [message for message in messages if message.bot == bot]
    bubbles = "".join(_bubble(message) for message in reversed(own[-PAGE_MESSAGES:]))
    content = f"<ol>{bubbles}</ol>" if own else '<p class="empty">还没有消息。线索超时后，提醒会出现在这里。</p>'
    return f'<section class="{bot}"><h1>{name}<small>{kind} · 共 {len(own)} 条</small></h1>{content}</section>'


def _bubble(message: Message) -> str:
    at = datetime.fromisoformat(message.at).astimezone(PAGE_ZONE)
    who = f"<b>{html.escape(message.audience)}</b> · {html.escape(message.channel)} · {at:%m-%d %H:%M:%S}"
    return f'<li><p class="who">{who}</p><div class="bubble">{markdown(message.text)}</div></li>'


def markdown(text: str) -> str:
    """Render the robots' small markdown (headings, quotes, bold, links, colours): hostile text in, safe HTML out."""
    return "".join(_line(line) for line in html.escape(text).splitlines() if line.strip())


def _line(line: str) -> str:
    if quoted := re.match(r"&gt;\s?(.*)", line):
        return f"<blockquote>{_inline(quoted[1])}</blockquote>"
    if heading := re.match(r"#{1,6}\s+(.*)", line):
        return f"<h2>{_inline(heading[1])}</h2>"
    if bullet := re.match(r"[-*]\s+(.*)", line):
        return f"<p>• {_inline(bullet[1])}</p>"
    return f"<p>{_inline(line)}</p>"


def _inline(line: str) -> str:
    line = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", line)
    line = re.sub(
        r"&lt;font color=&quot;(warning|info|comment)&quot;&gt;(.*?)&lt;/font&gt;", r'<span class="\1">\2</span>', line
    )
    return re.sub(r"\[([^\[\]]+)\]\((https?://[^\s()]+)\)", r'<a href="\2" rel="noreferrer noopener">\1</a>', line)


class _Handler(BaseHTTPRequestHandler):
    """HTTP in, ``Robots`` out; one instance per request."""

    server: RobotServer
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """Show the inbox as a page, as JSON, or how the robots fail."""
        match urlsplit(self.path).path:
            case "/":
                self._write(200, "text/html; charset=utf-8", render(self.server.robots.inbox()).encode())
            case "/inbox":
                self._json(200, [asdict(message) for message in self.server.robots.inbox()])
            case "/_ctl":
                self._json(200, asdict(self.server.robots.misbehaviour()))
            case _:
                self._json(404, {"message": "not found"})

    def do_POST(self) -> None:
        """Take a message, or an order to misbehave."""
        body = self._body()
        if body is None:
            self._json(413, {"message": "request too large, or without a length"})
            return
        address = urlsplit(self.path)
        if address.path == "/_ctl":
            self._control(body)
        elif address.path in PATHS:
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            self._answer(self.server.robots.send(Request(address.path, query, body)))
        else:
            self._json(404, {"message": "not found"})

    def _control(self, body: bytes) -> None:
        try:
            self._json(200, asdict(self.server.robots.control(json.loads(body))))
        except ValueError as error:
            self._json(400, {"message": str(error)})

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > BODY_BYTES:
            self.close_connection = True
            return None
        return self.rfile.read(int(length))

    def _answer(self, answer: Answer) -> None:
        if answer.status:
            self._json(answer.status, answer.body)
        else:
            self.close_connection = True

    def _json(self, status: int, document: object) -> None:
        self._write(status, "application/json; charset=utf-8", json.dumps(document, ensure_ascii=False).encode())

    def _write(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet: the inbox is the record."""


class RobotServer(ThreadingHTTPServer):
    """The robots on ``127.0.0.1:port`` (0 picks a free one), served from a background thread; a context manager.

    Raises OSError when the port is taken.
    """

    daemon_threads = True

    def __init__(self, robots: Robots, *, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.robots = robots
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), name="robots", daemon=True)

    @property
    def base(self) -> str:
        """The address that paths are appended to."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> RobotServer:
        """Start to listen."""
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop; messages already accepted are in the file."""
        self.shutdown()
        self._thread.join()
        self.server_close()
