"""Providers' signatures and bodies: published vectors, independent client libraries, and forgeries."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook
from wechatpy.enterprise.crypto import WeChatCrypto

from functions.ingest import sources
from functions.ingest.sources import Request, standard, typeform, wecom
from functions.ingest.sources.xml import flat_xml
from leadtrail.domain.company import Source
from leadtrail.domain.delivery import Delivery
from leadtrail.domain.errors import (
    BodyTooLargeError,
    InvalidInputError,
    LeadtrailError,
    MalformedBodyError,
    NotFoundError,
    UnauthenticatedError,
)
from leadtrail.domain.identity import Identity
from tests.builders import NINE

STANDARD = {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
OLD_STANDARD = {"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}
TYPEFORM = {"secret": "test-secret"}
WECOM = {
    "token": "QDG6eK",
    "encoding_aes_key": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
    "corp_id": "wx5823bf96d3bd56c7",
}


def at(epoch_s: int) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)


def source(provider: str, **fields: str) -> Source:
    return Source(provider, provider, "huadong", f"source/{provider}", fields)


# -- Standard Webhooks -----------------------------------------------------------------------------


def standard_request(body: str, *, now: datetime = NINE, message_id: str = "msg_1", **headers: str) -> Request:
    signature = Webhook(STANDARD["secret"]).sign(message_id, now, body)
    said = {"webhook-id": message_id, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    return Request(source("standard"), "POST", body.encode(), now, said | headers)


def lead_created(**data: Any) -> str:
    said = {"name": "张三", "phone": "13800138000", **data}
    return json.dumps({"type": "lead.created", "timestamp": NINE.isoformat(), "data": said}, ensure_ascii=False)


def parsed(body: str) -> Delivery:
    [delivery] = standard.parse(standard_request(body), STANDARD)
    return delivery


def test_the_vector_of_the_standard_webhooks_specification_is_accepted() -> None:
    request = Request(
        source("standard"),
        "POST",
        b'{"test": 2432232314}',
        at(1614265330),
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
    )

    assert standard.verify(request, [STANDARD]) == STANDARD


def test_a_signed_lead_is_read() -> None:
    body = '{"type":"lead.created","timestamp":"2026-01-01T00:00:00Z","data":{"name":"张三","phone":"13800138000"}}'
    request = Request(
        source("standard"),
        "POST",
        body.encode(),
        at(1767225600),
        {
            "webhook-id": "msg_lead0001",
            "webhook-timestamp": "1767225600",
            "webhook-signature": "v1,92J5ODU7JyEsOUiL7IeSiPCA02JTglD6gtq3YBmiiP0=",
        },
    )

    [delivery] = standard.parse(request, standard.verify(request, [OLD_STANDARD, STANDARD]))

    assert (delivery.key, delivery.kind, delivery.parked) == ("msg_lead0001", "lead", None)
    assert delivery.identities == (Identity("phone", "+8613800138000"),)
    assert (delivery.contact.name, delivery.occurred_at) == ("张三", at(1767225600))


@pytest.mark.parametrize("secret", [STANDARD, OLD_STANDARD])
def test_either_secret_signs_while_one_is_being_rotated(secret: dict[str, str]) -> None:
    signature = Webhook(secret["secret"]).sign("msg_1", NINE, "{}")

    found = standard.verify(standard_request("{}", **{"webhook-signature": signature}), [STANDARD, OLD_STANDARD])

    assert found == secret


def test_one_good_signature_among_several_is_enough() -> None:
    good = Webhook(STANDARD["secret"]).sign("msg_1", NINE, "{}")
    header = f"v1a,unknown v1,{'A' * 43}= {good}"

    assert standard.verify(standard_request("{}", **{"webhook-signature": header}), [STANDARD]) == STANDARD


GOOD = standard_request(lead_created())
FORGERIES: dict[str, tuple[Any, Request, list[dict[str, str]]]] = {
    "another secret": (standard, GOOD, [OLD_STANDARD]),
    "no secret at all": (standard, GOOD, []),
    "another body": (standard, replace(GOOD, body=GOOD.body.replace(b"138", b"139")), [STANDARD]),
    "a body with one space more": (standard, replace(GOOD, body=GOOD.body + b" "), [STANDARD]),
    "another id": (standard, replace(GOOD, headers={**GOOD.headers, "webhook-id": "msg_2"}), [STANDARD]),
    "no id": (standard, replace(GOOD, headers={**GOOD.headers, "webhook-id": ""}), [STANDARD]),
    "an endless id": (standard, replace(GOOD, headers={**GOOD.headers, "webhook-id": "m" * 257}), [STANDARD]),
    "an id that no header could hold": (
        standard,
        replace(GOOD, headers={**GOOD.headers, "webhook-id": "\ud800"}),
        [STANDARD],
    ),
    "another time": (
        standard,
        replace(GOOD, headers={**GOOD.headers, "webhook-timestamp": str(int(NINE.timestamp()) + 1)}),
        [STANDARD],
    ),
    "a time in words": (standard, replace(GOOD, headers={**GOOD.headers, "webhook-timestamp": "now"}), [STANDARD]),
    "a time in other digits": (
        standard,
        replace(GOOD, headers={**GOOD.headers, "webhook-timestamp": "１７６９３８９２００"}),
        [STANDARD],
    ),
    "five minutes and a second late": (standard, replace(GOOD, at=NINE + timedelta(seconds=301)), [STANDARD]),
    "five minutes and a second early": (standard, replace(GOOD, at=NINE - timedelta(seconds=301)), [STANDARD]),
    "no signature": (standard, replace(GOOD, headers={**GOOD.headers, "webhook-signature": ""}), [STANDARD]),
    "a signature of another version": (
        standard,
        replace(
            GOOD, headers={**GOOD.headers, "webhook-signature": GOOD.headers["webhook-signature"].replace("v1,", "v2,")}
        ),
        [STANDARD],
    ),
    "a signature that no header could hold": (
        standard,
        replace(GOOD, headers={**GOOD.headers, "webhook-signature": "v1,\ud800"}),
        [STANDARD],
    ),
    "a secret that is no base64": (standard, GOOD, [{"secret": "whsec_***"}]),
}


@pytest.mark.parametrize(("module", "request_", "secrets"), FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forgery_is_refused_without_a_word(module: Any, request_: Request, secrets: list[dict[str, str]]) -> None:
    with pytest.raises(UnauthenticatedError) as refused:
        module.verify(request_, secrets)

    assert refused.value.detail == ""


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_five_minutes_either_way_are_accepted(seconds: int) -> None:
    assert standard.verify(replace(GOOD, at=NINE + timedelta(seconds=seconds)), [STANDARD]) == STANDARD


def test_answers_of_any_type_end_as_text() -> None:
    answers = {"预算": 12.5, "人数": 30, "是否": True, "城市": ["沪", "杭"], "备注": "三月上线", "空": None}

    delivery = parsed(lead_created(fields=answers))

    assert delivery.fields["备注"] == "三月上线"
    assert {key: json.loads(text) for key, text in delivery.fields.items() if key != "备注"} == {
        key: value for key, value in answers.items() if key != "备注"
    }
    assert {type(text) for text in delivery.fields.values()} == {str}


def test_endless_answers_are_cut_to_what_a_row_can_hold() -> None:
    answers = {"一": [1] * 60_000, "二": [""] * 10_000, **{f"问{n}": "答" * 900 for n in range(60)}}

    delivery = parsed(lead_created(fields=answers))

    assert len(json.dumps(dict(delivery.fields), ensure_ascii=False).encode()) < 150_000
    assert delivery.fields["问0"] == "答" * 900
    assert len(delivery.fields["一"]) <= 2001


def test_a_finished_call_is_read() -> None:
    data = {"phone": "138 0013 8000", "direction": "out", "started_at": NINE.isoformat(), "talk_s": 65, "agent": "李四"}

    delivery = parsed(json.dumps({"type": "call.completed", "timestamp": NINE.isoformat(), "data": data}))

    assert delivery.call is not None
    assert (delivery.call.direction, delivery.call.talk_s, delivery.call.agent) == ("out", 65, "李四")
    assert delivery.call.started_at == delivery.occurred_at == NINE


CALL = {"phone": "13800138000", "direction": "in", "started_at": "2026-01-26T09:00:00+08:00", "talk_s": 1}
NONSENSE: dict[str, tuple[Any, str]] = {
    "an unknown type": ({"type": "lead.exploded", "data": {}}, "type"),
    "no type": ({"data": {}}, "type"),
    "no data": ({"type": "lead.created"}, "data"),
    "a list of data": ({"type": "lead.created", "data": []}, "data"),
    "a number as phone": ({"type": "lead.created", "data": {"phone": 138}}, "data.phone"),
    "a list as name": ({"type": "lead.created", "data": {"name": []}}, "data.name"),
    "an endless name": ({"type": "lead.created", "data": {"name": "长" * 2001}}, "data.name"),
    "a text as fields": ({"type": "lead.created", "data": {"fields": "x"}}, "data.fields"),
    "a date without a zone": ({"type": "lead.created", "timestamp": "2026-01-26T09:00:00", "data": {}}, "timestamp"),
    "a day that does not exist": (
        {"type": "lead.created", "timestamp": "2026-02-30T09:00:00Z", "data": {}},
        "timestamp",
    ),
    "a year beyond time": ({"type": "lead.created", "timestamp": "9999-12-31T23:59:59-14:00", "data": {}}, "timestamp"),
    "a time as number": ({"type": "lead.created", "timestamp": 1767225600, "data": {}}, "timestamp"),
    "a call without a beginning": ({"type": "call.completed", "data": {**CALL, "started_at": None}}, "data.started_at"),
    "a call sideways": ({"type": "call.completed", "data": {**CALL, "direction": "up"}}, "data.direction"),
    "a call below zero": ({"type": "call.completed", "data": {**CALL, "talk_s": -1}}, "data.talk_s"),
    "a call of more than a day": ({"type": "call.completed", "data": {**CALL, "talk_s": 86401}}, "data.talk_s"),
    "a call of half a second": ({"type": "call.completed", "data": {**CALL, "talk_s": 0.5}}, "data.talk_s"),
    "a call that lasts true": ({"type": "call.completed", "data": {**CALL, "talk_s": True}}, "data.talk_s"),
    "a call of 29 digits": ({"type": "call.completed", "data": {**CALL, "talk_s": 10**28}}, "data.talk_s"),
}


@pytest.mark.parametrize(("body", "field"), NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_is_refused_by_the_name_of_its_field(body: Any, field: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parsed(json.dumps(body))

    assert refused.value.facts["field"] == field


def test_a_landline_makes_a_lead_that_it_does_not_identify() -> None:
    delivery = parsed(lead_created(phone="010-61234567"))

    assert (delivery.identities, delivery.parked) == ((), None)
    assert delivery.contact.phones == ("+861061234567",)


# -- Typeform --------------------------------------------------------------------------------------

TF_BODY = (
    '{"event_id":"01","event_type":"form_response","form_response":{"form_id":"lT4Z3j",'
    '"token":"a3a12ec67a1365927098a606107fac15","submitted_at":"2026-01-13T02:00:00Z",'
    '"hidden":{"utm_source":"baidu"},"answers":[{"type":"phone_number","phone_number":"+8613800000001",'
    '"field":{"id":"p1","type":"phone_number","ref":"phone"}}]}}'
)
TF_SIGNATURE = "sha256=/T3+6o8/dwTanEZG1J7/DE9+bSKUgomtlZadOWcFzKo="


def typeform_request(body: str, signature: str = "", **fields: str) -> Request:
    digest = hmac.new(TYPEFORM["secret"].encode(), body.encode(), hashlib.sha256).digest()
    signed = signature or "sha256=" + base64.b64encode(digest).decode()
    return Request(source("typeform", **fields), "POST", body.encode(), NINE, {"typeform-signature": signed})


def response(**changes: Any) -> str:
    known = {"form_id": "f", "token": "t", "submitted_at": "2026-01-13T02:00:00Z", "answers": []}
    return json.dumps({"event_type": "form_response", "form_response": known | changes}, ensure_ascii=False)


def test_the_typeform_vectors_are_accepted() -> None:
    small = '{"event_id":"01H","event_type":"form_response","form_response":{"token":"tok1"}}'
    signature = "sha256=u9tPFFSyDGhygtOccPlQ99YmZPeT5GgDv5L7NWmDUB8="

    assert typeform.verify(typeform_request(TF_BODY, TF_SIGNATURE), [TYPEFORM]) == TYPEFORM
    assert typeform.verify(typeform_request(small, signature), [{"secret": "tf-secret"}]) == {"secret": "tf-secret"}


@pytest.mark.parametrize(
    "signature",
    [
        TF_SIGNATURE[7:],
        TF_SIGNATURE.replace("sha256", "sha1"),
        TF_SIGNATURE.lower(),
        TF_SIGNATURE + "=",
        "sha256=",
        TF_SIGNATURE.replace("/T3", "/T4"),
        "\ud800",
        "é",
        " " + TF_SIGNATURE,
    ],
)
def test_a_changed_typeform_signature_is_refused(signature: str) -> None:
    with pytest.raises(UnauthenticatedError):
        typeform.verify(typeform_request(TF_BODY, signature), [TYPEFORM])


def test_a_response_is_read_by_the_types_of_its_questions() -> None:
    [delivery] = typeform.parse(typeform_request(TF_BODY), TYPEFORM)

    assert delivery.key == "lT4Z3j:a3a12ec67a1365927098a606107fac15"
    assert delivery.identities == (Identity("phone", "+8613800000001"),)
    assert delivery.fields == {"hidden.utm_source": "baidu"}
    assert delivery.occurred_at == datetime(2026, 1, 13, 2, tzinfo=UTC)


def test_a_response_is_read_by_the_configured_questions() -> None:
    answers = [
        {"type": "text", "text": "王五", "field": {"ref": "q-name"}},
        {"type": "text", "text": "13900139000", "field": {"ref": "q-phone"}},
        {"type": "choice", "choice": {"label": "零售"}, "field": {"ref": "q-trade"}},
        {"type": "number", "number": 1.5, "field": {"id": "n1"}},
    ]
    definition = {"fields": [{"ref": "q-trade", "title": "行业"}, "odd", {"title": None}]}

    [delivery] = typeform.parse(
        typeform_request(response(answers=answers, definition=definition), name="q-name", phone="q-phone"), TYPEFORM
    )

    assert (delivery.contact.name, delivery.contact.phones) == ("王五", ("+8613900139000",))
    assert delivery.fields == {"行业": '{"label": "零售"}', "n1": "1.5"}


def test_two_questions_of_one_title_keep_both_answers() -> None:
    answers = [{"type": "text", "text": text, "field": {"ref": ref}} for ref, text in (("a", "甲"), ("b", "乙"))]
    definition = {"fields": [{"ref": "a", "title": "备注"}, {"ref": "b", "title": "备注"}]}

    [delivery] = typeform.parse(typeform_request(response(answers=answers, definition=definition)), TYPEFORM)

    assert sorted(delivery.fields.values()) == ["乙", "甲"]


ODD: dict[str, tuple[str, str]] = {
    "another event": ('{"event_type": "form_viewed"}', "event_type"),
    "no response": ('{"event_type": "form_response"}', "form_response"),
    "no token": (response(token=None), "form_response.token"),
    "a time that makes no sense": (response(submitted_at="soon"), "form_response.submitted_at"),
    "answers of the wrong type": (response(answers={"a": 1}), "form_response.answers"),
    "an answer of the wrong type": (response(answers=[7]), "form_response.answers[0]"),
    "an answer without a type": (response(answers=[{"field": {}}]), "form_response.answers[0].type"),
    "a question of the wrong type": (
        response(answers=[{"type": "text", "field": 1}]),
        "form_response.answers[0].field",
    ),
    "hidden fields of the wrong type": (response(hidden=[]), "form_response.hidden"),
}


@pytest.mark.parametrize(("body", "field"), ODD.values(), ids=ODD.keys())
def test_an_odd_response_is_refused_by_the_name_of_its_field(body: str, field: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        typeform.parse(typeform_request(body), TYPEFORM)

    assert refused.value.facts["field"] == field


# -- WeCom -----------------------------------------------------------------------------------------

ECHO = {
    "msg_signature": "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3",
    "timestamp": "1409659589",
    "nonce": "263014780",
    "echostr": "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ==",
}
SAMPLE_QUERY = {
    "msg_signature": "477715d11cdb4164915debcba66cb864d751f3e6",
    "timestamp": "1409659813",
    "nonce": "1372623149",
}
SAMPLE_ENCRYPT = (
    "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911L3vg3W/sYYvuJTs3"
    "TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gs"
    "ijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUa"
    "x5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIG"
    "HBZZIs2pDBS8R07+qN+E7Q=="
)
EVENT_QUERY = {
    "msg_signature": "13052615d33ef530a61b1ff1cb498091d2bd8ac4",
    "timestamp": "1767225600",
    "nonce": "nonce123",
}
EVENT_ENCRYPT = (
    "sKqRbbiSUnDhFHOvPjtUMWEo54R7gqVvh+MGXs6xwqII7F2sd/6xT4wphPwEMOdROPYo7ldpHWb9DdGhqW5NL0m78vhKbkMShZCZVB41aaCx4ctj"
    "yyqdQlb22IR3JKpoXClKe8RMiEAZTFbpKAMmYP33WTsdvxu+MXg/kRxQuVzjGQQNHQVehuR8AJXi/780UrzvSb6vBbOaZGwwfGFg+RQJ830zEQIm"
    "CxSDzNtug966OqqH9s1UbO15lc3kSiwVrVpnT2RZX3XnrJ6yDZu7SLrxn4z+Mc+O6hwObeyzN5SwNdL8rJqjU9pZCNNpgx0anY3p8vkNfssgzW6N"
    "2SrJjQ6N2OR08BP++g/uQvyH1DA/sEQWi1Cz3lMVkDxVa6w9Fccs+p0HBX4EbRTtbDDApDt31CJCOuAJMBjppM3suXOnaIFHBoNWoLwfwfXlJ/Yr"
    "psSbKqtmmPtQ6/q2PK5JS1/7iLidsq5gED5Aojg+yApP/ERKEH+fT7jP6Sz4X9IGgyZTqG9nbzcke4UGylVSViMxa5/kfuT9wa3heS3bW6fljpZF"
    "xYy9cEjzSJwn6bq7wx9AZKnQNwwXqNYRcJT1Triq04hDnhsJgrRTc/7XB1QFXmigNnYC6c25hm/CQUKS"
)


def wrapped(encrypt: str) -> bytes:
    return f"<xml><ToUserName><![CDATA[c]]></ToUserName><Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>".encode()


def wecom_post(encrypt: str, query: dict[str, str]) -> Request:
    return Request(source("wecom"), "POST", wrapped(encrypt), at(int(query["timestamp"])), {}, query)


def resigned(encrypt: str, *, token: str = WECOM["token"], nonce: str = "n", epoch_s: int = 1767225600) -> Request:
    """Sign any cipher text, as somebody would who stole the token and not the key."""
    parts = sorted([token, str(epoch_s), nonce, encrypt])
    signature = hashlib.sha1("".join(parts).encode()).hexdigest()
    return wecom_post(encrypt, {"msg_signature": signature, "timestamp": str(epoch_s), "nonce": nonce})


def encrypted(message: str, *, corp_id: str = WECOM["corp_id"], epoch_s: int = 1767225600) -> Request:
    """Encrypt and sign a message as WeCom does, with an independent library."""
    crypto = WeChatCrypto(WECOM["token"], WECOM["encoding_aes_key"], corp_id)
    envelope = flat_xml(crypto.encrypt_message(message, "nonce-1", str(epoch_s)).encode())
    query = {
        "msg_signature": envelope["MsgSignature"],
        "timestamp": envelope["TimeStamp"],
        "nonce": envelope["Nonce"],
    }
    return wecom_post(envelope["Encrypt"], query)


def contact_event(**changes: str) -> str:
    known = {
        "ToUserName": WECOM["corp_id"],
        "FromUserName": "sys",
        "CreateTime": "1767225600",
        "MsgType": "event",
        "Event": "change_external_contact",
        "ChangeType": "add_external_contact",
        "UserID": "zhangsan",
        "ExternalUserID": "woAJ2GCAAAXtWyujaWJHDDGi0mAC",
        "State": "官网",
    }
    inner = "".join(f"<{tag}><![CDATA[{text}]]></{tag}>" for tag, text in (known | changes).items())
    return f"<xml>{inner}</xml>"


def taken(request: Request) -> Delivery:
    [delivery] = wecom.parse(request, wecom.verify(request, [WECOM]))
    return delivery


def test_the_official_address_check_is_answered_with_the_bare_text() -> None:
    request = Request(source("wecom"), "GET", b"", at(1409659589), {}, ECHO)

    answer = wecom.echo(request, wecom.verify(request, [WECOM]))

    assert (answer["statusCode"], answer["body"]) == (200, "1616140317555161061")
    assert answer["headers"]["content-type"].startswith("text/plain")


def test_the_official_message_is_opened_and_parked_since_it_adds_nobody() -> None:
    request = wecom_post(SAMPLE_ENCRYPT, SAMPLE_QUERY)

    secret = wecom.verify(request, [WECOM])
    message = wecom._decrypt(SAMPLE_ENCRYPT, secret).decode()
    [delivery] = wecom.parse(request, secret)

    assert "<MsgId>4561255354251345929</MsgId>" in message
    assert "<![CDATA[hello]]>" in message
    assert delivery.parked == "暂不处理的企业微信事件：text"


def test_the_contact_event_of_an_independent_library_is_read() -> None:
    delivery = taken(wecom_post(EVENT_ENCRYPT, EVENT_QUERY))

    assert delivery.identities == (Identity("external_userid", "woAJ2GCAAAXtWyujaWJHDDGi0mAC"),)
    assert delivery.key == "1767225600+add_external_contact+zhangsan+woAJ2GCAAAXtWyujaWJHDDGi0mAC"
    assert (delivery.owner_hint, delivery.source_ref, delivery.parked) == ("zhangsan", "官网", None)
    assert delivery.occurred_at == at(1767225600)


@settings(max_examples=20, deadline=None)
@given(
    st.text(
        st.characters(min_codepoint=32, exclude_characters="<>&]", exclude_categories=["Cs", "Cn", "Co"]), max_size=80
    )
)
def test_whatever_the_library_encrypts_we_open(state: str) -> None:
    delivery = taken(encrypted(contact_event(State=state)))

    assert delivery.source_ref == (state or None)


@pytest.mark.parametrize("place", [0, 21, 100, len(SAMPLE_ENCRYPT) - 3])
def test_a_flipped_letter_of_the_cipher_text_is_refused(place: int) -> None:
    letter = "A" if SAMPLE_ENCRYPT[place] != "A" else "B"
    flipped = SAMPLE_ENCRYPT[:place] + letter + SAMPLE_ENCRYPT[place + 1 :]

    with pytest.raises(UnauthenticatedError):
        taken(wecom_post(flipped, SAMPLE_QUERY))


def cbc(plain: bytes) -> str:
    """Encrypt bytes with the right key and any padding."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    key = base64.b64decode(WECOM["encoding_aes_key"] + "=")
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()


