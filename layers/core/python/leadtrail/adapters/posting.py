"""Posting a message to a provider over https: what was answered, or how far the request came.

A message that was written and not answered may have been taken; one that never left was not. Whoever sends has to know
which, so connecting and asking are two steps here.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable
from urllib.parse import urlsplit

TIMEOUT_S = 5
ANSWER_BYTES = 65536
LOOPBACK = "127.0.0.1"

Post = Callable[[str, bytes], tuple[int, bytes]]
"""Send JSON to an address; return status and body, raise OSError where nobody took it, NoAnswerError where unknown."""


class NoAnswerError(Exception):
    """The request was written and no whole answer came: it may or may not have been taken."""


def posted(url: str, body: bytes) -> tuple[int, bytes]:
    """POST JSON to an address that the operator configured, https or loopback; no redirection is followed.

    Raises:
        OSError: the provider was not reached (refused, unknown name, no trust, no connection in 5 s).
        NoAnswerError: it was reached, and no whole answer came within 5 s.
    """
    parts = urlsplit(url)
    if parts.hostname is None or not is_private(parts.scheme, parts.hostname):
        raise OSError("a provider's address must be https")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_S)
    try:
        connection.connect()
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        return _exchanged(connection, target, body)
    finally:
        connection.close()


def is_private(scheme: str, host: str) -> bool:
    """Return whether nobody between could read it: TLS, or a machine that speaks to itself."""
    return scheme == "https" or (scheme, host) == ("http", LOOPBACK)


def _exchanged(connection: http.client.HTTPConnection, target: str, body: bytes) -> tuple[int, bytes]:
    try:
        connection.request("POST", target, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read(ANSWER_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswerError(type(error).__name__) from error
