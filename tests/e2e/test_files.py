"""Data files as other engines prune them: what a file's statistics say of rows in more than one row group."""

import json
import time

import pytest
from pyiceberg.expressions import EqualTo, GreaterThan, GreaterThanOrEqual, LessThan

from account import ACCOUNT, Account
from test_up import catalog

# 600,000 rows are two row groups; the longest label is in the second, and Parquet cuts it in its statistics.
LABELS = """
SELECT n, CASE WHEN n = 590000 THEN concat('zzz', repeat('z', 80)) ELSE concat('k', cast(n AS varchar)) END AS label
FROM (SELECT unnest(generate_series(1, 600000)) AS n) AS numbers
"""
LONG = "zzz" + "z" * 80


@pytest.fixture
def account(tmp_path):
    account = Account(tmp_path)
    yield account
    account.stop()


def run_model(client, sql):
    """Makes the table `lake.labels` from a query, as a job run of the models' runner does; `client` by a service's name."""
    s3, emr = client("s3"), client("emr-serverless")
    s3.create_bucket(Bucket="lake-files", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
    client("glue").create_database(DatabaseInput={"Name": "lake"})
    models = [{"name": "labels", "materialization": "replace", "sql": sql}]
    manifest = {"database": "lake", "location": "s3://lake-files/tables", "models": models}
    s3.put_object(Bucket="lake-files", Key="manifest.json", Body=json.dumps(manifest).encode())
    s3.put_object(Bucket="lake-files", Key="jobs/run_models.py", Body=b"# runs on EMR")
    trust = {"Effect": "Allow", "Principal": {"Service": "emr-serverless.amazonaws.com"}, "Action": "sts:AssumeRole"}
    anything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = lambda statement: json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client("iam").create_role(RoleName="models", AssumeRolePolicyDocument=document(trust))
    client("iam").put_role_policy(RoleName="models", PolicyName="all", PolicyDocument=document(anything))
    application = emr.create_application(name="models", releaseLabel="emr-7.5.0", type="SPARK")["applicationId"]
    arguments = ["--manifest", "s3://lake-files/manifest.json"]
    run = emr.start_job_run(
        applicationId=application, clientToken="one", executionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/models",
        jobDriver={"sparkSubmit": {"entryPoint": "s3://lake-files/jobs/run_models.py", "entryPointArguments": arguments}},
    )
    end = time.monotonic() + 120
    while (found := emr.get_job_run(applicationId=application, jobRunId=run["jobRunId"])["jobRun"])["state"] != "SUCCESS":
        assert found["state"] != "FAILED" and time.monotonic() < end, found
        time.sleep(0.1)


def asked(client, sql):
    """The rows of a query by Athena, which is DataFusion here, without their header."""
    athena = client("athena")
    wish = {"QueryString": sql, "ResultConfiguration": {"OutputLocation": "s3://lake-files/results/"}}
    query = {"QueryExecutionId": athena.start_query_execution(**wish)["QueryExecutionId"]}
    end = time.monotonic() + 60
    while (found := athena.get_query_execution(**query)["QueryExecution"]["Status"])["State"] != "SUCCEEDED":
        assert found["State"] != "FAILED" and time.monotonic() < end, found
        time.sleep(0.05)
    rows = athena.get_query_results(**query)["ResultSet"]["Rows"][1:]
    return [[cell["VarCharValue"] for cell in row["Data"]] for row in rows]


def test_a_row_is_found_whose_value_one_row_groups_statistics_cut(account):
    run_model(account.client, LABELS)
    table = catalog(account.url).load_table("lake.labels")
    (file,) = [task.file for task in table.scan().plan_files()]
    assert len(file.split_offsets) == 2 and file.record_count == 600_000
    label = table.schema().find_field("label").field_id
    lower, upper = file.lower_bounds[label].decode(), file.upper_bounds[label].decode()
    assert lower <= "k1" and upper >= LONG and len(upper) == 16, (lower, upper)
    for wish in [EqualTo("label", LONG), GreaterThan("label", "m"), EqualTo("n", 590_000)]:
        assert table.scan(row_filter=wish).to_arrow()["label"].to_pylist() == [LONG], wish
    for wish in [f"label = '{LONG}'", "label > 'm'", "n = 590000"]:
        assert asked(account.client, f"SELECT n FROM lake.labels WHERE {wish}") == [["590000"]], wish
    # They are bounds, too: what lies beyond them is in no file.
    for wish in [GreaterThan("label", "{"), LessThan("label", "k"), GreaterThanOrEqual("n", 600_001)]:
        assert list(table.scan(row_filter=wish).plan_files()) == [], wish
