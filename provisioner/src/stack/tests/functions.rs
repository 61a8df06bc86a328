//! Functions in, mistakes or what calls them and what they may do.

use std::path::Path;

use serde_json::{Value, json};

use super::super::parse;
use super::{expanded, mistakes, spec};
use crate::kinds;
use crate::plan::{Kinds, check};

#[test]
fn mistakes_of_functions_and_pipelines_are_found_all_at_once() {
    let text = mistakes(
        r#"[stack]
name = "shop"
[functions.none]
runtime = "python2.7"
handler = "handler"
every = "90s"
timeout = "1h"
environment = { DB_PASSWORD = "hunter2", AWS_REGION = "x" }
statements = [{ Action = ["s3:*"], Resource = ["*"] }]
[functions.Two]
runtime = "java21"
handler = "a.B"
inline = "class B {}"
on_upload = { bucket = "rwa", prefix = "in/*" }
[functions.three]
inline = "x"
runtime = "python3.13"
handler = "index.x"
on_upload = { bucket = "raw", suffix = ".csv" }
[functions.four]
inline = "x"
runtime = "python3.13"
handler = "index.x"
on_upload = { bucket = "raw", prefix = "in/" }
[functions.five]
inline = "x"
runtime = "python3.13"
handler = "index.x"
on_upload = { bucket = "raw", prefix = "in/", suffix = ".gz" }
[functions.seven]
inline = "x"
runtime = "python3.13"
handler = "index.x"
on_upload = { bucket = "raw", prefix = "Über uns/", suffix = "(1)!'_-.json" }
[functions.six]
inline = "x"
runtime = "python3.13"
handler = "index.x"
on_upload = { bucket = "single" }
[buckets.raw]
[resource.bucket.single]
name = "single"
[pipeline]
repository = "shop"
connection = "github"
stack = "../shop.toml"
timeout = "90s"
[hosts.function-a]
"#,
        &[],
    );
    for mistake in [
        "Lambda has no runtime `python2.7`",
        "the function `none` has no code",
        "a function can't run for 1h",
        "EventBridge can't call a function every 90s",
        "DB_PASSWORD looks like a secret",
        "Lambda sets AWS_REGION itself",
        "the statement lacks `Effect`",
        "a function can't be named `Two`",
        "the inline code can't become a file",
        "`shop` is no repository",
        "this is no connection",
        "`../shop.toml` is no stack file of a repository",
        "a build can't be ended after 90s",
        "a host can't be named `function-a`",
        "there is no bucket `rwa`",
        "did you mean `raw`?",
        "no key has the prefix `in/*`",
        "S3 can't select keys by the prefix `Über uns/`",
        "S3 compares `Ü` URL-encoded",
        "an upload can't call both `three` and `four`",
        "overlaps with any prefix and the suffix `.csv` of `three`",
        "an upload can't call both `four` and `five`",
        "the bucket `single` can't call a function",
        "declare it as `[buckets.single]`",
    ] {
        assert!(text.contains(mistake), "{mistake} is missing in:\n{text}");
    }
    assert_eq!(text.matches("error: ").count(), 20, "{text}");
}

#[test]
fn an_upload_calls_a_function_that_may_read_it() {
    let text = r#"[stack]
name = "shop"
[keys.main]
[buckets.raw]
key = "main"
[buckets.plain]
versioning = false
[functions.count]
inline = "x"
runtime = "python3.13"
handler = "index.x"
on_upload = { bucket = "raw", prefix = "in/", suffix = ".csv" }
environment = { RAW = "s3://${bucket.raw.name}/out" }
statements = [{ Effect = "Allow", Action = "s3:PutObject", Resource = "${bucket.raw.arn}/out/*" }]
[functions.other]
inline = "x"
runtime = "python3.13"
handler = "index.x"
on_upload = { bucket = "plain" }
"#;
    let stack = parse(Path::new("test.toml"), text, None).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let desired = expanded(&stack);
    let told = |id: &str, name: &str, prefix: &str, suffix: &str| {
        json!({"event_bridge": false, "destinations": [{"id": id, "arn": format!("${{function.{name}.arn}}"),
            "events": ["s3:ObjectCreated:*"], "prefix": prefix, "suffix": suffix}]})
    };
    assert_eq!(spec(&desired, "bucket.raw")["notifications"], told("shop-count", "count", "in/", ".csv"));
    assert_eq!(spec(&desired, "bucket.plain")["notifications"], told("shop-other", "other", "", ""));
    assert!(spec(&desired, "bucket.artifacts")["notifications"].is_null());

    // The bucket waits for the function, which therefore names it by what it will be called.
    let function = spec(&desired, "function.count");
    let raw = "arn:aws:s3:::shop-raw-123456789012";
    let upload = json!({"principal": "s3.amazonaws.com", "action": "lambda:InvokeFunction", "source_arn": raw,
        "source_account": "123456789012"});
    assert_eq!(function["permissions"], json!({"upload": upload}));
    assert_eq!(function["environment"]["RAW"], "s3://shop-raw-123456789012/out");
    check(Kinds(kinds::all()), &desired).unwrap_or_else(|error| panic!("{error}"));

    let role = spec(&desired, "role.function-count");
    let allowed = |sid: &str| -> Value {
        let statements = role["policies"]["function"]["Statement"].as_array().expect("a list").clone();
        let one = statements.into_iter().find(|one| one["Sid"] == sid).unwrap_or_default();
        json!([one["Action"], one["Resource"]])
    };
    let objects = json!([["s3:GetObject", "s3:GetObjectVersion"], [format!("{raw}/in/*")]]);
    assert_eq!(allowed("Uploads"), objects);
    assert_eq!(allowed("UploadsKey"), json!([["kms:Decrypt"], ["${key.main.arn}"]]));
    assert_eq!(role["policies"]["own"]["Statement"][0]["Resource"], json!([format!("{raw}/out/*")]));
    let other = spec(&desired, "role.function-other")["policies"]["function"].to_string();
    assert!(other.contains("shop-plain-123456789012/*") && !other.contains("Version\",\"s3") && !other.contains("kms"));
}

