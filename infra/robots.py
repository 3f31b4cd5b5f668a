"""The chat robots of WeCom and DingTalk, played for the local mode: their limits, their failures, their inbox.

They keep the real limits, because a dispatcher that only ever met a patient robot would learn on its first bad
morning: 20 messages a minute (WeCom refuses the rest, DingTalk then says nothing for ten minutes), and all that
`chat_provider` checks. On request they also fail the way networks fail: down, dropped, or kept with the answer lost.
WeCom's API of contacts (`wecom_api`) stands behind the same network.
Everything accepted is appended to an NDJSON file, so an inbox outlives a restart.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from random import Random

from infra import chat_provider
from infra.chat_provider import PATHS, Message, RefusedError, Robot, check_signature, too_fast, unknown_robot
from infra.wecom_api import WeComApi

WINDOW_S = 60.0
MESSAGES_PER_WINDOW = 20
DINGTALK_MUTE_S = 600.0
SEED = 20260126


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """How the robots fail on purpose; ``ambiguous`` and ``drop`` are probabilities from 0 to 1.

    Of WeCom's API: ``untrusted`` refuses our address, ``expire_token`` ended the tokens given out until it was asked.
    """

    down: bool = False
    ambiguous: float = 0.0
    drop: float = 0.0
    muted: bool = False
    untrusted: bool = False
    expire_token: bool = False


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


LOST = Answer(0)
TAKEN = {"errcode": 0, "errmsg": "ok"}


class Robots:
    """All robots of a demo, their limits and their common inbox.

    ``now`` gives epoch seconds. ``inbox_file`` is NDJSON, read at start and appended to; None keeps nothing.
    Safe to use from several threads.
    """

    def __init__(
        self, robots: Iterable[Robot], *, now: Callable[[], float] = time.time, inbox_file: Path | None = None
    ) -> None:
        self._wecom = WeComApi(now)
        self._robots = {(robot.bot, robot.key): robot for robot in robots}
        self._now = now
        self._file = inbox_file
        self._inbox = _kept(inbox_file)
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
            if isinstance(wish, dict) and wish.get("expire_token"):
                self._wecom.expire_tokens()
            return wanted

    def send(self, request: Request) -> Answer:
        """Take one message as the provider would."""
        with self._lock:
            return self._through_the_network(lambda: self._accept(request))

    def ask(self, request: Request) -> Answer:
        """Answer a call of WeCom's API as WeCom would."""
        with self._lock:
            trusted = not self._misbehaviour.untrusted
            return self._through_the_network(lambda: self._wecom.answer(request.path, request.query, trusted=trusted))

    def give_contacts(self, contacts: object) -> int:
        """Let WeCom know these contacts, and return how many it was given in all; raises ValueError."""
        with self._lock:
            return self._wecom.give(contacts)

    def _through_the_network(self, answer: Callable[[], Mapping[str, object]]) -> Answer:
        if self._misbehaviour.down:
            return Answer(502, {"message": "Bad Gateway"})
        if self._dice.random() < self._misbehaviour.drop:
            return LOST
        try:
            said = answer()
        except RefusedError as refusal:
            return Answer(200, {"errcode": refusal.errcode, "errmsg": refusal.errmsg})
        return LOST if self._dice.random() < self._misbehaviour.ambiguous else Answer(200, said)

    def _accept(self, request: Request) -> Mapping[str, object]:
        bot, parameter = PATHS[request.path]
        robot = self._robots.get((bot, request.query.get(parameter, "")))
        if robot is None:
            raise unknown_robot(bot)
        now = self._now()
        if bot == "dingtalk":
            check_signature(robot, request.query, now)
        message = chat_provider.read(robot, request.body, now)
        self._count(robot, now)
        self._keep(message)
        return TAKEN

    def _count(self, robot: Robot, now: float) -> None:
        if now < self._muted_until.get(robot.channel, 0.0):
            raise too_fast(robot)
        accepted = self._accepted[robot.channel]
        while accepted and accepted[0] <= now - WINDOW_S:
            accepted.popleft()
        if len(accepted) >= MESSAGES_PER_WINDOW:
            if robot.bot == "dingtalk":
                self._muted_until[robot.channel] = now + DINGTALK_MUTE_S
            raise too_fast(robot)
        accepted.append(now)

    def _keep(self, message: Message) -> None:
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(message)) + "\n")
        self._inbox.append(message)


def _misbehaviour(wish: object, current: Misbehaviour) -> Misbehaviour:
    known = {field.name for field in fields(Misbehaviour)}
    if not isinstance(wish, dict) or not set(wish) <= known:
        raise ControlError("expected an object with down, ambiguous, drop, muted, untrusted or expire_token")
    for name, value in wish.items():
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ControlError(f"{name} must be a number from 0 to 1")
    return Misbehaviour(
        down=bool(wish.get("down", current.down)),
        ambiguous=float(wish.get("ambiguous", current.ambiguous)),
        drop=float(wish.get("drop", current.drop)),
        muted=bool(wish.get("muted", current.muted)),
        untrusted=bool(wish.get("untrusted", current.untrusted)),
        expire_token=bool(wish.get("expire_token", current.expire_token)),
    )


def _kept(file: Path | None) -> list[Message]:
    """Return the kept messages; a last line that a killed process left unfinished is cut off."""
    if file is None or not file.exists():
        return []
    *lines, unfinished = file.read_text(encoding="utf-8").split("\n")
    if unfinished:
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    rows = [json.loads(line) for line in lines]
    return [Message(**{**row, "mentions": tuple(row["mentions"])}) for row in rows]
