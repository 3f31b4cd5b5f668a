"""Whoever sends, whatever and however often: the hostile list for every source, through the webhook entry."""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from botocore.client import BaseClient

from functions.ingest.sources import PROVIDERS
from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.every_source import (
    BY_ADDRESS,
    WINDOWED,
    Sender,
    leads,
    post,
    secret_of,
    stored,
    token_of,
)

Event = dict[str, Any]
every_source = pytest.mark.parametrize("provider", PROVIDERS)
NOBODY = {"type": "/problems/unauthenticated", "title": "身份验证失败", "status": 401, "code": "unauthenticated"}
OWN_WORDS: Mapping[str, Any] = {
    "wecom": "success",
    "tinet": "success",
    "twilio": "",
    "tencent_ccc": {"ErrCode": 0, "ErrMsg": ""},
    "aliyun": {"code": 0, "msg": "接收成功"},
}


def taken(provider: str, lead_id: str | None, outcome: str) -> Any:
    return OWN_WORDS.get(provider, {"id": lead_id, "outcome": outcome})


@every_source
def test_a_sample_is_one_lead_in_the_providers_own_words_however_often_it_comes(
    world: TestWorld, clock: TimeTravel, provider: str
) -> None:
    sender = Sender(world, provider)
    event = sender.sample(clock())

    first = post(event, "request-1")
    after_once = stored(world)
    again = [post(event, f"request-{n}") for n in range(2, 5)]

    [lead] = leads(world)
    assert first == (200, taken(provider, lead.lead_id, "created"))
    assert again == [(200, taken(provider, lead.lead_id, "duplicate"))] * 3
    assert stored(world) == after_once
    assert [entry.source for entry in lead.sources] == [sender.id]
    assert [each.rule for each in lead.clocks].count("first_response") == 1


@every_source
def test_a_request_that_is_replayed_for_an_hour_is_one_lead(world: TestWorld, clock: TimeTravel, provider: str) -> None:
    event = Sender(world, provider).sample(clock())
    post(event)
    after_once, began = stored(world), clock()

    statuses = []
    for number in range(1, 21):
        clock.at = began + number * timedelta(minutes=3)
        statuses.append(post(event, f"replay-{number}")[0])

    assert statuses == ([200] + [401] * 19 if provider in WINDOWED else [200] * 20)
    assert stored(world) == after_once


def without_proof(sender: Sender, event: Event) -> Event:
    headers = {name: value for name, value in event["headers"].items() if "sign" not in name}
    query = {name: value for name, value in event["queryStringParameters"].items() if "sign" not in name}
    return sender.event(base64.b64decode(event["body"]), headers, query, token="")


def altered(event: Event) -> Event:
    """The body of another message under the proof of this one."""
    body = base64.b64decode(event["body"])
    place = body.index(b"Encrypt><![CDATA[") + 20 if b"Encrypt" in body else -3
    swapped = body[:place] + (b"A" if body[place : place + 1] != b"A" else b"B") + body[place:][1:]
    return event | {"body": base64.b64encode(swapped).decode()}


def forgeries(sender: Sender, other: Sender, clock: TimeTravel) -> dict[str, Event]:
    """Return requests of somebody who knows the address, the format, and secrets of other sources."""
    at, provider = clock(), sender.provider
    body, headers, query = sender.said(at)
    genuine = sender.sample(at)
    made = {"without proof": without_proof(sender, genuine)}
    if provider in BY_ADDRESS:
        for name, token in {
            "a wrong token": "0" * 32,
            "another source's token": token_of(provider, other.name),
            "the beginning of the token": token_of(provider, sender.name)[:31],
            "the token in capitals": token_of(provider, sender.name).upper(),
            "the stored hash": secret_of(provider, sender.name)["token_sha256"],
            "a token that is no text": "\ud800",
        }.items():
            made[name] = sender.event(body, headers, query, token=token)
        return made
    made["another source's secret"] = sender.signed(body, at, headers=headers, query=query, secret=other.secret)
    made["another body"] = altered(genuine)
    garbled = {name: "\ud800" if "sign" in name else value for name, value in genuine["headers"].items()}
    asked = {name: "\ud800" if "sign" in name else value for name, value in genuine["queryStringParameters"].items()}
    made["a signature that is no text"] = genuine | {"headers": garbled, "queryStringParameters": asked}
    if provider in WINDOWED:
        for name, away in {"too old": timedelta(seconds=-302), "too early": timedelta(seconds=302)}.items():
            made[name] = sender.signed(body, at + away, headers=headers, query=query)
        other_time = {name: "12" if "timestamp" in name else v for name, v in genuine["headers"].items()}
        asked = {name: "12" if name == "timestamp" else v for name, v in genuine["queryStringParameters"].items()}
        made["another time"] = genuine | {"headers": other_time, "queryStringParameters": asked}
    return made


