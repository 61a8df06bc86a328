//! What hosts, jobs and builds run: who may write it, and what is known of it before it runs.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::shipped::stacks_of_the_repository;
use super::{HOSTS, expanded, mistakes, parsed, spec};
use crate::names::CODE;
use crate::resource::Desired;
use crate::stack::{Artifact, Given, Programs, Target, expand, load};

const BUCKET: &str = "shop-artifacts-123456789012";

/// A host with an agent, a branch that applies, a pipeline that applies.
fn with(deployers: &str) -> Desired {
    let pipeline = "[pipeline]\nrepository = \"octocat/shop\"\nstack = \"stacks/shop.toml\"\n\
                    connection = \"arn:aws:codeconnections:eu-north-1:123456789012:connection/a\"\n";
    let stack = format!("[stack]\n{deployers}");
    expanded(&parsed(&format!("{}\n{pipeline}", HOSTS.replacen("[stack]\n", &stack, 1))))
}

fn refused(desired: &Desired) -> Option<Value> {
    let statements = spec(desired, "bucket.artifacts")["policy"]["Statement"].clone();
    statements.as_array().expect("a list").iter().find(|one| one["Sid"] == "CodeByDeployers").cloned()
}

#[test]
fn code_is_written_by_those_who_apply_and_nobody_else() {
    assert_eq!(refused(&with("")), None);
    let statement = refused(&with("deployers = [\"role/deployer\", \"arn:aws:iam::999999999999:user/anna\"]\n"));
    let statement = statement.expect("a statement");
    assert_eq!((&statement["Effect"], &statement["Principal"]), (&json!("Deny"), &json!("*")));
    for action in ["s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"] {
        assert!(statement["Action"].as_array().expect("a list").contains(&json!(action)), "{action}");
    }
    // Whoever is shut out by mistake may still change the policy.
    assert!(!statement["Action"].to_string().contains("Policy"));
    let folders: Vec<String> = CODE.iter().map(|folder| format!("arn:aws:s3:::{BUCKET}/{folder}/*")).collect();
    assert_eq!(statement["Resource"], json!(folders));
    let mut allowed: Vec<&str> = statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    allowed.sort_unstable();
    assert_eq!(
        allowed,
        [
            "arn:aws:iam::123456789012:role/deployer",
            "arn:aws:iam::123456789012:role/lakewright/shop/shop-ci",
            "arn:aws:iam::123456789012:role/lakewright/shop/shop-pipeline-apply",
            "arn:aws:iam::123456789012:role/shop-ci",
            "arn:aws:iam::123456789012:role/shop-pipeline-apply",
            "arn:aws:iam::123456789012:root",
            "arn:aws:iam::999999999999:user/anna",
        ]
    );
    // Pipelines alone, said on purpose.
    assert!(refused(&with("deployers = []\n")).is_some_and(|one| !one.to_string().contains("role/deployer")));
    assert!(!spec(&with("deployers = []\n"), "bucket.raw").to_string().contains("CodeByDeployers"));
}

#[test]
fn deployers_are_named_so_that_somebody_can_apply_and_not_everybody() {
    let found = |line: &str| mistakes(&format!("[stack]\nname = \"shop\"\n{line}\n"), &[]);
    assert_eq!(found("deployers = [\"role/deployer\"]"), "no mistakes");
    for (line, told) in [
        ("deployers = []", "nobody could apply the stack"),
        ("deployers = [\"role/*\"]", "would let everybody in"),
        ("deployers = [\"deployer\"]", "neither a role nor a user"),
        ("deployers = [\"arn:aws:iam::*:role/deployer\"]", "no ARN of IAM in an account"),
    ] {
        let text = found(line);
        assert!(text.contains(told) && text.contains("test.toml:3"), "{line}:\n{text}");
    }
}

/// Whether a pattern of a policy covers a text.
fn covers(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| covers(rest, &text[at..]))
        }),
    }
}

