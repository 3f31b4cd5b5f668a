"""The one table. What its keys and indexes hold is drawn in `leadtrail/adapters/table.py`."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

STREAM = dynamodb.StreamViewType.NEW_IMAGE


class Table(Construct):
    """Leads, trails, clocks, receipts and outbox; on demand, restorable to any second of the last 35 days.

    Attributes:
        table: the DynamoDB table. `Table`, not `TableV2`: the stand-ins of the tests know no global tables.
    """

    def __init__(self, scope: Construct, id: str, *, protected: bool, key: kms.IKey | None) -> None:
        """Create it; `protected` keeps it when the stack is deleted, `key` encrypts it instead of AWS's own key."""
        super().__init__(scope, id)
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=_text("PK"),
            sort_key=_text("SK"),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED if key else dynamodb.TableEncryption.AWS_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            stream=STREAM,
            time_to_live_attribute="expires_at",
            deletion_protection=protected,
            removal_policy=RemovalPolicy.RETAIN if protected else RemovalPolicy.DESTROY,
        )
        self._index("GSI1", dynamodb.ProjectionType.KEYS_ONLY)  # who wakes by now: clocks and channels
        self._index("GSI2", dynamodb.ProjectionType.ALL)  # leads of an owner, and those that wait for one
        self._index("GSI3", dynamodb.ProjectionType.ALL)  # leads of a team
        self._index("GSI4", dynamodb.ProjectionType.ALL)  # leads of a team at risk, and its breaches (sparse)
        self._index("GSI5", dynamodb.ProjectionType.ALL)  # leads of a team in a stage

    def _index(self, name: str, projection: dynamodb.ProjectionType) -> None:
        self.table.add_global_secondary_index(
            index_name=name,
            partition_key=_text(f"{name}PK"),
            sort_key=_text(f"{name}SK"),
            projection_type=projection,
        )


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
