"""A fixed address to the outside, for functions whose other side trusts known addresses only (context `egress=nat`)."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.function import LOGS_KEPT, Network


class Egress(Construct):
    """A private network in two zones whose only way out is one NAT gateway; nothing comes in.

    One gateway, not one a zone: each would be one more address to be trusted, and what needs this can wait for hours.

    Attributes:
        address: the public IPv4 address that others see; it lives as long as the choice does.
        network: where a function has to live to leave by that address.
    """

    def __init__(self, scope: Construct, id: str) -> None:
        """Create it; DynamoDB is reached without the gateway."""
        super().__init__(scope, id)
        fixed = ec2.CfnEIP(self, "Address", domain="vpc")
        vpc = ec2.Vpc(
            self,
            "Vpc",
            max_azs=2,
            nat_gateways=1,
            nat_gateway_provider=ec2.NatProvider.gateway(eip_allocation_ids=[fixed.attr_allocation_id]),
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24, map_public_ip_on_launch=False
                ),
                ec2.SubnetConfiguration(name="Private", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=24),
            ],
        )
        vpc.add_gateway_endpoint("DynamoDb", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB)
        flows = logs.LogGroup(self, "Flows", retention=LOGS_KEPT, removal_policy=RemovalPolicy.DESTROY)
        vpc.add_flow_log("FlowLog", destination=ec2.FlowLogDestination.to_cloud_watch_logs(flows))
        self.address: str = fixed.attr_public_ip
        self.network = Network(vpc, self._https_only(vpc))

    def _https_only(self, vpc: ec2.Vpc) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self, "HttpsOnly", vpc=vpc, allow_all_outbound=False, description="Out by HTTPS, nothing in"
        )
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "HTTPS")
        return group
