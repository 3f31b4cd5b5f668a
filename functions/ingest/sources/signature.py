"""What verifications share: constant-time comparison against every valid secret, the time window, the address.

A provider that signs nothing proves itself by an unguessable token in the address, whose SHA-256 is the secret
(`token_sha256`), and where the source says so by the network that it calls from.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from functions.ingest.sources import Request, Secret
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


def by_address(request: Request, secrets: Sequence[Secret]) -> Secret:
    """Return the secret whose token stands in the path, for providers that sign nothing.

    Raises:
        UnauthenticatedError: no valid token, or called from a network that the source does not list.
    """
    given = hashlib.sha256(request.token.encode("utf-8", "surrogatepass")).hexdigest() if request.token else ""
    fit = fitting([secret for secret in secrets if secret.get("token_sha256")], [given], _token_hash)
    allowed = request.source.allow_ips
    if allowed and not _is_within(request.ip, allowed):
        raise UnauthenticatedError
    return fit


def _token_hash(secret: Secret) -> str:
    return secret["token_sha256"]


def _is_within(ip: str, networks: Iterable[str]) -> bool:
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network) for network in networks)
