"""What people change by hand in the stack of the pipeline."""

from drifts import ANY, drift

PIPELINE = "piped-pipeline"


def changed(aws, change):
    client = aws("codepipeline")
    pipeline = client.get_pipeline(name=PIPELINE)["pipeline"]
    change(pipeline["stages"])
    client.update_pipeline(pipeline=pipeline)


@drift("pipeline.main", "stages[Approve]", None, ANY)
def a_pipeline_without_approval(aws):
    changed(aws, lambda stages: stages.pop(2))


@drift("pipeline.main", "stages[Source].actions[Source].configuration.BranchName", "theirs", "main")
def another_branch(aws):
    changed(aws, lambda stages: stages[0]["actions"][0]["configuration"].update(BranchName="theirs"))


@drift("pipeline.main", "stages[Plan].actions[Plan].namespace", "theirs", "Plan")
def variables_under_another_name(aws):
    changed(aws, lambda stages: stages[1]["actions"][0].update(namespace="theirs"))


@drift("build_project.pipeline-plan", "privileged", True, False)
def builds_that_may_do_anything(aws):
    client = aws("codebuild")
    (project,) = client.batch_get_projects(names=["piped-pipeline-plan"])["projects"]
    client.update_project(name=project["name"], environment=project["environment"] | {"privilegedMode": True})


@drift("build_project.pipeline-apply", "environment.AWS_PROFILE", "(sensitive)", None)
def a_builds_environment(aws):
    client = aws("codebuild")
    (project,) = client.batch_get_projects(names=["piped-pipeline-apply"])["projects"]
    variables = [{"name": "AWS_PROFILE", "value": "mine", "type": "PLAINTEXT"}]
    client.update_project(name=project["name"], environment=project["environment"] | {"environmentVariables": variables})


@drift("build_project.pipeline-plan", "log_group.status", "DISABLED", "ENABLED")
def builds_without_logs(aws):
    client = aws("codebuild")
    (project,) = client.batch_get_projects(names=["piped-pipeline-plan"])["projects"]
    logs = project["logsConfig"]["cloudWatchLogs"] | {"status": "DISABLED"}
    client.update_project(name=project["name"], logsConfig={"cloudWatchLogs": logs})


@drift("pipeline.main", "execution_mode", "QUEUED", "SUPERSEDED")
def executions_that_queue(aws):
    client = aws("codepipeline")
    pipeline = client.get_pipeline(name=PIPELINE)["pipeline"]
    client.update_pipeline(pipeline=pipeline | {"executionMode": "QUEUED"})


@drift("build_project.pipeline-apply", None, None, None)
def a_project_deleted(aws):
    aws("codebuild").delete_project(name="piped-pipeline-apply")


@drift("pipeline.main", None, None, None)
def a_pipeline_deleted(aws):
    aws("codepipeline").delete_pipeline(name=PIPELINE)
