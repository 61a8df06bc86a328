//! The tables say one thing of each code, and no row is there for nothing.

use std::collections::BTreeSet;

use super::*;
use crate::errors::classify;

/// The services that the tables may name.
const SERVICES: &[&str] = &[
    "application-autoscaling",
    "athena",
    "autoscaling",
    "budgets",
    "codebuild",
    "codepipeline",
    "ec2",
    "emr-serverless",
    "events",
    "glue",
    "iam",
    "kafka",
    "kms",
    "lambda",
    "logs",
    "monitoring",
    "pricing",
    "route53",
    "s3",
    "secretsmanager",
    "servicequotas",
    "sns",
    "sqs",
    "ssm",
    "sts",
    "tagging",
];

fn asked(name: &'static str) -> &'static str {
    if name == ANY { "none" } else { name }
}

#[test]
fn rows_name_services_that_exist() {
    for name in ROWS.iter().map(|row| row.service).chain(BY_MESSAGE.iter().map(|row| row.service)) {
        assert!(name == ANY || SERVICES.contains(&name), "{name} is no service's name");
    }
}

#[test]
fn no_code_stands_twice() {
    let mut seen = BTreeSet::new();
    for row in ROWS {
        assert!(row.service != ANY || row.operation == ANY, "operations are of one service: {:?}", row.codes);
        assert!(!row.codes.is_empty(), "a row of {} without codes", row.service);
        for code in row.codes {
            assert!(seen.insert((row.service, row.operation, *code)), "{} {} {code}", row.service, row.operation);
        }
    }
    let fragments: BTreeSet<_> = BY_MESSAGE.iter().map(|row| (row.service, row.code, row.fragment)).collect();
    assert_eq!(fragments.len(), BY_MESSAGE.len());
}

#[test]
fn every_row_is_reached() {
    for row in ROWS {
        for code in row.codes {
            let kind = classify(asked(row.service), asked(row.operation), code, "", 400);
            assert_eq!(kind, row.kind, "{} {} {code}", row.service, row.operation);
        }
    }
    for row in BY_MESSAGE {
        let message = format!("Before, {} after", row.fragment);
        assert_eq!(classify(row.service, "Any", row.code, &message, 400), row.kind, "{} {}", row.service, row.code);
    }
}

#[test]
fn no_row_says_what_a_less_special_one_says_already() {
    for row in ROWS {
        for code in row.codes {
            let mut less = Vec::new();
            if row.operation != ANY {
                less.push(look_up(row.service, "none", code, ""));
            }
            if row.service != ANY {
                less.push(look_up("none", "none", code, ""));
            }
            assert!(!less.contains(&Some(row.kind)), "{} {} {code}", row.service, row.operation);
        }
    }
}

#[test]
fn every_form_is_reached_and_isnt_hidden_by_an_earlier_one() {
    for (form, kind) in FORMS {
        let code = match form {
            Form::Starts(start) => format!("{start}Xyz"),
            Form::Ends(end) => format!("Xyz{end}"),
        };
        assert_eq!(classify("none", "none", &code, "", 400), *kind, "{code}");
    }
}

#[test]
fn a_message_counts_only_in_its_service_and_with_its_code() {
    for row in BY_MESSAGE {
        assert_ne!(classify(row.service, "Any", row.code, "something else", 400), row.kind, "{}", row.code);
        assert_ne!(classify(row.service, "Any", "Xyz", row.fragment, 400), row.kind, "{}", row.code);
        assert_ne!(classify("none", "Any", row.code, row.fragment, 400), row.kind, "{}", row.code);
    }
}