@every_source
def test_no_forgery_is_told_anything_or_leaves_anything(world: TestWorld, clock: TimeTravel, provider: str) -> None:
    sender, other = Sender(world, provider), Sender(world, provider, name="other")
    before = stored(world)

    answers = {name: post(event) for name, event in forgeries(sender, other, clock).items()}

    assert answers == dict.fromkeys(answers, (401, NOBODY))
    assert stored(world) == before


@pytest.mark.parametrize("provider", BY_ADDRESS)
def test_a_token_counts_from_the_listed_networks_only(world: TestWorld, clock: TimeTravel, provider: str) -> None:
    sender = Sender(world, provider, allow_ips=["198.51.100.0/24", "2001:db8::/32"])
    before = stored(world)

    def called_from(ip: str) -> int:
        event = sender.sample(clock())
        event["requestContext"]["http"]["sourceIp"] = ip
        return post(event)[0]

    outside = [called_from(ip) for ip in ("203.0.113.9", "::ffff:198.51.100.7", "", "localhost")]
    nothing_stored = stored(world) == before
    inside = [called_from(ip) for ip in ("198.51.100.7", "2001:db8::1")]

    assert outside == [401] * 4
    assert nothing_stored
    assert inside == [200] * 2


def test_a_push_key_of_wenjuanxing_has_to_fit_too(world: TestWorld, clock: TimeTravel) -> None:
    sender = Sender(world, "wjx")
    keyed = {**sender.secret, "secret": "push-key"}
    sender.keep(keyed)

    right, wrong, none = (
        post(sender.sample(clock(), secret=secret))[0] for secret in (keyed, {**keyed, "secret": "x"}, sender.secret)
    )

    assert (right, wrong, none) == (200, 401, 401)


@every_source
def test_both_secrets_count_while_one_is_being_rotated_and_the_old_one_no_longer_after(
    world: TestWorld, clock: TimeTravel, provider: str
) -> None:
    sender = Sender(world, provider)
    old, new = sender.secret, secret_of(provider, "next")

    def sent(secret: Mapping[str, str], name: str) -> int:
        clock.at += timedelta(seconds=1)
        event = sender.sample(clock(), secret=secret)
        if provider in BY_ADDRESS:
            event["pathParameters"]["token"] = token_of(provider, name)
        return post(event, name)[0]

    sender.keep(new, old)
    during = [sent(old, "mine"), sent(new, "next")]
    sender.keep(new)
    after = [sent(old, "mine"), sent(new, "next")]

    assert during == [200, 200]
    assert after == [401, 200]


@every_source
def test_a_source_without_a_secret_lets_nobody_in(world: TestWorld, clock: TimeTravel, provider: str) -> None:
    sender = Sender(world, provider)
    event = sender.sample(clock())

    statuses = []
    for valid in ([], [dict.fromkeys(sender.secret, "")]):
        sender.keep(*valid)
        statuses.append(post(event)[0])

    assert statuses == [401, 401]


@pytest.mark.parametrize("days", [-1, 1])
@every_source
def test_a_providers_clock_that_is_a_day_off_moves_no_deadline_by_more_than_a_quarter_of_an_hour(
    world: TestWorld, clock: TimeTravel, provider: str, days: int
) -> None:
    clock.at += timedelta(hours=6)  # 15:00, with two hours of work before and after
    sender = Sender(world, provider)
    body, headers, query = sender.said(clock() + timedelta(days=days))

    status, _ = post(sender.signed(body, clock(), headers=headers, query=query))

    [lead] = leads(world)
    moved = timedelta(minutes=15) if days < 0 and provider not in BY_ADDRESS else timedelta(0)
    assert status == 200
    assert lead.clocks[0].due_at == clock() + timedelta(hours=2) - moved


