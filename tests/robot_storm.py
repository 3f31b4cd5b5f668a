"""A storm of alerts against robots that misbehave: dispatchers that overlap and die, one fake time for everybody.

Robots, applications and limits are those of the local mode (`infra.robots`); between them and the dispatchers lies a
network that answers 502, loses answers, and is slow. Every few seconds three dispatchers start on each channel, and
some more while one of them waits for an answer.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

from infra import robots as played
from infra.wecom_app import App
from leadtrail.adapters.posting import NoAnswerError
from leadtrail.adapters.robots import Robots
from leadtrail.adapters.wecom_token import WeComTokens
from leadtrail.domain.company import Channel, Company, Rep, Team
from leadtrail.domain.delivery import Contact
from leadtrail.domain.ids import new_id
from leadtrail.domain.instant import to_text
from leadtrail.domain.lead import Lead
from leadtrail.domain.policy import Policy
from leadtrail.domain.worktime import WorkCalendar
from leadtrail.services.dispatching import dispatch
from leadtrail.services.outgoing import Outbox
from leadtrail.services.ports import OutboxRow, Person
from leadtrail.services.wording import ChannelWords
from tests.builders import NINE, Story, timing

PEOPLE = 50
BEGAN = NINE + timedelta(hours=3)  # when the first alerts are due
GROUPS = (
    played.Robot("group", "wecom", "华东一组", "wecom-key"),
    played.Robot("managers", "dingtalk", "主管", "dingtalk-token", "SEC0123456789"),
    played.Robot("feishu", "feishu", "总监", "feishu-key", "feishu-secret"),
)
APP = App("app", "wwcorporation", 1000002, "app-secret", {f"member{n}": f"销售{n}" for n in range(PEOPLE)})
BASE = "http://127.0.0.1:1"
SECRETS: Mapping[str, list[dict[str, str]]] = {
    **{robot.channel: [{"url": robot.url(BASE), "secret": robot.secret}] for robot in GROUPS},
    "app": [{"corp_id": APP.corp_id, "agent_id": str(APP.agent_id), "secret": APP.secret}],
}
CHANNELS = {
    "group": Channel("group", "wecom", ("team",), "group"),
    "managers": Channel("managers", "dingtalk", ("manager",), "managers"),
    "feishu": Channel("feishu", "feishu", ("director",), "feishu"),
    "app": Channel("app", "wecom-app", ("owner",), "app"),
}
TICK = timedelta(seconds=5)  # while alerts come in, the table's stream calls dispatchers all the time
BUSY = timedelta(minutes=60)
HEARD_AS = {"group": "team", "managers": "manager", "feishu": "director", "app": "owner"}
TOO_FAST = (45009, 130101, 11232)
SHORT = re.compile(r"(?:提醒编号 |#)([0-9A-Z]{6})")


class DeadError(BaseException):
    """The process is gone: nothing in the product may catch it."""


@dataclass(slots=True)
class Clock:
    """The time of robots and dispatchers; aware UTC."""

    at: datetime = BEGAN

    def __call__(self) -> datetime:
        return self.at

    def rest(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Weather:
    """How often what goes wrong, from 0 to 1; ``outage`` is when nobody is reached at all."""

    refused: float = 0.10  # 502
    lost: float = 0.05  # the message is kept, its answer lost
    slow: float = 0.02
    crash: float = 0.0005  # at each step of an outbox
    overlap: float = 0.10
    outage: tuple[timedelta, timedelta] = (timedelta(minutes=20), timedelta(minutes=50))


@dataclass(slots=True)
class Seen:
    """What a test asks about afterwards, by short alert id."""

    copies: Counter[str] = field(default_factory=Counter)
    ambiguous: Counter[str] = field(default_factory=Counter)  # attempts whose answer nobody heard
    too_fast: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    unconfirmed: set[str] = field(default_factory=set)
    crashes: int = 0


class Network:
    """The way to the robots, with its weather; while one waits for an answer, ``meanwhile`` happens."""

    def __init__(self, clock: Clock, weather: Weather, dice: Random, seen: Seen) -> None:
        self.robots = played.Robots([*GROUPS, APP], now=lambda: clock().timestamp())
        self.meanwhile: Callable[[], None] = lambda: None
        self._clock, self._weather, self._dice, self._seen = clock, weather, dice, seen

    def post(self, url: str, body: bytes) -> tuple[int, bytes]:
        """Carry a message to its robot."""
        parts = urlsplit(url)
        self._clock.rest(4.5 if self._dice.random() < self._weather.slow else self._dice.uniform(0.05, 0.4))
        self.meanwhile()
        since, until = self._weather.outage
        if since <= self._clock() - BEGAN < until:
            self._seen.calls["outage"] += 1
            return 502, b""
        if self._dice.random() < self._weather.refused:
            self._seen.calls["502"] += 1
            return 502, b""
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        answer = self.robots.send(played.Request(parts.path, query, body))
        code = answer.body.get("errcode", answer.body.get("code"))
        if code in TOO_FAST:
            self._seen.too_fast.append(f"{parts.path} {code} at {self._clock()}")
        if self._dice.random() < self._weather.lost:
            self._clock.rest(5)
            self._seen.calls["lost"] += 1
            raise NoAnswerError("timed out")
        self._seen.calls["answered"] += 1
        return answer.status, json.dumps(dict(answer.body)).encode()

    def get(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Ask WeCom's API, which is not what the storm is about."""
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        answer = self.robots.ask(played.Request(parts.path, query, b""))
        return answer.status, json.dumps(dict(answer.body)).encode()


