"""The one secret that the deployment makes itself; those of sources and channels are written by the operator."""

from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secrets
from constructs import Construct


class KeySecret(Construct):
    """The HMAC key of identities and report links: losing it makes every known person a stranger.

    Attributes:
        secret: the secret, 64 letters and digits drawn by Secrets Manager.
        arn: its ARN. The attribute `Id`, not `Ref`, which the local stand-in answers with the name.
    """

    def __init__(self, scope: Construct, id: str, *, key: kms.IKey | None) -> None:
        """Create it; `key` encrypts it instead of AWS's own key."""
        super().__init__(scope, id)
        self.secret = secrets.Secret(
            self,
            "Secret",
            description="HMAC key of identities and report links",
            encryption_key=key,
            generate_secret_string=secrets.SecretStringGenerator(password_length=64, exclude_punctuation=True),
        )
        resource = self.secret.node.default_child
        if not isinstance(resource, secrets.CfnSecret):
            raise TypeError("the secret is no longer a CfnSecret")
        self.arn = resource.attr_id