#[test]
fn no_role_but_a_deployers_may_write_code_or_read_parameters() {
    for path in stacks_of_the_repository() {
        let stack = load(&path, &Given::default()).unwrap_or_else(|error| panic!("{error:#}"));
        let desired = expanded(&stack);
        let bucket = spec(&desired, "bucket.artifacts")["name"].as_str().expect("a name").to_owned();
        let code = CODE.map(|folder| format!("arn:aws:s3:::{bucket}/{folder}/x"));
        let roles = desired.resources.iter().filter(|one| one.address.kind == "role");
        for role in roles.filter(|one| !["ci", "pipeline-apply"].contains(&one.address.name.as_str())) {
            let (path, address) = (path.display(), &role.address);
            // AWS's own name no resource of anybody's.
            let attached = role.spec["attached_policies"].to_string();
            assert!(!attached.contains(":iam::aws:"), "{path}: {address}: {attached}");
            let documents = desired
                .resources
                .iter()
                .filter(|one| one.address.kind == "managed_policy" && attached.contains(&one.address.output("arn")));
            let policies = role.spec["policies"].as_object().expect("policies by name").values();
            let policies = policies.chain(documents.map(|one| &one.spec["document"]));
            let statements = policies.flat_map(|policy| policy["Statement"].as_array().expect("a list"));
            for statement in statements.filter(|one| one["Effect"] == "Allow") {
                let covered = |member: &str, text: &str| {
                    let all = statement[member].as_array().into_iter().flatten().filter_map(Value::as_str);
                    all.clone().any(|pattern| covers(pattern, text))
                };
                let may = |action: &str, place: &str| covered("Action", action) && covered("Resource", place);
                // Others' parameters don't carry the stack's tag; whoever plans reads the stack's own.
                let of_the_stack =
                    statement["Condition"]["StringEquals"]["aws:ResourceTag/lakewright:stack"].is_array();
                let parameter = "arn:aws:ssm:eu-north-1:123456789012:parameter/theirs";
                for action in ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"] {
                    assert!(of_the_stack || !may(action, parameter), "{path}: {address}: {statement}");
                }
                for place in &code {
                    let writes = ["s3:PutObject", "s3:DeleteObject"].iter().any(|action| may(action, place));
                    assert!(!writes, "{path}: {address}: {statement}");
                }
            }
        }
    }
}

#[test]
fn what_ships_never_erases_and_who_runs_nothing_reads_no_code() {
    let desired = expanded(&super::shipped("shop.toml"));
    let policies = |address: &str| spec(&desired, address)["policies"].to_string();
    assert!(policies("role.app").contains("shop-backup-123456789012/es_events/*"));
    assert!(!policies("role.app").contains("s3:DeleteObject"));
    // The search host publishes whom the shipper trusts, and nothing else.
    let host = &spec(&desired, "role.search")["policies"]["host"]["Statement"];
    let on_objects = host.as_array().expect("a list").iter().filter(|one| one["Action"].to_string().contains("s3:"));
    let on_objects: Vec<&Value> = on_objects.map(|one| &one["Resource"]).collect();
    assert_eq!(on_objects, [&json!(["arn:aws:s3:::shop-artifacts-123456789012/search/authority.pem"])]);
    let jobs = &spec(&desired, "role.batch-jobs")["policies"]["models"]["Statement"];
    let of =
        |sid: &str| jobs.as_array().expect("a list").iter().find(|one| one["Sid"] == sid).expect(sid)["Action"].clone();
    assert!(of("Logs").to_string().contains("s3:PutObject") && !of("Logs").to_string().contains("s3:DeleteObject"));
    assert!(of("Warehouse").to_string().contains("s3:DeleteObject"));
}

#[test]
fn hosts_answer_for_their_credentials_to_nobody_behind_them() {
    let desired = expanded(&super::shipped("shop.toml"));
    for template in desired.resources.iter().filter(|one| one.address.kind == "launch_template") {
        assert_eq!(template.spec["metadata_hop_limit"], 1, "{}", template.address);
        assert_eq!(template.spec["metadata_tokens_required"], true, "{}", template.address);
    }
}