class Flight:
    """What one dispatcher sends: ``last`` are the alerts of its last message."""

    def __init__(self, network: Network, seen: Seen) -> None:
        self.last: set[str] = set()
        self._network, self._seen = network, seen

    def post(self, url: str, body: bytes) -> tuple[int, bytes]:
        self.last = set(SHORT.findall(body.decode()))
        try:
            return self._network.post(url, body)
        except NoAnswerError:
            self._seen.ambiguous.update(self.last)
            raise


class Mortal:
    """An outbox in the hands of a dispatcher that may die before or after each step; the dead do nothing more."""

    def __init__(self, outbox: Outbox, dies: Callable[[], bool]) -> None:
        self._outbox, self._dies, self._is_dead = outbox, dies, False

    def __getattr__(self, name: str) -> Any:
        step = getattr(self._outbox, name)

        def mortal(*args: Any, **options: Any) -> Any:
            self._maybe()
            answer = step(*args, **options)
            self._maybe()
            return answer

        return mortal

    def _maybe(self) -> None:
        self._is_dead = self._is_dead or self._dies()
        if self._is_dead:
            raise DeadError


class People:
    """Store and configuration: every lead breached the same promise, and its person has a name of their own."""

    def __init__(self) -> None:
        story = Story(timing(), NINE)
        story.sweep(BEGAN)
        self._lead, self._policy, self._calendar = story.lead, story.timing.policy, story.timing.calendar
        reps = [Rep(f"rep-{n}", f"销售{n}", "rep", "huadong", f"member{n}") for n in range(PEOPLE)]
        self._company = Company(
            stamp=1,
            name="示例",
            zone="Asia/Shanghai",
            teams={"huadong": Team("huadong", "华东一组")},
            reps={rep.id: rep for rep in reps},
            sources={},
            channels=CHANNELS,
            policies={},
        )

    def company(self, stamp: int | None = None) -> Company:
        return self._company

    def policy(self, name: str, version: int) -> Policy:
        return self._policy

    def calendar(self, policy: Policy) -> WorkCalendar:
        return self._calendar

    def lead(self, lead_id: str) -> Lead:
        return replace(self._lead, lead_id=lead_id, owner=seller(int(lead_id)))

    def lead_and_person(self, lead_id: str, person_id: str) -> tuple[Lead, Person]:
        return self.lead(lead_id), self.persons([person_id])[person_id]

    def leads(self, lead_ids: Sequence[str]) -> dict[str, Lead]:
        return {lead_id: self.lead(lead_id) for lead_id in lead_ids}

    def persons(self, person_ids: Iterable[str]) -> dict[str, Person]:
        return {one: Person(one, Contact(f"客户{one}", (f"+861380013{int(one):04d}",)), b"", b"") for one in person_ids}


