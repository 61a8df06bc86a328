//! Specs in, mistakes out.

use serde_json::json;

use super::*;
use crate::kinds;

fn found_in(kind: &str, spec: &Value) -> Vec<String> {
    let schema = kinds::named(kind).expect("a kind").schema();
    let tell = |mistake: Mistake| format!("{} {} ({})", mistake.path, mistake.what, mistake.fix.unwrap_or_default());
    mistakes(&schema, spec).into_iter().map(tell).collect()
}

#[test]
fn every_mistake_has_its_path_and_its_fix() {
    let spec = json!({"name": "", "log_group": 7, "pattern": "", "namespace": "a:b", "metrc": "x", "unit": "Cuont"});
    let expected = [
        "log_group is a number, and must be a text (The log group's name)",
        "metrc is no field of it (did you mean `metric`?)",
    ];
    let found = found_in("metric_filter", &spec);
    for text in expected {
        assert!(found.iter().any(|one| one == text), "{text}: {found:#?}");
    }
    for path in ["name", "namespace", "unit"] {
        assert!(found.iter().any(|one| one.starts_with(&format!("{path} "))), "{path}: {found:#?}");
    }
    assert!(
        !found.iter().any(|one| one.contains("has no `metric`")),
        "a misspelt field isn't missing, too: {found:#?}"
    );
}

#[test]
fn numbers_are_of_those_that_aws_takes() {
    let group = |days: u32| found_in("log_group", &json!({"name": "/a", "retention_days": days}));
    assert_eq!(group(365), [""; 0]);
    assert!(group(17)[0].starts_with("retention_days can't be 17 (write one of 1, 3,"), "{:?}", group(17));
    let rule = |port: i32| json!({"vpc": "vpc-1", "name": "a", "description": "d", "ingress": [{"from_port": port}]});
    assert_eq!(found_in("security_group", &rule(443)), [""; 0]);
    assert!(found_in("security_group", &rule(70_000))[0].starts_with("ingress[0].from_port can't be 70000"));
    let topic = |partitions: u32| {
        let cluster = "${cluster.main.arn}";
        json!({"cluster": cluster, "name": "a", "partitions": partitions, "replication_factor": 3})
    };
    assert_eq!((found_in("topic", &topic(1)).len(), found_in("topic", &topic(0)).len()), (0, 1));
}

#[test]
fn what_is_known_after_apply_is_not_judged() {
    let subnet = |vpc: &str| json!({"vpc": vpc, "cidr": "10.0.0.0/24", "zone": "eu-north-1a"});
    assert_eq!(found_in("subnet", &subnet("${vpc.main.id}")), [""; 0]);
    assert_eq!(found_in("subnet", &subnet("vpc-0123456789abcdef0")), [""; 0]);
    assert_eq!(found_in("subnet", &subnet("vpc.main")).len(), 1);
}

#[test]
fn parts_within_parts_are_judged_by_the_one_that_they_mean() {
    let spec = json!({
        "name": "shop", "kafka_version": "3.9.x", "brokers": 3, "instance_type": "kafka.m7g.large", "subnets": ["subnet-1"],
        "security_groups": [], "storage_gib": 100, "encryption_key": "k", "authentication": {"iam": "yes"},
        "monitoring": "per_brokr", "logs": {"prefx": "x"},
    });
    let found = found_in("cluster", &spec);
    for path in ["authentication.iam", "monitoring", "logs.prefx"] {
        assert!(found.iter().any(|one| one.starts_with(&format!("{path} "))), "{path}: {found:#?}");
    }
}

