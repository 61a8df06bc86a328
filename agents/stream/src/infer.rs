//! The type of a column, from the values that it shall hold.

use std::collections::BTreeSet;

use lakewright_config::{ColumnType, StructField};

use crate::escape::resolved;
use crate::json::{Scanner, Syntax, Token};
use crate::shape::Shape;

/// The most members of an object that becomes a struct.
const MOST_MEMBERS: usize = 100;
/// The longest name of one.
const LONGEST_NAME: usize = 128;

/// What a value says of the column that shall hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Inferred {
    /// It says nothing: `null`, `[]`, `{}`, and what is made of these.
    Nothing,
    /// It fits such a column.
    Type(ColumnType),
    /// It is nothing that a column of a simple type holds.
    Never,
}

/// What a value says, as it is written in a message: texts, numbers and booleans, lists of one kind of them, and objects whose
/// members are such. What looks like a date is a text.
///
/// # Errors
/// It is no JSON.
pub(crate) fn infer(value: &str) -> Result<Inferred, Syntax> {
    let mut scanner = Scanner::new(value);
    if scanner.next_is(b'[') {
        list(&mut scanner)
    } else if scanner.next_is(b'{') {
        object(&mut scanner)
    } else {
        Ok(scalar(scanner.value()?))
    }
}

fn scalar(token: Token<'_>) -> Inferred {
    Inferred::Type(match token {
        Token::Null => return Inferred::Nothing,
        Token::Bool(_) => ColumnType::Boolean,
        Token::Text { .. } => ColumnType::String,
        Token::Number(text) if is_whole(text) => match text.parse::<i64>() {
            Ok(_) => ColumnType::Long,
            Err(_) => return Inferred::Never,
        },
        Token::Number(text) => match text.parse::<f64>() {
            Ok(value) if value.is_finite() => ColumnType::Double,
            _ => return Inferred::Never,
        },
        Token::Array(_) | Token::Object(_) => return Inferred::Never,
    })
}

fn list(scanner: &mut Scanner<'_>) -> Result<Inferred, Syntax> {
    let mut element = Inferred::Nothing;
    let mut more = scanner.enter_array()?;
    while more {
        element = match (element, scalar(scanner.value()?)) {
            (Inferred::Never, _) | (_, Inferred::Never) => Inferred::Never,
            (known, Inferred::Nothing) => known,
            (Inferred::Nothing, found) => found,
            (Inferred::Type(known), Inferred::Type(found)) => match common(known, found) {
                Some(both) => Inferred::Type(both),
                None => Inferred::Never,
            },
        };
        more = scanner.more(b']')?;
    }
    Ok(match element {
        Inferred::Type(element) => Inferred::Type(ColumnType::List(Box::new(element))),
        other => other,
    })
}

fn object(scanner: &mut Scanner<'_>) -> Result<Inferred, Syntax> {
    let (mut fields, mut names, mut simple) = (Vec::new(), BTreeSet::new(), true);
    let mut room = String::new();
    let mut more = scanner.enter_object()?;
    while more {
        let (raw, escaped) = scanner.name()?;
        let name = resolved(raw, escaped, &mut room).to_owned();
        match scalar(scanner.value()?) {
            Inferred::Type(field_type) => {
                simple &= is_name(&name) && names.insert(name.to_ascii_lowercase());
                fields.push(StructField { name, field_type });
            }
            Inferred::Nothing => {}
            Inferred::Never => simple = false,
        }
        simple &= fields.len() <= MOST_MEMBERS;
        more = scanner.more(b'}')?;
    }
    Ok(match fields.is_empty() {
        _ if !simple => Inferred::Never,
        true => Inferred::Nothing,
        false => Inferred::Type(ColumnType::Struct(fields)),
    })
}

/// Whether these can be the members of a struct.
pub(crate) fn make_a_struct(fields: &[StructField]) -> bool {
    let mut names = BTreeSet::new();
    let all = fields.iter().all(|field| is_name(&field.name) && names.insert(field.name.to_ascii_lowercase()));
    all && fields.len() <= MOST_MEMBERS
}

/// Whether the structs of a type that a schema gives are such as values give.
pub(crate) fn is_bounded(column_type: &ColumnType) -> bool {
    match column_type {
        ColumnType::Struct(fields) => make_a_struct(fields) && fields.iter().all(|field| is_bounded(&field.field_type)),
        ColumnType::List(inner) | ColumnType::Map(inner) => is_bounded(inner),
        _ => true,
    }
}

