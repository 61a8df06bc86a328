//! What a reviewer sees: all that decides who may do what, no secret, and nothing that others' text does by itself.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Detail, dot, json as as_json, markdown, text};
use crate::kinds;
use crate::plain;
use crate::plan::testing::{desired, kinds as fakes, live};
use crate::plan::{Action, Cause, Change, Kinds, Plan, plan};
use crate::resource::{Address, Condition, Desired, Live};
use crate::stack::{Artifact, Given, Programs, Target, expand, load};

/// The stack of `tests/back_door.toml`.
fn back_door() -> Desired {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/back_door.toml");
    let stack = load(&path, &Given::default()).unwrap_or_else(|error| panic!("{error:#}"));
    let target = Target { account: "123456789012".into(), region: "eu-north-1".into() };
    expand(&stack, &target, &Programs::everywhere(Artifact { sha256: "0".repeat(64), size: 1, file: None }))
}

fn planned(desired: &Desired, lives: &[Live]) -> Plan {
    plan(Kinds(kinds::all()), desired, lives).unwrap_or_else(|error| panic!("{error}"))
}

fn short(plan: &Plan) -> String {
    anstream::adapter::strip_str(&text(plan, Detail::Short)).to_string()
}

/// What exists of a resource that is as it is desired, but for some of its fields.
fn as_desired(desired: &Desired, address: &str, otherwise: &[(&str, Value)]) -> Live {
    let address: Address = address.parse().expect("an address");
    let resource = desired.resources.iter().find(|one| one.address == address).expect("the stack has it");
    let mut spec = resource.spec.clone();
    for (field, value) in otherwise {
        spec[*field] = value.clone();
    }
    Live {
        id: address.name.clone(),
        address,
        spec,
        observed: Value::Null,
        departures: Vec::new(),
        tags: None,
        parts: Vec::new(),
        outputs: [("arn", "arn:aws:x"), ("name", "x"), ("id", "x")].map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
        applied: None,
        whose: crate::resource::Whose::Own,
        condition: Condition::Ready,
        foreign: Vec::new(),
        holds: Vec::new(),
        is_empty: false,
    }
}

#[test]
fn who_may_do_what_stands_at_the_top_statement_by_statement() {
    let plan = planned(&back_door(), &[]);
    let (text, markdown) = (short(&plan), markdown(&plan));
    assert!(text.starts_with("Who may do what from now on:\n"), "{text}");
    assert!(markdown.contains("\n**Who may do what from now on:**\n\n```diff\n"), "{markdown}");
    for sentence in [
        "+ everybody may sts:AssumeRole\n",
        "+ it may everything but s3:NoSuch on everything\n",
        "+ it may iam:* on everything, if Bool aws:SecureTransport true\n",
        "+ it may iam:CreateAccessKey, iam:PassRole, sts:AssumeRole on everything\n",
        "+ it may do what arn:aws:iam::666666666666:policy/anything allows\n",
        "+ everybody may kms:* on everything\n",
        "+ everybody may SNS:* on everything\n",
        "+ https://example.com/(sensitive) may get what is published to it\n",
        "+ 0.0.0.0/1 may reach it by every protocol\n",
        "+ 128.0.0.0/1 may reach it by every protocol\n",
        "+ everybody may sqs:* on everything\n",
        "+ everybody may everything but s3:NoSuch on everything\n",
        "+ whoever has a token of https://token.actions.githubusercontent.com for sts.amazonaws.com may become the roles",
        "+ Federated ${oidc_provider.o.arn} may sts:AssumeRoleWithWebIdentity\n",
    ] {
        assert!(text.contains(sentence), "{sentence}: {text}");
        assert!(markdown.contains(&format!("\n{sentence}")), "{sentence}: {markdown}");
    }
    for text in [text, markdown, as_json(&plan).to_string()] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn what_changes_is_told_from_what_stays() {
    let stack = back_door();
    let role = stack.resources.iter().find(|one| one.address.name == "helper").expect("the role").spec.clone();
    let mut policies = role["policies"].clone();
    policies["p"]["Statement"][0] =
        json!({"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::a"]});
    let only = Desired {
        resources: stack.resources.iter().filter(|one| one.address.name == "helper").cloned().collect(),
        ..stack.clone()
    };
    let plan = planned(&only, &[as_desired(&stack, "role.helper", &[("policies", policies)])]);
    let text = short(&plan);
    assert!(
        text.starts_with(
            "Who may do what from now on:\n  ~ role.helper  (4 more as before)\n      - it may s3:GetObject on arn:aws:s3:::a\n      \
             + it may everything but s3:NoSuch on everything\n\n"
        ),
        "{text}"
    );
    // What says the same in another form changes nothing.
    let mut trust = role["trust"].clone();
    trust["Statement"][0]["Sid"] = json!("Everybody");
    let plan = planned(&only, &[as_desired(&stack, "role.helper", &[("trust", trust)])]);
    assert!(!plan.is_empty() && !short(&plan).contains("Who may"), "{}", short(&plan));
    // What goes takes its rights along.
    let none = Desired { resources: Vec::new(), ..stack.clone() };
    let plan = planned(&none, &[as_desired(&stack, "role.helper", &[]), as_desired(&stack, "log_group.g", &[])]);
    assert!(
        short(&plan)
            .starts_with("Who may do what from now on:\n  - role.helper\n      - it goes, and 5 rights with it\n\n")
    );
}

