//! Iceberg types as the stack file and Glue write them.

use iceberg::spec::{NestedField, PrimitiveType, Type};
use lakewright_config::{ColumnType, StructField};

/// The column type of an Iceberg type; `None` for those that a stack file can't declare.
pub fn column_type(iceberg: &Type) -> Option<ColumnType> {
    Some(match iceberg {
        Type::Primitive(primitive) => match primitive {
            PrimitiveType::Boolean => ColumnType::Boolean,
            PrimitiveType::Int => ColumnType::Int,
            PrimitiveType::Long => ColumnType::Long,
            PrimitiveType::Float => ColumnType::Float,
            PrimitiveType::Double => ColumnType::Double,
            PrimitiveType::Decimal { precision, scale } => ColumnType::Decimal(*precision as u8, *scale as u8),
            PrimitiveType::Date => ColumnType::Date,
            PrimitiveType::Timestamp => ColumnType::Timestamp,
            PrimitiveType::Timestamptz => ColumnType::Timestamptz,
            PrimitiveType::Time => ColumnType::Time,
            PrimitiveType::String => ColumnType::String,
            PrimitiveType::Uuid => ColumnType::Uuid,
            PrimitiveType::Fixed(bytes) => ColumnType::Fixed(u32::try_from(*bytes).ok()?),
            PrimitiveType::Binary => ColumnType::Binary,
            PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs => return None,
        },
        Type::List(list) => ColumnType::List(Box::new(column_type(&list.element_field.field_type)?)),
        Type::Map(map) => match &*map.key_field.field_type {
            Type::Primitive(PrimitiveType::String) => {
                ColumnType::Map(Box::new(column_type(&map.value_field.field_type)?))
            }
            _ => return None,
        },
        Type::Struct(fields) => {
            let field = |field: &NestedField| {
                Some(StructField { name: field.name.clone(), field_type: column_type(&field.field_type)? })
            };
            ColumnType::Struct(fields.fields().iter().map(|one| field(one)).collect::<Option<_>>()?)
        }
    })
}

/// A type as Glue's columns name it.
pub fn glue_type(iceberg: &Type) -> String {
    match iceberg {
        Type::Primitive(primitive) => match primitive {
            PrimitiveType::Long => "bigint".into(),
            PrimitiveType::Timestamp
            | PrimitiveType::Timestamptz
            | PrimitiveType::TimestampNs
            | PrimitiveType::TimestamptzNs => "timestamp".into(),
            PrimitiveType::Fixed(_) => "binary".into(),
            PrimitiveType::Uuid | PrimitiveType::Time => "string".into(),
            PrimitiveType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
            other => other.to_string(),
        },
        Type::List(list) => format!("array<{}>", glue_type(&list.element_field.field_type)),
        Type::Map(map) => {
            format!("map<{},{}>", glue_type(&map.key_field.field_type), glue_type(&map.value_field.field_type))
        }
        Type::Struct(fields) => {
            let fields: Vec<String> = fields
                .fields()
                .iter()
                .map(|field| format!("{}:{}", field.name, glue_type(&field.field_type)))
                .collect();
            format!("struct<{}>", fields.join(","))
        }
    }
}
