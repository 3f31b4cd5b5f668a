"""S3: bodies that are too large for the table, uploads, transcripts and reports."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError


class Objects:
    """One S3 client, made when it is first used."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self._make = client

    @cached_property
    def _client(self) -> Any:
        return self._make()

    def put(self, bucket: str, key: str, body: bytes, content_type: str) -> None:
        """Store an object, encrypted as the bucket says."""
        self._client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)

    def put_new(self, bucket: str, key: str, body: bytes, content_type: str) -> bool:
        """Store an object unless one has this key; tell whether it was stored."""
        try:
            self._client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type, IfNoneMatch="*")
        except ClientError as error:
            # 409: another writer is at it this moment, and S3 asks to look again.
            if error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict"):
                return False
            raise
        return True

    def size(self, bucket: str, key: str) -> int | None:
        """Return an object's size in bytes, or None if there is none."""
        try:
            size: int = self._client.head_object(Bucket=bucket, Key=key)["ContentLength"]
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise
        return size

    def get(self, bucket: str, key: str) -> bytes | None:
        """Return an object's bytes, or None if there is none."""
        try:
            body: bytes = self._client.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise
        return body

    def download(self, bucket: str, key: str, path: str) -> None:
        """Stream an object into a file."""
        self._client.download_file(bucket, key, path)

    def upload(self, bucket: str, key: str, path: str, content_type: str) -> None:
        """Stream a file into an object."""
        with Path(path).open("rb") as file:
            self._client.put_object(Bucket=bucket, Key=key, Body=file, ContentType=content_type)

    def presigned_get(self, bucket: str, key: str, *, seconds: int, disposition: str | None = None) -> str:
        """Return a URL that opens the object for ``seconds``; made at the click: it dies with the role's session."""
        params = {"Bucket": bucket, "Key": key}
        if disposition:
            params["ResponseContentDisposition"] = disposition
        url: str = self._client.generate_presigned_url("get_object", Params=params, ExpiresIn=seconds)
        return url

    def presigned_post(
        self, bucket: str, key: str, *, content_type: str, largest: int, seconds: int
    ) -> tuple[str, dict[str, str]]:
        """Return the URL and form fields of an upload that S3 itself holds to size, type and key."""
        answer = self._client.generate_presigned_post(
            bucket,
            key,
            Fields={"Content-Type": content_type},
            Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, largest]],
            ExpiresIn=seconds,
        )
        return answer["url"], answer["fields"]
