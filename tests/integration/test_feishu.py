"""A Feishu robot of the local mode keeps the limits of the real one, and the adapter understands what it says."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from infra import feishu_robot
from infra.chat_provider import Robot
from infra.robots import Request, Robots
from leadtrail.adapters import robots as adapters
from leadtrail.adapters.verdict import MINUTE
from leadtrail.domain.company import Channel
from leadtrail.services.dispatching import Answer, Failed, Limited, Sent

NINE = 1_769_392_800.0  # 2026-01-26 10:00 in Shanghai
ROBOT = Robot("huanan-feishu", "feishu", "华南一组", "feishu-key-1", "feishu-secret")
CHANNEL = Channel("huanan-feishu", "feishu", ("team",), "channel/huanan-feishu")
MARKDOWN = (
    '### <font color="warning">首次响应已超时</font>\n> 客户：**张三**\n[查看线索](http://127.0.0.1/r/1) 编号 AB12'
)


class Clock:
    """Epoch seconds that move when a test says so."""

    def __init__(self) -> None:
        self.now = NINE

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def robots(clock: Clock) -> Robots:
    return Robots([ROBOT], now=clock)


def request(text: str = "超时", *, at: float = NINE, secret: str = ROBOT.secret, **changes: Any) -> Request:
    stamp = str(int(at))
    body = {"msg_type": "text", "content": {"text": text}, "timestamp": stamp, "sign": feishu_robot.sign(secret, stamp)}
    return Request(f"/feishu/open-apis/bot/v2/hook/{ROBOT.key}", {}, json.dumps(body | changes).encode())


def code(robots: Robots, wanted: Request) -> object:
    return robots.send(wanted).body["code"]


def sent(robots: Robots, clock: Clock, *, secret: str = ROBOT.secret) -> Answer:
    """Send by the adapter, without a network between."""

    def post(url: str, body: bytes) -> tuple[int, bytes]:
        answer = robots.send(Request(url.removeprefix("https://feishu.example"), {}, body))
        return answer.status, json.dumps(dict(answer.body)).encode()

    value = {"url": ROBOT.url("https://feishu.example"), "secret": secret}
    adapter = adapters.Robots(lambda _: [value], lambda: datetime.fromtimestamp(clock.now, UTC), post)
    return adapter.send(CHANNEL, MARKDOWN, to=None, title="首次响应已超时")


def answered(status: int, document: object) -> Answer:
    raw = json.dumps(document).encode()
    adapter = adapters.Robots(
        lambda _: [{"url": "https://feishu.example/hook"}], lambda: datetime.now(UTC), lambda *_: (status, raw)
    )
    return adapter.send(CHANNEL, MARKDOWN, to=None, title="")


def test_a_card_has_a_head_and_its_links(robots: Robots, clock: Clock) -> None:
    answer = sent(robots, clock)

    [message] = robots.inbox()
    assert answer == Sent()
    assert message.text == "### 首次响应已超时\n客户：**张三**\n[查看线索](http://127.0.0.1/r/1) 编号 AB12"


def test_five_a_second_and_a_hundred_a_minute_are_taken(robots: Robots, clock: Clock) -> None:
    codes = []
    for _ in range(21):
        codes += [code(robots, request(at=clock.now)) for _ in range(6)]
        clock.now += 1.1

    assert codes == ([0] * 5 + [11232]) * 20 + [11232] * 6


def test_a_limit_is_waited_for(robots: Robots, clock: Clock) -> None:
    answers = [sent(robots, clock) for _ in range(6)]

    assert answers == [Sent()] * 5 + [Limited(MINUTE)]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(request(secret="wrong"), 19021, id="wrong secret"),
        pytest.param(request(sign=""), 19021, id="unsigned"),
        pytest.param(request(at=NINE - 3601), 19021, id="an hour ago"),
        pytest.param(request(timestamp="soon"), 19021, id="no time"),
        pytest.param(request(""), 9499, id="empty"),
        pytest.param(request(msg_type="image"), 9499, id="another kind"),
        pytest.param(request("字" * 7000), 9499, id="over 20 KB"),
        pytest.param(request(msg_type="interactive", card={"elements": 7}), 9499, id="no card"),
        pytest.param(Request(request().path, {}, b"{"), 9499, id="not json"),
        pytest.param(Request(request().path, {}, b"[]"), 9499, id="a list"),
        pytest.param(Request("/feishu/open-apis/bot/v2/hook/nobody", {}, request().body), 19001, id="no such robot"),
    ],
)
def test_a_refused_message_is_seen_by_nobody(robots: Robots, wanted: Request, expected: int) -> None:
    answer = code(robots, wanted)

    assert answer == expected
    assert robots.inbox() == []


def test_a_robot_without_a_secret_asks_for_no_signature(clock: Clock) -> None:
    robots = Robots([Robot("open", "feishu", "群", ROBOT.key)], now=clock)

    assert sent(robots, clock, secret="") == Sent()


@pytest.mark.parametrize(
    ("status", "document", "expected"),
    [
        (200, {"code": 19021, "msg": "sign match fail"}, Failed("channel huanan-feishu: code 19021", permanent=True)),
        (200, {"code": 19022}, Failed("channel huanan-feishu: code 19022", permanent=True)),
        (200, {"code": 19024}, Failed("channel huanan-feishu: code 19024", permanent=True)),
        (400, {"code": 9499, "msg": "Bad Request"}, Failed("channel huanan-feishu: code 9499", permanent=True)),
        (200, {"code": 9499, "msg": "too many request"}, Limited(MINUTE)),
        (400, {"code": 99991400, "msg": "request trigger frequency limit"}, Limited(MINUTE)),
        (200, {"code": 1}, Failed("channel huanan-feishu: code 1")),
        (500, {"code": 0}, Failed("channel huanan-feishu: HTTP 500")),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_feishu_says_is_understood(status: int, document: object, expected: Answer) -> None:
    assert answered(status, document) == expected
