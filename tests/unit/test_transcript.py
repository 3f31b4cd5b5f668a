"""Words become sentences, and sentences the JSON of the API."""

import json

import pytest

from leadtrail.domain import transcript
from leadtrail.domain.transcript import Engine, Transcript, Word

ENGINE = Engine("vosk", "vosk-model-small-cn-0.22", "ab" * 32)


def word(text: str, start: float, end: float, confidence: float = 1.0) -> Word:
    return Word(text, start, end, confidence)


def test_a_pause_of_the_gap_ends_a_sentence_and_a_shorter_one_does_not() -> None:
    words = [word("您", 0.0, 0.5), word("好", 1.2, 1.5), word("请问", 2.5, 3.0)]

    made = transcript.sentences([words], gap_s=0.8)

    assert [(s.text, s.start, s.end) for s in made] == [("您好", 0.0, 1.5), ("请问", 2.5, 3.0)]


def test_sentences_of_two_channels_are_ordered_by_their_start() -> None:
    rep = [word("您好", 0.0, 1.0), word("可以", 6.0, 7.0)]
    customer = [word("多少钱", 3.0, 4.0)]

    made = transcript.sentences([rep, customer])

    assert [(s.index, s.channel, s.text) for s in made] == [(0, 0, "您好"), (1, 1, "多少钱"), (2, 0, "可以")]


def test_two_channels_that_start_together_keep_the_order_of_the_channels() -> None:
    made = transcript.sentences([[word("甲", 1.0, 2.0)], [word("乙", 1.0, 2.0)]])

    assert [s.text for s in made] == ["甲", "乙"]


def test_a_speaker_without_pauses_is_cut_at_the_longest_sentence() -> None:
    words = [word("说", i, i + 1.0) for i in range(25)]

    made = transcript.sentences([words], longest_s=10.0)

    assert [len(s.words) for s in made] == [10, 10, 5]


def test_silence_gives_no_sentences() -> None:
    assert transcript.sentences([[], []]) == ()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["今天", "下午", "三点"], "今天下午三点"),
        (["정말", "기뻐"], "정말 기뻐"),
        (["hello", "world"], "hello world"),
        (["我们", "用", "excel", "表格"], "我们用 excel 表格"),
        (["你好", "，", "再见"], "你好，再见"),
        (["𠀀", "㐀"], "𠀀㐀"),
        ([], ""),
    ],
    ids=["Chinese", "Hangul", "Latin", "mixed", "punctuation", "rare Han", "nothing"],
)
def test_words_are_joined_as_people_write_them(words: list[str], text: str) -> None:
    assert transcript.join(words) == text


def test_a_long_word_weighs_more_in_the_confidence() -> None:
    assert transcript.confidence([word("长", 0.0, 3.0, 1.0), word("短", 3.0, 4.0, 0.2)]) == pytest.approx(0.8)


def test_words_without_length_still_have_a_mean_confidence() -> None:
    assert transcript.confidence([word("一", 1.0, 1.0, 0.4), word("二", 1.0, 1.0, 0.6)]) == pytest.approx(0.5)


def test_the_json_has_exactly_the_shape_of_the_api() -> None:
    made = transcript.sentences([[word("您好", 0.12345, 0.98765, 0.876543)], []])
    whole = Transcript("01KBTESTRECORDING000000000", ENGINE, ("rep", "customer"), made, 12.34567)

    shape = transcript.to_json(whole)

    assert json.loads(json.dumps(shape)) == {
        "recording_id": "01KBTESTRECORDING000000000",
        "version": 1,
        "engine": {"name": "vosk", "model": "vosk-model-small-cn-0.22", "model_sha256": "ab" * 32},
        "channels": [{"channel": 0, "speaker": "rep"}, {"channel": 1, "speaker": "customer"}],
        "sentences": [
            {
                "index": 0,
                "channel": 0,
                "start": 0.123,
                "end": 0.988,
                "text": "您好",
                "confidence": 0.8765,
                "words": [{"text": "您好", "start": 0.123, "end": 0.988, "confidence": 0.8765}],
            }
        ],
        "duration_s": 12.346,
    }


def test_a_silent_recording_is_a_transcript_with_an_empty_list() -> None:
    shape = transcript.to_json(Transcript("01KBTESTRECORDING000000000", ENGINE, ("unknown",), (), 60.0))

    assert shape["sentences"] == []
    assert shape["channels"] == [{"channel": 0, "speaker": "unknown"}]


def test_every_reason_of_failure_has_a_sentence_that_tells_people_what_to_do() -> None:
    assert all(sentence.endswith("。") and len(sentence) > 10 for sentence in transcript.REASONS.values())
