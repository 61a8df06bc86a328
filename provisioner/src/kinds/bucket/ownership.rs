//! Whose the objects of a bucket are.

use aws_sdk_s3::types::ObjectOwnership;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::values::words;

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
words!(Ownership <=> ObjectOwnership);
