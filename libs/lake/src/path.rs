//! Where data files go: folders named by partition values, as Iceberg's Java names them, and never too long for S3.
//!
//! The Iceberg crate writes the values as they are (apache/iceberg-rust, `PartitionSpec::partition_to_path`: values
//! aren't URL-encoded), which readers take for a query (`?`), a fragment (`#`) or folders (`/`), and it panics at
//! times before 1970 (apache/iceberg-rust, `microseconds_to_datetimetz`: negative remainder).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use iceberg::spec::{Literal, PartitionKey, PrimitiveLiteral, PrimitiveType, TableMetadata, Transform};
use iceberg::writer::file_writer::location_generator::LocationGenerator;
use uuid::Uuid;

use crate::calendar::{self, DAY, HOUR};

/// Bytes of a key in S3.
const KEY: usize = 1024;
/// Bytes kept for a file's name and the slashes.
const FILE: usize = 80;
/// Bytes of one encoded name or value.
const VALUE: usize = 128;
/// Hexadecimal digits that stand for what was cut away.
const DIGEST: usize = 16;

/// Bytes of the folders that a hash makes, with a slash: `0101/0110/1001/10110010/`.
const HASH: usize = 24;

/// Names data files.
#[derive(Debug, Clone)]
pub(crate) struct DataPaths {
    /// Without a slash at the end.
    folder: String,
    /// Of a table whose files are spread over S3's partitions (`write.object-storage.enabled`).
    spread: Option<Spread>,
    /// Bytes that the partition's folders may have.
    room: usize,
}

/// How files are spread.
#[derive(Debug, Clone)]
struct Spread {
    /// What names the table in a folder that others share, with a slash; empty in the table's own.
    context: String,
    /// Whether partitions have folders.
    partitions: bool,
}

impl DataPaths {
    /// The paths of a table's data files.
    /// Source: Iceberg's Java, `LocationProviders`.
    pub(crate) fn new(metadata: &TableMetadata) -> Self {
        let property = |name: &str| metadata.properties().get(name);
        let is_true = |text: &String| text.eq_ignore_ascii_case("true");
        let location = metadata.location().trim_end_matches('/');
        let spreads = property("write.object-storage.enabled").is_some_and(is_true);
        let set = property("write.data.path")
            .or_else(|| property("write.object-storage.path").filter(|_| spreads))
            .or_else(|| property("write.folder-storage.path"));
        let folder = set.map_or_else(|| format!("{location}/data"), String::clone);
        let folder = folder.trim_end_matches('/').to_owned();
        let spread = spreads.then(|| Spread {
            context: if folder.starts_with(location) { String::new() } else { context(location) },
            partitions: property("write.object-storage.partitioned-paths").is_none_or(is_true),
        });
        let key = folder.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or(0, |(_, key)| key.len());
        let spread_bytes = spread.as_ref().map_or(0, |spread| HASH + spread.context.len());
        Self { folder, spread, room: KEY.saturating_sub(key + FILE + spread_bytes) }
    }
}

impl LocationGenerator for DataPaths {
    fn generate_location(&self, partition: Option<&PartitionKey>, file: &str) -> String {
        let folders = partition.filter(|key| !key.spec().is_unpartitioned());
        let folders = folders.filter(|_| self.spread.as_ref().is_none_or(|spread| spread.partitions));
        let name = folders.map_or_else(|| file.to_owned(), |key| format!("{}/{file}", folders_of(key, self.room)));
        let Some(Spread { context, partitions }) = &self.spread else { return format!("{}/{name}", self.folder) };
        let (hash, between) = (hash(&name), if *partitions || !context.is_empty() { '/' } else { '-' });
        format!("{}/{hash}{between}{context}{name}", self.folder)
    }
}

/// `DATABASE/TABLE/` of a table's location, as its last two folders say it.
fn context(location: &str) -> String {
    let path = location.split_once("://").map_or(location, |(_, path)| path);
    let mut parts = path.rsplit('/');
    match (parts.next(), parts.next()) {
        (Some(table), Some(above)) => format!("{above}/{table}/"),
        _ => format!("{path}/"),
    }
}

/// The folders that a name's hash makes: its last twenty bits.
fn hash(name: &str) -> String {
    let hash = murmur3::murmur3_32(&mut name.as_bytes(), 0).expect("a text in memory can be read");
    let bits = format!("{:020b}", hash & 0xf_ffff);
    format!("{}/{}/{}/{}", &bits[..4], &bits[4..8], &bits[8..12], &bits[12..])
}

