//! Tags as each service's SDK crate has them.

use std::collections::HashMap;

use super::tags::{Tags, own};
use crate::kind::Context;
use crate::resource::Address;

/// A tag of one of the SDK's crates.
pub(crate) trait Tag: Sized {
    /// Key and value; a part that the answer lacks is empty.
    fn parts(&self) -> (&str, &str);

    /// A tag with both.
    fn of(key: &str, value: &str) -> Self;
}

/// Tags whose parts AWS's model calls optional.
macro_rules! optional {
    ($($tag:ty),+ $(,)?) => {$(
        impl Tag for $tag {
            fn parts(&self) -> (&str, &str) {
                (self.key().unwrap_or_default(), self.value().unwrap_or_default())
            }

            fn of(key: &str, value: &str) -> Self {
                Self::builder().key(key).value(value).build()
            }
        }
    )+};
}

/// Tags whose parts AWS's model calls required.
macro_rules! required {
    ($($tag:ty),+ $(,)?) => {$(
        impl Tag for $tag {
            fn parts(&self) -> (&str, &str) {
                (self.key(), self.value())
            }

            fn of(key: &str, value: &str) -> Self {
                Self::builder().key(key).value(value).build().expect("key and value are given")
            }
        }
    )+};
}

optional!(
    aws_sdk_athena::types::Tag,
    aws_sdk_autoscaling::types::TagDescription,
    aws_sdk_cloudwatch::types::Tag,
    aws_sdk_codebuild::types::Tag,
    aws_sdk_route53::types::Tag,
    aws_sdk_secretsmanager::types::Tag,
    lakewright_ec2::sdk::types::Tag,
);
required!(
    aws_sdk_budgets::types::ResourceTag,
    aws_sdk_codepipeline::types::Tag,
    aws_sdk_eventbridge::types::Tag,
    aws_sdk_iam::types::Tag,
    aws_sdk_resourcegroupstagging::types::Tag,
    aws_sdk_s3::types::Tag,
    aws_sdk_sns::types::Tag,
    aws_sdk_ssm::types::Tag,
);

impl Tag for aws_sdk_kms::types::Tag {
    fn parts(&self) -> (&str, &str) {
        (self.tag_key(), self.tag_value())
    }

    fn of(key: &str, value: &str) -> Self {
        Self::builder().tag_key(key).tag_value(value).build().expect("key and value are given")
    }
}

/// The tags of a list.
pub(crate) fn read<T: Tag>(tags: &[T]) -> Tags {
    let parts = tags.iter().map(Tag::parts);
    parts.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The tags of a map.
pub(crate) fn read_map(tags: Option<&HashMap<String, String>>) -> Tags {
    tags.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Tags as a list.
pub(crate) fn written<T: Tag>(tags: &[(&str, &str)]) -> Vec<T> {
    tags.iter().map(|(key, value)| T::of(key, value)).collect()
}

/// The keys of tags as calls take them that take tags away.
pub(crate) fn keys(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

/// Tags as a map.
pub(crate) fn written_map(tags: &[(&str, &str)]) -> HashMap<String, String> {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The tags that a create call writes, as a list.
pub(crate) fn owned<T: Tag>(context: &Context, address: &Address) -> Vec<T> {
    own(context, address).iter().map(|(key, value)| T::of(key, value)).collect()
}

/// The tags that a create call writes, as a map.
pub(crate) fn owned_map(context: &Context, address: &Address) -> HashMap<String, String> {
    own(context, address).into_iter().collect()
}

/// Tags as a list of a service's own tags.
pub(crate) fn listed<T: Tag>(tags: &Tags) -> Vec<T> {
    tags.iter().map(|(key, value)| T::of(key, value)).collect()
}