#[test]
fn what_is_known_of_a_reference_is_no_change() {
    let spec = |bucket: &str| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": [bucket]}]});
    let mut stack = back_door();
    stack.resources.retain(|one| ["bucket.b", "role.helper"].contains(&one.address.to_string().as_str()));
    let role = stack.resources.iter_mut().find(|one| one.address.kind == "role").expect("the role");
    role.spec["policies"] = json!({"p": spec("${bucket.b.arn}")});
    role.spec["description"] = json!("other words");
    let lives = [
        as_desired(&stack, "bucket.b", &[]),
        as_desired(
            &stack,
            "role.helper",
            &[("policies", json!({"p": spec("arn:aws:x")})), ("description", json!("words"))],
        ),
    ];
    let plan = planned(&stack, &lives);
    assert_eq!(plan.steps.len(), 1, "{}", short(&plan));
    assert!(!short(&plan).contains("Who may"), "{}", short(&plan));
    // Without the bucket the role's right is another one.
    let plan = planned(&stack, &lives[1..]);
    let text = short(&plan);
    assert!(
        text.contains("- it may s3:* on arn:aws:x\n") && text.contains("+ it may s3:* on ${bucket.b.arn}\n"),
        "{text}"
    );
}

/// A plan that creates one of a kind, of which each field has some value.
fn creating(kind: &str, changes: Vec<Change>) -> Plan {
    let network = json!({ "cidr": "10.0.0.0/16", "dns": true });
    let mut plan = plan(fakes(), &desired(&[("network.main", network)]), &[]).expect("a plan");
    plan.steps[0].address = Address::new(kind, "one");
    plan.steps[0].changes = changes;
    plan
}

#[test]
fn fields_that_are_reviewed_are_shown_in_full_of_new_resources_too() {
    let change = |field: &str| Change {
        path: field.to_owned(),
        before: Value::Null,
        after: Value::from(format!("the first line\n{}\nthe last line of {field}", "many words ".repeat(200))),
        unknown: false,
        forces_replacement: false,
        cause: Cause::File,
        tag: None,
    };
    let mut reviewed = 0;
    for kind in kinds::all() {
        let plan = creating(kind.name(), kind.fields().iter().map(|field| change(field.name)).collect());
        let (text, markdown) = (short(&plan), markdown(&plan));
        for field in kind.fields().iter().map(|field| field.name) {
            let line = format!("the last line of {field}\n");
            let is_hidden = kind.facts().is_sensitive(field);
            let is_reviewed = kind.facts().review.contains(&field);
            let shows = is_reviewed && !is_hidden;
            assert_eq!(text.contains(&line), shows, "{}.{field}: {text}", kind.name());
            assert_eq!(markdown.contains(&line), shows, "{}.{field}: {markdown}", kind.name());
            assert_eq!(markdown.contains(&format!(" {field}:")), is_reviewed, "{}.{field}: {markdown}", kind.name());
            reviewed += usize::from(shows);
        }
    }
    assert!(reviewed > 30, "{reviewed}");
}