/// `name=value` for each partition field, with slashes between, in at most `room` bytes.
/// Source: Iceberg's Java, `PartitionSpec.partitionToPath`.
fn folders_of(key: &PartitionKey, room: usize) -> String {
    let types = key.spec().partition_type(key.schema()).ok();
    let mut path = String::new();
    for (index, field) in key.spec().fields().iter().enumerate() {
        let kind = types.as_ref().and_then(|types| types.fields()[index].field_type.as_primitive_type());
        let value = match (kind, key.data().fields().get(index)) {
            (Some(kind), Some(Some(Literal::Primitive(value)))) => shown(field.transform, kind, value),
            _ => "null".to_owned(),
        };
        if index > 0 {
            path.push('/');
        }
        path.push_str(&capped(encoded(&field.name), VALUE));
        path.push('=');
        path.push_str(&capped(encoded(&value), VALUE));
    }
    capped(path, room.max(DIGEST + 1))
}

/// An encoded text, or its beginning and a digest of all of it.
fn capped(text: String, room: usize) -> String {
    if text.len() <= room {
        return text;
    }
    let mut end = room - DIGEST - 1;
    // Not within `%C3`.
    if let Some(percent) = text[..end].rfind('%').filter(|percent| end - percent < 3) {
        end = percent;
    }
    let digest = Uuid::new_v5(&Uuid::NAMESPACE_URL, text.as_bytes()).simple().to_string();
    format!("{}-{}", text[..end].trim_end_matches('/'), &digest[..DIGEST])
}

/// As `java.net.URLEncoder` encodes a text in UTF-8.
fn encoded(text: &str) -> String {
    let mut path = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => path.push(char::from(byte)),
            b' ' => path.push('+'),
            other => path.push_str(&format!("%{other:02X}")),
        }
    }
    path
}

/// A value as Iceberg's Java shows it (`Transform.toHumanString`).
fn shown(transform: Transform, kind: &PrimitiveType, value: &PrimitiveLiteral) -> String {
    use PrimitiveLiteral as Value;
    match (transform, kind, value) {
        (Transform::Void, ..) => "null".to_owned(),
        (Transform::Year, _, Value::Int(year)) => format!("{:04}", i64::from(*year) + 1970),
        (Transform::Month, _, Value::Int(month)) => {
            format!("{:04}-{:02}", 1970 + month.div_euclid(12), 1 + month.rem_euclid(12))
        }
        (Transform::Hour, _, Value::Int(hour)) => {
            let hour = i64::from(*hour);
            format!("{}-{:02}", day(hour.div_euclid(24)), hour.rem_euclid(24))
        }
        (Transform::Day, _, Value::Int(days)) | (_, PrimitiveType::Date, Value::Int(days)) => day((*days).into()),
        (_, PrimitiveType::Time, Value::Long(micros)) => time(micros * 1000),
        (_, PrimitiveType::Timestamp, Value::Long(micros)) => timestamp(*micros, 0),
        (_, PrimitiveType::Timestamptz, Value::Long(micros)) => timestamp(*micros, 0) + "Z",
        (_, PrimitiveType::TimestampNs, Value::Long(nanos)) => {
            timestamp(nanos.div_euclid(1000), nanos.rem_euclid(1000))
        }
        (_, PrimitiveType::TimestamptzNs, Value::Long(nanos)) => {
            timestamp(nanos.div_euclid(1000), nanos.rem_euclid(1000)) + "Z"
        }
        (_, PrimitiveType::Decimal { scale, .. }, Value::Int128(unscaled)) => decimal(*unscaled, *scale),
        (_, _, Value::Boolean(value)) => value.to_string(),
        (_, _, Value::Int(value)) => value.to_string(),
        (_, _, Value::Long(value)) => value.to_string(),
        (_, _, Value::Float(value)) => float(f64::from(value.0), &format!("{:e}", value.0)),
        (_, _, Value::Double(value)) => float(value.0, &format!("{:e}", value.0)),
        (_, _, Value::String(value)) => value.clone(),
        (_, _, Value::Binary(bytes)) => STANDARD.encode(bytes),
        (_, _, Value::UInt128(value)) => Uuid::from_u128(*value).to_string(),
        (_, _, Value::Int128(_) | Value::AboveMax | Value::BelowMin) => "null".to_owned(),
    }
}

