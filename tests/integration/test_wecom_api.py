"""The WeCom API of the local mode refuses as the real one does, and knows whom it was told of."""

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from infra.chat_provider import RefusedError
from infra.robot_server import RobotServer
from infra.robots import Robots
from infra.wecom_api import CONTACT_PATH, TOKEN_PATH, WeComApi

NINE = 1_769_392_800.0  # 2026-01-26 10:00 in Shanghai
WANG = "woAJ2GCAAAXtWyujaWJHDDGi0mAC"
WHO = {"corpid": "ww1", "corpsecret": "right"}
GIVEN = {
    "external_contact": {"name": "王女士", "unionid": "ozynqsulJFCZ2z1aYeS8h-nuasdAAA"},
    "follow_user": [{"userid": "zhangsan", "remark": "王总", "remark_mobiles": ["13800000001"]}],
}


class Clock:
    """Epoch seconds that move when a test says so."""

    def __init__(self) -> None:
        self.now = NINE

    def __call__(self) -> float:
        return self.now


class Caller:
    """Somebody who asks the API without a network between, and sees its errcode."""

    def __init__(self, clock: Clock, *, calls_per_window: int = 10_000) -> None:
        self.api = WeComApi(clock, calls_per_window=calls_per_window)
        self.trusted = True

    def ask(self, path: str, **query: str) -> Any:
        try:
            return self.api.answer(path, query, trusted=self.trusted)
        except RefusedError as refusal:
            return refusal.errcode

    def token(self) -> str:
        token: str = self.ask(TOKEN_PATH, **WHO)["access_token"]
        return token

    def contact(self, ref: str = WANG, *, token: str | None = None, **query: str) -> Any:
        known = self.token() if token is None else token
        return self.ask(CONTACT_PATH, access_token=known, external_userid=ref, **query)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def caller(clock: Clock) -> Caller:
    return Caller(clock)


@pytest.fixture
def server() -> Iterator[RobotServer]:
    with RobotServer(Robots([]), port=0) as running:
        yield running


def exchange(server: RobotServer, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(server.base).netloc, timeout=5)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def asked(server: RobotServer, path: str, **query: str) -> tuple[int, Any]:
    return exchange(server, "GET", f"{path}?{urlencode(query)}")


def test_a_contact_that_nobody_gave_is_made_up_the_same_each_time_and_without_a_number(caller: Caller) -> None:
    first, again, other = caller.contact(), caller.contact(), caller.contact("wmBBBB")

    assert first == again
    assert first["external_contact"]["name"]
    assert first["external_contact"]["unionid"] != other["external_contact"]["unionid"]
    assert "remark_mobiles" not in first["follow_user"][0]


def test_a_contact_that_was_given_is_answered_as_given_and_the_rest_made_up(caller: Caller) -> None:
    made = caller.contact()["external_contact"]
    caller.api.give({WANG: GIVEN})

    answer = caller.contact()

    assert answer["external_contact"] == {**made, **GIVEN["external_contact"]}
    assert answer["follow_user"] == GIVEN["follow_user"]


def test_a_token_stays_the_same_until_it_ends(caller: Caller, clock: Clock) -> None:
    first = caller.ask(TOKEN_PATH, **WHO)

    clock.now += 7199
    again = caller.ask(TOKEN_PATH, **WHO)
    clock.now += 1
    after = caller.ask(TOKEN_PATH, **WHO)

    assert (first["expires_in"], again["expires_in"]) == (7200, 1)
    assert first["access_token"] == again["access_token"] != after["access_token"]


def test_each_refusal_has_the_code_of_the_real_one(caller: Caller, clock: Clock) -> None:
    caller.api.give({"woGONE": None})
    old = caller.token()
    codes = {
        "no corporation": caller.ask(TOKEN_PATH, corpsecret="right"),
        "no secret": caller.ask(TOKEN_PATH, corpid="ww1"),
        "wrong secret": caller.ask(TOKEN_PATH, corpid="ww1", corpsecret="wrong"),
        "unknown token": caller.contact(token="nobodys"),
        "contact gone": caller.contact("woGONE"),
        "no contact": caller.contact(""),
    }
    clock.now += 7200
    codes["token ended"] = caller.contact(token=old)

    assert codes == {
        "no corporation": 40013,
        "no secret": 40001,
        "wrong secret": 40001,
        "unknown token": 40014,
        "contact gone": 84061,
        "no contact": 84061,
        "token ended": 42001,
    }


def test_an_address_that_is_not_trusted_gets_a_token_and_no_contact(caller: Caller) -> None:
    caller.trusted = False

    assert caller.contact() == 60020


def test_tokens_ended_on_purpose_are_expired_and_a_new_one_works(caller: Caller) -> None:
    old = caller.token()

    caller.api.expire_tokens()

    assert caller.contact(token=old) == 42001
    assert caller.contact()["errcode"] == 0


def test_calls_beyond_the_limit_of_a_minute_are_refused_for_each_api_by_itself(clock: Clock) -> None:
    caller = Caller(clock, calls_per_window=2)
    token = caller.token()

    answers = [caller.contact(token=token) for _ in range(3)]
    clock.now += 60
    after = caller.contact(token=token)

    assert answers[2] == 45009
    assert [answers[0]["errcode"], answers[1]["errcode"], after["errcode"]] == [0, 0, 0]


def test_more_than_500_followers_come_in_pages(caller: Caller) -> None:
    caller.api.give({WANG: {"follow_user": [{"userid": f"u{n}"} for n in range(501)]}})

    first = caller.contact()
    second = caller.contact(cursor=first["next_cursor"])

    assert (len(first["follow_user"]), [each["userid"] for each in second["follow_user"]]) == (500, ["u500"])
    assert "next_cursor" not in second


def test_the_api_speaks_over_http_beside_the_robots(server: RobotServer) -> None:
    known = exchange(server, "POST", "/wecom/_contacts", json.dumps({WANG: GIVEN}).encode())
    _, token = asked(server, "/wecom/cgi-bin/gettoken", **WHO)

    status, answer = asked(
        server, "/wecom/cgi-bin/externalcontact/get", access_token=token["access_token"], external_userid=WANG
    )

    assert known == (200, {"contacts": 1})
    assert (status, answer["errcode"], answer["external_contact"]["name"]) == (200, 0, "王女士")


def test_orders_reach_the_api_too(server: RobotServer) -> None:
    _, token = asked(server, TOKEN_PATH, **WHO)
    query = {"access_token": token["access_token"], "external_userid": WANG}
    codes = []
    for order in ({"untrusted": 1}, {"untrusted": 0}, {"expire_token": 1}):
        exchange(server, "POST", "/_ctl", json.dumps(order).encode())
        codes.append(asked(server, CONTACT_PATH, **query)[1]["errcode"])
    exchange(server, "POST", "/_ctl", b'{"down": 1}')

    status, _ = asked(server, TOKEN_PATH, **WHO)

    assert codes == [60020, 0, 42001]
    assert status == 502


@pytest.mark.parametrize(
    "given", [b"[]", b"{", b'{"wo1": 7}', b'{"wo1": {"name": "x"}}', b'{"wo1": {"follow_user": {}}}']
)
def test_contacts_that_make_no_sense_are_refused(server: RobotServer, given: bytes) -> None:
    status, _ = exchange(server, "POST", "/wecom/_contacts", given)

    assert status == 400