#[test]
fn what_agents_and_jobs_write_stays_out_of_code_results_and_plans() {
    let found = |line: &str| {
        let (section, line) = line.split_once(": ").expect("a section and its lines");
        mistakes(&format!("[stack]\nname = \"shop\"\n[buckets.artifacts]\n[{section}]\n{line}\n"), &[])
    };
    let taken = "of the bucket `artifacts` is Lakewright's own";
    let backup = "agents.shipper: backup_bucket = \"artifacts\"\nbackup_prefix = ";
    for (line, told) in [
        ("agents.batch: log_prefix = \"hosts\"".to_owned(), "`hosts/` of the bucket `results` is Lakewright's own"),
        ("agents.batch: log_prefix = \"athena/logs\"".to_owned(), "of the bucket `results` is Lakewright's own"),
        (format!("{backup}\"athena\""), taken),
        ("agents.batch: log_prefix = \"*\"".to_owned(), "`log_prefix` can't hold `*`"),
        ("agents.batch: log_prefix = \"h?sts\"".to_owned(), "`log_prefix` can't hold `?`"),
        ("agents.batch: log_prefix = \"a/../hosts\"".to_owned(), "begins with a dot"),
        ("agents.batch: log_prefix = \"logs/\"".to_owned(), "`log_prefix` makes folders without a name"),
        ("agents.batch: log_prefix = \"\"".to_owned(), "`log_prefix` makes folders without a name"),
        (format!("{backup}\"releases\""), taken),
        (format!("{backup}\".hidden\""), "begins with a dot"),
        (format!("{backup}\"models/x\""), taken),
        ("agents.producer: log_file = \"../../../x.log\"".to_owned(), "`../../../x.log` is no file name"),
        ("agents.producer: log_file = \"..\"".to_owned(), "`..` is no file name"),
        ("agents.producer: log_file = \"\"".to_owned(), "is no file name"),
        ("agents.stream: group = \"*\"".to_owned(), "`*` is no name of a consumer group"),
        ("agents.shipper: group = \"a?\"".to_owned(), "`a?` is no name of a consumer group"),
        (
            "buckets.raw: access_logs = \"artifacts\"\naccess_logs_prefix = \"h\"".to_owned(),
            "access logs would get into `hosts/`",
        ),
        ("buckets.models: access_logs = \"artifacts\"".to_owned(), "access logs would get into `models/`"),
        (
            "buckets.raw: access_logs = \"artifacts\"\naccess_logs_prefix = \"*\"".to_owned(),
            "access logs can't begin with `*`",
        ),
    ] {
        let text = found(&line);
        assert!(text.contains(told) && text.matches("error: ").count() == 1, "{line}:\n{text}");
    }
    for fine in [
        "agents.batch: log_prefix = \"logs/batch\"",
        "agents.batch: log_prefix = \"hosts2\"",
        "agents.producer: log_file = \"shop-2.log\"",
        "buckets.raw: access_logs = \"artifacts\"",
        "agents.stream: group = \"team:orders\"",
    ] {
        assert_eq!(found(fine), "no mistakes", "{fine}");
    }
    // In a bucket of its own a backup meets no code.
    let own = "[stack]\nname = \"shop\"\n[buckets.backup]\n[agents.shipper]\nbackup_prefix = \"models\"\n";
    assert_eq!(mistakes(own, &[]), "no mistakes");
}

const PIPED: &str = r#"[stack]
name = "piped"

[pipeline]
repository = "octocat/shop"
connection = "arn:aws:codeconnections:eu-north-1:123456789012:connection/a"
stack = "stacks/shop.toml"
"#;

/// The commands of a build, in their order.
fn commands(desired: &Desired, project: &str) -> Vec<String> {
    let buildspec = spec(desired, project)["buildspec"].as_str().expect("text").to_owned();
    let commands = buildspec.lines().filter_map(|line| line.strip_prefix("      - "));
    commands.map(|text| serde_json::from_str(text).expect("a text as in JSON")).collect()
}

/// Stands for the AWS command line: the one call that builds make of it, answered from a folder.
const AWS: &str = r#"#!/bin/sh
[ "$1 $2 $3 $4" = "s3api get-object --bucket piped-artifacts-123456789012" ] || exit 91
[ "$5 $6 $7" = "--expected-bucket-owner 123456789012 --key" ] || exit 92
cp "$STORE/$8" "$9"
"#;
const PROGRAM: &str = "#!/bin/sh\necho \"$@\" >>\"$SAID\"\n";

