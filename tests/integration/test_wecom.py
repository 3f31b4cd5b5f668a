"""WeCom's contact events, encrypted by an independent library, through the webhook entry."""

import base64
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from wechatpy.enterprise.crypto import WeChatCrypto

from functions.ingest.sources.xml import flat_xml
from functions.ingest.webhook import handler
from leadtrail.domain.identity import Identity
from leadtrail.domain.lead import Lead
from tests.integration.conftest import WECOM, TestWorld, TimeTravel
from tests.integration.webhooks import Context, http_event

CONTACT = "woAJ2GCAAAXtWyujaWJHDDGi0mAC"


def contact_event(at: datetime, **changes: str) -> str:
    known = {
        "ToUserName": WECOM["corp_id"],
        "FromUserName": "sys",
        "CreateTime": str(int(at.timestamp())),
        "MsgType": "event",
        "Event": "change_external_contact",
        "ChangeType": "add_external_contact",
        "UserID": "zhangsan",
        "ExternalUserID": CONTACT,
        "State": "官网",
    }
    inner = "".join(f"<{tag}><![CDATA[{text}]]></{tag}>" for tag, text in (known | changes).items())
    return f"<xml>{inner}</xml>"


def posted(message: str, at: datetime, *, nonce: str = "nonce-1", corp_id: str = WECOM["corp_id"]) -> dict[str, Any]:
    """Return what WeCom posts for a message."""
    crypto = WeChatCrypto(WECOM["token"], WECOM["encoding_aes_key"], corp_id)
    body = crypto.encrypt_message(message, nonce, str(int(at.timestamp())))
    said = flat_xml(body.encode())
    query = {"msg_signature": said["MsgSignature"], "timestamp": said["TimeStamp"], "nonce": said["Nonce"]}
    envelope = f"<xml><ToUserName>c</ToUserName><Encrypt><![CDATA[{said['Encrypt']}]]></Encrypt></xml>"
    return http_event("wecom", envelope, query=query)


def take(event: dict[str, Any], request_id: str = "request-1") -> tuple[int, str]:
    answer = handler(event, Context(request_id))
    return answer["statusCode"], answer["body"]


def lead_of(world: TestWorld, contact: str = CONTACT) -> Lead:
    row = world.store.identified(Identity("external_userid", contact))
    assert row is not None
    lead = world.store.lead(row.lead_id)
    assert lead is not None
    return lead


def count_leads(world: TestWorld) -> int:
    return sum(len(list(world.store.items(f"TEAM#{team}", index="GSI3"))) for team in ("huadong", "huanan"))


def test_an_added_contact_becomes_a_lead_of_the_rep_who_added_it(world: TestWorld, clock: TimeTravel) -> None:
    answer = take(posted(contact_event(clock()), clock()))

    lead = lead_of(world)
    assert answer == (200, "success")
    assert (lead.owner, lead.team, lead.source) == ("rep-zhang", "huadong", "wecom")
    assert [running.rule for running in lead.clocks] == ["first_response", "no_progress"]
    [received, *_] = world.store.trail(lead.lead_id)
    assert received.facts["ref"] == "官网"
    assert CONTACT not in str(received)


def test_a_contact_added_by_a_rep_of_another_team_is_that_teams(world: TestWorld, clock: TimeTravel) -> None:
    take(posted(contact_event(clock(), UserID="zhaoliu"), clock()))

    lead = lead_of(world)

    assert (lead.owner, lead.team) == ("rep-zhao", "huanan")


def test_a_contact_added_by_nobody_we_know_goes_round(world: TestWorld, clock: TimeTravel) -> None:
    take(posted(contact_event(clock(), UserID="somebody"), clock()))

    assert lead_of(world).owner == "rep-li"


def test_wecoms_three_tries_make_one_lead(world: TestWorld, clock: TimeTravel) -> None:
    event = contact_event(clock())

    answers = [take(posted(event, clock(), nonce=f"nonce-{n}"), f"request-{n}") for n in range(3)]

    assert answers == [(200, "success")] * 3
    assert count_leads(world) == 1
    assert len(lead_of(world).sources) == 1


def test_the_same_contact_added_by_two_reps_is_one_lead_with_two_sources(world: TestWorld, clock: TimeTravel) -> None:
    take(posted(contact_event(clock()), clock()))
    clock.at += timedelta(minutes=2)

    take(posted(contact_event(clock(), UserID="lisi"), clock()), "request-2")

    lead = lead_of(world)
    assert count_leads(world) == 1
    assert (lead.owner, len(lead.sources), len(lead.clocks)) == ("rep-zhang", 2, 2)