@pytest.fixture
def bill(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the calls to AWS, of whatever client, as they are made."""
    calls: list[str] = []
    made: Callable[..., Any] = BaseClient._make_api_call

    def noted(client: BaseClient, operation: str, request: Mapping[str, Any]) -> Any:
        calls.append(operation)
        return made(client, operation, request)

    monkeypatch.setattr(BaseClient, "_make_api_call", noted)
    return calls


def of_the_same_person(sender: Sender, clock: TimeTravel) -> Event:
    """Return a message of the person of the sample, three minutes later."""
    body, _, _ = sender.said(clock())
    at = clock() + timedelta(minutes=3)
    said_at = int(at.timestamp())
    if sender.provider == "wecom":
        before = int(clock().timestamp())
        return sender.signed(body.replace(f"{before}".encode(), f"{said_at}".encode()), at)
    if sender.provider == "hubspot":
        [event] = json.loads(body)
        return sender.signed(json.dumps([event | {"eventId": 1, "occurredAt": said_at * 1000}]).encode(), at)
    return sender.sample(at)


@every_source
def test_a_delivery_costs_two_calls_a_known_person_three_and_a_repetition_one(
    world: TestWorld, clock: TimeTravel, bill: list[str], provider: str
) -> None:
    sender = Sender(world, provider)
    first, second = sender.sample(clock()), of_the_same_person(sender, clock)

    costs = []
    for number, event in enumerate((first, second, second)):
        clock.at += timedelta(minutes=3) if number == 1 else timedelta(0)
        world.config.company()  # a warm function knows configuration and secrets
        world.secrets.text("leadtrail/key")
        world.source_secrets(sender.source.secret)
        bill.clear()
        assert post(event, f"request-{number}")[0] == 200
        costs.append(sorted(bill))

    assert costs == [
        ["BatchGetItem", "TransactWriteItems"],
        ["BatchGetItem", "BatchGetItem", "TransactWriteItems"],
        ["BatchGetItem"],
    ]
    assert len(leads(world)) == 1


def hostile_json(sample: bytes) -> dict[str, bytes]:
    """Return bodies that begin as the provider's own and go wrong."""
    start = b"[{" if sample.startswith(b"[") else b"{"
    closing = b"}]" if sample.startswith(b"[") else b"}"

    def holding(value: bytes) -> bytes:
        return start + b'"x": ' + value + b", " + sample[len(start) :]

    return {
        "nested 40 deep": holding(b'{"a":' * 40 + b"1" + b"}" * 40),
        "nested 40 lists deep": holding(b"[" * 40 + b"]" * 40),
        "nested 40,000 deep": holding(b"[" * 40_000 + b"]" * 40_000),
        "not a number": holding(b"NaN"),
        "infinity": holding(b"-Infinity"),
        "5,000 digits": holding(b"9" * 5000),
        "an exponent without end": holding(b"1e999"),
        "a lone surrogate": holding(b'"\\ud800"'),
        "a lone surrogate as a name": start + b'"\\udfff": 1, ' + sample[len(start) :],
        "NUL": holding(b'"\\u0000"'),
        "a key twice": holding(b"1, " + b'"x": 2'),
        "UTF-16": sample.decode().encode("utf-16"),
        "Latin-1": holding('"é"'.encode("latin-1")),
        "cut short": sample[:-1],
        "more after the end": sample + closing,
        "a text": b'"hello"',
        "null": b"null",
        "another container": b"{}" if start == b"[{" else b"[1]",
        "a list of no objects": b"[1]",
        "a list of nothing": b"[]",
        "no JSON": b"{hello}",
        "nothing": b"",
    }


def hostile_forms(sample: bytes) -> dict[str, bytes]:
    """Return forms that begin as the provider's own and go wrong."""
    return {
        "NUL": sample + b"&x=%00",
        "no UTF-8": sample + b"&x=%ff%fe",
        "over 500 fields": sample + b"&x=1" * 501,
        "no form": b"hello",
        "nothing": b"",
    }


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><xml><Event>&b;</Event></xml>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><Event>&e;</Event></xml>'


def hostile_xml(sample: bytes) -> dict[str, bytes]:
    """Return messages that are hostile within WeCom's encryption."""
    return {
        "a bomb": BOMB.encode(),
        "an external entity": OUTSIDE.encode(),
        "an external document type": b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">' + sample,
        "nested 40 deep": b"<xml>" + b"<a>" * 40 + b"</a>" * 40 + b"</xml>",
        "5,000 levels": b"<a>" * 5000 + b"</a>" * 5000,
        "a tag twice": sample.replace(b"</xml>", b"<Event>x</Event></xml>"),
        "NUL": sample.replace(b"</xml>", b"<x>\0</x></xml>"),
        "a lone surrogate": sample.replace(b"</xml>", b"<x>&#xD800;</x></xml>"),
        "an encoding that nobody knows": b'<?xml version="1.0" encoding="x-none"?>' + sample,
        "Latin-1 that claims to be UTF-8": sample.replace(b"</xml>", b"<x>\xe9</x></xml>"),
        "JSON": b'{"Event": "x"}',
        "cut short": sample[:-3],
        "nothing": b"",
    }


def hostile(sender: Sender, sample: bytes) -> dict[str, bytes]:
    if sender.provider == "wecom":
        return hostile_xml(sample)
    if sender.provider == "twilio":
        return hostile_forms(sample)
    if sender.provider == "tinet":  # takes both
        as_json = json.dumps(dict(parse_qsl(sample.decode()))).encode()
        forms = {f"form: {name}": body for name, body in hostile_forms(sample).items()}
        return hostile_json(as_json) | forms | {"form: a field twice": sample + b"&" + sample.split(b"&")[0]}
    return hostile_json(sample)


@every_source
def test_a_hostile_body_is_refused_by_name_and_leaves_at_most_its_outline(
    world: TestWorld, clock: TimeTravel, provider: str
) -> None:
    sender = Sender(world, provider)
    body, headers, query = sender.said(clock())
    before = stored(world)

    refused: dict[str, int] = {}
    unnamed = []
    for name, bad in hostile(sender, body).items():
        refused[name], problem = post(sender.signed(bad, clock(), headers=headers, query=query), name)
        if refused[name] not in (400, 422) or not problem.get("detail"):
            unnamed.append((name, problem))

    # What cannot be read as a form cannot have been signed as one: to Twilio's source it is a forgery.
    assert unnamed == ([] if provider != "twilio" else [(name, NOBODY) for name in list(refused)[:4]])
    kept = stored(world)
    assert {key for key in kept if key not in before} == {
        (f"REJECTED#{sender.id}", f"{clock():%Y-%m-%dT%H}#{reason}")
        for reason, status in (("malformed-body", 400), ("invalid-input", 422))
        if status in refused.values()
    }
    assert {key: kept[key] for key in before} == before


@every_source
@pytest.mark.parametrize("is_wrapped", [True, False], ids=["in base64", "as text"])
def test_a_body_over_256_kb_is_refused_before_anybody_reads_it(
    world: TestWorld, clock: TimeTravel, provider: str, is_wrapped: bool
) -> None:
    sender = Sender(world, provider)
    before = stored(world)
    large = b"x" * (256 * 1024 + 1)
    text = base64.b64encode(large).decode() if is_wrapped else large.decode()

    status, problem = post(sender.sample(clock()) | {"body": text, "isBase64Encoded": is_wrapped})

    assert (status, problem["code"], problem["limit"]) == (413, "body-too-large", 256 * 1024)
    assert {key for key, _ in stored(world).items() if key not in before} <= {
        (f"REJECTED#{sender.id}", f"{clock():%Y-%m-%dT%H}#body-too-large")
    }


def test_a_body_that_is_too_large_leaves_a_sample_only_where_its_signature_holds(
    world: TestWorld, clock: TimeTravel
) -> None:
    sender = Sender(world, "tally")
    large = json.dumps({"eventId": "e1", "name": "张三丰", "more": "x" * (256 * 1024)}).encode()
    signed = sender.signed(large, clock())

    forged = post(signed | {"headers": {}})[0]
    nobody = samples_of(world, sender)
    known = post(signed)[0]

    assert (forged, known, nobody) == (413, 413, [])
    [(_, kept, _)] = samples_of(world, sender)
    assert kept["outline"] == {"eventId": "<text 2>", "name": "<text 3>", "more": f"<text {256 * 1024}>"}


@pytest.mark.parametrize(
    ("envelope", "status"),
    [(BOMB, 400), (OUTSIDE, 400), ("<a>" * 9000, 400), ("{}", 400), ("", 400), ("<a>" * 100_000, 413)],
    ids=["a bomb", "an external entity", "9,000 levels", "JSON", "nothing", "100,000 levels"],
)
def test_a_hostile_envelope_of_wecom_is_refused_and_leaves_nothing(
    world: TestWorld, clock: TimeTravel, envelope: str, status: int
) -> None:
    sender = Sender(world, "wecom")
    before = stored(world)
    genuine = sender.sample(clock())

    answer = post(genuine | {"body": base64.b64encode(envelope.encode()).decode()})

    assert answer[0] == status
    assert stored(world) == before


def refused_with_a_person(sender: Sender, body: bytes) -> bytes:
    """Return the sample, name and number included, with one mistake for which it is refused."""
    if sender.provider == "wecom":
        return body.replace(b"</xml>", b"<Event>x</Event></xml>")
    if sender.provider in ("twilio", "tinet"):
        return body.replace(b"CallStatus=completed", b"CallStatus=exploded").replace(b"cdrType=cdr_ib", b"cdrType=x")
    place = body.index(b"{") + 1
    return body[:place] + b'"13800138000": 1, "x": 1, "x": 2, ' + body[place:]


def samples_of(world: TestWorld, sender: Sender) -> list[tuple[str, dict[str, Any], datetime]]:
    """Return the kept samples of refused messages: hour and reason, what is kept, and until when."""
    rows = world.store.items(f"REJECTED#{sender.id}")
    return [
        (row["SK"]["S"], json.loads(row["doc"]["S"]), datetime.fromtimestamp(int(row["expires_at"]["N"]), UTC))
        for row in rows
    ]


@every_source
def test_the_sample_of_a_refused_message_says_how_it_was_built_and_names_nobody(
    world: TestWorld, clock: TimeTravel, provider: str
) -> None:
    sender = Sender(world, provider)
    body, headers, query = sender.said(clock())
    event = sender.signed(refused_with_a_person(sender, body), clock(), headers=headers, query=query)

    status, problem = post(event)

    [(_, kept, expires_at)] = samples_of(world, sender)
    text = json.dumps(kept, ensure_ascii=False)
    assert status in (400, 422)
    assert not [said for said in ("9900000000", "13800138000", "测试线索", "wmTEST") if said in text]
    assert kept["detail"] == problem["detail"]
    assert kept["bytes"] == len(base64.b64decode(event["body"]))
    assert kept["outline"] not in ("<text>", "<not UTF-8>", "<broken JSON>")
    assert expires_at == clock() + timedelta(days=7)


def test_what_is_no_form_at_all_leaves_nobodys_name_in_the_sample(world: TestWorld, clock: TimeTravel) -> None:
    sender = Sender(world, "tinet")
    _, headers, query = sender.said(clock())

    status, _ = post(sender.signed("张三丰 13800138000".encode(), clock(), headers=headers, query=query))

    [(_, kept, _)] = samples_of(world, sender)
    assert status == 400
    assert "张三丰" not in json.dumps(kept, ensure_ascii=False)


def test_a_sample_is_kept_once_an_hour_for_each_source_and_reason(world: TestWorld, clock: TimeTravel) -> None:
    first, second = Sender(world, "tally"), Sender(world, "tally", name="second")

    def refused(sender: Sender, body: bytes) -> int:
        return post(sender.signed(body, clock()))[0]

    statuses = [refused(first, b"{}"), refused(first, b'{"eventType": 1}'), refused(first, b"[]")]
    clock.at += timedelta(minutes=59)
    statuses += [refused(first, b"[]"), refused(second, b"[]")]
    clock.at += timedelta(minutes=1)
    statuses.append(refused(first, b"[]"))

    assert statuses == [422, 422, 400, 400, 400, 400]
    assert [hour for hour, _, _ in samples_of(world, first)] == [
        "2026-01-26T01#invalid-input",
        "2026-01-26T01#malformed-body",
        "2026-01-26T02#malformed-body",
    ]
    assert [hour for hour, _, _ in samples_of(world, second)] == ["2026-01-26T01#malformed-body"]


@every_source
def test_nothing_is_kept_of_a_bad_message_that_nobody_signed(
    world: TestWorld, clock: TimeTravel, provider: str
) -> None:
    sender = Sender(world, provider)
    body, headers, query = sender.said(clock())
    before = stored(world)

    status, _ = post(sender.event(refused_with_a_person(sender, body), headers, query, token="0" * 32))

    # WeCom's envelope is read before its signature, which covers what stands inside.
    assert status == (400 if provider == "wecom" else 401)
    assert stored(world) == before


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the places of all values inside a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, one in inside for place in ((*at, key), *paths(one, (*at, key)))]


