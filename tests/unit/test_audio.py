"""Sound files as people and call systems send them: whole ones are decoded, the others fail with a reason."""

import math
import random
import resource
import socket
import struct
import threading
import wave
from array import array
from pathlib import Path

import av
import pytest

from functions.transcribe import audio
from functions.transcribe.audio import AudioError, AudioLimits
from leadtrail.domain.transcript import REASONS


def tone(seconds: float, *, rate: int = 16_000, hertz: float = 440.0, level: int = 8_000) -> "array[int]":
    return array("h", (round(level * math.sin(math.tau * hertz * n / rate)) for n in range(round(seconds * rate))))


def interleaved(*channels: "array[int]") -> bytes:
    return array("h", (sample for together in zip(*channels, strict=True) for sample in together)).tobytes()


def write_wav(path: Path, pcm: bytes, *, rate: int = 16_000, channels: int = 1, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(pcm)
    return path


def encode(path: Path, codec: str, samples: "array[int]", *, rate: int, format_name: str, **options: str) -> Path:
    with av.open(str(path), "w", format=format_name, options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = 64_000
        step = rate // 10
        resampler = av.AudioResampler(stream.format.name, "mono", rate, frame_size=stream.codec_context.frame_size or 0)
        for start in range(0, len(samples), step):
            piece = samples[start : start + step]
            frame = av.AudioFrame(format="s16", layout="mono", samples=len(piece))
            frame.planes[0].update(piece.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
            frame.sample_rate, frame.pts = rate, start
            for ready in resampler.resample(frame):
                container.mux(stream.encode(ready))
        for ready in resampler.resample(None):
            container.mux(stream.encode(ready))
        container.mux(stream.encode(None))
    return path


def cut(path: Path, share: float = 0.5) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def loudness(pcm: bytes) -> float:
    samples = array("h", pcm)
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples))


def test_a_plain_recording_comes_out_sample_by_sample(tmp_path: Path) -> None:
    samples = tone(1.0)
    path = write_wav(tmp_path / "call.wav", samples.tobytes())

    pcm = b"".join(block[0] for block in audio.decode(path))

    assert pcm == samples.tobytes()


def test_each_channel_of_a_stereo_call_comes_out_alone(tmp_path: Path) -> None:
    left, right = tone(0.5), array("h", [0] * 8_000)
    path = write_wav(tmp_path / "call.wav", interleaved(left, right), channels=2)

    blocks = list(audio.decode(path))

    assert b"".join(block[0] for block in blocks) == left.tobytes()
    assert b"".join(block[1] for block in blocks) == right.tobytes()
    assert audio.probe(path) == audio.AudioFacts(0.5, 2)


@pytest.mark.parametrize(
    ("codec", "name", "format_name", "rate"),
    [
        ("pcm_u8", "8bit.wav", "wav", 8_000),
        ("pcm_s16le", "96k.wav", "wav", 96_000),
        ("pcm_alaw", "alaw.wav", "wav", 8_000),
        ("pcm_mulaw", "mulaw.wav", "wav", 8_000),
        ("adpcm_ima_wav", "adpcm.wav", "wav", 8_000),
        ("libmp3lame", "really-an-mp3.wav", "mp3", 16_000),
        ("libmp3lame", "call.mp3", "mp3", 8_000),
        ("aac", "call.m4a", "ipod", 16_000),
        ("aac", "call.aac", "adts", 16_000),
        ("libopus", "call.ogg", "ogg", 16_000),
        ("libopus", "call.webm", "webm", 48_000),
        ("flac", "call.flac", "flac", 16_000),
        ("wmav2", "call.wma", "asf", 44_100),
    ],
    ids=str,
)
def test_the_formats_of_phones_and_call_systems_are_decoded(
    tmp_path: Path, codec: str, name: str, format_name: str, rate: int
) -> None:
    path = encode(tmp_path / name, codec, tone(2.0, rate=rate), rate=rate, format_name=format_name)

    facts = audio.probe(path)

    assert facts.channels == 1
    assert facts.duration_s == pytest.approx(2.0, abs=0.3)
    assert loudness(b"".join(block[0] for block in audio.decode(path))) > 3_000


def test_silence_is_sound_like_any_other(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "silence.wav", bytes(32_000))

    assert audio.probe(path) == audio.AudioFacts(1.0, 1)


def test_a_wav_written_to_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "piped.wav", tone(2.0).tobytes())
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)

    assert audio.probe(path).duration_s == pytest.approx(2.0)


def failing_empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def failing_html(path: Path) -> Path:
    path.write_text("<!doctype html><html><body>404 not found</body></html>" * 50, encoding="utf-8")
    return path


def failing_noise(path: Path) -> Path:
    path.write_bytes(random.Random(7).randbytes(20_000))
    return path


def failing_no_frames(path: Path) -> Path:
    return write_wav(path, b"")


def failing_false_header(path: Path) -> Path:
    head = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16)
    path.write_bytes(head + b"data\xff\xff\xff\xff" + bytes(100))
    return path


def failing_one_hertz(path: Path) -> Path:
    return write_wav(path, bytes(32_000), rate=1)


def failing_cut_wav(path: Path) -> Path:
    return cut(write_wav(path, tone(2.0).tobytes()))


def failing_cut_flac(path: Path) -> Path:
    return cut(encode(path, "flac", tone(3.0), rate=16_000, format_name="flac"))


def failing_cut_mp3(path: Path) -> Path:
    return cut(encode(path, "libmp3lame", tone(3.0), rate=16_000, format_name="mp3"))


