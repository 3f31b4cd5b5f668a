"""The robots of the local mode keep the limits of the real ones, and fail on purpose the way networks do."""

import http.client
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from dingtalkchatbot.chatbot import DingtalkChatbot

from infra.chat_provider import Message, Robot, sign
from infra.inbox_page import markdown, render
from infra.robot_server import RobotServer
from infra.robots import Request, Robots

NINE = 1_769_392_800.0  # 2026-01-26 10:00 in Shanghai
GROUP = Robot("huadong-group", "wecom", "华东一组", "wecom-key-1")
MANAGERS = Robot("huadong-managers", "dingtalk", "华东一组主管", "dingtalk-token-1", "SEC0123456789")


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
def robots(clock: Clock, tmp_path: Path) -> Robots:
    return Robots([GROUP, MANAGERS], now=clock, inbox_file=tmp_path / "inbox.ndjson")


@pytest.fixture
def server() -> Iterator[RobotServer]:
    with RobotServer(Robots([GROUP, MANAGERS]), port=0) as running:
        yield running


def wecom(text: str = "**线索超时**", *, kind: str = "markdown", key: str = GROUP.key, **more: object) -> Request:
    body = {"msgtype": kind, kind: {"content": text, **more}}
    return Request("/wecom/cgi-bin/webhook/send", {"key": key}, json.dumps(body).encode())


def dingtalk(text: str = "线索超时", *, at: float = NINE, secret: str = MANAGERS.secret, **query: str) -> Request:
    stamp = str(int(at * 1000))
    body = {"msgtype": "markdown", "markdown": {"title": "提醒", "text": text}, "at": {"isAtAll": False}}
    signed = {"access_token": MANAGERS.key, "timestamp": stamp, "sign": sign(secret, stamp)}
    return Request("/dingtalk/robot/send", signed | query, json.dumps(body).encode())


def errcode(robots: Robots, request: Request) -> object:
    return robots.send(request).body["errcode"]