def seller(number: int) -> str:
    """Return whose lead it is: everybody's turn comes."""
    return f"rep-{(number // 5 * 2 + number % 5) % PEOPLE}"


def alerts(count: int, dice: Random, over: timedelta) -> list[OutboxRow]:
    """Return alerts over all channels: a third is due at once, one within a few minutes, one by and by."""
    rows = []
    for number in range(count):
        channel = ("group", "managers", "feishu", "app", "app")[number % 5]
        at = BEGAN + (timedelta(0), over / 15, over)[number % 3] * dice.random()
        facts = {
            "lead": str(number),
            "person": str(number),
            "rule": "first_response",
            "episode": 1,
            "level": 1 + number % 3,
            "alert": new_id(BEGAN, entropy=number),
            "audience": HEARD_AS[channel],
            "at": to_text(BEGAN),
            "to": seller(number) if channel == "app" else None,
            "channels": [channel, "group"] if channel == "app" else [channel],
            "tried": [],
        }
        rows.append(OutboxRow(channel, new_id(at, entropy=number), "alert", at, facts))
    return rows


class Storm:
    """Everything together: minute by minute until the outbox is empty, or for ``lasts``."""

    def __init__(
        self, outbox: Outbox, *, weather: Weather | None = None, tick: timedelta = TICK, seed: int = 4
    ) -> None:
        self.clock, self.seen, self._tick = Clock(), Seen(), tick
        self._outbox, self._weather, self._dice = outbox, weather or Weather(), Random(seed)
        self._people = People()
        self.network = Network(self.clock, self._weather, self._dice, self.seen)
        self._tokens = WeComTokens(f"{BASE}/wecom", self.clock, self.network.get)

    def blows(self, is_over: Callable[[], bool], lasts: timedelta = timedelta(hours=12)) -> Seen:
        """Let it blow, and return what was seen."""
        until = BEGAN + lasts
        while not is_over() and self.clock() < until:
            minute = self.clock()
            for channel in CHANNELS.values():
                for _ in range(3):
                    self._dispatcher(channel)
            pause = self._tick if self.clock() - BEGAN < BUSY else timedelta(minutes=1)
            self.clock.at = max(self.clock(), minute + pause)
        for message in self.network.robots.inbox():
            self.seen.copies.update(set(SHORT.findall(message.text)))
        return self.seen

    def _dispatcher(self, channel: Channel, *, is_alone: bool = True) -> None:
        self.network.meanwhile = lambda: self._overlapping(channel) if is_alone else None
        outbox, flight = Mortal(self._outbox, self._dies), Flight(self.network, self.seen)
        robots = Robots(SECRETS.__getitem__, self.clock, flight.post, tokens=self._tokens)
        try:
            done = dispatch(
                channel,
                company=self._people.company(),
                outbox=outbox,  # type: ignore[arg-type]
                words=ChannelWords(channel, store=self._people, config=self._people, links=_links),  # type: ignore[arg-type]
                send=robots.send,
                now=self.clock,
                rest=self.clock.rest,
                has_time=lambda: True,
            )
        except DeadError:
            self.seen.crashes += 1
            self.seen.ambiguous.update(flight.last)  # nobody lived to note the answer
        else:
            self.seen.unconfirmed |= {one[-6:] for one in done.unconfirmed}

    def _overlapping(self, channel: Channel) -> None:
        """Start another dispatcher on the channel while one waits for its answer; it starts no third."""
        if self._dice.random() < self._weather.overlap:
            self._dispatcher(channel, is_alone=False)
            self.network.meanwhile = lambda: self._overlapping(channel)

    def _dies(self) -> bool:
        return self._dice.random() < self._weather.crash


def _links(targets: Sequence[str], recipient: str) -> Sequence[str]:
    return [f"https://leads.example/r/{target.rpartition(':')[2]:A>43}" for target in targets]
