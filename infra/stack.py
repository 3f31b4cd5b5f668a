"""START READING HERE: the architecture picture as code. Who calls whom, and who may do what.

    provider ──> webhook ─┐                    ┌─> dispatch ──> WeCom, DingTalk, Feishu, mail
    schedule ──> sweep ───┼──> THE TABLE ──────┘ (stream of its outbox rows; the sweep wakes it too)
    schedule ──> recount ─┤                      (every night: due times that were guessed)
    people ────> rest ────┤
    browser ───> uploads bucket ──> queue ──> recording ──> transcripts
    schedule ──> daily ───┴──> reports bucket <── link <── the chat on a manager's phone

    webhook ───> deliveries ──> replay ──> THE TABLE (queue of what it could not take; a schedule looks at the parked)
    dispatch ─┬> fetches ─────> fetch ───> uploads bucket (queue of recordings that call systems offer by URL)
              └> enrichments ─> enrich ──> THE TABLE (queue of contacts to ask WeCom about; `egress=nat`)

Functions are named as text: `functions.sla.sweep.handler` is the file `functions/sla/sweep.py`. A number that a person
may want to tune is a named argument here.
"""

from collections.abc import Sequence
from typing import Any

from aws_cdk import ArnFormat, CfnOutput, Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from constructs import Construct

from infra import alarms, nag
from infra.alarms import Alarms
from infra.api import Api
from infra.buckets import Buckets
from infra.bundle import Layers
from infra.choices import Choices
from infra.egress import Egress
from infra.function import Asynchronous, Function, House, Network
from infra.identity import Identity
from infra.queue import WorkQueue
from infra.schedule import Schedule
from infra.secret import KeySecret
from infra.table import Table

METHODS = apigateway.HttpMethod
GET, HEAD, POST, ANY = METHODS.GET, METHODS.HEAD, METHODS.POST, METHODS.ANY

READ = ("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query")
# A transaction needs the rights of its parts; TransactWriteItems is not an IAM action.
COMMIT = ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem")
SECRETS = "leadtrail/"
CONFIGURATION_COPY = "configuration/current.json"
AUDIO_AND_TEXT = ("uploads", "transcripts")


