"""The chat robots on loopback: their webhooks, ``/inbox`` as JSON, ``/`` as a page, ``/_ctl`` to make them fail.

Below ``/wecom/cgi-bin/`` also answers WeCom's API of contacts and of messages to members; ``POST /wecom/_contacts``
says whom it knows. A mail server stands beside it, on a port of its own.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from infra.chat_provider import addressed
from infra.inbox_page import render
from infra.mail_server import MailServer
from infra.robots import Answer, Request, Robots
from infra.wecom_api import CONTACTS_PATH
from infra.wecom_api import PATHS as WECOM_PATHS
from infra.wecom_app import SEND_PATH

BODY_BYTES = 64 * 1024


class _Handler(BaseHTTPRequestHandler):
    """HTTP in, ``Robots`` out; one instance per request."""

    server: RobotServer
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """Show the inbox as a page, as JSON, or how the robots fail; or answer as WeCom's API."""
        address = urlsplit(self.path)
        match address.path:
            case "/":
                self._write(200, "text/html; charset=utf-8", render(self.server.robots.inbox()).encode())
            case "/inbox":
                self._json(200, [asdict(message) for message in self.server.robots.inbox()])
            case "/_ctl":
                self._json(200, asdict(self.server.robots.misbehaviour()))
            case path if path in WECOM_PATHS:
                self._answer(self.server.robots.ask(Request(path, _query(address.query), b"")))
            case _:
                self._json(404, {"message": "not found"})

    def do_POST(self) -> None:
        """Take a message, an order to misbehave, or contacts for WeCom's API."""
        body = self._body()
        if body is None:
            self._json(413, {"message": "request too large, or without a length"})
            return
        address = urlsplit(self.path)
        if address.path == "/_ctl":
            self._obey(lambda: asdict(self.server.robots.control(json.loads(body))))
        elif address.path == CONTACTS_PATH:
            self._obey(lambda: {"contacts": self.server.robots.give_contacts(json.loads(body))})
        elif address.path == SEND_PATH or addressed(address.path, {}):
            self._answer(self.server.robots.send(Request(address.path, _query(address.query), body)))
        else:
            self._json(404, {"message": "not found"})

    def _obey(self, order: Callable[[], object]) -> None:
        try:
            self._json(200, order())
        except ValueError as error:
            self._json(400, {"message": str(error)})

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > BODY_BYTES:
            self.close_connection = True
            return None
        return self.rfile.read(int(length))

    def _answer(self, answer: Answer) -> None:
        if answer.status:
            self._json(answer.status, answer.body)
        else:
            self.close_connection = True

    def _json(self, status: int, document: object) -> None:
        self._write(status, "application/json; charset=utf-8", json.dumps(document, ensure_ascii=False).encode())

    def _write(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet: the inbox is the record."""


def _query(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text).items()}


class RobotServer(ThreadingHTTPServer):
    """The robots on ``127.0.0.1:port`` (0 picks a free one), served from a background thread; a context manager.

    Attributes:
        mail: the mail server, on a free port.

    Raises OSError when the port is taken.
    """

    daemon_threads = True

    def __init__(self, robots: Robots, *, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.robots = robots
        self.mail = MailServer(robots.mail)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), name="robots", daemon=True)

    @property
    def base(self) -> str:
        """The address that paths are appended to."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> RobotServer:
        """Start to listen."""
        self.mail.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop; messages already accepted are in the file."""
        self.mail.__exit__()
        self.shutdown()
        self._thread.join()
        self.server_close()
