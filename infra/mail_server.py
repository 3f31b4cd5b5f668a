"""A mail server on loopback that delivers to the robots' inbox and to nobody else: as much SMTP as a sender needs."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

MESSAGE_BYTES = 1024 * 1024
LINE_BYTES = 1000


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where all mail of the demo arrives: the channel's id, and the names that the inbox shows, by address."""

    channel: str
    people: dict[str, str] = field(default_factory=dict)

    @property
    def bot(self) -> str:
        """What the inbox calls it."""
        return "mail"


Take = Callable[[str, str], str]
"""Hand over recipient and text; return the reply line, empty where the connection just closes."""


class _Handler(socketserver.StreamRequestHandler):
    """One conversation."""

    server: MailServer
    timeout = 30

    def handle(self) -> None:
        """Greet, and obey until QUIT."""
        self._say("220 leadtrail demo")
        recipient = ""
        while line := self.rfile.readline(LINE_BYTES):
            words = line.decode("ascii", "replace").strip()
            match words[:4].upper():
                case "EHLO" | "HELO" | "RSET" | "NOOP" | "MAIL":
                    self._say("250 ok")
                case "RCPT":
                    recipient = words.partition("<")[2].partition(">")[0]
                    self._say("250 ok" if "@" in recipient else "550 no such mailbox")
                case "DATA":
                    self._say("354 go on")
                    if not self._take(recipient):
                        return
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("502 not understood")

    def _take(self, recipient: str) -> bool:
        raw = b"".join(iter(self._data_line, b""))
        if len(raw) > MESSAGE_BYTES:
            self._say("552 too large")
            return True
        reply = self.server.take(recipient, text_of(raw))
        if reply:
            self._say(reply)
        return bool(reply)

    def _data_line(self) -> bytes:
        line = self.rfile.readline(LINE_BYTES)
        return b"" if line in (b".\r\n", b"") else line.removeprefix(b".")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


def text_of(raw: bytes) -> str:
    """Return what a reader sees of a message: the subject as a heading, then its plain text without the same again."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    body = message.get_body(("plain", "html"))
    subject = str(message["Subject"] or "")
    lines = str(body.get_content() if body else "").strip().splitlines()
    return "\n".join([f"### {subject}", *(lines[1:] if lines[:1] == [subject] else lines)])


class MailServer(socketserver.ThreadingTCPServer):
    """Mail on ``127.0.0.1:port`` (0 picks a free one), served from a background thread; a context manager."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, take: Take, *, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.take = take
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), name="mail", daemon=True)

    @property
    def port(self) -> int:
        """The port that a sender is configured with."""
        return int(self.server_address[1])

    def __enter__(self) -> MailServer:
        """Start to listen."""
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self.shutdown()
        self._thread.join()
        self.server_close()
