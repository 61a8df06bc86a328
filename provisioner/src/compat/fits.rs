//! Whether the stream agent reads values that a schema writes into a column, by their types alone.

use lakewright_config::{ColumnType, TimeUnit};

/// What becomes of values of a type in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fit {
    /// All are read.
    All,
    /// All are read, bytes as Base64 into text.
    Base64,
    /// Some are, and others become rejects: which those are.
    Some(&'static str),
    /// None is: why.
    None(String),
}

impl Fit {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None(why), _) | (_, Self::None(why)) => Self::None(why),
            (Self::Some(which), _) | (_, Self::Some(which)) => Self::Some(which),
            (Self::Base64, _) | (_, Self::Base64) => Self::Base64,
            (Self::All, Self::All) => Self::All,
        }
    }
}

const FRACTIONS: &str = "numbers with a fraction, or beyond its range,";
const LARGE: &str = "numbers beyond its range";
const TEXTS: &str = "texts that aren't written so";

/// How the values of a column are read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reading {
    /// What numbers count that stand for its times; without it times are texts.
    pub(super) unit: Option<TimeUnit>,
    /// Whether members that no struct takes make a message a reject.
    pub(super) refuses_unknown: bool,
}

/// What becomes of values of one type in a column of another.
pub(super) fn fits(column: &ColumnType, reading: Reading, written: &ColumnType) -> Fit {
    use ColumnType::{
        Binary, Boolean, Date, Decimal, Double, Fixed, Float, Int, List, Long, Map, String, Struct, Time, Timestamp,
        Timestamptz, Uuid,
    };
    let none = || Fit::None(format!("{written} isn't read as {column}"));
    let is_number = matches!(written, Int | Long | Float | Double | Decimal(..));
    match (column, written) {
        (Boolean, Boolean)
        | (Int, Int)
        | (Long, Int | Long)
        | (Float, Int | Long | Float | Decimal(..))
        | (Double, Int | Long | Float | Double | Decimal(..))
        | (String, String | Uuid | Date | Time | Timestamp | Timestamptz)
        | (Date, Date)
        | (Uuid, Uuid)
        | (Binary, Binary | Fixed(_)) => Fit::All,
        (String, Binary | Fixed(_)) => Fit::Base64,
        (Int, Long) | (Float, Double) => Fit::Some(LARGE),
        (Int | Long, Float | Double | Decimal(..)) => Fit::Some(FRACTIONS),
        (Decimal(precision, scale), Int | Long) => {
            let digits = if *written == Int { 10 } else { 19 };
            if precision - scale >= digits { Fit::All } else { Fit::Some(LARGE) }
        }
        (Decimal(precision, scale), Decimal(digits, places)) => {
            let fits = places <= scale && digits - places <= precision - scale;
            if fits { Fit::All } else { Fit::Some("numbers of more digits") }
        }
        (Decimal(..), Float | Double) => Fit::Some("numbers of more digits"),
        (Time | Timestamp | Timestamptz, _) if reading.unit.is_some() => {
            if is_number {
                Fit::All
            } else {
                Fit::None(format!("the column counts a `unit`, and {written} comes as text"))
            }
        }
        (Time, Time) | (Timestamp, Timestamp) | (Timestamptz, Timestamptz) => Fit::All,
        (Time | Timestamp | Timestamptz, Int | Long) => {
            Fit::None(format!("{written} is a number, and the column says no `unit`"))
        }
        (Decimal(..) | Date | Time | Timestamp | Timestamptz | Uuid | Binary, String) => Fit::Some(TEXTS),
        (Fixed(length), Fixed(found)) => {
            if length == found {
                Fit::All
            } else {
                none()
            }
        }
        (Fixed(_), Binary | String) => Fit::Some("values of another length"),
        (List(column), List(written)) | (Map(column), Map(written)) => fits(column, reading, written),
        (Map(column), Struct(fields)) => {
            fields.iter().map(|field| fits(column, reading, &field.field_type)).fold(Fit::All, Fit::and)
        }
        (Struct(fields), Struct(found)) => {
            let member = |name: &str| found.iter().find(|field| field.name == name);
            let of = |field: &lakewright_config::StructField| match member(&field.name) {
                None => Fit::All,
                Some(found) => match fits(&field.field_type, reading, &found.field_type) {
                    Fit::None(why) => Fit::None(format!("`{}`: {why}", field.name)),
                    fit => fit,
                },
            };
            let beyond = found.iter().find(|member| !fields.iter().any(|field| field.name == member.name));
            match beyond.filter(|_| reading.refuses_unknown) {
                Some(beyond) => Fit::None(format!("no member of it takes `{}`", beyond.name)),
                None => fields.iter().map(of).fold(Fit::All, Fit::and),
            }
        }
        (Struct(fields), Map(written)) => {
            let keys = if reading.refuses_unknown { Fit::Some("other keys") } else { Fit::All };
            fields.iter().map(|field| fits(&field.field_type, reading, written)).fold(keys, Fit::and)
        }
        _ => none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(column: &str, written: &str) -> Fit {
        fits(&column.parse().expect("a type"), Reading::default(), &written.parse().expect("a type"))
    }

    #[test]
    fn types_are_read_as_the_agent_reads_values() {
        for (column, written) in [
            ("long", "int"),
            ("double", "decimal(38,0)"),
            ("decimal(12,2)", "int"),
            ("decimal(12,2)", "decimal(10,1)"),
            ("string", "timestamptz"),
            ("binary", "fixed(4)"),
            ("map<string, long>", "struct<a: int, b: long>"),
            ("struct<a: long, z: date>", "struct<a: int, b: boolean>"),
            ("list<struct<a: string>>", "list<map<string, uuid>>"),
        ] {
            assert_eq!(fit(column, written), Fit::All, "{column} {written}");
        }
        for (column, written) in [
            ("int", "long"),
            ("decimal(12,2)", "long"),
            ("decimal(12,2)", "decimal(12,3)"),
            ("date", "string"),
            ("fixed(4)", "binary"),
            ("float", "double"),
            ("struct<a: int>", "struct<a: double>"),
        ] {
            assert!(matches!(fit(column, written), Fit::Some(_)), "{column} {written}");
        }
        for (column, written) in [
            ("string", "long"),
            ("boolean", "int"),
            ("timestamptz", "timestamp"),
            ("timestamptz", "long"),
            ("date", "int"),
            ("uuid", "fixed(16)"),
            ("fixed(4)", "fixed(5)"),
            ("list<int>", "int"),
            ("struct<a: string>", "struct<a: int>"),
        ] {
            assert!(matches!(fit(column, written), Fit::None(_)), "{column} {written}");
        }
    }

    #[test]
    fn times_with_a_unit_are_numbers() {
        let at = ColumnType::Timestamptz;
        let millis = Reading { unit: Some(TimeUnit::Millis), ..Reading::default() };
        assert_eq!(fits(&at, millis, &ColumnType::Long), Fit::All);
        assert!(matches!(fits(&at, millis, &ColumnType::Timestamptz), Fit::None(_)));
    }

    #[test]
    fn bytes_are_base64_in_texts() {
        assert_eq!(fit("string", "binary"), Fit::Base64);
        assert_eq!(fit("list<struct<a: string, b: int>>", "list<struct<a: fixed(4), b: int>>"), Fit::Base64);
        assert_eq!(fit("float", "decimal(38,0)"), Fit::All);
    }

    #[test]
    fn members_that_no_struct_takes_may_be_refused() {
        let refusing = Reading { refuses_unknown: true, ..Reading::default() };
        let fit = |column: &str, written: &str| {
            fits(&column.parse().expect("a type"), refusing, &written.parse().expect("a type"))
        };
        let (column, written) = ("struct<street: string>", "struct<street: string, floor: int>");
        assert_eq!(fit(column, written), Fit::None("no member of it takes `floor`".to_owned()));
        assert!(matches!(fit(&format!("list<{column}>"), &format!("list<{written}>")), Fit::None(_)));
        assert_eq!(fit(written, column), Fit::All);
        assert!(matches!(fit(column, "map<string, string>"), Fit::Some(_)));
    }
}
