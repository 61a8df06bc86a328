"""EventBridge rules, build projects and pipelines, as boto3 makes, changes and deletes them."""

import copy
import json

import pytest


def trust(service):
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def role(account, name, service):
    return account.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust(service))["Role"]["Arn"]


def test_a_rules_life(account, refused):
    client = account.client("events")
    rule = {"Name": "tick", "ScheduleExpression": "rate(1 hour)"}
    arn = client.put_rule(**rule, Description="every hour", Tags=[{"Key": "team", "Value": "data"}])["RuleArn"]
    found = client.describe_rule(Name="tick")
    assert found["State"] == "ENABLED" and found["Description"] == "every hour" and found["Arn"] == arn
    target = {"Id": "one", "Arn": "arn:aws:lambda:eu-north-1:123456789012:function:hello", "Input": '{"a": 1}'}
    assert client.put_targets(Rule="tick", Targets=[target])["FailedEntryCount"] == 0
    # What a second call leaves out is gone, but for targets and tags.
    client.put_rule(**rule | {"ScheduleExpression": "cron(0 10 * * ? *)"}, Tags=[{"Key": "team", "Value": "mine"}])
    assert "Description" not in client.describe_rule(Name="tick")
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "data"}]
    assert client.list_targets_by_rule(Rule="tick")["Targets"] == [target]
    client.disable_rule(Name="tick")
    client.put_rule(Name="other", EventPattern='{"source": ["aws.s3"]}')
    assert [one["Name"] for one in client.list_rules(NamePrefix="ti")["Rules"]] == ["tick"]
    page = client.list_rules(Limit=1)
    assert [one["Name"] for one in page["Rules"]] == ["other"]
    assert [one["State"] for one in client.list_rules(NextToken=page["NextToken"])["Rules"]] == ["DISABLED"]
    with refused("ValidationException"):
        client.delete_rule(Name="tick")
    failed = client.remove_targets(Rule="tick", Ids=["one", "none"])
    assert failed["FailedEntryCount"] == 1 and failed["FailedEntries"][0]["TargetId"] == "none"
    client.delete_rule(Name="tick")
    client.delete_rule(Name="tick")
    with refused("ResourceNotFoundException"):
        client.describe_rule(Name="tick")
    with refused("ResourceNotFoundException"):
        client.list_targets_by_rule(Rule="tick")


def test_what_eventbridge_refuses_is_refused(account, refused):
    client = account.client("events")
    for schedule in ["rate(1 hours)", "rate(30 seconds)", "cron(0 10 * * * *)", "hourly"]:
        with refused("ValidationException"):
            client.put_rule(Name="bad", ScheduleExpression=schedule)
    with refused("ValidationException"):
        client.put_rule(Name="bad")
    with refused("InvalidEventPatternException"):
        client.put_rule(Name="bad", EventPattern="[]")
    with refused("ResourceNotFoundException"):
        client.put_rule(Name="bad", ScheduleExpression="rate(1 day)", EventBusName="theirs")
    client.put_rule(Name="full", ScheduleExpression="rate(1 day)")
    targets = [{"Id": f"t{at}", "Arn": "arn:aws:sqs:eu-north-1:123456789012:q"} for at in range(6)]
    with refused("LimitExceededException"):
        client.put_targets(Rule="full", Targets=targets)
    with refused("ValidationException"):
        client.put_targets(Rule="full", Targets=[targets[0] | {"Input": "{"}])
    with refused("ValidationException"):
        client.put_targets(Rule="full", Targets=[{"Id": "t", "Arn": "queue"}])


ENVIRONMENT = {
    "type": "LINUX_CONTAINER", "image": "aws/codebuild/amazonlinux-x86_64-standard:5.0",
    "computeType": "BUILD_GENERAL1_SMALL",
}


def test_a_build_projects_life(account, refused):
    client = account.client("codebuild")
    project = {
        "name": "plan", "source": {"type": "CODEPIPELINE", "buildspec": "version: 0.2"},
        "artifacts": {"type": "CODEPIPELINE"}, "environment": ENVIRONMENT,
        "serviceRole": role(account, "builds", "codebuild.amazonaws.com"),
    }
    made = client.create_project(**project, tags=[{"key": "team", "value": "data"}])["project"]
    assert made["timeoutInMinutes"] == 60 and made["arn"].endswith(":project/plan")
    with refused("ResourceAlreadyExistsException"):
        client.create_project(**project)
    client.update_project(name="plan", timeoutInMinutes=30)
    client.update_project(name="plan", tags=[{"key": "cost", "value": "1"}])
    found = client.batch_get_projects(names=["plan", "none"])
    assert found["projectsNotFound"] == ["none"]
    (one,) = found["projects"]
    assert one["timeoutInMinutes"] == 30 and one["tags"] == [{"key": "cost", "value": "1"}]
    assert one["source"] == project["source"]
    assert client.list_projects()["projects"] == ["plan"]
    for change in [
        {"environment": ENVIRONMENT | {"computeType": "BUILD_LAMBDA_1GB"}},
        {"environment": ENVIRONMENT | {"image": "aws/codebuild/amazonlinux-aarch64-standard:3.0"}},
        {"artifacts": {"type": "S3"}},
        {"timeoutInMinutes": 2161},
        {"serviceRole": "arn:aws:iam::123456789012:role/nobody"},
    ]:
        with refused("InvalidInputException"):
            client.create_project(**project | {"name": "refused"} | change)
    with refused("NotImplemented", 501):
        client.start_build(projectName="plan")
    client.delete_project(name="plan")
    client.delete_project(name="plan")
    with refused("ResourceNotFoundException"):
        client.update_project(name="plan", timeoutInMinutes=30)


