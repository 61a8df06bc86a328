//! What requests ask for against the operations that there are and against AWS's reference.

use lakewright_iam::reference;

use super::*;
use crate::state::with_state;

const ACCOUNT: &str = "123456789012";

/// What S3 has no operation for: settings of buckets that are written over and never deleted.
const NEVER_DELETED: [&str; 6] = [
    "DeleteBucketAccelerateConfiguration",
    "DeleteBucketLogging",
    "DeleteBucketNotificationConfiguration",
    "DeleteBucketRequestPayment",
    "DeleteBucketVersioning",
    "DeleteObjectLockConfiguration",
];

/// Every operation of S3 on buckets, and on objects, read from where requests get their names.
fn operations() -> (Vec<String>, Vec<String>) {
    let text = include_str!("../names.rs");
    let (_, rest) = text.split_once("const SETTINGS").expect("the settings");
    let (settings, rest) = rest.split_once("];").expect("an end of them");
    let mut on_buckets = Vec::new();
    for setting in literals(settings).skip(1).step_by(2) {
        on_buckets.extend(["Get", "Put", "Delete"].map(|verb| match (verb, setting) {
            ("Delete", "BucketLifecycleConfiguration") => "DeleteBucketLifecycle".to_owned(),
            _ => format!("{verb}{setting}"),
        }));
    }
    let names = |name: &str| {
        let (_, rest) = rest.split_once(&format!("fn {name}(")).expect("the function");
        let (body, _) = rest.split_once("\n}\n").expect("its end");
        let arms = body.lines().filter_map(|line| line.split_once("=> \"").map(|(_, name)| name));
        arms.filter_map(|name| name.split('"').next()).map(str::to_owned).collect::<Vec<_>>()
    };
    on_buckets.extend(names("on_bucket").into_iter().filter(|name| name.len() > "Delete".len()));
    (on_buckets, names("on_object"))
}

#[test]
fn each_ask_is_one_that_aws_knows() {
    let headers = HeaderMap::new();
    let (on_buckets, on_objects) = operations();
    assert!(on_buckets.len() > 50 && on_objects.len() > 15, "{} {}", on_buckets.len(), on_objects.len());
    let all = on_buckets.into_iter().map(|name| (name, "")).chain(on_objects.into_iter().map(|name| (name, "k")));
    for (operation, key) in all {
        let is_none = NEVER_DELETED.contains(&operation.as_str());
        let wanted = Wanted {
            operation: operation.clone(),
            bucket: "b",
            key,
            query: &[],
            headers: &headers,
            account: ACCOUNT,
            access_key: ACCOUNT,
            region: "eu-north-1",
            tags: Tags::new(),
        };
        let asks = with_state(|state| asks(state, &wanted));
        assert_eq!(asks.is_none(), is_none, "{operation}: somebody says what it asks for");
        for ask in asks.into_iter().flatten() {
            assert!(
                reference::is_asked_on(&ask.action, &ask.resource),
                "{operation}: {} on {}",
                ask.action,
                ask.resource
            );
        }
    }
}

/// The texts in quotes.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}
