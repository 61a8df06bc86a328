"""What people change by hand around a serverless cluster: nothing of itself can be changed."""

from drifts import ANY, drift, own, rule


@drift("security_group.kafka", "ingress[1]", None, ANY)
def clients_kept_out(aws):
    group = lambda name: own(aws, "describe_security_groups", "GroupId", f"security_group.{name}", "kafka-serverless")
    aws("ec2").revoke_security_group_ingress(
        GroupId=group("kafka"), IpPermissions=rule(9098, UserIdGroupPairs=[{"GroupId": group("app")}])
    )