#[test]
fn a_build_runs_what_was_published_and_nothing_else() {
    let sha256 = hex::encode(Sha256::digest(PROGRAM));
    let own = Artifact { sha256: sha256.clone(), size: PROGRAM.len() as u64, file: Some("/bin/lakewright".into()) };
    let programs = Programs { lakewright: Some(own), ..Programs::default() };
    let target = Target { account: "123456789012".into(), region: "eu-north-1".into() };
    let desired = expand(&parsed(PIPED), &target, &programs);
    let release = spec(&desired, "release.lakewright");
    assert_eq!((&release["program"], &release["sha256"]), (&json!("lakewright"), &json!(sha256)));

    let place = tempfile::tempdir().expect("a folder");
    let path = |name: &str| place.path().join(name);
    let write = |name: &str, text: &str| {
        std::fs::create_dir_all(path(name).parent().expect("a folder")).expect("made");
        std::fs::write(path(name), text).expect("written");
    };
    write("bin/aws", AWS);
    let key = format!("store/releases/{sha256}/lakewright");
    write(&key, PROGRAM);
    // What somebody put beside it by the names that a build's shell looks for.
    write("store/pipeline/aws", "#!/bin/sh\nexit 0\n");
    assert!(Command::new("chmod").arg("+x").arg(path("bin/aws")).status().expect("chmod").success());
    let build = |project: &str| {
        let said = path("said");
        _ = std::fs::remove_file(&said);
        let own = std::env::var("PATH").expect("a path");
        let done = Command::new("bash")
            .args(["-e", "-c", &commands(&desired, project).join("\n")])
            .current_dir(place.path())
            .env("PATH", format!("{}:{own}", path("bin").display()))
            .env("STORE", path("store"))
            .env("SAID", &said)
            .env("TMPDIR", place.path())
            .env("CODEBUILD_SRC_DIR_Plan", "plans")
            .output()
            .expect("bash");
        (done.status.success(), std::fs::read_to_string(&said).unwrap_or_default())
    };
    let (fine, said) = build("build_project.pipeline-plan");
    assert!(fine && said.starts_with("plan stacks/shop.toml --out stack.plan\nshow stack.plan"), "{said}");
    let (fine, said) = build("build_project.pipeline-apply");
    assert!(fine && said.starts_with("apply plans/stack.plan"), "{said}");

    write(&key, &PROGRAM.replace("echo", "echo tampered"));
    for project in ["build_project.pipeline-plan", "build_project.pipeline-apply"] {
        assert_eq!(build(project), (false, String::new()), "{project}");
    }
    std::fs::remove_file(path(&key)).expect("removed");
    assert_eq!(build("build_project.pipeline-plan"), (false, String::new()));
}

#[test]
fn builds_get_the_agents_of_the_hosts_by_their_hashes() {
    let arm = "1".repeat(64);
    let programs = Programs {
        arm64: Some(Artifact { sha256: arm.clone(), size: 1, file: None }),
        ..Programs::everywhere(Artifact { sha256: "2".repeat(64), size: 1, file: None })
    };
    let target = Target { account: "123456789012".into(), region: "eu-north-1".into() };
    let stack = |hosts: &str| {
        let sections = PIPED.split_once("[pipeline]").expect("a pipeline").1;
        let text = HOSTS.split_once("[ci]").expect("a branch").0;
        expand(&parsed(&format!("{text}{hosts}[pipeline]{sections}")), &target, &programs)
    };
    let text = |desired: &Desired| commands(desired, "build_project.pipeline-plan").join("\n");
    // The only hosts with an agent have Graviton processors.
    let one = text(&stack(""));
    assert!(
        one.contains(&format!("--key releases/arm64/{arm}/lakewright-agent \"$LAKEWRIGHT_PROGRAMS/lakewright-agent\""))
    );
    assert!(!one.contains("LAKEWRIGHT_OTHER_AGENT"));
    let both = text(&stack("[hosts.more]\nagents = [\"stream\"]\n"));
    let first = format!("--key releases/{}/lakewright-agent \"$LAKEWRIGHT_PROGRAMS/lakewright-agent\"", "2".repeat(64));
    assert!(both.contains(&first), "{both}");
    assert!(both.contains("export LAKEWRIGHT_OTHER_AGENT=\"$LAKEWRIGHT_PROGRAMS/lakewright-other-agent\""), "{both}");
    assert!(!both.contains("--recursive") && !both.contains("/usr/local/bin"), "{both}");

    let own = PIPED.to_owned() + "install = [\"pip install lakewright==1.0\"]\n";
    let desired = expand(&parsed(&own), &target, &Programs::default());
    assert_eq!(
        commands(&desired, "build_project.pipeline-plan")[..2],
        ["pip install lakewright==1.0", "lakewright plan 'stacks/shop.toml' --out stack.plan",]
    );
    assert!(desired.resources.iter().all(|one| one.address.kind != "release"));
}

