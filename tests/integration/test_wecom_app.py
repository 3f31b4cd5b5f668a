"""A WeCom application of the local mode refuses as the real one does, and the adapter understands each refusal."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra import robots as played
from infra.chat_provider import RefusedError
from infra.robot_server import RobotServer
from infra.wecom_app import App, Desk
from leadtrail.adapters.robots import Robots
from leadtrail.adapters.verdict import MINUTE
from leadtrail.adapters.wecom_token import WeComTokens
from leadtrail.domain.company import Channel, Rep
from leadtrail.services.dispatching import Answer, Failed, Limited, Sent

NINE = datetime(2026, 1, 26, 1, tzinfo=UTC)
APP = App("app", "wwcorporation1", 1000002, "app-secret", {"ZhangSan": "张三", "lisi": "李四"})
CHANNEL = Channel("app", "wecom-app", ("owner",), "channel/app")
ZHANG = Rep("rep-zhang", "张三", "rep", "huadong", "ZhangSan")
LI = Rep("rep-li", "李四", "rep", "huadong", "lisi")


class Stage:
    """The application on loopback at a time that moves when a test says so, and the adapter with its secret."""

    def __init__(self) -> None:
        self.at = NINE
        self.robots = played.Robots([APP], now=self.seconds)
        self.secret = {"corp_id": APP.corp_id, "agent_id": str(APP.agent_id), "secret": APP.secret}
        self.adapter: Robots

    def seconds(self) -> float:
        return self.at.timestamp()

    def connect(self, base: str) -> None:
        tokens = WeComTokens(f"{base}/wecom", lambda: self.at)
        self.adapter = Robots(lambda _: [self.secret], lambda: self.at, tokens=tokens)

    def send(self, text: str = "### 首次响应已超时", to: Rep | None = ZHANG) -> Answer:
        return self.adapter.send(CHANNEL, text, to=to, title="")

    def seen(self) -> list[tuple[str, str]]:
        return [(message.audience, message.text) for message in self.robots.inbox()]


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    with RobotServer(made.robots, port=0) as server:
        made.connect(server.base)
        yield made


def body(text: str = "超时", **changes: Any) -> bytes:
    document = {"touser": "zhangsan", "msgtype": "markdown", "agentid": 1000002, "markdown": {"content": text}}
    return json.dumps(document | changes).encode()


def test_each_member_sees_what_is_for_them_and_nothing_else(stage: Stage) -> None:
    answers = [stage.send("给张三"), stage.send("给李四", LI)]

    assert answers == [Sent(), Sent()]
    assert stage.seen() == [("张三", "给张三"), ("李四", "给李四")]


def test_the_same_words_for_the_same_member_are_shown_once_within_half_an_hour(stage: Stage) -> None:
    answers = [stage.send() for _ in range(3)]
    stage.at += timedelta(seconds=1801)
    answers.append(stage.send())

    assert answers == [Sent()] * 4
    assert len(stage.seen()) == 2


def test_the_31st_message_of_a_minute_for_one_member_waits_and_others_do_not(stage: Stage) -> None:
    answers = [stage.send(f"第{number}条") for number in range(31)]

    other = stage.send("另一位", LI)

    assert answers == [Sent()] * 30 + [Limited(MINUTE)]
    assert other == Sent()


def test_what_was_refused_for_its_number_is_not_taken_for_a_repeat_later(stage: Stage) -> None:
    for number in range(31):
        stage.send(f"第{number}条")

    stage.at += timedelta(seconds=61)
    answer = stage.send("第30条")

    assert answer == Sent()
    assert len(stage.seen()) == 31


def test_a_token_that_ended_early_is_renewed_and_the_message_arrives_once(stage: Stage) -> None:
    stage.send("一")
    stage.robots.control({"expire_token": 1})

    answer = stage.send("二")

    assert answer == Sent()
    assert [text for _, text in stage.seen()] == ["一", "二"]


def test_an_address_that_is_not_trusted_is_an_operators_matter(stage: Stage) -> None:
    stage.robots.control({"untrusted": 1})

    assert stage.send() == Failed("channel app: errcode 60020", permanent=True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"secret": "wrong"}, "bad-secret", id="wrong secret"),
        pytest.param({"secret": "of-another-application"}, "errcode 301002", id="secret of another application"),
        pytest.param({"agent_id": "7"}, "errcode 40056", id="another agent id"),
        pytest.param({"agent_id": "x"}, "a secret without corp_id, agent_id, secret", id="agent id that is no number"),
        pytest.param({"corp_id": ""}, "a secret without corp_id, agent_id, secret", id="no corporation"),
    ],
)
def test_a_secret_that_is_wrong_is_refused_for_good(stage: Stage, changes: dict[str, str], reason: str) -> None:
    stage.secret |= changes

    assert stage.send() == Failed(f"channel app: {reason}", permanent=True)
    assert stage.seen() == []


@pytest.mark.parametrize("userid", [None, "", "@all", "zhangsan|lisi", "a\nb", "张三", "x" * 65])
def test_nobody_but_one_member_is_ever_addressed(stage: Stage, userid: str | None) -> None:
    to = Rep("rep-x", "某人", "rep", "huadong", userid)

    answer = stage.send(to=to)

    assert answer == Failed("channel app: nobody with a WeCom UserID", permanent=True)
    assert stage.seen() == []


def test_somebody_whom_the_application_does_not_see_is_refused_for_good(stage: Stage) -> None:
    answer = stage.send(to=Rep("rep-x", "某人", "rep", "huadong", "nobody"))

    assert answer == Failed("channel app: errcode 81013", permanent=True)


@pytest.mark.parametrize("name", ["invaliduser", "unlicenseduser"])
def test_an_answer_that_says_ok_and_names_the_member_is_a_refusal(stage: Stage, name: str) -> None:
    said = json.dumps({"errcode": 0, "errmsg": "ok", name: "zhangsan"}).encode()
    tokens = WeComTokens(
        "https://wecom.example", lambda: NINE, lambda *_: (200, b'{"access_token":"t","expires_in":7200}')
    )
    adapter = Robots(lambda _: [stage.secret], lambda: NINE, lambda *_: (200, said), tokens=tokens)

    answer = adapter.send(CHANNEL, "超时", to=ZHANG, title="")

    assert answer == Failed("channel app: invaliduser", permanent=True)


def test_a_message_that_is_too_long_is_cut_and_keeps_its_link(stage: Stage) -> None:
    link = "[查看线索](http://127.0.0.1/r/token) 提醒编号 AB12CD"

    answer = stage.send(f"### 超时\n{'长' * 1400}\n{link}")

    [(_, text)] = stage.seen()
    assert answer == Sent()
    assert len(text.encode()) <= 2048
    assert text.endswith(f"…\n{link}")


def test_too_many_calls_for_a_token_are_waited_for(stage: Stage) -> None:
    tokens = WeComTokens("https://wecom.example", lambda: NINE, lambda *_: (200, b'{"errcode":45009}'))
    adapter = Robots(lambda _: [stage.secret], lambda: NINE, tokens=tokens)

    assert adapter.send(CHANNEL, "超时", to=ZHANG, title="") == Limited(MINUTE)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(b"{", 40008, id="not json"),
        pytest.param(b"[]", 40008, id="a list"),
        pytest.param(body(msgtype="voice"), 40008, id="another kind"),
        pytest.param(body(agentid=1), 40056, id="another agent"),
        pytest.param(body("  "), 44004, id="empty"),
        pytest.param(body("\ud800"), 40058, id="a lone surrogate"),
        pytest.param(body("字" * 683), 40058, id="2049 bytes"),
        pytest.param(body(touser="nobody"), 81013, id="nobody"),
    ],
)
def test_the_application_refuses_in_the_providers_words(sent: bytes, code: int) -> None:
    desk = Desk(APP, lambda: 0.0)

    with pytest.raises(RefusedError) as refusal:
        desk.take(sent)

    assert refusal.value.errcode == code


def test_whoever_is_unknown_among_several_is_named_and_the_others_see_it() -> None:
    desk = Desk(APP, lambda: 0.0)

    messages, answer = desk.take(body(touser="ZHANGSAN|Nobody"))

    assert [message.audience for message in messages] == ["张三"]
    assert answer["invaliduser"] == "nobody"
