"""Audio files as they come, turned into what the recogniser takes: 16 kHz mono int16 PCM, channel by channel.

The only importer of PyAV. A file is streamed and never trusted: nothing is allocated by what a header says, the
file's own structure is compared with what is there, and only formats on a list are opened (a playlist that names
other files or addresses is not audio). ``probe`` decodes the whole file once, which costs seconds for an hour of
sound, so that a bad file fails before the engine spends minutes on it.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EACCES, EMFILE, ENFILE, ENOENT
from pathlib import Path
from typing import BinaryIO

import av
from av.container import InputContainer

from leadtrail.domain.transcript import FailureReason

RATE = 16_000
BYTES_PER_SAMPLE = 2

Blocks = tuple[bytes, ...]
"""Int16 PCM of one stretch of time, one entry for each channel, all of the same length."""

_FORMATS = "wav,w64,aiff,au,caf,flac,mp3,aac,loas,ac3,amr,amrnb,amrwb,ogg,matroska,webm,mov,mp4,m4a,3gp,asf,avi,flv"
_DECLARES_DURATION = ("flac", "matroska", "mov", "asf", "aiff", "caf", "w64", "au")
_LOWEST_RATE = 2_000  # no codec of speech is slower; a header that says so would blow one frame up to minutes
_GAP_S = 0.25
_UNKNOWN_SIZE = 0xFFFF_FFFF
_MOST_CHUNKS = 10_000
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


class AudioError(Exception):
    """The file cannot be transcribed, now or later; ``reason`` is a key of ``leadtrail.domain.transcript.REASONS``."""

    def __init__(self, reason: FailureReason) -> None:
        super().__init__(reason)
        self.reason: FailureReason = reason


@dataclass(frozen=True, slots=True)
class AudioLimits:
    """The most that is decoded of one file; more is refused with ``too-long`` or ``too-many-channels``."""

    max_seconds: float = 12 * 3600
    max_channels: int = 8


LIMITS = AudioLimits()


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """What the file really holds: ``duration_s`` counts decoded samples, whatever the header says."""

    duration_s: float
    channels: int


@dataclass(slots=True)
class _Tally:
    """Packets so far, and those that could not be decoded."""

    packets: int = 0
    bad: int = 0


def probe(path: Path, *, limits: AudioLimits = LIMITS) -> AudioFacts:
    """Decode the whole file at constant memory and tell how long it is; raise AudioError for one that is not whole."""
    if not path.stat().st_size:
        raise AudioError("empty")
    with path.open("rb") as file:
        if _is_cut(file, path.stat().st_size):
            raise AudioError("truncated")
    samples, channels = 0, 0
    for blocks in decode(path, limits=limits):
        samples += len(blocks[0]) // BYTES_PER_SAMPLE
        channels = len(blocks)
    duration_s = samples / RATE
    if duration_s < _declared_s(path) * 0.99 - _GAP_S:
        raise AudioError("truncated")
    return AudioFacts(duration_s, channels)


def decode(path: Path, *, limits: AudioLimits = LIMITS) -> Iterator[Blocks]:
    """Yield the sound in order, a fraction of a second at a time; raise AudioError as soon as a limit is passed.

    Time missing between packets (a lost packet, a codec that sends nothing in silence) is filled with digital
    silence, so that the count of samples stays the time axis.
    """
    tally, samples = _Tally(), 0
    with _opened(path) as (container, stream):
        for blocks in _resampled(_frames(container, stream, tally), limits):
            samples += len(blocks[0]) // BYTES_PER_SAMPLE
            if samples > limits.max_seconds * RATE:
                raise AudioError("too-long")
            yield blocks
    if not samples:
        raise AudioError("damaged" if tally.bad else "no-audio")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, av.AudioStream]]:
    options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
    try:
        container = av.open(f"file:{path}", options=options, metadata_errors="ignore")
    except av.error.FFmpegError as error:
        raise _failure(error, "not-audio") from error
    with container:
        if not container.streams.audio:
            raise AudioError("no-audio")
        stream = container.streams.audio[0]
        if stream.codec_context is None:  # what FFmpeg names but cannot decode has no context
            raise AudioError("unsupported")
        yield container, stream


def _frames(container: InputContainer, stream: av.AudioStream, tally: _Tally) -> Iterator[av.AudioFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError as error:
            raise _failure(error, "damaged") from error
        if packet is None:
            return
        tally.packets += 1
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            _count_bad(error, tally)
        else:
            yield from (frame for frame in frames if isinstance(frame, av.AudioFrame))


def _count_bad(error: av.error.FFmpegError, tally: _Tally) -> None:
    """Let single bad packets pass (tags at the end of an mp3), and refuse a file that is bad throughout."""
    failure = _failure(error, "damaged")
    tally.bad += 1
    if tally.bad > 2 and tally.bad * 20 > tally.packets:
        raise failure from error


def _failure(error: av.error.FFmpegError, reason: FailureReason) -> AudioError:
    """Return what the error means for the file; what is the machine's trouble and not the file's is raised as it is."""
    if error.errno in {ENOENT, EACCES, EMFILE, ENFILE}:
        raise error
    if isinstance(error, (av.error.DecoderNotFoundError, av.error.PatchWelcomeError)):
        return AudioError("unsupported")
    return AudioError(reason)


def _resampled(frames: Iterator[av.AudioFrame], limits: AudioLimits) -> Iterator[Blocks]:
    resampler: av.AudioResampler | None = None
    shape: tuple[str, int] | None = None
    channels, position_s, origin_s = 0, 0.0, 0.0
    for frame in frames:
        if resampler is None:
            channels, origin_s = _channels(frame, limits), frame.time or 0.0
        elif frame.layout.nb_channels != channels:
            raise AudioError("damaged")
        gap_s = frame.time - origin_s - position_s if frame.time is not None else 0.0
        if gap_s > _GAP_S:
            yield from _silence(gap_s, channels, limits)
            position_s += gap_s
        if resampler is None or shape != (frame.format.name, frame.sample_rate):
            if frame.sample_rate < _LOWEST_RATE:
                raise AudioError("unsupported")
            if resampler is not None:
                yield from _converted(resampler, None)
            resampler = av.AudioResampler(format="s16p", layout=frame.layout, rate=RATE)
            shape = (frame.format.name, frame.sample_rate)
        yield from _converted(resampler, frame)
        position_s += frame.samples / frame.sample_rate
    if resampler is not None:
        yield from _converted(resampler, None)


def _channels(frame: av.AudioFrame, limits: AudioLimits) -> int:
    if frame.layout.nb_channels > limits.max_channels:
        raise AudioError("too-many-channels")
    return frame.layout.nb_channels


def _silence(seconds: float, channels: int, limits: AudioLimits) -> Iterator[Blocks]:
    left = round(min(seconds, limits.max_seconds + 1) * RATE)
    while left > 0:
        samples = min(left, RATE)
        yield (bytes(samples * BYTES_PER_SAMPLE),) * channels
        left -= samples


def _converted(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> Iterator[Blocks]:
    try:
        converted = resampler.resample(frame)
    except av.error.FFmpegError as error:
        raise _failure(error, "damaged") from error
    for piece in converted:
        if piece.samples:  # a plane is padded beyond its samples
            yield tuple(bytes(plane)[: piece.samples * BYTES_PER_SAMPLE] for plane in piece.planes)


def _declared_s(path: Path) -> float:
    """Return the length that the file itself declares, or 0 where FFmpeg could only have guessed it."""
    with _opened(path) as (container, stream):
        name = container.format.name
        if not name.startswith(_DECLARES_DURATION) and not (name == "mp3" and _has_mp3_index(path)):
            return 0.0
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        alone = len(container.streams) == 1  # else the length may be that of a film
        return (container.duration or 0) / av.time_base if alone else 0.0


def _has_mp3_index(path: Path) -> bool:
    """Say whether the first frame counts the frames (Xing, Info or VBRI); without it a length is bit rate by size."""
    with path.open("rb") as file:
        head = file.read(10)
        tag = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))
        file.seek(10 + tag if head.startswith(b"ID3") else 0)
        frame = file.read(256)
    return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))


def _is_cut(file: BinaryIO, size: int) -> bool:
    """Say whether the file's structure needs more bytes than there are; formats without lengths never say so."""
    head = file.read(12)
    if head[:4] in {b"RIFF", b"RF64"} and head[8:12] == b"WAVE":
        return _is_wav_cut(file, size, head)
    if head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide"}:
        return _is_mp4_cut(file, size)
    if head[:4] == b"OggS":
        return _is_ogg_cut(file, size)
    if head[:4] == b"0&\xb2u":
        return _is_asf_cut(file, size)
    return False


