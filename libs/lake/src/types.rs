//! Iceberg types as the stack file and Glue write them.

use std::sync::Arc;

use iceberg::spec::{ListType, MapType, NestedField, PrimitiveType, StructType, Type};
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

/// The Iceberg type of a column type; its parts get the ids behind `ids`, the last one given.
pub fn iceberg_type(declared: &ColumnType, ids: &mut i32) -> Type {
    let primitive = match declared {
        ColumnType::Boolean => PrimitiveType::Boolean,
        ColumnType::Int => PrimitiveType::Int,
        ColumnType::Long => PrimitiveType::Long,
        ColumnType::Float => PrimitiveType::Float,
        ColumnType::Double => PrimitiveType::Double,
        ColumnType::Decimal(precision, scale) => {
            PrimitiveType::Decimal { precision: (*precision).into(), scale: (*scale).into() }
        }
        ColumnType::Date => PrimitiveType::Date,
        ColumnType::Time => PrimitiveType::Time,
        ColumnType::Timestamp => PrimitiveType::Timestamp,
        ColumnType::Timestamptz => PrimitiveType::Timestamptz,
        ColumnType::String => PrimitiveType::String,
        ColumnType::Uuid => PrimitiveType::Uuid,
        ColumnType::Fixed(length) => PrimitiveType::Fixed((*length).into()),
        ColumnType::Binary => PrimitiveType::Binary,
        ColumnType::List(element) => {
            let id = next(ids);
            let element = NestedField::list_element(id, iceberg_type(element, ids), false);
            return Type::List(ListType::new(Arc::new(element)));
        }
        ColumnType::Map(value) => {
            let (key, id) = (next(ids), next(ids));
            let key = NestedField::map_key_element(key, Type::Primitive(PrimitiveType::String));
            let value = NestedField::map_value_element(id, iceberg_type(value, ids), false);
            return Type::Map(MapType::new(Arc::new(key), Arc::new(value)));
        }
        ColumnType::Struct(fields) => {
            let fields = fields.iter().map(|field| {
                let id = next(ids);
                Arc::new(NestedField::optional(id, &field.name, iceberg_type(&field.field_type, ids)))
            });
            return Type::Struct(StructType::new(fields.collect()));
        }
    };
    Type::Primitive(primitive)
}

/// The next id of a field.
pub(crate) fn next(ids: &mut i32) -> i32 {
    *ids += 1;
    *ids
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declared_type_comes_back_from_iceberg() {
        for text in [
            "boolean",
            "int",
            "long",
            "float",
            "double",
            "decimal(12,2)",
            "date",
            "time",
            "timestamp",
            "timestamptz",
            "string",
            "uuid",
            "fixed(16)",
            "binary",
            "map<string, struct<a: list<uuid>, b: fixed(3)>>",
        ] {
            let declared: ColumnType = text.parse().expect("a type");
            assert_eq!(column_type(&iceberg_type(&declared, &mut 0)), Some(declared), "{text}");
        }
    }

    #[test]
    fn parts_get_ids_of_their_own() {
        let declared: ColumnType = "map<string, struct<a: list<int>, b: int>>".parse().expect("a type");
        let mut ids = 7;
        let Type::Map(map) = iceberg_type(&declared, &mut ids) else { panic!("a map") };
        let Type::Struct(parts) = &*map.value_field.field_type else { panic!("a struct") };
        let Type::List(list) = &*parts.fields()[0].field_type else { panic!("a list") };
        let given =
            [map.key_field.id, map.value_field.id, parts.fields()[0].id, list.element_field.id, parts.fields()[1].id];
        assert_eq!((given, ids), ([8, 9, 10, 11, 12], 12));
    }
}
