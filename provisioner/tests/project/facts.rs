//! What generic code knows of a kind stands in the kind's own file: its facts, and nowhere its name.

use std::collections::BTreeSet;
use std::path::Path;

use crate::sources::{self, module};
use lakewright::kind::{Billing, Facts, Quota};
use lakewright::{kinds, permissions};

/// The modules that treat all kinds alike.
const GENERIC: &[&str] = &[
    "plan",
    "apply",
    "app",
    "cli",
    "render",
    "lease",
    "sweep",
    "record",
    "whose",
    "cost",
    "quotas",
    "permissions",
    "names",
];

/// Texts of those modules that are a kind's name and mean something else: file, text, reason.
const OTHERWISE: &[(&str, &str, &str)] = &[
    ("app/deployers.rs", "bucket", "where an object stands"),
    ("app/deployers.rs", "key", "where an object stands"),
    ("app/deployers.rs", "role", "a part of IAM's ARNs"),
    ("app/desired.rs", "bucket", "the address of what hosts read their settings from"),
    ("app/run_file.rs", "secret", "a file of the data folder"),
    ("app/state.rs", "role", "what of a saved plan is another one than the file's"),
    ("cli/init/compose.rs", "table", "a member of a message, in the example that a new stack file shows"),
    ("cli/maintain.rs", "table", "the head of a column"),
    ("cli/permissions.rs", "role", "a part of IAM's ARNs"),
    ("names.rs", "pipeline", "a prefix of the artifacts bucket, and a part of names"),
    ("permissions/boundary.rs", "table", "a part of Glue's ARNs"),
    ("permissions/place.rs", "subnet", "a part of EC2's ARNs"),
    ("permissions/place.rs", "vpc", "a part of EC2's ARNs"),
    ("quotas.rs", "vpc", "a service's code in Service Quotas"),
];

#[test]
fn generic_code_names_no_kind() {
    let mut found = BTreeSet::new();
    for path in sources::paths(&sources::root()).iter().filter(|path| GENERIC.contains(&module(path).as_str())) {
        let code = sources::read(&sources::root(), path);
        let named = kinds::all().iter().map(|kind| kind.name()).filter(|name| code.contains(&format!("\"{name}\"")));
        found.extend(named.map(|name| (path.display().to_string(), name)));
    }
    let allowed: BTreeSet<(String, &str)> =
        OTHERWISE.iter().map(|(file, text, _)| ((*file).to_owned(), *text)).collect();
    assert_eq!(found, allowed, "what is true of a kind stands in its facts");
}

#[test]
fn generic_modules_are_there() {
    let modules: BTreeSet<String> = sources::paths(&sources::root()).iter().map(|path| module(path)).collect();
    assert!(GENERIC.iter().all(|name| modules.contains(*name)));
}

/// The code of a kind: its file and those of its folder.
fn code_of(kind: &str) -> String {
    let own = Path::new("kinds").join(kind);
    let file = own.with_extension("rs");
    let paths = sources::paths(&sources::root());
    let of_kind = paths.iter().filter(|path| **path == file || path.starts_with(&own));
    of_kind.map(|path| sources::read(&sources::root(), path)).collect()
}

/// The first texts in parentheses behind a name, however the call is broken into lines.
fn asked<'a>(code: &'a str, call: &str) -> Vec<Vec<&'a str>> {
    let calls = code.split(call).skip(1).filter_map(|rest| rest.split_once(')')).map(|(arguments, _)| arguments);
    calls.map(|arguments| arguments.split('"').skip(1).step_by(2).collect()).collect()
}

fn service(tag_type: &str) -> &str {
    tag_type.split(':').next().unwrap_or(tag_type)
}

/// The services, and types where the code names them, that a kind asks the tagging API for.
fn types_asked_for(code: &str) -> BTreeSet<String> {
    let services = ["tagged::resources(", "tagged::everywhere("].into_iter().flat_map(|call| asked(code, call));
    let services = services.map(|texts| (*texts.first().expect("a call names its service")).to_owned());
    let types = asked(code, "tagged::any(").into_iter().map(|texts| texts.join(":"));
    let buckets = ["tagged::buckets(", "tagged::claimed_buckets("].iter().any(|call| code.contains(call));
    let buckets = buckets.then(|| "s3".to_owned());
    services.chain(types).chain(buckets).collect()
}

