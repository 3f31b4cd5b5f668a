"""What was said in a recording: words, the sentences made of them, and the JSON that is kept.

The engine knows words and times and no punctuation: a sentence here ends where a speaker pauses. All times are
seconds from the start of the recording, on one time axis for all channels. Why a recording could not be
transcribed is one of ``REASONS``: the code is kept and sealed, the sentence is for people.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

TRANSCRIPT_VERSION = 1

Speaker = Literal["rep", "customer", "unknown"]

FailureReason = Literal[
    "empty",
    "too-large",
    "not-audio",
    "unsupported",
    "no-audio",
    "damaged",
    "truncated",
    "too-long",
    "too-many-channels",
]

REASONS: Mapping[FailureReason, str] = {
    "empty": "文件是空的，请重新上传录音。",
    "too-large": "录音文件超过 100 MB 的上限，请压缩或分段后再上传。",
    "not-audio": "这不是可识别的音频文件，请上传 wav、mp3、m4a、amr、ogg 等格式的录音。",
    "unsupported": "暂不支持这种音频编码，请转成 wav 或 mp3 后再上传。",
    "no-audio": "文件里没有声音数据，请确认录音已正常保存。",
    "damaged": "录音文件已损坏，无法解码，请重新导出后上传。",
    "truncated": "录音文件不完整(中途被截断，或文件头与内容不符)，请重新导出后上传。",
    "too-long": "录音时长超过上限，请分段后上传。",
    "too-many-channels": "录音的声道数超过上限，请导出为单声道或双声道后上传。",
}


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word; ``start`` and ``end`` in seconds of the recording, ``confidence`` from 0 to 1."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words of one channel between two pauses; ``index`` counts over all channels in the order of starting."""

    index: int
    channel: int
    start: float
    end: float
    text: str
    confidence: float
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Engine:
    """What recognised the words; ``model_sha256`` covers the names and contents of all files of the model."""

    name: str
    model: str
    model_sha256: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole recording in words; ``speakers`` has one entry for each channel, in the order of the channels."""

    recording_id: str
    engine: Engine
    speakers: tuple[Speaker, ...]
    sentences: tuple[Sentence, ...]
    duration_s: float


def sentences(
    channels: Sequence[Iterable[Word]], *, gap_s: float = 0.8, longest_s: float = 30.0
) -> tuple[Sentence, ...]:
    """Cut each channel's words at pauses and order the pieces of all channels by their start.

    A sentence ends where the next word starts ``gap_s`` or more after the last one ended, or where it would last
    longer than ``longest_s``. No words give no sentences: silence is not a failure.
    """
    pieces = [(channel, piece) for channel, words in enumerate(channels) for piece in _pieces(words, gap_s, longest_s)]
    pieces.sort(key=lambda item: (item[1][0].start, item[0]))
    return tuple(_sentence(index, channel, piece) for index, (channel, piece) in enumerate(pieces))


def join(words: Iterable[str]) -> str:
    """Join words as people write them: Chinese without spaces, everything else (Hangul, Latin, digits) with one."""
    text = ""
    for word in words:
        tight = not text or (_is_chinese(text[-1]) and _is_chinese(word[:1]))
        text += word if tight else f" {word}"
    return text


def confidence(words: Sequence[Word]) -> float:
    """Return the mean of the words' confidences weighted by how long each word lasts; 0 for no words."""
    total_s = sum(word.end - word.start for word in words)
    if total_s > 0:
        return sum(word.confidence * (word.end - word.start) for word in words) / total_s
    return sum(word.confidence for word in words) / len(words) if words else 0.0


def to_json(transcript: Transcript) -> dict[str, Any]:
    """Return the shape of ``GET /recordings/{id}/transcript``; times in seconds, to the millisecond."""
    return {
        "recording_id": transcript.recording_id,
        "version": TRANSCRIPT_VERSION,
        "engine": {
            "name": transcript.engine.name,
            "model": transcript.engine.model,
            "model_sha256": transcript.engine.model_sha256,
        },
        "channels": [{"channel": channel, "speaker": speaker} for channel, speaker in enumerate(transcript.speakers)],
        "sentences": [_sentence_json(sentence) for sentence in transcript.sentences],
        "duration_s": round(transcript.duration_s, 3),
    }


def _pieces(words: Iterable[Word], gap_s: float, longest_s: float) -> Iterator[tuple[Word, ...]]:
    piece: list[Word] = []
    for word in sorted((word for word in words if word.text), key=lambda word: word.start):
        if piece and (word.start - piece[-1].end >= gap_s or word.end - piece[0].start > longest_s):
            yield tuple(piece)
            piece = []
        piece.append(word)
    if piece:
        yield tuple(piece)


def _sentence(index: int, channel: int, words: tuple[Word, ...]) -> Sentence:
    return Sentence(
        index=index,
        channel=channel,
        start=words[0].start,
        end=max(word.end for word in words),
        text=join(word.text for word in words),
        confidence=confidence(words),
        words=words,
    )


def _sentence_json(sentence: Sentence) -> dict[str, Any]:
    return {
        "index": sentence.index,
        "channel": sentence.channel,
        "start": round(sentence.start, 3),
        "end": round(sentence.end, 3),
        "text": sentence.text,
        "confidence": round(sentence.confidence, 4),
        "words": [_word_json(word) for word in sentence.words],
    }


def _word_json(word: Word) -> dict[str, Any]:
    return {
        "text": word.text,
        "start": round(word.start, 3),
        "end": round(word.end, 3),
        "confidence": round(word.confidence, 4),
    }


def _is_chinese(char: str) -> bool:
    """Say whether the character is a Han character or a mark that stands beside one without a space."""
    return any(low <= char <= high for low, high in _CHINESE)


_CHINESE = (
    ("\u3001", "\u3007"),  # 、。〇 and their neighbours
    ("\u3400", "\u4dbf"),  # Han, extension A
    ("\u4e00", "\u9fff"),  # Han
    ("\uf900", "\ufaff"),  # Han, compatibility
    ("\uff01", "\uff1f"),  # full-width marks and digits
    ("\U00020000", "\U000323af"),  # Han, extensions B to H
)
