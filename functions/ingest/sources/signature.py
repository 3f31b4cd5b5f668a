"""What verifications share: constant-time comparison against every valid secret, and the time window."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from functions.ingest.sources import Secret
from leadtrail.domain.errors import UnauthenticatedError

WINDOW = timedelta(minutes=5)


def fitting(secrets: Sequence[Secret], given: Iterable[str], expected: Callable[[Secret], str]) -> Secret:
    """Return the secret whose signature is among those ``given``; every pair is compared.

    Raises:
        UnauthenticatedError: none fits.
    """
    offered = [text.encode("utf-8", "surrogatepass") for text in given]
    found = None
    for secret in secrets:
        wanted = expected(secret).encode()
        for signature in offered:
            if hmac.compare_digest(signature, wanted):
                found = found or secret
    if found is None:
        raise UnauthenticatedError
    return found


def within_window(seconds: str, at: datetime) -> datetime:
    """Return the signed time of a request.

    Raises:
        UnauthenticatedError: no whole number of seconds, or more than five minutes from ``at``.
    """
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 11):
        raise UnauthenticatedError
    signed_at = datetime.fromtimestamp(int(seconds), UTC)
    if abs(at - signed_at) > WINDOW:
        raise UnauthenticatedError
    return signed_at
