"""Call systems: published messages and signatures, talk and ringing, both orders of one call, and hostile values."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.ingest import sources
from functions.ingest.sources import Request, Secret, aliyun, calls, generic_cdr, tencent_ccc, tinet, twilio
from leadtrail.domain.company import Source
from leadtrail.domain.delivery import CallRecord, Delivery, RecordingOffer
from leadtrail.domain.errors import (
    InvalidInputError,
    LeadtrailError,
    MalformedBodyError,
    NotFoundError,
    UnauthenticatedError,
)
from leadtrail.domain.identity import Identity
from tests.builders import NINE

TOKEN = "3f0c1e7a9b5d4c2e8f6a7b1d0c9e8f7a"
BY_ADDRESS = {"token_sha256": hashlib.sha256(TOKEN.encode()).hexdigest()}
TWILIO = {"secret": "12345"}
EPOCH = int(NINE.timestamp())
CDR_FIELDS = {
    "id": "uuid",
    "direction": "type",
    "direction.in": "callin",
    "direction.out": "callout",
    "caller": "disnumber",
    "callee": "destnumber",
    "started_at": "starttime",
    "talk_s": "billsec",
    "recording_url": "recordurl",
}
PROVIDERS = [tencent_ccc, aliyun, tinet, twilio, generic_cdr]
NAMES = [module.__name__.rpartition(".")[2] for module in PROVIDERS]


def source(module: ModuleType, fields: Mapping[str, str] | None = None) -> Source:
    name = module.__name__.rpartition(".")[2]
    known = CDR_FIELDS if module is generic_cdr else {}
    return Source("hotline", name, "huadong", f"source/{name}", known if fields is None else fields)


def secret_of(module: ModuleType) -> Secret:
    return TWILIO if module is twilio else BY_ADDRESS


def request(module: ModuleType, body: bytes, *, fields: Mapping[str, str] | None = None, action: str = "") -> Request:
    return Request(source(module, fields), "POST", body, NINE, query={"action": action, "version": "1"}, token=TOKEN)


def parsed(module: ModuleType, said: object, *, form: bool = False, action: str = "") -> Delivery:
    body = urlencode(said) if form and isinstance(said, dict) else json.dumps(said)
    deliveries: tuple[Delivery, ...] = module.parse(request(module, body.encode(), action=action), secret_of(module))
    [delivery] = deliveries
    return delivery


def session(module: ModuleType, call_id: str) -> Identity:
    return Identity("session", f"{module.__name__.rpartition('.')[2]}:hotline:{call_id}")


# -- Tencent CCC -----------------------------------------------------------------------------------


def cdr(**changes: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "SdkAppId": 1400264214,
        "SessionId": "e97be0ab-1ef6-4ad2-a8c4-2b2bbfb18e55",
        "Caller": "008613800138000",
        "Callee": "008675500000000",
        "Direction": 0,
        "CallType": 2,
        "Duration": 65,
        "SeatUser": {"Name": "李雷", "UserId": "lilei", "Mail": "lilei@example.com"},
        "StartTimestamp": EPOCH,
        "RingTimestamp": EPOCH + 5,
        "AcceptTimestamp": EPOCH + 20,
        "EndedTimestamp": EPOCH + 85,
        "HungUpSide": "user",
        "RecordId": "1608130650",
    }
    return known | changes


def record(endpoint: str = "008613800138000") -> dict[str, Any]:
    return {
        "SdkAppId": 1400264214,
        "RecordId": "1608130650",
        "SessionId": "e97be0ab-1ef6-4ad2-a8c4-2b2bbfb18e55",
        "Timestamp": 1608130650,
        "EndpointUser": endpoint,
        "RecordURL": "http://recorder-10018504.cos.ap-shanghai.myqcloud.com/def/month12/000.mp3",
    }


def test_a_call_of_tencent_is_read() -> None:
    delivery = parsed(tencent_ccc, cdr(), action="cdr")

    assert delivery.key == "cdr+e97be0ab-1ef6-4ad2-a8c4-2b2bbfb18e55"
    assert (delivery.kind, delivery.signed, delivery.parked) == ("call", False, None)
    assert delivery.call == CallRecord("in", NINE, 65, "李雷")
    assert delivery.contact.phones == ("+8613800138000",)


def test_the_customer_of_an_outbound_call_is_who_was_called() -> None:
    delivery = parsed(tencent_ccc, cdr(Direction=1, Caller="075500000000", Callee="13900139000"), action="cdr")

    assert delivery.call is not None
    assert delivery.call.direction == "out"
    assert delivery.identities[0] == Identity("phone", "+8613900139000")


def test_a_call_that_nobody_accepted_has_no_talk_however_long_it_rang() -> None:
    delivery = parsed(tencent_ccc, cdr(AcceptTimestamp=0, Duration=80, SeatUser=None), action="cdr")

    assert delivery.call == CallRecord("in", NINE, 0, None)
    assert delivery.parked is None


def test_a_call_between_two_seats_is_parked() -> None:
    assert parsed(tencent_ccc, cdr(CallType=6), action="cdr").parked == "坐席之间的内部通话"


@pytest.mark.parametrize(
    ("endpoint", "party"), [("008613800138000", "customer"), ("lululing@tencent.com", "rep"), ("12001", "rep")]
)
def test_a_recording_of_tencent_is_one_partys(endpoint: str, party: str) -> None:
    delivery = parsed(tencent_ccc, record(endpoint), action="record")

    [offer] = delivery.recordings
    assert (delivery.kind, delivery.parked, offer.party) == ("recording", None, party)
    assert delivery.key == "record+e97be0ab-1ef6-4ad2-a8c4-2b2bbfb18e55+1608130650"
    assert offer.url == "https://recorder-10018504.cos.ap-shanghai.myqcloud.com/def/month12/000.mp3"


@pytest.mark.parametrize("first", ["cdr", "record"])
def test_call_and_recording_join_by_their_session_whichever_comes_first(first: str) -> None:
    messages = {"cdr": cdr(), "record": record("lululing@tencent.com")}
    order = [first, *(action for action in messages if action != first)]

    deliveries = [parsed(tencent_ccc, messages[action], action=action) for action in order]

    shared = set(deliveries[0].identities) & set(deliveries[1].identities)
    assert shared == {session(tencent_ccc, "e97be0ab-1ef6-4ad2-a8c4-2b2bbfb18e55")}
    assert deliveries[0].receipt != deliveries[1].receipt


def test_the_recording_of_the_customer_names_the_same_identities_as_the_call() -> None:
    call = parsed(tencent_ccc, cdr(), action="cdr")

    recording = parsed(tencent_ccc, record(), action="record")

    assert set(call.identities) == set(recording.identities)


def test_a_push_that_is_neither_is_parked() -> None:
    delivery = parsed(tencent_ccc, {"SessionId": "s"}, action="voicemail")

    assert delivery.parked == "暂不处理的推送类型：voicemail"


def test_the_seats_field_is_configuration() -> None:
    body = json.dumps(cdr()).encode()

    [delivery] = tencent_ccc.parse(request(tencent_ccc, body, fields={"agent": "Mail"}, action="cdr"), BY_ADDRESS)

    assert delivery.call is not None
    assert delivery.call.agent == "lilei@example.com"


def test_tencent_is_answered_in_its_own_words() -> None:
    assert json.loads(tencent_ccc.acknowledge("L", "created")["body"]) == {"ErrCode": 0, "ErrMsg": ""}


# -- Aliyun ----------------------------------------------------------------------------------------

RECORD_REPORT = {
    "call_id": "100001616500^10000187",
    "start_time": "2017-06-01 10:00:00",
    "end_time": "2017-06-01 10:03:00",
    "duration": "10",
    "status_code": "200010",
    "record_file": "http://bucket.oss-cn-hangzhou.aliyuncs.com/a.wav?Expires=1",
    "out_id": "123456",
    "record_begin_time": "2017-06-01 10:00:02",
}


def report(**changes: Any) -> dict[str, Any]:
    known = {
        "call_id": "100001616500^10000187",
        "originate_time": "2026-01-26 09:00:00",
        "start_time": "2026-01-26 09:00:20",
        "end_time": "2026-01-26 09:01:25",
        "caller": "057110001111",
        "callee": "13800138000",
        "duration": "80",
        "a_start_time": "2026-01-26 09:00:05",
        "b_duration": 65,
        "voice_type": "voice",
    }
    return known | changes


def test_the_recording_report_of_aliyun_is_read() -> None:
    delivery = parsed(aliyun, [RECORD_REPORT])

    assert (delivery.key, delivery.kind, delivery.parked) == ("100001616500^10000187", "recording", None)
    assert delivery.recordings == (
        RecordingOffer(
            "https://bucket.oss-cn-hangzhou.aliyuncs.com/a.wav?Expires=1",
            "both",
            datetime(2017, 6, 1, 2, 0, 2, tzinfo=UTC),
            10,
        ),
    )
    assert delivery.identities == (session(aliyun, "100001616500^10000187"),)


def test_a_call_report_of_aliyun_joins_its_recording() -> None:
    body = json.dumps([report(), RECORD_REPORT]).encode()

    call, recording = aliyun.parse(request(aliyun, body), BY_ADDRESS)

    assert call.call == CallRecord("out", NINE, 65)
    assert set(recording.identities) < set(call.identities)
    assert call.receipt != recording.receipt


@pytest.mark.parametrize(
    ("changes", "talk_s"),
    [
        ({}, 65),
        ({"a_start_time": ""}, 0),
        ({"a_start_time": "", "voice_type": "smart_transfer"}, 65),
        ({"b_duration": None, "duration": "10秒"}, 10),
        ({"b_duration": None, "duration": "0", "start_time": ""}, 0),
        ({"caller": "13800138000", "callee": "057110001111", "a_start_time": ""}, 65),
    ],
    ids=["two legs", "the platform's own voice", "handed to a person", "one duration", "missed", "inbound"],
)
def test_talk_of_aliyun_is_that_of_a_person_of_ours(changes: dict[str, Any], talk_s: int) -> None:
    call = parsed(aliyun, [report(**changes)]).call

    assert call is not None
    assert call.talk_s == talk_s


def test_an_inbound_call_of_aliyun_is_the_callers() -> None:
    delivery = parsed(aliyun, report(caller="13800138000", callee="4001234567"))

    assert delivery.call is not None
    assert (delivery.call.direction, delivery.contact.phones) == ("in", ("+8613800138000",))


def test_a_state_in_the_middle_of_a_call_is_parked() -> None:
    state = {"call_id": "1^2", "status_code": "300000", "status_time": "2023-03-06 16:21:12", "out_id": "4"}

    delivery = parsed(aliyun, [state])

    assert (delivery.parked, delivery.key) == (aliyun.NO_FINISHED_CALL, "status+1^2+300000+2023-03-06 16:21:12")


@pytest.mark.parametrize("body", ["[]", "[1]", json.dumps([RECORD_REPORT] * 101)], ids=["none", "no object", "101"])
def test_a_push_of_aliyun_holds_1_to_100_reports(body: str) -> None:
    with pytest.raises(InvalidInputError):
        aliyun.parse(request(aliyun, body.encode()), BY_ADDRESS)


def test_the_report_of_a_push_that_makes_no_sense_is_named() -> None:
    body = json.dumps([RECORD_REPORT, RECORD_REPORT | {"duration": "-1"}]).encode()

    with pytest.raises(InvalidInputError) as refused:
        aliyun.parse(request(aliyun, body), BY_ADDRESS)

    assert refused.value.facts["field"] == "[1].duration"


def test_aliyun_is_answered_with_a_number() -> None:
    assert json.loads(aliyun.acknowledge(None, "parked")["body"]) == {"code": 0, "msg": "接收成功"}


# -- TiNet -----------------------------------------------------------------------------------------


def tinet_cdr(**changes: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "uniqueId": "10.10.62.138-1554964748.121328",
        "userId": "8000071",
        "cdrType": "cdr_ib",
        "callType": 1,
        "customerNumber": "13800138000",
        "startTime": EPOCH,
        "answerTime": EPOCH + 2,
        "bridgeTime": EPOCH + 20,
        "bridgeDuration": 65,
        "endTime": EPOCH + 85,
        "totalDuration": 85,
        "status": 1,
        "cno": "2001",
        "agentName": "李雷",
        "recordFile": "https://records.example.com/1.mp3",
    }
    return known | changes


@pytest.mark.parametrize("form", [False, True], ids=["JSON", "form"])
def test_a_call_of_tinet_is_read_from_json_and_from_a_form(form: bool) -> None:
    delivery = parsed(tinet, tinet_cdr(), form=form)

    assert delivery.key == "10.10.62.138-1554964748.121328"
    assert delivery.call == CallRecord("in", NINE, 65, "李雷")
    assert delivery.identities == (
        Identity("phone", "+8613800138000"),
        session(tinet, "10.10.62.138-1554964748.121328"),
    )
    assert [offer.url for offer in delivery.recordings] == ["https://records.example.com/1.mp3"]


@pytest.mark.parametrize(
    ("cdr_type", "status", "direction", "talk_s"),
    [
        ("cdr_ib", 1, "in", 65),
        ("cdr_ib", 2, "in", 0),
        ("cdr_ib", 3, "in", 0),
        ("cdr_ob_agent", 33, "out", 65),
        ("cdr_ob_agent", 32, "out", 0),
        ("cdr_ob_customer", 24, "out", 65),
        ("cdr_ob_customer", 22, "out", 0),
    ],
)
def test_talk_of_tinet_needs_both_sides(cdr_type: str, status: int, direction: str, talk_s: int) -> None:
    call = parsed(tinet, tinet_cdr(cdrType=cdr_type, status=status)).call

    assert call is not None
    assert (call.direction, call.talk_s) == (direction, talk_s)


def test_a_recording_that_is_only_a_files_name_is_not_offered() -> None:
    assert parsed(tinet, tinet_cdr(recordFile="path.amVGaWxlU3lzdGVt")).recordings == ()


def test_the_legs_of_one_call_of_tinet_share_its_session() -> None:
    leg = parsed(tinet, tinet_cdr(uniqueId="leg-2", mainUniqueId="10.10.62.138-1554964748.121328"))

    assert leg.key == "leg-2"
    assert session(tinet, "10.10.62.138-1554964748.121328") in leg.identities


# -- Twilio ----------------------------------------------------------------------------------------


def twilio_signature(url: str, pairs: list[tuple[str, str]], *, key: str = TWILIO["secret"]) -> str:
    signed = url + "".join(name + value for name, value in sorted(pairs))
    return base64.b64encode(hmac.new(key.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def signed_by_twilio(url: str, pairs: list[tuple[str, str]], signature: str) -> Request:
    body = urlencode(pairs).encode()
    return Request(source(twilio), "POST", body, NINE, {"x-twilio-signature": signature}, url=url)


@pytest.mark.parametrize(
    ("number", "signature"),
    [("+12349013030", "0/KCTR6DLpKmkAf8muzZqo1nDgQ="), ("+14158675309", "RSOYDt4T1cUTdK1PDd93/VVr8B8=")],
    ids=["TW-01", "of the documentation"],
)
def test_the_published_vectors_of_twilio_are_accepted(number: str, signature: str) -> None:
    pairs = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", number),
        ("Digits", "1234"),
        ("From", number),
        ("To", "+18005551212"),
    ]
    request = signed_by_twilio("https://mycompany.com/myapp.php?foo=1&bar=2", pairs, signature)

    assert twilio.verify(request, [{"secret": "old"}, TWILIO]) == TWILIO


@pytest.mark.parametrize(
    ("called", "signed"),
    [
        ("https://example.com/w?a=1", "https://example.com:443/w?a=1"),
        ("https://example.com:443/w", "https://example.com/w"),
        ("https://example.com:8443/w", "https://example.com/w"),
        ("http://example.com/w", "http://example.com:80/w"),
        ("https://example.com", "https://example.com:443"),
    ],
)
def test_twilio_may_sign_the_address_with_or_without_its_port(called: str, signed: str) -> None:
    pairs = [("CallSid", "CA1")]

    assert twilio.verify(signed_by_twilio(called, pairs, twilio_signature(signed, pairs)), [TWILIO]) == TWILIO


def test_a_field_that_stands_twice_is_signed_value_by_value_and_equal_values_once() -> None:
    signature = twilio_signature("https://example.com/w", [("B", "1"), ("B", "2"), ("A", "x")])
    pairs = [("B", "2"), ("B", "1"), ("B", "2"), ("A", "x")]

    assert twilio.verify(signed_by_twilio("https://example.com/w", pairs, signature), [TWILIO]) == TWILIO


@pytest.mark.parametrize("signature", ["", "AAAA", "签名", "\ud800", "RSOYDt4T1cUTdK1PDd93/VVr8B8="])
def test_a_forged_callback_is_refused(signature: str) -> None:
    request = signed_by_twilio("https://example.com/w", [("CallSid", "CA1")], signature)

    with pytest.raises(UnauthenticatedError):
        twilio.verify(request, [TWILIO, {}])


@pytest.mark.parametrize("change", ["url", "field", "token"])
def test_what_was_changed_after_signing_is_refused(change: str) -> None:
    url, pairs = "https://example.com/w", [("CallSid", "CA1"), ("From", "+8613800138000")]
    signature = twilio_signature(url, pairs, key="54321" if change == "token" else "12345")
    sent = [("CallSid", "CA1"), ("From", "+8613900139000")] if change == "field" else pairs
    request = signed_by_twilio(f"{url}?x=1" if change == "url" else url, sent, signature)

    with pytest.raises(UnauthenticatedError):
        twilio.verify(request, [TWILIO])


@pytest.mark.parametrize("body", [b"", b"%ff=1", b"a", b"\xff=1", b"&".join([b"a=1"] * 501)])
def test_a_body_that_twilio_cannot_have_sent_is_not_authentic(body: bytes) -> None:
    request = Request(source(twilio), "POST", body, NINE, {"x-twilio-signature": "x"}, url="https://example.com/w")

    with pytest.raises(UnauthenticatedError):
        twilio.verify(request, [TWILIO])


def status(**changes: str) -> dict[str, str]:
    known = {
        "CallSid": "CA1234567890ABCDE",
        "CallStatus": "completed",
        "Direction": "inbound",
        "From": "+8613800138000",
        "To": "+18005551212",
        "CallDuration": "65",
        "Timestamp": "Mon, 26 Jan 2026 01:01:05 +0000",
    }
    return known | changes


def test_a_finished_call_of_twilio_is_read() -> None:
    delivery = parsed(twilio, status(), form=True)

    assert (delivery.key, delivery.signed, delivery.parked) == ("CA1234567890ABCDE+completed", True, None)
    assert delivery.call == CallRecord("in", NINE, 65)
    assert delivery.identities == (Identity("phone", "+8613800138000"), session(twilio, "CA1234567890ABCDE"))


@pytest.mark.parametrize("outcome", ["busy", "no-answer", "failed", "canceled"])
def test_a_call_that_was_not_answered_has_no_talk(outcome: str) -> None:
    call = parsed(twilio, status(CallStatus=outcome, CallDuration="31"), form=True).call

    assert call is not None
    assert call.talk_s == 0


@pytest.mark.parametrize("answered_by", ["machine_start", "machine_end_beep", "fax"])
def test_a_machine_that_answered_is_no_talk(answered_by: str) -> None:
    call = parsed(twilio, status(Direction="outbound-api", AnsweredBy=answered_by), form=True).call

    assert call is not None
    assert (call.direction, call.talk_s) == ("out", 0)


@pytest.mark.parametrize("running", ["queued", "initiated", "ringing", "in-progress", "answered"])
def test_a_call_that_goes_on_is_parked(running: str) -> None:
    delivery = parsed(twilio, status(CallStatus=running), form=True)

    assert (delivery.parked, delivery.call) == (f"通话尚未结束：{running}", None)


@pytest.mark.parametrize(
    ("direction", "caller", "callee", "expected"),
    [
        ("outbound-api", "+18005551212", "+8613900139000", ("out", "+8613900139000", None)),
        ("outbound-dial", "client:lilei", "+8613900139000", ("out", "+8613900139000", "lilei")),
        ("outbound-dial", "+8613800138000", "client:lilei", ("in", "+8613800138000", "lilei")),
        ("outbound-dial", "+8613800138000", "sip:lilei@pbx.example.com", ("in", "+8613800138000", "lilei")),
    ],
)
def test_the_customers_side_of_a_call_of_twilio(
    direction: str, caller: str, callee: str, expected: tuple[str, str, str | None]
) -> None:
    delivery = parsed(twilio, status(Direction=direction, From=caller, To=callee), form=True)

    assert delivery.call is not None
    assert (delivery.call.direction, delivery.identities[0].value, delivery.call.agent) == expected


def recording_status(**changes: str) -> dict[str, str]:
    known = {
        "AccountSid": "AC1",
        "CallSid": "CA1234567890ABCDE",
        "RecordingSid": "RE1",
        "RecordingUrl": "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE1",
        "RecordingStatus": "completed",
        "RecordingDuration": "60",
        "RecordingChannels": "2",
        "RecordingStartTime": "Mon, 26 Jan 2026 01:00:00 +0000",
    }
    return known | changes


def test_a_finished_recording_of_twilio_is_offered() -> None:
    delivery = parsed(twilio, recording_status(), form=True)

    url = "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE1.wav"
    assert (delivery.key, delivery.kind, delivery.parked) == ("RE1+completed", "recording", None)
    assert delivery.recordings == (RecordingOffer(url, "both", NINE, 60),)


@pytest.mark.parametrize("state", ["in-progress", "absent", "failed"])
def test_a_recording_that_cannot_be_had_is_parked(state: str) -> None:
    delivery = parsed(twilio, recording_status(RecordingStatus=state, RecordingDuration="-1"), form=True)

    assert (delivery.parked, delivery.recordings) == (f"没有可取的录音：{state}", ())


def test_legs_and_recording_of_a_call_of_twilio_join() -> None:
    leg = parsed(twilio, status(CallSid="CA2", ParentCallSid="CA1234567890ABCDE"), form=True)
    recording = parsed(twilio, recording_status(), form=True)

    assert set(recording.identities) < set(leg.identities)


def test_of_a_field_that_stands_twice_the_first_is_meant() -> None:
    body = urlencode([*status().items(), ("CallDuration", "1")]).encode()

    [delivery] = twilio.parse(request(twilio, body), TWILIO)

    assert delivery.call == CallRecord("in", NINE, 65)


def test_a_call_whose_time_is_not_said_ended_when_it_was_told() -> None:
    assert parsed(twilio, status(Timestamp=""), form=True).occurred_at == NINE - timedelta(seconds=65)


def test_twilio_is_answered_with_nothing() -> None:
    assert twilio.acknowledge("L", "created")["body"] == ""


# -- Generic CDR -----------------------------------------------------------------------------------


def generic(**changes: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "uuid": "c-1",
        "type": "callin",
        "starttime": "2026-01-26 09:00:00",
        "duration": "20",
        "billsec": "65",
        "disnumber": "13800138000",
        "destnumber": "4001234567",
        "recordurl": "",
    }
    return known | changes


@pytest.mark.parametrize("form", [False, True], ids=["JSON", "form"])
def test_a_generic_call_is_read_by_the_configured_names(form: bool) -> None:
    delivery = parsed(generic_cdr, generic(), form=form)

    assert (delivery.key, delivery.parked) == ("c-1", None)
    assert delivery.call == CallRecord("in", NINE, 65)
    assert delivery.identities == (Identity("phone", "+8613800138000"), session(generic_cdr, "c-1"))


def test_the_other_side_is_the_customer_of_an_outbound_call() -> None:
    delivery = parsed(generic_cdr, generic(type="callout", disnumber="075500000000", destnumber=13900139000))

    assert delivery.identities[0] == Identity("phone", "+8613900139000")


@pytest.mark.parametrize(
    "started_at",
    [
        "2026-01-26 09:00:00",
        "2026-01-26T09:00:00",
        "2026-01-26 09:00",
        "20260126090000",
        "2026-01-26T01:00:00Z",
        "2026-01-26T02:00:00+01:00",
        "2026-01-26T09:00:00.000+0800",
        EPOCH,
        str(EPOCH),
        EPOCH * 1000,
        str(EPOCH * 1000),
    ],
)
def test_a_time_is_understood_as_call_systems_write_it(started_at: object) -> None:
    assert parsed(generic_cdr, generic(starttime=started_at)).occurred_at == NINE


def test_a_missed_call_without_its_optional_fields_is_taken() -> None:
    body = generic(billsec=0)
    del body["recordurl"]

    delivery = parsed(generic_cdr, body)

    assert delivery.recordings == ()
    assert delivery.call is not None
    assert delivery.call.talk_s == 0


@pytest.mark.parametrize("name", ["uuid", "type", "disnumber", "starttime", "billsec"])
def test_a_needed_field_that_is_missing_is_named(name: str) -> None:
    body = generic()
    del body[name]

    with pytest.raises(InvalidInputError) as refused:
        parsed(generic_cdr, body)

    assert refused.value.facts["field"] == name


@pytest.mark.parametrize("name", ["uuid", "type", "starttime", "billsec"])
def test_a_field_that_says_nothing_is_named(name: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parsed(generic_cdr, generic(**{name: " "}))

    assert refused.value.facts["field"] == name


@pytest.mark.parametrize("role", ["id", "direction", "started_at", "talk_s", "caller"])
def test_a_role_that_is_not_configured_is_named(role: str) -> None:
    fields = {known: name for known, name in CDR_FIELDS.items() if known != role}

    with pytest.raises(InvalidInputError) as refused:
        generic_cdr.parse(request(generic_cdr, json.dumps(generic()).encode(), fields=fields), BY_ADDRESS)

    assert refused.value.facts["field"] == f"fields.{role}"


@pytest.mark.parametrize("body", [b"a=1&a=2", b"a=%00", b"a", b"[]", b'{"a":NaN}', b'{"a":1,"a":2}', b"%80=1"])
def test_a_body_that_is_neither_json_nor_a_form_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        generic_cdr.parse(request(generic_cdr, body), BY_ADDRESS)


# -- All of them -----------------------------------------------------------------------------------

MESSAGES: dict[ModuleType, dict[str, Any]] = {
    tencent_ccc: cdr(),
    aliyun: report(),
    tinet: tinet_cdr(),
    twilio: status(),
    generic_cdr: generic(),
}
TIMES = {tencent_ccc: "StartTimestamp", aliyun: "originate_time", tinet: "startTime", generic_cdr: "starttime"}
TALKS = {
    tencent_ccc: "Duration",
    aliyun: "b_duration",
    tinet: "bridgeDuration",
    twilio: "CallDuration",
    generic_cdr: "billsec",
}
CUSTOMERS = {tencent_ccc: "Caller", aliyun: "callee", tinet: "customerNumber", twilio: "From", generic_cdr: "disnumber"}
HOSTILE_TIMES: list[Any] = [
    -1,
    0,
    1,
    10**17,
    10**25,
    1.5,
    True,
    "",
    "昨天",
    "1999-12-31 23:59:59",
    "2100-01-02 00:00:00",
    "0001-01-01 00:00:00",
    "9999-12-31T23:59:59-23:59",
    "2026-02-30 09:00:00",
    "２０２６-01-26 09:00:00",
    "20261399999999",
    [],
    {},
    None,
]
HOSTILE_SECONDS: list[Any] = [-1, 86401, 10**25, 6.5, True, "-1", "1e3", "六十", "６５", "65 s", [], {}]


@pytest.mark.parametrize("value", HOSTILE_TIMES, ids=repr)
@pytest.mark.parametrize("module", list(TIMES), ids=[module.__name__.rpartition(".")[2] for module in TIMES])
def test_a_time_that_makes_no_sense_is_named(module: ModuleType, value: object) -> None:
    said = MESSAGES[module] | {TIMES[module]: value}
    said |= {key: "" for key in ("start_time", "end_time") if module is aliyun}

    with pytest.raises(InvalidInputError) as refused:
        parsed(module, said, action="cdr")

    assert refused.value.facts["field"] == TIMES[module]


@pytest.mark.parametrize("value", HOSTILE_SECONDS, ids=repr)
@pytest.mark.parametrize("module", list(TALKS), ids=NAMES)
def test_seconds_that_make_no_sense_are_named(module: ModuleType, value: object) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parsed(module, MESSAGES[module] | {TALKS[module]: value}, form=module is twilio, action="cdr")

    assert refused.value.facts["field"] == TALKS[module]


@pytest.mark.parametrize(
    "said",
    ["Mon, 26 Jan 2026", "2026-01-26T01:00:00Z", "Mon, 26 Foo 2026 01:00:00 +0000", "Mon, 99 Jan 2026 01:00:00 +0000"],
)
def test_a_time_that_twilio_does_not_write_is_named(said: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parsed(twilio, status(Timestamp=said), form=True)

    assert refused.value.facts["field"] == "Timestamp"


def test_a_talk_that_ends_before_it_was_accepted_is_named() -> None:
    with pytest.raises(InvalidInputError) as refused:
        parsed(tencent_ccc, cdr(EndedTimestamp=EPOCH), action="cdr")

    assert refused.value.facts["field"] == "EndedTimestamp"


@pytest.mark.parametrize("url", ["ftp://example.com/a.wav", "javascript:alert(1)", "https://", "https:// x", "a.wav"])
def test_a_recording_that_is_at_no_web_address_is_named(url: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parsed(generic_cdr, generic(recordurl=url))

    assert refused.value.facts["field"] == "recordurl"


@pytest.mark.parametrize("module", PROVIDERS, ids=NAMES)
def test_a_hidden_number_is_parked_with_its_reason(module: ModuleType) -> None:
    said = MESSAGES[module] | {CUSTOMERS[module]: "anonymous"}

    delivery = parsed(module, said, form=module is twilio, action="cdr")

    assert (delivery.kind, delivery.parked) == ("call", "没有可识别的联系方式(手机号或邮箱)")


@pytest.mark.parametrize("number", ["4001234567", "02162345678"])
@pytest.mark.parametrize("module", PROVIDERS, ids=NAMES)
def test_service_numbers_and_landlines_call_and_identify_nobody(module: ModuleType, number: str) -> None:
    said = MESSAGES[module] | {CUSTOMERS[module]: number}

    delivery = parsed(module, said, form=module is twilio, action="cdr")

    assert delivery.parked is None
    assert [identity.kind for identity in delivery.identities] == ["session"]


@pytest.mark.parametrize("module", PROVIDERS, ids=NAMES)
def test_sample_requests_are_accepted_and_make_one_new_lead_each(module: ModuleType) -> None:
    where, secret = source(module), secret_of(module)
    url = "https://leadtrail.example.com/webhooks/hotline"
    keys = set()

    for at in (NINE, NINE + timedelta(seconds=1)):
        sample = module.sample(where, secret, at, url)
        request = Request(where, "POST", sample.body, at, sample.headers, sample.query, url, TOKEN)
        [delivery] = module.parse(request, module.verify(request, [secret]))
        keys.add(delivery.key)

        assert delivery.parked is None
        assert delivery.call is not None
        assert (delivery.call.direction, delivery.call.talk_s) == ("in", 65)
        assert delivery.identities[0] == Identity("phone", "+8619900000000")
        assert at - timedelta(seconds=80) <= delivery.call.started_at <= at
    assert len(keys) == 2


@pytest.mark.parametrize("module", [tencent_ccc, aliyun, tinet, generic_cdr])
def test_without_the_token_of_the_address_nobody_gets_in(module: ModuleType) -> None:
    forged = Request(source(module), "POST", b"{}", NINE, token=TOKEN[:-1])

    with pytest.raises(UnauthenticatedError):
        module.verify(forged, [BY_ADDRESS])


@pytest.mark.parametrize(("name", "module"), list(zip(NAMES, PROVIDERS, strict=True)))
def test_every_call_system_is_found_by_its_name_and_never_asks(name: str, module: ModuleType) -> None:
    assert sources.provider(name) is module
    with pytest.raises(NotFoundError):
        module.echo(request(module, b""), secret_of(module))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("module", PROVIDERS, ids=NAMES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_field_with_any_value_is_read_or_refused_by_name(module: ModuleType, data: st.DataObject) -> None:
    said = dict(MESSAGES[module])
    for key in data.draw(st.lists(st.sampled_from(sorted(said)), max_size=4, unique=True)):
        said[key] = data.draw(VALUES)
    body = urlencode(said, errors="surrogatepass") if module is twilio else json.dumps(said)

    assert outcome(module, body.encode("utf-8", "surrogatepass")) in (200, 400, 422)


def outcome(module: ModuleType, body: bytes) -> int:
    """Return the status that a body comes to; any error but a named refusal flies."""
    try:
        module.parse(request(module, body, action="cdr"), secret_of(module))
    except LeadtrailError as refused:
        return refused.status
    return 200


@pytest.mark.parametrize("module", PROVIDERS, ids=NAMES)
@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(module: ModuleType, body: bytes) -> None:
    assert outcome(module, body) in (400, 422)


def test_the_zone_of_times_without_one_is_chinas() -> None:
    assert calls.moment({"at": "2025-10-16 17:31:13"}, "at", "at") == datetime(2025, 10, 16, 9, 31, 13, tzinfo=UTC)
