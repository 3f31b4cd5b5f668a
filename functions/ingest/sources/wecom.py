"""WeCom 企业微信: external contact events, encrypted and signed (developer.work.weixin.qq.com, path/92130, 91144).

msg_signature = sha1 of the sorted token, timestamp, nonce and cipher text; AES-256-CBC with the key
of the 43 letters of EncodingAESKey, PKCS#7 to 32 bytes; plain = 16 random bytes, 4 bytes of length,
message, CorpID. A contact event carries no telephone number.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from functions.ingest.sources import Request, Sample, Secret, roles
from functions.ingest.sources.signature import fitting, within_window
from functions.ingest.sources.xml import flat_xml
from leadtrail.domain.company import Source
from leadtrail.domain.delivery import Delivery, Enrichment
from leadtrail.domain.errors import BodyTooLargeError, MalformedBodyError, NotFoundError, UnauthenticatedError
from leadtrail.domain.identity import Identity
from leadtrail.runtime.http import Answer, text_answer

LIMIT_BYTES = 64 * 1024
ADDED = ("add_external_contact", "add_half_external_contact")
CHANGES = {
    "edit_external_contact": "edited",
    "del_external_contact": "deleted",  # the rep removed the customer
    "del_follow_user": "removed_by_customer",
    "transfer_fail": "transfer_failed",
}
BLOCK = 32


def verify(request: Request, secrets: Sequence[Secret]) -> Secret:
    """Return the secret whose token signed the cipher text, the time and the nonce."""
    query = request.query
    within_window(query.get("timestamp", ""), request.at)
    parts = [query["timestamp"], query.get("nonce", ""), _cipher_text(request)]
    return fitting(secrets, [query.get("msg_signature", "")], lambda secret: _signature(secret["token"], parts))


def _signature(token: str, parts: Sequence[str]) -> str:
    # SHA-1 is what WeCom signs with; the token in it is the secret.
    signed = "".join(sorted([token, *parts])).encode("utf-8", "surrogatepass")
    return hashlib.sha1(signed).hexdigest()  # noqa: S324 - WeCom's own scheme


def _cipher_text(request: Request) -> str:
    if request.method == "GET":
        return request.query.get("echostr", "")
    if len(request.body) > LIMIT_BYTES:
        raise BodyTooLargeError(limit=LIMIT_BYTES)
    cipher_text = flat_xml(request.body).get("Encrypt", "")
    if not cipher_text:
        raise MalformedBodyError("缺少 Encrypt")
    return cipher_text


def _decrypt(cipher_text: str, secret: Secret) -> bytes:
    """Return the message; whatever is wrong with it, the sender did not know the key."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - only WeCom pays for it

    try:
        key = base64.b64decode(secret["encoding_aes_key"] + "=", validate=True)
        blob = base64.b64decode(cipher_text, validate=True)
        decryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
        plain = decryptor.update(blob) + decryptor.finalize()
    except (ValueError, binascii.Error) as error:
        raise UnauthenticatedError from error
    padding = plain[-1] if plain else 0
    if not 1 <= padding <= BLOCK or plain[-padding:] != bytes([padding]) * padding:
        raise UnauthenticatedError
    plain = plain[:-padding]
    length = int.from_bytes(plain[16:20], "big")
    message, corp_id = plain[20 : 20 + length], plain[20 + length :]
    if len(message) != length or not hmac.compare_digest(corp_id, secret["corp_id"].encode()):
        raise UnauthenticatedError
    return message


def echo(request: Request, secret: Secret) -> Answer:
    """Answer the address check with the decrypted text, bare."""
    if not request.query.get("echostr"):
        raise NotFoundError
    return text_answer(200, _decrypt(request.query["echostr"], secret).decode("utf-8", "replace"))


def parse(request: Request, secret: Secret) -> tuple[Delivery, ...]:
    """Read a contact event; an event that makes no lead yet is parked, so that it can be replayed."""
    message = flat_xml(_decrypt(_cipher_text(request), secret))
    contact_id, userid = message.get("ExternalUserID", ""), message.get("UserID") or None
    is_contact = message.get("Event") == "change_external_contact"
    is_added = is_contact and message.get("ChangeType", "") in ADDED
    change = _change(message) if is_contact else None
    delivery = Delivery(
        source=request.source.id,
        key=_delivery_key(message, request.body),
        kind="contact" if change else "lead",
        occurred_at=_created_at(message.get("CreateTime", "")),
        signed=True,
        identities=(Identity("external_userid", contact_id),) if contact_id else (),
        source_ref=message.get("State") or None,
        owner_hint=userid,
        change=change,
        enrichment=Enrichment("wecom", contact_id, userid) if contact_id and (is_added or change == "edited") else None,
        parked=_reason(message, is_added or change is not None, contact_id),
    )
    return (delivery,)


def _change(message: Mapping[str, str]) -> str | None:
    """Return what happened to a contact that we know; a deletion whose source says so is a handing over."""
    change = CHANGES.get(message.get("ChangeType", ""))
    return "transferred" if change and message.get("Source") == "DELETE_BY_TRANSFER" else change


def _created_at(seconds: str) -> datetime | None:
    is_time = seconds.isascii() and seconds.isdigit() and len(seconds) < 11
    return datetime.fromtimestamp(int(seconds), UTC) if is_time else None


def _delivery_key(message: Mapping[str, str], body: bytes) -> str:
    parts = [message.get(name, "") for name in ("CreateTime", "ChangeType", "UserID", "ExternalUserID")]
    return "+".join(parts) if any(parts[1:]) else hashlib.sha256(body).hexdigest()


def _reason(message: Mapping[str, str], is_understood: bool, contact_id: str) -> str | None:
    if not is_understood:
        what = message.get("ChangeType") or message.get("Event") or message.get("MsgType") or "未知"
        return f"暂不处理的企业微信事件：{what[:40]}"
    return None if contact_id else "事件中没有外部联系人"


def acknowledge(lead_id: str | None, outcome: str) -> Answer:
    """Answer with the word that WeCom waits for."""
    return text_answer(200, "success")


def sample(source: Source, secret: Secret, at: datetime, url: str) -> Sample:
    """Return the event of a contact that was added, encrypted and signed; it carries neither name nor number."""
    del source, url
    timestamp = str(int(at.timestamp()))
    event = {
        "ToUserName": secret["corp_id"],
        "FromUserName": "sys",
        "CreateTime": timestamp,
        "MsgType": "event",
        "Event": "change_external_contact",
        "ChangeType": ADDED[0],
        "UserID": "test",
        "ExternalUserID": f"wmTEST{at:%Y%m%dT%H%M%S%f}",
        "State": roles.SAMPLE["name"],
    }
    cipher_text = _encrypt(_xml(event), secret)
    signature = _signature(secret["token"], [timestamp, "test", cipher_text])
    query = {"msg_signature": signature, "timestamp": timestamp, "nonce": "test"}
    return Sample(_xml({"ToUserName": secret["corp_id"], "Encrypt": cipher_text}), query=query)


def _xml(texts: Mapping[str, str]) -> bytes:
    inner = "".join(f"<{tag}><![CDATA[{text}]]></{tag}>" for tag, text in texts.items())
    return f"<xml>{inner}</xml>".encode()


def _encrypt(message: bytes, secret: Secret) -> str:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - only WeCom pays for it

    key = base64.b64decode(secret["encoding_aes_key"] + "=", validate=True)
    plain = os.urandom(16) + len(message).to_bytes(4, "big") + message + secret["corp_id"].encode()
    padding = BLOCK - len(plain) % BLOCK
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(plain + bytes([padding]) * padding) + encryptor.finalize()).decode()
