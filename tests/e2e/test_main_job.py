"""The main job, driven from outside with nothing but stack.json and other people's client libraries."""

import base64
import hashlib
import io
import json
import math
import struct
import time
import uuid
import wave
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook
from wechatpy.enterprise.crypto import WeChatCrypto

from tests.e2e.conftest import ALWAYS_OPEN, LEVELS, Client, eventually


def wecom_post(client: Client, user_id: str, contact: str) -> Any:
    source = client.stack["sources"]["wecom"]
    crypto = WeChatCrypto(source["token"], source["encoding_aes_key"], source["corp_id"])
    now = int(time.time())
    xml = (
        f"<xml><ToUserName><![CDATA[{source['corp_id']}]]></ToUserName><FromUserName><![CDATA[sys]]></FromUserName>"
        f"<CreateTime>{now}</CreateTime><MsgType><![CDATA[event]]></MsgType>"
        "<Event><![CDATA[change_external_contact]]></Event><ChangeType><![CDATA[add_external_contact]]></ChangeType>"
        f"<UserID><![CDATA[{user_id}]]></UserID><ExternalUserID><![CDATA[{contact}]]></ExternalUserID>"
        "<State><![CDATA[官网]]></State></xml>"
    )
    nonce = uuid.uuid4().hex[:10]
    body = crypto.encrypt_message(xml, nonce, str(now))
    encrypted = body.split("<Encrypt><![CDATA[")[1].split("]]>")[0]
    signature = hashlib.sha1("".join(sorted([source["token"], str(now), nonce, encrypted])).encode()).hexdigest()
    query = {"msg_signature": signature, "timestamp": str(now), "nonce": nonce}
    return client.http.post(source["url"], params=query, data=body.encode(), timeout=30)


def standard_post(client: Client, data: dict[str, Any], kind: str = "lead.created") -> Any:
    source = client.stack["sources"]["standard"]
    now = datetime.now(UTC)
    body = json.dumps({"type": kind, "timestamp": now.isoformat(), "data": data}, ensure_ascii=False)
    message_id = f"msg_{uuid.uuid4().hex}"
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(source["secret"]).sign(message_id, now, body),
        "content-type": "application/json",
    }
    return client.http.post(source["url"], data=body.encode(), headers=headers, timeout=30)


def quick_policy(client: Client, budget: str) -> Any:
    rule = {
        "name": "first_response",
        "starts": "lead.received",
        "meets": ["touch"],
        "measure": "business",
        "budget": budget,
        "warn_at": None,
        "levels": LEVELS,
    }
    body = {"calendar": {"tz": "Asia/Shanghai", "hours": ALWAYS_OPEN}, "rules": [rule]}
    return client.call("wangfang", "PUT", "/policies/default", json=body)


def lead_of(client: Client, phone: str) -> dict[str, Any]:
    return client.call("wangfang", "GET", "/leads", params={"q": phone}).json()["items"][0]


def recording() -> bytes:
    """Return three seconds of a telephone-like sound: no words, but audio all the same."""
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        samples = (int(9000 * math.sin(n * (0.2 + 0.05 * math.sin(n / 900)))) for n in range(24000))
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return sound.getvalue()


def test_a_lead_that_nobody_answers_within_ten_seconds_is_one_alert(client: Client) -> None:
    assert quick_policy(client, "PT10S").status_code == 200
    answer = standard_post(client, {"name": "十秒无人理", "phone": "13811110001"})
    assert answer.json()["outcome"] == "created"

    alerts = eventually(lambda: [seen for seen in client.inbox() if "十秒无人理" in seen["text"]], seconds=150)
    time.sleep(5)

    assert len([seen for seen in client.inbox() if "十秒无人理" in seen["text"]]) == len(alerts) == 1
    assert "138****0001" in alerts[0]["text"]
    lead = lead_of(client, "13811110001")
    owner = {"rep-zhang": "张三", "rep-li": "李四"}[lead["owner"]]
    assert (alerts[0]["bot"], alerts[0]["audience"]) == ("wecom-app", owner)  # the owner's own phone
    assert lead["risk"] == ["超时未响应"]
    assert client.call("wangfang", "GET", "/leads", params={"late": "true"}).json()["items"]


