"""A fixed address to the outside, for functions whose other side trusts known addresses only (context `egress=nat`)."""

from collections.abc import Sequence

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.function import LOGS_KEPT, Network

NAMES = {443: "HTTPS", 465: "Mail over TLS", 587: "Mail with STARTTLS"}


class Egress(Construct):
    """A private network in two zones whose only way out is one NAT gateway; nothing comes in.

    One gateway, not one a zone: each would be one more address to be trusted. What cannot leave while a zone is
    down is tried again.

    Attributes:
        address: the public IPv4 address that others see; it lives as long as the choice does.
        network: where a function has to live to leave by that address.
    """

    def __init__(self, scope: Construct, id: str, *, ports: Sequence[int] = (443,)) -> None:
        """Create it, with a way out to these TCP ports; DynamoDB is reached without the gateway."""
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
        self.network = Network(vpc, self._only(vpc, ports))

    def _only(self, vpc: ec2.Vpc, ports: Sequence[int]) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self, "HttpsOnly", vpc=vpc, allow_all_outbound=False, description="Out by TLS, nothing in"
        )
        for port in ports:
            group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), NAMES[port])
        return group
