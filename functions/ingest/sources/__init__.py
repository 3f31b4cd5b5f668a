"""Providers: one file each, all behind the same small protocol: verify the raw bytes, then parse.

A source is configuration (`CONFIG#source`); its provider is the module here that understands it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, cast

from leadtrail.domain.company import Source
from leadtrail.domain.delivery import Delivery
from leadtrail.domain.errors import NotFoundError
from leadtrail.runtime.http import Answer

PROVIDERS = (
    *("standard", "typeform", "wecom", "jinshuju", "wjx", "jiandaoyun", "tally", "hubspot"),
    *("tencent_ccc", "aliyun", "tinet", "twilio", "generic_cdr"),
)
Secret = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it came; header names are lower case, ``at`` is our aware UTC time."""

    source: Source
    method: str
    body: bytes
    at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    url: str = ""  # as the provider called it, query included: some sign it
    token: str = ""  # the last segment of the path, where there is one
    ip: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """A signed request as this provider would send it: what `leadtrail source test` sends to ourselves."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


class Provider(Protocol):
    """What a provider's module offers."""

    def verify(self, request: Request, secrets: Sequence[Secret]) -> Secret:
        """Return the secret that fits; raises UnauthenticatedError."""

    def parse(self, request: Request, secret: Secret) -> tuple[Delivery, ...]:
        """Read a verified request, which may hold several messages; raises MalformedBodyError, InvalidInputError."""

    def echo(self, request: Request, secret: Secret) -> Answer:
        """Answer a verified GET by which a provider checks the address; raises NotFoundError where it has none."""

    def acknowledge(self, lead_id: str | None, outcome: str) -> Answer:
        """Answer in the provider's own words."""

    def sample(self, source: Source, secret: Secret, at: datetime, url: str) -> Sample:
        """Return a request of its own making with one new lead, signed as the provider would, for ``url`` at ``at``."""


def provider(name: str) -> Provider:
    """Return the module of a provider, loaded when it is first used: a cold start pays for one.

    Raises:
        NotFoundError: no module understands it.
    """
    if name not in PROVIDERS:
        raise NotFoundError
    return cast(Provider, importlib.import_module(f"functions.ingest.sources.{name}"))
