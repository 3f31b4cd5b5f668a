"""What is kept of a refused message says how it was built, and nothing that anybody said."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadtrail.domain import outline

NAME, PHONE = "张三丰", "13800138000"


def test_an_object_is_its_names_with_types_and_lengths() -> None:
    body = {"name": NAME, "age": 42, "share": 0.5, "is_new": True, "note": None, "tags": ["甲", "乙"], "in": {"a": ""}}

    found = outline.of(json.dumps(body).encode())

    assert found == {
        "name": "<text 3>",
        "age": "<number>",
        "share": "<number>",
        "is_new": "<yes or no>",
        "note": "<null>",
        "tags": ["<text 1>", "<text 1>"],
        "in": {"a": "<text 0>"},
    }


def test_a_form_is_its_names_with_lengths() -> None:
    assert outline.of(b"CallSid=CA1&From=%2B8613800138000&To=") == {
        "CallSid": "<text 3>",
        "From": "<text 14>",
        "To": "<text 0>",
    }


def test_xml_is_its_tags_in_their_order() -> None:
    found = outline.of(f"<xml><ToUserName>{NAME}</ToUserName><Encrypt><![CDATA[{PHONE}]]></Encrypt></xml>".encode())

    assert found == ["xml", "ToUserName", "Encrypt"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"name": ', "<broken JSON>"),
        (b"[" * 100_000, "<broken JSON>"),
        (b'{"n": ' + b"9" * 5000 + b"}", "<broken JSON>"),
        (b"\xff\xfe{", "<not UTF-8>"),
        (b"", "<text>"),
    ],
    ids=["cut short", "without end", "5,000 digits", "UTF-16", "nothing"],
)
def test_what_nobody_can_read_is_called_so(body: bytes, expected: str) -> None:
    assert outline.of(body) == expected


def test_deep_long_and_wide_messages_are_cut() -> None:
    deep: Any = "x"
    for _ in range(10):
        deep = {"a": deep}
    wide = {f"field {chr(0x4E00 + number)}": number for number in range(100)}

    found = outline.of(json.dumps([deep, wide, {"n" * 100: 1}, "the fourth"]).encode())

    assert len(found) == 3
    assert json.dumps(found[0]).count('"a"') == 5
    assert len(found[1]) == 40
    assert list(found[2]) == ["n" * 40]


def test_a_number_that_serves_as_a_name_is_blotted_out() -> None:
    found = outline.of(json.dumps({PHONE: 1, "１３８００１３８０００": 2, "field_12": 3}).encode())

    assert set(found) == {"#" * 11, "field_##"}


@pytest.mark.parametrize(
    "body",
    [
        f"{NAME} {PHONE}",
        f"{NAME},{PHONE}\n",
        f'"{NAME} {PHONE}"',
        f"name={NAME}&{NAME}",
        f"姓名：{NAME}；手机：{PHONE}",
        PHONE,
    ],
    ids=["a line", "CSV", "a JSON text", "a form with a stray word", "a note", "a number"],
)
def test_what_is_no_form_is_not_kept_as_the_name_of_a_field(body: str) -> None:
    found = json.dumps(outline.of(body.encode()), ensure_ascii=False)

    assert NAME not in found
    assert PHONE not in found


@given(st.binary(max_size=400))
def test_whatever_comes_has_an_outline_that_the_table_can_hold(body: bytes) -> None:
    assert json.dumps(outline.of(body)).encode()


@given(st.recursive(st.integers(10**10, 10**11) | st.text("密语", min_size=2), st.lists, max_leaves=9))
def test_no_value_of_a_message_is_in_its_outline(said: Any) -> None:
    found = json.dumps(outline.of(json.dumps({"x": said}).encode()), ensure_ascii=False)

    assert "密" not in found
    assert "语" not in found
    assert re.search(r"\d{5}", found) is None
