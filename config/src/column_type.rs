//! The types of columns, as stack files and agents' configurations write them.

use std::fmt;
use std::str::FromStr;

use crate::written::serde_as_text;

/// So many types may stand within one another.
const DEEPEST: usize = 16;
/// The longest name of a member of a struct, in bytes.
const LONGEST_NAME: usize = 255;

/// An Iceberg type, written `string`, `decimal(12,2)`, `list<string>`, `struct<street: string, zip: string>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// True or false.
    Boolean,
    /// 32-bit signed integer.
    Int,
    /// 64-bit signed integer.
    Long,
    /// 32-bit IEEE 754.
    Float,
    /// 64-bit IEEE 754.
    Double,
    /// Fixed point: precision (1 to 38) and scale (0 to precision).
    Decimal(u8, u8),
    /// A calendar date; in messages `YYYY-MM-DD`.
    Date,
    /// A time of day in microseconds; in messages `HH:MM:SS` with at most nine decimals.
    Time,
    /// Microseconds without zone; in messages ISO 8601 without offset.
    Timestamp,
    /// Microseconds in UTC; in messages RFC 3339 with offset.
    Timestamptz,
    /// UTF-8 text.
    String,
    /// A UUID; in messages its hyphenated form.
    Uuid,
    /// So many bytes (1 to 2,147,483,647); in messages Base64.
    Fixed(u32),
    /// Bytes; in messages Base64.
    Binary,
    /// A list; in messages an array.
    List(Box<ColumnType>),
    /// From texts to values; in messages an object.
    Map(Box<ColumnType>),
    /// Named values; in messages an object.
    Struct(Vec<StructField>),
}

/// A member of a struct. It may be missing or null.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StructField {
    /// Its name, also in messages.
    pub name: String,
    /// Its type.
    pub field_type: ColumnType,
}

impl ColumnType {
    /// Whether it is made of other types.
    pub fn is_nested(&self) -> bool {
        matches!(self, Self::List(_) | Self::Map(_) | Self::Struct(_))
    }

    /// Whether it or a type within it is such a one.
    pub fn has(&self, wanted: fn(&Self) -> bool) -> bool {
        wanted(self)
            || match self {
                Self::List(inner) | Self::Map(inner) => inner.has(wanted),
                Self::Struct(fields) => fields.iter().any(|field| field.field_type.has(wanted)),
                _ => false,
            }
    }

    /// Whether Iceberg's readers take every value of the other type for one of this: a struct may have members more.
    pub fn widens(&self, other: &Self) -> bool {
        match (other, self) {
            (Self::Int, Self::Long) | (Self::Float, Self::Double) => true,
            (Self::Decimal(narrow, before), Self::Decimal(wide, after)) => narrow <= wide && before == after,
            (Self::List(narrow), Self::List(wide)) | (Self::Map(narrow), Self::Map(wide)) => wide.widens(narrow),
            (Self::Struct(narrow), Self::Struct(wide)) => narrow.iter().all(|field| {
                let same = wide.iter().find(|other| other.name == field.name);
                same.is_some_and(|same| same.field_type.widens(&field.field_type))
            }),
            _ => self == other,
        }
    }
}

/// Why a text is no column type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnTypeError {
    /// The text.
    pub text: String,
    /// What is wrong with it, or `None` when it names no type at all.
    pub reason: Option<String>,
}

impl fmt::Display for ColumnTypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Some(reason) => write!(f, "column type `{}`: {reason}", self.text),
            None => write!(
                f,
                "unknown column type `{}`; the types are boolean, int, long, float, double, decimal(P,S), date, time, \
                 timestamp, timestamptz, string, uuid, fixed(N), binary, list<TYPE>, map<string, TYPE> and \
                 struct<NAME: TYPE, …>",
                self.text
            ),
        }
    }
}

impl std::error::Error for ColumnTypeError {}

impl FromStr for ColumnType {
    type Err = ColumnTypeError;

    fn from_str(text: &str) -> Result<Self, ColumnTypeError> {
        let mut parser = Parser { whole: text, rest: text };
        let parsed = parser.column_type(0)?;
        parser.space();
        if parser.rest.is_empty() {
            return Ok(parsed);
        }
        Err(parser.wrong(&format!("nothing can follow `{parsed}`, but `{}` does", parser.rest)))
    }
}