def plain_of(message: bytes, *, length: int | None = None, corp: str = WECOM["corp_id"]) -> bytes:
    size = len(message) if length is None else length
    return b"r" * 16 + size.to_bytes(4, "big") + message + corp.encode()


def padded(plain: bytes) -> bytes:
    rest = 32 - len(plain) % 32
    return plain + bytes([rest]) * rest


WECOM_FORGERIES: dict[str, Callable[[], Request]] = {
    "another token": lambda: resigned(EVENT_ENCRYPT, token="another"),
    "another corporation": lambda: encrypted(contact_event(), corp_id="wx0000000000000000"),
    "no corporation": lambda: resigned(cbc(padded(plain_of(b"<xml/>", corp="")))),
    "another nonce": lambda: wecom_post(EVENT_ENCRYPT, EVENT_QUERY | {"nonce": "nonce124"}),
    "another time": lambda: wecom_post(EVENT_ENCRYPT, EVENT_QUERY | {"timestamp": "1767225601"}),
    "no signature": lambda: wecom_post(EVENT_ENCRYPT, EVENT_QUERY | {"msg_signature": ""}),
    "a signature in capitals": lambda: wecom_post(
        EVENT_ENCRYPT, EVENT_QUERY | {"msg_signature": EVENT_QUERY["msg_signature"].upper()}
    ),
    "a signature that no address could hold": lambda: wecom_post(
        EVENT_ENCRYPT, EVENT_QUERY | {"msg_signature": "\ud800"}
    ),
    "a nonce that no address could hold": lambda: wecom_post(EVENT_ENCRYPT, EVENT_QUERY | {"nonce": "\ud800"}),
    "a stolen token without the key": lambda: resigned(base64.b64encode(b"\0" * 64).decode()),
    "a cipher text that is no base64": lambda: resigned("%%%"),
    "a cipher text of half a block": lambda: resigned(base64.b64encode(b"\0" * 24).decode()),
    "a padding of zero": lambda: resigned(cbc(plain_of(b"<xml/>").ljust(63, b"x") + b"\0")),
    "a padding over 32": lambda: resigned(cbc(plain_of(b"<xml/>").ljust(63, b"x") + b"\x21" * 33)),
    "a padding that contradicts itself": lambda: resigned(cbc(plain_of(b"<xml/>").ljust(61, b"x") + b"\x01\x02\x03")),
    "a length beyond the message": lambda: resigned(cbc(padded(plain_of(b"<xml/>", length=2**31)))),
    "a length that cuts the corporation": lambda: resigned(cbc(padded(plain_of(b"<xml/>", length=8)))),
    "nothing but padding": lambda: resigned(cbc(b"\x20" * 32)),
}


