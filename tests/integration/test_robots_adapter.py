"""The adapter against providers that keep the real limits, and beside an independent client library."""

import json
import urllib.parse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dingtalkchatbot.chatbot import DingtalkChatbot

from infra import robots as played
from infra.chat_provider import Robot
from infra.mail_server import Mailbox
from infra.robot_server import RobotServer
from infra.wecom_app import App
from leadtrail.adapters.feishu import feishu_sign
from leadtrail.adapters.mail import Mail
from leadtrail.adapters.posting import NoAnswerError, Post
from leadtrail.adapters.robots import DINGTALK_MUTE, WECOM_MUTE, Robots, dingtalk_sign
from leadtrail.adapters.verdict import MINUTE
from leadtrail.adapters.wecom_token import Account, WeComTokens
from leadtrail.domain.company import Channel, Rep
from leadtrail.services.dispatching import Answer, Failed, Limited, Sent, Unanswered

GROUP = Robot("huadong-group", "wecom", "华东一组", "wecom-key-1")
MANAGERS = Robot("managers", "dingtalk", "主管", "dingtalk-token-1", "SEC0123456789")
FEISHU = Robot("huanan-feishu", "feishu", "华南一组", "feishu-key-1", "feishu-secret")
APP = App("app", "wwcorporation1", 1000002, "app-secret", {"ZhangSan": "张三", "lisi": "李四"})
CHANNELS = {
    "wecom": Channel("huadong-group", "wecom", ("owner",), "wecom"),
    "dingtalk": Channel("managers", "dingtalk", ("manager",), "dingtalk"),
    "feishu": Channel("huanan-feishu", "feishu", ("team",), "feishu"),
    "wecom-app": Channel("app", "wecom-app", ("owner",), "wecom-app"),
    "mail": Channel("mail", "mail", ("owner",), "mail"),
}
ACCOUNT = Account(APP.corp_id, APP.secret)
ZHANG = Rep("rep-zhang", "张三", "rep", "huadong", "ZhangSan", email="zhangsan@example.com")
MARKDOWN = '### <font color="warning">首次响应已超时</font>\n> 客户：张三\n[查看线索](http://127.0.0.1/r/token)'


class Stage:
    """Robots on loopback, and the adapter with the secrets of their channels."""

    def __init__(self, server: RobotServer) -> None:
        self.server = server
        self.secrets: dict[str, list[dict[str, str]]] = {
            "wecom": [{"url": GROUP.url(server.base)}],
            "dingtalk": [{"url": MANAGERS.url(server.base), "secret": MANAGERS.secret}],
            "feishu": [{"url": FEISHU.url(server.base), "secret": FEISHU.secret}],
            "wecom-app": [{"corp_id": APP.corp_id, "agent_id": str(APP.agent_id), "secret": APP.secret}],
            "mail": [{"from": "leadtrail@example.com", "host": "127.0.0.1", "port": str(server.mail.port)}],
        }
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.tokens = WeComTokens(f"{server.base}/wecom", self.now)

    def send(self, bot: str, markdown: str = MARKDOWN, *, to: Rep | None = ZHANG) -> Answer:
        adapter = Robots(self.secrets.__getitem__, self.now, tokens=self.tokens, mail=Mail(no_ses))
        return adapter.send(CHANNELS[bot], markdown, to=to, title="首次响应已超时")

    def inbox(self) -> list[str]:
        return [message.text for message in self.server.robots.inbox()]


def sent_through(post: Post) -> Answer:
    adapter = Robots(lambda _: [{"url": "https://robots.example"}], lambda: datetime.now(UTC), post)
    return adapter.send(CHANNELS["wecom"], "hello")


def no_ses() -> Any:
    raise AssertionError("this mail has an SMTP server")


@pytest.fixture
def stage() -> Iterator[Stage]:
    mailbox = Mailbox("mail", {"zhangsan@example.com": "张三"})
    with RobotServer(played.Robots([GROUP, MANAGERS, FEISHU, APP, mailbox]), port=0) as server:
        yield Stage(server)


