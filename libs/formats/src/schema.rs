//! Avro schemas, as they are needed to read what they wrote: a table of nodes, with the text of members prepared.

mod logical;
mod parse;
mod size;

use crate::calendar::Unit;
use crate::reject::Reject;

/// A schema that messages were written by. What it holds is at most a small multiple of its text.
#[derive(Debug)]
pub struct Schema {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: NodeId,
    /// The fewest bytes that a value of each node takes.
    pub(crate) sizes: Vec<usize>,
    /// Bytes of text that it was made of.
    length: usize,
}

/// A node's place in the table.
pub(crate) type NodeId = usize;

/// A type: what stands in the bytes, and what it means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    /// Days since 1970, as an int.
    Date,
    /// A time of day; milliseconds as an int, all else as a long.
    Time(Unit),
    /// A point in time, as a long.
    Timestamp {
        unit: Unit,
        zoned: bool,
    },
    /// An unscaled value, as `bytes`, or as a fixed of that name.
    Decimal {
        precision: u32,
        scale: u32,
        fixed: Option<Fixed>,
    },
    /// Text that is a UUID.
    UuidText,
    Uuid(Fixed),
    /// Months, days and milliseconds.
    Duration(Fixed),
    Fixed(Fixed),
    Enum(Enum),
    Array(NodeId),
    Map(NodeId),
    Union(Vec<NodeId>),
    Record(Record),
}

/// A type's full name, and its others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Name {
    pub(crate) full: String,
    pub(crate) aliases: Vec<String>,
}

/// A named number of bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fixed {
    pub(crate) name: Name,
    pub(crate) size: usize,
}

/// A named set of symbols.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Enum {
    pub(crate) name: Name,
    pub(crate) symbols: Vec<String>,
    /// The symbols as JSON.
    pub(crate) texts: Vec<String>,
    pub(crate) default: Option<String>,
}

/// A named list of fields.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub(crate) name: Name,
    pub(crate) fields: Vec<Field>,
    /// Debezium's number with a scale of its own: the fields are an int, the scale, and bytes, the unscaled value.
    pub(crate) scaled: bool,
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// The name as JSON, with its colon.
    pub(crate) key: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) node: NodeId,
    /// Whether readers may fill it in.
    pub(crate) has_default: bool,
}

impl Schema {
    /// The schema that a text is, with the texts of the schemas that it refers to, each after those that it refers to itself.
    ///
    /// # Errors
    /// One of the texts is no Avro schema: what is wrong, and with which type.
    pub fn parse(text: &str, references: &[String]) -> Result<Self, Reject> {
        let mut parser = parse::Parser::default();
        let mut root = 0;
        let mut length = 0;
        for text in references.iter().map(String::as_str).chain([text]) {
            root = parser.schema(text).map_err(|wrong| Reject::schema(format!("the schema is no Avro: {wrong}")))?;
            length += text.len();
        }
        let nodes = parser.nodes;
        Ok(Self { sizes: size::smallest(&nodes), nodes, root, length })
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        self.length * 2 + self.nodes.len() * (size_of::<Node>() + size_of::<usize>())
    }
}
