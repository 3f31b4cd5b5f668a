"""Alarms by mail, not through a robot that may itself be down. Each has an entry of its kind in docs/runbook.md.

No metric math: the local stand-in refuses a template with it, and one alarm for each metric names the culprit at once.
"""

from collections.abc import Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.function import Function
from infra.queue import WorkQueue

NAMESPACE = "Leads"
RUNBOOK = "docs/runbook.md"
MISSING_IS_BAD = cloudwatch.TreatMissingData.BREACHING
MISSING_IS_FINE = cloudwatch.TreatMissingData.NOT_BREACHING
ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
REFUSALS = ("untrusted-address", "no-secret", "bad-secret", "bad-corp-id", "not-permitted", "unknown-source")
"""Why a provider tells us nothing about its contacts until an operator changes something."""


class Alarms(Construct):
    """What wakes an operator. An alarm is named `<stack>-<kind>` or `<stack>-<kind>-<subject>`.

    Attributes:
        topic: where every alarm goes; other subscribers than the mail address may be added by hand.
    """

    def __init__(self, scope: Construct, id: str, *, email: str | None, tls_only: bool) -> None:
        """Create the topic, and subscribe `email`, whose owner has to confirm once."""
        super().__init__(scope, id)
        self.topic = sns.Topic(self, "Topic", display_name="Leadtrail alarms", enforce_ssl=tls_only)
        if email:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))

    def function(self, function: Function, *, duration_share: float) -> None:
        """Any error or throttle of a function, and a run that took more than this share of its timeout."""
        minutes = Duration.minutes(5)
        errors = function.function.metric_errors(period=minutes, statistic="Sum")
        throttles = function.function.metric_throttles(period=minutes, statistic="Sum")
        duration = function.function.metric_duration(period=minutes, statistic="Maximum")
        self._alarm("errors", errors, above=0, subject=function.name)
        self._alarm("throttles", throttles, above=0, subject=function.name)
        limit_ms = duration_share * function.timeout.to_milliseconds()
        self._alarm("slow", duration, above=limit_ms, subject=function.name)

    def dead_letters(self, name: str, queue: sqs.Queue) -> None:
        """Anything at all among the dead letters of `name`."""
        visible = queue.metric_approximate_number_of_messages_visible(period=Duration.minutes(1), statistic="Maximum")
        self._alarm("dead-letters", visible, above=0, subject=name)

    def deliveries(self, queue: sqs.Queue, *, age: Duration) -> None:
        """Raw deliveries wait for longer than `age`: nobody takes them up, or the table takes none of them.

        Two alarms, because SQS leaves what was handed over three times in vain out of the age of its oldest message.
        """
        oldest = queue.metric_approximate_age_of_oldest_message(period=Duration.minutes(1), statistic="Maximum")
        self._alarm("deliveries-age", oldest, above=age.to_seconds())
        handed_over = queue.metric_approximate_number_of_messages_not_visible(
            period=Duration.minutes(1), statistic="Minimum"
        )
        self._alarm("deliveries-waiting", handed_over, above=0, periods=round(age.to_minutes()))

    def enrichment(self) -> None:
        """WeCom or HubSpot refuses to say who a contact is, until an operator changes something."""
        for reason in REFUSALS:
            refused = _ours("EnrichmentRefused", Duration.minutes(5), "Sum", reason=reason)
            self._alarm("enrichment-refused", refused, above=0, subject=reason)

    def sweep(self, *, silent_minutes: int, lag: Duration, outbox_age: Duration) -> None:
        """No sweep came to its end, a due clock or a message waits too long, or leads that failed were set aside."""
        minute = Duration.minutes(1)
        finished = _ours("SweepFinished", minute, "Sum")
        self._alarm("sweep-silent", finished, below=1, periods=silent_minutes, missing=MISSING_IS_BAD)
        late = _ours("SweepLagSeconds", minute, "Maximum")
        self._alarm("sweep-lag", late, above=lag.to_seconds(), periods=silent_minutes, missing=MISSING_IS_BAD)
        waiting = _ours("OutboxOldestAgeSeconds", minute, "Maximum")
        self._alarm("outbox-age", waiting, above=outbox_age.to_seconds(), periods=3)
        aside = _ours("LeadsSetAside", minute, "Maximum")  # how many there are, so that it rings until all are released
        self._alarm("set-aside", aside, above=0)

    def daily(self, daily: Function) -> None:
        """Nothing began a daily report within a day, workday or not: the function decides which it is."""
        begun = daily.function.metric_invocations(period=Duration.days(1), statistic="Sum")
        self._alarm("daily-silent", begun, below=1, missing=MISSING_IS_BAD)

    def robots(self) -> None:
        """A robot refused a message for good, there is none for it, or it twice gave no answer: look who knows."""
        for bot in ("wecom", "dingtalk", "feishu", "wecom-app", "mail", "none"):
            refused = _ours("AlertUndeliverable", Duration.minutes(5), "Sum", bot=bot)
            self._alarm("robot-refused", refused, above=0, subject=bot)
        for bot in ("wecom", "dingtalk", "feishu", "wecom-app", "mail"):
            unsure = _ours("AlertsAmbiguous", Duration.minutes(5), "Sum", bot=bot)
            self._alarm("robot-unconfirmed", unsure, above=0, subject=bot)

    def webhook(self, webhook: Function, *, forged: int, ack: Duration) -> None:
        """Many forged deliveries within five minutes, or answers later than providers wait for."""
        minutes = Duration.minutes(5)
        rejected = _ours("WebhookRejected", minutes, "Sum", reason="unauthenticated")
        self._alarm("webhook-rejected", rejected, above=forged)
        duration = webhook.function.metric_duration(period=minutes, statistic="p99")
        self._alarm("webhook-ack", duration, above=ack.to_milliseconds(), periods=3)

    def api(self, api: apigateway.HttpApi, *, failed_share: float) -> None:
        """More than this share of all answers is a 5xx: each answer counts 0 or 1, so their average is the share."""
        failed = api.metric_server_error(period=Duration.minutes(5), statistic="Average")
        self._alarm("api-5xx", failed, above=failed_share, periods=2)

    def table(self, table: dynamodb.Table) -> None:
        """DynamoDB turned requests away, or failed by itself."""
        minutes = Duration.minutes(5)
        for side in ("Read", "Write"):
            throttled = table.metric(f"{side}ThrottleEvents", period=minutes, statistic="Sum")
            self._alarm("table-throttles", throttled, above=0, subject=side.lower())
        for operation in ("GetItem", "BatchGetItem", "Query", "TransactWriteItems"):
            failed = table.metric(
                "SystemErrors", period=minutes, statistic="Sum", dimensions_map={"Operation": operation}
            )
            self._alarm("table-errors", failed, above=0, subject=operation)

    def _alarm(
        self,
        kind: str,
        metric: cloudwatch.IMetric,
        *,
        above: float | None = None,
        below: float | None = None,
        subject: str | None = None,
        periods: int = 1,
        missing: cloudwatch.TreatMissingData = MISSING_IS_FINE,
    ) -> None:
        name = f"{kind}-{subject}" if subject else kind
        alarm = cloudwatch.Alarm(
            self,
            name,
            alarm_name=f"{Stack.of(self).stack_name}-{name}",
            alarm_description=f"{RUNBOOK}#{kind}",
            metric=metric,
            evaluation_periods=periods,
            threshold=above if above is not None else below or 0,
            comparison_operator=ABOVE if above is not None else BELOW,
            treat_missing_data=missing,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        alarm.add_ok_action(actions.SnsAction(self.topic))


def dead_letter_queues(functions: Sequence[Function], queues: Sequence[WorkQueue]) -> list[tuple[str, sqs.Queue]]:
    """All that has dead letters, by name, each with the queue that keeps them."""
    own = [(function.name, function.dead_letters) for function in functions if function.dead_letters]
    return own + [(queue.name, queue.dead_letters) for queue in queues]


def _ours(name: str, period: Duration, statistic: str, **dimensions: str) -> cloudwatch.Metric:
    """A metric that our functions write into their log (`leadtrail/runtime/telemetry.py`)."""
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map=dimensions or None,
        period=period,
        statistic=statistic,
    )
