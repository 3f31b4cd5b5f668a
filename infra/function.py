"""One Lambda function as this house builds them: its own role, log group, bundle, and dead letters when asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import bundle, nag, retention
from infra.choices import Choices

LOGS_KEPT = logs.RetentionDays.THREE_MONTHS
INTERFACES = (
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)
"""What Lambda does in a function's name to join it to a network."""


@dataclass(frozen=True, slots=True)
class House:
    """What all functions of one deployment share: choices, layers, environment and the customer's key, if any."""

    choices: Choices
    layers: Sequence[lambda_.ILayerVersion]
    environment: Mapping[str, str]
    key: kms.IKey | None


@dataclass(frozen=True, slots=True)
class Asynchronous:
    """How often Lambda itself tries an event again that nobody waits for, and how old the event may become."""

    retries: int
    max_age: Duration


@dataclass(frozen=True, slots=True)
class Network:
    """A network of ours in whose private subnets a function lives, and the group that says whom it may reach."""

    vpc: ec2.IVpc
    security_group: ec2.ISecurityGroup


class Function(Construct):
    """A function that may do nothing but log and trace until `may` says so.

    Attributes:
        function: the Lambda function.
        name: its logical name, such as `webhook`.
        timeout: as given, for the alarm that watches it.
        dead_letters: events that nobody waits for and that it could not do; None when there are no such events.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        house: House,
        handler: str,
        memory_mb: int,
        timeout: Duration,
        environment: Mapping[str, str] | None = None,
        layers: Sequence[lambda_.ILayerVersion] = (),
        asynchronous: Asynchronous | None = None,
        network: Network | None = None,
    ) -> None:
        """Create it.

        Args:
            scope: parent construct.
            name: logical name; metrics and logs carry it as their service.
            house: what all functions share.
            handler: dotted path as in this repository, such as `functions.sla.sweep.handler`.
            memory_mb: memory, and CPU with it.
            timeout: at most 15 minutes.
            environment: beyond what all functions get.
            layers: beyond what all functions get.
            asynchronous: given when something hands events over without waiting.
            network: given when it must leave by a fixed address; None leaves by any of Lambda's.
        """
        super().__init__(scope, name.title())
        self.name, self.timeout = name, timeout
        self.dead_letters = self._dead_letters(house, asynchronous)
        log_group = logs.LogGroup(self, "Logs", retention=LOGS_KEPT, removal_policy=RemovalPolicy.DESTROY)
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        self.function = lambda_.Function(
            self,
            "Function",
            runtime=bundle.runtime(house.choices),
            architecture=lambda_.Architecture.X86_64,
            code=bundle.code(handler.split(".")[1]),
            handler=handler,
            role=role,
            layers=[*house.layers, *layers],
            memory_size=memory_mb,
            timeout=timeout,
            environment={**house.environment, "POWERTOOLS_SERVICE_NAME": name, **(environment or {})},
            log_group=log_group,
            tracing=lambda_.Tracing.ACTIVE,
            retry_attempts=asynchronous.retries if asynchronous else None,
            max_event_age=asynchronous.max_age if asynchronous else None,
            on_failure=destinations.SqsDestination(self.dead_letters) if self.dead_letters else None,
            vpc=network.vpc if network else None,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS) if network else None,
            security_groups=[network.security_group] if network else None,
        )
        log_group.grant_write(role)
        if network:  # EC2 knows no narrower resource: the interfaces do not exist yet
            self.function.add_to_role_policy(iam.PolicyStatement(actions=list(INTERFACES), resources=["*"]))
        if house.key:
            self.may("kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", on=[house.key.key_arn])

    def may(self, *actions: str, on: Sequence[str]) -> None:
        """Allow exactly these IAM actions on these ARNs, whose asterisks only stand for names within what is ours."""
        for arn in on:
            if "*" in arn:
                nag.accept_wildcard(self, arn, "Names within one resource or one prefix of ours, not resources")
        self.function.add_to_role_policy(iam.PolicyStatement(actions=list(actions), resources=list(on)))

    def calls(self, other: "Function") -> None:
        """Let this function invoke the other one, and tell it the name as `<OTHER>_FUNCTION`."""
        self.may("lambda:InvokeFunction", on=[other.function.function_arn])
        self.function.add_environment(f"{other.name.upper()}_FUNCTION", other.function.function_name)

    def _dead_letters(self, house: House, asynchronous: Asynchronous | None) -> sqs.Queue | None:
        return dead_letter_queue(self, "DeadLetters", tls_only=not house.choices.local) if asynchronous else None


def dead_letter_queue(scope: Construct, id: str, *, tls_only: bool, key: kms.IKey | None = None) -> sqs.Queue:
    """A queue for what could not be done, kept as long as SQS allows; docs/runbook.md says how to do it again."""
    return sqs.Queue(
        scope,
        id,
        retention_period=Duration.days(retention.DEAD_LETTER_DAYS),
        encryption=sqs.QueueEncryption.KMS if key else sqs.QueueEncryption.SQS_MANAGED,
        encryption_master_key=key,
        enforce_ssl=tls_only,
    )