#[test]
fn what_can_hold_a_secret_is_shown_nowhere() {
    let stack = back_door();
    let only = |names: &[&str]| Desired {
        resources: stack
            .resources
            .iter()
            .filter(|one| names.contains(&one.address.to_string().as_str()))
            .cloned()
            .collect(),
        ..stack.clone()
    };
    let mut function = only(&["function.hello", "role.function-hello", "log_group.function-hello"]);
    let hello = function.resources.iter_mut().find(|one| one.address.kind == "function").expect("the function");
    hello.spec["environment"] = json!({"SESSION": "hunter2", "LEVEL": "info"});
    let topic = only(&["sns_topic.t"]);
    let before = json!({"SESSION": "postgres://u:hunter3@db/x", "OLD": "hunter3"});
    let other = json!(["https://user:hunter3@example.com/hook"]);
    let changed = |desired: &Desired, address: &str, field: &str, before: &Value| {
        planned(desired, &[as_desired(desired, address, &[(field, before.clone())])])
    };
    let plans = [
        planned(&function, &[]),
        planned(&topic, &[]),
        changed(&function, "function.hello", "environment", &before),
        changed(&topic, "sns_topic.t", "https", &other),
    ];
    for plan in &plans {
        let full = anstream::adapter::strip_str(&text(plan, Detail::Full)).to_string();
        for said in [short(plan), full, markdown(plan), as_json(plan).to_string()] {
            assert!(!said.contains("hunter"), "{said}");
        }
    }
    assert!(short(&plans[0]).contains(r#""SESSION":"(sensitive)""#), "{}", short(&plans[0]));
    let text = short(&plans[2]);
    assert!(text.contains("environment.SESSION: (sensitive, changes)\n"), "{text}");
    assert!(text.contains("environment.LEVEL: (none) -> (sensitive)\n"), "{text}");
    assert!(text.contains("environment.OLD: (sensitive) -> (none)\n"), "{text}");
    let step = plans[2].steps.iter().position(|step| step.address.kind == "function").expect("the function changes");
    let said = as_json(&plans[2]);
    let changes = said["steps"][step]["changes"].as_array().expect("changes");
    let change = changes.iter().find(|change| change["path"] == "environment.SESSION").expect("its change");
    assert_eq!(change["sensitive"], true);
    assert_eq!((&change["before"], &change["after"]), (&json!("(sensitive)"), &json!("(sensitive)")));
    assert!(short(&plans[3]).contains("AWS asks https://example.com/(sensitive) to confirm"), "{}", short(&plans[3]));
}

/// Text as somebody writes it who means harm to whoever reads it.
fn hostile() -> impl Strategy<Value = String> {
    let parts = [
        "\x1b[2J",
        "\x1b[5A",
        "\x1b]0;pwned\x07",
        "\x1b[8m",
        "\u{9b}2J",
        "\r",
        "\n",
        "\t",
        "\u{202e}",
        "\u{2066}",
        "```",
        "`",
        "``",
        "|",
        "\"",
        "\\",
        "</details>",
        "<img src=x>",
        "@admins",
        "[x](y)",
        " ",
        "#",
        "a",
        "=",
        "$",
    ];
    prop::collection::vec(prop::sample::select(parts.to_vec()), 1..8).prop_map(|all| all.concat())
}

/// A plan in which every text of others is the one that is given.
fn of_others(text: &str) -> Plan {
    let spec = |more: &str| json!({"network": "n", "policy": format!("{text}{more}"), "rules": [{text: text, "to": [text]}, text]});
    let mut wall = live("wall.web", text, spec(""), &json!({}));
    wall.foreign = vec![text.to_owned()];
    wall.condition = Condition::Pending(text.to_owned());
    let mut failed = live("store.raw", text, json!({"name": text, "size": 1, "uses": [text]}), &json!({}));
    failed.condition = Condition::Failed(text.to_owned());
    failed.holds = vec![text.to_owned()];
    let mut gone = live("store.old", text, json!({"name": text, "size": 1}), &json!({}));
    gone.holds = vec![text.to_owned()];
    let wanted = desired(&[("wall.web", spec(" more\nlines")), ("store.raw", json!({"name": "new", "size": 2}))]);
    let mut plan = plan(fakes(), &wanted, &[wall, failed, gone]).expect("a plan");
    for step in &mut plan.steps {
        step.consequences = vec![text.to_owned()];
        step.loses.push(text.to_owned());
    }
    assert!(plan.steps.iter().any(|step| step.action == Action::Update) && plan.count(Action::Delete) == 1);
    plan
}

/// What of Markdown is neither in a block of code nor in a span of code.
fn outside_of_code(markdown: &str) -> String {
    let (mut out, mut fence) = (String::new(), None);
    for line in markdown.lines() {
        let ticks = line.chars().take_while(|c| *c == '`').count();
        match fence {
            Some(length) if ticks >= length && line.chars().all(|c| c == '`') => fence = None,
            None if ticks >= 3 => fence = Some(ticks),
            Some(_) => {}
            None => {
                let mut rest = line;
                while let Some(at) = rest.find('`') {
                    out.push_str(&rest[..at]);
                    rest = &rest[at..];
                    let length = rest.chars().take_while(|c| *c == '`').count();
                    let runs: Vec<(usize, usize)> = runs(&rest[length..]);
                    let end = runs.into_iter().find(|(_, run)| *run == length).map(|(at, _)| length + at + length);
                    rest = &rest[end.unwrap_or(length)..];
                }
                out.push_str(rest);
                out.push('\n');
            }
        }
    }
    assert_eq!(fence, None, "a block of code doesn't end: {markdown}");
    out
}

/// The runs of backticks in a text: where each begins, and its length.
fn runs(text: &str) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (at, _) in text.match_indices('`') {
        match found.last_mut() {
            Some((start, length)) if *start + *length == at => *length += 1,
            _ => found.push((at, 1)),
        }
    }
    found
}

proptest! {
    #[test]
    fn text_of_others_acts_nowhere(other in hostile()) {
        let plan = of_others(&other);
        for detail in [Detail::Short, Detail::Full] {
            let shown = text(&plan, detail);
            prop_assert_eq!(plain::styled(&shown), shown.as_str());
        }
        let shown = markdown(&plan);
        prop_assert_eq!(plain::lines(&shown), shown.as_str());
        let prose = outside_of_code(&shown).replace("</details>\n", "");
        for harm in ["<img", "@admins", "](y)", "</details>"] {
            prop_assert!(!prose.contains(harm), "{harm}: {prose}");
        }
        for row in shown.lines().filter(|line| line.starts_with("| ")) {
            prop_assert_eq!(row.matches('|').count(), 5, "{}", row);
        }
        let shown = dot(&plan, false);
        prop_assert_eq!(plain::lines(&shown), shown.as_str());
        let shown = plain::json(&serde_json::to_string_pretty(&as_json(&plan)).expect("JSON")).into_owned();
        prop_assert_eq!(plain::lines(&shown), shown.as_str());
        prop_assert_eq!(serde_json::from_str::<Value>(&shown).expect("JSON"), as_json(&plan));
    }
}
