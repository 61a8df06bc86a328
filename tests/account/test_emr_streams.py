"""EMR Serverless: job runs in the mode STREAMING, which have no end."""

import datetime
import itertools
import json
import time

import pytest

TOKENS = itertools.count()
PROGRAM = "s3://streams/stream.jar"
ROLE = "arn:aws:iam::123456789012:role/job"
VERSION = {"Version": "2012-10-17"}


def prepared(account):
    """EMR, beside a program and a role that sees it."""
    s3, iam = account.client("s3"), account.client("iam")
    s3.create_bucket(Bucket="streams", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
    s3.put_object(Bucket="streams", Key="stream.jar", Body=b"a jar")
    trust = {"Effect": "Allow", "Principal": {"Service": "emr-serverless.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="job", AssumeRolePolicyDocument=json.dumps(VERSION | {"Statement": trust}))
    reads = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}
    iam.put_role_policy(RoleName="job", PolicyName="own", PolicyDocument=json.dumps(VERSION | {"Statement": reads}))
    return account.client("emr-serverless")


@pytest.fixture(scope="module")
def emr(account):
    return prepared(account)


def application(emr, release="emr-7.9.0"):
    token = f"application-{next(TOKENS)}"
    made = emr.create_application(name="streams", releaseLabel=release, type="SPARK", clientToken=token)
    return {"applicationId": made["applicationId"]}


def start(emr, this, program=PROGRAM, role=ROLE, **more):
    wish = {"mode": "STREAMING", "clientToken": f"run-{next(TOKENS)}", "name": "stream"} | more
    driver = {"sparkSubmit": {"entryPoint": program}}
    run = emr.start_job_run(**this, executionRoleArn=role, jobDriver=driver, executionTimeoutMinutes=0, **wish)
    return {**this, "jobRunId": run["jobRunId"]}


def comes_to(emr, run, *states):
    for _ in range(200):
        shown = emr.get_job_run(**run)["jobRun"]
        if shown["state"] in states:
            return shown
        time.sleep(0.05)
    raise AssertionError(f"it never ended: {shown}")


def test_a_run_goes_on_until_it_is_cancelled(emr, refused):
    this = application(emr)
    retries = {"maxFailedAttemptsPerHour": 10}
    wish = {"retryPolicy": retries, "tags": {"stack": "shop"}, "clientToken": "once"}
    run = start(emr, this, **wish)
    assert start(emr, this, **wish) == run
    shown = comes_to(emr, run, "RUNNING")
    assert (shown["mode"], shown["executionTimeoutMinutes"], shown["retryPolicy"]) == ("STREAMING", 0, retries)
    assert shown["tags"] == {"stack": "shop"} and shown["startedAt"]
    with refused("ValidationException", 400):
        emr.stop_application(**this)
    with refused("ValidationException", 400):
        emr.cancel_job_run(**run, shutdownGracePeriodInSeconds=10)
    emr.cancel_job_run(**run, shutdownGracePeriodInSeconds=0)
    assert comes_to(emr, run, "CANCELLED")["endedAt"]
    with refused("ValidationException", 400):
        emr.cancel_job_run(**run)
    # The token is that of a run which is over.
    assert start(emr, this, **wish) == run
    emr.stop_application(**this)
    emr.delete_application(**this)


def test_runs_are_listed_by_mode_and_time(emr):
    this = application(emr)
    stream = start(emr, this)
    batch = start(emr, this, mode="BATCH")
    comes_to(emr, batch, "FAILED")

    def ids(**filters):
        return {run["id"] for run in emr.list_job_runs(**this, **filters)["jobRuns"]}

    assert ids() == {stream["jobRunId"], batch["jobRunId"]}
    assert ids(mode="STREAMING") == {stream["jobRunId"]} and ids(mode="BATCH") == {batch["jobRunId"]}
    assert ids(mode="STREAMING", states=["FAILED", "CANCELLED"]) == set()
    now, hour = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(hours=1)
    assert len(ids(createdAtAfter=now - hour, createdAtBefore=now + hour)) == 2
    assert ids(createdAtAfter=now + hour) == ids(createdAtBefore=now - hour) == set()
    emr.cancel_job_run(**stream)


@pytest.mark.parametrize("program", ["s3://streams/none.jar", "s3://nowhere/stream.jar"])
def test_a_program_that_is_not_there_fails(emr, program):
    run = start(emr, application(emr), program)
    failed = comes_to(emr, run, "FAILED", "RUNNING")
    assert failed["state"] == "FAILED" and program in failed["stateDetails"] and failed["startedAt"]


def test_a_role_that_emr_cannot_take_on_fails_before_the_job_begins(emr):
    run = start(emr, application(emr), role=f"{ROLE}-of-nobody")
    failed = comes_to(emr, run, "FAILED", "RUNNING")
    assert failed["state"] == "FAILED" and "startedAt" not in failed


def test_what_no_stream_is_given_is_refused(emr, refused):
    this = application(emr)
    for wish in (
        {"mode": "ENDLESS"},
        {"retryPolicy": {"maxAttempts": 2}},
        {"retryPolicy": {"maxFailedAttemptsPerHour": 11}},
    ):
        with refused("ValidationException", 400):
            start(emr, this, **wish)
    with refused("ValidationException", 400):
        start(emr, application(emr, "emr-7.0.0"))
    assert emr.list_job_runs(**this)["jobRuns"] == []


def test_a_run_outlives_a_restart_and_takes_its_time_to_end(account, tmp_path):
    account = type(account)(tmp_path)
    try:
        emr = prepared(account)
        this = application(emr)
        on = start(emr, this)
        comes_to(emr, on, "RUNNING")
        account.kill()
        account.start("--delays", "0.05")
        emr = account.client("emr-serverless")
        assert emr.get_job_run(**on)["jobRun"]["state"] == "RUNNING"
        emr.cancel_job_run(**on)
        assert emr.get_job_run(**on)["jobRun"]["state"] == "CANCELLING"
        emr.cancel_job_run(**on)
        assert comes_to(emr, on, "CANCELLED")["totalExecutionDurationSeconds"] >= 0
        # One that EMR has yet to start is cancelled, too.
        late = start(emr, this)
        emr.cancel_job_run(**late)
        comes_to(emr, late, "CANCELLED")
    finally:
        account.stop()
