"""What people change by hand on a provisioned cluster that logs in by IAM."""

from drifts import ANY, drift

DIMENSION = {"ServiceNamespace": "kafka", "ScalableDimension": "kafka:broker-storage:VolumeSize"}


def cluster(aws):
    (one,) = aws("kafka").list_clusters_v2()["ClusterInfoList"]
    return one


def target(aws):
    return DIMENSION | {"ResourceId": cluster(aws)["ClusterArn"]}


@drift("storage_scaling.main", "max_gib", 16000, 500)
def storage_may_grow_further(aws):
    aws("application-autoscaling").register_scalable_target(**target(aws), MaxCapacity=16000)


@drift("storage_scaling.main", "min_gib", 100, 1)
def storage_has_a_floor(aws):
    aws("application-autoscaling").register_scalable_target(**target(aws), MinCapacity=100)


@drift("storage_scaling.main", "target", 0, 70)
def nothing_makes_storage_grow(aws):
    aws("application-autoscaling").delete_scaling_policy(**target(aws), PolicyName="kafka-iam-broker-storage")


@drift("storage_scaling.main", None, None, None)
def storage_is_no_target(aws):
    aws("application-autoscaling").deregister_scalable_target(**target(aws))


@drift("cluster.main", "logs.bucket", None, ANY)
def logs_in_the_log_group_only(aws):
    one = cluster(aws)
    group = {"Enabled": True, "LogGroup": "/lakewright/kafka-iam/kafka"}
    logs = {"CloudWatchLogs": group, "S3": {"Enabled": False}, "Firehose": {"Enabled": False}}
    aws("kafka").update_monitoring(
        ClusterArn=one["ClusterArn"], CurrentVersion=one["CurrentVersion"], LoggingInfo={"BrokerLogs": logs}
    )


@drift("cluster.main", "jmx_exporter", False, True)
def an_exporter_switched_off(aws):
    one = cluster(aws)
    exporters = {"JmxExporter": {"EnabledInBroker": False}, "NodeExporter": {"EnabledInBroker": True}}
    aws("kafka").update_monitoring(
        ClusterArn=one["ClusterArn"], CurrentVersion=one["CurrentVersion"], OpenMonitoring={"Prometheus": exporters}
    )


@drift("cluster.main", "authentication.scram", False, True)
def a_way_to_log_in_closed(aws):
    one = cluster(aws)
    ways = {"Sasl": {"Iam": {"Enabled": True}, "Scram": {"Enabled": False}}}
    aws("kafka").update_security(
        ClusterArn=one["ClusterArn"], CurrentVersion=one["CurrentVersion"], ClientAuthentication=ways
    )
