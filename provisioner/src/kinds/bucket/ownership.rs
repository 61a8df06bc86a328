//! Whose the objects of a bucket are.

use aws_sdk_s3::types::ObjectOwnership;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose the objects are that others write into a bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Ownership {
    /// The account's, without access control lists.
    #[default]
    BucketOwnerEnforced,
    /// The account's where the writer gives them away with an access control list.
    BucketOwnerPreferred,
    /// The writer's.
    ObjectWriter,
    /// What else somebody gave a bucket; it can't be declared.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}

impl From<&Ownership> for ObjectOwnership {
    fn from(ownership: &Ownership) -> Self {
        match ownership {
            Ownership::BucketOwnerEnforced => Self::BucketOwnerEnforced,
            Ownership::BucketOwnerPreferred => Self::BucketOwnerPreferred,
            Ownership::ObjectWriter => Self::ObjectWriter,
            Ownership::Other(other) => other.as_str().into(),
        }
    }
}

impl From<&ObjectOwnership> for Ownership {
    fn from(ownership: &ObjectOwnership) -> Self {
        match ownership {
            ObjectOwnership::BucketOwnerEnforced => Self::BucketOwnerEnforced,
            ObjectOwnership::BucketOwnerPreferred => Self::BucketOwnerPreferred,
            ObjectOwnership::ObjectWriter => Self::ObjectWriter,
            other => Self::Other(other.to_string()),
        }
    }
}
