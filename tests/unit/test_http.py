import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadtrail.domain.errors import BodyTooLargeError, BusyError, InvalidInputError, MalformedBodyError
from leadtrail.runtime import http

LIMIT = 256 * 1024
thrifty = settings(max_examples=60, deadline=None)
documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc中é", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("text", ["{}", '{"name": "张三"}', "", "\ud800"])
def test_the_bytes_of_a_plain_body_are_those_that_were_signed(text: str) -> None:
    assert http.raw_body({"body": text}) == text.encode("utf-8", "surrogatepass")


@given(st.binary(max_size=100))
def test_a_gateway_that_wraps_bytes_changes_none(raw: bytes) -> None:
    event = {"body": base64.b64encode(raw).decode(), "isBase64Encoded": True}

    assert http.raw_body(event) == raw


@pytest.mark.parametrize("body", ["a", "####", "YQ=", "YQ==\nYQ==", "中文"])
def test_what_claims_to_be_base64_and_is_not_is_malformed(body: str) -> None:
    with pytest.raises(MalformedBodyError):
        http.raw_body({"body": body, "isBase64Encoded": True})


@pytest.mark.parametrize("event", [{}, {"body": None}, {"body": ""}, {"body": None, "isBase64Encoded": True}])
def test_no_body_is_an_empty_one(event: dict[str, Any]) -> None:
    assert http.raw_body(event) == b""


def test_the_limit_counts_bytes_and_not_letters() -> None:
    fits, over = "中" * (LIMIT // 3), "中" * (LIMIT // 3 + 1)

    assert len(http.raw_body({"body": fits})) == LIMIT - 1
    with pytest.raises(BodyTooLargeError):
        http.raw_body({"body": over})


@pytest.mark.parametrize(("size", "fits"), [(LIMIT, True), (LIMIT + 1, False), (4 * LIMIT, False)])
def test_the_limit_counts_what_was_wrapped(size: int, fits: bool) -> None:
    event = {"body": base64.b64encode(b"x" * size).decode(), "isBase64Encoded": True}

    if fits:
        assert len(http.raw_body(event)) == size
    else:
        with pytest.raises(BodyTooLargeError):
            http.raw_body(event)


@thrifty
@given(st.dictionaries(st.text("abc", max_size=2), documents, max_size=4))
def test_any_document_is_read_as_it_was_written(document: dict[str, Any]) -> None:
    for ascii_only in (True, False):
        assert http.json_object(json.dumps(document, ensure_ascii=ascii_only).encode()) == document


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reading(raw: bytes) -> None:
    try:
        value = http.json_object(raw)
    except MalformedBodyError:
        return
    assert isinstance(value, dict)


HOSTILE = {
    "nothing": b"",
    "not UTF-8": b'{"a": "\xff"}',
    "a byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "an encoded surrogate": '{"a": "\ud800"}'.encode("utf-8", "surrogatepass"),
    "an escaped surrogate": b'{"a": "\\ud800"}',
    "a surrogate in a key": b'{"\\udfff": 1}',
    "half a pair": b'{"a": "\\ud83d!"}',
    "NUL": b'{"a": ["\\u0000"]}',
    "NUL in a key": b'{"\\u0000": 1}',
    "NaN": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "a number beyond floats": b'{"a": 1e999}',
    "5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "5,000 decimals": b'{"a": 0.' + b"9" * 5000 + b"}",
    "33 levels of lists": b'{"a":' + b"[" * 32 + b"]" * 32 + b"}",
    "33 levels of objects": b'{"a":' * 33 + b"1" + b"}" * 33,
    "100,000 levels": b"[" * 100_000,
    "a key twice": b'{"a": 1, "a": 2}',
    "a key twice, deep": b'{"a": [{"b": 1, "b": 1}]}',
    "a list": b"[]",
    "a text": b'"a"',
    "a trailing comma": b'{"a": 1,}',
    "two documents": b"{}{}",
    "a comment": b"{} // hello",
    "single quotes": b"{'a': 1}",
    "an open text": b'{"a": "',
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_body_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedBodyError) as refused:
        http.json_object(raw)

    assert refused.value.status == 400


FINE_IN_AN_ARRAY = ("nothing", "a list", "a text")


@pytest.mark.parametrize("raw", [raw for name, raw in HOSTILE.items() if name not in FINE_IN_AN_ARRAY])
def test_a_hostile_array_is_as_malformed_as_a_hostile_object(raw: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        http.json_array(b"[" + raw + b"]")


@pytest.mark.parametrize("raw", [b"", b"{}", b'"a"', b"1", b"null", b"[1,]", b"[][]"])
def test_what_is_no_array_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        http.json_array(raw)


@thrifty
@given(st.lists(documents, max_size=4))
def test_any_array_is_read_as_it_was_written(document: list[Any]) -> None:
    assert http.json_array(json.dumps(document).encode()) == document


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":' + b"[" * 31 + b"]" * 31 + b"}",
        b'{"a": "' + b"[{" * 1000 + b'"}',
        b'{"a": "\\\\", "b": "\\"[[[["}',
        b'{"a": ' + b"9" * 30 + b"}",
        b'{"a": "\\ud83d\\ude00"}',
    ],
    ids=["32 levels", "brackets in a text", "escaped quotes", "30 digits", "a whole pair"],
)
def test_what_only_looks_hostile_is_read(raw: bytes) -> None:
    assert http.json_object(raw) == json.loads(raw)


def test_headers_are_found_whatever_their_case() -> None:
    assert http.headers({"headers": {"Webhook-ID": "m"}}) == {"webhook-id": "m"}
    assert (http.headers({}), http.query({"queryStringParameters": None})) == ({}, {})


def test_a_problem_says_what_where_and_why() -> None:
    answer = http.problem(InvalidInputError("data.phone", "需要一段文字"))

    body = json.loads(answer["body"])
    assert answer["headers"]["content-type"].startswith("application/problem+json")
    assert (answer["statusCode"], body["status"], body["type"]) == (422, 422, "/problems/invalid-input")
    assert (body["title"], body["code"], body["field"]) == ("提交的内容有误", "invalid-input", "data.phone")
    assert "retry-after" not in answer["headers"]


def test_a_busy_table_asks_to_come_again() -> None:
    assert http.problem(BusyError())["headers"]["retry-after"] == "5"
