//! The settings of the transforms that read texts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Declares the settings of a parser: its own, and those that all of them have.
macro_rules! parser {
    ($(#[doc = $about:literal])* $name:ident { $($(#[$attribute:meta])* $field:ident : $type:ty,)* }) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$attribute])* pub $field: $type,)*
            /// The member that is read. Default: `message`, which of a record that nothing has parsed yet is the record itself.
            #[serde(default = "message")]
            pub field: String,
            /// The member that takes what was read, as an object. Default: the event itself takes it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub into: Option<String>,
            /// Keeps the member that was read.
            #[serde(default, skip_serializing_if = "std::ops::Not::not")]
            pub keep: bool,
        }
    };
}

fn message() -> String {
    "message".to_owned()
}

parser! {
    /// Reads a JSON object: its members become the event's. What was under a name before is replaced.
    ParseJson {}
}

parser! {
    /// Reads `name=value name="a value"` pairs: each becomes a member, a text. A name without `=` becomes `true`; one that stands
    /// twice becomes an array of both values.
    ParseLogfmt {}
}

parser! {
    /// Reads a text by a regular expression: each named group that took part becomes a member, a text.
    ParseRegex {
        /// The expression, in the syntax of Rust's `regex`: no look-around, no back-references, so that no line takes long.
        /// Named groups are written `(?<name>…)`. It may match anywhere: `^` and `$` bind it.
        pattern: String,
    }
}

parser! {
    /// Reads a line of a common log format; `docs/transforms.md` lists the members of each.
    ParseLog {
        /// Which one.
        format: LogFormat,
        /// The time zone of times that name none, as `Europe/Stockholm`. Default: `UTC`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timezone: Option<String>,
    }
}

/// A common log format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// The access log of Apache and nginx: the Common Log Format, or the combined one with referrer and user agent.
    Access,
    /// The error log of nginx.
    NginxError,
    /// Syslog, RFC 5424 or RFC 3164, with or without a priority.
    Syslog,
    /// Lines of Java's Logback, Log4j and Spring Boot: time, level, thread, logger, message.
    Java,
    /// Lines of Python's `logging`: `time - logger - LEVEL - message`, or `LEVEL:logger:message`.
    Python,
    /// Lines of Go's package `log`.
    Go,
    /// Lines of Kubernetes' `klog`, and of `glog`.
    Klog,
}
