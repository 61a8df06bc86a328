//! The stream agent's work on Spark: what it stands for, and what Spark would do otherwise than the agent.

use std::path::Path;

use lakewright_config::StreamConfig;

use super::{expanded, mistakes, parsed, spec};
use crate::resource::Address;
use crate::stack::{Artifact, Diagnostics, Programs, Target, expand, unmade, unprogrammed};

/// A stack without hosts whose stream is Spark's.
const STACK: &str = r#"[stack]
name = "tiny"

[network]
subnets = "private"

[kafka]

[keys.main]

[topics.facts]

[buckets.raw]

[tables.sales]
topic = "facts"
format = "json"
key = ["id"]
columns = { id = "string", amount = "decimal(12,2)" }

[alarms]
email = ["ops@example.com"]

[agents.stream]
engine = "spark"
"#;

fn with(more: &str) -> String {
    format!("{STACK}{more}")
}

#[test]
fn an_application_a_role_and_a_run_do_the_agents_work() {
    let desired = expanded(&parsed(&with(
        "[agents.stream.spark]\nexecutors = 4\nmax_vcpu = 48\nsettings = { \"spark.executor.cores\" = 8, \"spark.executor.memory\" = \"54g\" }\n",
    )));
    let application = spec(&desired, "emr_application.stream-spark");
    assert_eq!(application["name"], "tiny-stream-spark");
    // As the file says, else what a driver and four executors take.
    let capacity = &application["max_capacity"];
    assert_eq!(capacity, &serde_json::json!({ "vcpu": 48, "memory_gb": 16 + 4 * 60, "disk_gb": 100 }));
    assert_eq!(application["security_groups"][0], "${security_group.stream-spark.id}");
    assert_eq!(application["subnets"][0], "${subnet.private-a.id}");

    let run = spec(&desired, "job_run.stream");
    assert_eq!(run["application"], "${emr_application.stream-spark.id}");
    assert_eq!(run["execution_role"], "${role.stream-spark.arn}");
    assert_eq!(run["entry_point"], "${release.stream-spark.url}");
    let config = "s3://tiny-artifacts-123456789012/hosts/stream-spark/stream.json";
    assert_eq!(run["arguments"], serde_json::json!(["--config", config]));
    let parameters = run["spark_parameters"].as_str().expect("parameters");
    for part in [
        "--class lakewright.stream.Main ",
        "--conf spark.executor.instances=4",
        "--conf spark.executor.cores=8",
        "--conf spark.sql.catalog.glue.client.region=eu-north-1",
        // A change of the application is one of the run.
        "--conf spark.lakewright.application=${emr_application.stream-spark.settings}",
    ] {
        assert!(parameters.contains(part), "{part}: {parameters}");
    }
    assert_eq!(spec(&desired, "release.stream-spark")["program"], "lakewright-stream.jar");

    // It begins when its tables and topics are there.
    let run = desired.resources.iter().find(|one| one.address == Address::new("job_run", "stream")).expect("a run");
    for before in ["table.sales", "table.dead_letters", "topic.facts", "object.stream-spark", "route_table.private-a"] {
        assert!(run.after.contains(&before.parse().expect("an address")), "{before}: {:?}", run.after);
    }

    let content = spec(&desired, "object.stream-spark")["content"].as_str().expect("content");
    let config: StreamConfig = serde_json::from_str(content).expect("the agent's configuration");
    assert_eq!((config.tables.len(), config.group.as_str()), (1, "tiny-stream"));
    let watch = config.watch.expect("the stack has alarms");
    assert_eq!((watch.log_group.as_str(), watch.stack.as_str()), ("/lakewright/tiny/stream", "tiny"));
    assert_eq!(spec(&desired, "log_group.stream")["name"], "/lakewright/tiny/stream");

    let role = spec(&desired, "role.stream-spark");
    let trust = role["trust"].to_string();
    assert!(trust.contains("emr-serverless.amazonaws.com") && trust.contains("aws:SourceAccount"), "{trust}");
    let policies = role["policies"].to_string();
    for part in [
        "/raw/sales/*",
        "kafka-cluster:ReadData",
        "/releases/*",
        "/hosts/stream-spark/*",
        "logs/stream/*",
        "logs:PutLogEvents",
    ] {
        assert!(policies.contains(part), "{part}: {policies}");
    }

    let brokers = spec(&desired, "security_group.kafka")["ingress"].to_string();
    assert!(brokers.contains("${security_group.stream-spark.id}"), "{brokers}");
    // It reports as the agent does, and has the agent's alarms.
    let alarm = |name: &str| desired.resources.iter().find(|one| one.address == Address::new("alarm", name));
    for name in ["stream-silent", "stream-errors", "stream-lag", "stream-dead-letters", "stream-quarantined"] {
        let alarm = alarm(name).unwrap_or_else(|| panic!("no alarm {name}"));
        assert!(alarm.after.contains(&Address::new("job_run", "stream")), "{:?}", alarm.after);
    }
    let advice = spec(&desired, "alarm.stream-quarantined")["description"].as_str().expect("advice").to_owned();
    assert!(advice.contains("A topic of") && !advice.contains("last_error") && !advice.contains("  "), "{advice}");
    let advice = spec(&desired, "alarm.stream-silent")["description"].as_str().expect("advice").to_owned();
    assert!(advice.contains("`lakewright apply` starts it where the tables are") && !advice.contains("  "), "{advice}");
}

