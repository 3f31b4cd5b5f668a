"""Clients of the webhook entry: the API Gateway events that independent libraries' requests become."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from standardwebhooks.webhooks import Webhook

from tests.integration.conftest import STANDARD_SECRET


class Context:
    """What Lambda hands to a handler."""

    function_name = "webhook"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:cn-north-1:1:function:webhook"

    def __init__(self, request_id: str = "request-1") -> None:
        self.aws_request_id = request_id

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def http_event(
    source: str,
    body: str,
    *,
    method: str = "POST",
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
) -> dict[str, Any]:
    return {
        "version": "2.0",
        "rawPath": f"/webhooks/{source}",
        "headers": headers or {},
        "queryStringParameters": query or {},
        "pathParameters": {"source": source},
        "requestContext": {"http": {"method": method, "path": f"/webhooks/{source}"}},
        "body": body,
        "isBase64Encoded": False,
    }


def signed(body: str, at: datetime, *, message_id: str = "msg_1", secret: str = STANDARD_SECRET) -> dict[str, Any]:
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, at, body),
    }
    return http_event("standard", body, headers=headers)


def lead_created(
    at: datetime, *, message_id: str = "msg_1", secret: str = STANDARD_SECRET, **data: Any
) -> dict[str, Any]:
    said = {"name": "张三", "phone": "13800138000", **data}
    body = json.dumps({"type": "lead.created", "timestamp": at.isoformat(), "data": said}, ensure_ascii=False)
    return signed(body, at, message_id=message_id, secret=secret)


def call_completed(at: datetime, *, message_id: str = "msg_call", **data: Any) -> dict[str, Any]:
    said = {
        "phone": "13800138000",
        "direction": "out",
        "started_at": at.isoformat(),
        "talk_s": 65,
        "agent": "rep-zhang",
        **data,
    }
    body = json.dumps({"type": "call.completed", "timestamp": at.isoformat(), "data": said})
    return signed(body, at, message_id=message_id)