/// Reads a type from the front of what is left.
struct Parser<'a> {
    whole: &'a str,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn wrong(&self, reason: &str) -> ColumnTypeError {
        ColumnTypeError { text: self.whole.to_owned(), reason: Some(reason.to_owned()) }
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn next_is(&mut self, sign: char) -> bool {
        self.space();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, sign: char, form: &str) -> Result<(), ColumnTypeError> {
        if self.next_is(sign) { Ok(()) } else { Err(self.wrong(&format!("`{sign}` is missing: write it as {form}"))) }
    }

    fn word(&mut self) -> &'a str {
        self.space();
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn number<T: FromStr>(&mut self, what: &str) -> Result<T, ColumnTypeError> {
        self.word().parse().map_err(|_| self.wrong(&format!("{what} must be a number")))
    }

    fn column_type(&mut self, depth: usize) -> Result<ColumnType, ColumnTypeError> {
        if depth == DEEPEST {
            return Err(self.wrong(&format!("more than {DEEPEST} types stand within one another")));
        }
        self.space();
        let whole = self.rest;
        Ok(match self.word() {
            "boolean" => ColumnType::Boolean,
            "int" => ColumnType::Int,
            "long" => ColumnType::Long,
            "float" => ColumnType::Float,
            "double" => ColumnType::Double,
            "date" => ColumnType::Date,
            "time" => ColumnType::Time,
            "timestamp" => ColumnType::Timestamp,
            "timestamptz" => ColumnType::Timestamptz,
            "string" => ColumnType::String,
            "uuid" => ColumnType::Uuid,
            "binary" => ColumnType::Binary,
            "decimal" => self.decimal()?,
            "fixed" => self.fixed()?,
            "list" => {
                self.expect('<', "list<TYPE>")?;
                let element = self.column_type(depth + 1)?;
                self.expect('>', "list<TYPE>")?;
                ColumnType::List(Box::new(element))
            }
            "map" => self.map(depth)?,
            "struct" => self.members(depth)?,
            _ => {
                let end = whole.find([',', '<', '>']).unwrap_or(whole.len());
                let end = if whole[..end].contains('(') { whole.find(')').map_or(end, |at| at + 1) } else { end };
                return Err(ColumnTypeError { text: whole[..end].trim().to_owned(), reason: None });
            }
        })
    }

    fn decimal(&mut self) -> Result<ColumnType, ColumnTypeError> {
        let form = "decimal(PRECISION,SCALE)";
        self.expect('(', form)?;
        let precision: u8 = self.number("the precision")?;
        self.expect(',', form)?;
        let scale: u8 = self.number("the scale")?;
        self.expect(')', form)?;
        if !(1..=38).contains(&precision) {
            return Err(self.wrong("the precision must be between 1 and 38"));
        }
        if scale > precision {
            return Err(self.wrong("the scale must not exceed the precision"));
        }
        Ok(ColumnType::Decimal(precision, scale))
    }

    /// Iceberg's own files write `fixed[16]`.
    fn fixed(&mut self) -> Result<ColumnType, ColumnTypeError> {
        let close = if self.next_is('[') { ']' } else { ')' };
        if close == ')' {
            self.expect('(', "fixed(BYTES)")?;
        }
        let bytes: u32 = self.number("the number of bytes")?;
        self.expect(close, "fixed(BYTES)")?;
        if bytes == 0 || i32::try_from(bytes).is_err() {
            return Err(self.wrong("the number of bytes must be between 1 and 2147483647"));
        }
        Ok(ColumnType::Fixed(bytes))
    }

    fn map(&mut self, depth: usize) -> Result<ColumnType, ColumnTypeError> {
        let form = "map<string, TYPE>";
        self.expect('<', form)?;
        if self.word() != "string" {
            return Err(self.wrong("the keys of a map are texts, as members' names are: write it as map<string, TYPE>"));
        }
        self.expect(',', form)?;
        let value = self.column_type(depth + 1)?;
        self.expect('>', form)?;
        Ok(ColumnType::Map(Box::new(value)))
    }

    fn members(&mut self, depth: usize) -> Result<ColumnType, ColumnTypeError> {
        let form = "struct<NAME: TYPE, NAME: TYPE>";
        self.expect('<', form)?;
        let mut fields: Vec<StructField> = Vec::new();
        loop {
            let name = self.word();
            if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.is_ascii() {
                return Err(self.wrong(
                    "a member's name has letters of ASCII, digits and `_`, no digit first: write it as struct<NAME: TYPE>",
                ));
            }
            if name.len() > LONGEST_NAME {
                return Err(self.wrong(&format!("a member's name has more than {LONGEST_NAME} characters")));
            }
            // Athena doesn't distinguish them.
            if fields.iter().any(|field| field.name.eq_ignore_ascii_case(name)) {
                return Err(self.wrong(&format!("the member `{name}` stands there twice (case doesn't count)")));
            }
            self.expect(':', form)?;
            fields.push(StructField { name: name.to_owned(), field_type: self.column_type(depth + 1)? });
            if !self.next_is(',') {
                break;
            }
        }
        self.expect('>', form)?;
        Ok(ColumnType::Struct(fields))
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::String => "string",
            Self::Uuid => "uuid",
            Self::Binary => "binary",
            Self::Decimal(precision, scale) => return write!(f, "decimal({precision},{scale})"),
            Self::Fixed(bytes) => return write!(f, "fixed({bytes})"),
            Self::List(element) => return write!(f, "list<{element}>"),
            Self::Map(value) => return write!(f, "map<string, {value}>"),
            Self::Struct(fields) => {
                let fields = fields.iter().map(|field| format!("{}: {}", field.name, field.field_type));
                return write!(f, "struct<{}>", fields.collect::<Vec<_>>().join(", "));
            }
        })
    }
}

