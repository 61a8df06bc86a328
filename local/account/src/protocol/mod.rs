//! The wire protocols: how inputs are read and how answers and errors are written.

pub mod cbor;
pub(crate) mod element;
pub mod json;
pub mod query;
pub mod rest;
pub mod rest_xml;
pub mod xml;

/// How deep an input may be nested, whatever it is written in. AWS's own shapes need about half of it, and what is read or
/// dropped by recursion must not use up the stack of a thread.
pub(crate) const DEEPEST: usize = 32;

/// Which protocol a service speaks.
#[derive(Clone, Copy, Debug)]
pub enum Protocol {
    /// EC2's query protocol: lists are `item`, answers have no result element.
    Ec2,
    /// The query protocol: lists are `member`, answers have an `…Result` element. Holds the XML namespace.
    Query(&'static str),
    /// JSON with the operation in `X-Amz-Target: PREFIX.Operation`. Holds the prefix.
    Json(&'static str),
    /// CBOR with the operation in the path, `/service/NAME/operation/OPERATION`.
    Cbor,
    /// JSON with the operation in method and path.
    RestJson(&'static [rest::Route]),
    /// XML with the operation in method and path.
    RestXml(&'static rest_xml::RestXml),
}