@pytest.mark.parametrize("made", WECOM_FORGERIES.values(), ids=WECOM_FORGERIES.keys())
def test_a_wecom_forgery_is_refused_without_a_word(made: Callable[[], Request]) -> None:
    with pytest.raises(UnauthenticatedError) as refused:
        taken(made())

    assert refused.value.detail == ""


def test_a_message_of_yesterday_is_refused() -> None:
    request = replace(wecom_post(EVENT_ENCRYPT, EVENT_QUERY), at=at(1767225600 + 301))

    with pytest.raises(UnauthenticatedError):
        taken(request)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (contact_event(ChangeType="msg_audit_approved"), "暂不处理的企业微信事件：msg_audit_approved"),
        (contact_event(ExternalUserID=""), "事件中没有外部联系人"),
        ("<xml></xml>", "暂不处理的企业微信事件：未知"),
    ],
)
def test_an_event_that_adds_nobody_is_parked_with_its_reason(event: str, why: str) -> None:
    assert taken(encrypted(event)).parked == why


@pytest.mark.parametrize("created", ["", "soon", "²", "１７６７２２５６００", "99999999999999", "-1"])
def test_a_creation_time_that_makes_no_sense_is_left_out(created: str) -> None:
    assert taken(encrypted(contact_event(CreateTime=created))).occurred_at is None


ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
HOSTILE_XML = {
    "nothing": b"",
    "no XML": b"hello",
    "a bomb": f"{ENTITIES}<xml><Encrypt>&b;</Encrypt></xml>".encode(),
    "an external entity": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><Encrypt>&e;</Encrypt></xml>',
    "a foreign document type": b'<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd"><xml><Encrypt>a</Encrypt></xml>',
    "a parameter entity": b'<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1/"> %p;]><xml/>',
    "an unknown entity": b"<xml><Encrypt>&nobody;</Encrypt></xml>",
    "a depth of 9": b"<a>" * 9 + b"</a>" * 9,
    "a depth of 8,000": b"<a>" * 8000 + b"</a>" * 8000,
    "Encrypt twice": b"<xml><Encrypt>a</Encrypt><Encrypt>b</Encrypt></xml>",
    "Encrypt too deep": b"<xml><a><Encrypt>a</Encrypt></a></xml>",
    "no Encrypt": b"<xml><ToUserName>a</ToUserName></xml>",
    "an open element": b"<xml><Encrypt>a",
    "an unknown encoding": b'<?xml version="1.0" encoding="klingon"?><xml/>',
    "an encoding that is none": b'<?xml version="1.0" encoding="hex"?><xml/>',
    "half of UTF-16": b"\xff\xfe<\x00x",
    "NUL": b"<xml><Encrypt>a\0b</Encrypt></xml>",
}