def with_value(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    copied = json.loads(json.dumps(document))
    inner = copied
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copied


WRONG: tuple[Any, ...] = (True, -1.5, {"a": [1]}, [[]], "长" * 2100, None)


def mistaken(sender: Sender, body: bytes) -> list[tuple[str, bytes]]:
    """Return the sample with each of its values replaced by what it never is, one after the other."""
    if sender.provider in ("twilio", "tinet"):
        pairs = dict(parse_qsl(body.decode()))
        values = ("", "长" * 2100, "-1", "[object Object]")
        return [(name, urlencode(pairs | {name: value}).encode()) for name in pairs for value in values]
    document = json.loads(body)
    return [
        (
            str(next(key for key in reversed(path) if isinstance(key, str)) if len(path) > 1 or path[0] != 0 else ""),
            made,
        )
        for path in paths(document)
        for value in WRONG
        for made in [json.dumps(with_value(document, path, value), ensure_ascii=False).encode()]
    ]


@pytest.mark.parametrize("provider", [provider for provider in PROVIDERS if provider != "wecom"])
def test_a_value_of_the_wrong_type_is_read_or_refused_by_the_name_of_its_field(
    world: TestWorld, clock: TimeTravel, provider: str
) -> None:
    sender = Sender(world, provider)
    body, headers, query = sender.said(clock())

    odd = []
    refused = 0
    for number, (name, bad) in enumerate(mistaken(sender, body)):
        status, problem = post(sender.signed(bad, clock(), headers=headers, query=query), f"request-{number}")
        refused += status == 422
        if status != 200 and (status != 422 or name not in problem["field"]):
            odd.append((name, bad, status, problem))

    assert odd == []
    assert refused


ODD_VALUES = ("", "-1", "１７６９", "9" * 40, "长" * 10_000, "<x>&amp;", "{'$ne': 1}", "../../CONFIG#")


@pytest.mark.parametrize("tag", ["CreateTime", "ChangeType", "UserID", "ExternalUserID", "State", "Event", "MsgType"])
def test_an_odd_value_in_an_event_of_wecom_is_taken_or_parked(world: TestWorld, clock: TimeTravel, tag: str) -> None:
    sender = Sender(world, "wecom")
    body, _, _ = sender.said(clock())
    before = stored(world)
    begin, end = body.index(f"<{tag}>".encode()), body.index(f"</{tag}>".encode())

    answers = [
        post(sender.signed(body[:begin] + f"<{tag}><![CDATA[{odd}]]>".encode() + body[end:], clock()), f"request-{n}")
        for n, odd in enumerate(ODD_VALUES)
    ]

    assert answers == [(200, "success")] * len(ODD_VALUES)
    assert {key: row for key, row in stored(world).items() if key[0].startswith("CONFIG")} == {
        key: row for key, row in before.items() if key[0].startswith("CONFIG")
    }
