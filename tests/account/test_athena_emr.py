"""Athena and EMR Serverless: workgroups, queries, applications, job runs."""

import time

import pytest

HERE = {"LocationConstraint": "eu-north-1"}


@pytest.fixture(scope="module")
def athena(account):
    account.client("s3").create_bucket(Bucket="results-of-tests", CreateBucketConfiguration=HERE)
    return account.client("athena")


@pytest.fixture(scope="module")
def emr(account):
    return account.client("emr-serverless")


def ended(ask, state, over):
    for _ in range(200):
        answer = ask()
        if state(answer) in over:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"it never ended: {answer}")


def test_workgroups(athena, refused):
    configuration = {"ResultConfiguration": {"OutputLocation": "s3://results-of-tests/a/"}}
    athena.create_work_group(
        Name="shop", Configuration=configuration, Description="d", Tags=[{"Key": "stack", "Value": "shop"}]
    )
    with refused("InvalidRequestException"):
        athena.create_work_group(Name="shop")
    group = athena.get_work_group(WorkGroup="shop")["WorkGroup"]
    assert group["State"] == "ENABLED" and group["Configuration"]["EnforceWorkGroupConfiguration"]
    athena.update_work_group(
        WorkGroup="shop",
        ConfigurationUpdates={"ResultConfigurationUpdates": {"OutputLocation": "s3://results-of-tests/b/"}},
    )
    changed = athena.get_work_group(WorkGroup="shop")["WorkGroup"]["Configuration"]["ResultConfiguration"]
    assert changed == {"OutputLocation": "s3://results-of-tests/b/"}
    assert {group["Name"] for group in athena.list_work_groups()["WorkGroups"]} == {"primary", "shop"}
    arn = "arn:aws:athena:eu-north-1:123456789012:workgroup/shop"
    assert athena.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "stack", "Value": "shop"}]


def test_queries_are_saved_in_a_workgroup(athena, refused):
    group = {"WorkGroup": "saving"}
    athena.create_work_group(
        Name="saving", Configuration={"ResultConfiguration": {"OutputLocation": "s3://results-of-tests/a/"}}
    )
    wish = group | {"Name": "top", "Database": "shop", "QueryString": "SELECT 1", "ClientRequestToken": "t" * 32}
    made = athena.create_named_query(**wish)["NamedQueryId"]
    assert athena.create_named_query(**wish)["NamedQueryId"] == made
    with refused("InvalidRequestException"):
        athena.create_named_query(**wish | {"QueryString": "SELECT 2"})
    with refused("InvalidRequestException"):
        athena.create_named_query(**wish | {"ClientRequestToken": "n" * 32, "WorkGroup": "nowhere"})
    with refused("InvalidRequestException"):
        athena.create_named_query(**wish | {"ClientRequestToken": "n" * 32, "Name": "x" * 129})
    # Two of one name are two queries.
    other = athena.create_named_query(**wish | {"ClientRequestToken": "o" * 32, "Description": "mine"})["NamedQueryId"]
    first = athena.list_named_queries(**group, MaxResults=1)
    rest = athena.list_named_queries(**group, MaxResults=1, NextToken=first["NextToken"])
    assert {*first["NamedQueryIds"], *rest["NamedQueryIds"]} == {made, other} and "NextToken" not in rest
    assert athena.list_named_queries(WorkGroup="primary")["NamedQueryIds"] == []
    with refused("InvalidRequestException"):
        athena.list_named_queries(WorkGroup="nowhere")

    athena.update_named_query(NamedQueryId=made, Name="best", Description="d", QueryString="SELECT 3")
    saved = athena.get_named_query(NamedQueryId=made)["NamedQuery"]
    assert saved == {"NamedQueryId": made, "Name": "best", "Description": "d", "Database": "shop", "QueryString": "SELECT 3"} | group
    found = athena.batch_get_named_query(NamedQueryIds=[made, "no-such-query"])
    assert [query["Name"] for query in found["NamedQueries"]] == ["best"]
    assert [query["NamedQueryId"] for query in found["UnprocessedNamedQueryIds"]] == ["no-such-query"]
    with refused("InvalidRequestException"):
        athena.batch_get_named_query(NamedQueryIds=["x"] * 51)

    athena.delete_named_query(NamedQueryId=other)
    for call in (athena.delete_named_query, athena.get_named_query):
        with refused("InvalidRequestException"):
            call(NamedQueryId=other)
    with refused("InvalidRequestException"):
        athena.update_named_query(NamedQueryId=other, Name="a", QueryString="SELECT 1")
    with refused("InvalidRequestException"):
        athena.delete_work_group(**group)
    athena.delete_work_group(**group, RecursiveDeleteOption=True)
    with refused("InvalidRequestException"):
        athena.get_named_query(NamedQueryId=made)