def failing_cut_m4a(path: Path) -> Path:
    return cut(encode(path, "aac", tone(3.0), rate=16_000, format_name="ipod"))


def failing_cut_streamed_m4a(path: Path) -> Path:
    return cut(encode(path, "aac", tone(3.0), rate=16_000, format_name="ipod", movflags="faststart"))


def failing_cut_ogg(path: Path) -> Path:
    return cut(encode(path, "libopus", tone(3.0), rate=48_000, format_name="ogg"))


def failing_cut_webm(path: Path) -> Path:
    return cut(encode(path, "libopus", tone(3.0), rate=48_000, format_name="webm"))


def failing_cut_wma(path: Path) -> Path:
    return cut(encode(path, "wmav2", tone(3.0, rate=44_100), rate=44_100, format_name="asf"))


def failing_nine_channels(path: Path) -> Path:
    return write_wav(path, bytes(2 * 9 * 1_600), channels=9)


@pytest.mark.parametrize(
    ("make", "reasons"),
    [
        (failing_empty, {"empty"}),
        (failing_html, {"not-audio"}),
        (failing_noise, {"not-audio", "damaged", "no-audio"}),  # what noise looks like to FFmpeg is FFmpeg's affair
        (failing_no_frames, {"no-audio"}),
        (failing_false_header, {"truncated"}),
        (failing_one_hertz, {"unsupported"}),
        (failing_cut_wav, {"truncated"}),
        (failing_cut_flac, {"truncated"}),
        (failing_cut_mp3, {"truncated"}),
        (failing_cut_m4a, {"truncated"}),
        (failing_cut_streamed_m4a, {"truncated"}),
        (failing_cut_ogg, {"truncated"}),
        (failing_cut_webm, {"truncated"}),
        (failing_cut_wma, {"truncated"}),
        (failing_nine_channels, {"too-many-channels"}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_file_that_is_no_whole_recording_fails_with_a_reason_for_people(
    tmp_path: Path, make: object, reasons: set[str]
) -> None:
    assert callable(make)
    path = make(tmp_path / "upload.bin")

    with pytest.raises(AudioError) as failure:
        audio.probe(path)

    assert failure.value.reason in reasons
    assert REASONS[failure.value.reason]


def test_bytes_that_flipped_on_the_way_end_in_a_recording_or_in_a_reason(tmp_path: Path) -> None:
    path = encode(tmp_path / "call.aac", "aac", tone(1.0), rate=16_000, format_name="adts")
    whole, chance, reasons = path.read_bytes(), random.Random(3), set()

    for _ in range(60):
        flipped = bytearray(whole)
        for _ in range(20):
            flipped[chance.randrange(len(flipped))] = chance.randrange(256)
        path.write_bytes(flipped)
        try:
            reasons.add("ready" if audio.probe(path).duration_s else "")
        except AudioError as failure:
            reasons.add(failure.reason)

    assert reasons <= {"ready", *REASONS}


def test_a_recording_longer_than_the_limit_stops_at_the_limit(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "long.wav", bytes(2 * 16_000 * 5))

    with pytest.raises(AudioError, match="too-long"):
        audio.probe(path, limits=AudioLimits(max_seconds=4.0))


def test_a_missing_file_is_the_machines_trouble_and_not_the_recordings(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        audio.probe(tmp_path / "gone.wav")


def test_time_that_a_codec_left_out_is_silence_on_the_time_axis(tmp_path: Path) -> None:
    path = tmp_path / "gap.webm"
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        for start in (0, 16_000 * 3):
            frame = av.AudioFrame(format="s16", layout="mono", samples=16_000)
            frame.planes[0].update(tone(1.0).tobytes())
            frame.sample_rate, frame.pts = 16_000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    pcm = b"".join(block[0] for block in audio.decode(path))

    assert len(pcm) == 4 * 32_000
    assert loudness(pcm[32_000 : 3 * 32_000]) == 0.0
    assert loudness(pcm[3 * 32_000 :]) > 3_000


@pytest.mark.parametrize("kind", ["hls", "concat"])
def test_a_playlist_opens_neither_addresses_nor_other_files(tmp_path: Path, kind: str) -> None:
    secret = write_wav(tmp_path / "secret.wav", tone(1.0).tobytes())
    with socket.create_server(("127.0.0.1", 0)) as canary:
        visits: list[object] = []
        canary.settimeout(0.5)
        listener = threading.Thread(target=_count_visits, args=(canary, visits))
        listener.start()
        address = f"http://127.0.0.1:{canary.getsockname()[1]}/a.ts"
        playlist = {
            "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{address}\n#EXTINF:5,\n{secret}\n#EXT-X-ENDLIST\n",
            "concat": f"ffconcat version 1.0\nfile {secret.name}\nfile '{address}'\n",
        }[kind]
        path = tmp_path / "upload.wav"
        path.write_text(playlist, encoding="utf-8")

        with pytest.raises(AudioError, match="not-audio"):
            audio.probe(path)

        listener.join()
    assert visits == []


def _count_visits(canary: socket.socket, visits: list[object]) -> None:
    try:
        connection, address = canary.accept()
    except TimeoutError:
        return
    connection.close()
    visits.append(address)


def test_an_hour_is_decoded_at_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "hour.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        minute = tone(60.0, rate=8_000).tobytes()
        for _ in range(60):
            file.writeframesraw(minute)
    audio.probe(write_wav(tmp_path / "warm.wav", tone(1.0).tobytes()))
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    facts = audio.probe(path)

    assert facts.duration_s == pytest.approx(3600.0)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 32 * 1024
