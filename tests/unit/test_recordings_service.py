"""Recordings without AWS: what is let in, what the trail keeps, and that a transcript is made once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadtrail.domain.delivery import Contact
from leadtrail.domain.errors import BusyError, IdempotencyMismatchError, NotFoundError, RecordingRefusedError
from leadtrail.domain.lead import Lead
from leadtrail.domain.transcript import Engine, Word
from leadtrail.services import recordings, transcribing
from leadtrail.services.idempotency import Command
from leadtrail.services.people import Caller
from leadtrail.services.ports import Change, Committed, Person, Receipt, Recording
from leadtrail.services.recordings import Upload
from leadtrail.services.transcribing import Heard, Outcome, UnreadableError

NINE = datetime(2026, 1, 26, 1, tzinfo=UTC)
LEAD, OTHER = "01KFV9BM00ABCDEFGHJKMNPQRS", "01KFV9BM00ZZZZZZZZZZZZZZZZ"
ZHANG = Caller("rep-zhang", "张三", "rep", "huadong")
ZHAO = Caller("rep-zhao", "赵六", "rep", "huanan")
UPLOAD = Upload(LEAD, "王女士 首次电话.m4a", 80_000, "audio/mp4", consent=True)
WORDS = (Word("你好", 0.1, 0.5, 0.9), Word("价格", 0.6, 1.0, 0.8), Word("再见", 4.0, 4.5, 0.7))


@dataclass
class Table:
    """A table of one lead, in memory; ``refusing`` is raised by writes that only note progress."""

    person: Person | None = field(default_factory=lambda: Person("P1", Contact("王女士"), b"k" * 32, b"s" * 16))
    rows: dict[str, Recording] = field(default_factory=dict)
    receipts: dict[tuple[str, str], Receipt] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    refusing: Exception | None = None

    def settled(self, attempt: Callable[[], Any]) -> Any:
        return attempt()

    def lead(self, lead_id: str) -> Lead | None:
        known = Lead(LEAD, "P1", "standard", NINE, "huadong", "新线索", NINE, owner="rep-zhang")
        return known if lead_id == LEAD else None

    def persons(self, person_ids: Iterable[str]) -> dict[str, Person]:
        return {"P1": self.person} if self.person and "P1" in person_ids else {}

    def receipt(self, source: str, key: str) -> Receipt | None:
        return self.receipts.get((source, key))

    def recording(self, recording_id: str) -> Recording | None:
        return self.rows.get(recording_id)

    def commit(self, change: Change) -> Committed:
        if self.refusing and not change.happenings:
            raise self.refusing
        self.changes.append(change)
        if change.receipt:
            self.receipts[change.receipt.source, change.receipt.key] = change.receipt
        if change.recording:
            self.rows[change.recording.id] = change.recording
        return Committed(change.lead)

    @property
    def kinds(self) -> list[str]:
        return [happening.kind for change in self.changes for happening in change.happenings]


@dataclass
class Shelf:
    """S3 in memory; ``rival`` is what another worker stores a moment before us."""

    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    rival: dict[str, bytes] = field(default_factory=dict)
    claimed_size: int | None = None

    def put(self, bucket: str, key: str, body: bytes, content_type: str) -> None:
        self.objects[key] = body

    def put_new(self, bucket: str, key: str, body: bytes, content_type: str) -> bool:
        self.objects |= self.rival
        return self.objects.setdefault(key, body) is body

    def size(self, bucket: str, key: str) -> int | None:
        return self.claimed_size or (len(self.objects[key]) if key in self.objects else None)

    def get(self, bucket: str, key: str) -> bytes | None:
        return self.objects.get(key)

    def download(self, bucket: str, key: str, path: str) -> None:
        Path(path).write_bytes(self.objects[key])

    def presigned_post(self, bucket: str, key: str, **policy: Any) -> tuple[str, dict[str, str]]:
        self.asked.append({"bucket": bucket, "key": key, **policy})
        return "https://uploads.example/", {"key": key, "Content-Type": policy["content_type"]}


@dataclass
class Ear:
    """An engine that hears the same words on each channel, telling its progress in steps."""

    channels: int = 1
    steps: int = 4
    reason: str | None = None
    heard: int = 0

    def __call__(self, path: Path, on_progress: Callable[[float], None]) -> Heard:
        self.heard += 1
        if self.reason:
            raise UnreadableError(self.reason)  # type: ignore[arg-type]
        for step in range(1, self.steps + 1):
            on_progress(step / self.steps)
        return Heard(Engine("scribe", "none", "00" * 32), 5.0, [WORDS] * self.channels)


def ask(table: Table, shelf: Shelf, upload: Upload = UPLOAD, caller: Caller = ZHANG, key: str | None = None) -> Any:
    command = Command.of(caller.rep_id, key, "POST /recordings", {"size": upload.size}) if key else None
    return recordings.request(
        upload, caller=caller, command=command, store=table, objects=shelf, bucket="uploads", now=NINE
    )


def uploaded(table: Table, shelf: Shelf, body: bytes = b"sound") -> Recording:
    recording = table.rows[ask(table, shelf)["id"]]
    shelf.objects[recording.object_key] = body
    return recording


def work(table: Table, shelf: Shelf, key: str, folder: Path, ear: Ear, *, speakers: Sequence[str] = ()) -> Outcome:
    return transcribing.transcribe(
        key, listen=ear, store=table, objects=shelf, bucket="uploads", folder=folder, now=lambda: NINE,
        longest=timedelta(minutes=14), speakers=speakers,
    )  # fmt: skip


def test_an_upload_is_open_for_a_quarter_of_an_hour_and_bound_to_type_size_and_key() -> None:
    table, shelf = Table(), Shelf()

    answer = ask(table, shelf)

    key = f"uploads/{LEAD}/{answer['id']}"
    assert shelf.asked == [
        {"bucket": "uploads", "key": key, "content_type": "audio/mp4", "largest": 104_857_600, "seconds": 900}
    ]
    assert answer["expires_at"] == "2026-01-26T01:15:00.000Z"
    assert table.rows[answer["id"]].state == "waiting"


def test_the_file_name_rests_only_in_the_encrypted_text() -> None:
    table, shelf = Table(), Shelf()

    answer = ask(table, shelf, replace(UPLOAD, occurred_at=NINE - timedelta(hours=1)))

    [change] = table.changes
    [happening] = change.happenings
    assert (happening.kind, happening.actor) == ("recording.requested", "rep:rep-zhang")
    assert happening.text == {"file_name": "王女士 首次电话.m4a"}
    assert change.person is not None
    assert happening.facts == {
        "recording": answer["id"],
        "content_type": "audio/mp4",
        "size": 80_000,
        "consent": True,
        "called_at": "2026-01-26T00:00:00.000Z",
    }


def test_of_an_erased_person_not_even_a_file_name_is_kept() -> None:
    table = Table(person=None)

    ask(table, Shelf())

    assert table.changes[0].happenings[0].text is None


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"consent": False}, "consent"),
        ({"content_type": "text/html"}, "content_type"),
        ({"content_type": "application/octet-stream"}, "content_type"),
        ({"content_type": ""}, "content_type"),
        ({"size": 0}, "size"),
        ({"size": -1}, "size"),
        ({"size": 104_857_601}, "size"),
        ({"file_name": ""}, "file_name"),
        ({"file_name": "x" * 256}, "file_name"),
        ({"file_name": "a\x00.wav"}, "file_name"),
        ({"file_name": "a\r\nb.wav"}, "file_name"),
        ({"file_name": "gpj\u202e.wav"}, "file_name"),
        ({"occurred_at": NINE + timedelta(minutes=6)}, "occurred_at"),
    ],
    ids=str,
)
def test_what_is_not_let_in_is_refused_by_the_name_of_its_field(changed: dict[str, Any], field: str) -> None:
    table, shelf = Table(), Shelf()

    with pytest.raises(RecordingRefusedError) as refusal:
        ask(table, shelf, replace(UPLOAD, **changed))

    assert refusal.value.facts["field"] == field
    assert (table.changes, shelf.asked) == ([], [])


@pytest.mark.parametrize("size", [1, 104_857_600])
def test_the_smallest_and_the_largest_upload_are_let_in(size: int) -> None:
    assert ask(Table(), Shelf(), replace(UPLOAD, size=size))["id"]


def test_a_browser_may_name_the_codec_beside_the_type() -> None:
    shelf = Shelf()

    ask(Table(), shelf, replace(UPLOAD, content_type="Audio/WebM; codecs=opus"))

    assert shelf.asked[0]["content_type"] == "audio/webm"


@settings(max_examples=200)
@given(
    st.text(max_size=300) | st.sampled_from(["../../reports/x", "%2e%2e/x", f"uploads/{OTHER}/x", "a/b\\c", "\ud800"])
)
def test_no_file_name_has_a_say_in_the_key(name: str) -> None:
    table, shelf = Table(), Shelf()

    try:
        ask(table, shelf, replace(UPLOAD, file_name=name))
    except RecordingRefusedError:
        assert shelf.asked == []
    else:
        assert re.fullmatch(rf"uploads/{LEAD}/[0-7][0-9A-HJKMNP-TV-Z]{{25}}", shelf.asked[0]["key"])


@pytest.mark.parametrize("lead_id", [OTHER, "", "../x", "LEAD#1"])
def test_a_lead_that_is_not_there_takes_no_recording(lead_id: str) -> None:
    with pytest.raises(NotFoundError):
        ask(Table(), Shelf(), replace(UPLOAD, lead_id=lead_id))


def test_a_rep_of_another_team_neither_uploads_nor_looks() -> None:
    table, shelf = Table(), Shelf()
    recording = uploaded(table, shelf)

    with pytest.raises(NotFoundError):
        ask(table, shelf, caller=ZHAO)
    with pytest.raises(NotFoundError):
        recordings.status(recording.id, caller=ZHAO, store=table)
    with pytest.raises(NotFoundError):
        recordings.transcript(recording.id, caller=ZHAO, store=table, objects=shelf, bucket="uploads")


def test_a_request_sent_twice_with_its_key_opens_one_upload() -> None:
    table, shelf = Table(), Shelf()

    first = ask(table, shelf, key="k1")
    again = ask(table, shelf, key="k1")

    assert again == first
    assert (len(table.rows), table.kinds) == (1, ["recording.requested"])
    with pytest.raises(IdempotencyMismatchError):
        ask(table, shelf, replace(UPLOAD, size=5), key="k1")


def test_a_transcript_ends_on_the_trail_with_numbers_and_no_words(tmp_path: Path) -> None:
    table, shelf = Table(), Shelf()
    recording = uploaded(table, shelf)

    outcome = work(table, shelf, recording.object_key, tmp_path, Ear())

    body = recordings.transcript(recording.id, caller=ZHANG, store=table, objects=shelf, bucket="uploads")
    ready = table.changes[-1].happenings[0]
    assert (outcome.state, outcome.is_new, ready.kind) == ("ready", True, "transcript.ready")
    assert {name: ready.facts[name] for name in ("duration_ms", "channels", "sentences", "version")} == {
        "duration_ms": 5_000,
        "channels": 1,
        "sentences": 2,
        "version": 1,
    }
    assert ready.text is None
    assert "价格" not in json.dumps(ready.facts, ensure_ascii=False)
    assert [sentence["text"] for sentence in json.loads(body)["sentences"]] == ["你好价格", "再见"]
    assert json.loads(body)["channels"] == [{"channel": 0, "speaker": "unknown"}]
    assert recordings.progress(recordings.status(recording.id, caller=ZHANG, store=table)) == 1.0


@pytest.mark.parametrize(
    ("channels", "known", "speakers"),
    [
        (2, (), ["unknown", "unknown"]),
        (2, ("rep", "customer"), ["rep", "customer"]),
        (1, ("rep", "customer"), ["unknown"]),
    ],
)
def test_speakers_are_named_only_where_the_company_knows_its_channels(
    tmp_path: Path, channels: int, known: Sequence[str], speakers: list[str]
) -> None:
    table, shelf = Table(), Shelf()
    recording = uploaded(table, shelf)

    work(table, shelf, recording.object_key, tmp_path, Ear(channels=channels), speakers=known)

    content = json.loads(shelf.objects[transcribing.transcript_key(recording)])
    assert [channel["speaker"] for channel in content["channels"]] == speakers


def test_a_recording_that_nobody_can_read_fails_once_with_its_reason(tmp_path: Path) -> None:
    table, shelf = Table(), Shelf()
    recording = uploaded(table, shelf, b"<html>")

    outcomes = [work(table, shelf, recording.object_key, tmp_path, Ear(reason="not-audio")) for _ in range(2)]

    assert [(outcome.state, outcome.reason, outcome.is_new) for outcome in outcomes] == [
        ("failed", "not-audio", True),
        ("failed", "not-audio", False),
    ]
    assert table.kinds == ["recording.requested", "recording.failed"]
    with pytest.raises(NotFoundError) as refusal:
        recordings.transcript(recording.id, caller=ZHANG, store=table, objects=shelf, bucket="uploads")
    assert refusal.value.facts == {"state": "failed", "reason": "not-audio"}


def test_an_object_larger_than_the_policy_allows_is_not_even_fetched(tmp_path: Path) -> None:
    table, shelf, ear = Table(), Shelf(claimed_size=104_857_601), Ear()
    recording = uploaded(table, shelf)

    outcome = work(table, shelf, recording.object_key, tmp_path, ear)

    assert (outcome.state, outcome.reason, ear.heard) == ("failed", "too-large", 0)
    assert list(tmp_path.iterdir()) == []


def test_what_is_announced_again_is_not_heard_again(tmp_path: Path) -> None:
    table, shelf, ear = Table(), Shelf(), Ear()
    recording = uploaded(table, shelf)

    outcomes = [work(table, shelf, recording.object_key, tmp_path, ear) for _ in range(3)]

    assert [outcome.is_new for outcome in outcomes] == [True, False, False]
    assert (ear.heard, table.kinds.count("transcript.ready")) == (1, 1)


def test_of_two_workers_the_transcript_that_was_stored_first_is_kept(tmp_path: Path) -> None:
    table, shelf = Table(), Shelf()
    recording = uploaded(table, shelf)
    work(table, shelf, recording.object_key, tmp_path, Ear(channels=2))
    key = transcribing.transcript_key(recording)
    table.rows[recording.id] = recording
    shelf.rival = {key: shelf.objects.pop(key)}

    work(table, shelf, recording.object_key, tmp_path, Ear(channels=1))

    assert shelf.objects[key] is shelf.rival[key]
    assert table.changes[-1].happenings[0].facts["channels"] == 2


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b'{"recording_id": "other", "version": 1, "audio": {}}'])
def test_what_lies_in_a_transcripts_place_and_is_none_is_replaced(tmp_path: Path, junk: bytes) -> None:
    table, shelf = Table(), Shelf()
    recording = uploaded(table, shelf)
    shelf.objects[transcribing.transcript_key(recording)] = junk

    outcome = work(table, shelf, recording.object_key, tmp_path, Ear())

    assert outcome.state == "ready"
    assert json.loads(shelf.objects[transcribing.transcript_key(recording)])["recording_id"] == recording.id


def test_progress_is_noted_in_steps_of_five_percent(tmp_path: Path) -> None:
    table, shelf = Table(), Shelf()
    recording = uploaded(table, shelf)

    work(table, shelf, recording.object_key, tmp_path, Ear(steps=1_000))

    rows = [change.recording for change in table.changes if change.recording and not change.happenings]
    assert [row.progress for row in rows] == list(range(0, 100, 5))
    assert {row.state for row in rows} == {"transcribing"}
    assert recordings.progress(rows[9]) == 0.45


def test_a_table_too_busy_for_progress_does_not_stop_the_work(tmp_path: Path) -> None:
    table, shelf = Table(refusing=BusyError()), Shelf()
    recording = uploaded(table, shelf)

    assert work(table, shelf, recording.object_key, tmp_path, Ear()).state == "ready"


def test_a_recording_that_takes_longer_than_a_worker_lives_is_too_long(tmp_path: Path) -> None:
    table, shelf = Table(), Shelf()
    recording = uploaded(table, shelf)
    minutes = iter(range(100))

    outcome = transcribing.transcribe(
        recording.object_key,
        listen=Ear(steps=1_000),
        store=table,
        objects=shelf,
        bucket="uploads",
        folder=tmp_path,
        now=lambda: NINE + timedelta(minutes=next(minutes)),
        longest=timedelta(minutes=14),
    )

    assert (outcome.state, outcome.reason) == ("failed", "too-long")
    assert table.kinds == ["recording.requested", "recording.failed"]


def test_an_upload_that_was_deleted_meanwhile_is_let_go(tmp_path: Path) -> None:
    table, shelf = Table(), Shelf()
    recording = table.rows[ask(table, shelf)["id"]]

    outcome = work(table, shelf, recording.object_key, tmp_path, Ear())

    assert (outcome.state, outcome.reason) == ("ignored", "upload-gone")
    assert table.kinds == ["recording.requested"]


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "uploads",
        "uploads/{lead}",
        "uploads/{lead}/../{id}",
        "uploads/{other}/{id}",
        "uploads/{lead}/{id}/x",
        "reports/{lead}/{id}",
        "transcripts/{lead}/{id}/v1.json",
        "uploads/{lead}/{other}",
    ],
)
def test_a_key_that_nobody_asked_for_is_let_go(tmp_path: Path, pattern: str) -> None:
    table, shelf, ear = Table(), Shelf(), Ear()
    recording = uploaded(table, shelf)
    key = pattern.format(lead=LEAD, other=OTHER, id=recording.id)

    outcome = work(table, shelf, key, tmp_path, ear)

    assert (outcome.state, outcome.reason, ear.heard) == ("ignored", "unknown-key", 0)