/// Real values that AWS takes, by field.
#[test]
fn what_aws_takes_is_taken() {
    let zones = ["eu-north-1a", "us-west-2-lax-1a", "us-east-1-wl1-bos-wlz-1", "eusc-de-east-1a", "us-gov-west-1b"];
    let keys = [
        "arn:aws:kms:eu-north-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "arn:aws-cn:kms:cn-north-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab",
        "arn:aws-us-gov:kms:us-gov-west-1:123456789012:alias/shop",
        "alias/aws/s3",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "mrk-1234abcd12ab34cd56ef1234567890ab",
    ];
    let roles = [
        "arn:aws:iam::123456789012:role/service-role/team/build",
        "arn:aws-cn:iam::123456789012:role/build",
        "arn:aws-us-gov:iam::123456789012:role/build",
        "arn:aws-eusc:iam::123456789012:role/build",
    ];
    let clusters = [
        "arn:aws:kafka:eu-north-1:123456789012:cluster/shop/1234abcd-12ab-34cd-56ef-1234567890ab-2",
        "arn:aws-cn:kafka:cn-north-1:123456789012:cluster/shop/1234abcd-12ab-34cd-56ef-1234567890ab-2",
        "arn:aws-us-gov:kafka:us-gov-west-1:123456789012:cluster/shop/1234abcd-12ab-34cd-56ef-1234567890ab-2",
    ];
    let groups = ["/aws/lambda/x", "API-Gateway-Execution-Logs_abc/prod", "#audit", "aws.batch"];
    let buckets = ["logs.shop.example", "1a2", "shop-raw-123456789012"];
    let targets = [
        "arn:aws:automate:us-east-1:ec2:recover",
        "arn:aws-cn:sns:cn-north-1:123456789012:alarms",
        "arn:aws-us-gov:sns:us-gov-west-1:123456789012:alarms",
        "arn:aws:swf:eu-north-1:123456789012:action/actions/AWS_EC2.InstanceId.Stop/1.0",
        "arn:aws:ssm:eu-north-1:123456789012:opsitem:3#CATEGORY=Performance",
    ];
    let fields: &[(&str, &[&str], &[&str])] = &[
        ("zone", &["subnet", "volume"], &zones),
        ("key", &["bucket", "sns_topic", "pipeline", "volume", "secret", "workgroup"], &keys),
        ("encryption_key", &["cluster"], &keys),
        ("role", &["function", "build_project", "pipeline", "flow_log"], &roles),
        ("cluster", &["topic", "scram_association", "storage_scaling"], &clusters),
        ("name", &["log_group"], &groups),
        ("log_group", &["metric_filter", "function", "build_project", "flow_log"], &groups),
        ("name", &["bucket"], &buckets),
        ("bucket", &["object", "release", "pipeline"], &buckets),
        ("bucket", &["flow_log"], &["arn:aws-us-gov:s3:::flows.shop/vpc/", "arn:aws-cn:s3:::flows"]),
        ("attached_policies", &["role"], &["arn:aws-cn:iam::aws:policy/service-role/AmazonMSKFullAccess"]),
        ("alarm_actions", &["alarm"], &targets),
        ("name", &["alarm", "saved_query"], &["Zu viele Fehler > 5 %: prüfen (täglich)", "売上"]),
        ("image", &["launch_template"], &["resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023:2", "ami-0ab1"]),
        ("instance_type", &["launch_template"], &["u-6tb1.112xlarge", "mac2-m2pro.metal", "m7g.large"]),
        ("launch_template", &["auto_scaling_group"], &["lt-0123456789abcdef0"]),
        ("schedule", &["schedule_rule"], &["cron(0 12 * * ? *)", "cron(15 10 ? * 6L 2026-2028)", "rate(5 minutes)"]),
        ("url", &["oidc_provider"], &["https://oidc.eks.eu-north-1.amazonaws.com/id/0123456789ABCDEF"]),
        ("https", &["sns_topic"], &["https://user:word@example.com:8443/told?by=sns"]),
        ("email", &["sns_topic"], &["team+shop@example.com", "o'hara@example.co.uk"]),
        ("namespace", &["metric_filter"], &["My Shop/Errors of Orders", "Shop"]),
        ("metric", &["metric_filter"], &["Errors (5xx) / minute"]),
        ("release_label", &["emr_application"], &["emr-7.9.0", "emr-spark-8.0-preview", "emr-7.9.0/20250901"]),
        ("name", &["build_project"], &["ab", "0_shop-BUILD"]),
        ("name", &["secret"], &["AmazonMSK_app", "prod/shop/db+x=1@eu.a"]),
        ("name", &["budget"], &["Shop (month) 100 %", "Überblick/alles"]),
        ("location", &["database", "table"], &["s3://logs.shop.example/a b/ü"]),
    ];
    for (field, kinds_of_it, values) in fields {
        for (kind, value) in kinds_of_it.iter().flat_map(|kind| values.iter().map(move |value| (*kind, *value))) {
            let schema = kinds::named(kind).expect("a kind").schema();
            let listed = schema["properties"][field]["type"] == "array";
            let value = if listed { json!([value]) } else { json!(value) };
            let mut found = mistakes(&schema, &json!({*field: value}));
            // The spec has this field only.
            found.retain(|mistake| !mistake.path.is_empty());
            assert_eq!(found, [], "{kind}.{field} = {value}");
        }
    }
    assert_eq!(found_in("subnet", &json!({"vpc": "vpc-1", "cidr": "10.0.0.0/24", "zone": "eu-north-1"})).len(), 1);
}