class Leadtrail(Stack):
    """The whole system in one stack: all functions and their layers change together, so they cannot disagree."""

    def __init__(self, scope: Construct, id: str, **kwargs: Any) -> None:
        """Build what the context of `scope` chooses (`infra/choices.py`)."""
        super().__init__(scope, id, **kwargs)
        self.choices = Choices.from_node(self.node)
        self._keep()
        self._house = self._furnish()
        self._queue()
        self._employ()
        self._connect()
        self._grant()
        self._watch()
        self._publish()
        self._accept()

    def _keep(self) -> None:
        """What holds data, and the doors: all that functions are told about."""
        local = self.choices.local
        self.key = kms.Key(self, "Key", enable_key_rotation=True) if self.choices.customer_key else None
        self.table = Table(self, "Table", protected=not local, key=self.key).table
        self.buckets = Buckets(
            self, "Buckets", protected=not local, tls_only=not local, key=self.key, browser_origins=["*"]
        )
        self.key_secret = KeySecret(self, "KeySecret", key=self.key)
        self.identity = Identity(
            self,
            "Identity",
            issuer=self.choices.jwt_issuer,
            audience=self.choices.jwt_audience,
            session=Duration.hours(24 if local else 12),
            protected=not local,
        )
        self.api = Api(self, "Api", pinned_id=self.choices.api_id, rate=500, burst=1000)
        self.layers = Layers(self, "Layers", choices=self.choices)
        self.egress = Egress(self, "Egress", ports=self._ways_out) if self.choices.egress == "nat" else None

    def _furnish(self) -> House:
        environment = {
            "TABLE_NAME": self.table.table_name,
            "UPLOADS_BUCKET": self.buckets.uploads.bucket_name,
            "REPORTS_BUCKET": self.buckets.reports.bucket_name,
            "ARCHIVE_BUCKET": self.buckets.archive.bucket_name,
            "KEY_SECRET": self.key_secret.arn,
            "SECRET_PREFIX": SECRETS,
            "COMPANY_ZONE": self.choices.company_zone,
            "PUBLIC_BASE_URL": self.choices.public_base_url or self.api.url,
            "POWERTOOLS_METRICS_NAMESPACE": alarms.NAMESPACE,
            "POWERTOOLS_LOG_LEVEL": "INFO",
        }
        if self.choices.allow_now:
            environment["ALLOW_NOW"] = "1"
        return House(self.choices, [self.layers.core, self.layers.thirdparty], environment, self.key)

    def _queue(self) -> None:
        """What waits for a function. How long it takes until a message is given up: the pause, times the tries."""
        # S3 could not write to a queue under the company's key.
        self.uploaded = self._work("uploaded", pause=Duration.minutes(30), tries=3, key=None)
        # The table is back within 6 hours, WeCom within 8.
        self.deliveries = self._work("deliveries", pause=Duration.minutes(2), tries=200, key=self.key)
        self.fetches = self._work("fetches", pause=Duration.minutes(20), tries=6, key=self.key)
        self.enrichments = self._work("enrichments", pause=Duration.minutes(5), tries=100, key=self.key)
        self.queues: Sequence[WorkQueue] = (self.uploaded, self.deliveries, self.fetches, self.enrichments)

    def _employ(self) -> None:
        """The functions. Memory buys CPU: 1024 MB answers a cold webhook well within what providers wait for."""
        self._employ_intake()
        self._employ_clocks_and_recordings()
        self._employ_readers()
        self.functions: Sequence[Function] = (
            self.webhook, self.sweep, self.dispatch, self.recording, self.daily, self.link, self.rest,
            self.replay, self.fetch, self.enrich, self.recount,
        )  # fmt: skip

    def _employ_intake(self) -> None:
        self.webhook = self._function(
            "webhook", "functions.ingest.webhook.handler", memory_mb=1024, timeout=Duration.seconds(10)
        )
        self.replay = self._function(
            "replay",
            "functions.ingest.replay.handler",
            memory_mb=1024,
            timeout=Duration.minutes(1),
            asynchronous=Asynchronous(retries=0, max_age=Duration.minutes(5)),  # the next schedule does it
        )
        self.fetch = self._function(
            "fetch",
            "functions.ingest.fetch.handler",
            memory_mb=1024,
            timeout=Duration.minutes(5),  # a download may take 120 seconds, and then goes to S3
        )
        self.enrich = self._function(
            "enrich",
            "functions.ingest.enrich.handler",
            memory_mb=512,
            timeout=Duration.minutes(2),
            environment=self._wecom,
            network=self.egress.network if self.egress else None,
        )

    @property
    def _wecom(self) -> dict[str, str] | None:
        """Where WeCom's API answers, if not at its own address: for those who ask it or send by it."""
        return {"WECOM_API": self.choices.wecom_api} if self.choices.wecom_api else None

    @property
    def _ways_out(self) -> Sequence[int]:
        """The TCP ports that what has a fixed address may reach."""
        return (443, 465, 587) if self.choices.mailer == "smtp" else (443,)

    def _employ_clocks_and_recordings(self) -> None:
        self.sweep = self._function(
            "sweep",
            "functions.sla.sweep.handler",
            memory_mb=1024,
            timeout=Duration.seconds(55),
            asynchronous=Asynchronous(retries=0, max_age=Duration.minutes(1)),  # the next minute's sweep does it
        )
        self.recount = self._function(
            "recount",
            "functions.sla.recount.handler",
            memory_mb=1024,
            timeout=Duration.minutes(15),
            asynchronous=Asynchronous(retries=1, max_age=Duration.hours(1)),
        )
        self.dispatch = self._function(
            "dispatch",
            "functions.sla.dispatch.handler",
            memory_mb=512,
            timeout=Duration.minutes(2),
            environment=self._wecom,
            network=self.egress.network if self.egress else None,  # WeCom takes messages from addresses it trusts
            asynchronous=Asynchronous(retries=1, max_age=Duration.minutes(5)),
        )
        self.recording = self._function(
            "recording",
            "functions.transcribe.recording.handler",
            memory_mb=3008,  # more is refused in new accounts
            timeout=Duration.minutes(15),
            environment={"MODEL_PATH": self.layers.model_path},
            layers=[layer for layer in (self.layers.speech, self.layers.model) if layer],
        )

    def _employ_readers(self) -> None:
        self.daily = self._function(
            "daily",
            "functions.reports.daily.handler",
            memory_mb=1024,
            timeout=Duration.minutes(5),
            asynchronous=Asynchronous(retries=2, max_age=Duration.hours(1)),
        )
        self.link = self._function(
            "link", "functions.reports.link.handler", memory_mb=512, timeout=Duration.seconds(10)
        )
        self.rest = self._function("rest", "functions.api.rest.handler", memory_mb=1024, timeout=Duration.seconds(29))

    def _connect(self) -> None:
        """Who calls whom."""
        self.api.route([GET, POST], "/webhooks/{source}", "/webhooks/{source}/{token}", to=self.webhook)
        # Who signs nothing: still far above what the forms and the call system of a company send.
        self.api.throttle("/webhooks/{source}/{token}", rate=50, burst=100)
        # POST: the buttons behind an alert's link. HEAD: chats that look whether a link is alive.
        self.api.route([GET, HEAD, POST], "/r/{token}", to=self.link)
        self.api.route([GET], "/openapi.json", to=self.rest)
        self.api.route([ANY], "/{proxy+}", to=self.rest, authorizer=self.identity.authorizer)

        self._schedule("EveryMinute", self.sweep, "rate(1 minute)", retries=0, max_age=Duration.minutes(1))
        self._schedule("EveryFiveMinutes", self.replay, "rate(5 minutes)", retries=0, max_age=Duration.minutes(5))
        self._schedule("EveryNight", self.recount, "cron(0 2 * * ? *)", retries=3, max_age=Duration.hours(1))
        self._schedule("EveryMorning", self.daily, "cron(30 8 * * ? *)", retries=3, max_age=Duration.hours(1))

        self.sweep.calls(self.dispatch)
        self.rest.calls(self.daily)
        self._stream(self.dispatch, "OUTBOX#", batch=100, tries=5)

        self.buckets.announce_uploads(self.uploaded.queue, prefix="uploads/")
        self.deliveries.filled_by(self.webhook)
        self.fetches.filled_by(self.dispatch)
        self.enrichments.filled_by(self.dispatch)
        self.uploaded.feeds(self.recording, batch=1, at_once=5)
        self.deliveries.feeds(self.replay, batch=1, at_once=5)  # one request may hold a hundred leads
        self.fetches.feeds(self.fetch, batch=1, at_once=5)
        self.enrichments.feeds(self.enrich, batch=1, at_once=2)  # each keeps a token of its own

    def _grant(self) -> None:
        """Who may do what: each line is one need of one function."""
        table, uploads, reports = self.table, self.buckets.uploads, self.buckets.reports

        for function in self.functions:
            function.may(*READ, on=[table.table_arn])
        for function in self.functions:
            if function is not self.link:
                function.may(*COMMIT, on=[table.table_arn])
        for function in (self.sweep, self.daily, self.rest):
            function.may("dynamodb:Query", on=[f"{table.table_arn}/index/*"])
        self.replay.may(
            "dynamodb:Query",
            on=[f"{table.table_arn}/index/GSI1", f"{table.table_arn}/index/GSI2"],  # what is parked; who waits
        )
        self.recount.may("dynamodb:Query", on=[f"{table.table_arn}/index/GSI5"])  # whose due time is a guess
        self.link.may("dynamodb:PutItem", "dynamodb:UpdateItem", on=[table.table_arn])  # that it was opened, answered

        talks_to_providers = (self.webhook, self.replay, self.fetch, self.enrich)
        for function in (*talks_to_providers, self.dispatch, self.daily, self.link, self.rest):
            function.may("secretsmanager:GetSecretValue", on=[self.key_secret.arn])
        for function in talks_to_providers:
            function.may("secretsmanager:GetSecretValue", on=[self._secret_arns("source/*")])
        self.dispatch.may("secretsmanager:GetSecretValue", on=[self._secret_arns("channel/*")])
        if self.choices.mail_identity:
            self.dispatch.may("ses:SendEmail", on=[self._identity_arn(self.choices.mail_identity)])

        for function in (self.webhook, self.replay):
            function.may("s3:PutObject", on=[self.buckets.archive.arn_for_objects("*")])
        self.replay.may("s3:GetObject", on=[self.buckets.archive.arn_for_objects("*")])
        self.webhook.may("s3:GetObject", on=[self.buckets.archive.arn_for_objects(CONFIGURATION_COPY)])
        self.rest.may("s3:PutObject", on=[self.buckets.archive.arn_for_objects(CONFIGURATION_COPY)])
        self.fetch.may("s3:GetObject", "s3:PutObject", on=[uploads.arn_for_objects("uploads/*")])
        self.recording.may("s3:GetObject", on=[uploads.arn_for_objects(f"{part}/*") for part in AUDIO_AND_TEXT])
        self.recording.may("s3:PutObject", on=[uploads.arn_for_objects("transcripts/*")])
        self.daily.may("s3:GetObject", "s3:PutObject", on=[reports.arn_for_objects("*")])
        # Without the right to list, S3 answers 403 instead of 404 for what is not there, and these have to tell.
        for function in (self.recording, self.fetch, self.rest):
            function.may("s3:ListBucket", on=[uploads.bucket_arn])
        self.daily.may("s3:ListBucket", on=[reports.bucket_arn])
        self.replay.may("s3:ListBucket", on=[self.buckets.archive.bucket_arn])
        # A presigned address can do what its signer can: these are the rights of a link, an upload, a download.
        self.link.may("s3:GetObject", on=[reports.arn_for_objects("*")])
        self.rest.may("s3:PutObject", on=[uploads.arn_for_objects("uploads/*")])
        self.rest.may("s3:GetObject", on=[uploads.arn_for_objects(f"{part}/*") for part in AUDIO_AND_TEXT])
        self.rest.may("s3:GetObject", on=[reports.arn_for_objects("*")])

    def _watch(self) -> None:
        """What wakes an operator; docs/runbook.md says what to do then."""
        alarm = Alarms(self, "Alarms", email=self.choices.alarm_email, tls_only=not self.choices.local)
        for function in self.functions:
            alarm.function(function, duration_share=0.8)
        for name, queue in alarms.dead_letter_queues(self.functions, self.queues):
            alarm.dead_letters(name, queue)
        alarm.sweep(silent_minutes=2, lag=Duration.minutes(10), outbox_age=Duration.minutes(15))
        alarm.daily(self.daily)
        alarm.robots()
        alarm.deliveries(self.deliveries.queue, age=Duration.minutes(15))
        alarm.enrichment()
        alarm.webhook(self.webhook, forged=20, ack=Duration.seconds(1))
        alarm.api(self.api.api, failed_share=0.01)
        alarm.table(self.table)

    def _publish(self) -> None:
        """What `leadtrail` and the local mode read from the deployed stack."""
        names = {function.name: function.function.function_name for function in self.functions}
        outputs = {
            "ApiId": self.api.api.api_id,
            "ApiUrl": self.api.url,
            "TableName": self.table.table_name,
            "UploadsBucket": self.buckets.uploads.bucket_name,
            "ReportsBucket": self.buckets.reports.bucket_name,
            "ArchiveBucket": self.buckets.archive.bucket_name,
            "KeySecret": self.key_secret.arn,
            "Functions": self.to_json_string(names),
        }
        if self.identity.pool and self.identity.client:
            outputs["UserPoolId"] = self.identity.pool.user_pool_id
            outputs["UserPoolClientId"] = self.identity.client.user_pool_client_id
        if self.egress:
            outputs["EgressAddress"] = self.egress.address
        for name, value in outputs.items():
            CfnOutput(self, f"{name}Output", value=value).override_logical_id(name)

    def _accept(self) -> None:
        """What cdk-nag finds here and we live with."""
        nag.accept(self.key_secret, "SMG4", "A new HMAC key would make every known person a stranger; see the runbook")
        if self.identity.pool:
            nag.accept(self.identity.pool, "COG2", "A second factor is offered; the company decides whom it obliges")
            nag.accept(self.identity.pool, "COG8", "The plus tier costs per person; nobody can sign up by themselves")
        for function in self.functions:
            nag.accept(function, "L1", "The runtime is a choice: the newest one whose wheels are all published")
            nag.accept(function, "IAM5[Resource::*]", "Tracing, and listing streams, know no resource but all")
            if function.dead_letters:
                nag.accept(function.dead_letters, "SQS3", "It is the queue of dead letters of events without a queue")
        for route, reason in {
            "webhooks": "A provider signs what it sends, or carries a secret token; the function checks it first",
            "r": "The link is the right: bound to report, recipient and expiry, revocable, each opening logged",
            "openapi.json": "The description of the API is public",
        }.items():
            for opened in self.api.routes(route):
                nag.accept(opened, "APIG4", reason)

    def _function(
        self,
        name: str,
        handler: str,
        *,
        memory_mb: int,
        timeout: Duration,
        environment: dict[str, str] | None = None,
        layers: Sequence[lambda_.ILayerVersion] = (),
        asynchronous: Asynchronous | None = None,
        network: Network | None = None,
    ) -> Function:
        return Function(
            self,
            name,
            house=self._house,
            handler=handler,
            memory_mb=memory_mb,
            timeout=timeout,
            environment=environment,
            layers=layers,
            asynchronous=asynchronous,
            network=network,
        )

    def _work(self, name: str, *, pause: Duration, tries: int, key: kms.IKey | None) -> WorkQueue:
        return WorkQueue(self, name, pause=pause, tries=tries, tls_only=not self.choices.local, key=key)

    def _schedule(self, id: str, function: Function, expression: str, *, retries: int, max_age: Duration) -> None:
        zone = self.choices.company_zone
        Schedule(self, id, function=function, expression=expression, time_zone=zone, retries=retries, max_age=max_age)

    def _stream(self, function: Function, prefix: str, *, batch: int, tries: int) -> None:
        """Hand new rows whose key begins with `prefix` to the function; a row that keeps failing steps aside."""
        inserted = lambda_.FilterCriteria.filter(
            {
                "eventName": lambda_.FilterRule.is_equal("INSERT"),
                "dynamodb": {"Keys": {"PK": {"S": lambda_.FilterRule.begins_with(prefix)}}},
            }
        )
        if function.dead_letters is None:
            raise ValueError(f"{function.name} reads a stream and needs a queue for dead letters")
        source = sources.DynamoEventSource(
            self.table,
            starting_position=lambda_.StartingPosition.TRIM_HORIZON,
            filters=[inserted],
            batch_size=batch,
            bisect_batch_on_error=True,
            retry_attempts=tries,
            report_batch_item_failures=True,
            on_failure=sources.SqsDlq(function.dead_letters),
        )
        function.function.add_event_source(source)

    def _identity_arn(self, name: str) -> str:
        return self.format_arn(service="ses", resource="identity", resource_name=name)

    def _secret_arns(self, pattern: str) -> str:
        return self.format_arn(
            service="secretsmanager",
            resource="secret",
            resource_name=f"{SECRETS}{pattern}",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
