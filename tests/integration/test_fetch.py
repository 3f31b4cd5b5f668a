"""Recordings that call systems offer by URL: fetched once, from where the source says, and from nowhere of our own.

A TLS server on loopback plays the call system, under names and public addresses that a made-up resolver gives; every
call to any other address ends at a canary that counts. The crash test kills the worker at each call to AWS.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from functions.ingest import fetch as entry
from leadtrail.adapters.download import Downloader
from leadtrail.domain import address, trail
from leadtrail.domain.address import FetchRefusedError, Target
from leadtrail.domain.ids import instant_of, is_id
from leadtrail.runtime.telemetry import logger
from leadtrail.services import fetching
from leadtrail.services.fetching import Login, Offer, UnreachableError
from tests.faults import CallFailedError, Fate
from tests.integration.conftest import TestWorld
from tests.integration.people import arrive

WAV = b"RIFF\x24\x10\x00\x00WAVEfmt " + bytes(range(256)) * 40
REC, CDN, STRANGER = "rec.example.com", "bj.cdn.example.net", "stranger.example.org"
HOSTS = (REC, ".cdn.example.net")
PUBLIC = {REC: "101.226.4.6", CDN: "101.226.4.7", STRANGER: "101.226.4.8"}
PRIVATE = "127.0.0.1"

Page = Callable[[BaseHTTPRequestHandler], object]


def plain(status: int, body: bytes = b"", **headers: str) -> Page:
    """A page that says at once what it has to say."""

    def answer(answering: BaseHTTPRequestHandler) -> None:
        answering.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            answering.send_header(name.replace("_", "-"), value)
        answering.end_headers()
        answering.wfile.write(body)

    return answer


def moved(to: str, status: int = 302) -> Page:
    return plain(status, Location=to)


@dataclass
class Asked:
    """One request as the call system saw it."""

    host: str
    path: str
    login: str | None


class CallSystem(ThreadingHTTPServer):
    """HTTPS on loopback; ``pages`` answer by path, ``asked`` and ``names`` (of TLS) tell what came."""

    daemon_threads = True

    def __init__(self, certificate: Path) -> None:
        super().__init__((PRIVATE, 0), _Answering)
        self.pages: dict[str, Page] = {}
        self.asked: list[Asked] = []
        self.names: list[str | None] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.sni_callback = lambda _, name, __: self.names.append(name)
        self.socket = context.wrap_socket(self.socket, server_side=True)


class _Answering(BaseHTTPRequestHandler):
    server: CallSystem

    def do_GET(self) -> None:
        self.server.asked.append(Asked(self.headers["Host"], self.path, self.headers["Authorization"]))
        self.server.pages[self.path.partition("?")[0]](self)

    def log_message(self, format: str, *args: object) -> None:
        """Tests keep standard error for errors."""


class Canary:
    """Listens on loopback and counts who calls; it plays every address that nobody may call."""

    def __init__(self) -> None:
        self._socket = socket.create_server((PRIVATE, 0))
        self.at: tuple[str, int] = self._socket.getsockname()
        self.hits = 0
        self._last: tuple[str, int] | None = None
        self._thread = threading.Thread(target=self._count)
        self._thread.start()

    def _count(self) -> None:
        while True:
            caller, _ = self._socket.accept()
            with caller:
                if caller.getpeername() == self._last:
                    return
            self.hits += 1

    def close(self) -> int:
        """Stop, and return how often it was called until then."""
        if self._last is None:
            with socket.socket() as last:
                last.bind((PRIVATE, 0))
                self._last = last.getsockname()
                last.connect(self.at)
                self._thread.join()
            self._socket.close()
        return self.hits


@dataclass
class Network:
    """The internet as the worker sees it; ``answers`` are what the resolver says for a name, one after the other."""

    site: CallSystem
    canary: Canary
    trust: ssl.SSLContext
    answers: dict[str, list[Sequence[str]]] = field(default_factory=dict)
    resolved: list[str] = field(default_factory=list)
    called: list[str] = field(default_factory=list)

    def resolve(self, host: str, port: int) -> Sequence[str]:
        self.resolved.append(host)
        waiting = self.answers.get(host)
        if waiting:
            return waiting.pop(0)
        if host not in PUBLIC:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [PUBLIC[host]]

    def connect(self, at: tuple[str, int], timeout: float) -> socket.socket:
        self.called.append(at[0])
        goes_to = self.site.server_address[:2] if at[0] in PUBLIC.values() else self.canary.at
        return socket.create_connection((str(goes_to[0]), int(goes_to[1])), timeout)

    def downloader(self, **limits: Any) -> Downloader:
        return Downloader(self.trust, resolve=self.resolve, connect=self.connect, **limits)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of the two listed names, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, REC)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(REC), x509.DNSName(CDN)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "site.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + secret)
    return path


@pytest.fixture
def network(certificate: Path) -> Iterator[Network]:
    """A call system that gives one recording, and a canary that nobody may call unless a test says so."""
    site, canary = CallSystem(certificate), Canary()
    site.pages["/call.wav"] = plain(200, WAV, Content_Type="application/octet-stream")
    serving = threading.Thread(target=site.serve_forever, args=(0.02,))
    serving.start()
    pem = certificate.read_text("ascii").partition("-----BEGIN PRIVATE")[0]
    yield Network(site, canary, ssl.create_default_context(cadata=pem))
    site.shutdown()
    serving.join()
    site.server_close()
    canary.close()


def bring(network: Network, url: str, folder: Path, *, hosts: Sequence[str] = HOSTS, **limits: Any) -> bytes:
    """Download ``url`` and return what came."""
    path = folder / "brought"
    network.downloader(**limits)(url, hosts=hosts, path=path, login=None)
    return path.read_bytes()


def refusal(network: Network, url: str, folder: Path, **given: Any) -> str:
    with pytest.raises(FetchRefusedError) as refused:
        bring(network, url, folder, **given)
    return refused.value.reason


# The way out


@pytest.mark.parametrize("path", ["/call.wav", "/call.wav?sign=a%2Fb", "/call.wav#part"])
def test_a_listed_host_is_called_by_its_name_at_the_address_that_was_looked_at(
    network: Network, tmp_path: Path, path: str
) -> None:
    brought = bring(network, f"https://{REC}{path}", tmp_path)

    assert brought == WAV
    assert network.site.names == [REC]
    assert network.site.asked == [Asked(REC, path.partition("#")[0], None)]
    assert (network.resolved, network.called) == ([REC], [PUBLIC[REC]])


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://127.1/", "https://127.0.0.1:443/", "https://0x7f.1/", "https://0x7f000001/",
        "https://2130706433/", "https://0177.0.0.1/", "https://017700000001/", "https://0/", "https://127.0.0.1./",
        "https://localhost/", "https://localhost./", "https://[::1]/", "https://[::]/",
        "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[64:ff9b::a9fe:a9fe]/",
        "https://[2002:7f00:1::1]/", "https://[2001:0:4136:e378:8000:63bf:80ff:fffe]/", "https://[fe80::1%25lo]/",
        "https://[::1%25lo]/", "https://１２７.０.０.１/", "https://127\u30020\u30020\u30021/", "https://ⓛocalhost/",
        "https://169.254.169.254/latest/meta-data/", f"https://{REC}@127.0.0.1/", f"https://127.0.0.1\\@{REC}/",
        f"https://127.0.0.1#@{REC}/", f"https://{REC}:22/", f"https://{REC}:443@127.0.0.1/", f"https://{REC}./",
        f"https://{REC}\\.127.0.0.1/", f"https://{REC}%00.127.0.0.1/", f"https://{REC}\r\n127.0.0.1/",
        f"http://{REC}/call.wav", "http://127.0.0.1/", "//127.0.0.1/", "https:///127.0.0.1/", "https:127.0.0.1",
        "file:///etc/hosts", "gopher://127.0.0.1/_x", "ftp://127.0.0.1/", "", "https://",
    ],
)  # fmt: skip
def test_no_spelling_of_an_address_of_ours_is_called_even_where_it_was_listed(
    network: Network, tmp_path: Path, url: str
) -> None:
    listed = (REC, "127.0.0.1", "127.1", "0x7f.1", "2130706433", "localhost", "[::1]", "[", "0", "", ".")

    reason = refusal(network, url, tmp_path, hosts=listed)

    assert reason in address.REFUSALS
    assert (network.canary.close(), network.called, network.resolved) == (0, [], [])


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["100.100.100.200"], ["0.0.0.1"], ["224.0.0.1"], ["::1"],
        ["::ffff:127.0.0.1"], ["64:ff9b::a9fe:a9fe"], ["2002:a9fe:a9fe::1"], ["2001::1"], ["fd00:ec2::254"],
        ["fe80::1%lo"], ["101.226.4.6", "127.0.0.1"], ["::1", "101.226.4.6"],
    ],
    ids=str,
)  # fmt: skip
def test_a_listed_name_that_resolves_to_an_address_of_ours_is_not_called(
    network: Network, tmp_path: Path, found: list[str]
) -> None:
    network.answers[REC] = [found]

    reason = refusal(network, f"https://{REC}/call.wav", tmp_path)

    assert reason == "address-not-public"
    assert (network.canary.close(), network.called) == (0, [])


@pytest.mark.parametrize(
    "host", ["localhost", "0x7f.1", "2130706433", "0177.1", "::1", "::ffff:127.0.0.1", "fe80::1%lo"]
)
def test_the_address_is_looked_at_even_where_the_name_was_let_through(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr(address, "target", lambda *_, **__: Target(host, 443, "/"))
    real = Downloader(network.trust, connect=network.connect)  # with the resolver of this machine

    with pytest.raises((FetchRefusedError, socket.gaierror)):
        real(f"https://{REC}/", hosts=HOSTS, path=tmp_path / "brought", login=None)

    assert (network.canary.close(), network.called) == (0, [])


def test_a_resolver_that_changes_its_mind_is_not_asked_again(network: Network, tmp_path: Path) -> None:
    network.answers[REC] = [[PUBLIC[REC]], [PRIVATE], [PRIVATE]]

    brought = bring(network, f"https://{REC}/call.wav", tmp_path)

    assert brought == WAV
    assert (network.canary.close(), network.called, network.resolved) == (0, [PUBLIC[REC]], [REC])


def test_a_redirect_to_the_same_name_is_looked_at_again(network: Network, tmp_path: Path) -> None:
    network.answers[REC] = [[PUBLIC[REC]], [PRIVATE]]
    network.site.pages["/moved"] = moved("/call.wav")

    reason = refusal(network, f"https://{REC}/moved", tmp_path)

    assert (reason, network.canary.close(), network.called) == ("address-not-public", 0, [PUBLIC[REC]])


@pytest.mark.parametrize(
    "to",
    [
        "https://127.0.0.1/", "//127.0.0.1/", "http://127.0.0.1/", "https://[::1]/", "https://2130706433/",
        "https://localhost/", f"http://{REC}/call.wav", f"https://{STRANGER}/", f"https://{REC}:22/", "\\\\127.0.0.1",
        f"https://{REC}@127.0.0.1/", "https://[", "file:///etc/hosts", "https://\xff/",
    ],
)  # fmt: skip
def test_a_redirect_to_where_nobody_may_call_is_not_followed(network: Network, tmp_path: Path, to: str) -> None:
    network.site.pages["/moved"] = moved(to)
    network.site.pages["/\\\\127.0.0.1"] = network.site.pages["/%5C%5C127.0.0.1"] = plain(404)

    reason = refusal(network, f"https://{REC}/moved", tmp_path)

    assert reason in address.REFUSALS
    assert set(network.called) == {PUBLIC[REC]}
    assert (network.canary.close(), STRANGER in network.resolved) == (0, False)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_kind_of_redirect_is_looked_at(network: Network, tmp_path: Path, status: int) -> None:
    network.site.pages["/out"], network.site.pages["/on"] = moved("//127.0.0.1/", status), moved("call.wav", status)

    reason, brought = refusal(network, f"https://{REC}/out", tmp_path), bring(network, f"https://{REC}/on", tmp_path)

    assert (reason, brought, network.canary.close()) == ("host-not-allowed", WAV, 0)


def test_the_canary_would_sing_if_addresses_were_not_looked_at(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.answers[REC] = [[PRIVATE]]
    monkeypatch.setattr(address, "is_public", lambda _: True)

    with pytest.raises(OSError, match=r".*"):
        bring(network, f"https://{REC}/call.wav", tmp_path)

    assert network.canary.close() == 1


def test_three_redirects_are_followed_and_a_fourth_is_not(network: Network, tmp_path: Path) -> None:
    for number in range(4):
        network.site.pages[f"/{number}"] = moved(f"https://{CDN}/{number + 1}")
    network.site.pages["/4"] = network.site.pages["/call.wav"]

    brought = bring(network, f"https://{REC}/1", tmp_path)
    reason = refusal(network, f"https://{REC}/0", tmp_path)

    assert (brought, reason) == (WAV, "too-many-redirects")
    assert [asked.path for asked in network.site.asked] == ["/1", "/2", "/3", "/4", "/0", "/1", "/2", "/3"]


def test_the_login_goes_to_the_first_host_and_never_again_after_another(network: Network, tmp_path: Path) -> None:
    network.site.pages["/1"] = moved("/2")
    network.site.pages["/2"] = moved(f"https://{CDN}/3")
    network.site.pages["/3"] = moved(f"https://{REC}/call.wav")

    network.downloader()(f"https://{REC}/1", hosts=HOSTS, path=tmp_path / "x", login=Login("user", "密码"))

    basic = f"Basic {base64.b64encode('user:密码'.encode()).decode()}"
    assert [asked.login for asked in network.site.asked] == [basic, basic, None, None]
    assert "密码" not in repr(Login("user", "密码"))


@pytest.mark.parametrize(
    ("status", "reason"),
    [(403, "forbidden"), (404, "gone"), (410, "gone"), (400, "refused-by-host"), (204, "refused-by-host"),
     (206, "refused-by-host"), (300, "refused-by-host"), (302, "refused-by-host")],
)  # fmt: skip
def test_an_answer_that_will_not_change_is_a_refusal(
    network: Network, tmp_path: Path, status: int, reason: str
) -> None:
    network.site.pages["/call.wav"] = plain(status)

    assert refusal(network, f"https://{REC}/call.wav", tmp_path) == reason


@pytest.mark.parametrize("status", [401, 408, 425, 429, 500, 502, 503, 504])
def test_an_answer_that_may_change_is_asked_for_again(network: Network, tmp_path: Path, status: int) -> None:
    network.site.pages["/call.wav"] = plain(status, WAV)

    with pytest.raises(UnreachableError, match=str(status)):
        bring(network, f"https://{REC}/call.wav", tmp_path)


def chunked(answering: BaseHTTPRequestHandler) -> None:
    """Send without saying how much, in chunks of 1,000 bytes."""
    answering.protocol_version = "HTTP/1.1"
    answering.send_response(200)
    answering.send_header("Transfer-Encoding", "chunked")
    answering.end_headers()
    for start in range(0, len(WAV), 1_000):
        piece = WAV[start : start + 1_000]
        answering.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    answering.wfile.write(b"0\r\n\r\n")
    answering.close_connection = True


def until_the_end(answering: BaseHTTPRequestHandler) -> None:
    """Send without saying how much, until the connection closes."""
    answering.send_response(200)
    answering.end_headers()
    answering.wfile.write(WAV)


@pytest.mark.parametrize("page", [chunked, until_the_end, None])
def test_more_than_the_limit_is_refused_however_it_is_sent(network: Network, tmp_path: Path, page: Page | None) -> None:
    network.site.pages["/call.wav"] = page or network.site.pages["/call.wav"]
    url = f"https://{REC}/call.wav"

    brought = bring(network, url, tmp_path, largest=len(WAV))
    reason = refusal(network, url, tmp_path, largest=len(WAV) - 1)

    assert (brought, reason) == (WAV, "too-large")


def trickling(answering: BaseHTTPRequestHandler, before: bytes = b"HTTP/1.0 200 OK\r\n\r\n") -> None:
    """Send one byte every 20 ms, for as long as somebody listens."""
    answering.wfile.write(before)
    with suppress(OSError):  # nobody listens any more
        while not threading.Event().wait(0.02):
            answering.wfile.write(b"a")


def trickling_headers(answering: BaseHTTPRequestHandler) -> None:
    trickling(answering, b"HTTP/1.0 200 OK\r\nX-Long: ")


@pytest.mark.parametrize("page", [trickling, trickling_headers])
def test_a_host_that_trickles_is_left_when_the_time_is_up(network: Network, tmp_path: Path, page: Page) -> None:
    network.site.pages["/call.wav"] = page

    with pytest.raises(TimeoutError):
        bring(network, f"https://{REC}/call.wav", tmp_path, total_s=0.4, read_s=5)


def test_a_host_that_falls_silent_is_left(network: Network, tmp_path: Path) -> None:
    released = threading.Event()
    network.site.pages["/call.wav"] = lambda _: released.wait(5)

    with pytest.raises(TimeoutError):
        bring(network, f"https://{REC}/call.wav", tmp_path, read_s=0.2)

    released.set()


def test_a_recording_that_is_cut_short_is_asked_for_again(network: Network, tmp_path: Path) -> None:
    network.site.pages["/call.wav"] = plain(200, WAV, Content_Length=str(len(WAV) + 1))

    with pytest.raises(UnreachableError, match="cut short"):
        bring(network, f"https://{REC}/call.wav", tmp_path)


def test_what_is_no_http_is_asked_for_again(network: Network, tmp_path: Path) -> None:
    network.site.pages["/call.wav"] = lambda answering: answering.wfile.write(b"SSH-2.0-x\r\n")

    with pytest.raises(HTTPException):
        bring(network, f"https://{REC}/call.wav", tmp_path)


def test_a_host_that_cannot_prove_its_name_is_told_nothing(network: Network, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):  # the certificate is not of this name
        bring(network, f"https://{STRANGER}/call.wav", tmp_path, hosts=(STRANGER,))
    network.trust = ssl.create_default_context()
    with pytest.raises(ssl.SSLCertVerificationError):  # nobody vouches for it
        bring(network, f"https://{REC}/call.wav", tmp_path)

    assert network.site.asked == []


# From the queue to the trail


@pytest.fixture
def calls(world: TestWorld, network: Network, monkeypatch: pytest.MonkeyPatch) -> TestWorld:
    """A world whose source `standard` is a call system with recordings, on the network of the tests."""
    known = world.config.configured("source", "standard") or {}
    world.config.put("source", "standard", {**known, "recording_hosts": list(HOSTS)}, now=world.now())
    monkeypatch.setattr(entry, "downloader", network.downloader)
    return world


def offer(lead_id: str, **changed: Any) -> dict[str, Any]:
    told = {"lead": lead_id, "source": "standard", "session": "call-7", "receipt": "r" * 40, "party": "customer"}
    url = f"https://{REC}/call.wav?password=geheim"
    return {**told, "url": url, "started_at": "2026-01-26T08:30:00+08:00", **changed}


def deliver(*offers: Mapping[str, Any] | str) -> list[str]:
    records = [
        {"messageId": f"m{number}", "body": each if isinstance(each, str) else json.dumps(each)}
        for number, each in enumerate(offers)
    ]
    return [each["itemIdentifier"] for each in entry.handler({"Records": records}, None)["batchItemFailures"]]


def told(world: TestWorld, lead_id: str) -> list[tuple[str, Mapping[str, Any]]]:
    events = world.store.trail(lead_id)
    assert trail.verify(events) is None
    return [(event.kind, event.facts) for event in events if event.kind.startswith("recording.")]


def lying(world: TestWorld) -> dict[str, bytes]:
    """Everything in the bucket of uploads, by key; a key that was written twice is an error."""
    bucket = world.settings.uploads_bucket
    listed = boto3.client("s3").list_object_versions(Bucket=bucket).get("Versions", [])
    keys = [version["Key"] for version in listed]
    assert len(keys) == len(set(keys))
    return {key: world.objects.get(bucket, key) or b"" for key in keys}


def test_an_offered_recording_becomes_an_upload_like_any_other(calls: TestWorld, network: Network) -> None:
    lead_id = arrive(calls)

    failed = deliver(offer(lead_id))

    [(kind, facts)] = told(calls, lead_id)
    recording = calls.store.recording(facts["recording"])
    event = calls.store.trail(lead_id)[-1]
    assert (failed, kind, event.actor, event.occurred_at) == ([], "recording.requested", "source:standard", calls.now())
    assert facts == {
        "recording": fetching.parse(json.dumps(offer(lead_id))).recording_id,
        "content_type": "audio/wav",
        "size": len(WAV),
        "origin": "call-system",
        "party": "customer",
        "receipt": "r" * 40,
        "called_at": "2026-01-26T00:30:00.000Z",
    }
    assert recording is not None
    assert (recording.state, recording.size, recording.content_type) == ("waiting", len(WAV), "audio/wav")
    assert recording.object_key == f"uploads/{lead_id}/{recording.id}"
    assert lying(calls) == {recording.object_key: WAV}
    head = boto3.client("s3").head_object(Bucket=calls.settings.uploads_bucket, Key=recording.object_key)
    assert head["ContentType"] == "audio/wav"


def test_the_same_offer_again_changes_nothing_and_calls_nobody(calls: TestWorld, network: Network) -> None:
    lead_id = arrive(calls)
    deliver(offer(lead_id))
    before = (told(calls, lead_id), lying(calls), len(network.called))

    failed = deliver(offer(lead_id), offer(lead_id))

    assert failed == []
    assert (told(calls, lead_id), lying(calls), len(network.called)) == before


def test_each_party_and_each_receipt_has_a_recording_of_its_own(calls: TestWorld, network: Network) -> None:
    network.site.pages["/rep.wav"] = network.site.pages["/call.wav"]
    lead_id = arrive(calls)

    deliver(
        offer(lead_id),
        offer(lead_id, url=f"https://{REC}/rep.wav", party="rep", started_at=None),
        offer(lead_id, receipt="s" * 40),
    )

    assert [facts["party"] for _, facts in told(calls, lead_id)] == ["customer", "rep", "customer"]
    assert len(lying(calls)) == 3


@pytest.mark.parametrize(
    ("changed", "page", "reason"),
    [
        ({"url": f"https://{STRANGER}/call.wav"}, None, "host-not-allowed"),
        ({"url": "https://127.0.0.1/"}, None, "host-not-allowed"),
        ({"url": f"http://{REC}/call.wav"}, None, "not-https"),
        ({"source": "typeform"}, None, "host-not-allowed"),
        ({"source": "no-such-source"}, None, "host-not-allowed"),
        ({}, plain(404), "gone"),
        ({}, plain(403, b"RIFF"), "forbidden"),
        ({}, plain(200), "empty"),
        ({}, plain(200, b"<html>\xe7\x99\xbb\xe5\xbd\x95</html>", Content_Type="audio/wav"), "not-audio"),
        ({}, plain(200, b'{"code": 404, "message": "gone"}', Content_Type="audio/wav"), "not-audio"),
        ({}, plain(200, b"\xff\xfe{\x00}\x00"), "not-audio"),
    ],
)
def test_a_refusal_is_told_once_on_the_trail_and_not_tried_again(
    calls: TestWorld, network: Network, changed: dict[str, Any], page: Page | None, reason: str
) -> None:
    network.site.pages["/call.wav"] = page or network.site.pages["/call.wav"]
    lead_id = arrive(calls)

    failed = deliver(offer(lead_id, **changed), offer(lead_id, **changed))

    [(kind, facts)] = told(calls, lead_id)
    assert (failed, kind) == ([], "recording.refused")
    assert set(facts) == {"recording", "reason", "party", "receipt"}
    assert (facts["reason"], facts["party"], facts["receipt"]) == (reason, "customer", "r" * 40)
    assert calls.store.recording(facts["recording"]) is None
    assert (lying(calls), network.canary.close()) == ({}, 0)


def test_the_url_stands_nowhere_in_the_table_nor_in_the_log(
    calls: TestWorld, network: Network, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_id, log = arrive(calls), StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    network.site.pages["/bad"] = plain(404)
    network.site.pages["/busy"] = plain(503)

    deliver(*(offer(lead_id, url=f"https://{REC}{path}?password=geheim") for path in ("/call.wav", "/bad", "/busy")))

    rows = json.dumps(boto3.client("dynamodb").scan(TableName=calls.settings.table)["Items"], default=repr)
    written = log.getvalue() + capsys.readouterr().out
    assert len(told(calls, lead_id)) == 2
    assert written.count("offered recording settled") == 2
    assert "UnreachableError: HTTP 503" in written
    assert "RecordingRefused" in written
    assert not any(word in rows + written for word in ("geheim", "/bad", "/busy", "call.wav"))


def test_trouble_that_passes_leaves_the_message_and_no_trace(calls: TestWorld, network: Network) -> None:
    page, lead_id = network.site.pages["/call.wav"], arrive(calls)
    network.site.pages["/call.wav"] = plain(503)
    unknown = offer(lead_id, url="https://nowhere.cdn.example.net/call.wav")

    failed = deliver(offer(lead_id), unknown, "{", "[]", '{"lead": "x"}', offer(lead_id, party="nobody"))
    before = (told(calls, lead_id), lying(calls))
    network.site.pages["/call.wav"] = page
    again = deliver(offer(lead_id))

    assert (failed, before) == (["m0", "m1", "m2", "m3", "m4", "m5"], ([], {}))
    assert (again, len(told(calls, lead_id)), len(lying(calls))) == ([], 1, 1)


def test_a_lead_that_nobody_knows_ends_among_the_dead_letters(calls: TestWorld) -> None:
    assert deliver(offer("01KFV9BM00ABCDEFGHJKMNPQRS")) == ["m0"]
    assert lying(calls) == {}


def test_nothing_is_fetched_of_a_person_who_was_erased(calls: TestWorld, network: Network) -> None:
    lead_id = arrive(calls)
    lead = calls.store.lead(lead_id)
    assert lead is not None
    key = {"PK": {"S": f"PERSON#{lead.person_id}"}, "SK": {"S": "CONTACT"}}
    calls.dynamodb.delete_item(TableName=calls.settings.table, Key=key)

    failed = deliver(offer(lead_id))

    [(kind, facts)] = told(calls, lead_id)
    assert (failed, kind, facts["reason"]) == ([], "recording.refused", "erased")
    assert (lying(calls), network.called) == ({}, [])


def test_a_row_whose_recording_is_gone_meanwhile_does_not_wait_for_ever(calls: TestWorld, network: Network) -> None:
    page, gone, lead_id = network.site.pages["/call.wav"], plain(410), arrive(calls)
    network.site.pages["/call.wav"] = gone
    deliver(offer(lead_id))
    network.site.pages["/call.wav"] = page
    deliver(offer(lead_id))
    [(key, _)] = lying(calls).items()
    boto3.client("s3").delete_object(Bucket=calls.settings.uploads_bucket, Key=key)
    network.site.pages["/call.wav"] = gone

    failed = deliver(offer(lead_id), offer(lead_id))

    recording = calls.store.recording(key.rpartition("/")[2])
    assert recording is not None
    assert (failed, recording.state, recording.reason) == ([], "failed", "gone")
    refused, requested = "recording.refused", "recording.requested"
    assert [kind for kind, _ in told(calls, lead_id)] == [refused, requested, refused]


def test_a_host_that_was_listed_a_moment_ago_counts_at_once(calls: TestWorld) -> None:
    lead_id = arrive(calls)
    calls.config.company()
    known = calls.config.configured("source", "standard") or {}
    calls.config.put("source", "standard", {**known, "recording_hosts": []}, now=calls.now())
    refused = deliver(offer(lead_id))
    calls.config.put("source", "standard", known, now=calls.now())

    taken = deliver(offer(lead_id))

    assert (refused, taken) == ([], [])
    assert [kind for kind, _ in told(calls, lead_id)] == ["recording.refused", "recording.requested"]


def test_the_login_of_the_sources_secret_is_used(calls: TestWorld, network: Network) -> None:
    secret = {"valid": [{"secret": "whsec_x"}, {"recording_user": "u", "recording_password": "p"}]}
    boto3.client("secretsmanager").put_secret_value(
        SecretId="leadtrail/source/standard", SecretString=json.dumps(secret)
    )

    deliver(offer(arrive(calls)))

    assert [asked.login for asked in network.site.asked] == ["Basic " + base64.b64encode(b"u:p").decode()]


@pytest.mark.parametrize("path", ["/call.wav", "/gone"])
def test_a_worker_that_dies_at_any_call_leaves_what_one_that_lived_leaves(
    calls: TestWorld, network: Network, path: str
) -> None:
    network.site.pages["/gone"] = plain(410)
    boto3.client("s3").put_bucket_versioning(
        Bucket=calls.settings.uploads_bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    lead_id = arrive(calls)
    fate = Fate(calls.dynamodb.meta.events, calls.objects._client.meta.events, dies_of=CallFailedError)

    def trace(receipt: str) -> list[tuple[str, str | None, bool]]:
        stored, found = lying(calls), []
        for kind, facts in told(calls, lead_id):
            if facts["receipt"] == receipt:
                row = calls.store.recording(facts["recording"])
                key = f"uploads/{lead_id}/{facts['recording']}"
                found.append((kind, row.state if row else None, stored.get(key) == WAV))
        return found

    fate.spares(lambda: deliver(offer(lead_id, receipt="whole", url=f"https://{REC}{path}")))
    whole, expected = list(fate.calls), trace("whole")
    for number in range(1, len(whole) + 1):
        for when in ("before", "after"):
            receipt = f"{when}-{number}"
            one = offer(lead_id, receipt=receipt, url=f"https://{REC}{path}")
            died: list[str] = []

            fate.spares(lambda died=died, one=one: died.extend(deliver(one)), (number, when))  # type: ignore[misc]
            again = deliver(one)

            assert (died, again) == (["m0"], []), receipt
            assert trace(receipt) == expected, f"{when} call {number} ({whole[number - 1]})"
    assert len(expected) == 1
    assert {"GetItem", "TransactWriteItems"} <= set(whole)
    # The object's arrival starts the transcription, which looks the row up.
    assert whole[whole.index("TransactWriteItems") + 1 :] == (["PutObject"] if path == "/call.wav" else [])


# What an offer is


def test_the_same_offer_is_the_same_recording_and_any_other_is_another() -> None:
    at = datetime(2026, 1, 26, 0, 30, tzinfo=UTC)
    one = Offer("01KFV9BM00ABCDEFGHJKMNPQRS", "tccc", "r", "https://rec.example.com/1", started_at=at)

    others = [
        replace(one, source="ali"),
        replace(one, receipt="s"),
        replace(one, url="https://rec.example.com/2"),
        replace(one, started_at=None),
    ]

    assert replace(one, party="rep", session="7").recording_id == one.recording_id
    assert instant_of(one.recording_id) == at
    assert replace(one, started_at=None).recording_id[:10] == one.lead_id[:10]
    assert is_id(replace(one, started_at=datetime(1969, 12, 31, 16, tzinfo=UTC)).recording_id)  # a clock not yet set
    assert len({one.recording_id, *(other.recording_id for other in others)}) == 5
    assert "rec.example.com" not in repr(one)


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"RIFF\x24\x00\x00\x00AVI LIST", None),
        (b"ID3\x04\x00\x00\x00\x00\x00\x00", "audio/mpeg"),
        (b"\xff\xfb\x90\x64\x00", "audio/mpeg"),
        (b"\xff\xf3\x40\xc4\x00", "audio/mpeg"),
        (b"\xff\xf1\x50\x80\x00", "audio/aac"),
        (b"\xff\xfe<\x00h\x00t\x00", None),
        (b"\xff\xfe{\x00}\x00", None),
        (b"\xff\xff\xff\xff", None),
        (b"\xff\xfb", None),
        (b"OggS\x00\x02", "audio/ogg"),
        (b"fLaC\x00\x00", "audio/flac"),
        (b"\x00\x00\x00\x20ftypM4A ", "audio/mp4"),
        (b"#!AMR\n", "audio/amr"),
        (b"#!AMR-WB\n", "audio/amr"),
        (b"\x1a\x45\xdf\xa3\x01", "audio/webm"),
        (b"#!SILK_V3", "audio/silk"),
        (b"\x02#!SILK_V3", "audio/silk"),
        (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "audio/x-ms-wma"),
        (b".snd\x00\x00", "audio/basic"),
        (b"<!DOCTYPE html>", None),
        (b"\xef\xbb\xbf<html>", None),
        (b'{"code":0}', None),
        (b"%PDF-1.7", None),
        (b"PK\x03\x04", None),
        (b"", None),
    ],
)
def test_audio_is_known_by_its_first_bytes(head: bytes, media_type: str | None) -> None:
    assert fetching.audio_type(head) == media_type
