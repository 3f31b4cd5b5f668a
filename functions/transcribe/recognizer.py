"""From sound to words: one recogniser for each channel, kept for the whole call, on one exact time axis.

The only importer of Vosk. Each channel goes through a ``Listener`` in pieces of 100 ms. A pause makes the engine
finish what it heard: with one channel, where two people may take turns, a short one (the next speaker starts fresh:
error 0.40 -> 0.25 on a mixed dialogue), with several channels only a long one (cutting one speaker's own speech costs
accuracy: 0.26 -> 0.35). Silence after a pause is not fed at all, and its length is added to the times that follow.
"""

import json
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from hashlib import file_digest, sha256
from operator import mul
from pathlib import Path
from typing import Protocol

from functions.transcribe import audio
from leadtrail.domain.transcript import Engine, Word

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read at load time: else two channels on one model take turns
import vosk

PIECE_BYTES = audio.RATE // 10 * audio.BYTES_PER_SAMPLE
_STEP_BYTES = 20 * audio.RATE * audio.BYTES_PER_SAMPLE
_TURN_S = 0.6
_LONG_PAUSE_S = 2.0
_QUIET_SHARE = 0.06  # of the loudest of about the last minute: 24 dB below
_QUIET_RMS = 30.0
_SILENT_RMS = 16.0  # A-law's idle channel is 8


class ChannelRecognizer(Protocol):
    """One engine on one channel; times of its words count the sound that it was fed, in seconds."""

    def feed(self, pcm: bytes) -> list[Word]:
        """Take 16 kHz int16 PCM and return the words that became final with it."""

    def finish(self) -> list[Word]:
        """Return the words still in the making; what is fed next starts a new utterance at the running time."""


class Recognizer(Protocol):
    """A loaded model."""

    @property
    def engine(self) -> Engine:
        """What recognises: kept with each transcript."""

    def channel(self) -> ChannelRecognizer:
        """Return an engine that has heard nothing."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """All words of a recording, channel by channel, in seconds from its start."""

    duration_s: float
    channels: int
    words: tuple[tuple[Word, ...], ...]


def transcribe(
    path: Path,
    *,
    recognizer: Recognizer,
    limits: audio.AudioLimits = audio.LIMITS,
    on_progress: Callable[[float], None] | None = None,
) -> Recognition:
    """Recognise a whole file with a thread for each channel, at constant memory.

    ``on_progress`` hears the share done (0 to 1) after each 20 s of sound, and may raise to stop. Raises
    ``audio.AudioError`` for a file that will never be readable, before any recognition where that can be known.
    """
    facts = audio.probe(path, limits=limits)
    pause_s = _TURN_S if facts.channels == 1 else _LONG_PAUSE_S
    listeners = [Listener(recognizer.channel(), pause_s=pause_s) for _ in range(facts.channels)]
    done_s = 0.0
    with ThreadPoolExecutor(max_workers=facts.channels) as pool:
        for step in _steps(audio.decode(path, limits=limits)):
            list(pool.map(Listener.hear, listeners, step))
            done_s += len(step[0]) / audio.BYTES_PER_SAMPLE / audio.RATE
            if on_progress:
                on_progress(min(1.0, done_s / facts.duration_s))
        words = tuple(pool.map(Listener.end, listeners))
    return Recognition(facts.duration_s, facts.channels, words)


@dataclass(slots=True)
class Listener:
    """Feeds one channel to its engine, ends utterances at pauses of ``pause_s`` seconds and leaves silence out.

    A piece is quiet when its RMS is 24 dB under the loudest of about the last minute, and silent when it is as good
    as digital zero. Silence is left out only while the engine has nothing in the making, so one offset holds for all
    words of an utterance; the last silent piece before sound is fed, since an engine needs a little to start on.
    """

    engine: ChannelRecognizer
    pause_s: float
    words: list[Word] = field(default_factory=list)
    _rest: bytes = b""
    _held: bytes = b""
    _skipped: int = 0  # samples
    _loudest: float = 0.0
    _quiet: int = 0  # pieces in a row
    _silent: int = 0
    _pending: bool = False  # the engine was fed since it last finished
    _spoken: bool = False  # and some of that was not quiet

    def hear(self, pcm: bytes) -> None:
        """Take the next stretch of this channel, of any length."""
        sound = self._rest + pcm
        whole = len(sound) - len(sound) % PIECE_BYTES
        for start in range(0, whole, PIECE_BYTES):
            self._hear_piece(sound[start : start + PIECE_BYTES])
        self._rest = sound[whole:]

    def end(self) -> tuple[Word, ...]:
        """Finish the last utterance and return all words of the channel."""
        if self._rest:
            self._hear_piece(self._rest)
            self._rest = b""
        self._finish()
        return tuple(self.words)

    def _hear_piece(self, piece: bytes) -> None:
        level = rms(piece)
        self._loudest = max(level, self._loudest * 0.999)
        self._quiet = self._quiet + 1 if level < max(_QUIET_RMS, _QUIET_SHARE * self._loudest) else 0
        self._silent = self._silent + 1 if level < _SILENT_RMS else 0
        if self._silent and not self._pending:
            self._skip(piece)
            return
        self._feed(self._held + piece)
        self._held = b""
        self._spoken = self._spoken or not self._quiet
        pause = self.pause_s * 10
        if (self._spoken and self._quiet >= pause) or self._silent >= pause:
            self._finish()

    def _skip(self, piece: bytes) -> None:
        self._skipped += len(self._held) // audio.BYTES_PER_SAMPLE
        self._held = piece

    def _feed(self, pcm: bytes) -> None:
        self._pending = True
        self._keep(self.engine.feed(pcm))

    def _finish(self) -> None:
        if self._pending:
            self._keep(self.engine.finish())
        self._pending = self._spoken = False

    def _keep(self, words: Sequence[Word]) -> None:
        offset_s = self._skipped / audio.RATE
        self.words += [Word(word.text, word.start + offset_s, word.end + offset_s, word.confidence) for word in words]


def rms(pcm: bytes) -> float:
    """Return the root mean square of int16 samples (0 to 32,768); digital silence is told without arithmetic."""
    if pcm.count(0) == len(pcm):
        return 0.0
    samples = array("h", pcm)
    return float((sum(map(mul, samples, samples)) / len(samples)) ** 0.5)


class VoskRecognizer:
    """Vosk on a model folder; the model (seconds to load, half a gigabyte) is loaded once per process and path.

    ``name`` is what transcripts call the model; left out, it is the folder's name. Raises FileNotFoundError where
    there is no model.
    """

    def __init__(self, model_path: Path, *, name: str = "") -> None:
        self._model = _model(model_path)
        self._path = model_path
        folder = model_path.resolve()
        self._name = name or (folder.parent.name if folder.name == "model" else folder.name)

    @property
    def engine(self) -> Engine:
        """The engine, the model's name and the hash of its files (computed once per process)."""
        return Engine("vosk", self._name, model_sha256(self._path))

    def channel(self) -> ChannelRecognizer:
        """Return a recogniser of its own on the shared model."""
        return _VoskChannel(self._model)


