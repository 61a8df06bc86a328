//! Where the columns of an Iceberg table come from.

use iceberg::spec::{NestedField, PrimitiveType, Type};

/// Where a column of the Iceberg table comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Member(usize),
    Extra(usize),
    TopicId,
    Partition,
    Offset,
    IngestedAt,
    Topic,
    Reason,
    Payload,
    Nothing,
}

impl Source {
    /// Where a column of a row's identity and time comes from; `None` for others, and for one of that name and another type.
    pub(super) fn of_place(field: &NestedField) -> Option<Self> {
        let (source, kind) = match field.name.as_str() {
            "kafka_topic_id" => (Self::TopicId, PrimitiveType::String),
            "kafka_partition" => (Self::Partition, PrimitiveType::Int),
            "kafka_offset" => (Self::Offset, PrimitiveType::Long),
            "ingested_at" => (Self::IngestedAt, PrimitiveType::Timestamptz),
            _ => return None,
        };
        (*field.field_type == Type::Primitive(kind)).then_some(source)
    }
}
