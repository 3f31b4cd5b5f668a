"""What a deployed function is told by its environment; every name stands in docs/runbook.md."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


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
    model_path: str = ""
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
        model_path=environment.get("MODEL_PATH", ""),
        allow_now=environment.get("ALLOW_NOW") == "1",
    )