@pytest.fixture
def structure(account):
    def action(name, category, provider, configuration, inputs=(), outputs=()):
        return {
            "name": name, "actionTypeId": {"category": category, "owner": "AWS", "provider": provider, "version": "1"},
            "configuration": configuration, "inputArtifacts": [{"name": one} for one in inputs],
            "outputArtifacts": [{"name": one} for one in outputs],
        }

    connection = {"ConnectionArn": "arn:aws:codeconnections:x", "FullRepositoryId": "a/b", "BranchName": "main"}
    name = "pipelines"
    iam = account.client("iam")
    made = role(account, name, "codepipeline.amazonaws.com")
    yield {
        "name": "deploy", "roleArn": made, "artifactStore": {"type": "S3", "location": "artifacts"},
        "stages": [
            {"name": "Source", "actions": [action("Get", "Source", "CodeStarSourceConnection", connection, (), ["code"])]},
            {"name": "Build", "actions": [action("Make", "Build", "CodeBuild", {"ProjectName": "plan"}, ["code"])]},
        ],
    }  # fmt: skip
    iam.delete_role(RoleName=name)


def test_a_pipelines_life(account, refused, structure):
    client = account.client("codepipeline")
    made = client.create_pipeline(pipeline=structure, tags=[{"key": "team", "value": "data"}])["pipeline"]
    assert made["version"] == 1 and made["pipelineType"] == "V1" and made["stages"][0]["actions"][0]["runOrder"] == 1
    with refused("PipelineNameInUseException"):
        client.create_pipeline(pipeline=structure)
    found = client.get_pipeline(name="deploy")
    arn = found["metadata"]["pipelineArn"]
    found["pipeline"]["stages"][0]["actions"][0]["configuration"]["BranchName"] = "next"
    assert client.update_pipeline(pipeline=found["pipeline"])["pipeline"]["version"] == 2
    client.tag_resource(resourceArn=arn, tags=[{"key": "cost", "value": "1"}])
    client.untag_resource(resourceArn=arn, tagKeys=["team"])
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "cost", "value": "1"}]
    assert [one["name"] for one in client.list_pipelines()["pipelines"]] == ["deploy"]
    client.delete_pipeline(name="deploy")
    client.delete_pipeline(name="deploy")
    with refused("PipelineNotFoundException"):
        client.get_pipeline(name="deploy")
    with refused("ResourceNotFoundException"):
        client.tag_resource(resourceArn=arn, tags=[])


def test_what_codepipeline_refuses_is_refused(account, refused, structure):
    client = account.client("codepipeline")

    def broken(change):
        pipeline = copy.deepcopy(structure)
        change(pipeline["stages"])
        return pipeline

    first = lambda stages: stages[0]["actions"][0]  # noqa: E731
    second = lambda stages: stages[1]["actions"][0]  # noqa: E731
    for code, change in [
        ("InvalidStructureException", lambda stages: stages.pop()),
        ("InvalidStageDeclarationException", lambda stages: stages[1].update(name="Source")),
        ("InvalidStageDeclarationException", lambda stages: stages[1].update(actions=[])),
        ("InvalidStructureException", lambda stages: second(stages).update(inputArtifacts=[{"name": "other"}])),
        ("InvalidStructureException", lambda stages: second(stages)["actionTypeId"].update(category="Source")),
        ("InvalidActionDeclarationException", lambda stages: second(stages).update(configuration={})),
        ("InvalidActionDeclarationException", lambda stages: first(stages)["configuration"].pop("BranchName")),
        ("InvalidActionDeclarationException", lambda stages: second(stages).update(inputArtifacts=[])),
    ]:
        with refused(code):
            client.create_pipeline(pipeline=broken(change))
    with refused("InvalidStructureException"):
        client.create_pipeline(pipeline=structure | {"roleArn": "arn:aws:iam::123456789012:role/nobody"})
    with refused("InvalidStructureException"):
        client.update_pipeline(pipeline=structure)