@pytest.mark.parametrize("body", HOSTILE_XML.values(), ids=HOSTILE_XML.keys())
def test_hostile_xml_is_malformed(body: bytes) -> None:
    request = replace(wecom_post("x", EVENT_QUERY), body=body)

    with pytest.raises(MalformedBodyError):
        wecom.verify(request, [WECOM])


@given(st.binary(max_size=80))
def test_no_bytes_break_the_reading_of_xml(body: bytes) -> None:
    try:
        found: object = flat_xml(body)
    except LeadtrailError as error:
        found = error

    assert isinstance(found, dict | MalformedBodyError)


def test_more_than_64_kilobytes_are_not_even_read() -> None:
    with pytest.raises(BodyTooLargeError):
        wecom.verify(wecom_post("x" * 65536, EVENT_QUERY), [WECOM])


# -- all -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "wecom.py", "os", "../wecom", "signature", "WECOM"])
def test_only_providers_are_loaded(name: str) -> None:
    with pytest.raises(NotFoundError):
        sources.provider(name)


@pytest.mark.parametrize("name", sources.PROVIDERS)
def test_every_provider_speaks_the_protocol_and_fails_closed(name: str) -> None:
    module = sources.provider(name)
    request = Request(source(name), "POST", wrapped("x"), NINE, {}, {"timestamp": str(int(NINE.timestamp()))})

    for spoken in ("verify", "parse", "echo", "acknowledge", "sample"):
        assert callable(getattr(module, spoken))
    with pytest.raises(UnauthenticatedError):
        module.verify(request, [])


@pytest.mark.parametrize("name", [name for name in sources.PROVIDERS if name != "wecom"])
def test_a_provider_that_never_asks_gets_no_echo(name: str) -> None:
    with pytest.raises(NotFoundError):
        sources.provider(name).echo(GOOD, STANDARD)


def test_each_provider_is_acknowledged_in_its_own_words() -> None:
    assert wecom.acknowledge("L", "created")["body"] == "success"
    assert json.loads(standard.acknowledge("L", "created")["body"]) == {"id": "L", "outcome": "created"}
