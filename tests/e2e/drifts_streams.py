"""What people change by hand in the stack of a stream."""

from drifts import drift


def running(aws):
    """EMR, the application's id and the one run that goes on."""
    client = aws("emr-serverless")
    (application,) = client.list_applications()["applications"]
    (run,) = client.list_job_runs(applicationId=application["id"], mode="STREAMING", states=["RUNNING"])["jobRuns"]
    return client, application["id"], run["id"]


@drift("job_run.stream", None, None, None)
def a_run_cancelled(aws):
    client, application, run = running(aws)
    client.cancel_job_run(applicationId=application, jobRunId=run)


@drift("emr_application.main", "max_capacity.vcpu", 400, 16)
def limits_of_an_application_whose_run_goes_on(aws):
    client, application, _ = running(aws)
    limits = client.get_application(applicationId=application)["application"]["maximumCapacity"] | {"cpu": "400 vCPU"}
    client.update_application(applicationId=application, clientToken="by-hand", maximumCapacity=limits)