#[test]
fn kinds_that_ask_for_tags_say_of_which_types() {
    let mut asking = 0;
    for kind in kinds::all() {
        let Facts { tag_types, tag_types_everywhere, .. } = *kind.facts();
        let known: Vec<&str> = tag_types.iter().chain(tag_types_everywhere).copied().collect();
        let code = code_of(kind.name());
        let types = types_asked_for(&code);
        for asked in &types {
            let is_said = known.iter().any(|known| known == asked || service(known) == asked);
            assert!(is_said, "{} asks for {asked}, which isn't among its tag types", kind.name());
        }
        for known in known {
            let is_asked = types.iter().any(|asked| asked == known || asked == service(known));
            assert!(is_asked, "{} never asks for {known}", kind.name());
        }
        assert_eq!(code.contains("tagged::everywhere("), !tag_types_everywhere.is_empty(), "{}", kind.name());
        asking += usize::from(!types.is_empty());
    }
    assert!(asking > 10, "the calls are found in {asking} kinds only");
}

#[test]
fn what_carries_tags_takes_them_away() {
    for kind in kinds::all() {
        let has_calls = code_of(kind.name()).contains("async fn untag(");
        assert_ne!(has_calls, kind.is_tagless() || kind.facts().tagging.is_some(), "{}", kind.name());
    }
}

#[test]
fn every_kind_says_once_what_one_costs() {
    for kind in kinds::all() {
        let says = code_of(kind.name()).contains("    fn cost(");
        assert_eq!(says, kind.facts().billing == Billing::BySpec, "{}", kind.name());
    }
}

#[test]
fn every_kind_finds_what_exists_by_one_function() {
    for kind in kinds::all() {
        let code = code_of(kind.name());
        let among = code.contains("    async fn find_among(");
        assert_ne!(code.contains("    async fn find("), among, "{}", kind.name());
        assert_eq!(among, !kind.facts().beside.is_empty(), "{}", kind.name());
    }
}

#[test]
fn kinds_that_rotate_say_so() {
    for kind in kinds::all() {
        assert_eq!(code_of(kind.name()).contains("fn rotate("), kind.facts().rotates, "{}", kind.name());
    }
    assert!(kinds::all().iter().any(|kind| kind.facts().rotates));
}

#[test]
fn facts_name_fields_and_kinds_that_there_are() {
    for kind in kinds::all() {
        let facts = kind.facts();
        let container = facts.contained_in.map(|(_, field)| field);
        for field in facts.identified_by.iter().chain(facts.parts).copied().chain(container) {
            assert!(facts.fields.iter().any(|known| known.name == field), "{}.{field}", facts.name);
        }
        let containers = facts.contained_in.iter().map(|(container, _)| container);
        for other in containers.chain(facts.beside).chain(facts.occupies) {
            assert!(kinds::named(other).is_some(), "{} names the kind {other}", facts.name);
        }
        if let Some((_, field)) = facts.contained_in {
            assert!(facts.identified_by.contains(&field) && facts.is_tagless, "{}", facts.name);
        }
    }
}

#[test]
fn kinds_with_a_name_say_what_it_identifies() {
    // AWS lets several have one name, and knows them by their identifiers.
    let by_id = ["emr_application", "job_run", "private_zone"];
    for kind in kinds::all() {
        let is_named = kind.fields().iter().any(|field| ["name", "alias"].contains(&field.name));
        let is_identified = !kind.facts().identified_by.is_empty();
        assert_eq!(is_named && !is_identified, by_id.contains(&kind.name()), "{}", kind.name());
    }
}

#[test]
fn every_quota_is_counted_by_a_kind() {
    for quota in Quota::ALL {
        assert!(kinds::all().iter().any(|kind| kind.facts().quota == Some(quota)), "{}", quota.words());
    }
}

