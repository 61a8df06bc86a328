//! Tags of a stack file on what tests make of every kind: written by the create call, changed and taken away, others' kept.

use lakewright::kind::{AnyKind, Context, NAME, Outcome, name_tag};
use lakewright::resource::{Address, Live};

/// What an apply makes things with whose file gives them a tag.
pub fn of_file(context: &Context) -> Context {
    Context { tags: [("cost-center".to_owned(), "42".to_owned())].into(), ..context.clone() }
}

/// Judges the tags of what was just made: those of the file and its name are there; one is written and taken away, and what
/// somebody else wrote stays. What carries no tags says so.
pub async fn judge(
    context: &Context,
    kind: &dyn AnyKind,
    address: &Address,
    outcome: &Outcome,
    find: impl AsyncFn() -> Live,
) {
    let carried = async || find().await.tags;
    let Some(mut tags) = carried().await.filter(|_| !kind.is_tagless()) else {
        assert!(kind.is_tagless(), "{address} has no tags");
        let refused = kind.untag(context, outcome, &["cost-center"]).await.expect_err("it carries none");
        assert!(refused.to_string().contains("carries no tags"), "{refused}");
        return;
    };
    assert_eq!(tags.get("cost-center").map(String::as_str), Some("42"), "{address}: not in the create call");
    assert_eq!(tags.get(NAME), Some(&name_tag(&context.stack, address)), "{address}");
    assert!(!tags.keys().any(|key| key.starts_with("lakewright:") || key.starts_with("aws:")), "{address}: {tags:?}");

    kind.tag(context, outcome, &[("team", "data"), ("theirs", "x y/z")]).await.unwrap();
    tags.extend([("team", "data"), ("theirs", "x y/z")].map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!(carried().await.as_ref(), Some(&tags), "{address}");
    kind.tag(context, outcome, &[("team", "core")]).await.unwrap();
    tags.insert("team".to_owned(), "core".to_owned());
    assert_eq!(carried().await.as_ref(), Some(&tags), "{address}");
    // What isn't there is no error.
    kind.untag(context, outcome, &["team", "cost-center", "never"]).await.unwrap();
    tags.retain(|key, _| key != "team" && key != "cost-center");
    let live = find().await;
    assert_eq!(live.tags.as_ref(), Some(&tags), "{address}");
    assert_eq!(live.applied.as_deref(), Some("v1:hash"), "{address}: the record is gone");
    kind.untag(context, outcome, &["theirs"]).await.unwrap();
    // What is restored once it was deleted has the tags that it had.
    kind.tag(context, outcome, &[("cost-center", "42")]).await.unwrap();
}
