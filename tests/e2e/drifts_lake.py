"""What people change by hand around the catalog."""

import json

from account import ACCOUNT
from drifts import ANY, drift, lake


def query(aws, name):
    client = aws("athena")
    ids = client.list_named_queries(WorkGroup="lake")["NamedQueryIds"]
    queries = client.batch_get_named_query(NamedQueryIds=ids)["NamedQueries"]
    (one,) = [query for query in queries if query["Name"] == name]
    return one


@drift("saved_query.points", "sql", "SELECT 1", ANY)
def a_saved_query_rewritten(aws):
    one = query(aws, "points")
    aws("athena").update_named_query(
        NamedQueryId=one["NamedQueryId"], Name="points", Description=one["Description"], QueryString="SELECT 1"
    )


@drift("saved_query.cities", None, None, None)
def a_saved_query_deleted(aws):
    aws("athena").delete_named_query(NamedQueryId=query(aws, "cities")["NamedQueryId"])


@drift("table.users", "columns[loyalty].name", "loyalty_points", "loyalty")
def a_column_renamed(aws):
    with lake(aws, "lake_raw.users").update_schema() as schema:
        schema.rename_column("loyalty", "loyalty_points")


OPTIMIZER = {"CatalogId": ACCOUNT, "DatabaseName": "lake_raw", "TableName": "users"}


@drift("table_optimizer.users-retention", "snapshots_days", 1, 7)
def an_optimizer_that_keeps_less(aws):
    glue = aws("glue")
    known = glue.get_table_optimizer(**OPTIMIZER, Type="retention")["TableOptimizer"]["configuration"]
    known["retentionConfiguration"]["icebergConfiguration"]["snapshotRetentionPeriodInDays"] = 1
    glue.update_table_optimizer(**OPTIMIZER, Type="retention", TableOptimizerConfiguration=known)


@drift("table_optimizer.users-compaction", "enabled", False, True)
def an_optimizer_switched_off(aws):
    glue = aws("glue")
    known = glue.get_table_optimizer(**OPTIMIZER, Type="compaction")["TableOptimizer"]["configuration"]
    glue.update_table_optimizer(**OPTIMIZER, Type="compaction", TableOptimizerConfiguration=known | {"enabled": False})


@drift("table_optimizer.users-orphan_file_deletion", None, None, None)
def an_optimizer_deleted(aws):
    aws("glue").delete_table_optimizer(**OPTIMIZER, Type="orphan_file_deletion")


RAW, LOGS = f"lake-raw-{ACCOUNT}", f"lake-logs-{ACCOUNT}"


@drift("bucket.raw", "access_logs.prefix", "elsewhere/", "raw/")
def access_logs_moved(aws):
    client = aws("s3")
    policy = json.loads(client.get_bucket_policy(Bucket=LOGS)["Policy"])
    everywhere = {**policy["Statement"][-1], "Sid": "Everywhere", "Resource": f"arn:aws:s3:::{LOGS}/*"}
    told = policy | {"Statement": [*policy["Statement"], everywhere]}
    client.put_bucket_policy(Bucket=LOGS, Policy=json.dumps(told))
    enabled = {"TargetBucket": LOGS, "TargetPrefix": "elsewhere/"}
    client.put_bucket_logging(Bucket=RAW, BucketLoggingStatus={"LoggingEnabled": enabled})
    client.put_bucket_policy(Bucket=LOGS, Policy=json.dumps(policy))


@drift("bucket.raw", "access_logs", None, {"bucket": LOGS, "prefix": "raw/"})
def access_logs_switched_off(aws):
    aws("s3").put_bucket_logging(Bucket=RAW, BucketLoggingStatus={})


@drift("bucket.raw", "notifications", None, ANY)
def event_bridge_switched_off(aws):
    aws("s3").put_bucket_notification_configuration(Bucket=RAW, NotificationConfiguration={})


@drift("bucket.logs", "ownership", "ObjectWriter", "BucketOwnerEnforced")
def a_buckets_ownership(aws):
    aws("s3").put_bucket_ownership_controls(Bucket=LOGS, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})


@drift("bucket.raw", "ownership", "ObjectWriter", "BucketOwnerEnforced")
def a_buckets_ownership_forgotten(aws):
    aws("s3").delete_bucket_ownership_controls(Bucket=RAW)


@drift("bucket.raw", "lifecycle[1].keep_versions", None, 5)
def versions_that_nobody_keeps(aws):
    client = aws("s3")
    rules = client.get_bucket_lifecycle_configuration(Bucket=RAW)["Rules"]
    for rule in rules:
        rule.get("NoncurrentVersionExpiration", {}).pop("NewerNoncurrentVersions", None)
    client.put_bucket_lifecycle_configuration(Bucket=RAW, LifecycleConfiguration={"Rules": rules})
