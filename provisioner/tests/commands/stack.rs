//! The whole of plan, apply and destroy: the shop's stack file against the account of this machine, as typed.

use std::path::{Path, PathBuf};

use lakewright::services::Services as _;
use lakewright_aws::ask;
use lakewright_ec2::Ec2 as _;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::place::Place;

fn shop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacks/shop.toml")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_is_made_repaired_and_destroyed() {
    let place = Place::new().await;
    let shop = shop().display().to_string();

    let plan = place.run(&["plan", &shop, "--format", "json", "--detailed-exitcode"]).await;
    assert_eq!(plan.code, Some(2), "{}", plan.err);
    let first: Value = serde_json::from_str(&plan.out).unwrap();
    let steps = first["steps"].as_array().unwrap();
    assert!(steps.len() > 40 && steps.iter().all(|step| step["action"] == "create"), "{}", plan.out);
    assert_eq!(first["summary"]["create"], steps.len());

    let unanswered = place.run(&["apply", &shop]).await;
    assert_eq!(unanswered.code, Some(1));
    assert!(unanswered.err.contains("--yes"), "{}", unanswered.err);

    let apply = place.run(&["apply", &shop, "--yes"]).await;
    assert_eq!(apply.code, Some(0), "{}", apply.err);
    let again = place.run(&["plan", &shop, "--detailed-exitcode"]).await;
    assert_eq!(
        (again.code, again.out.as_str()),
        (Some(0), "No changes: stack shop is as its file says.\n"),
        "{}",
        again.err
    );

    // What somebody changed by hand is drift, at the very path, and is put right.
    // KMS takes an id where the stack knows an alias.
    let kms = place.client().kms();
    let key = ask(kms.describe_key().key_id("alias/shop-main").send()).await.unwrap();
    let id = key.key_metadata().unwrap().key_id();
    ask(kms.disable_key_rotation().key_id(id).send()).await.unwrap();
    let drift = place.run(&["plan", &shop, "--format", "json"]).await;
    let drift: Value = serde_json::from_str(&drift.out).unwrap();
    let steps = drift["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 1, "{drift:#}");
    assert_eq!((&steps[0]["address"], &steps[0]["cause"]), (&json!("key.main"), &json!("drift")), "{drift:#}");
    let status = place.run(&["status", &shop]).await;
    assert_eq!(status.code, Some(0), "{}", status.err);
    let line = status.out.lines().find(|line| line.contains("key.main")).unwrap();
    assert!(line.contains("differs") && status.out.contains("Nobody is at work on it"), "{}", status.out);
    let outputs = place.run(&["outputs", &shop, "--format", "json"]).await;
    let outputs: Value = serde_json::from_str(&outputs.out).unwrap();
    assert_eq!(outputs["bucket.raw"]["name"], "shop-raw-123456789012", "{outputs:#}");
    let graph = place.run(&["graph", &shop, "--changes", "--format", "dot"]).await;
    assert!(graph.out.contains("~ key.main") && !graph.out.contains("vpc.main"), "{}", graph.out);
    let repair = place.run(&["apply", &shop, "--yes"]).await;
    assert_eq!(repair.code, Some(0), "{}", repair.err);
    assert_eq!(place.run(&["plan", &shop, "--detailed-exitcode"]).await.code, Some(0));

    // What can't be brought to what the file says blocks itself alone, and the rest goes on.
    let kafka = place.client().kafka();
    let clusters = ask(kafka.list_clusters_v2().send()).await.unwrap();
    let cluster = clusters.cluster_info_list()[0].cluster_arn().unwrap();
    let wider = kafka.update_topic().cluster_arn(cluster).topic_name("es_events").partition_count(9);
    ask(wider.send()).await.unwrap();
    ask(kms.disable_key().key_id(id).send()).await.unwrap();
    let most = place.run(&["apply", &shop, "--yes"]).await;
    let said = most.out + &most.err;
    assert_eq!(most.code, Some(3), "{said}");
    assert!(said.contains("topic.es_events") && said.contains("write `partitions = 9`"), "{said}");
    let left = place.run(&["plan", &shop, "--detailed-exitcode", "--format", "json"]).await;
    assert_eq!(left.code, Some(2), "{}", left.err);
    let left: Value = serde_json::from_str(&left.out).unwrap();
    assert_eq!((&left["steps"], &left["summary"]["blocked"]), (&json!([]), &json!(1)), "the key is enabled: {left:#}");
    assert_eq!(left["blocked"][0]["address"], "topic.es_events", "{left:#}");

    let refused = place.run(&["destroy", &shop, "--yes"]).await;
    assert_eq!(refused.code, Some(1));
    for address in ["bucket.raw", "cluster.main", "table.sales", "key.main"] {
        assert!(refused.err.contains(address), "{address} is missing in\n{}", refused.err);
    }
    let destroyed = place.run(&["destroy", &shop, "--yes", "--allow-data-loss", "all"]).await;
    assert_eq!(destroyed.code, Some(0), "{}", destroyed.err);
    let after = place.run(&["plan", &shop, "--format", "json"]).await;
    let after: Value = serde_json::from_str(&after.out).unwrap();
    assert_eq!(after["summary"], first["summary"], "something is still live");

    // A stack that was destroyed can be made again.
    let anew = place.run(&["apply", &shop, "--yes"]).await;
    assert_eq!(anew.code, Some(0), "{}", anew.err);
}

#[tokio::test]
async fn mistakes_of_the_command_line_and_the_file_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.toml");
    std::fs::write(&file, "[stack]\nname = \"shop\"\nregoin = \"eu-north-1\"\n").unwrap();
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lakewright"));
        let output = command.args(arguments).current_dir(folder.path()).env("NO_COLOR", "1").output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = run(&["plan", "wrong.toml"]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("did you mean `region`?") && said.contains("wrong.toml:3"), "{said}");

    let (code, said) = run(&["plan"]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("no stack file"), "{said}");

    let (code, said) = run(&["query", "--local", "SELECT 1"]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("lakewright up"), "{said}");
}

