//! What documents and lines of the backup say of where a record of this host stands.

use serde_json::Value;

use crate::source::Stream;

/// The members' names; the last one is the sequence's.
pub const NAMES: &[&str] = &["log_source", "log_stream", "log_path", "log_host", "log_offset"];

/// A stream of a source of this host, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// The source's name.
    pub source: String,
    /// The stream's id.
    pub stream: String,
    /// The file, by the name under which this pipe found it first; `journal` for that.
    pub path: String,
    /// The host's name.
    pub host: String,
}

impl Named {
    /// The stream.
    pub fn stream_of(&self) -> Stream {
        let text = |text: &str| Value::from(text).to_string();
        let members = format!(
            r#""log_source":{},"log_stream":{},"log_path":{},"log_host":{}"#,
            text(&self.source),
            text(&self.stream),
            text(&self.path),
            text(&self.host)
        );
        let folder = format!("{}/{}", self.source, self.stream);
        Stream::new(self.stream.clone(), folder, members, NAMES, self.source.clone())
    }
}
