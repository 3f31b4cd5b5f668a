"""HTTPS to hosts that somebody else names: recordings that call systems offer by URL.

A name is resolved once, every answer is looked at, and the connection goes to exactly the address that was looked
at, while TLS holds it to the name: a resolver that answers differently the next time is never asked. Each redirect
begins again in the same way. No proxy of the environment is used, no cookie is kept.
"""

from __future__ import annotations

import base64
import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urljoin

from leadtrail.domain import address
from leadtrail.domain.address import FetchRefusedError, Refusal, Target
from leadtrail.services.fetching import Login, UnreachableError
from leadtrail.services.recordings import LARGEST

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

REDIRECTS = 3
TOTAL_S = 120.0
READ_S = 10.0  # of silence, at most
_BLOCK = 64 * 1024
_MOVED = (301, 302, 303, 307, 308)
# 401 among them: our password is wrong, which an operator mends; the message waits among the dead letters.
_PASSING = (401, 408, 425, 429)
_FINAL: dict[int, Refusal] = {403: "forbidden", 404: "gone", 410: "gone"}

Resolve = Callable[[str, int], Sequence[str]]
Connect = Callable[[tuple[str, int], float], socket.socket]


class Downloader:
    """Brings files from the internet; what stands for the network is given so that tests can play it."""

    def __init__(
        self,
        trust: ssl.SSLContext | None = None,
        *,
        port: int = address.HTTPS,
        resolve: Resolve | None = None,
        connect: Connect = socket.create_connection,
        largest: int = LARGEST,
        total_s: float = TOTAL_S,
        read_s: float = READ_S,
    ) -> None:
        self._given_trust = trust
        self._port = port
        self._resolve = resolve or _resolved
        self._connect = connect
        self._largest = largest
        self._total_s = total_s
        self._read_s = read_s

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return self._given_trust or ssl.create_default_context()

    def __call__(self, url: str, *, hosts: Sequence[str], path: Path, login: Login | None) -> None:
        """Bring what lies under ``url`` into the file ``path``; the login goes to the URL's own host alone.

        Raises:
            FetchRefusedError: a host, an address, a size or an answer that is not let in.
            UnreachableError: an answer that may be another one later, or one that was cut short.
            OSError: no such name now, no connection, no trust, or no time left.
            HTTPException: what answers speaks no HTTP.
        """
        time_left = _Deadline(self._total_s, self._read_s)
        target = address.target(url, hosts=hosts, port=self._port)
        for _ in range(1 + REDIRECTS):
            with self._answer(target, login, time_left) as answer:
                if answer.status not in _MOVED:
                    _judge(answer.status)
                    return self._keep(answer, path)
                moved = address.target(_moved_to(answer, target), hosts=hosts, port=self._port)
            login = login if moved.host == target.host else None
            target = moved
        raise FetchRefusedError("too-many-redirects")

    @contextmanager
    def _answer(self, target: Target, login: Login | None, time_left: _Deadline) -> Iterator[http.client.HTTPResponse]:
        """Send one request to the one address that the name has now."""
        at = self._address(target)
        with (
            self._connect((at, target.port), time_left()) as plain,
            self._trust.wrap_socket(plain, server_hostname=target.host) as secured,
        ):
            secured.settimeout(time_left())
            secured.sendall(_request(target, login))
            # HTTPConnection would resolve by itself and wait for each line anew; of it, the answer is all we need.
            with http.client.HTTPResponse(cast(socket.socket, _Timed(secured, time_left)), method="GET") as answer:
                answer.begin()
                yield answer

    def _address(self, target: Target) -> str:
        """Return the address to call: one private answer among public ones condemns them all."""
        found = self._resolve(target.host, target.port)
        if not found:
            raise UnreachableError("no address")
        if not all(map(address.is_public, found)):
            raise FetchRefusedError("address-not-public")
        return min(found, key=lambda text: ":" in text)  # Lambda has no way out by IPv6 unless one is built

    def _keep(self, answer: http.client.HTTPResponse, path: Path) -> None:
        size = 0
        if (answer.length or 0) > self._largest:
            raise FetchRefusedError("too-large")
        with path.open("wb") as file:
            while block := answer.read(_BLOCK):
                size += len(block)
                if size > self._largest:
                    raise FetchRefusedError("too-large")
                file.write(block)
        if answer.length:
            raise UnreachableError("cut short")


class _Deadline:
    """Tells how many seconds the next wait may take."""

    def __init__(self, total_s: float, read_s: float) -> None:
        self._ends_at = time.monotonic() + total_s
        self._read_s = read_s

    def __call__(self) -> float:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the download took too long")
        return min(left, self._read_s)


class _Timed:
    """What an answer needs of a socket; a host that sends a byte now and then gains nothing by it."""

    def __init__(self, secured: ssl.SSLSocket, time_left: _Deadline) -> None:
        self._secured = secured
        self._time_left = time_left

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reads(self._secured, self._time_left))


class _Reads(io.RawIOBase):
    def __init__(self, secured: ssl.SSLSocket, time_left: _Deadline) -> None:
        super().__init__()
        self._secured = secured
        self._time_left = time_left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._secured.settimeout(self._time_left())
        return self._secured.recv_into(buffer)


def _resolved(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _request(target: Target, login: Login | None) -> bytes:
    host = target.host if target.port == address.HTTPS else f"{target.host}:{target.port}"
    lines = [f"GET {target.path} HTTP/1.1", f"Host: {host}", "User-Agent: leadtrail", "Accept: audio/*, */*;q=0.1"]
    lines += ["Accept-Encoding: identity", "Connection: close"]
    if login:
        pair = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
        lines.append(f"Authorization: Basic {pair}")
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii")


def _moved_to(answer: http.client.HTTPResponse, target: Target) -> str:
    """Return where a redirect leads, as a URL of any content."""
    location = answer.getheader("Location")
    if location is None:
        raise FetchRefusedError("refused-by-host")
    try:
        # http.client reads headers as Latin-1; a path that nobody encoded is UTF-8.
        return urljoin(target.url, location.encode("latin-1").decode())
    except ValueError as error:
        raise FetchRefusedError("url-malformed") from error


def _judge(status: int) -> None:
    if status == http.client.OK:
        return
    if status >= 500 or status in _PASSING:
        raise UnreachableError(f"HTTP {status}")
    raise FetchRefusedError(_FINAL.get(status, "refused-by-host"))