#[tokio::test]
async fn what_does_not_fit_together_is_told_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    let plan = async |resources: &str| {
        std::fs::write(&file, format!("[stack]\nname = \"own\"\nregion = \"eu-north-1\"\n{resources}")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lakewright"));
        // Nothing listens there: what is said was known without AWS.
        let command = command.args(["plan", "own.toml", "--endpoint-url", "http://127.0.0.1:1"]);
        let command = command.current_dir(folder.path()).env("NO_COLOR", "1");
        let agent = env!("CARGO_BIN_EXE_lakewright");
        let command = command.env("LAKEWRIGHT_AGENT", agent).env("AWS_ACCESS_KEY_ID", "x");
        let output = command.env("AWS_SECRET_ACCESS_KEY", "x").output().await.unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let group = |name: &str, other: &str| {
        format!(
            "[resource.security_group.{name}]\nvpc = \"${{vpc.main.id}}\"\nname = \"{name}\"\ndescription = \"d\"\n\
             ingress = [{{ from_port = 443, group = \"{other}\" }}]\n"
        )
    };
    let said = plan(&group("a", "${security_group.b.id}")).await;
    assert!(said.contains("the stack has no `security_group.b`") && said.contains("own.toml:8"), "{said}");
    assert!(said.contains("where the text itself is meant, write `$${security_group.b.id}`"), "{said}");
    let said = plan(&group("a", "${vpc.main.idd}")).await;
    assert!(said.contains("no such output; it has id, arn, cidr"), "{said}");
    let circle = [group("a", "${security_group.b.id}"), group("b", "${security_group.a.id}")].concat();
    let said = plan(&circle).await;
    assert!(said.contains("security_group.a → security_group.b → security_group.a"), "{said}");
    let said = plan("[resource.security_grop.a]\nname = \"a\"\n").await;
    assert!(said.contains("did you mean `security_group`?"), "{said}");
    let said = plan("[moved]\ntable.users = \"customers\"\n").await;
    assert!(said.contains("addresses look like kind.name"), "{said}");
    let said = plan("[resource.log_group.a]\nname = 7\n").await;
    assert!(said.contains("`name` is a number, and must be a text") && said.contains("own.toml:5"), "{said}");
    // What AWS holds for one rule is shown with both places.
    let twice = "[resource.security_group.a]\nvpc = \"vpc-1\"\nname = \"a\"\ndescription = \"d\"\ningress = [\n\
                 { from_port = 22, cidr = \"10.0.0.7/8\" },\n\
                 { from_port = 22, cidr = \"10.0.0.0/8\", description = \"office\" },\n]\n";
    let said = plan(twice).await;
    assert!(said.contains("`ingress[0]` and `ingress[1]` let the same through"), "{said}");
    assert!(said.contains("10.0.0.7/8") && said.contains("it stands here first") && said.contains("office"), "{said}");
    // Code has a syntax of its own; what looks like a reference in it is one only if it could lead somewhere.
    let code = |text: &str| {
        format!(
            "[functions.tick]\nruntime = \"nodejs22.x\"\nhandler = \"index.handler\"\n\
             inline = '''export const handler = async (event) => `got ${{{text}}}`;'''\n"
        )
    };
    let said = plan(&code("bucket.raw.arn")).await;
    assert!(said.contains("where the text itself is meant, write `$${bucket.raw.arn}`"), "{said}");
    let text = format!("[stack]\nname = \"own\"\nregion = \"eu-north-1\"\n{}", code("event.detail.type"));
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lakewright"));
    let command = command.args(["graph", "own.toml"]).current_dir(folder.path()).env("NO_COLOR", "1");
    let output = command.env("LAKEWRIGHT_AGENT", env!("CARGO_BIN_EXE_lakewright")).output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stack_costs_follows_the_newest_prices() {
    let place = Place::new().await;
    let shop = shop().display().to_string();
    let estimate = async |more: &[&str]| {
        let cost = place.run(&[&["cost", &shop, "--format", "json"], more].concat()).await;
        assert_eq!(cost.code, Some(0), "{}", cost.err);
        let report: Value = serde_json::from_str(&cost.out).unwrap();
        (report, cost.err)
    };
    let charge = |report: &Value, price: &str| {
        let charges = report["resources"].as_array().unwrap().iter().flat_map(|one| one["charges"].as_array().unwrap());
        charges.into_iter().find(|charge| charge["price"] == price).unwrap().clone()
    };
    let (before, _) = estimate(&[]).await;
    assert_eq!(before["unpriced"], json!([]));
    let broker = charge(&before, "msk.kafka.m7g.large.hour");
    assert_eq!((&broker["quantity"], &broker["checked"]), (&json!(2190.0), &json!(false)));

    // The local list knows some: those are taken, and the others stay as they were.
    let file = place.folder.path().join("prices.toml").display().to_string();
    let (after, said) = estimate(&["--refresh", "--prices", &file]).await;
    assert!(said.contains("AWS's list has none for ec2.m7i.large.hour"), "{said}");
    let broker = charge(&after, "msk.kafka.m7g.large.hour");
    assert_eq!((&broker["usd"], &broker["checked"]), (&json!(0.217), &json!(true)), "{broker}");
    assert_eq!(charge(&after, "ec2.m7i.large.hour"), charge(&before, "ec2.m7i.large.hour"));
    assert_eq!(estimate(&["--prices", &file]).await.0, after);
    assert_eq!(estimate(&[]).await.0, before);

    // Without a file they are kept where every later run finds them, also a plan.
    let plan = async || {
        let plan = place.run(&["plan", &shop, "--format", "json"]).await;
        serde_json::from_str::<Value>(&plan.out).unwrap()["cost"].clone()
    };
    let by_old = plan().await;
    assert_eq!((&by_old["monthly"], &by_old["change"]), (&before["monthly"], &before["monthly"]));
    estimate(&["--refresh"]).await;
    assert_eq!(estimate(&[]).await.0, after);
    assert_eq!(plan().await["monthly"], after["monthly"]);
    assert_ne!(by_old["monthly"], after["monthly"]);
    let text = place.run(&["plan", &shop]).await;
    let line = text.out.lines().last().unwrap();
    assert!(line.starts_with("Cost: about $") && line.contains("a month (+$"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_of_two_files_with_variables_is_planned_and_applied() {
    let place = Place::new().await;
    let write = |name: &str, text: &str| {
        let path = place.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let base = "[vars]\npartitions = 2\n[stack]\nname = \"two\"\nregion = \"eu-north-1\"\n[keys.main]\n[buckets.data]\n\
                [topics.events]\npartitions = \"${var.partitions}\"\n[kafka]\nauthentication = \"none\"\n";
    write("base.toml", base);
    let stack =
        write("over.toml", "extends = \"base.toml\"\nremove = [\"buckets.data\"]\n[stack]\nname = \"two-test\"\n");
    let plan = place.run(&["plan", &stack, "--var", "partitions=5", "--format", "json"]).await;
    let plan: Value = serde_json::from_str(&plan.out).unwrap_or_else(|_| panic!("{}", plan.err));
    assert_eq!(plan["stack"], "two-test");
    let steps = plan["steps"].as_array().unwrap();
    assert!(!steps.iter().any(|step| step["address"] == "bucket.data"));
    let topic = steps.iter().find(|step| step["address"] == "topic.events").unwrap();
    let partitions = topic["changes"].as_array().unwrap().iter().find(|change| change["path"] == "partitions").unwrap();
    assert_eq!(partitions["after"], 5);

    let file = place.folder.path().join("saved.plan").display().to_string();
    assert_eq!(place.run(&["plan", &stack, "--var", "partitions=5", "--out", &file]).await.code, Some(0));
    let refused = place.run(&["apply", &file, "--yes", "--var", "partitions=6"]).await;
    assert!(refused.code == Some(1) && refused.err.contains("applied as it is"), "{}", refused.err);
    let wrong = place.run(&["check", &stack, "--var", "partition=5"]).await;
    assert!(wrong.code == Some(1) && wrong.err.contains("did you mean `partitions`?"), "{}", wrong.err);
    let explained = place.run(&["explain", "topic.events", "--stack", &stack]).await;
    assert!(explained.out.contains("base.toml:8"), "{}", explained.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_that_a_plan_would_hit_are_shown_with_their_fix() {
    let place = Place::new().await;
    let shop = shop().display().to_string();
    let ec2 = place.client().ec2();
    for index in 0..5 {
        ask(ec2.create_vpc().cidr_block(format!("10.{index}.0.0/16")).send()).await.unwrap();
    }
    let check = place.run(&["check", &shop, "--quotas", "--format", "json"]).await;
    assert_eq!(check.code, Some(1), "{}", check.err);
    let standing: Value = serde_json::from_str(&check.out).unwrap();
    let of = |words: &str| standing.as_array().unwrap().iter().find(|one| one["quota"] == words).unwrap().clone();
    let vpcs = of("VPCs");
    assert_eq!(
        (&vpcs["used"], &vpcs["more"], &vpcs["limit"], &vpcs["hit"]),
        (&json!(5.0), &json!(1.0), &json!(5.0), &json!(true))
    );
    assert_eq!(of("processors of running standard instances")["more"], 6.0);
    let workers = of("processors of EMR Serverless");
    assert_eq!((&workers["used"], &workers["more"], &workers["hit"]), (&json!(0.0), &json!(16.0), &json!(false)));
    let brokers = of("MSK brokers");
    assert_eq!((&brokers["more"], &brokers["hit"], &brokers["code"]), (&json!(3.0), &json!(false), &Value::Null));
    let saved = place.folder.path().join("shop.plan").display().to_string();
    // Nobody answers the question of an apply here: what is said comes before it.
    for (line, code) in [(&["plan", &shop, "--out", &saved][..], 0), (&["apply", &shop], 1), (&["apply", &saved], 1)] {
        let said = place.run(line).await;
        let told = said.err.contains("5 of 5 VPCs are in use") && said.err.contains("--quota-code L-F678F1CE");
        assert!(told && said.code == Some(code), "{line:?}: {}", said.err);
    }
    let empty = place.folder.path().join("empty.toml");
    std::fs::write(&empty, "[stack]\nname = \"empty\"\nregion = \"eu-north-1\"\n").unwrap();
    let destroy = place.run(&["plan", &empty.display().to_string(), "--destroy"]).await;
    assert!(!destroy.err.contains("Quota"), "{}", destroy.err);
}