def test_a_wecom_callback_of_an_independent_library_becomes_its_reps_lead(client: Client) -> None:
    answer = wecom_post(client, "zhangsan", f"wm{uuid.uuid4().hex}")

    assert (answer.status_code, answer.text) == (200, "success")
    newest = client.call("zhangsan", "GET", "/leads", params={"limit": 1}).json()["items"][0]
    assert (newest["source"], newest["owner"]) == ("wecom", "rep-zhang")


def test_wecom_is_answered_when_it_checks_the_address(client: Client) -> None:
    source = client.stack["sources"]["wecom"]
    crypto = WeChatCrypto(source["token"], source["encoding_aes_key"], source["corp_id"])
    now, nonce = str(int(time.time())), "nonce"
    encrypted = crypto.encrypt_message("1616140317555161061", nonce, now).split("<Encrypt><![CDATA[")[1].split("]]>")[0]
    signature = hashlib.sha1("".join(sorted([source["token"], now, nonce, encrypted])).encode()).hexdigest()
    query = {"msg_signature": signature, "timestamp": now, "nonce": nonce, "echostr": encrypted}

    answer = client.http.get(source["url"], params=query, timeout=30)

    assert (answer.status_code, answer.text) == (200, "1616140317555161061")


def test_a_forged_delivery_is_401_and_leaves_nothing(client: Client) -> None:
    source = client.stack["sources"]["typeform"]
    forged = {"typeform-signature": "sha256=" + base64.b64encode(b"x" * 32).decode()}

    answer = client.http.post(source["url"], data=b'{"event_type":"form_response"}', headers=forged, timeout=30)

    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert "detail" not in answer.json()


