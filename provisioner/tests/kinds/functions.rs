//! Functions, rules, build projects and pipelines against an account: made once, found as meant, changed, gone.

use crate::account::{Account, account, kind};
use lakewright::kind::{Context, Wanted};
use lakewright::resource::Address;
use lakewright::services::Services as _;
use lakewright_aws::ask;
use serde_json::{Value, json};

async fn role(account: &Account, name: &str, service: &str) -> String {
    let statement = json!({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"});
    let trust = json!({"Version": "2012-10-17", "Statement": [statement]});
    account.create(&format!("role.{name}"), json!({"name": name, "trust": trust})).await.outputs["arn"].clone()
}

#[tokio::test]
async fn functions() {
    let account = account().await;
    let role = role(&account, "shop-hello", "lambda.amazonaws.com").await;
    let function = json!({
        "name": "shop-hello", "inline": "def handler(event, context):\n    return 1\n", "runtime": "python3.13",
        "handler": "index.handler", "role": role, "environment": {"BUCKET": "raw"},
        "permissions": {
            "upload": {"principal": "s3.amazonaws.com", "source_arn": "arn:aws:s3:::raw", "source_account": "123456789012"},
            "other": {"principal": "999999999999"},
        },
    });
    account.create("function.hello", function.clone()).await;
    let with = |change: Value| {
        let mut spec = function.clone();
        spec.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        spec
    };
    account.update("function.hello", with(json!({"inline": "def handler(event, context):\n    return 2\n"}))).await;
    account.update("function.hello", with(json!({"memory_mb": 512, "environment": {}, "description": "counts"}))).await;
    account.update("function.hello", with(json!({"architecture": "x86_64", "timeout_seconds": 900}))).await;
    let narrower = json!({"upload": {"principal": "s3.amazonaws.com", "source_arn": "arn:aws:s3:::other"}});
    let last = with(json!({"permissions": narrower, "log_group": "/lakewright/shop/hello"}));
    account.update("function.hello", last.clone()).await;

    // What changed since the plan isn't uploaded.
    let changed = with(json!({"name": "shop-changed", "code_sha256": format!("{}=", "A".repeat(43))}));
    assert!(account.refused("function.changed", changed).await.contains("has changed since the plan"));
    // One that somebody else has made is neither taken nor found.
    let other = Context { stack: "other".to_owned(), ..account.context.clone() };
    let address: Address = "function.hello".parse().unwrap();
    let spec = kind(&address).normalise(&last).unwrap();
    let error = kind(&address).create(&other, &address, &spec).await.expect_err("taken");
    assert!(format!("{error:#}").contains("it is function.hello of the stack shop"), "{error:#}");
    let wanted = [Wanted { address: &address, spec: &spec }];
    assert!(kind(&address).find(&other, &wanted).await.unwrap().is_empty());
    account.delete("function.hello", &last).await;
}

#[tokio::test]
async fn rules_by_the_clock() {
    let account = account().await;
    let target = |name: &str| json!({"arn": format!("arn:aws:lambda:eu-north-1:123456789012:function:{name}")});
    let rule = |schedule: &str, targets: Value| json!({"name": "shop-tick", "schedule": schedule, "targets": targets});
    account.create("schedule_rule.tick", rule("rate(1 hour)", json!({"a": target("a"), "b": target("b")}))).await;
    account.update("schedule_rule.tick", rule("cron(0 10 * * ? *)", json!({"a": target("a")}))).await;
    let mut off = rule("rate(5 minutes)", json!({"a": target("c"), "d": target("d")}));
    off["enabled"] = json!(false);
    off["targets"]["d"]["input"] = json!("{\"a\":1}");
    account.update("schedule_rule.tick", off.clone()).await;

    let theirs = account.context.aws.event_bridge().put_rule().name("shop-theirs");
    ask(theirs.schedule_expression("rate(1 day)").send()).await.unwrap();
    let mut taken = off.clone();
    taken["name"] = json!("shop-theirs");
    assert!(account.refused("schedule_rule.theirs", taken).await.contains("isn't this stack's"));
    account.delete("schedule_rule.tick", &off).await;
}

#[tokio::test]
async fn build_projects_and_pipelines() {
    let account = account().await;
    let builds = role(&account, "shop-builds", "codebuild.amazonaws.com").await;
    let project = |minutes: u32, variables: Value| {
        json!({
            "name": "shop-plan", "role": builds, "buildspec": "version: 0.2\n", "timeout_minutes": minutes,
            "environment": variables,
        })
    };
    account.create("build_project.plan", project(60, json!({}))).await;
    account.update("build_project.plan", project(30, json!({"STACK": "shop"}))).await;

    let role = role(&account, "shop-pipeline", "codepipeline.amazonaws.com").await;
    let pipeline = |branch: &str, approved: bool| {
        let source = json!({
            "ConnectionArn": "arn:aws:codeconnections:eu-north-1:123456789012:connection/a", "FullRepositoryId": "a/b",
            "BranchName": branch,
        });
        let mut stages = vec![
            json!({"name": "Source", "actions": [{"name": "Get", "category": "Source",
                "provider": "CodeStarSourceConnection", "configuration": source, "outputs": ["code"]}]}),
            json!({"name": "Plan", "actions": [{"name": "Plan", "category": "Build", "provider": "CodeBuild",
                "configuration": {"ProjectName": "shop-plan"}, "inputs": ["code"]}]}),
        ];
        if approved {
            stages.insert(
                1,
                json!({"name": "Approve", "actions": [{"name": "Approve", "category": "Approval",
                "provider": "Manual"}]}),
            );
        }
        json!({"name": "shop-deploy", "role": role, "bucket": "artifacts", "stages": stages})
    };
    account.create("pipeline.main", pipeline("main", false)).await;
    account.update("pipeline.main", pipeline("next", false)).await;
    account.update("pipeline.main", pipeline("next", true)).await;
    account.delete("pipeline.main", &pipeline("next", true)).await;
    account.delete("build_project.plan", &project(30, json!({"STACK": "shop"}))).await;
}
