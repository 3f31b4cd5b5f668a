"""Work that waits for a function: a queue, how it is handed over, and what was given up after all tries."""

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import retention
from infra.function import Function, dead_letter_queue


class WorkQueue(Construct):
    """A queue with its dead letters. A message that was not done comes again after `pause`, `tries` times in all.

    Attributes:
        name: its logical name, such as `deliveries`; alarms carry it.
        queue: what waits, kept for as long as SQS allows. A dead letter's age counts from when it was first sent.
        dead_letters: what was given up.
    """

    def __init__(
        self, scope: Construct, name: str, *, pause: Duration, tries: int, tls_only: bool, key: kms.IKey | None
    ) -> None:
        """Create both; `pause` is how long a message is hidden from others once a function was handed it.

        `key` encrypts what waits instead of SQS's own.
        """
        super().__init__(scope, name.title())
        self.name = name
        self._pause = pause
        self.dead_letters = dead_letter_queue(self, "DeadLetters", tls_only=tls_only, key=key)
        self.queue = sqs.Queue(
            self,
            "Queue",
            visibility_timeout=pause,
            retention_period=Duration.days(retention.DEAD_LETTER_DAYS),
            encryption=sqs.QueueEncryption.KMS if key else sqs.QueueEncryption.SQS_MANAGED,
            encryption_master_key=key,
            enforce_ssl=tls_only,
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=tries),
        )

    def filled_by(self, function: Function) -> None:
        """Let the function put work into the queue, and tell it the address as `<NAME>_QUEUE`."""
        function.may("sqs:SendMessage", on=[self.queue.queue_arn])
        function.function.add_environment(f"{self.name.upper()}_QUEUE", self.queue.queue_url)

    def feeds(self, function: Function, *, batch: int, at_once: int) -> None:
        """Hand over up to `batch` messages a run, in up to `at_once` runs at a time; a run names those that failed.

        Raises:
            ValueError: a message would come again while a slow run still works on it.
        """
        if self._pause.to_seconds() < 2 * function.timeout.to_seconds():
            raise ValueError(f"{self.name} must pause for twice the timeout of {function.name}, or longer")
        function.function.add_event_source(
            sources.SqsEventSource(
                self.queue, batch_size=batch, max_concurrency=at_once, report_batch_item_failures=True
            )
        )
