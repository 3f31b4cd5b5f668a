"""The buckets: uploads (audio and transcripts), reports, archive (raw deliveries), and the log of who read them."""

from collections.abc import Sequence

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import retention


class Buckets(Construct):
    """Private, versioned buckets that forget by themselves what nobody may keep (`infra/retention.py`).

    Attributes:
        uploads: `uploads/<lead>/<recording>` from browsers, `transcripts/...` from the recogniser.
        reports: the snapshots and pages of reports.
        archive: raw deliveries too large for the table.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        protected: bool,
        tls_only: bool,
        key: kms.IKey | None,
        browser_origins: Sequence[str],
    ) -> None:
        """Create them.

        Args:
            scope: parent construct.
            id: name within the parent.
            protected: keep the buckets when the stack is deleted.
            tls_only: refuse plain HTTP; the local stand-in speaks nothing else.
            key: encrypts the contents instead of the keys that AWS manages.
            browser_origins: origins from which a browser may upload; the upload's own policy says who may.
        """
        super().__init__(scope, id)
        self._protected, self._tls_only, self._key = protected, tls_only, key
        self._access = self._bucket("Access", s3.BucketEncryption.S3_MANAGED, [_expire(retention.ACCESS_LOG_DAYS)])
        self.uploads = self._bucket(
            "Uploads",
            s3.BucketEncryption.S3_MANAGED,
            [_expire(retention.AUDIO_DAYS, prefix="uploads/")],
            cors=[_browser_uploads(browser_origins)],
        )
        self.reports = self._bucket("Reports", s3.BucketEncryption.S3_MANAGED, [_expire(retention.REPORT_DAYS)])
        self.archive = self._bucket("Archive", s3.BucketEncryption.KMS_MANAGED, [_expire(retention.RAW_DELIVERY_DAYS)])

    def announce_uploads(self, queue: sqs.Queue, *, prefix: str) -> None:
        """Send a message to `queue` for each object that arrives under `prefix` of the uploads bucket.

        Written on the bucket itself: the CDK's own way adds a function that may change the notifications of any bucket.
        """
        permission = queue.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("s3.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[queue.queue_arn],
                # Naming the bucket would close a circle: S3 checks the queue's policy before the bucket exists.
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            )
        )
        bucket = self.uploads.node.default_child
        if not isinstance(bucket, s3.CfnBucket) or permission.policy_dependable is None:
            raise TypeError("the uploads bucket and the policy of its queue must belong to this stack")
        bucket.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            queue_configurations=[
                s3.CfnBucket.QueueConfigurationProperty(
                    event="s3:ObjectCreated:*",
                    queue=queue.queue_arn,
                    filter=s3.CfnBucket.NotificationFilterProperty(
                        s3_key=s3.CfnBucket.S3KeyFilterProperty(
                            rules=[s3.CfnBucket.FilterRuleProperty(name="prefix", value=prefix)]
                        )
                    ),
                )
            ]
        )
        bucket.node.add_dependency(permission.policy_dependable)

    def _bucket(
        self,
        name: str,
        encryption: s3.BucketEncryption,
        lifecycle: list[s3.LifecycleRule],
        cors: list[s3.CorsRule] | None = None,
    ) -> s3.Bucket:
        is_log = name == "Access"
        # Logs of S3 itself can only be delivered into a bucket with keys that S3 manages.
        key = None if is_log else self._key
        return s3.Bucket(
            self,
            name,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            encryption=s3.BucketEncryption.KMS if key else encryption,
            encryption_key=key,
            bucket_key_enabled=True if key else None,
            enforce_ssl=self._tls_only,
            versioned=True,
            lifecycle_rules=[*lifecycle, _forget_old_versions()],
            cors=cors,
            server_access_logs_bucket=None if is_log else self._access,
            server_access_logs_prefix=None if is_log else f"{name.lower()}/",
            removal_policy=RemovalPolicy.RETAIN if self._protected else RemovalPolicy.DESTROY,
        )


def _expire(days: int, prefix: str | None = None) -> s3.LifecycleRule:
    return s3.LifecycleRule(id=f"expire-after-{days}-days", prefix=prefix, expiration=Duration.days(days))


def _forget_old_versions() -> s3.LifecycleRule:
    return s3.LifecycleRule(
        id="forget-old-versions",
        noncurrent_version_expiration=Duration.days(retention.OLD_VERSION_DAYS),
        abort_incomplete_multipart_upload_after=Duration.days(retention.ABANDONED_UPLOAD_DAYS),
    )


def _browser_uploads(origins: Sequence[str]) -> s3.CorsRule:
    return s3.CorsRule(
        allowed_methods=[s3.HttpMethods.POST, s3.HttpMethods.PUT],
        allowed_origins=list(origins),
        allowed_headers=["*"],
        exposed_headers=["ETag"],  # the workbench checks each part of a large upload by it
        max_age=3600,
    )