#[test]
fn a_pipeline_reads_versions_of_its_artifacts() {
    let text = r#"[stack]
name = "shop"
[keys.main]
[buckets.artifacts]
key = "main"
[pipeline]
repository = "octocat/shop"
connection = "arn:aws:codeconnections:eu-north-1:123456789012:connection/a"
stack = "shop.toml"
"#;
    let stack = parse(Path::new("test.toml"), text, None).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let desired = expanded(&stack);
    let bucket = "arn:aws:s3:::shop-artifacts-123456789012";
    for (role, policy) in [("pipeline", "pipeline"), ("pipeline-plan", "build"), ("pipeline-apply", "build")] {
        let statements = spec(&desired, &format!("role.{role}"))["policies"][policy]["Statement"].clone();
        let may = |action: &str, on: &str| {
            let all = statements.as_array().expect("a list").iter();
            let has = |value: &Value, wanted: &str| value.as_array().is_some_and(|list| list.contains(&json!(wanted)));
            all.clone().any(|one| has(&one["Action"], action) && has(&one["Resource"], on))
        };
        let objects = format!("{bucket}/shop-pipeline/*");
        for action in ["s3:GetObject", "s3:GetObjectVersion"] {
            assert!(may(action, &objects), "{role}: {action}: {statements:#}");
        }
        // A build puts nothing in place of the source that the other one reads.
        assert_eq!(may("s3:PutObject", &objects), role == "pipeline", "{role}: {statements:#}");
        let own = format!("{bucket}/shop-pipeline/Plan/*");
        assert_eq!(may("s3:PutObject", &own), role == "pipeline-plan", "{role}: {statements:#}");
        for action in ["s3:GetBucketVersioning", "s3:GetBucketLocation", "s3:GetBucketAcl"] {
            assert!(may(action, bucket), "{role}: {action}");
        }
        for action in ["kms:Decrypt", "kms:DescribeKey", "kms:ReEncrypt*"] {
            assert!(may(action, "${key.main.arn}"), "{role}: {action}");
        }
        // Who writes nothing needs no new data keys.
        assert_eq!(may("kms:GenerateDataKey", "${key.main.arn}"), role != "pipeline-apply", "{role}");
    }
}

/// What Auto Scaling's own role does with the key of volumes of hosts that it starts.
#[test]
fn a_key_for_volumes_lets_auto_scaling_use_it() {
    let text = "[stack]\nname = \"shop\"\n[keys.main]\n[keys.other]\n[hosts.app]\nkey = \"main\"\n";
    let stack = parse(Path::new("test.toml"), text, None).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let desired = expanded(&stack);
    let statements = spec(&desired, "key.main")["policy"]["Statement"].clone();
    let volumes = statements.as_array().expect("a list").iter().find(|one| one["Sid"] == "Volumes").expect("volumes");
    // No IAM policy of the account reaches a role of AWS's own: `root` doesn't stand for it, and it may not exist yet.
    assert_eq!(volumes["Principal"], json!({"AWS": ["*"]}));
    let actions = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*", "kms:ReEncrypt*"];
    assert_eq!(volumes["Action"], json!(actions));
    let role = "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";
    let launching = json!({"kms:CallerAccount": ["123456789012"], "aws:PrincipalArn": [role]});
    assert_eq!(volumes["Condition"], json!({"StringEquals": launching}));
    let grants =
        statements.as_array().expect("a list").iter().find(|one| one["Sid"] == "VolumesGrant").expect("grants");
    assert_eq!(grants["Action"], json!(["kms:CreateGrant"]));
    let for_aws = json!({"kms:GrantIsForAWSResource": ["true"]});
    assert_eq!(grants["Condition"], json!({"StringEquals": launching, "Bool": for_aws}));
    assert!(spec(&desired, "key.other")["policy"].is_null());
}
