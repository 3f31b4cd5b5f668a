"""The HTTP API: one door for machines, people and links; each route says who may pass."""

import json
from collections.abc import Sequence

from aws_cdk import RemovalPolicy, Tags
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.function import LOGS_KEPT, Function

PINNED_ID = "ms-custom-id"
"""The tag by which the local stand-in gives the API a fixed id; AWS takes it for a tag like any other."""

# The route, never the path: tokens of links and of providers that sign nothing stand in the path.
ACCESS_LOG = {
    "request_id": "$context.requestId",
    "at": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "route": "$context.routeKey",
    "status": "$context.status",
    "length": "$context.responseLength",
    "latency_ms": "$context.responseLatency",
    "error": "$context.integrationErrorMessage",
}


class Api(Construct):
    """The API with its one stage; functions are joined to it by `route`.

    Attributes:
        api: the HTTP API.
        url: its address without a trailing slash. Functions may carry it in their environment: the API itself knows
            none of them, only its routes do, so no circle closes.
    """

    def __init__(self, scope: Construct, id: str, *, pinned_id: str | None, rate: int, burst: int) -> None:
        """Create it; `rate` requests a second and `burst` at once hold for all callers together."""
        super().__init__(scope, id)
        self.api = apigateway.HttpApi(self, "Api", create_default_stage=False, description="Leadtrail")
        self.url = self.api.api_endpoint
        self._routes: list[apigateway.HttpRoute] = []
        if pinned_id:
            Tags.of(self.api).add(PINNED_ID, pinned_id)
        self._stage = self._made_stage(rate, burst)

    def route(
        self,
        methods: Sequence[apigateway.HttpMethod],
        *paths: str,
        to: Function,
        authorizer: apigateway.IHttpRouteAuthorizer | None = None,
    ) -> None:
        """Send these requests to a function, only with a valid token when an authorizer is given."""
        integration = integrations.HttpLambdaIntegration(to.name, to.function)
        for path in paths:
            self._routes += self.api.add_routes(
                path=path,
                methods=list(methods),
                integration=integration,
                authorizer=authorizer or apigateway.HttpNoneAuthorizer(),
            )

    def routes(self, first: str) -> list[apigateway.HttpRoute]:
        """The routes whose path begins with the segment `first`."""
        return [route for route in self._routes if (route.path or "").split("/")[1] == first]

    def throttle(self, path: str, *, rate: int, burst: int) -> None:
        """Hold each route of one path to a limit of its own, below that of all: `rate` a second, `burst` at once."""
        routes = [_resource(route) for route in self._routes if route.path == path]
        if not routes:
            raise ValueError(f"no route has the path {path}")
        # Said in full, since it stands in the place of what the stage says; CloudFormation takes the names as they are.
        limit = {"ThrottlingRateLimit": rate, "ThrottlingBurstLimit": burst, "DetailedMetricsEnabled": True}
        self._stage.route_settings = {**(self._stage.route_settings or {}), **{r.route_key: limit for r in routes}}
        for route in routes:
            self._stage.node.add_dependency(route)  # or the stage asks for the route before it is there

    def _made_stage(self, rate: int, burst: int) -> apigateway.CfnStage:
        stage = apigateway.HttpStage(
            self,
            "Stage",
            http_api=self.api,
            stage_name="$default",
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(rate_limit=rate, burst_limit=burst),
            detailed_metrics_enabled=True,
        )
        log_group = logs.LogGroup(self, "AccessLogs", retention=LOGS_KEPT, removal_policy=RemovalPolicy.DESTROY)
        settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=log_group.log_group_arn, format=json.dumps(ACCESS_LOG)
        )
        resource = stage.node.default_child
        if not isinstance(resource, apigateway.CfnStage):
            raise TypeError("the stage of the HTTP API is no longer a CfnStage")
        resource.access_log_settings = settings
        return resource


def _resource(route: apigateway.HttpRoute) -> apigateway.CfnRoute:
    resource = route.node.default_child
    if not isinstance(resource, apigateway.CfnRoute):
        raise TypeError("a route of the HTTP API is no longer a CfnRoute")
    return resource
