"""The network that the stack `existing` stands in, and what people change in what it adds."""

from drifts import drift, own


def prepare(aws):
    """Makes the network, and says which one it is."""
    ec2 = aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    arguments = ["--var", f"vpc={vpc}"]
    for at, letter in enumerate("ab"):
        zone = {"CidrBlock": f"10.9.{at}.0/24", "AvailabilityZone": f"eu-north-1{letter}"}
        arguments += ["--var", f"{letter}={ec2.create_subnet(VpcId=vpc, **zone)['Subnet']['SubnetId']}"]
    return arguments


@drift("flow_log.main", None, None, None)
def a_flow_log_deleted(aws):
    log = own(aws, "describe_flow_logs", "FlowLogId", "flow_log.main", stack="existing")
    aws("ec2").delete_flow_logs(FlowLogIds=[log])