#[test]
fn a_pipeline_without_a_program_for_its_builds_is_refused_with_the_way_out() {
    let stack = parsed(PIPED);
    let told = |programs: &Programs| -> String {
        let found = crate::stack::unprogrammed(&stack, programs);
        found.into_iter().map(|one| format!("{} {}", one.title, one.help.join(" "))).collect()
    };
    let text = told(&Programs::default());
    assert!(text.contains("x86_64 processors of the pipeline's builds") && text.contains("--program FILE"), "{text}");
    let own = Artifact { sha256: "0".repeat(64), size: 1, file: None };
    assert_eq!(told(&Programs { lakewright: Some(own), ..Programs::default() }), "");
}

#[test]
fn the_stack_in_earnest_says_who_applies_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacks/production.toml");
    let stack = load(&path, &Given::default()).unwrap_or_else(|error| panic!("{error:#}"));
    let desired = expanded(&stack);
    assert!(refused(&desired).is_some());
    let found = crate::checks::findings(&desired, &crate::app::allowed(&stack));
    let open: Vec<_> = found.iter().filter(|one| one.rule.name == "code-prefixes-open").collect();
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn what_was_approved_is_what_is_applied() {
    let target = Target { account: "123456789012".into(), region: "eu-north-1".into() };
    let desired = expand(&parsed(PIPED), &target, &Programs::default());
    let buildspec = spec(&desired, "build_project.pipeline-plan")["buildspec"].as_str().expect("text").to_owned();
    assert!(
        buildspec.starts_with("version: 0.2\nenv:\n  exported-variables:\n    - PLAN_SHA256\nphases:\n"),
        "{buildspec}"
    );
    let planning = commands(&desired, "build_project.pipeline-plan");
    let at = |part: &str| planning.iter().position(|command| command.contains(part)).expect(part);
    assert!(at(" plan ") < at("sha256sum stack.plan") && at("sha256sum stack.plan") < at(" show "), "{planning:?}");
    let place = tempfile::tempdir().expect("a folder");
    std::fs::write(place.path().join("stack.plan"), "the plan").expect("written");
    let script = format!("{}\nprintf %s \"$PLAN_SHA256\"", planning[at("sha256sum stack.plan")]);
    let said = Command::new("bash").args(["-e", "-c", &script]).current_dir(place.path()).output().expect("bash");
    assert_eq!(String::from_utf8(said.stdout).expect("text"), hex::encode(Sha256::digest("the plan")));

    let applying = commands(&desired, "build_project.pipeline-apply");
    let apply = applying.last().expect("a command");
    assert!(apply.ends_with("/stack.plan\" --expect-sha256 \"$PLAN_SHA256\" --yes"), "{apply}");
    let stages = &spec(&desired, "pipeline.main")["stages"];
    let action = |stage: usize| &stages[stage]["actions"][0];
    assert_eq!(action(1)["namespace"], "Plan");
    let asked = action(2)["configuration"]["CustomData"].as_str().expect("text");
    assert!(asked.contains("SHA-256 is #{Plan.PLAN_SHA256}") && asked.len() < 1000, "{asked}");
    let given = r##"[{"name":"PLAN_SHA256","value":"#{Plan.PLAN_SHA256}","type":"PLAINTEXT"}]"##;
    assert_eq!(action(3)["configuration"]["EnvironmentVariables"], given);
}

#[test]
fn who_plans_puts_nothing_in_the_place_of_the_source() {
    let target = Target { account: "123456789012".into(), region: "eu-north-1".into() };
    let desired = expand(&parsed(PIPED), &target, &Programs::default());
    let puts = |role: &str| -> Vec<String> {
        let statements = spec(&desired, role)["policies"]["build"]["Statement"].as_array().expect("a list").clone();
        let puts = statements.iter().filter(|one| one["Action"].to_string().contains("\"s3:PutObject\""));
        puts.map(|one| one["Resource"].to_string()).collect()
    };
    let own = puts("role.pipeline-plan");
    assert!(own.len() == 1 && own[0].ends_with("-pipeline/Plan/*\"]"), "{own:?}");
    assert_eq!(puts("role.pipeline-apply"), [""; 0]);
}