#[test]
fn plurals_are_words_of_their_own() {
    let plurals: BTreeSet<String> = kinds::all().iter().map(|kind| kind.facts().plural()).collect();
    assert_eq!(plurals.len(), kinds::all().len());
    assert!(plurals.iter().all(|plural| kinds::named(plural).is_none()));
    for kind in kinds::all() {
        let stem = kind.name().strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']));
        if let Some(stem) = stem {
            assert_eq!(kind.facts().plural(), format!("{stem}ies"));
        }
    }
}

/// What the names of fields say that decide who may do what, or what runs.
const REVIEWED: &[&str] = &[
    "policy",
    "policies",
    "document",
    "attached_policies",
    "permissions",
    "permissions_boundary",
    "trust",
    "grants",
    "ingress",
    "egress",
    "default_group",
    "role",
    "user_data",
    "buildspec",
    "image",
    "authentication",
    "inline",
    "content",
    "sql",
    "targets",
    "instance_profile",
    "client_ids",
    "sha256",
    "environment",
];

#[test]
fn fields_that_decide_who_may_do_what_are_reviewed() {
    for kind in kinds::all() {
        let facts = kind.facts();
        for name in facts.review {
            assert!(facts.fields.iter().any(|field| field.name == *name), "{}.{name} is no field", facts.name);
        }
        for field in facts.fields.iter().filter(|field| REVIEWED.contains(&field.name)) {
            let (kind, field) = (facts.name, field.name);
            assert!(facts.review.contains(&field), "{kind}.{field} isn't among the fields that are reviewed");
        }
    }
    assert!(kinds::all().iter().filter(|kind| !kind.facts().review.is_empty()).count() > 15);
}

#[test]
fn places_of_secrets_are_there() {
    for kind in kinds::all() {
        for place in kind.facts().sensitive {
            let field = place.split('.').next().expect("a place begins with a field");
            assert!(kind.fields().iter().any(|known| known.name == field), "{}.{place}", kind.name());
        }
        // Variables of an environment are where secrets end up.
        let has_environment = kind.fields().iter().any(|field| field.name == "environment");
        assert_eq!(has_environment, kind.facts().sensitive.contains(&"environment"), "{}", kind.name());
    }
}

/// A client of `Aws` and the prefix of its actions, where both differ.
const CLIENTS: &[(&str, &str)] = &[
    ("application_auto_scaling", "application-autoscaling"),
    ("auto_scaling", "autoscaling"),
    ("cloud_watch", "cloudwatch"),
    ("code_build", "codebuild"),
    ("code_pipeline", "codepipeline"),
    ("emr_serverless", "emr-serverless"),
    ("event_bridge", "events"),
    ("s3_client", "s3"),
    ("secrets_manager", "secretsmanager"),
    ("tagging", "tag"),
];

/// What a kind's code asks of AWS, as actions, in small letters.
fn calls_of(code: &str) -> Vec<String> {
    let code: String = code.chars().filter(|letter| !letter.is_whitespace()).collect();
    let calls = code.split("aws.").skip(1).filter_map(|rest| {
        let (client, rest) = rest.split_once("().")?;
        let (operation, _) = rest.split_once("()")?;
        let is_name = |text: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        (is_name(client) && is_name(operation)).then(|| {
            let prefix = CLIENTS.iter().find(|(name, _)| *name == client).map_or(client, |(_, prefix)| *prefix);
            let upper = |word: &str| word[..1].to_uppercase() + &word[1..];
            let operation: String = operation.split('_').filter(|word| !word.is_empty()).map(upper).collect();
            permissions::action(prefix, &operation).to_lowercase()
        })
    });
    calls.collect()
}

#[test]
fn what_a_kind_asks_is_among_the_actions_that_it_takes() {
    let taken = kinds::all().iter().flat_map(|kind| kind.actions()).filter_map(|action| action.split_once(':'));
    let mut known: BTreeSet<String> =
        taken.map(|(prefix, operation)| permissions::action(prefix, operation).to_lowercase()).collect();
    known.insert("tag:getresources".to_owned());
    let mut seen = 0;
    for kind in kinds::all() {
        let code = code_of(kind.name());
        for call in calls_of(code.split("#[cfg(test)]").next().unwrap_or_default()) {
            seen += 1;
            assert!(known.contains(&call), "{} asks {call}, which it doesn't say that it takes", kind.name());
        }
    }
    assert!(seen > 150, "{seen}");
}