def test_what_adds_nobody_is_acknowledged_and_parked_with_its_body(world: TestWorld, clock: TimeTravel) -> None:
    answer = take(posted(contact_event(clock(), ChangeType="del_external_contact"), clock()))

    scanned = world.dynamodb.scan(TableName="leadtrail-test")["Items"]  # moto's whole table, in a test only
    receipts = [item for item in scanned if item["PK"]["S"].startswith("RECEIPT#wecom#")]
    assert answer == (200, "success")
    assert count_leads(world) == 0
    assert sorted(item["SK"]["S"] for item in receipts) == ["BODY", "RECEIPT"]


def echo(at: datetime, **changes: str) -> dict[str, Any]:
    signed = posted("1616140317555161061", at)
    query = signed["queryStringParameters"] | {"echostr": flat_xml(signed["body"].encode())["Encrypt"]} | changes
    return http_event("wecom", "", method="GET", query=query)


def test_the_address_check_is_answered_with_the_decrypted_text(world: TestWorld, clock: TimeTravel) -> None:
    answer = handler(echo(clock()), Context())

    assert (answer["statusCode"], answer["body"]) == (200, "1616140317555161061")
    assert answer["headers"]["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "changes", [{"msg_signature": "0" * 40}, {"nonce": "another"}, {"echostr": "AAAA"}, {"timestamp": "1"}]
)
def test_a_forged_address_check_learns_nothing(world: TestWorld, clock: TimeTravel, changes: dict[str, str]) -> None:
    status, body = take(echo(clock(), **changes))

    assert status == 401
    assert json.loads(body) == {
        "type": "/problems/unauthenticated",
        "title": "身份验证失败",
        "status": 401,
        "code": "unauthenticated",
    }


def test_a_get_without_any_query_is_refused(world: TestWorld) -> None:
    status, _ = take(http_event("wecom", "", method="GET"))

    assert status == 401


def test_a_stale_message_stores_nothing(world: TestWorld, clock: TimeTravel) -> None:
    event = posted(contact_event(clock()), clock() - timedelta(seconds=301))

    status, _ = take(event)

    assert (status, count_leads(world)) == (401, 0)


def test_a_message_for_another_corporation_stores_nothing(world: TestWorld, clock: TimeTravel) -> None:
    status, _ = take(posted(contact_event(clock()), clock(), corp_id="wx0000000000000000"))

    assert (status, count_leads(world)) == (401, 0)


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><xml><Encrypt>&b;</Encrypt></xml>'
HOSTILE = {
    "a bomb": (BOMB, 400),
    "an external entity": (
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><Encrypt>&e;</Encrypt></xml>',
        400,
    ),
    "9,000 levels": ("<a>" * 9_000 + "</a>" * 9_000, 400),
    "100,000 levels": ("<a>" * 100_000 + "</a>" * 100_000, 413),
    "Encrypt twice": ("<xml><Encrypt>a</Encrypt><Encrypt>b</Encrypt></xml>", 400),
    "no Encrypt": ("<xml></xml>", 400),
    "JSON": ('{"Encrypt": "a"}', 400),
    "nothing": ("", 400),
    "over 64 KB": ("<xml><Encrypt>" + "a" * 65536 + "</Encrypt></xml>", 413),
    "over 256 KB": ("a" * (256 * 1024 + 1), 413),
}


@pytest.mark.parametrize(("body", "expected"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_body_is_refused_as_a_problem(world: TestWorld, clock: TimeTravel, body: str, expected: int) -> None:
    query = {"msg_signature": "0" * 40, "timestamp": str(int(clock().timestamp())), "nonce": "n"}

    answer = handler(http_event("wecom", body, query=query), Context())

    assert answer["statusCode"] == expected
    assert answer["headers"]["content-type"].startswith("application/problem+json")
    assert count_leads(world) == 0


def test_what_is_hostile_inside_the_encryption_is_refused_too(world: TestWorld, clock: TimeTravel) -> None:
    answers = [take(posted(message, clock())) for message in (BOMB, "<a>" * 5_000, "hello", "<xml><a/><a/></xml>")]

    assert [status for status, _ in answers] == [400] * 4
    assert count_leads(world) == 0


def test_a_gateway_that_wraps_the_body_changes_nothing(world: TestWorld, clock: TimeTravel) -> None:
    event = posted(contact_event(clock()), clock())
    event["body"] = base64.b64encode(event["body"].encode()).decode()
    event["isBase64Encoded"] = True

    assert take(event) == (200, "success")
    assert count_leads(world) == 1


def test_both_secrets_open_while_one_is_being_rotated(world: TestWorld, clock: TimeTravel) -> None:
    new = {**WECOM, "token": "another-token", "encoding_aes_key": "a" * 42 + "E"}
    world.secrets._client.update_secret(
        SecretId="leadtrail/source/wecom", SecretString=json.dumps({"valid": [new, WECOM]})
    )

    assert take(posted(contact_event(clock()), clock())) == (200, "success")