def exchange(method: str, url: str, body: bytes | None = None) -> tuple[int, str]:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=5)
    try:
        connection.request(method, f"{address.path}?{address.query}", body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def post(url: str, body: bytes) -> tuple[int, dict[str, object]]:
    status, text = exchange("POST", url, body)
    return status, json.loads(text)


def get(url: str) -> str:
    return exchange("GET", url)[1]


def test_an_accepted_message_is_in_the_inbox_as_it_was_sent(robots: Robots) -> None:
    text = '**张三** <font color="warning">超时 2 小时</font>'

    answer = robots.send(wecom(text))

    assert (answer.status, answer.body) == (200, {"errcode": 0, "errmsg": "ok"})
    assert robots.inbox() == [
        Message("2026-01-26T02:00:00.000+00:00", "huadong-group", "wecom", "华东一组", text),
    ]


def test_the_inbox_lists_both_providers_oldest_first(robots: Robots, clock: Clock) -> None:
    robots.send(wecom("一"))
    clock.now += 1
    robots.send(dingtalk("二"))

    inbox = robots.inbox()

    assert [(message.bot, message.audience, message.text) for message in inbox] == [
        ("wecom", "华东一组", "一"),
        ("dingtalk", "华东一组主管", "二"),
    ]


def test_mentions_are_kept_beside_the_text(robots: Robots) -> None:
    robots.send(wecom("请跟进", kind="text", mentioned_list=["zhangsan", "@all"]))

    [message] = robots.inbox()

    assert message.mentions == ("zhangsan", "@all")


def test_wecom_refuses_the_21st_message_of_any_60_seconds(robots: Robots, clock: Clock) -> None:
    first = [errcode(robots, wecom())]
    clock.now += 40
    later = [errcode(robots, wecom()) for _ in range(20)]

    clock.now += 20.1
    after = [errcode(robots, wecom()) for _ in range(2)]

    assert first + later == [0] * 20 + [45009]
    assert after == [0, 45009]


def test_dingtalk_says_nothing_for_ten_minutes_after_the_21st_message(robots: Robots, clock: Clock) -> None:
    sent = [errcode(robots, dingtalk()) for _ in range(21)]

    clock.now += 599
    muted = errcode(robots, dingtalk(at=clock.now))
    clock.now += 1
    free = errcode(robots, dingtalk(at=clock.now))

    assert sent == [0] * 20 + [130101]
    assert (muted, free) == (130101, 0)
    assert len(robots.inbox()) == 21


def test_each_robot_has_a_limit_of_its_own(robots: Robots) -> None:
    for _ in range(20):
        robots.send(wecom())

    assert errcode(robots, dingtalk()) == 0


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        pytest.param(wecom(key="somebody-elses"), 93000, id="wecom key unknown"),
        pytest.param(wecom("字" * 1366), 40058, id="wecom markdown of 4098 bytes"),
        pytest.param(wecom("字" * 683, kind="text"), 40058, id="wecom text of 2049 bytes"),
        pytest.param(wecom("\ud800"), 40058, id="wecom lone surrogate"),
        pytest.param(wecom(kind="voice"), 40008, id="wecom msgtype unsupported"),
        pytest.param(wecom("  "), 44004, id="wecom empty"),
        pytest.param(Request("/wecom/cgi-bin/webhook/send", {"key": GROUP.key}, b"{"), 40008, id="wecom not json"),
        pytest.param(Request("/wecom/cgi-bin/webhook/send", {"key": GROUP.key}, b"[]"), 40008, id="wecom a list"),
        pytest.param(dingtalk(access_token="nobody"), 300001, id="dingtalk token unknown"),
        pytest.param(dingtalk(secret="SECwrong"), 310000, id="dingtalk wrong secret"),
        pytest.param(dingtalk(sign=""), 310000, id="dingtalk unsigned"),
        pytest.param(dingtalk(at=NINE - 3601), 310000, id="dingtalk signed an hour ago"),
        pytest.param(dingtalk(at=NINE + 3601), 310000, id="dingtalk signed in the future"),
        pytest.param(dingtalk(timestamp="soon"), 310000, id="dingtalk time that is none"),
        pytest.param(dingtalk(""), 40035, id="dingtalk empty"),
        pytest.param(dingtalk("字" * 7000), 460101, id="dingtalk over 20000 bytes"),
    ],
)
def test_a_refused_message_is_seen_by_nobody(robots: Robots, request_: Request, code: int) -> None:
    answer = robots.send(request_)

    assert (answer.status, answer.body["errcode"]) == (200, code)
    assert robots.inbox() == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [pytest.param("字" * 1365 + "a", "markdown", id="4096"), pytest.param("字" * 682 + "ab", "text", id="2048")],
)
def test_a_message_of_exactly_the_allowed_bytes_is_taken(robots: Robots, text: str, kind: str) -> None:
    assert errcode(robots, wecom(text, kind=kind)) == 0


def test_a_robot_that_is_down_answers_502_and_keeps_nothing(robots: Robots) -> None:
    robots.control({"down": 1})

    answer = robots.send(wecom())

    assert answer.status == 502
    assert robots.inbox() == []


def test_an_ambiguous_answer_is_lost_after_the_message_was_kept(robots: Robots) -> None:
    robots.control({"ambiguous": 1})

    answer = robots.send(wecom())

    assert answer.status == 0
    assert len(robots.inbox()) == 1


def test_a_dropped_message_is_neither_kept_nor_answered(robots: Robots) -> None:
    robots.control({"drop": 1})

    answer = robots.send(wecom())

    assert answer.status == 0
    assert robots.inbox() == []


def test_misbehaviour_repeats_itself_run_after_run() -> None:
    def lost() -> list[int]:
        robots = Robots([GROUP], now=Clock())
        robots.control({"drop": 0.5})
        return [robots.send(wecom()).status for _ in range(20)]

    first, second = lost(), lost()

    assert first == second
    assert set(first) == {0, 200}


def test_muting_on_purpose_ends_when_it_is_taken_back(robots: Robots) -> None:
    robots.control({"muted": 1})
    muted = errcode(robots, dingtalk())

    robots.control({"muted": 0})
    free = errcode(robots, dingtalk())

    assert (muted, free) == (130101, 0)


def test_orders_change_only_what_they_name(robots: Robots) -> None:
    robots.control({"drop": 0.25})

    state = robots.control({"down": 1})

    assert (state.down, state.drop) == (True, 0.25)


