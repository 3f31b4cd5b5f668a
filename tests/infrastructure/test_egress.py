"""A fixed address (`egress=nat`): for the functions whose other side asks for it, and no network without it."""

import json

import pytest

from tests.infrastructure.assembly import FUNCTIONS, Assembly, pairs, referred

CALL_WECOM = ("dispatch", "enrich")


def test_without_the_choice_there_is_no_network(deployed: Assembly) -> None:
    kinds = {one["Type"] for one in deployed.template["Resources"].values()}

    assert {kind for kind in kinds if kind.startswith("AWS::EC2::")} == set()
    assert "EgressAddress" not in deployed.template["Outputs"]


def test_cdk_nag_finds_nothing_in_the_network_either(with_address: Assembly) -> None:
    report = json.loads((with_address.folder / "validation-report.json").read_text())

    conclusions = {one["pluginName"]: one["conclusion"] for one in report["pluginReports"]}

    assert with_address.code == 0, with_address.said
    assert conclusions == {"AwsSolutions": "success"}


def test_only_what_calls_wecom_lives_in_the_network_and_in_its_private_part(with_address: Assembly) -> None:
    inside = {name: with_address.function(name).get("VpcConfig") for name in FUNCTIONS}

    living = {name: config for name, config in inside.items() if config}

    assert set(living) == set(CALL_WECOM)
    for name in CALL_WECOM:
        assert ["PrivateSubnet" in referred(one) for one in living[name]["SubnetIds"]] == [True, True]
        assert "ec2:CreateNetworkInterface" in json.dumps(with_address.statements(name))
    assert "ec2:" not in json.dumps([with_address.statements(name) for name in FUNCTIONS if name not in CALL_WECOM])


def test_everything_leaves_by_one_address_which_the_operator_is_told(with_address: Assembly) -> None:
    [address] = with_address.resources("AWS::EC2::EIP")
    [gateway] = with_address.resources("AWS::EC2::NatGateway").values()
    routes = with_address.resources("AWS::EC2::Route").items()

    ways_out = [one for name, one in routes if "PrivateSubnet" in name]

    assert referred(gateway["AllocationId"]) == address
    assert len(ways_out) == 2
    assert all("NatGatewayId" in one for one in ways_out)
    assert with_address.template["Outputs"]["EgressAddress"]["Value"] == {"Fn::GetAtt": [address, "PublicIp"]}


def test_the_way_out_is_https_and_there_is_no_way_in(with_address: Assembly) -> None:
    [group] = with_address.resources("AWS::EC2::SecurityGroup").values()
    ingress = with_address.resources("AWS::EC2::SecurityGroupIngress")

    ways_out = [(one["IpProtocol"], one["FromPort"], one["ToPort"]) for one in group["SecurityGroupEgress"]]

    assert ways_out == [("tcp", 443, 443)]
    assert "SecurityGroupIngress" not in group
    assert ingress == {}


def test_the_table_is_reached_without_the_gateway(with_address: Assembly) -> None:
    [endpoint] = with_address.resources("AWS::EC2::VPCEndpoint").values()

    tables = [referred(one) for one in endpoint["RouteTableIds"]]

    assert json.dumps(endpoint["ServiceName"]).endswith('".dynamodb"]]}')
    assert sum("PrivateSubnet" in table for table in tables) == 2


def test_what_goes_through_the_network_is_logged_for_three_months(with_address: Assembly) -> None:
    [flows] = with_address.resources("AWS::EC2::FlowLog").values()
    groups = with_address.resources("AWS::Logs::LogGroup")

    kept = groups[referred(flows["LogGroupName"])]["RetentionInDays"]

    assert flows["TrafficType"] == "ALL"
    assert kept == 90


@pytest.mark.parametrize("name", CALL_WECOM)
def test_a_function_may_do_with_the_network_just_what_lambda_needs(with_address: Assembly, name: str) -> None:
    statements = with_address.statements(name)

    actions = {action for one in statements for action in pairs(one["Action"]) if action.startswith("ec2:")}

    assert actions == {
        "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
        "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
    }  # fmt: skip