/// Whether a member's name can be one of a struct.
fn is_name(name: &str) -> bool {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_plain && (1..=LONGEST_NAME).contains(&name.len()) && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// A number without fraction and exponent.
fn is_whole(number: &str) -> bool {
    !number.contains(['.', 'e', 'E'])
}

/// The scalar type that holds values of both.
fn common(one: ColumnType, other: ColumnType) -> Option<ColumnType> {
    match (&one, &other) {
        _ if one == other => Some(one),
        (ColumnType::Long, ColumnType::Double) | (ColumnType::Double, ColumnType::Long) => Some(ColumnType::Double),
        _ => None,
    }
}

/// The type of a column that was inferred from values before, when another one comes: the first value decides, whole numbers
/// become a double with the first that isn't whole, and a struct gets the members that come.
pub(crate) fn join(known: ColumnType, found: ColumnType) -> ColumnType {
    match (known, found) {
        (ColumnType::List(known), ColumnType::List(found)) => ColumnType::List(Box::new(join(*known, *found))),
        (ColumnType::Struct(mut known), ColumnType::Struct(found)) => {
            for field in found {
                match known.iter().position(|one| one.name == field.name) {
                    Some(at) => known[at].field_type = join(known[at].field_type.clone(), field.field_type),
                    None if known.len() == MOST_MEMBERS => {}
                    None if known.iter().any(|one| one.name.eq_ignore_ascii_case(&field.name)) => {}
                    None => known.push(field),
                }
            }
            ColumnType::Struct(known)
        }
        (known, found) => common(known.clone(), found).unwrap_or(known),
    }
}

/// Whether no whole number in a value loses digits in the doubles of a shape. The value fits the shape.
///
/// # Errors
/// It is no JSON.
pub(crate) fn is_exact(value: &str, shape: &Shape) -> Result<bool, Syntax> {
    // What has fewer digits is exact.
    if value.len() < 16 { Ok(true) } else { exact(&mut Scanner::new(value), shape) }
}

fn exact(scanner: &mut Scanner<'_>, shape: &Shape) -> Result<bool, Syntax> {
    let mut all = true;
    match shape {
        Shape::Double => {
            if let Token::Number(text) = scanner.value()?
                && is_whole(text)
            {
                all = text.parse::<i128>().ok().zip(text.parse::<f64>().ok()).is_some_and(|(whole, double)| {
                    // Beyond that, a double as an integer is cut off.
                    double.abs() < 1e37 && double as i128 == whole
                });
            }
        }
        Shape::List(element) if scanner.next_is(b'[') => {
            let mut more = scanner.enter_array()?;
            while more {
                all &= exact(scanner, &element.shape)?;
                more = scanner.more(b']')?;
            }
        }
        Shape::Map(value) if scanner.next_is(b'{') => {
            let mut more = scanner.enter_object()?;
            while more {
                scanner.name()?;
                all &= exact(scanner, &value.shape)?;
                more = scanner.more(b'}')?;
            }
        }
        Shape::Struct(fields) if scanner.next_is(b'{') => {
            let mut room = String::new();
            let mut more = scanner.enter_object()?;
            while more {
                let (raw, escaped) = scanner.name()?;
                let name = resolved(raw, escaped, &mut room);
                match fields.iter().find(|field| field.name == name) {
                    Some(field) => all &= exact(scanner, &field.shape)?,
                    None => scanner.pass()?,
                }
                more = scanner.more(b'}')?;
            }
        }
        _ => scanner.pass()?,
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use iceberg::spec::{PrimitiveType, Type};

    use super::*;

    fn named(value: &str) -> String {
        match infer(value).expect("JSON") {
            Inferred::Nothing => "nothing".to_owned(),
            Inferred::Never => "never".to_owned(),
            Inferred::Type(column_type) => column_type.to_string(),
        }
    }

    #[test]
    fn types_are_those_that_hold_what_is_written() {
        for (value, expected) in [
            ("null", "nothing"),
            ("[]", "nothing"),
            ("[null]", "nothing"),
            ("{}", "nothing"),
            (r#"{"a":null}"#, "nothing"),
            ("true", "boolean"),
            ("-7", "long"),
            ("9223372036854775807", "long"),
            ("9223372036854775808", "never"),
            ("1.5", "double"),
            ("1e3", "double"),
            ("1e999", "never"),
            (r#""2026-03-01""#, "string"),
            ("[1,null,2.5]", "list<double>"),
            (r#"[1,"a"]"#, "never"),
            ("[[1]]", "never"),
            (r#"{"zipCode":"1","floor":2,"x":null}"#, "struct<zipCode: string, floor: long>"),
            (r#"{"a":{"b":1}}"#, "never"),
            (r#"{"a":1,"A":2}"#, "never"),
            (r#"{"a-b":1}"#, "never"),
            (r#"{"":1}"#, "never"),
        ] {
            assert_eq!(named(value), expected, "{value}");
        }
        let many: Vec<String> = (0..101).map(|number| format!("\"m{number}\":1")).collect();
        assert_eq!(named(&format!("{{{}}}", many.join(","))), "never");
    }

    #[test]
    fn the_first_value_decides_and_numbers_and_structs_grow() {
        for (known, found, expected) in [
            ("long", "double", "double"),
            ("double", "long", "double"),
            ("long", "string", "long"),
            ("string", "struct<a: long>", "string"),
            ("list<long>", "list<double>", "list<double>"),
            ("struct<a: long>", "struct<a: double, b: string>", "struct<a: double, b: string>"),
            ("struct<a: long>", "struct<A: double, b: string>", "struct<a: long, b: string>"),
        ] {
            let joined = join(known.parse().expect("a type"), found.parse().expect("a type"));
            assert_eq!(joined.to_string(), expected, "{known} {found}");
        }
    }

    #[test]
    fn whole_numbers_that_a_double_rounds_are_found() {
        let double = Shape::of(&Type::Primitive(PrimitiveType::Double), None).expect("a shape");
        for (value, expected) in [
            ("9007199254740992", true),
            ("9007199254740993", false),
            ("9007199254740993.0", true),
            ("1000000000000000000000000000000000000000", false),
            ("-9007199254740993", false),
        ] {
            assert_eq!(is_exact(value, &double), Ok(expected), "{value}");
        }
        let long = Shape::of(&Type::Primitive(PrimitiveType::Long), None).expect("a shape");
        assert_eq!(is_exact("9007199254740993", &long), Ok(true));
    }
}