@pytest.mark.parametrize(
    ("secret", "timestamp_ms", "signature"),
    [
        ("this is secret", 1577262236757, "hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D"),
        ("SECthis-is-secret", 1767225600123, "O66O%2F3FpEj0oNIPnHtjgat6JOPh%2FAw1d2WWyNWYl85A%3D"),
    ],
)
def test_the_published_signatures_of_dingtalk_are_ours(secret: str, timestamp_ms: int, signature: str) -> None:
    assert dingtalk_sign(secret, timestamp_ms) == signature


@pytest.mark.parametrize("secret", ["SEC0123456789", "SEC+/=&?中文", "SEC" + "a" * 64])
def test_an_independent_client_signs_as_we_do(secret: str) -> None:
    client = DingtalkChatbot("https://oapi.dingtalk.com/robot/send?access_token=t", secret=secret)

    query = urllib.parse.parse_qs(urllib.parse.urlsplit(client.webhook).query)

    [timestamp], [signature] = query["timestamp"], query["sign"]
    assert urllib.parse.unquote(dingtalk_sign(secret, int(timestamp))) == signature


def test_the_signature_of_feishu_has_time_and_secret_as_its_key() -> None:
    assert feishu_sign("demo", 100) == "jquNHnVOwmDRfw+vqTIrY5dooJAgi5EcRtLsQE4wfXg="


@pytest.mark.parametrize("bot", CHANNELS)
def test_every_provider_takes_what_we_send(stage: Stage, bot: str) -> None:
    answer = stage.send(bot)

    [message] = stage.server.robots.inbox()
    assert answer == Sent()
    assert (message.channel, message.bot) == (CHANNELS[bot].id, bot)
    for expected in ("首次响应已超时", "客户：张三", "http://127.0.0.1/r/token"):
        assert message.text.count(expected) == 1


@pytest.mark.parametrize("bot", ["wecom-app", "mail"])
def test_what_is_for_a_person_is_seen_by_that_person(stage: Stage, bot: str) -> None:
    stage.send(bot)

    [message] = stage.server.robots.inbox()

    assert message.audience == "张三"


def test_each_robot_gets_the_marks_that_it_understands(stage: Stage) -> None:
    stage.send("wecom")
    stage.send("dingtalk")

    wecom, dingtalk = stage.inbox()

    assert wecom == MARKDOWN
    assert "<font" not in dingtalk
    assert "超时\n\n> 客户" in dingtalk


def test_a_wrong_secret_is_refused_for_good(stage: Stage) -> None:
    stage.secrets["dingtalk"][0]["secret"] = "SECwrong"

    answer = stage.send("dingtalk")

    assert answer == Failed("channel managers: errcode 310000", permanent=True)
    assert stage.inbox() == []


def test_a_clock_more_than_an_hour_off_is_refused(stage: Stage) -> None:
    stage.now = lambda: datetime.now(UTC) - timedelta(minutes=61)

    answer = stage.send("dingtalk")

    assert answer == Failed("channel managers: errcode 310000", permanent=True)


@pytest.mark.parametrize(("bot", "mute"), [("wecom", WECOM_MUTE), ("dingtalk", DINGTALK_MUTE)])
def test_the_21st_message_of_a_minute_tells_how_long_to_be_silent(stage: Stage, bot: str, mute: timedelta) -> None:
    answers = [stage.send(bot) for _ in range(21)]

    assert answers == [Sent()] * 20 + [Limited(mute)]
    assert len(stage.inbox()) == 20


def test_dingtalk_stays_mute_after_that(stage: Stage) -> None:
    stage.server.robots.control({"muted": 1})

    assert stage.send("dingtalk") == Limited(DINGTALK_MUTE)
    assert stage.send("wecom") == Sent()


