"""The operator's model download: the same archive for ever, and nothing outside its folder."""

import io
import json
import stat
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from console import model
from console.model import ModelArchiveError, ModelDownloadError, ModelFetchError, ModelHashError

NAME = "vosk-model-small-cn-0.22"


@dataclass
class Site:
    """A page on loopback that serves one body at every address, and counts."""

    base: str
    body: bytes = b""
    status: int = 200
    visits: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.base}/models/{NAME}.zip"


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.visits.append(self.path)
            self.send_response(served.status)
            self.send_header("Content-Length", str(len(served.body)))
            self.end_headers()
            self.wfile.write(served.body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def archive(entries: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as content:
        for name, body in entries.items():
            content.writestr(zipfile.ZipInfo(name), body)
    return made.getvalue()


def good_archive(text: bytes = b"weights") -> bytes:
    return archive({f"{NAME}/am/": b"", f"{NAME}/am/final.mdl": text, f"{NAME}/README": b"small"})


def left_over(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {NAME, f".{NAME}.sha256"} if folder.exists() else set()


def test_the_first_fetch_unpacks_the_model_and_records_its_hash(site: Site, tmp_path: Path) -> None:
    site.body = good_archive()
    record = tmp_path / "layers" / "models.json"

    fetched = model.fetch(site.url, tmp_path / "layer", record)

    assert fetched == model.FetchedModel(tmp_path / "layer" / NAME, sha256(site.body).hexdigest(), True, True)
    assert (fetched.path / "am" / "final.mdl").read_bytes() == b"weights"
    assert json.loads(record.read_text())[NAME] == {
        "url": site.url,
        "sha256": fetched.sha256,
        "bytes": len(site.body),
    }
    assert not left_over(tmp_path / "layer")


def test_a_second_fetch_asks_nobody(site: Site, tmp_path: Path) -> None:
    site.body = good_archive()
    first = model.fetch(site.url, tmp_path / "layer", tmp_path / "models.json")

    second = model.fetch(site.url, tmp_path / "layer", tmp_path / "models.json")

    assert second == model.FetchedModel(first.path, first.sha256, False, False)
    assert len(site.visits) == 1


def test_a_recorded_model_is_fetched_again_on_another_machine(site: Site, tmp_path: Path) -> None:
    site.body = good_archive()
    model.fetch(site.url, tmp_path / "here", tmp_path / "models.json")

    fetched = model.fetch(site.url, tmp_path / "there", tmp_path / "models.json")

    assert (fetched.downloaded, fetched.recorded) == (True, False)
    assert (tmp_path / "there" / NAME / "README").is_file()


def test_another_archive_under_the_same_name_is_refused_with_what_to_do(site: Site, tmp_path: Path) -> None:
    site.body = good_archive()
    model.fetch(site.url, tmp_path / "here", tmp_path / "models.json")
    recorded = (tmp_path / "models.json").read_text()
    site.body = good_archive(b"other weights")

    with pytest.raises(ModelHashError, match=r"models\.json"):
        model.fetch(site.url, tmp_path / "there", tmp_path / "models.json")

    assert not (tmp_path / "there" / NAME).exists()
    assert not left_over(tmp_path / "there")
    assert (tmp_path / "models.json").read_text() == recorded


def test_a_model_that_was_accepted_anew_replaces_the_old_one(site: Site, tmp_path: Path) -> None:
    site.body = good_archive()
    model.fetch(site.url, tmp_path / "layer", tmp_path / "models.json")
    (tmp_path / "models.json").unlink()
    site.body = good_archive(b"other weights")

    fetched = model.fetch(site.url, tmp_path / "layer", tmp_path / "models.json")

    assert (fetched.path / "am" / "final.mdl").read_bytes() == b"other weights"
    assert not left_over(tmp_path / "layer")


@pytest.mark.parametrize(
    "entry",
    ["../evil", f"{NAME}/../../evil", "/etc/evil", "other/evil", f"{NAME}\\..\\evil", "C:/evil", f"{NAME}/a:stream"],
)
def test_an_archive_that_reaches_outside_its_folder_is_refused(site: Site, tmp_path: Path, entry: str) -> None:
    site.body = archive({f"{NAME}/README": b"small", entry: b"evil"})

    with pytest.raises(ModelArchiveError):
        model.fetch(site.url, tmp_path / "deep" / "layer", tmp_path / "models.json")

    assert not list(tmp_path.rglob("*evil*"))
    assert not (tmp_path / "models.json").exists()


def test_a_link_in_an_archive_is_refused(site: Site, tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as content:
        link = zipfile.ZipInfo(f"{NAME}/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        content.writestr(link, "/etc")
    site.body = made.getvalue()

    with pytest.raises(ModelArchiveError, match="link"):
        model.fetch(site.url, tmp_path / "layer", tmp_path / "models.json")


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>404</html>", good_archive()[:-40], archive({}), archive({f"{NAME}/am": b"", f"{NAME}/am/x": b""})],
    ids=["empty", "html", "cut", "no files", "a file that is also a folder"],
)
def test_what_is_no_model_archive_is_refused_and_not_recorded(site: Site, tmp_path: Path, body: bytes) -> None:
    site.body = body

    with pytest.raises(ModelArchiveError):
        model.fetch(site.url, tmp_path / "layer", tmp_path / "models.json")

    assert not (tmp_path / "models.json").exists()
    assert not left_over(tmp_path / "layer")


def test_a_bomb_stops_at_the_cap(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MAX_UNPACKED_BYTES", 1024 * 1024)
    site.body = archive({f"{NAME}/zeros": bytes(3 * 1024 * 1024)})

    with pytest.raises(ModelArchiveError, match="上限"):
        model.fetch(site.url, tmp_path / "layer", tmp_path / "models.json")

    assert not left_over(tmp_path / "layer")


def test_a_download_that_is_too_big_stops_at_the_cap(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "MAX_ZIP_BYTES", 100)
    site.body = good_archive()

    with pytest.raises(ModelDownloadError, match="上限"):
        model.fetch(site.url, tmp_path / "layer", tmp_path / "models.json")


def test_an_address_that_answers_an_error_is_named(site: Site, tmp_path: Path) -> None:
    site.status = 404

    with pytest.raises(ModelDownloadError, match="404"):
        model.fetch(site.url, tmp_path / "layer", tmp_path / "models.json")


@pytest.mark.parametrize("url", ["file:///etc/model.zip", "https://example.com/", "https://example.com/model.tar"])
def test_only_a_zip_over_http_is_fetched(tmp_path: Path, url: str) -> None:
    with pytest.raises(ModelDownloadError):
        model.fetch(url, tmp_path / "layer", tmp_path / "models.json")


def test_a_broken_record_is_never_taken_for_a_first_time(site: Site, tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text("{", encoding="utf-8")

    with pytest.raises(ModelFetchError, match=r"models\.json"):
        model.fetch(site.url, tmp_path / "layer", tmp_path / "models.json")

    assert site.visits == []
