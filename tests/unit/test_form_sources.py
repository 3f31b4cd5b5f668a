"""Forms and HubSpot: published and computed vectors, what people really type, forgeries, and hostile bodies."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.ingest import sources
from functions.ingest.sources import Request, hubspot, jiandaoyun, jinshuju, roles, standard, tally, typeform, wjx
from leadtrail.domain.company import Source
from leadtrail.domain.delivery import Delivery, Enrichment
from leadtrail.domain.errors import InvalidInputError, LeadtrailError, MalformedBodyError, UnauthenticatedError
from leadtrail.domain.identity import Identity
from tests.builders import NINE

TOKEN = "an-unguessable-token-of-the-address"
BY_ADDRESS = {"token_sha256": hashlib.sha256(TOKEN.encode()).hexdigest()}
SECRET = {"secret": "test-secret"}
WJX = BY_ADDRESS | SECRET
SVIX = {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
WECOM = {
    "token": "QDG6eK",
    "encoding_aes_key": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
    "corp_id": "wx5823bf96d3bd56c7",
}
MOBILE = (Identity("phone", "+8613800138000"),)


def at(epoch_s: int) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)


def written(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def request_of(provider: str, body: Any, **fields: str) -> Request:
    """Return an unsigned request with the token in its address, as every test of ``parse`` needs it."""
    source = Source(f"web-{provider}", provider, "huadong", f"source/{provider}", fields)
    raw = body if isinstance(body, bytes) else written(body)
    return Request(source, "POST", raw, NINE, {"x-jdy-deliverid": "d-1"}, token=TOKEN, ip="203.0.113.9")


def parsed(provider: str, body: Any, **fields: str) -> Delivery:
    [delivery] = sources.provider(provider).parse(request_of(provider, body, **fields), {})
    return delivery


def refused_field(provider: str, body: Any) -> object:
    with pytest.raises(InvalidInputError) as refused:
        parsed(provider, body)
    return refused.value.facts["field"]


# -- roles -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "role"),
    [
        ("姓名", "name"),
        ("您的称呼", "name"),
        ("*联系人：", "name"),
        ("Full name", "name"),
        ("手机", "phone"),
        ("手机号（必填）", "phone"),
        ("请填写您的联系电话", "phone"),
        ("Mobile", "phone"),
        ("Phone number *", "phone"),
        ("ＰＨＯＮＥ", "phone"),
        ("邮箱", "email"),
        ("E-mail", "email"),
        ("公司", None),
        ("推荐人手机", None),
        ("公司电话", None),
        ("", None),
        (f"手机（{'必' * 100}）", None),
        ("(a" * 50_000, None),
    ],
)
def test_a_title_tells_its_role_in_both_languages(title: str, role: str | None) -> None:
    assert roles.role_of_title(title) == role


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("甲", "甲"),
        (None, ""),
        (12.5, "12.5"),
        (True, "true"),
        ({"verified": False, "phone": "13800138000"}, "13800138000"),
        ({"verified": False, "phone": ""}, ""),
        ({"province": "江苏省", "city": "无锡市", "detail": ""}, "江苏省 无锡市"),
        ([{"name": "李四", "username": "lisi"}, {"name": "王五", "username": "wangwu"}], "李四、王五"),
        (["零售", "", "批发"], "零售、批发"),
        ({"name": "图.png", "url": "https://files.example/1"}, '{"name": "图.png", "url": "https://files.example/1"}'),
        ({"a": 1, "b": "x"}, '{"a": 1, "b": "x"}'),
        ([], ""),
        ({}, ""),
    ],
)
def test_answers_of_any_shape_are_read_as_people_read_them(value: object, said: str) -> None:
    assert roles.spoken(value) == said


def test_configuration_alone_decides_for_the_roles_that_it_names() -> None:
    answers = [roles.Answer("f1", "手机", "13900139000"), roles.Answer("f2", "推荐人", "13800138000")]

    known, others = roles.told_apart(answers, {"phone": "f3"}, by_value=True)

    assert (known, others) == ({}, {"手机": "13900139000", "推荐人": "13800138000"})


def test_another_role_that_is_configured_is_kept_under_its_name() -> None:
    answers = [roles.Answer("f1", "f1", "零售"), roles.Answer("f2", "f2", "张三")]

    known, others = roles.told_apart(answers, {"trade": "f1", "name": "f2"})

    assert (known, others) == ({"name": "张三"}, {"trade": "零售"})


def test_of_two_telephones_the_one_that_can_be_read_is_taken() -> None:
    answers = [roles.Answer("a", "电话", "无"), roles.Answer("b", "手机", "１３８ ００１３ ８０００")]

    known, others = roles.told_apart(answers, {})

    assert (known, others) == ({"phone": "１３８ ００１３ ８０００"}, {"电话": "无"})


@pytest.mark.parametrize("number", ["0012345678901", "400 800 1234", "101812480275", "12345", "010-61234567"])
def test_no_other_number_is_taken_for_a_telephone(number: str) -> None:
    known, others = roles.told_apart([roles.Answer("q1", "q1", number)], {}, by_value=True)

    assert (known, others) == ({}, {"q1": number})


def test_two_answers_of_one_title_are_both_kept() -> None:
    answers = [roles.Answer("a", "备注", "甲"), roles.Answer("b", "备注", "乙")]

    assert roles.told_apart(answers, {}) == ({}, {"备注": "甲", "备注 (2)": "乙"})


# -- by the address --------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [jinshuju, wjx])
def test_a_provider_that_signs_nothing_proves_itself_by_the_address(module: Any) -> None:
    request = request_of("any", {})

    assert module.verify(request, [{"token_sha256": "0" * 64}, BY_ADDRESS]) == BY_ADDRESS
    for forged in (replace(request, token=""), replace(request, token=TOKEN + "x"), replace(request, token="\ud800")):
        with pytest.raises(UnauthenticatedError):
            module.verify(forged, [BY_ADDRESS])


@pytest.mark.parametrize("module", [jinshuju, wjx])
def test_a_call_from_a_network_that_is_not_listed_is_refused(module: Any) -> None:
    request = request_of("any", {})
    listed = replace(request, source=replace(request.source, allow_ips=("203.0.113.0/24",)))

    assert module.verify(listed, [BY_ADDRESS]) == BY_ADDRESS
    with pytest.raises(UnauthenticatedError):
        module.verify(replace(listed, ip="198.51.100.1"), [BY_ADDRESS])


# -- 金数据 ----------------------------------------------------------------------------------------

ENTRY = {
    "token": "HgdvvZx9",
    "serial_number": 1,
    "field_1": "张三",
    "x_field_1": "",
    "creator_name": "匿名",
    "created_at": "2022-08-23T05:34:17.873Z",
    "updated_at": "2022-08-23T05:34:17.873Z",
    "info_remote_ip": "113.200.81.42",
}


def entry(**changes: Any) -> dict[str, Any]:
    return {"form": "Oet50U", "form_name": "测试表单", "entry": ENTRY | changes}


def test_the_published_entry_of_jinshuju_is_parked_since_it_reaches_nobody() -> None:
    delivery = parsed("jinshuju", entry())

    assert delivery.key == "Oet50U+HgdvvZx9+2022-08-23T05:34:17.873Z"
    assert delivery.parked == "没有可识别的联系方式(手机号或邮箱)"
    assert delivery.fields == {"field_1": "张三"}


def test_an_entry_is_read_by_the_configured_fields() -> None:
    body = entry(field_2="１３８ ００１３ ８０００", field_3="李四的手机 13900139000", field_4=["零售", "批发"])

    delivery = parsed("jinshuju", body, name="field_1", phone="field_2", trade="field_4")

    assert (delivery.contact.name, delivery.identities, delivery.parked) == ("张三", MOBILE, None)
    assert delivery.fields == {"trade": "零售、批发", "field_3": "李四的手机 13900139000"}
    assert delivery.occurred_at == datetime(2022, 8, 23, 5, 34, 17, 873000, tzinfo=UTC)
    assert (delivery.signed, delivery.kind, delivery.source_ref) == (False, "lead", "Oet50U")


def test_an_entry_without_configuration_is_read_by_its_answers() -> None:
    delivery = parsed("jinshuju", entry(field_2="+86 138-0013-8000", field_3=" Li@Example.com "))

    assert delivery.identities == (*MOBILE, Identity("email", "li@example.com"))
    assert (delivery.contact.name, delivery.fields) == ("", {"field_1": "张三"})


def test_a_number_that_comes_as_a_number_is_a_telephone_all_the_same() -> None:
    assert parsed("jinshuju", entry(field_2=13800138000)).identities == MOBILE


def test_renamed_fields_of_jinshuju_tell_their_role() -> None:
    delivery = parsed("jinshuju", entry(姓名="李四", phone="13800138000"))

    assert (delivery.contact.name, delivery.identities) == ("李四", MOBILE)


def test_a_changed_entry_is_another_delivery_and_a_repeated_one_is_not() -> None:
    first, again = parsed("jinshuju", entry()), parsed("jinshuju", entry(field_1="李四"))
    changed = parsed("jinshuju", entry(updated_at="2022-08-24T00:00:00.000Z"))

    assert first.receipt == again.receipt != changed.receipt


def test_an_entry_without_a_token_goes_by_its_serial_number() -> None:
    assert parsed("jinshuju", entry(token=None)).key == "Oet50U+1+2022-08-23T05:34:17.873Z"


# -- 问卷星 ----------------------------------------------------------------------------------------

SHEET = {
    "activity": "5657754",
    "index": "12",
    "joinid": "101812480275",
    "name": "问卷名称",
    "timetaken": "528",
    "submittime": "2016-08-23 10:01:59",
    "q1": "1",
    "q2": "测试",
    "totalvalue": "15",
    "sign": "f9d5591c00d698cd44d1fbb4c4d4c314e2c4939c",
}


def test_the_sign_of_wenjuanxing_is_accepted() -> None:
    assert wjx.verify(request_of("wjx", SHEET), [WJX]) == WJX
    assert wjx.verify(request_of("wjx", SHEET | {"activity": 5657754, "index": 12}), [WJX]) == WJX


@pytest.mark.parametrize(
    "changes",
    [
        {"sign": ""},
        {"sign": None},
        {"sign": SHEET["sign"].upper()},
        {"index": "13"},
        {"activity": "5657755"},
        {"activity": None},
    ],
)
def test_a_sign_that_does_not_fit_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UnauthenticatedError):
        wjx.verify(request_of("wjx", SHEET | changes), [WJX])


def test_the_right_sign_without_the_address_is_refused_unread() -> None:
    for body in (SHEET, b"no JSON at all"):
        with pytest.raises(UnauthenticatedError):
            wjx.verify(replace(request_of("wjx", body), token="another"), [WJX])


def test_a_sheet_is_read_by_the_configured_questions() -> None:
    body = SHEET | {"q3": "138 0013 8000", "q4_1": "选项", "sojumpparm": "baidu"}

    delivery = parsed("wjx", body, name="q2", phone="q3")

    assert (delivery.key, delivery.signed) == ("5657754+101812480275", False)
    assert (delivery.contact.name, delivery.identities, delivery.parked) == ("测试", MOBILE, None)
    assert delivery.fields == {"q1": "1", "q4_1": "选项", "sojumpparm": "baidu"}
    assert delivery.occurred_at == datetime(2016, 8, 23, 2, 1, 59, tzinfo=UTC)


def test_a_sheet_without_configuration_is_read_by_its_answers_alone() -> None:
    delivery = parsed("wjx", SHEET | {"q3": "１３８００１３８０００", "sojumpparm": "13900139000"})

    assert (delivery.identities, delivery.contact.name) == (MOBILE, "")
    assert delivery.contact.phones == ("+8613800138000",)


# -- 简道云 ----------------------------------------------------------------------------------------

JDY_BODY = '{"op":"data_create","data":{"_id":"5f0ade"}}'
JDY_SIGNATURE = "e492a90eb3914d024dd2496dbb91fbe77edc484b"


def jdy_request(body: str = JDY_BODY, signature: str = JDY_SIGNATURE) -> Request:
    request = request_of("jiandaoyun", body.encode())
    headers = {"x-jdy-signature": signature, "x-jdy-deliverid": "7d38cdd6"}
    return replace(request, at=at(1498586609), headers=headers, query={"timestamp": "1498586609", "nonce": "0f5ade"})


def record(op: str = "data_create", **widgets: Any) -> dict[str, Any]:
    about = {"_id": "5f0ade", "entryId": "e1", "formName": "线索", "creator": {"name": "小简"}}
    times = {"createTime": "2026-01-26T01:00:00.000Z", "updateTime": "2026-01-26T02:00:00.000Z"}
    return {"op": op, "data": about | times | widgets}


def test_the_jiandaoyun_vectors_are_accepted() -> None:
    named = '{"op":"data_create","data":{"_id":"5f","name":"张三"}}'

    assert jiandaoyun.verify(jdy_request(), [SECRET]) == SECRET
    assert jiandaoyun.verify(jdy_request(named, "3146eddc8f3afa15e246a0c6363d15414db6bbff"), [SECRET]) == SECRET


JDY_FORGERIES = {
    "another body": jdy_request(JDY_BODY + " "),
    "a signature in capitals": jdy_request(signature=JDY_SIGNATURE.upper()),
    "no signature": jdy_request(signature=""),
    "another nonce": replace(jdy_request(), query={"timestamp": "1498586609", "nonce": "0f5adf"}),
    "a nonce that no address could hold": replace(jdy_request(), query={"timestamp": "1498586609", "nonce": "\ud800"}),
    "another time": replace(jdy_request(), query={"timestamp": "1498586610", "nonce": "0f5ade"}),
    "no time": replace(jdy_request(), query={"nonce": "0f5ade"}),
    "a replay after five minutes": replace(jdy_request(), at=at(1498586609 + 301)),
    "five minutes ahead": replace(jdy_request(), at=at(1498586609 - 301)),
}


@pytest.mark.parametrize("request_", JDY_FORGERIES.values(), ids=JDY_FORGERIES.keys())
def test_a_jiandaoyun_forgery_is_refused_without_a_word(request_: Request) -> None:
    with pytest.raises(UnauthenticatedError) as refused:
        jiandaoyun.verify(request_, [SECRET])

    assert refused.value.detail == ""


def test_a_record_is_read_by_the_configured_widgets() -> None:
    widgets: dict[str, Any] = {
        "_widget_1": "张三",
        "_widget_2": {"verified": False, "phone": "13800138000"},
        "_widget_3": 30,
        "_widget_4": ["零售", "批发"],
        "_widget_5": {"province": "江苏省", "city": "无锡市", "district": "梁溪区", "detail": "1号"},
        "_widget_6": None,
    }

    delivery = parsed("jiandaoyun", record(**widgets), name="_widget_1", phone="_widget_2")

    assert (delivery.contact.name, delivery.identities, delivery.signed) == ("张三", MOBILE, True)
    assert delivery.fields == {"_widget_3": "30", "_widget_4": "零售、批发", "_widget_5": "江苏省 无锡市 梁溪区 1号"}
    assert (delivery.key, delivery.source_ref, delivery.occurred_at) == ("d-1", "e1", NINE)


def test_a_changed_record_is_a_further_delivery_of_the_same_person() -> None:
    delivery = parsed("jiandaoyun", record("data_update", phone={"phone": "13800138000"}))

    assert (delivery.kind, delivery.identities, delivery.parked) == ("lead", MOBILE, None)
    assert delivery.occurred_at == NINE + timedelta(hours=1)


@pytest.mark.parametrize("op", ["data_remove", "data_test", "form_update"])
def test_what_else_jiandaoyun_pushes_is_parked_with_its_reason(op: str) -> None:
    assert parsed("jiandaoyun", {"op": op}).parked == f"暂不处理的简道云推送：{op}"


def test_a_push_without_its_delivery_id_is_refused_by_name() -> None:
    request = replace(request_of("jiandaoyun", record()), headers={})

    with pytest.raises(InvalidInputError, match="X-JDY-DeliverId"):
        jiandaoyun.parse(request, {})


# -- Tally -----------------------------------------------------------------------------------------

TALLY_BODY = (
    '{"eventId":"a4cb511e-d513-4fa5-baee-b815d718dfd1","eventType":"FORM_RESPONSE",'
    '"createdAt":"2026-01-13T02:00:00.000Z","data":{"responseId":"2wgx4n","submissionId":"2wgx4n",'
    '"respondentId":"dwQKYm","formId":"VwbNEw","formName":"demo","fields":[{"key":"q1","label":"手机",'
    '"type":"INPUT_PHONE_NUMBER","value":"+8613800000001"}]}}'
)
TALLY_SIGNATURE = "rwdQugk5TzdzsfHbfUOvf1NuNE8ENunXwRUCjlRa1PY="


def tally_request(signature: str) -> Request:
    return replace(request_of("tally", TALLY_BODY.encode()), headers={"tally-signature": signature})


def response(*answers: Any, **changes: Any) -> dict[str, Any]:
    known = {"eventId": "e", "eventType": "FORM_RESPONSE", "createdAt": "2026-01-26T01:00:00.000Z"}
    return known | {"data": {"formId": "f", "fields": list(answers)}} | changes


def test_the_tally_vector_is_accepted_and_read() -> None:
    request = tally_request(TALLY_SIGNATURE)

    [delivery] = tally.parse(request, tally.verify(request, [{"secret": "old"}, SECRET]))

    assert (delivery.key, delivery.source_ref) == ("a4cb511e-d513-4fa5-baee-b815d718dfd1", "VwbNEw")
    assert delivery.identities == (Identity("phone", "+8613800000001"),)
    assert (delivery.signed, delivery.occurred_at) == (True, datetime(2026, 1, 13, 2, tzinfo=UTC))


@pytest.mark.parametrize("signature", ["", TALLY_SIGNATURE[:-1], TALLY_SIGNATURE.lower(), "\ud800", "é"])
def test_a_changed_tally_signature_is_refused(signature: str) -> None:
    with pytest.raises(UnauthenticatedError):
        tally.verify(tally_request(signature), [SECRET])


def test_a_response_is_read_by_types_and_labels_and_its_options_are_named() -> None:
    options = [{"id": "o1", "text": "零售"}, {"id": "o2", "text": "批发"}, "odd", {"id": "o3"}]
    delivery = parsed(
        "tally",
        response(
            {"key": "k1", "label": "您的姓名", "type": "INPUT_TEXT", "value": "张三"},
            {"key": "k2", "label": "怎么联系", "type": "INPUT_PHONE_NUMBER", "value": "138 0013 8000"},
            {"key": "k3", "label": "邮箱", "type": "INPUT_TEXT", "value": "a@example.com"},
            {"key": "k4", "label": "行业", "type": "CHECKBOXES", "value": ["o1", "o2", "o3"], "options": options},
            {"key": "k4_o1", "label": "行业 (零售)", "type": "CHECKBOXES", "value": True},
            {"key": "k5", "label": "规模", "type": "DROPDOWN", "value": "o2", "options": options},
            {"key": "k6", "label": None, "type": "INPUT_NUMBER", "value": 30},
            {"key": "k7", "label": "备注", "type": "TEXTAREA", "value": None},
        ),
    )

    assert delivery.contact.name == "张三"
    assert delivery.identities == (*MOBILE, Identity("email", "a@example.com"))
    assert delivery.fields == {"行业": "零售、批发、o3", "规模": "批发", "k6": "30"}


@pytest.mark.parametrize("named", ["k2", "推荐人"])
def test_a_response_is_read_by_the_configured_key_or_label(named: str) -> None:
    answers = [
        {"key": "k1", "label": "手机", "type": "INPUT_PHONE_NUMBER", "value": "13900139000"},
        {"key": "k2", "label": "推荐人", "type": "INPUT_TEXT", "value": "13800138000"},
    ]

    assert parsed("tally", response(*answers), phone=named).identities == MOBILE


# -- HubSpot ---------------------------------------------------------------------------------------

HUBSPOT_BODY = (
    '[{"eventId":567890123,"subscriptionId":234567,"portalId":12345678,"appId":987654,"occurredAt":1708986598741,'
    '"subscriptionType":"contact.creation","attemptNumber":0,"objectId":65059681032,"changeFlag":"CREATED",'
    '"changeSource":"CRM_UI","sourceId":"userId:45678"}]'
)
HUBSPOT_TIME = datetime.fromtimestamp(1708986599, UTC) + timedelta(milliseconds=647)


def hubspot_request(
    body: str = HUBSPOT_BODY,
    signature: str = "CI90LJIqI5AVpRrkITQjT5o+Yy2ZZ5aaZwOerLX1YeI=",
    timestamp: str = "1708986599647",
    url: str = "https://api.example.com/webhooks/hubspot",
) -> Request:
    headers = {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": timestamp}
    return replace(request_of("hubspot", body.encode()), at=HUBSPOT_TIME, headers=headers, url=url)


def hubspot_signed(url_as_signed: str, *, url: str, secret: str = SECRET["secret"]) -> Request:
    content = f"POST{url_as_signed}{HUBSPOT_BODY}1708986599647".encode()
    signature = base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest()).decode()
    return hubspot_request(signature=signature, url=url)


def event(**changes: Any) -> dict[str, Any]:
    known = {"eventId": 1, "portalId": 2, "objectId": 3, "subscriptionType": "contact.creation"}
    return known | changes


def test_the_hubspot_vectors_are_accepted() -> None:
    small = replace(
        hubspot_request(
            '[{"eventId":1,"subscriptionType":"contact.creation"}]',
            "pGwKTFCCYi4O9V0ncrFwPq0MHMMRMoH8Wa399aZuKE8=",
            "1767225600000",
            "https://example.com/webhook",
        ),
        at=at(1767225600),
    )

    assert hubspot.verify(hubspot_request(), [SECRET]) == SECRET
    assert hubspot.verify(small, [SECRET, {"secret": "hs-secret"}]) == {"secret": "hs-secret"}


def test_hubspot_decodes_some_escapes_of_the_address_and_no_others() -> None:
    called = "https://api.example.com/w%2fx%3Ay?a=%21%24%27%28%29%2A%2C%3B%40&b=%20%26%25"
    signed = "https://api.example.com/w/x:y?a=!$'()*,;@&b=%20%26%25"

    assert hubspot.verify(hubspot_signed(signed, url=called), [SECRET]) == SECRET
    with pytest.raises(UnauthenticatedError):
        hubspot.verify(hubspot_signed(called, url=called), [SECRET])


HUBSPOT_FORGERIES = {
    "another body": hubspot_request(HUBSPOT_BODY + " "),
    "another method": replace(hubspot_request(), method="PUT"),
    "another address": hubspot_request(url="https://api.example.com/webhooks/hubspot2"),
    "an address that cannot be": hubspot_request(url="\ud800"),
    "another time": hubspot_request(timestamp="1708986599648"),
    "a time in seconds": hubspot_request(timestamp="1708986599"),
    "a time in words": hubspot_request(timestamp="now"),
    "a time in other digits": hubspot_request(timestamp="１７０８９８６５９９６４７"),
    "an endless time": hubspot_request(timestamp="9" * 400),
    "no time": hubspot_request(timestamp=""),
    "no signature": hubspot_request(signature=""),
    "a millisecond too late": replace(hubspot_request(), at=HUBSPOT_TIME + timedelta(minutes=5, milliseconds=1)),
    "a millisecond too early": replace(hubspot_request(), at=HUBSPOT_TIME - timedelta(minutes=5, milliseconds=1)),
}


@pytest.mark.parametrize("request_", HUBSPOT_FORGERIES.values(), ids=HUBSPOT_FORGERIES.keys())
def test_a_hubspot_forgery_is_refused_without_a_word(request_: Request) -> None:
    with pytest.raises(UnauthenticatedError) as refused:
        hubspot.verify(request_, [SECRET])

    assert refused.value.detail == ""


@pytest.mark.parametrize("minutes", [-5, 5])
def test_hubspot_may_be_five_minutes_off_either_way(minutes: int) -> None:
    request = replace(hubspot_request(), at=HUBSPOT_TIME + timedelta(minutes=minutes))

    assert hubspot.verify(request, [SECRET]) == SECRET


def test_a_new_contact_is_a_lead_whose_details_are_asked_for_later() -> None:
    delivery = parsed("hubspot", HUBSPOT_BODY.encode())

    assert delivery.key == "12345678+567890123+65059681032"
    assert (delivery.kind, delivery.change, delivery.parked) == ("lead", None, None)
    assert delivery.identities == (Identity("object", "hubspot:12345678:65059681032"),)
    assert delivery.enrichment == Enrichment("hubspot", "65059681032")
    assert delivery.occurred_at == datetime.fromtimestamp(1708986598, UTC) + timedelta(milliseconds=741)


@pytest.mark.parametrize(
    ("said", "kind", "change", "is_asked_for"),
    [
        ({"subscriptionType": "object.creation", "objectTypeId": "0-1"}, "lead", None, True),
        ({"subscriptionType": "contact.propertyChange"}, "contact", "edited", True),
        ({"subscriptionType": "contact.merge"}, "contact", "edited", True),
        ({"subscriptionType": "object.propertyChange", "objectTypeId": "0-1"}, "contact", "edited", True),
        ({"subscriptionType": "contact.deletion"}, "contact", "deleted", False),
        ({"subscriptionType": "contact.privacyDeletion"}, "contact", "deleted", False),
    ],
)
def test_what_happens_to_a_contact_is_told_by_its_kind(
    said: dict[str, str], kind: str, change: str | None, is_asked_for: bool
) -> None:
    delivery = parsed("hubspot", [event(**said)])

    assert (delivery.kind, delivery.change, delivery.parked) == (kind, change, None)
    assert delivery.identities == (Identity("object", "hubspot:2:3"),)
    assert (delivery.enrichment is not None) == is_asked_for


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"subscriptionType": "deal.creation"}, "暂不处理的 HubSpot 事件：deal.creation"),
        (
            {"subscriptionType": "object.creation", "objectTypeId": "0-3"},
            "暂不处理的 HubSpot 事件：object.creation",
        ),
        ({"subscriptionType": "contact"}, "暂不处理的 HubSpot 事件：contact"),
        ({"subscriptionType": "contact.associationChange", "objectId": None}, "事件中没有对象编号"),
    ],
)
def test_an_event_of_nobody_is_parked_and_claims_no_identity(said: dict[str, Any], why: str) -> None:
    delivery = parsed("hubspot", [event(**said)])

    assert (delivery.parked, delivery.identities, delivery.enrichment) == (why, (), None)


def test_one_request_may_hold_a_hundred_events_and_no_more() -> None:
    events = [event(eventId=number) for number in range(100)]

    deliveries = hubspot.parse(request_of("hubspot", events), {})

    assert len({delivery.receipt for delivery in deliveries}) == 100
    for wrong in ([], [*events, event()]):
        assert refused_field("hubspot", wrong) == "events"


# -- Svix and samples ------------------------------------------------------------------------------


def standard_headers(family: str, secret: dict[str, str], message_id: str, body: bytes) -> dict[str, str]:
    key = base64.b64decode(secret["secret"].removeprefix("whsec_"))
    timestamp = str(int(NINE.timestamp()))
    signed = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    said = {"id": message_id, "timestamp": timestamp, "signature": f"v1,{base64.b64encode(signed).decode()}"}
    return {f"{family}-{part}": value for part, value in said.items()}


LEAD = written({"type": "lead.created", "data": {"phone": "13800138000"}})


def test_svix_signs_with_headers_of_its_own_name() -> None:
    request = replace(request_of("standard", LEAD), headers=standard_headers("svix", SVIX, "msg_svix", LEAD))

    [delivery] = standard.parse(request, standard.verify(request, [SVIX]))

    assert (delivery.key, delivery.identities, delivery.occurred_at) == ("msg_svix", MOBILE, NINE)


def test_where_both_sets_come_those_of_the_standard_win() -> None:
    ours = standard_headers("webhook", SVIX, "msg_standard", LEAD)
    others = standard_headers("svix", {"secret": "whsec_AAAA"}, "msg_svix", LEAD)
    request = replace(request_of("standard", LEAD), headers=ours | others)

    [delivery] = standard.parse(request, standard.verify(request, [SVIX]))

    assert delivery.key == "msg_standard"


def test_half_of_each_set_is_refused() -> None:
    good = standard_headers("svix", SVIX, "msg_svix", LEAD)
    request = replace(request_of("standard", LEAD), headers=good | {"webhook-id": "msg_standard"})

    with pytest.raises(UnauthenticatedError):
        standard.verify(request, [SVIX])


URL = f"https://leads.example.com/webhooks/test/{TOKEN}"
SAMPLED: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "standard": ("standard", SVIX, {}),
    "typeform": ("typeform", SECRET, {}),
    "typeform, configured": ("typeform", SECRET, {"name": "q-name", "phone": "q-phone", "trade": "q-trade"}),
    "wecom": ("wecom", WECOM, {}),
    "jinshuju": ("jinshuju", BY_ADDRESS, {}),
    "jinshuju, configured": ("jinshuju", BY_ADDRESS, {"name": "field_1", "phone": "field_2"}),
    "wjx": ("wjx", BY_ADDRESS, {}),
    "wjx, configured": ("wjx", WJX, {"name": "q5", "phone": "q6"}),
    "jiandaoyun": ("jiandaoyun", SECRET, {}),
    "jiandaoyun, configured": ("jiandaoyun", SECRET, {"name": "_widget_1", "phone": "_widget_2"}),
    "tally": ("tally", SECRET, {}),
    "tally, configured": ("tally", SECRET, {"name": "question_1", "phone": "question_2"}),
    "hubspot": ("hubspot", SECRET, {}),
}
ANONYMOUS = ("wecom", "hubspot")  # their messages carry ids alone


def sampled(provider: str, secret: dict[str, str], fields: dict[str, str], now: datetime) -> Request:
    source = Source("test", provider, "huadong", "source/test", fields)
    sample = sources.provider(provider).sample(source, secret, now, URL)
    return Request(source, "POST", sample.body, now, sample.headers, sample.query, URL, TOKEN)


@pytest.mark.parametrize(("provider", "secret", "fields"), SAMPLED.values(), ids=SAMPLED.keys())
def test_a_sample_is_accepted_and_makes_one_new_lead(
    provider: str, secret: dict[str, str], fields: dict[str, str]
) -> None:
    module = sources.provider(provider)
    request = sampled(provider, secret, fields, NINE)

    [delivery] = module.parse(request, module.verify(request, [secret]))

    assert (delivery.kind, delivery.parked, len(delivery.identities)) == ("lead", None, 1)
    if provider not in ANONYMOUS:
        assert delivery.identities == (Identity("phone", "+8619900000000"),)
        assert "测试线索" in (delivery.contact.name, *delivery.fields.values())


@pytest.mark.parametrize(("provider", "secret", "fields"), SAMPLED.values(), ids=SAMPLED.keys())
def test_two_samples_are_two_deliveries(provider: str, secret: dict[str, str], fields: dict[str, str]) -> None:
    requests = [sampled(provider, secret, fields, NINE + timedelta(milliseconds=number)) for number in (0, 1)]

    [first], [second] = (sources.provider(provider).parse(request, secret) for request in requests)

    assert first.receipt != second.receipt


# -- hostile bodies --------------------------------------------------------------------------------

FORMS = ("typeform", "jinshuju", "wjx", "jiandaoyun", "tally", "hubspot")
HOSTILE = {
    "nothing": b"",
    "not UTF-8": b'{"form": "\xff"}',
    "UTF-16": '{"form": 1}'.encode("utf-16"),
    "a depth of 100,000": b"[" * 100_000,
    "5,000 digits": b'{"entry": ' + b"9" * 5000 + b"}",
    "NaN": b'[{"eventId": NaN}]',
    "NUL": b'{"form": "\\u0000"}',
    "a lone surrogate": b'{"form": "\\ud800"}',
    "a key twice": b'{"op": "data_create", "op": "data_create"}',
    "a text": b'"data_create"',
}


@pytest.mark.parametrize("provider", FORMS)
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_body_is_malformed(provider: str, body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        parsed(provider, body)


@pytest.mark.parametrize("provider", FORMS)
def test_a_body_of_the_other_shape_is_malformed(provider: str) -> None:
    with pytest.raises(MalformedBodyError):
        parsed(provider, {} if provider == "hubspot" else [])


ODD: list[tuple[str, Any, str]] = [
    ("jinshuju", {}, "form"),
    ("jinshuju", {"form": 7}, "form"),
    ("jinshuju", {"form": "f"}, "entry"),
    ("jinshuju", {"form": "f", "entry": []}, "entry"),
    ("jinshuju", entry(token=None, serial_number=None), "entry.token"),
    ("jinshuju", entry(token=None, serial_number="1"), "entry.serial_number"),
    ("jinshuju", entry(token=["a"]), "entry.token"),
    ("jinshuju", entry(updated_at=1), "entry.updated_at"),
    ("jinshuju", entry(created_at="soon"), "entry.created_at"),
    ("wjx", {}, "activity"),
    ("wjx", {"activity": True, "joinid": "1"}, "activity"),
    ("wjx", SHEET | {"joinid": ""}, "joinid"),
    ("wjx", SHEET | {"submittime": 1}, "submittime"),
    ("wjx", SHEET | {"submittime": "2026-02-30 00:00:00"}, "submittime"),
    ("wjx", SHEET | {"submittime": "2026-02-20 00:00:00Z"}, "submittime"),
    ("wjx", SHEET | {"submittime": "0001-01-01 00:00:00"}, "submittime"),
    ("jiandaoyun", {}, "op"),
    ("jiandaoyun", {"op": 1}, "op"),
    ("jiandaoyun", {"op": "data_create"}, "data"),
    ("jiandaoyun", record(createTime="soon"), "data.createTime"),
    ("jiandaoyun", record("data_update", updateTime=[]), "data.updateTime"),
    ("jiandaoyun", record(entryId={}), "data.entryId"),
    ("tally", {}, "eventType"),
    ("tally", response(eventType="FORM_VIEWED"), "eventType"),
    ("tally", response(data=None), "data"),
    ("tally", response(eventId=None), "eventId"),
    ("tally", response(createdAt="soon"), "createdAt"),
    ("tally", response(data={"fields": {"a": 1}}), "data.fields"),
    ("tally", response(7), "data.fields[0]"),
    ("tally", response({"key": "k"}), "data.fields[0].type"),
    ("tally", response({"type": "INPUT_TEXT"}), "data.fields[0].key"),
    ("tally", response({"type": "INPUT_TEXT", "key": "k", "label": []}), "data.fields[0].label"),
    ("hubspot", [7], "events[0]"),
    ("hubspot", [event(), event(portalId=None)], "events[1].portalId"),
    ("hubspot", [event(eventId="1")], "events[0].eventId"),
    ("hubspot", [event(eventId=-1)], "events[0].eventId"),
    ("hubspot", [event(objectId=10**29)], "events[0].objectId"),
    ("hubspot", [event(objectId=1.5)], "events[0].objectId"),
    ("hubspot", [event(occurredAt=10**15)], "events[0].occurredAt"),
    ("hubspot", [event(occurredAt="now")], "events[0].occurredAt"),
    ("hubspot", [event(subscriptionType=None)], "events[0].subscriptionType"),
    ("hubspot", [event(changeSource=1)], "events[0].changeSource"),
]


@pytest.mark.parametrize(("provider", "body", "field"), ODD)
def test_nonsense_is_refused_by_the_name_of_its_field(provider: str, body: Any, field: str) -> None:
    assert refused_field(provider, body) == field


WORDS = (
    *("form", "entry", "token", "serial_number", "updated_at", "created_at", "phone", "activity", "joinid", "q1"),
    *("submittime", "op", "data", "_id", "createTime", "eventType", "eventId", "fields", "key", "label", "type"),
    *("value", "options", "id", "text", "portalId", "objectId", "subscriptionType", "event_type", "form_response"),
    *("answers", "field", "ref", "definition", "title", "hidden", "occurredAt"),
)
VALUES = ("data_create", "FORM_RESPONSE", "form_response", "contact.creation", "13800138000", "a@example.com", "text")
texts = st.sampled_from(VALUES) | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9)
leaves = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, width=32) | texts
documents = st.recursive(
    leaves.filter(lambda leaf: leaf not in (float("inf"), float("-inf"))),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.just("f1"), inner, max_size=6)
    ),
    max_leaves=25,
)
BASES: dict[str, Any] = {
    "jinshuju": entry(),
    "wjx": SHEET,
    "jiandaoyun": record(),
    "tally": response({"key": "k", "type": "INPUT_TEXT", "value": "x"}),
    "typeform": {"event_type": "form_response", "form_response": {"token": "t", "answers": []}},
    "hubspot": event(),
}


@pytest.mark.parametrize("provider", FORMS)
@settings(max_examples=60, deadline=None)
@given(documents, st.data())
def test_whatever_comes_is_read_or_refused_by_name(provider: str, document: Any, data: st.DataObject) -> None:
    body = dict(BASES[provider])
    body[data.draw(st.sampled_from(sorted(body)))] = document
    inner = next((key for key, value in BASES[provider].items() if isinstance(value, dict)), None)
    if inner and isinstance(body[inner], dict):
        body[inner] = body[inner] | {data.draw(st.sampled_from(sorted(BASES[provider][inner]))): document}

    for said in (body, document):
        try:
            found: object = sources.provider(provider).parse(
                request_of(provider, [said] if provider == "hubspot" else said), {}
            )
        except LeadtrailError as error:
            found = error.status
        assert isinstance(found, tuple) or found in (400, 422)


def test_a_form_of_endless_answers_is_cut_to_what_a_row_can_hold() -> None:
    delivery = parsed(
        "jinshuju", entry(name="长" * 5000, phone="13800138000", **{f"f{n}": "答" * 900 for n in range(60)})
    )

    assert len(delivery.contact.name) == 2000
    assert len(json.dumps(dict(delivery.fields), ensure_ascii=False).encode()) < 150_000


@pytest.mark.parametrize("module", [jiandaoyun, tally, hubspot])
@pytest.mark.parametrize("secret", [{}, {"secret": ""}])
def test_a_source_without_its_secret_lets_nobody_in(module: Any, secret: dict[str, str]) -> None:
    source = Source("test", "any", "huadong", "source/test")
    sample = module.sample(source, {"secret": ""}, NINE, URL)

    with pytest.raises(UnauthenticatedError):
        module.verify(Request(source, "POST", sample.body, NINE, sample.headers, sample.query, URL), [secret])


# -- Typeform titles -------------------------------------------------------------------------------


def test_the_titles_of_a_typeform_tell_the_roles_of_its_questions() -> None:
    answers = [
        {"type": "text", "text": said, "field": {"ref": ref}}
        for ref, said in (
            ("r1", "张三"),
            ("r2", "１３８００１３８０００"),
            ("r3", "a@example.com"),
            ("r4", "13900139000"),
        )
    ]
    titles = {"r1": "您的姓名", "r2": "联系电话", "r3": "邮箱", "r4": "推荐人手机"}
    definition = {"fields": [{"ref": ref, "title": title} for ref, title in titles.items()]}
    body = {"token": "t", "form_id": "f", "answers": answers, "definition": definition}

    delivery = parsed("typeform", {"event_type": "form_response", "form_response": body})

    assert delivery.contact.name == "张三"
    assert delivery.identities == (*MOBILE, Identity("email", "a@example.com"))
    assert delivery.fields == {"推荐人手机": "13900139000"}


def test_a_typeform_question_with_a_type_goes_before_one_with_a_title() -> None:
    answers = [
        {"type": "text", "text": "请发邮件", "field": {"ref": "phone"}},
        {"type": "phone_number", "phone_number": "+8613800138000", "field": {"ref": "r2"}},
    ]

    [delivery] = typeform.parse(
        request_of("typeform", {"event_type": "form_response", "form_response": {"token": "t", "answers": answers}}), {}
    )

    assert (delivery.identities, delivery.fields) == (MOBILE, {"phone": "请发邮件"})
