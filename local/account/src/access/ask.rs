//! One question: an action on a resource, with its condition keys.

use lakewright_iam::Keys;

use crate::state::Tags;

/// One action on one resource.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// Such as `ec2:CreateVpc`.
    pub action: String,
    /// An ARN, or `*` for an action that takes none.
    pub resource: String,
    /// The condition keys beside those of caller, resource and time.
    pub keys: Keys,
    /// The account of a resource whose ARN names none.
    pub owner: Option<String>,
}

impl Ask {
    pub fn on(action: &str, resource: impl Into<String>) -> Self {
        Self { action: action.to_owned(), resource: resource.into(), keys: Keys::default(), owner: None }
    }

    /// The same with a condition key, when there is a value.
    pub fn key(mut self, key: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.keys.set(key, value);
        }
        self
    }

    /// The same as a service asks it in the caller's name.
    pub fn by_service(self) -> Self {
        self.key("aws:ViaAWSService", Some("true"))
    }

    /// The same with the tags that the request brings.
    pub fn tags(mut self, tags: &Tags) -> Self {
        for (key, value) in tags {
            self.keys.set(&format!("aws:RequestTag/{key}"), value);
        }
        self.tag_keys(tags.keys().cloned())
    }

    /// The same with the keys of the tags that the request names.
    pub fn tag_keys(mut self, keys: impl IntoIterator<Item = String>) -> Self {
        self.keys.set_all("aws:TagKeys", keys);
        self
    }
}
