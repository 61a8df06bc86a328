//! XML documents in requests to S3, and S3's word for those that are wrong.

use super::errors;
use crate::error::AwsError;
pub(super) use crate::protocol::element::Element;

impl Element {
    /// The text of a child that must be there.
    pub(super) fn need(&self, name: &str) -> Result<&str, AwsError> {
        self.text_of(name).filter(|text| !text.is_empty()).ok_or_else(|| errors::error("MalformedXML"))
    }
}

/// The document's root, which must be called `root`.
pub(super) fn parse(document: &[u8], root: &str) -> Result<Element, AwsError> {
    let parsed = Element::read(document).ok_or_else(|| errors::error("MalformedXML"))?;
    if parsed.name == root { Ok(parsed) } else { Err(errors::error("MalformedXML")) }
}
