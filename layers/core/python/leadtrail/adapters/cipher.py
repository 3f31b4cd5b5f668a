"""The encryption of what people wrote or said: AES-256-GCM with the person's own key."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping

KEY_BYTES = 32
SALT_BYTES = 16
_NONCE_BYTES = 12


def new_key() -> bytes:
    """Return a fresh key for one person's texts."""
    return secrets.token_bytes(KEY_BYTES)


def new_salt() -> bytes:
    """Return a fresh salt for the hashes of one person's texts."""
    return secrets.token_bytes(SALT_BYTES)


def encrypt(text: Mapping[str, str], key: bytes, lead_id: str, seq: int) -> str:
    """Return base64 of nonce and cipher; bound to the event, so that texts cannot be swapped."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - 30 ms that most starts never need

    nonce = secrets.token_bytes(_NONCE_BYTES)
    plain = json.dumps(dict(text), ensure_ascii=False).encode()
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, plain, f"{lead_id}#{seq}".encode())).decode()


def decrypt(cipher: str, key: bytes, lead_id: str, seq: int) -> dict[str, str]:
    """Return the text of an event.

    Raises:
        cryptography.exceptions.InvalidTag: another key, another event, or a changed text.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see encrypt

    blob = base64.b64decode(cipher)
    plain = AESGCM(key).decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], f"{lead_id}#{seq}".encode())
    text: dict[str, str] = json.loads(plain)
    return text


def opened(cipher: str, key: bytes, lead_id: str, seq: int) -> dict[str, str] | None:
    """Return the text of an event, or None where the key does not open it: `verify` then names the event."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see encrypt

    try:
        return decrypt(cipher, key, lead_id, seq)
    except (InvalidTag, ValueError):  # changed, swapped, or no longer base64
        return None
