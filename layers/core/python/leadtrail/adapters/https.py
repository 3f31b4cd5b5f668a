"""Asking a provider's API over https: one GET that follows no redirection, and what was answered."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from leadtrail.services.enriching import ProviderBusyError

TIMEOUT_S = 5
ANSWER_BYTES = 4 * 1024 * 1024  # a page of WeCom's names up to 500 followers
LONGEST = 2000

Json = Mapping[str, Any]
Get = Callable[[str, Mapping[str, str]], tuple[int, bytes]]
"""Ask an address with headers; return status and body, raise OSError where nothing answers in time."""


def clean(value: object) -> str:
    """Return what somebody typed, at most 2,000 characters of it; empty where it is no text."""
    if not isinstance(value, str):
        return ""
    return value.encode("utf-8", "replace").decode().strip()[:LONGEST]  # a lone surrogate is no text


def document(status: int, raw: bytes) -> Json:
    """Return the JSON object that was answered with HTTP 200; raises ProviderBusyError."""
    if status != 200:
        raise ProviderBusyError("limit" if status == 429 else f"HTTP {status}")
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ProviderBusyError("unexpected-answer") from error
    if not isinstance(found, dict):
        raise ProviderBusyError("unexpected-answer")
    return found


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: tokens go to the address that was configured, and to no other."""

    def redirect_request(self, *answer: Any) -> None:
        """Follow nothing."""


def fetched(url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """GET an address that the operator configured, https or loopback."""
    parts = urlsplit(url)
    if parts.scheme != "https" and (parts.scheme, parts.hostname) != ("http", "127.0.0.1"):
        raise OSError("a provider's address must be https")
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - checked above
    try:
        with urllib.request.build_opener(_Straight).open(request, timeout=TIMEOUT_S) as answer:
            return answer.status, answer.read(ANSWER_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""