/// `TransformUtil.humanDay`.
fn day(days: i64) -> String {
    let (year, month, day) = calendar::date(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `LocalDateTime.toString`, of microseconds from 1970 and nanoseconds beside them.
fn timestamp(micros: i64, nanos: i64) -> String {
    let (year, month, day) = calendar::date(calendar::day(micros));
    let sign = if year > 9999 { "+" } else { "" };
    let year = if year < 0 { format!("-{:04}", -year) } else { format!("{sign}{year:04}") };
    format!("{year}-{month:02}-{day:02}T{}", time(micros.rem_euclid(DAY) * 1000 + nanos))
}

/// `LocalTime.toString`, of nanoseconds from midnight: the shortest form.
fn time(nanos: i64) -> String {
    let micros = nanos / 1000;
    let (hour, minute, second) = (micros / HOUR, micros / 60_000_000 % 60, micros / 1_000_000 % 60);
    let fraction = nanos % 1_000_000_000;
    let mut text = format!("{hour:02}:{minute:02}");
    if second > 0 || fraction > 0 {
        text.push_str(&format!(":{second:02}"));
    }
    if fraction > 0 {
        text.push_str(&match fraction {
            _ if fraction % 1_000_000 == 0 => format!(".{:03}", fraction / 1_000_000),
            _ if fraction % 1_000 == 0 => format!(".{:06}", fraction / 1_000),
            _ => format!(".{fraction:09}"),
        });
    }
    text
}

/// `BigDecimal.toString`.
fn decimal(unscaled: i128, scale: u32) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = unscaled.unsigned_abs().to_string();
    let scale = scale as usize;
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    // The exponent of the first digit; below -6 Java writes it out.
    let exponent = digits.len() as i64 - 1 - scale as i64;
    if exponent < -6 {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        return format!("{sign}{first}{point}{rest}E{exponent}");
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// `Double.toString`, from the shortest scientific form as Rust writes it (`1.5e-7`).
fn float(value: f64, scientific: &str) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() };
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    if !(-3..7).contains(&exponent) {
        let point = if mantissa.contains('.') { "" } else { ".0" };
        return format!("{sign}{mantissa}{point}E{exponent}");
    }
    let digits = mantissa.replace('.', "");
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat((-exponent - 1) as usize));
    }
    let whole = exponent as usize + 1;
    let padded = format!("{digits:0<width$}", width = whole + 1);
    let (whole, fraction) = padded.split_at(whole);
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use iceberg::spec::{NestedField, PartitionSpec, Schema, Struct, Type};

    use super::*;

    /// The folder of one value of a type under a transform.
    fn folder(kind: PrimitiveType, transform: Transform, value: Option<Literal>) -> String {
        let field = Arc::new(NestedField::optional(1, "c", Type::Primitive(kind)));
        let schema = Arc::new(Schema::builder().with_fields([field]).build().unwrap());
        let spec = PartitionSpec::builder(schema.clone()).add_partition_field("c", "c p", transform).unwrap();
        let key = PartitionKey::new(spec.build().unwrap(), schema, Struct::from_iter([value]));
        folders_of(&key, 512)
    }

    /// The right column is what Iceberg's Java 1.10 makes of the left: values of its tests, or traced by hand through
    /// `TransformUtil`, `java.time` and `URLEncoder`.
    #[test]
    fn values_are_named_as_java_names_them() {
        use PrimitiveType as Kind;
        let identity = Transform::Identity;
        let decimal = Kind::Decimal { precision: 12, scale: 2 };
        let tiny = Kind::Decimal { precision: 38, scale: 10 };
        let cases = [
            (Kind::String, identity, Literal::string("a/b c?d=e#f%&"), "a%2Fb+c%3Fd%3De%23f%25%26"),
            (Kind::String, identity, Literal::string("Zürich*.-_~"), "Z%C3%BCrich*.-_%7E"),
            (Kind::String, Transform::Truncate(3), Literal::string("a+b"), "a%2Bb"),
            (Kind::String, identity, Literal::string(""), ""),
            (Kind::Binary, identity, Literal::binary([0xfb, 0xff, 1]), "%2B%2F8B"),
            (Kind::Binary, Transform::Truncate(4), Literal::binary([1, 2, 104, 101]), "AQJoZQ%3D%3D"),
            (Kind::Fixed(1), identity, Literal::fixed([255]), "%2Fw%3D%3D"),
            (Kind::Boolean, identity, Literal::bool(true), "true"),
            (Kind::Int, identity, Literal::int(-5), "-5"),
            (Kind::Long, Transform::Bucket(16), Literal::int(7), "7"),
            (Kind::Date, identity, Literal::date(-719_529), "-001-12-31"),
            (Kind::Date, Transform::Year, Literal::int(-1970), "0000"),
            (Kind::Date, Transform::Month, Literal::int(-1), "1969-12"),
            (Kind::Timestamptz, Transform::Day, Literal::date(-2), "1969-12-30"),
            (Kind::Timestamptz, Transform::Hour, Literal::int(-1), "1969-12-31-23"),
            (Kind::Timestamptz, identity, Literal::timestamptz(-100_000), "1969-12-31T23%3A59%3A59.900Z"),
            (Kind::Timestamptz, identity, Literal::timestamptz(0), "1970-01-01T00%3A00Z"),
            (Kind::Timestamp, identity, Literal::timestamp(1_000_001), "1970-01-01T00%3A00%3A01.000001"),
            (Kind::Timestamp, identity, Literal::timestamp(-62_167_219_200_000_001), "-0001-12-31T23%3A59%3A59.999999"),
            (Kind::Timestamp, identity, Literal::timestamp(253_402_300_800_000_000), "%2B10000-01-01T00%3A00"),
            (Kind::Time, identity, Literal::time(36_775_038_194), "10%3A12%3A55.038194"),
            (decimal.clone(), identity, Literal::decimal(-5), "-0.05"),
            (decimal, identity, Literal::decimal(1420), "14.20"),
            (tiny, identity, Literal::decimal(12), "1.2E-9"),
            (Kind::Double, identity, Literal::double(100.0), "100.0"),
            (Kind::Double, identity, Literal::double(1.5e10), "1.5E10"),
            (Kind::Double, identity, Literal::double(-0.00125), "-0.00125"),
            (Kind::Float, identity, Literal::float(1e-5_f32), "1.0E-5"),
            (Kind::Uuid, identity, Literal::uuid(Uuid::nil()), "00000000-0000-0000-0000-000000000000"),
        ];
        for (kind, transform, value, expected) in cases {
            let shown = format!("{kind} {transform} {value:?}");
            assert_eq!(folder(kind, transform, Some(value)), format!("c+p={expected}"), "{shown}");
        }
        assert_eq!(folder(Kind::String, identity, None), "c+p=null");
    }

    #[test]
    fn long_values_are_cut_and_stay_apart() {
        let of = |text: String| folder(PrimitiveType::String, Transform::Identity, Some(Literal::string(text)));
        let (one, other) = (of("é".repeat(1500)), of("é".repeat(1501)));
        assert_ne!(one, other);
        for folder in [one, other] {
            assert!(folder.len() <= "c+p=".len() + VALUE, "{folder}");
            let (value, digest) = folder.rsplit_once('-').unwrap();
            assert_eq!(digest.len(), DIGEST);
            assert_eq!(value.trim_start_matches("c+p=").len() % "%C3".len(), 0, "cut within a byte: {value}");
        }
        assert_eq!(of("a".repeat(VALUE)), format!("c+p={}", "a".repeat(VALUE)));
    }

    #[test]
    fn all_folders_together_fit_in_the_room() {
        let fields = (1..=20)
            .map(|id| Arc::new(NestedField::optional(id, format!("c{id}"), Type::Primitive(PrimitiveType::String))));
        let schema = Arc::new(Schema::builder().with_fields(fields).build().unwrap());
        let mut spec = PartitionSpec::builder(schema.clone());
        for id in 1..=20 {
            spec = spec.add_partition_field(format!("c{id}"), format!("c{id}"), Transform::Identity).unwrap();
        }
        let values = (0..20).map(|_| Some(Literal::string("x/".repeat(200))));
        let key = PartitionKey::new(spec.build().unwrap(), schema, values.collect());
        assert!(folders_of(&key, 700).len() <= 700);
    }

    /// Values of Iceberg's own test (`TestLocationProvider.testHashInjection`).
    #[test]
    fn files_are_spread_as_java_spreads_them() {
        for (name, folders) in [
            ("a", "0101/0110/1001/10110010"),
            ("b", "1110/0111/1110/00000011"),
            ("c", "0010/1101/0110/01011111"),
            ("d", "1001/0001/0100/01110011"),
            ("test.parquet", "0110/1010/0011/11101000"),
        ] {
            assert_eq!(hash(name), folders);
        }
        assert_eq!(context("s3://bucket/raw/sales"), "raw/sales/");
        let paths = |partitions, context: &str| DataPaths {
            folder: "s3://bucket/raw/sales/data".to_owned(),
            spread: Some(Spread { context: context.to_owned(), partitions }),
            room: 500,
        };
        let of = |partitions, context| paths(partitions, context).generate_location(None, "test.parquet");
        assert_eq!(of(true, ""), "s3://bucket/raw/sales/data/0110/1010/0011/11101000/test.parquet");
        assert_eq!(of(false, ""), "s3://bucket/raw/sales/data/0110/1010/0011/11101000-test.parquet");
        assert_eq!(of(true, "raw/sales/"), "s3://bucket/raw/sales/data/0110/1010/0011/11101000/raw/sales/test.parquet");
    }
}