def _is_wav_cut(file: BinaryIO, size: int, head: bytes) -> bool:
    position = 12
    length: int
    long_size: int | None = None
    for _ in range(_MOST_CHUNKS):
        header = _read_at(file, position, 8)
        if len(header) < 8:
            break
        name, length = header[:4], struct.unpack("<I", header[4:])[0]
        if name == b"ds64":
            long_size = struct.unpack("<Q", _read_at(file, position + 16, 8).ljust(8, b"\0"))[0]
        if name == b"data":
            there = size - position - 8
            if length == _UNKNOWN_SIZE and long_size is not None:
                length = long_size
            elif length == _UNKNOWN_SIZE and head[4:8] == b"\xff\xff\xff\xff":
                return there < RATE  # written to a pipe, where the length is never known: believed if there is sound
            return length > there + 64  # some writers count their own header
        position += 8 + length + length % 2
    return False  # no sound at all: the decoder says so


def _is_mp4_cut(file: BinaryIO, size: int) -> bool:
    position, has_index = 0, False
    for _ in range(_MOST_CHUNKS):
        header = _read_at(file, position, 16)
        if len(header) < 8:
            break
        length, name = struct.unpack(">I4s", header[:8])
        if length == 1 and len(header) == 16:
            length = struct.unpack(">Q", header[8:])[0]
        if name in {b"mdat", b"moov", b"moof"} and length > size - position:
            return True
        has_index = has_index or name == b"moov"
        if length < 8:  # 0: up to the end of the file; anything else is no box
            break
        position += length
    return not has_index  # recorders write the index last: a file without one was never finished


def _is_ogg_cut(file: BinaryIO, size: int) -> bool:
    start = max(0, size - 2 * 65_307)  # the longest page: one whole page is in here
    tail = _read_at(file, start, size - start)
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return True
    return len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])


def _is_asf_cut(file: BinaryIO, size: int) -> bool:
    head = _read_at(file, 0, 65_536)
    properties = head[head.find(_ASF_FILE_PROPERTIES) :][:92] if _ASF_FILE_PROPERTIES in head else b""
    if len(properties) < 92 or properties[88] & 1:  # written live, without sizes
        return False
    return bool(struct.unpack("<Q", properties[40:48])[0] > size)


def _read_at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)