def test_a_touch_meets_the_clock_and_is_the_same_when_it_is_sent_again(client: Client) -> None:
    quick_policy(client, "PT2H")
    standard_post(client, {"name": "有人理", "phone": "13811110002"})
    lead = lead_of(client, "13811110002")
    touch = {"kind": "call", "direction": "out", "occurred_at": datetime.now(UTC).isoformat(), "talk_s": 65}
    key = {"Idempotency-Key": uuid.uuid4().hex}

    answers = [
        client.call("wangfang", "POST", f"/leads/{lead['id']}/touches", json=touch, headers=key) for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["met"] == ["first_response"]
    assert client.call("wangfang", "GET", f"/leads/{lead['id']}/verify").json()["whole"] is True


def test_a_strangers_check_of_the_seals_needs_only_the_answer(client: Client) -> None:
    standard_post(client, {"name": "封印", "phone": "13811110003", "fields": {"需求": "演示"}})
    lead = lead_of(client, "13811110003")

    events = client.call("wangfang", "GET", f"/leads/{lead['id']}/trail").json()["items"]

    head = "0" * 64
    for event in events:
        sealed = {
            name: event[name]
            for name in (
                "v",
                "lead_id",
                "seq",
                "kind",
                "occurred_at",
                "recorded_at",
                "actor",
                "facts",
                "text_hash",
                "prev",
            )
        }
        canonical = json.dumps(sealed, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        assert event["prev"] == head
        assert event["seal"] == hashlib.sha256(canonical).hexdigest()
        head = event["seal"]
    assert events[0]["text"] == {"需求": "演示"}


def test_a_recording_becomes_a_transcript(client: Client) -> None:
    standard_post(client, {"name": "有录音", "phone": "13811110004"})
    lead = lead_of(client, "13811110004")
    sound = recording()

    made = client.call(
        "wangfang",
        "POST",
        "/recordings",
        json={
            "lead_id": lead["id"],
            "file_name": "通话.wav",
            "size": len(sound),
            "content_type": "audio/wav",
            "consent": True,
        },
    ).json()
    upload = client.http.post(made["upload"]["url"], data=made["upload"]["fields"], files={"file": sound}, timeout=60)

    assert upload.status_code in (200, 201, 204)
    status = eventually(
        lambda: (
            ready
            if (ready := client.call("wangfang", "GET", f"/recordings/{made['id']}").json())["state"]
            in ("ready", "failed")
            else None
        ),
        seconds=180,
    )
    assert status["state"] == "ready"
    transcript = client.call("wangfang", "GET", f"/recordings/{made['id']}/transcript").json()
    assert transcript["engine"]["name"] == "vosk"
    assert client.call("zhaoliu", "GET", f"/recordings/{made['id']}").status_code == 404
    kinds = [event["kind"] for event in client.call("wangfang", "GET", f"/leads/{lead['id']}/trail").json()["items"]]
    assert "transcript.ready" in kinds


def test_unreadable_audio_ends_as_failed_with_a_reason(client: Client) -> None:
    standard_post(client, {"name": "坏录音", "phone": "13811110005"})
    lead = lead_of(client, "13811110005")
    text = b"<html>not a sound</html>" * 40

    made = client.call(
        "wangfang",
        "POST",
        "/recordings",
        json={
            "lead_id": lead["id"],
            "file_name": "a.wav",
            "size": len(text),
            "content_type": "audio/wav",
            "consent": True,
        },
    ).json()
    client.http.post(made["upload"]["url"], data=made["upload"]["fields"], files={"file": text}, timeout=60)

    status = eventually(
        lambda: (
            done
            if (done := client.call("wangfang", "GET", f"/recordings/{made['id']}").json())["state"] == "failed"
            else None
        ),
        seconds=120,
    )
    assert status["reason"] == "not-audio"


@pytest.mark.parametrize("spoil", ["empty", "type", "size", "key"])
def test_the_storage_itself_refuses_an_upload_against_its_policy(client: Client, spoil: str) -> None:
    lead = client.call("wangfang", "GET", "/leads", params={"limit": 1}).json()["items"][0]
    body = {"lead_id": lead["id"], "file_name": "a.wav", "size": 100, "content_type": "audio/wav", "consent": True}
    upload = client.call("wangfang", "POST", "/recordings", json=body).json()["upload"]
    fields, sound = dict(upload["fields"]), b"x" * 100
    if spoil == "empty":
        sound = b""
    elif spoil == "type":
        fields["Content-Type"] = "text/html"
    elif spoil == "size":
        sound = b"x" * (100 * 1024 * 1024 + 1)
    else:
        fields["key"] = "reports/" + fields["key"]

    answer = client.http.post(upload["url"], data=fields, files={"file": sound}, timeout=120)

    assert 400 <= answer.status_code < 500


def test_the_daily_report_opens_through_its_link_until_it_is_revoked(client: Client) -> None:
    day = datetime.now(UTC).astimezone().date().isoformat()
    reports = client.call("sunli", "GET", "/reports", params={"kind": "daily", "team": "huanan"}).json()["items"]
    assert reports, day
    link = reports[0]["link"]

    opened = client.http.get(link, allow_redirects=False, timeout=30)
    page = client.http.get(opened.headers["location"], timeout=30)
    tampered = client.http.get(
        link[:-2] + ("AA" if not link.endswith("AA") else "BB"), allow_redirects=False, timeout=30
    )
    revoked = client.call("sunli", "DELETE", f"/reports/{reports[0]['id']}/links")
    gone = client.http.get(link, allow_redirects=False, timeout=30)

    assert (opened.status_code, page.status_code) == (302, 200)
    assert "高危线索预警日报" in page.content.decode()
    assert "<script" not in page.text
    assert (tampered.status_code, revoked.status_code, gone.status_code) == (404, 204, 410)
    assert list(reports[0]["tags"]) == ["超时未响应", "反复退回同一阶段", "连续3次跳过SOP项"]


def test_a_tampered_presigned_address_opens_nothing(client: Client) -> None:
    report = client.call("sunli", "GET", "/reports", params={"kind": "daily", "team": "huanan"}).json()["items"][0]
    location = client.http.get(report["link"], allow_redirects=False, timeout=30).headers["location"]

    other = client.http.get(location.replace("/huanan/", "/huadong/"), timeout=30)

    assert other.status_code == 403
    assert "X-Amz-Expires=300" in location or int(location.split("X-Amz-Expires=")[1].split("&")[0]) <= 300


def test_roles_see_what_is_theirs_and_the_rest_is_404(client: Client) -> None:
    lead = client.call("zhaoliu", "GET", "/leads", params={"limit": 1}).json()["items"][0]

    statuses = {
        user: client.call(user, "GET", f"/leads/{lead['id']}").status_code
        for user in ("zhaoliu", "sunli", "chenzong", "zhangsan", "wangfang", None)
    }

    assert statuses == {"zhaoliu": 200, "sunli": 200, "chenzong": 200, "zhangsan": 404, "wangfang": 404, None: 401}


def test_nobodys_number_is_seen_in_the_chats(client: Client) -> None:
    assert not [seen for seen in client.inbox() if "1381111" in seen["text"] or "1350013" in seen["text"]]