@pytest.mark.parametrize(("bot", "code"), [("wecom", 93000), ("dingtalk", 300001)])
def test_an_unknown_robot_is_refused_for_good(stage: Stage, bot: str, code: int) -> None:
    stage.secrets[bot][0]["url"] += "-of-nobody"

    answer = stage.send(bot)

    assert isinstance(answer, Failed)
    assert (answer.permanent, str(code) in answer.reason) == (True, True)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        pytest.param({"down": 1}, Failed, id="down"),
        pytest.param({"drop": 1}, Unanswered, id="dropped"),
        pytest.param({"ambiguous": 1}, Unanswered, id="answer lost"),
    ],
)
@pytest.mark.parametrize("bot", CHANNELS)
def test_a_provider_that_is_down_took_nothing_and_one_that_says_nothing_may_have(
    stage: Stage, bot: str, wish: dict[str, int], expected: type[Answer]
) -> None:
    if bot == "wecom-app":
        stage.tokens.text(ACCOUNT)  # the token is known; it is the message that gets lost
    stage.server.robots.control(wish)

    answer = stage.send(bot)

    assert isinstance(answer, expected)
    assert not getattr(answer, "permanent", False)
    assert len(stage.inbox()) == ("ambiguous" in wish)


def test_nobody_at_the_address_is_tried_again(stage: Stage) -> None:
    stage.secrets["wecom"] = [{"url": "http://127.0.0.1:9/wecom?key=a"}]

    assert stage.send("wecom") == Failed("channel huadong-group: ConnectionRefusedError")


def test_an_answer_that_does_not_come_in_time_leaves_open_what_was_taken() -> None:
    def post(url: str, body: bytes) -> tuple[int, bytes]:
        raise NoAnswerError("TimeoutError")

    answer = sent_through(post)

    assert answer == Unanswered("channel huadong-group: TimeoutError")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (404, Failed("channel huadong-group: HTTP 404", permanent=True)),
        (302, Failed("channel huadong-group: HTTP 302", permanent=True)),
        (503, Failed("channel huadong-group: HTTP 503")),
        (504, Unanswered("channel huadong-group: HTTP 504")),
        (429, Limited(MINUTE)),
    ],
)
def test_a_door_before_the_provider_is_understood_by_its_status(status: int, expected: Answer) -> None:
    assert sent_through(lambda *_: (status, b"<html>")) == expected


@pytest.mark.parametrize("url", ["http://example.com/send?key=a", "file:///etc/passwd", "file://127.0.0.1/etc/passwd"])
def test_a_message_never_leaves_the_machine_unencrypted(stage: Stage, url: str) -> None:
    stage.secrets["wecom"] = [{"url": url}]

    assert isinstance(stage.send("wecom"), Failed)


@pytest.mark.parametrize("secrets", [{}, {"wecom": []}], ids=["no such secret", "an empty one"])
def test_a_channel_without_a_secret_says_so(stage: Stage, secrets: dict[str, Any]) -> None:
    stage.secrets = secrets

    assert stage.send("wecom") == Failed("channel huadong-group has no secret", permanent=True)


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b"{}", b'{"errcode": null}', b'{"errcode": "x"}', b"\xff"])
def test_an_answer_that_is_no_robots_is_tried_again(raw: bytes) -> None:
    answer = sent_through(lambda *_: (200, raw))

    assert answer == Failed("channel huadong-group: an answer that is no robot's")


def test_an_address_without_a_secret_is_sent_unsigned() -> None:
    asked: list[tuple[str, bytes]] = []

    def post(url: str, body: bytes) -> tuple[int, bytes]:
        asked.append((url, body))
        return 200, b'{"errcode": 0}'

    adapter = Robots(lambda _: [{"url": "https://robots.example?access_token=t"}], lambda: datetime.now(UTC), post)

    adapter.send(CHANNELS["dingtalk"], "### 标题\n正文")

    [(url, body)] = asked
    assert url == "https://robots.example?access_token=t"
    assert json.loads(body)["markdown"] == {"title": "标题", "text": "### 标题\n\n正文"}
