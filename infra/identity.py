"""Who people are: a Cognito user pool, or the issuer that the company already has."""

from aws_cdk import Aws, Duration, RemovalPolicy, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_cognito as cognito
from constructs import Construct

ROLES = ("rep", "manager", "director", "admin")


class Identity(Construct):
    """What checks the bearer tokens of people.

    Attributes:
        authorizer: goes to each route that wants a signed-in person.
        pool: the user pool, or None with another issuer (AWS in China has no user pools).
        client: the pool's client, whose id is the audience of its tokens.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        issuer: str | None,
        audience: str | None,
        session: Duration,
        protected: bool,
    ) -> None:
        """Trust `issuer` for `audience`, or create a user pool whose tokens live for `session` (at most 24 hours)."""
        super().__init__(scope, id)
        self.pool: cognito.UserPool | None = None
        self.client: cognito.UserPoolClient | None = None
        if issuer is None or audience is None:
            self.pool = self._user_pool(protected)
            self.client = self._client(self.pool, session)
            # GetAtt ProviderURL would do on AWS; the local stand-in does not know it.
            host = f"cognito-idp.{Stack.of(self).region}.{Aws.URL_SUFFIX}"
            issuer, audience = f"https://{host}/{self.pool.user_pool_id}", self.client.user_pool_client_id
        self.authorizer: apigateway.IHttpRouteAuthorizer = authorizers.HttpJwtAuthorizer(
            "People", issuer, jwt_audience=[audience]
        )

    def _user_pool(self, protected: bool) -> cognito.UserPool:
        pool = cognito.UserPool(
            self,
            "People",
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(username=True, email=True),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            custom_attributes={"rep_id": cognito.StringAttribute(mutable=True, max_len=64)},
            password_policy=cognito.PasswordPolicy(
                min_length=12, require_digits=True, require_lowercase=True, require_uppercase=True, require_symbols=True
            ),
            mfa=cognito.Mfa.OPTIONAL,
            mfa_second_factor=cognito.MfaSecondFactor(sms=False, otp=True),
            deletion_protection=protected,
            removal_policy=RemovalPolicy.RETAIN if protected else RemovalPolicy.DESTROY,
        )
        for precedence, role in enumerate(reversed(ROLES)):
            cognito.CfnUserPoolGroup(
                self, role.title(), user_pool_id=pool.user_pool_id, group_name=role, precedence=precedence
            )
        return pool

    def _client(self, pool: cognito.UserPool, session: Duration) -> cognito.UserPoolClient:
        return pool.add_client(
            "Client",
            auth_flows=cognito.AuthFlow(user_password=True, admin_user_password=True),
            disable_o_auth=True,
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
            id_token_validity=session,
            access_token_validity=session,
            refresh_token_validity=Duration.days(30),
            # A person must not write the attribute that says which rep they are.
            read_attributes=cognito.ClientAttributes()
            .with_standard_attributes(email=True, email_verified=True, preferred_username=True)
            .with_custom_attributes("rep_id"),
            write_attributes=cognito.ClientAttributes().with_standard_attributes(preferred_username=True),
        )
