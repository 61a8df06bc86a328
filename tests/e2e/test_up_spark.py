"""A stack whose tables a job of Spark fills: what an apply makes of it, and what this machine does in the job's place."""

import json
import os
import shlex
import signal
import subprocess

import pytest

from account import client
from conftest import ENVIRONMENT, PATIENCE
from spark_lake import CACHE, KEYS, SPARK
from test_up import catalog


@pytest.fixture
def up(minimal_up):
    """The smallest stack, with the stream's work on Spark."""
    return minimal_up(
        ("[network]\n", '[network]\nsubnets = "private"\n'),
        ('agents = ["producer", "stream"]', 'agents = ["producer"]'),
        ("[buckets.raw]\n", '[agents.stream]\nengine = "spark"\n\n[buckets.raw]\n'),
    )


def test_a_run_is_kept_going_and_the_agent_does_its_work_here(up):
    up.start("--for", "20s")
    up.wait("rows", lambda: up.scalar("SELECT count(*) AS n FROM minimal_raw.sales") > 0)
    assert "On AWS a job of Spark fills the tables" in up.log()
    record = up.record()
    emr = client(record["account"], "emr-serverless")
    (application,) = emr.list_applications()["applications"]
    assert application["name"] == "minimal-stream-spark"

    def runs():
        found = emr.list_job_runs(applicationId=application["id"])["jobRuns"]
        return [emr.get_job_run(applicationId=application["id"], jobRunId=one["id"])["jobRun"] for one in found]

    up.wait("the run", lambda: [run["state"] for run in runs()] == ["RUNNING"])
    (run,) = runs()
    submit = run["jobDriver"]["sparkSubmit"]
    assert run["mode"] == "STREAMING" and run["executionRole"].endswith(":role/lakewright/minimal/minimal-stream-spark")
    assert submit["entryPoint"].endswith("/lakewright-stream.jar") and submit["entryPointArguments"][0] == "--config"
    bucket, key = submit["entryPointArguments"][1].removeprefix("s3://").split("/", 1)
    config = json.loads(client(record["account"], "s3").get_object(Bucket=bucket, Key=key)["Body"].read())
    assert [table["name"] for table in config["tables"]] == ["sales"] and "watch" not in config

    # The agent works as the run's role, and nobody else's.
    denied = [line for line in (up.data / "logs").glob("*stream*") if "AccessDenied" in line.read_text(errors="replace")]
    assert denied == [], denied
    plan = lambda: json.loads(up.run("plan", "--local", "--format", "json").stdout)
    assert [step["address"] for step in plan()["steps"]] == []

    # One that somebody cancelled is started again.
    emr.cancel_job_run(applicationId=application["id"], jobRunId=run["jobRunId"])
    up.wait("the run's end", lambda: runs()[0]["state"] == "CANCELLED")
    assert [step["address"] for step in plan()["steps"]] == ["job_run.stream"]
    up.run("apply", "--local", "--yes", check=0)
    assert sorted(run["state"] for run in runs()) in (["CANCELLED", state] for state in ("PENDING", "RUNNING", "SCHEDULED", "SUBMITTED"))
    assert [step["address"] for step in plan()["steps"]] == []

    assert up.process.wait(timeout=PATIENCE) == 0, up.log()
    assert "exact" in up.log() and "missing" not in up.log(), up.log()


@pytest.mark.skipif(os.environ.get("LAKEWRIGHT_LONG") != "1", reason="starts a real Spark")
def test_a_real_spark_goes_on_for_the_agent_as_the_run_says(up):
    subprocess.run([SPARK, "stream", CACHE / "stream-job"], check=True)
    up.start("--for", "150s")
    up.wait("rows", lambda: up.scalar("SELECT count(*) AS n FROM minimal_raw.sales") > 0)
    record = up.record()
    emr = client(record["account"], "emr-serverless")
    (application,) = emr.list_applications()["applications"]
    (run,) = emr.list_job_runs(applicationId=application["id"])["jobRuns"]
    submit = emr.get_job_run(applicationId=application["id"], jobRunId=run["id"])["jobRun"]["jobDriver"]["sparkSubmit"]
    agent = next(child["pid"] for child in record["children"] if child["name"] == "stream on stream-spark")
    os.kill(agent, signal.SIGSTOP)
    try:
        ports = json.loads((up.data / "ports.json").read_text())
        words = shlex.split(submit["sparkSubmitParameters"])
        words += [CACHE / "stream-job" / "lakewright-stream.jar", *submit["entryPointArguments"], "--until-read"]
        environment = ENVIRONMENT | KEYS | {
            "SPARK_JARS": "none", "AWS_ENDPOINT_URL": record["account"], "LAKEWRIGHT_KAFKA_PLAINTEXT": f"127.0.0.1:{ports['kafka']}",
        }
        done = subprocess.run([SPARK, "submit", record["account"], *words], capture_output=True, text=True, env=environment, timeout=600)
        assert done.returncode == 0, done.stderr[-6000:]
        newest = catalog(record["account"]).load_table("minimal_raw.sales").current_snapshot()
        # Iceberg's Java names itself in each summary.
        assert "iceberg-version" in newest.summary.additional_properties, newest
    finally:
        os.kill(agent, signal.SIGCONT)
    assert up.process.wait(timeout=600) == 0, up.log()
    assert "exact" in up.log() and "missing" not in up.log(), up.log()