def test_a_query_runs_in_the_background(athena, account, refused):
    token = "t" * 32
    first = athena.start_query_execution(QueryString="SELECT 1 AS one", WorkGroup="shop", ClientRequestToken=token)
    again = athena.start_query_execution(QueryString="SELECT 1 AS one", WorkGroup="shop", ClientRequestToken=token)
    assert first["QueryExecutionId"] == again["QueryExecutionId"]
    with refused("InvalidRequestException"):
        athena.start_query_execution(QueryString="SELECT 2", WorkGroup="shop", ClientRequestToken=token)
    with refused("InvalidRequestException"):
        athena.start_query_execution(QueryString="SELECT 2")
    wish = {"QueryExecutionId": first["QueryExecutionId"]}
    query = ended(
        lambda: athena.get_query_execution(**wish)["QueryExecution"],
        lambda it: it["Status"]["State"],
        ("SUCCEEDED", "FAILED"),
    )
    if query["Status"]["State"] == "FAILED":
        # An account that runs without an engine says so, and has no results.
        assert "without a SQL engine" in query["Status"]["StateChangeReason"]
        with refused("InvalidRequestException"):
            athena.get_query_results(**wish)
    else:
        results = athena.get_query_results(**wish)["ResultSet"]
        assert [row["Data"][0]["VarCharValue"] for row in results["Rows"]] == ["one", "1"]
        key = query["ResultConfiguration"]["OutputLocation"].split("/", 3)[3]
        body = account.client("s3").get_object(Bucket="results-of-tests", Key=key)["Body"].read()
        assert body == b'"one"\n"1"\n'
    with refused("InvalidRequestException"):
        athena.delete_work_group(WorkGroup="shop")
    athena.delete_work_group(WorkGroup="shop", RecursiveDeleteOption=True)


def test_applications_and_job_runs(emr, refused):
    wish = dict(name="shop", releaseLabel="emr-7.5.0", type="spark", clientToken="one", tags={"stack": "shop"})
    made = emr.create_application(**wish)
    assert emr.create_application(**wish)["applicationId"] == made["applicationId"]
    with refused("ConflictException", 409):
        emr.create_application(**{**wish, "name": "other"})
    application = {"applicationId": made["applicationId"]}
    shown = emr.get_application(**application)["application"]
    assert (shown["state"], shown["type"], shown["tags"]) == ("CREATED", "Spark", {"stack": "shop"})
    emr.update_application(**application, architecture="ARM64")
    emr.start_application(**application)
    with refused("ValidationException", 400):
        emr.update_application(**application, architecture="X86_64")
    with refused("ValidationException", 400):
        emr.delete_application(**application)
    run = emr.start_job_run(
        **application,
        clientToken="run",
        executionRoleArn="arn:aws:iam::123456789012:role/job",
        jobDriver={"sparkSubmit": {"entryPoint": "s3://nowhere/else.py", "entryPointArguments": ["--x"]}},
    )
    over = ended(
        lambda: emr.get_job_run(**application, jobRunId=run["jobRunId"])["jobRun"],
        lambda it: it["state"],
        ("SUCCESS", "FAILED"),
    )
    assert over["state"] == "FAILED" and over["stateDetails"]
    assert [found["id"] for found in emr.list_job_runs(**application, states=["FAILED"])["jobRuns"]] == [run["jobRunId"]]
    with refused("ValidationException", 400):
        emr.cancel_job_run(**application, jobRunId=run["jobRunId"])
    emr.stop_application(**application)
    emr.delete_application(**application)
    assert emr.get_application(**application)["application"]["state"] == "TERMINATED"
    with refused("ResourceNotFoundException", 404):
        emr.get_application(applicationId="00aaaaaaaaaaaaaa")
