"""The network and the cluster that the stack `lake-only` stands beside."""

import drifts_existing


def prepare(aws):
    """Makes both, and says which they are."""
    given = dict(word.split("=", 1) for word in drifts_existing.prepare(aws) if "=" in word)
    subnets = [given["a"], given["b"]]
    client = aws("kafka")
    made = client.create_cluster_v2(
        ClusterName="company",
        Provisioned={
            "KafkaVersion": "3.9.x",
            "NumberOfBrokerNodes": 4,
            "BrokerNodeGroupInfo": {"InstanceType": "kafka.m7g.large", "ClientSubnets": subnets},
            "ClientAuthentication": {"Sasl": {"Iam": {"Enabled": True}}},
        },
    )
    arn = made["ClusterArn"]
    bootstrap = client.get_bootstrap_brokers(ClusterArn=arn)["BootstrapBrokerStringSaslIam"]
    variables = {"vpc": given["vpc"], "subnet_a": given["a"], "subnet_b": given["b"], "cluster": arn, "bootstrap": bootstrap}
    return [word for name, value in variables.items() for word in ("--var", f"{name}={value}")]
