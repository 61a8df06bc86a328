//! Texts that AWS takes only in a form of their own. A type states the form once: the schema, the docs and the checks
//! of stack files follow from it.

use lakewright_config::CONTROL;
use serde_json::{Value, json};

/// Defines a type of texts by its pattern: a regular expression over the whole text. `most = 64` bounds its characters;
/// `not "^alias/" => "write it without `alias/`"` refuses what else fits, with what to write instead.
///
/// What is read of AWS or made of a stack file's sections becomes one by `From`, unjudged: a spec is judged as a whole
/// by its schema, and what exists isn't judged at all. References `${kind.name.output}` stand for what is known later.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $pattern:expr $(, most = $most:expr)? $(, not $refused:expr => $fix:expr)* $(,)?) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// What it must fit.
            pub const PATTERN: &'static str = $pattern;

            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                crate::kinds::values::schema($name::PATTERN, &[$($most)?], &[$(($refused, $fix)),*])
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(super) use text;

/// The schema of texts that fit a pattern, have no more characters than the limit if there is one, and fit none of the
/// refused patterns, each of which has its fix.
pub(super) fn schema(pattern: &str, most: &[u32], refused: &[(&str, &str)]) -> schemars::Schema {
    let mut schema = schemars::json_schema!({"type": "string", "pattern": pattern});
    if let Some(most) = most.first() {
        schema.insert("maxLength".to_owned(), (*most).into());
    }
    if !refused.is_empty() {
        schema.insert("not".to_owned(), none_of(refused));
    }
    schema
}

/// The `not` of a schema whose texts fit none of these patterns, each with its fix.
pub(super) fn none_of(refused: &[(&str, &str)]) -> Value {
    let one = |(pattern, fix): &(&str, &str)| json!({"type": "string", "pattern": pattern, "description": fix});
    json!({"anyOf": refused.iter().map(one).collect::<Vec<_>>()})
}

/// What Glue and Auto Scaling take in no text: control characters but tabs and line breaks. With its fix.
pub(super) const NO_CONTROL: (&str, &str) =
    (r"[\x00-\x08\x0b\x0c\x0e-\x1f\uFFFE\uFFFF]", "take the control characters out");
/// What Glue takes in no name, line breaks among them. With its fix.
pub(super) const ONE_LINE: (&str, &str) = (CONTROL, "write it without line breaks and other control characters");

/// Gives an enumeration its words, as serde has them: what it is written as, and what is read as it. `=> Type` writes it as the
/// SDK's type with the same words; `<=> Type` reads it as well, of an enumeration that takes any other word too.
macro_rules! words {
    ($name:ident <=> $wire:ty) => {
        crate::kinds::values::words!($name => $wire);

        impl From<&$wire> for $name {
            fn from(word: &$wire) -> Self {
                word.as_str().parse().expect("it takes any word")
            }
        }
    };
    ($name:ident => $wire:ty) => {
        crate::kinds::values::words!($name);

        impl From<&$name> for $wire {
            fn from(word: &$name) -> Self {
                Self::from(word.to_string().as_str())
            }
        }
    };
    ($name:ident) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                serde::Serialize::serialize(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = serde::de::value::Error;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                serde::Deserialize::deserialize(serde::de::IntoDeserializer::into_deserializer(word))
            }
        }
    };
}
pub(super) use words;

text!(
    /// A VPC's id, `vpc-0a1b2c3d4e5f60718`.
    VpcId,
    r"^vpc-[0-9a-f]{1,17}$"
);
text!(
    /// A subnet's id, `subnet-0a1b2c3d4e5f60718`.
    SubnetId,
    r"^subnet-[0-9a-f]{1,17}$"
);
text!(
    /// A security group's id, `sg-0a1b2c3d4e5f60718`.
    SecurityGroupId,
    r"^sg-[0-9a-f]{1,17}$"
);
text!(
    /// A KMS key: its ARN, its id or an alias with `alias/`.
    KeyId,
    r"^(arn:aws[a-z-]*:kms:[!-~]+|alias/[A-Za-z0-9/_-]+|[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|mrk-[0-9a-f]+)$",
    most = 400
);
text!(
    /// A role's ARN, `arn:aws:iam::123456789012:role/build`.
    RoleArn,
    r"^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$",
    most = 1024
);
text!(
    /// A bucket's name: lower-case letters, digits, dots and hyphens, 3 to 63.
    BucketName,
    r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
    most = 63,
    not r"\.\." => "a bucket's name can't hold two dots in a row",
    not r"^\d+\.\d+\.\d+\.\d+$" => "a bucket's name can't look like an IP address"
);
text!(
    /// A Kafka cluster's ARN.
    ClusterArn,
    r"^arn:aws[a-z-]*:kafka:[!-~]+$",
    most = 1024
);
text!(
    /// A log group's name.
    LogGroupName,
    r"^[A-Za-z0-9_./#-]{1,512}$"
);
text!(
    /// A place in S3, `s3://bucket/prefix`; a bucket's name has 63 characters at most and a key 1024.
    S3Uri,
    r"^s3://.+$",
    most = 1093,
    not ONE_LINE.0 => ONE_LINE.1
);
text!(
    /// An availability or local zone, `eu-north-1a`.
    Zone,
    r"^[a-z]{2,4}(-[a-z]+)+-[0-9]+([a-z]|(-[a-z0-9]+)+-[0-9]+[a-z]?)$"
);
text!(
    /// A mail address, `ops@example.com`.
    MailAddress,
    r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$"
);
text!(
    /// A range of IPv4 addresses, `10.0.0.0/16`.
    Ipv4Range,
    r"^[0-9.]+/[0-9]+$"
);