serde_as_text!(ColumnType, "ColumnType", "decimal(12,2)");

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ColumnType {
        text.parse().expect(text)
    }

    #[test]
    fn column_types_round_trip() {
        for text in [
            "boolean",
            "int",
            "long",
            "decimal(12,2)",
            "list<string>",
            "timestamptz",
            "binary",
            "time",
            "uuid",
            "fixed(16)",
            "list<list<int>>",
            "map<string, double>",
            "struct<street: string, zipCode: int, tags: list<map<string, decimal(4,1)>>>",
        ] {
            assert_eq!(read(text).to_string(), text);
        }
        assert_eq!(read(" list < struct<a:int,b :string> > ").to_string(), "list<struct<a: int, b: string>>");
        assert_eq!(read("fixed[16]"), ColumnType::Fixed(16));
        assert_eq!(read("decimal( 4 , 2 )"), ColumnType::Decimal(4, 2));
    }

    #[test]
    fn wrong_column_types_say_why() {
        let deep = format!("{}int{}", "list<".repeat(16), ">".repeat(16));
        for (text, part) in [
            ("txt", "unknown column type `txt`"),
            ("list<varchar(20)>", "unknown column type `varchar(20)`"),
            ("struct<a: int, b: text>", "unknown column type `text`"),
            ("decimal(40,2)", "between 1 and 38"),
            ("decimal(4,6)", "must not exceed"),
            ("decimal(4)", "`,` is missing"),
            ("fixed(0)", "between 1 and 2147483647"),
            ("list<int", "`>` is missing"),
            ("int>", "nothing can follow `int`"),
            ("map<int, string>", "the keys of a map are texts"),
            ("struct<>", "a member's name"),
            ("struct<a: int, A: int>", "stands there twice"),
            ("struct<1: int>", "no digit first"),
            (deep.as_str(), "more than 16 types"),
            ("", "unknown column type ``"),
        ] {
            let message = text.parse::<ColumnType>().expect_err(text).to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn a_type_widens_by_what_it_is_made_of() {
        for (narrow, wide) in [
            ("int", "long"),
            ("list<int>", "list<long>"),
            ("map<string, float>", "map<string, double>"),
            ("decimal(4,2)", "decimal(9,2)"),
            ("struct<a: int>", "struct<b: string, a: long>"),
        ] {
            assert!(read(wide).widens(&read(narrow)), "{narrow} {wide}");
            assert!(!read(narrow).widens(&read(wide)), "{wide} {narrow}");
        }
        assert!(!read("decimal(9,3)").widens(&read("decimal(9,2)")));
        assert!(read("list<struct<a: time>>").has(|one| *one == ColumnType::Time));
        assert!(!read("map<string, date>").has(|one| *one == ColumnType::Time));
    }
}
