"""WeCom, DingTalk, Feishu and a mail server, played for the local mode: their limits, their failures, their inbox.

They keep the real limits, because a dispatcher that only ever met a patient robot would learn on its first bad
morning: 20 messages a minute (WeCom refuses the rest, DingTalk then says nothing for ten minutes; Feishu takes 100,
and 5 a second), and all that `chat_provider`, `feishu_robot` and `wecom_app` check. On request they also fail the way
networks fail: down, dropped, or kept with the answer lost. WeCom's API of contacts (`wecom_api`) stands behind the
same network.
Everything accepted is appended to an NDJSON file, so an inbox outlives a restart.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from infra import chat_provider, feishu_robot
from infra.chat_provider import Bot, Message, RefusedError, Robot, addressed, check_signature, too_fast, unknown_robot
from infra.mail_server import Mailbox
from infra.robot_limit import SlidingWindow
from infra.wecom_api import WeComApi
from infra.wecom_app import SEND_PATH, App, Desk

DINGTALK_MUTE_S = 600.0
LIMITS: Mapping[Bot, tuple[tuple[int, float], ...]] = {
    "wecom": ((20, 60.0),),
    "dingtalk": ((20, 60.0),),
    "feishu": ((100, 60.0), (5, 1.0)),
}
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
FEISHU_TAKEN: Mapping[str, object] = {"code": 0, "msg": "success", "data": {}}


class Robots:
    """All robots of a demo, their limits and their common inbox.

    ``now`` gives epoch seconds. ``inbox_file`` is NDJSON, read at start and appended to; None keeps nothing.
    Safe to use from several threads.
    """

    def __init__(
        self,
        played: Iterable[Robot | App | Mailbox],
        *,
        now: Callable[[], float] = time.time,
        inbox_file: Path | None = None,
    ) -> None:
        every = list(played)
        self._wecom = WeComApi(now)
        self._robots = {(robot.bot, robot.key): robot for robot in every if isinstance(robot, Robot)}
        self._desks = {(app.corp_id, app.secret): Desk(app, now) for app in every if isinstance(app, App)}
        self._mailbox = next((one for one in every if isinstance(one, Mailbox)), None)
        self._now = now
        self._file = inbox_file
        self._inbox = _kept(inbox_file)
        self._limits = {robot.channel: _limit(robot, now) for robot in self._robots.values()}
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
                for robot in self._robots.values():
                    if robot.bot == "dingtalk":
                        self._limits[robot.channel].mute(DINGTALK_MUTE_S if wanted.muted else 0.0)
            if isinstance(wish, dict) and wish.get("expire_token"):
                self._wecom.expire_tokens()
            return wanted

    def send(self, request: Request) -> Answer:
        """Take one message as the provider would."""
        with self._lock:
            if request.path == SEND_PATH:
                return self._through_the_network(lambda: self._accept_for_members(request))
            return self._through_the_network(lambda: self._accept(request))

    def mail(self, recipient: str, text: str) -> str:
        """Take one mail, and return the mail server's reply; empty where its connection just closes."""
        with self._lock:
            answer = self._through_the_network(lambda: self._accept_mail(recipient, text))
        return {0: "", 200: "250 ok"}.get(answer.status, "421 try again later")

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
        bot, key = addressed(request.path, request.query) or ("wecom", "")
        try:
            self._take(bot, key, request)
        except RefusedError as refusal:
            if bot != "feishu":
                raise
            return {"code": refusal.errcode, "msg": refusal.errmsg, "data": {}}
        return FEISHU_TAKEN if bot == "feishu" else TAKEN

    def _take(self, bot: Bot, key: str, request: Request) -> None:
        robot = self._robots.get((bot, key))
        if robot is None:
            raise unknown_robot(bot)
        now = self._now()
        if bot == "dingtalk":
            check_signature(robot, request.query, now)
        message = (
            feishu_robot.read(robot, request.body, now)
            if bot == "feishu"
            else (chat_provider.read(robot, request.body, now))
        )
        if not self._limits[robot.channel].takes():
            raise too_fast(robot)
        self._keep(message)

    def _accept_for_members(self, request: Request) -> Mapping[str, object]:
        who = self._wecom.account(request.query.get("access_token", ""))
        if self._misbehaviour.untrusted:
            raise RefusedError(60020, "not allow to access from your ip")
        desk = self._desks.get(who)
        if desk is None:
            raise RefusedError(301002, "not allow operate another agent with this accesstoken")
        messages, answer = desk.take(request.body)
        for message in messages:
            self._keep(message)
        return answer

    def _accept_mail(self, recipient: str, text: str) -> Mapping[str, object]:
        if self._mailbox is not None:
            box = self._mailbox
            at = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds")
            self._keep(Message(at, box.channel, box.bot, box.people.get(recipient, recipient), text))
        return TAKEN

    def _keep(self, message: Message) -> None:
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(message)) + "\n")
        self._inbox.append(message)


def _limit(robot: Robot, now: Callable[[], float]) -> SlidingWindow:
    return SlidingWindow(LIMITS[robot.bot], now, mute_s=DINGTALK_MUTE_S if robot.bot == "dingtalk" else 0.0)


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
