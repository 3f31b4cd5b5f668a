"""One configured source of any provider in the test world, and whoever sends for it.

`Sender.sample` hands over what the provider's own module makes for `leadtrail source test`; `Sender.signed` signs any
bytes as the provider documents it, with hashlib, hmac and wechatpy alone: nothing of the product signs there.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from wechatpy.enterprise.crypto import WeChatCrypto  # type: ignore[import-untyped]

from functions.ingest import sources
from functions.ingest.sources.xml import flat_xml
from functions.ingest.webhook import handler
from leadtrail.domain.company import Source
from leadtrail.domain.lead import Lead
from tests.integration.conftest import SETTINGS, TestWorld
from tests.integration.webhooks import Context

Secret = Mapping[str, str]
Parts = tuple[bytes, dict[str, str], dict[str, str]]  # body, headers and query of a request
BY_ADDRESS = ("jinshuju", "wjx", "tencent_ccc", "aliyun", "tinet", "generic_cdr")
WINDOWED = ("standard", "wecom", "jiandaoyun", "hubspot")  # they sign the time, too
CALLS = ("tencent_ccc", "aliyun", "tinet", "twilio", "generic_cdr")
WITHOUT_NUMBER = ("wecom", "hubspot")  # their messages name an object, whose contact is fetched later
FIELDS = {
    "generic_cdr": {
        "id": "uuid",
        "direction": "type",
        "direction.in": "callin",
        "direction.out": "callout",
        "caller": "disnumber",
        "callee": "destnumber",
        "started_at": "starttime",
        "talk_s": "billsec",
    }
}
IP = "203.0.113.9"


def secret_of(provider: str, name: str) -> dict[str, str]:
    """Return a secret as the provider's console would make one, the same for the same name."""
    drawn = hashlib.sha256(f"{provider}:{name}".encode()).digest()
    if provider in BY_ADDRESS:
        return {"token_sha256": hashlib.sha256(token_of(provider, name).encode()).hexdigest()}
    if provider == "wecom":
        letters = base64.b64encode(drawn).decode()[:43]
        return {"token": drawn.hex()[:12], "encoding_aes_key": letters, "corp_id": "wx5823bf96d3bd56c7"}
    prefix = "whsec_" if provider == "standard" else ""
    return {"secret": prefix + base64.b64encode(drawn).decode()}


def token_of(provider: str, name: str) -> str:
    """Return the token in the address of a source that has no signature."""
    return hashlib.sha256(f"token:{provider}:{name}".encode()).hexdigest()[:32]


class Sender:
    """Whoever sends for one source of ``provider``; ``name`` tells sources of one provider apart."""

    def __init__(self, world: TestWorld, provider: str, *, name: str = "mine", **configured: Any) -> None:
        self.world, self.provider, self.name = world, provider, name
        self.id = f"{name}-{provider}"
        self.module = sources.provider(provider)
        body = {"provider": provider, "team": "huadong", "secret": f"source/{self.id}", **configured}
        self.body = {"fields": FIELDS.get(provider, {})} | body
        world.config.put("source", self.id, self.body, now=world.now())
        text = json.dumps({"valid": [self.secret]})
        world.secrets._client.create_secret(Name=f"leadtrail/source/{self.id}", SecretString=text)

    @property
    def secret(self) -> dict[str, str]:
        """The secret that was valid from the beginning."""
        return secret_of(self.provider, self.name)

    @property
    def source(self) -> Source:
        """The source as it is configured."""
        return self.world.config.current().sources[self.id]

    def keep(self, *valid: Secret) -> None:
        """Put these secrets in the place of those that were valid; a minute later everybody knows."""
        text = json.dumps({"valid": valid})
        self.world.secrets._client.update_secret(SecretId=f"leadtrail/source/{self.id}", SecretString=text)
        self.world.secrets._known.clear()

    def path(self, token: str | None = None) -> str:
        """Return the path that stands in the provider's console."""
        if self.provider not in BY_ADDRESS:
            return f"/webhooks/{self.id}"
        return f"/webhooks/{self.id}/{token_of(self.provider, self.name) if token is None else token}"

    def said(self, at: datetime) -> Parts:
        """Return the message of the provider's sample, before anybody signs it; WeCom's is not encrypted yet."""
        url = f"{SETTINGS.public_base_url}{self.path()}"
        made = self.module.sample(self.source, self.secret, at, url)
        body = _opened(made.body, self.secret) if self.provider == "wecom" else made.body
        return body, dict(made.headers), dict(made.query)

    def sample(self, at: datetime, *, secret: Secret | None = None) -> dict[str, Any]:
        """Return the request of the provider's sample, signed by the provider's own module."""
        url = f"{SETTINGS.public_base_url}{self.path()}"
        made = self.module.sample(self.source, secret or self.secret, at, url)
        return self.event(made.body, dict(made.headers), dict(made.query))

    def signed(
        self,
        body: bytes,
        at: datetime,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        secret: Secret | None = None,
    ) -> dict[str, Any]:
        """Return any body as the provider would send it at ``at``; ``headers`` and ``query`` come from a sample."""
        _, own_headers, own_query = self.said(at) if headers is None else (b"", dict(headers), dict(query or {}))
        sign = SIGNERS.get(self.provider, _unsigned)
        url = f"{SETTINGS.public_base_url}{self.path()}"
        parts = sign(secret or self.secret, (body, own_headers, own_query), at, url)
        return self.event(*parts)

    def event(
        self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str], *, token: str | None = None
    ) -> dict[str, Any]:
        """Return the event that API Gateway makes of a request."""
        path = self.path(token)
        parameters = {"source": self.id}
        if self.provider in BY_ADDRESS and path.count("/") == 3:
            parameters["token"] = path.rpartition("/")[2]
        return {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": urlencode(query),
            "headers": dict(headers),
            "queryStringParameters": dict(query),
            "pathParameters": parameters,
            "requestContext": {"http": {"method": "POST", "path": path, "sourceIp": IP}},
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }


