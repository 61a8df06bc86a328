"""What people change by hand on a serverless cluster: nothing of it can be changed, so that it can only be deleted."""

from drifts import drift


@drift("serverless_cluster.main", None, None, None)
def a_cluster_deleted(aws):
    kafka = aws("kafka")
    (one,) = kafka.list_clusters_v2(ClusterTypeFilter="SERVERLESS")["ClusterInfoList"]
    kafka.delete_cluster(ClusterArn=one["ClusterArn"])