def test_the_inbox_outlives_a_restart_and_a_line_cut_short(robots: Robots, tmp_path: Path) -> None:
    robots.send(wecom("第一条\u2028还是第一条", mentioned_list=["zhangsan"]))
    file = tmp_path / "inbox.ndjson"
    with file.open("a") as unfinished:
        unfinished.write('{"at": "2026-')

    after = Robots([GROUP], now=Clock(), inbox_file=file)
    after.send(wecom("第二条"))

    assert [message.text for message in after.inbox()] == ["第一条\u2028还是第一条", "第二条"]
    assert Robots([GROUP], inbox_file=file).inbox() == after.inbox()


def test_twenty_senders_at_once_never_pass_the_limit(robots: Robots) -> None:
    threads = [threading.Thread(target=lambda: [robots.send(wecom()) for _ in range(5)]) for _ in range(20)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(robots.inbox()) == 20


def test_an_independent_dingtalk_client_is_understood(server: RobotServer) -> None:
    client = DingtalkChatbot(MANAGERS.url(server.base), secret=MANAGERS.secret)

    answer = client.send_markdown(title="提醒", text="#### 线索超时", is_at_all=False)

    assert answer["errcode"] == 0
    assert json.loads(get(f"{server.base}/inbox"))[0]["text"] == "#### 线索超时"


def test_an_independent_dingtalk_client_with_the_wrong_secret_is_refused(server: RobotServer) -> None:
    client = DingtalkChatbot(MANAGERS.url(server.base), secret="SECwrong")

    answer = client.send_markdown(title="提醒", text="线索超时")

    assert answer["errcode"] == 310000


def test_the_inbox_speaks_the_wire_contract(server: RobotServer) -> None:
    status, answer = post(GROUP.url(server.base), wecom("线索超时").body)

    [message] = json.loads(get(f"{server.base}/inbox"))

    assert (status, answer) == (200, {"errcode": 0, "errmsg": "ok"})
    assert {"at", "channel", "bot", "audience", "text"} <= set(message)


def test_a_lost_answer_closes_the_connection(server: RobotServer) -> None:
    post(f"{server.base}/_ctl", b'{"ambiguous": 1}')

    with pytest.raises(http.client.RemoteDisconnected):
        post(GROUP.url(server.base), wecom().body)

    assert len(json.loads(get(f"{server.base}/inbox"))) == 1


@pytest.mark.parametrize(
    "order", [b"[]", b"{", b'{"drop": 2}', b'{"drop": "often"}', b'{"explode": 1}', b'{"drop": NaN}']
)
def test_an_order_that_makes_no_sense_is_refused(server: RobotServer, order: bytes) -> None:
    status, _ = post(f"{server.base}/_ctl", order)

    assert status == 400


def test_other_addresses_and_huge_bodies_are_refused(server: RobotServer) -> None:
    unknown, _ = post(f"{server.base}/anything", b"{}")
    huge, _ = post(GROUP.url(server.base), b"x" * 70_000)

    assert (unknown, huge) == (404, 413)


def test_the_robots_listen_on_loopback_only(server: RobotServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert server.base.startswith("http://127.0.0.1:")


def test_the_page_shows_both_chats_in_chinese_and_reloads_itself(server: RobotServer) -> None:
    post(GROUP.url(server.base), wecom("**王芳** 超时").body)

    page = get(f"{server.base}/")

    assert '<html lang="zh-CN">' in page
    assert 'http-equiv="refresh"' in page
    assert "企业微信" in page
    assert "钉钉" in page
    assert "<strong>王芳</strong>" in page


def test_the_page_turns_only_known_marks_into_elements() -> None:
    text = (
        '## 超时\n> 张三\n- <font color="warning">2 小时</font>\n[打开](http://127.0.0.1/r/1) [骗](javascript:alert(1))'
    )

    shown = markdown(text)

    assert shown == (
        '<h2>超时</h2><blockquote>张三</blockquote><p>• <span class="warning">2 小时</span></p>'
        '<p><a href="http://127.0.0.1/r/1" rel="noreferrer noopener">打开</a> [骗](javascript:alert(1))</p>'
    )


def test_a_hostile_name_stays_text_on_the_page() -> None:
    hostile = '<img src=x onerror=alert(1)> [x](http://a/"onclick="alert`1`) <font color="x" onload=1>'
    message = Message("2026-01-26T02:00:00+00:00", "<script>", "wecom", "<u>", hostile)

    page = render([message])

    assert not re.search(r"<(img|script|u>|font)", page)
    assert not re.search(r"<[^>]*\son\w+=", page)
