"""The composition root: one `world()` per container, which builds each collaborator when it is first used.

Importing this module reads no environment and opens no client.
"""

from __future__ import annotations

import gc
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from leadtrail.domain.delivery import Contact
from leadtrail.domain.ids import new_id
from leadtrail.runtime import settings as settings_of
from leadtrail.services.ports import Person

if TYPE_CHECKING:
    from leadtrail.adapters.config import TableConfiguration
    from leadtrail.adapters.hubspot import HubSpot
    from leadtrail.adapters.objects import Objects
    from leadtrail.adapters.outbox import TableOutbox
    from leadtrail.adapters.queues import Queues
    from leadtrail.adapters.reports import TableReports
    from leadtrail.adapters.robots import Robots
    from leadtrail.adapters.secrets import Secrets
    from leadtrail.adapters.store import TableStore
    from leadtrail.adapters.wecom import WeCom


class World:
    """The collaborators of one container. Imports stand in the properties: what is not used is not loaded."""

    def __init__(self, settings: settings_of.Settings) -> None:
        self.settings = settings

    @staticmethod
    def now() -> datetime:
        """Return the real time, aware UTC: the only place that asks the machine."""
        return datetime.now(UTC)

    @cached_property
    def dynamodb(self) -> Any:
        """The DynamoDB client; a function that can put what the table does not take into a queue gives up in time."""
        return client("dynamodb", hurried=self._has_queue)

    @cached_property
    def secrets(self) -> Secrets:
        """Secrets Manager, with a short memory."""
        from leadtrail.adapters.secrets import Secrets  # noqa: PLC0415 - only where a secret is needed

        return Secrets(lambda: client("secretsmanager"), self.settings.secret_prefix, self.now)

    @cached_property
    def store(self) -> TableStore:
        """The table."""
        from leadtrail.adapters.store import TableStore  # noqa: PLC0415 - some entries need no table

        return TableStore(self.dynamodb, self.settings.table, self._hmac_key, self.now)

    @cached_property
    def config(self) -> TableConfiguration:
        """The company's configuration."""
        from leadtrail.adapters.config import TableConfiguration  # noqa: PLC0415 - some entries need none
        from leadtrail.adapters.configuration_copy import ConfigurationCopy  # noqa: PLC0415 - see above

        bucket = self.settings.archive_bucket
        return TableConfiguration(
            self.store,
            self.settings.zone,
            copy=ConfigurationCopy(lambda: self.objects, bucket) if bucket else None,
            trusts_copy=self._has_queue,
        )

    @cached_property
    def objects(self) -> Objects:
        """S3; a cold function that asks it instead of the table has no more time than the table had."""
        from leadtrail.adapters.objects import Objects  # noqa: PLC0415 - the webhook and the sweep load no S3

        return Objects(lambda: client("s3", hurried=self._has_queue))

    @cached_property
    def outbox(self) -> TableOutbox:
        """The messages that wait."""
        from leadtrail.adapters.outbox import TableOutbox  # noqa: PLC0415 - only dispatch sends

        return TableOutbox(self.dynamodb, self.settings.table, self.store)

    @cached_property
    def robots(self) -> Robots:
        """Who brings messages: WeCom applications, chat robots, mail; tokens live as long as the container."""
        from leadtrail.adapters.mail import Mail  # noqa: PLC0415 - only dispatch sends
        from leadtrail.adapters.robots import Robots  # noqa: PLC0415 - see above
        from leadtrail.adapters.wecom_token import WeComTokens  # noqa: PLC0415 - see above

        tokens = WeComTokens(self.settings.wecom_api, self.now)
        return Robots(self.secrets.valid, self.now, tokens=tokens, mail=Mail(lambda: client("sesv2", tries=1)))

    @cached_property
    def wecom(self) -> WeCom:
        """WeCom's API of external contacts; its tokens are remembered as long as the container lives."""
        from leadtrail.adapters.wecom import WeCom  # noqa: PLC0415 - only enrichment asks

        return WeCom(self.settings.wecom_api, self.secrets.valid, self.now)

    @cached_property
    def hubspot(self) -> HubSpot:
        """HubSpot's API of contacts."""
        from leadtrail.adapters.hubspot import HubSpot  # noqa: PLC0415 - only enrichment asks

        return HubSpot(self.settings.hubspot_api, self.secrets.valid)

    @cached_property
    def queues(self) -> Queues:
        """SQS: what waits for a worker."""
        from leadtrail.adapters.queues import Queues  # noqa: PLC0415 - only where something waits

        urls = {
            "deliveries": self.settings.deliveries_queue,
            "@fetch": self.settings.fetches_queue,
            "@enrich": self.settings.enrichments_queue,
        }
        return Queues(lambda: client("sqs"), urls)

    @cached_property
    def functions(self) -> Any:
        """The Lambda client, for handing work to another function."""
        return client("lambda")

    def source_secrets(self, name: str) -> list[dict[str, str]]:
        """Return a source's valid secrets, none where there is no such secret: whoever verifies then fails closed."""
        try:
            return self.secrets.valid(name)
        except KeyError:
            return []

    def new_person(self, contact: Contact) -> Person:
        """Return somebody new, with a key and salt of their own."""
        from leadtrail.adapters import cipher  # noqa: PLC0415 - only for somebody new

        return Person(new_id(self.now()), contact, cipher.new_key(), cipher.new_salt())

    @cached_property
    def reports(self) -> TableReports:
        """Reports and their links."""
        from leadtrail.adapters.reports import TableReports  # noqa: PLC0415 - the webhook and the sweep need none

        return TableReports(self.store)

    @property
    def _has_queue(self) -> bool:
        """True where what the table does not take can wait in a queue."""
        return bool(self.settings.deliveries_queue)

    def _hmac_key(self) -> bytes:
        return self.secrets.text(self.settings.key_secret).encode()


def client(service: str, *, hurried: bool = False, tries: int | None = None) -> Any:
    """Return a boto3 client that signs with SigV4 and gives up in time for its caller to answer.

    ``hurried``: after at most 5 s, so that something else can still be done within a provider's patience.
    ``tries``: how often in all, where doing it twice would show.
    """
    import boto3  # noqa: PLC0415 - importing this module stays free
    from botocore.config import Config  # noqa: PLC0415 - see above

    timeouts: dict[str, Any] = {
        "connect_timeout": 1 if hurried else 2,
        "read_timeout": 2 if hurried else 10,
        "retries": {"mode": "standard", "max_attempts": 2 if hurried else 3},
    }
    if tries:
        timeouts["retries"] = {"mode": "standard", "total_max_attempts": tries}
    if service == "s3":
        # boto3 still signs presigned URLs as SigV2 in us-east-1 unless told (FACTS).
        timeouts |= {"signature_version": "s3v4", "s3": {"addressing_style": "path" if _is_local() else "auto"}}
    return boto3.client(service, config=Config(**timeouts))


def _is_local() -> bool:
    import os  # noqa: PLC0415 - see client

    return "AWS_ENDPOINT_URL" in os.environ


@cache
def world() -> World:
    """Return this container's world, built on first use, with the table that every entry needs.

    What loads here lives as long as the container. The collector is kept from looking through it, now and
    later: 16 of the 251 ms that the webhook's start took before.
    """
    gc.disable()
    try:
        made = World(settings_of.read())
        _ = made.store
    finally:
        gc.freeze()
        gc.enable()
    return made
