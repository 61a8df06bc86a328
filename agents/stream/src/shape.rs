//! What a column's values look like in messages: the Iceberg table's own type, and how its times are written.

use std::fmt;

use iceberg::spec::{NestedField, PrimitiveType, Type};
use lakewright_config::TimeUnit;

/// What a value must be to be one of a column, or of a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Decimal(u8, u8),
    Date,
    /// Text, or a number that counts the unit.
    Time(Option<TimeUnit>),
    Timestamp(Option<TimeUnit>),
    Timestamptz(Option<TimeUnit>),
    String,
    Uuid,
    /// So many bytes.
    Fixed(usize),
    Binary,
    List(Box<Part>),
    /// The keys are texts.
    Map(Box<Part>),
    Struct(Vec<Part>),
}

/// A member of a struct, the element of a list, the value of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    /// The shape's own.
    pub(crate) width: usize,
    pub(crate) required: bool,
}

impl Shape {
    /// Whether it is made of others.
    #[inline]
    pub(crate) fn is_nested(&self) -> bool {
        matches!(self, Self::List(_) | Self::Map(_) | Self::Struct(_))
    }

    /// How many values of Arrow columns it takes, null or not: lists and maps without their elements.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::Struct(fields) => 1 + fields.iter().map(|field| field.shape.width()).sum::<usize>(),
            _ => 1,
        }
    }

    /// The shape of an Iceberg type, whose times are written in `unit`, or as text; `None` for types that messages
    /// can't fill.
    pub(crate) fn of(iceberg: &Type, unit: Option<TimeUnit>) -> Option<Self> {
        let part = |field: &NestedField| {
            let shape = Self::of(&field.field_type, unit)?;
            Some(Part { name: field.name.clone(), width: shape.width(), shape, required: field.required })
        };
        Some(match iceberg {
            Type::Primitive(primitive) => match primitive {
                PrimitiveType::Boolean => Self::Boolean,
                PrimitiveType::Int => Self::Int,
                PrimitiveType::Long => Self::Long,
                PrimitiveType::Float => Self::Float,
                PrimitiveType::Double => Self::Double,
                PrimitiveType::Decimal { precision, scale } => Self::Decimal(*precision as u8, *scale as u8),
                PrimitiveType::Date => Self::Date,
                PrimitiveType::Time => Self::Time(unit),
                PrimitiveType::Timestamp => Self::Timestamp(unit),
                PrimitiveType::Timestamptz => Self::Timestamptz(unit),
                PrimitiveType::String => Self::String,
                PrimitiveType::Uuid => Self::Uuid,
                PrimitiveType::Fixed(length) => Self::Fixed(usize::try_from(*length).ok()?),
                PrimitiveType::Binary => Self::Binary,
                PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs => return None,
            },
            Type::List(list) => Self::List(Box::new(part(&list.element_field)?)),
            Type::Map(map) => match &*map.key_field.field_type {
                Type::Primitive(PrimitiveType::String) => Self::Map(Box::new(part(&map.value_field)?)),
                _ => return None,
            },
            Type::Struct(fields) => {
                Self::Struct(fields.fields().iter().map(|field| part(field)).collect::<Option<_>>()?)
            }
        })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since =
            |f: &mut fmt::Formatter<'_>, unit: &TimeUnit, since| write!(f, "a number of {} since {since}", unit.word());
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Decimal(precision, scale) => return write!(f, "decimal({precision},{scale})"),
            Self::Date => "date",
            Self::Time(None) => "time",
            Self::Timestamp(None) => "timestamp",
            Self::Timestamptz(None) => "timestamptz",
            Self::Time(Some(unit)) => return since(f, unit, "midnight"),
            Self::Timestamp(Some(unit)) | Self::Timestamptz(Some(unit)) => return since(f, unit, "1970"),
            Self::String => "string",
            Self::Uuid => "uuid",
            Self::Fixed(length) => return write!(f, "fixed({length})"),
            Self::Binary => "binary",
            Self::List(_) => "an array",
            Self::Map(_) | Self::Struct(_) => "an object",
        })
    }
}