#[test]
fn workers_reach_the_registries_of_their_tables() {
    let text =
        STACK.replace("format = \"json\"\n", "format = \"avro\"\nregistry = \"https://registry.example.com:8081\"\n");
    let egress = spec(&expanded(&parsed(&text)), "security_group.stream-spark")["egress"].clone();
    let ports: Vec<u64> =
        egress.as_array().expect("rules").iter().filter_map(|one| one["from_port"].as_u64()).collect();
    assert!(ports.contains(&8081) && ports.contains(&443) && ports.contains(&9098), "{ports:?}");
}

#[test]
fn with_an_own_user_the_run_logs_in_as_the_agent_would() {
    let text = STACK.replace("[kafka]\n", "[kafka]\nauthentication = \"scram\"\n");
    let desired = expanded(&parsed(&text));
    assert_eq!(spec(&desired, "secret.stream")["username"], "tiny-stream");
    let policies = spec(&desired, "role.stream-spark")["policies"].to_string();
    assert!(policies.contains("${secret.stream.arn}"), "{policies}");
}

#[test]
fn what_spark_would_do_otherwise_is_refused() {
    let table = |lines: &str| STACK.replace("format = \"json\"\n", lines);
    for (text, part) in [
        (table("format = \"debezium\"\n"), "Spark's job can't fill the table `sales`: `format`"),
        (table("format = \"json\"\nkafka = [\"timestamp\"]\n"), "table `sales`: `kafka`"),
        (table("format = \"json\"\nunknown = \"keep\"\n"), "table `sales`: `unknown`"),
        (table("format = \"json\"\nunknown = \"evolve\"\n"), "table `sales`: `unknown`"),
        (table("format = \"json\"\nsink = \"parquet\"\n"), "table `sales`: `sink`"),
        (table("format = \"json\"\non_tombstone = \"row\"\nkafka = [\"key\"]\n"), "table `sales`: `on_tombstone`"),
        (STACK.replace("id = \"string\"", "tags = \"list<string>\", id = \"string\""), "table `sales`: `tags`"),
        (with("on_reject = \"stop\"\n"), "doesn't stop a partition"),
        (with("maintenance = \"agent\"\n"), "nobody would maintain the raw tables"),
        (STACK.replace("subnets = \"private\"", "subnets = \"public\""), "from public subnets"),
        (with("[hosts.app]\nagents = [\"stream\"]\n"), "`app` would run the stream agent beside Spark"),
        (with("[hosts.stream-spark]\n"), "name taken by Lakewright's own"),
        (STACK.replace("[kafka]\n", "[kafka]\ntype = \"serverless\"\n"), "nobody would make the topic `facts`"),
        (with("[agents.stream.spark]\nrelease = \"emr-7.0.0\"\n"), "the job doesn't run on the release"),
        (with("[agents.stream.spark]\nrelease = \"emr-8.0.0\"\n"), "the job doesn't run on the release"),
        (with("[agents.stream.spark]\nrelease = \"7.9\"\n"), "the job doesn't run on the release"),
        (
            with("[agents.stream.spark]\nexecutors = 4\nmax_vcpu = 16\n"),
            "take 20 virtual processors, and the application has 16",
        ),
        (with("[agents.stream.spark]\nmax_memory_gb = 32\n"), "take 48 GB of memory, and the application has 32"),
        (with("[agents.stream.spark]\nexecutors = 9\nmax_disk_gb = 100\n"), "take 200 GB of disk"),
        (
            with("[agents.stream.spark]\nsettings = { \"spark.executor.cores\" = \"18446744073709551615\" }\n"),
            "no executor of",
        ),
        (with("[agents.stream.spark]\nsettings = { \"spark.driver.memory\" = \"much\" }\n"), "no driver of EMR"),
        (with("[agents.stream.spark]\nsettings = { \"spark.hadoop.fs.s3a.secret.key\" = \"x\" }\n"), "EMR.secret@ARN"),
        (with("[agents.stream.spark]\nsettings = { \"spark.lakewright.application\" = \"x\" }\n"), "write `executors`"),
        (with("[agents.stream.spark]\nlog_prefix = \"hosts/x\"\n"), "Lakewright's own"),
        (with("[agents.stream.spark]\nsettings = { \"spark.executor.instances\" = 3 }\n"), "write `executors`"),
        (with("[agents.stream.spark]\nsettings = { \"executor.cores\" = 3 }\n"), "names begin with `spark.`"),
        (with("[agents.stream.spark]\nsettings = { \"spark.a\" = \"b c\" }\n"), "can't be handed on"),
        (STACK.replace("engine = \"spark\"", "spark = { executors = 2 }"), "has no use while the agent does the work"),
        (STACK.replace("engine = \"spark\"", "engine = \"flink\""), "`spark`"),
    ] {
        let said = mistakes(&text, &[]);
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(mistakes(STACK, &[]), "no mistakes");
    // Without Spark the name is anybody's.
    let agent =
        STACK.replace("engine = \"spark\"", "engine = \"agent\"") + "[hosts.stream-spark]\nagents = [\"stream\"]\n";
    assert_eq!(mistakes(&agent, &[]), "no mistakes");
}

#[test]
fn a_network_without_a_way_out_has_what_the_workers_call() {
    let said = mistakes(&STACK.replace("subnets = \"private\"", "subnets = \"private\"\nnat = \"none\""), &[]);
    for service in ["`glue`: the stream agent commits", "`sts`: ", "`logs`: "] {
        assert!(said.contains(service), "{service}: {said}");
    }
}

#[test]
fn only_the_setting_that_is_wrong_is_said_to_be() {
    let settings = "settings = { \"spark.driver.cores\" = 8, \"spark.driver.memory\" = \"much\" }";
    let said = mistakes(&with(&format!("[agents.stream.spark]\n{settings}\n")), &[]);
    assert!(said.contains("`spark.driver.memory = much`") && !said.contains("`spark.driver.cores"), "{said}");
}

#[test]
fn a_build_runs_the_job_that_is_published() {
    let pipeline = "[pipeline]\nrepository = \"octocat/shop\"\nstack = \"stacks/shop.toml\"\n\
                    connection = \"arn:aws:codeconnections:eu-north-1:123456789012:connection/a\"\n";
    let stack = parsed(&with(pipeline));
    let target = Target { account: "123456789012".into(), region: "eu-north-1".into() };
    // Whoever has no file of it plans the same build.
    let desired = expand(&stack, &target, &Programs::default());
    let build = spec(&desired, "build_project.pipeline-plan")["buildspec"].as_str().expect("text").to_owned();
    for part in [
        "--key ${release.stream-spark.key}",
        "${release.stream-spark.sha256}  $LAKEWRIGHT_PROGRAMS/lakewright-stream.jar",
        "export LAKEWRIGHT_STREAM_JOB=",
    ] {
        assert!(build.contains(part), "{part}: {build}");
    }
}

#[test]
fn a_stack_whose_job_was_not_made_says_how_it_is() {
    let stack = parsed(STACK);
    let (address, lacking) = unmade(&stack, &Programs::default()).expect("there is none");
    assert_eq!(address, Address::new("release", "stream-spark"));
    let said = Diagnostics::new(stack.sources.clone(), vec![lacking]).render(false);
    assert!(said.contains("there is no stream job for Spark") && said.contains("make stream-spark"), "{said}");
    // Who reads or destroys the stack needs none.
    assert!(unprogrammed(&stack, &Programs::default()).is_empty());
    let job = Artifact { sha256: "a".repeat(64), size: 9, file: Some("job.jar".to_owned()) };
    let programs = Programs { stream_job: Some(job), ..Programs::default() };
    assert!(unmade(&stack, &programs).is_none());
    let target = Target { account: "123456789012".into(), region: "eu-north-1".into() };
    let desired = expand(&stack, &target, &programs);
    assert_eq!(spec(&desired, "release.stream-spark")["sha256"], "a".repeat(64));
}

#[test]
fn the_shipped_stacks_stream_on_spark_where_they_can() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacks/minimal.toml"));
    let text = text.expect("the smallest stack is shipped");
    let said = mistakes(&format!("{text}\n[agents.stream]\nengine = \"spark\"\n"), &[]);
    assert_eq!(said.matches("error: ").count(), 2, "{said}");
}
