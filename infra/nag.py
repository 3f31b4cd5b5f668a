"""What cdk-nag finds in this stack and we live with: each acknowledged where it is found, with the reason.

Anything else that it finds stays a finding, and fails `python -m infra.app --nag` and the tests.
"""

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct

PACK = "AwsSolutions"


def accept(construct: IConstruct, rule: str, reason: str) -> None:
    """Live with the finding `rule`, such as `SQS3`, on this construct and what is inside it."""
    Validations.of(construct).acknowledge(Acknowledgment(id=f"{PACK}::{PACK}-{rule}", reason=reason))


def accept_wildcard(construct: IConstruct, resource: str, reason: str) -> None:
    """Live with `resource`, an ARN with an asterisk that may hold tokens, in the policies inside this construct."""
    accept(construct, f"IAM5[Resource::{_as_found(construct, resource)}]", reason)


def _as_found(construct: IConstruct, resource: str) -> str:
    """Spell the ARN like cdk-nag: `<LogicalId.Attribute>` for what is known only after deployment."""
    stack = Stack.of(construct)
    resolved = stack.resolve(resource)
    parts = resolved["Fn::Join"][1] if isinstance(resolved, dict) else [resolved]
    return "".join(part if isinstance(part, str) else _reference(part) for part in parts)


def _reference(intrinsic: dict[str, str | list[str]]) -> str:
    target = intrinsic.get("Ref") or intrinsic["Fn::GetAtt"]
    return f"<{target if isinstance(target, str) else '.'.join(target)}>"
