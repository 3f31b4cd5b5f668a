"""Something that calls a function by the clock: EventBridge Scheduler with a role that may call just that function."""

import json

from aws_cdk import Aws, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from infra.function import Function


class Schedule(Construct):
    """Calls `function` with an empty event; an attempt that could not be handed over ends in its dead letters."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        function: Function,
        expression: str,
        time_zone: str,
        retries: int,
        max_age: Duration,
    ) -> None:
        """Create it.

        Args:
            scope: parent construct.
            id: name within the parent.
            function: what is called; it has dead letters.
            expression: `rate(...)` or `cron(...)`.
            time_zone: IANA zone in which `cron` is meant.
            retries: how often the hand-over is tried again.
            max_age: after which it is given up; at least 60 seconds.
        """
        super().__init__(scope, id)
        queue = function.dead_letters
        if queue is None:
            raise ValueError(f"{function.name} is called by a schedule and needs a queue for dead letters")
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
        )
        lambda_arn = function.function.function_arn
        role.add_to_policy(iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[lambda_arn]))
        role.add_to_policy(iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[queue.queue_arn]))
        schedule = scheduler.CfnSchedule(
            self,
            "Schedule",
            schedule_expression=expression,
            schedule_expression_timezone=time_zone,
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=lambda_arn,
                role_arn=role.role_arn,
                input=json.dumps({}),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_retry_attempts=retries, maximum_event_age_in_seconds=max_age.to_seconds()
                ),
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=queue.queue_arn),
            ),
        )
        schedule.node.add_dependency(role)
