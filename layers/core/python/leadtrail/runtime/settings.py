"""What a deployed function is told by its environment; every name stands in docs/runbook.md."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

WECOM_API = "https://qyapi.weixin.qq.com"
HUBSPOT_API = "https://api.hubapi.com"


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment, read once; what a function does not need is empty."""

    table: str
    uploads_bucket: str = ""
    reports_bucket: str = ""
    archive_bucket: str = ""
    key_secret: str = ""
    secret_prefix: str = "leadtrail/"  # noqa: S105 - where secrets are, not one of them
    zone: str = "Asia/Shanghai"
    public_base_url: str = ""
    dispatch_function: str = ""
    daily_function: str = ""
    deliveries_queue: str = ""
    fetches_queue: str = ""
    enrichments_queue: str = ""
    model_path: str = ""
    wecom_api: str = WECOM_API
    hubspot_api: str = HUBSPOT_API
    allow_now: bool = False


def read(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises:
        KeyError: TABLE_NAME is missing.
    """
    return Settings(
        table=environment["TABLE_NAME"],
        uploads_bucket=environment.get("UPLOADS_BUCKET", ""),
        reports_bucket=environment.get("REPORTS_BUCKET", ""),
        archive_bucket=environment.get("ARCHIVE_BUCKET", ""),
        key_secret=environment.get("KEY_SECRET", ""),
        secret_prefix=environment.get("SECRET_PREFIX", "leadtrail/"),
        zone=environment.get("COMPANY_ZONE", "Asia/Shanghai"),
        public_base_url=environment.get("PUBLIC_BASE_URL", "").rstrip("/"),
        dispatch_function=environment.get("DISPATCH_FUNCTION", ""),
        daily_function=environment.get("DAILY_FUNCTION", ""),
        deliveries_queue=environment.get("DELIVERIES_QUEUE", ""),
        fetches_queue=environment.get("FETCHES_QUEUE", ""),
        enrichments_queue=environment.get("ENRICHMENTS_QUEUE", ""),
        model_path=environment.get("MODEL_PATH", ""),
        wecom_api=environment.get("WECOM_API", WECOM_API).rstrip("/"),
        hubspot_api=environment.get("HUBSPOT_API", HUBSPOT_API).rstrip("/"),
        allow_now=environment.get("ALLOW_NOW") == "1",
    )