@cache
def model_sha256(model_path: Path) -> str:
    """Return one hash over the relative names and the contents of a model's files, in the order of the names."""
    whole = sha256()
    for path in sorted(path for path in model_path.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            content = file_digest(file, "sha256").hexdigest()
        whole.update(f"{path.relative_to(model_path).as_posix()}\0{content}\n".encode())
    return whole.hexdigest()


@cache
def _model(model_path: Path) -> vosk.Model:
    if not (model_path / "am").is_dir() and not (model_path / "final.mdl").is_file():  # the two layouts of Vosk
        raise FileNotFoundError(f"no Vosk model in {model_path}")
    vosk.SetLogLevel(-1)
    return vosk.Model(str(model_path))


class _VoskChannel:
    """One KaldiRecognizer: single use, single thread."""

    def __init__(self, model: vosk.Model) -> None:
        self._recognizer = vosk.KaldiRecognizer(model, float(audio.RATE))
        self._recognizer.SetWords(True)

    def feed(self, pcm: bytes) -> list[Word]:
        return _words(self._recognizer.Result()) if self._recognizer.AcceptWaveform(pcm) else []

    def finish(self) -> list[Word]:
        return _words(self._recognizer.FinalResult())


def _words(result: str) -> list[Word]:
    """Read Vosk's JSON; silence has no ``result`` at all."""
    return [
        Word(word["word"], float(word["start"]), float(word["end"]), float(word["conf"]))
        for word in json.loads(result).get("result", ())
    ]


def _steps(blocks: Iterator[audio.Blocks]) -> Iterator[audio.Blocks]:
    """Gather blocks into steps of 20 s: long enough that channels which speak in turn seldom wait for each other."""
    gathered: list[audio.Blocks] = []
    size = 0
    for block in blocks:
        gathered.append(block)
        size += len(block[0])
        if size >= _STEP_BYTES:
            yield _joined(gathered)
            gathered, size = [], 0
    if gathered:
        yield _joined(gathered)


def _joined(blocks: Sequence[audio.Blocks]) -> audio.Blocks:
    return tuple(b"".join(channel) for channel in zip(*blocks, strict=True))
