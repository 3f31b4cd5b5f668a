"""Where the operator's commands work: the running demo (`.local/stack.json`), or the AWS account of the environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from leadtrail.adapters.objects import Objects
from leadtrail.adapters.secrets import Secrets
from leadtrail.runtime import settings as settings_of
from leadtrail.runtime.settings import Settings
from leadtrail.runtime.wiring import World

STACK = Path(".local/stack.json")
_PATIENT = {"connect_timeout": 5, "read_timeout": 60, "retries": {"mode": "standard", "max_attempts": 5}}


class NotConnectedError(Exception):
    """There is no table to work on; the message is for the operator (zh-CN)."""


class LocalWorld(World):
    """The collaborators on the demo's emulator; nothing of this machine's AWS configuration or proxies is read."""

    def __init__(self, stack: Mapping[str, Any]) -> None:
        super().__init__(_settings(stack))
        self._aws: Mapping[str, str] = stack["aws"]

    @cached_property
    def dynamodb(self) -> Any:
        """The DynamoDB client."""
        return self.client("dynamodb")

    @cached_property
    def secrets(self) -> Secrets:
        """Secrets Manager, with a short memory."""
        return Secrets(lambda: self.client("secretsmanager"), self.settings.secret_prefix, self.now)

    @cached_property
    def objects(self) -> Objects:
        """S3."""
        return Objects(lambda: self.client("s3"))

    def client(self, service: str) -> Any:
        """Return a boto3 client of the emulator, as patient as a command may be."""
        signing = {"signature_version": "s3v4", "s3": {"addressing_style": "path"}} if service == "s3" else {}
        return boto3.client(
            service,
            endpoint_url=self._aws["endpoint"],
            region_name=self._aws["region"],
            aws_access_key_id=self._aws["access_key_id"],
            aws_secret_access_key=self._aws["secret_access_key"],
            config=Config(proxies={}, **_PATIENT, **signing),
        )


def connect(environment: Mapping[str, str], stack_file: Path = STACK) -> World:
    """Return the world of TABLE_NAME and the AWS environment where that is set, else the running demo's.

    Raises:
        NotConnectedError: neither is there, or stack.json cannot be read.
    """
    if "TABLE_NAME" in environment:
        return World(settings_of.read(environment))
    try:
        return LocalWorld(json.loads(stack_file.read_text("utf-8")))
    except FileNotFoundError as missing:
        raise NotConnectedError(
            f"没有找到 {stack_file}：请先运行 make demo，或设置 TABLE_NAME 和 AWS 凭证以连接 AWS 上的环境"
        ) from missing
    except (ValueError, KeyError, TypeError) as broken:
        raise NotConnectedError(f"{stack_file} 无法读取({broken}):请重新运行 make demo") from broken


def _settings(stack: Mapping[str, Any]) -> Settings:
    buckets: Mapping[str, str] = stack.get("buckets", {})
    robots: Mapping[str, str] = stack.get("robots", {})
    return Settings(
        table=stack["table"],
        uploads_bucket=buckets.get("uploads", ""),
        reports_bucket=buckets.get("reports", ""),
        archive_bucket=buckets.get("archive", ""),
        key_secret=stack.get("key_secret", ""),
        public_base_url=str(stack.get("api", "")).rstrip("/"),
        wecom_api=f"{robots['base']}/wecom" if "base" in robots else settings_of.WECOM_API,
    )
