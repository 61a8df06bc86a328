"""What people change by hand in the network of the stack `private`."""

import functools

from drifts import ANY, drift
from drifts import own as own_of

own = functools.partial(own_of, stack="private")


def endpoint(aws, name):
    return own(aws, "describe_vpc_endpoints", "VpcEndpointId", f"vpc_endpoint.{name}")


@drift("route_table.private-a", "routes[0]", None, ANY)
def no_way_out(aws):
    table = own(aws, "describe_route_tables", "RouteTableId", "route_table.private-a")
    aws("ec2").delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")


@drift("route_table.private-b", "routes[0].target", ANY, ANY)
def another_zones_way_out(aws):
    table = own(aws, "describe_route_tables", "RouteTableId", "route_table.private-b")
    live = [{"Name": "tag:lakewright:address", "Values": ["nat_gateway.a"]}, {"Name": "state", "Values": ["available"]}]
    (gateway,) = aws("ec2").describe_nat_gateways(Filters=live)["NatGateways"]
    aws("ec2").replace_route(
        RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=gateway["NatGatewayId"]
    )


@drift("vpc_endpoint.glue", "private_dns", False, True)
def an_endpoint_without_the_services_name(aws):
    aws("ec2").modify_vpc_endpoint(VpcEndpointId=endpoint(aws, "glue"), PrivateDnsEnabled=False)


@drift("vpc_endpoint.sts", "subnets[0]", None, ANY)
def an_endpoint_that_left_a_zone(aws):
    subnet = own(aws, "describe_subnets", "SubnetId", "subnet.private-a")
    aws("ec2").modify_vpc_endpoint(VpcEndpointId=endpoint(aws, "sts"), RemoveSubnetIds=[subnet])


@drift("security_group.endpoints", "egress[0]", {"protocol": "all", "cidr": "0.0.0.0/0"}, None)
def endpoints_may_ask(aws):
    group = own(aws, "describe_security_groups", "GroupId", "security_group.endpoints")
    world = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    aws("ec2").authorize_security_group_egress(GroupId=group, IpPermissions=world)


@drift("flow_log.refused", None, None, None)
def a_flow_log_deleted(aws):
    aws("ec2").delete_flow_logs(FlowLogIds=[own(aws, "describe_flow_logs", "FlowLogId", "flow_log.refused")])


@drift("nat_gateway.inner", None, None, None)
def a_nat_gateway_deleted(aws):
    gateway = own(aws, "describe_nat_gateways", "NatGatewayId", "nat_gateway.inner")
    aws("ec2").delete_nat_gateway(NatGatewayId=gateway)


@drift("elastic_ip.spare", None, None, None)
def an_address_released(aws):
    address = own(aws, "describe_addresses", "AllocationId", "elastic_ip.spare")
    aws("ec2").release_address(AllocationId=address)
