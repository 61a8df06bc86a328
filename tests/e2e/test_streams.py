"""A stack with a Spark job that goes on: what becomes of its run when the file changes, by those whose rights end with the stack."""

import json

from conftest import ROOT
from recorder import account

__all__ = ["account"]


def runs(account):
    """The states of all runs by their ids, and the id of the one that goes on."""
    client = account.client("emr-serverless")
    (application,) = client.list_applications()["applications"]
    found = client.list_job_runs(applicationId=application["id"], mode="STREAMING")["jobRuns"]
    states = {run["id"]: run["state"] for run in found}
    return states, [run for run, state in states.items() if state == "RUNNING"]


def planned(account, stack):
    plan = json.loads(account.run("plan", stack, "--format", "json", code=0).stdout)
    return [(step["address"], step["action"]) for step in plan["steps"]]


def test_a_run_gives_way_to_another_where_its_application_or_itself_changes(account, tmp_path):
    stack = tmp_path / "streams.toml"
    text = (ROOT / "tests" / "e2e" / "stacks" / "streams.toml").read_text()
    stack.write_text(text)
    account.run("apply", stack, "--yes", code=0)
    states, (first,) = runs(account)
    assert len(states) == 1

    # The application has to be stopped, and no stream ends by itself.
    text = text.replace('name = "streams"\n\n[resource.job_run', 'name = "streams"\narchitecture = "ARM64"\n\n[resource.job_run')
    stack.write_text(text)
    assert planned(account, stack) == [("emr_application.main", "update"), ("job_run.stream", "replace")]
    account.run("apply", stack, "--yes", code=0)
    states, (second,) = runs(account)
    assert states == {first: "CANCELLED", second: "RUNNING"}
    account.run("plan", stack, "--detailed-exitcode", code=0)

    stack.write_text(text.replace('"--tables", "all"', '"--tables", "one"'))
    assert planned(account, stack) == [("job_run.stream", "replace")]
    account.run("apply", stack, "--yes", code=0)
    states, (third,) = runs(account)
    assert states == {first: "CANCELLED", second: "CANCELLED", third: "RUNNING"}

    # A program that isn't there is missed when a run begins.
    stack.write_text(text.replace("${object.program.url}", "s3://${bucket.jobs.name}/jobs/none.py"))
    failed = account.run("apply", stack, "--yes", code=1)
    assert "EMR gave the run" in failed.stderr and "jobs/none.py" in failed.stderr, failed.stderr
    shown = account.run("plan", stack, code=0).stdout
    assert "AWS gave it up" in shown and "jobs/none.py" in shown, shown
    stack.write_text(text)
    account.run("apply", stack, "--yes", code=0)
    states, (last,) = runs(account)
    assert sorted(states.values()) == ["CANCELLED"] * 3 + ["FAILED", "RUNNING"] and last not in (first, second, third)
    account.run("plan", stack, "--detailed-exitcode", code=0)

    # Who leaves the run out of the file cancels it; who destroys the stack leaves nothing that goes on.
    stack.write_text(text[: text.index("[resource.job_run")])
    assert planned(account, stack) == [("job_run.stream", "delete")]
    account.run("apply", stack, "--yes", code=0)
    assert runs(account)[1] == []
    account.run("destroy", stack, "--yes", "--allow-data-loss", "all", code=0)
