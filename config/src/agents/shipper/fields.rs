//! Types that members of documents have in the index, as a stack declares them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many members may be declared: an index takes a thousand, and others want room too.
pub const MOST: usize = 400;
/// How many names a declared member's path may have.
const DEEPEST: usize = 16;
/// The member that holds a record whole where its index doesn't take it as it is.
pub const FLATTENED: &str = "flattened";
/// The member beside it that says why.
pub const FLATTENED_REASON: &str = "flattened_reason";
/// Members that the shipper gives to documents, whatever is declared.
pub const OWN: [&str; 11] = [
    "@timestamp",
    FLATTENED,
    FLATTENED_REASON,
    "kafka_offset",
    "kafka_partition",
    "kafka_topic_id",
    "log_host",
    "log_offset",
    "log_path",
    "log_source",
    "log_stream",
];

/// The type of a member in the index: one that Elasticsearch and OpenSearch both have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// A text that is found as a whole, sorted and counted by.
    Keyword,
    /// A text that is found by its words.
    Text,
    /// A whole number of 64 bits.
    Long,
    /// A floating-point number of 64 bits.
    Double,
    /// `true` or `false`.
    Boolean,
    /// A time: RFC 3339, or milliseconds since 1970.
    Date,
    /// An IPv4 or IPv6 address.
    Ip,
    /// A place on the earth, as `{"lat": …, "lon": …}`.
    GeoPoint,
    /// An object of whatever members, each found as a whole by its path.
    Flattened,
}

/// What is wrong with the name of a declared member, and how to mend it.
pub fn name_mistake(name: &str) -> Option<(&'static str, &'static str)> {
    let steps: Vec<&str> = name.split('.').collect();
    if steps.iter().any(|step| step.trim().is_empty()) {
        return Some(("a name is empty", "write the path with one dot between names, as in \"user.address.city\""));
    }
    if name.chars().any(char::is_control) || name.contains('*') {
        return Some(("it holds `*` or a control character", "name each member"));
    }
    if steps.len() > DEEPEST {
        return Some(("it stands too deep", "declare the object that it stands in as `flattened`"));
    }
    if OWN.contains(&steps[0]) {
        return Some(("the shipper gives documents this member, with its type", "remove it"));
    }
    steps[0].starts_with('_').then_some(("a document's own member can't begin with `_`", "rename it by a transform"))
}

/// The declared member that another one stands in, which leaves no room for it: `user` of `user.id`.
pub fn taken_by<'a, T>(fields: &'a BTreeMap<String, T>, name: &str) -> Option<&'a str> {
    let mut end = name.len();
    while let Some(dot) = name[..end].rfind('.') {
        if let Some((parent, _)) = fields.get_key_value(&name[..dot]) {
            return Some(parent);
        }
        end = dot;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_paths_of_members_that_records_have() {
        for name in ["status", "user.id", "@version", "a.b.c", "user name", "naïve"] {
            assert_eq!(name_mistake(name), None, "{name}");
        }
        for name in [
            "",
            ".a",
            "a..b",
            "a.",
            "a. .b",
            "a.*",
            "x\n",
            "kafka_offset",
            "@timestamp",
            "log_host.x",
            "flattened",
            "_id",
        ] {
            assert!(name_mistake(name).is_some(), "{name}");
        }
        assert!(name_mistake(&vec!["a"; 17].join(".")).is_some());
    }

    #[test]
    fn a_member_of_a_declared_one_is_found() {
        let fields = BTreeMap::from([("user".to_owned(), 1), ("a.b".to_owned(), 2)]);
        assert_eq!(taken_by(&fields, "user.id.x"), Some("user"));
        assert_eq!(taken_by(&fields, "a.b.c"), Some("a.b"));
        assert_eq!(
            (taken_by(&fields, "user"), taken_by(&fields, "a"), taken_by(&fields, "users.id")),
            (None, None, None)
        );
    }
}
