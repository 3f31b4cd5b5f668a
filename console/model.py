"""``leadtrail model fetch``: the Chinese speech model, downloaded once and the same ever after.

Two different archives of this model are about under one name, so there is no hash to ship: the first download is
recorded (the operator's decision, kept in version control), and from then on any other content is refused.
"""

import json
import re
import shutil
import stat
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import urlsplit
from zipfile import BadZipFile, ZipFile, ZipInfo
from zlib import error as ZlibError  # noqa: N812 - an exception class with a small letter

MODEL_URL = "https://alphacephei.com/vosk/models/vosk-model-small-cn-0.22.zip"
MAX_ZIP_BYTES = 200 * 1024 * 1024
MAX_UNPACKED_BYTES = 400 * 1024 * 1024
MAX_FILES = 1_000
_BLOCK = 1024 * 1024
_TIMEOUT_S = 60

Opener = Callable[[str], AbstractContextManager[IO[bytes]]]


class ModelFetchError(Exception):
    """The model was not fetched; the text tells the operator why and what to do."""


class ModelDownloadError(ModelFetchError):
    """The address could not be read, or holds more than a model may."""


class ModelHashError(ModelFetchError):
    """The archive is not the one that was recorded; nothing was unpacked."""


class ModelArchiveError(ModelFetchError):
    """The download is no model archive, or one that must not be unpacked."""


@dataclass(frozen=True, slots=True)
class FetchedModel:
    """Where the model lies, and the SHA-256 of its archive; ``recorded`` when this fetch was the first."""

    path: Path
    sha256: str
    downloaded: bool
    recorded: bool


def fetch(url: str, target_dir: Path, record_path: Path, *, opener: Opener | None = None) -> FetchedModel:
    """Download, check, unpack into ``target_dir/<model>`` in one rename; do nothing where that model already lies.

    ``record_path`` is a small JSON file: model name -> url, sha256, bytes. Raises one of ModelFetchError's kinds.
    """
    name = _model_name(url)
    record = _read_record(record_path)
    known = record.get(name, {}).get("sha256")
    path, mark = target_dir / name, target_dir / f".{name}.sha256"
    if known and path.is_dir() and mark.is_file() and mark.read_text(encoding="ascii").strip() == known:
        return FetchedModel(path, known, downloaded=False, recorded=False)
    target_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target_dir, prefix=".fetch-") as work:
        archive = Path(work) / "model.zip"
        digest = _download(url, archive, opener or _open)
        if known and digest != known:
            raise ModelHashError(_changed(name, known, digest, record_path))
        unpacked = _unpack(archive, Path(work) / "unpacked", name)
        if not known:
            record[name] = {"url": url, "sha256": digest, "bytes": archive.stat().st_size}
            _write(record_path, json.dumps(record, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
        _swap(unpacked, path, Path(work) / "old")
        _write(mark, digest + "\n")
    return FetchedModel(path, digest, downloaded=True, recorded=not known)


def _model_name(url: str) -> str:
    parts = urlsplit(url)
    file_name = PurePosixPath(parts.path).name
    if parts.scheme not in {"https", "http"} or not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,99}\.zip", file_name):
        raise ModelDownloadError(f"模型地址无效：{url} (需要以 http(s) 开头、以 .zip 结尾)")
    return file_name.removesuffix(".zip")


def _read_record(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelFetchError(f"模型记录文件 {path.name} 不是有效的 JSON，请从版本库恢复。") from error
    if not isinstance(record, dict) or not all(isinstance(entry, dict) for entry in record.values()):
        raise ModelFetchError(f"模型记录文件 {path.name} 内容不符合格式，请从版本库恢复。")
    return record


def _open(url: str) -> AbstractContextManager[IO[bytes]]:
    response: AbstractContextManager[IO[bytes]] = urllib.request.urlopen(  # noqa: S310 - fetch() lets http(s) through
        url, timeout=_TIMEOUT_S
    )
    return response


def _download(url: str, archive: Path, opener: Opener) -> str:
    digest, size = sha256(), 0
    try:
        with opener(url) as source, archive.open("wb") as file:
            while block := source.read(_BLOCK):
                size += len(block)
                if size > MAX_ZIP_BYTES:
                    raise ModelDownloadError(f"下载内容超过 {MAX_ZIP_BYTES // 1024**2} MB 上限，已中止：{url}")
                digest.update(block)
                file.write(block)
    except (OSError, HTTPException) as error:
        raise ModelDownloadError(f"下载模型失败：{url} ({error})。请检查网络或换用内网镜像地址后重试。") from error
    return digest.hexdigest()


def _changed(name: str, known: str, digest: str, record_path: Path) -> str:
    return (
        f"模型 {name} 与首次下载的不一致，已拒绝使用。记录的 SHA-256 为 {known}，本次为 {digest}。"
        f"请到 Vosk 模型页核实是否发布了新版本；确认可信后，删除 {record_path.name} 中该模型的一项再重新下载。"
    )


def _unpack(archive: Path, folder: Path, name: str) -> Path:
    """Unpack what lies under ``name/`` and nothing else; the sizes are counted, not believed."""
    folder.mkdir()
    with _reading_zip(archive) as content:
        entries = [(entry, _safe_path(entry, name)) for entry in content.infolist()]
        if len(entries) > MAX_FILES or not any(not entry.is_dir() for entry, _ in entries):
            raise ModelArchiveError(f"压缩包内文件数异常({len(entries)} 个)，不是 Vosk 模型。")
        left = MAX_UNPACKED_BYTES
        for entry, path in entries:
            if entry.is_dir():
                (folder / path).mkdir(parents=True, exist_ok=True)
            else:
                left -= _copy(content, entry, folder / path, left)
    return folder / name


@contextmanager
def _reading_zip(archive: Path) -> Iterator[ZipFile]:
    try:
        with ZipFile(archive) as content:
            yield content
    except (BadZipFile, ZlibError, EOFError, NotImplementedError, FileExistsError, NotADirectoryError) as error:
        raise ModelArchiveError(f"下载到的不是完整的 zip 压缩包({error})，请检查地址后重试。") from error


def _safe_path(entry: ZipInfo, name: str) -> PurePosixPath:
    path = PurePosixPath(entry.filename)
    mode = entry.external_attr >> 16
    is_plain = entry.is_dir() or not stat.S_IFMT(mode) or stat.S_ISREG(mode)
    is_inside = path.parts[:1] == (name,) and ".." not in path.parts
    has_odd_name = "\\" in entry.filename or ":" in entry.filename
    if not is_plain or not is_inside or has_odd_name or entry.flag_bits & 0x1:
        raise ModelArchiveError(f"压缩包内有不允许的条目 {entry.filename!r}(只接受 {name}/ 下的普通文件)，已拒绝解压。")
    return path


def _copy(content: ZipFile, entry: ZipInfo, target: Path, most: int) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with content.open(entry) as source, target.open("xb") as file:
        while block := source.read(_BLOCK):
            size += len(block)
            if size > most:
                raise ModelArchiveError(f"解压后超过 {MAX_UNPACKED_BYTES // 1024**2} MB 上限，已中止。")
            file.write(block)
    return size


def _swap(unpacked: Path, path: Path, old: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.move(path, old)
    unpacked.rename(path)


def _write(path: Path, text: str) -> None:
    """Write a small file at once: a reader sees the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