def post(event: Mapping[str, Any], request_id: str = "request-1") -> tuple[int, Any]:
    """Hand a request to the webhook; return status and answer, read where it is JSON."""
    answer = handler(dict(event), Context(request_id))
    is_json = "json" in answer["headers"]["content-type"]
    return answer["statusCode"], json.loads(answer["body"]) if is_json else answer["body"]


def stored(world: TestWorld) -> dict[tuple[str, str], Any]:
    """Return everything that rests in the table and in the archive, by key."""
    pages = world.dynamodb.get_paginator("scan").paginate(TableName=SETTINGS.table)
    rows = {(item["PK"]["S"], item["SK"]["S"]): item for page in pages for item in page["Items"]}
    listed = world.objects._client.list_objects_v2(Bucket=SETTINGS.archive_bucket).get("Contents", [])
    return rows | {("s3", each["Key"]): each["Size"] for each in listed}


def leads(world: TestWorld) -> list[Lead]:
    """Return every lead, the oldest first."""
    found = [world.store.lead(lead_id) for lead_id in world.store.lead_ids()]
    return [lead for lead in found if lead is not None]


def _opened(envelope: bytes, secret: Secret) -> bytes:
    crypto = WeChatCrypto(secret["token"], secret["encoding_aes_key"], secret["corp_id"])
    cipher_text = flat_xml(envelope)["Encrypt"]
    signature = _sorted_sha1([secret["token"], "1", "n", cipher_text])
    message: str | bytes = crypto.decrypt_message(envelope.decode(), signature, "1", "n")
    return message.encode() if isinstance(message, str) else message


def _sorted_sha1(parts: Sequence[str]) -> str:
    return hashlib.sha1("".join(sorted(parts)).encode()).hexdigest()


def _mac(key: bytes, signed: bytes, digest: str = "sha256") -> str:
    return base64.b64encode(hmac.new(key, signed, digest).digest()).decode()


def _unsigned(secret: Secret, parts: Parts, at: datetime, url: str) -> Parts:
    return parts


def _standard(secret: Secret, parts: Parts, at: datetime, url: str) -> Parts:
    body, headers, query = parts
    timestamp = str(int(at.timestamp()))
    key = base64.b64decode(secret["secret"].removeprefix("whsec_"))
    signature = _mac(key, f"{headers['webhook-id']}.{timestamp}.".encode() + body)
    return body, headers | {"webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}, query


def _typeform(secret: Secret, parts: Parts, at: datetime, url: str) -> Parts:
    body, headers, query = parts
    return body, headers | {"typeform-signature": f"sha256={_mac(secret['secret'].encode(), body)}"}, query


def _tally(secret: Secret, parts: Parts, at: datetime, url: str) -> Parts:
    body, headers, query = parts
    return body, headers | {"tally-signature": _mac(secret["secret"].encode(), body)}, query


def _hubspot(secret: Secret, parts: Parts, at: datetime, url: str) -> Parts:
    body, headers, query = parts
    timestamp = str(int(at.timestamp() * 1000))
    signature = _mac(secret["secret"].encode(), f"POST{url}".encode() + body + timestamp.encode())
    said = {"x-hubspot-request-timestamp": timestamp, "x-hubspot-signature-v3": signature}
    return body, headers | said, query


def _jiandaoyun(secret: Secret, parts: Parts, at: datetime, url: str) -> Parts:
    body, headers, query = parts
    timestamp = str(int(at.timestamp()))
    signed = b":".join([query["nonce"].encode(), body, secret["secret"].encode(), timestamp.encode()])
    signature = hashlib.sha1(signed).hexdigest()
    return body, headers | {"x-jdy-signature": signature}, query | {"timestamp": timestamp}


def _twilio(secret: Secret, parts: Parts, at: datetime, url: str) -> Parts:
    body, headers, query = parts
    pairs = sorted(set(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)))
    signed = url + "".join(f"{name}{value}" for name, value in pairs)
    signature = _mac(secret["secret"].encode(), signed.encode("utf-8", "surrogatepass"), "sha1")
    return body, headers | {"x-twilio-signature": signature}, query


def _wecom(secret: Secret, parts: Parts, at: datetime, url: str) -> Parts:
    message, headers, _ = parts
    crypto = WeChatCrypto(secret["token"], secret["encoding_aes_key"], secret["corp_id"])
    timestamp = str(int(at.timestamp()))
    said = flat_xml(crypto.encrypt_message(message, "n", timestamp).encode())
    body = f"<xml><ToUserName>c</ToUserName><Encrypt><![CDATA[{said['Encrypt']}]]></Encrypt></xml>".encode()
    return body, headers, {"msg_signature": said["MsgSignature"], "timestamp": timestamp, "nonce": "n"}


SIGNERS: Mapping[str, Callable[[Secret, Parts, datetime, str], Parts]] = {
    "standard": _standard,
    "typeform": _typeform,
    "tally": _tally,
    "hubspot": _hubspot,
    "jiandaoyun": _jiandaoyun,
    "twilio": _twilio,
    "wecom": _wecom,
}
