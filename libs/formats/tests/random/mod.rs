//! Random Avro schemas, values of them, and the text that says what a value is, written without the code under test.

use std::collections::HashMap;

use apache_avro::types::Value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta};
use rand::Rng;
use serde_json::{Value as Json, json};

/// Makes schemas whose types have names of their own.
pub struct Schemas<'a, R> {
    random: &'a mut R,
    /// Types that are complete, by full name.
    known: Vec<String>,
    made: usize,
}

impl<'a, R: Rng> Schemas<'a, R> {
    pub fn new(random: &'a mut R) -> Self {
        Self { random, known: Vec::new(), made: 0 }
    }

    fn name(&mut self) -> (String, Option<&'static str>) {
        self.made += 1;
        let space = [None, Some("shop"), Some("com.example.events")][self.random.random_range(0..3)];
        (format!("Type{}", self.made), space)
    }

    fn named(&mut self, mut schema: Json) -> Json {
        let (name, space) = self.name();
        schema["name"] = json!(name);
        schema["aliases"] = json!([format!("Former{}", self.made)]);
        // Without one it is that of the record around.
        if let Some(space) = space {
            schema["namespace"] = json!(space);
            self.known.push(format!("{space}.{name}"));
        }
        schema
    }

    /// A record, which may hold itself.
    pub fn record(&mut self, depth: u32) -> Json {
        let count = self.random.random_range(0..6);
        let mut fields: Vec<Json> =
            (0..count).map(|index| json!({"name": format!("f{index}"), "type": self.any(depth)})).collect();
        let mut record = self.named(json!({"type": "record"}));
        if self.random.random_bool(0.3) {
            fields.push(json!({"name": "next", "type": ["null", record["name"]], "default": null}));
        }
        record["fields"] = Json::Array(fields);
        record
    }

    fn decimal(&mut self, most: u32) -> (u32, u32) {
        let precision = self.random.random_range(1..=most);
        (precision, self.random.random_range(0..=precision))
    }

    fn any(&mut self, depth: u32) -> Json {
        let kinds = if depth == 0 { 23 } else { 28 };
        match self.random.random_range(0..kinds) {
            0 => json!("null"),
            1 => json!("boolean"),
            2 => json!("int"),
            3 => json!("long"),
            4 => json!("float"),
            5 => json!("double"),
            6 => json!("bytes"),
            7 => json!("string"),
            8 => json!({"type": "int", "logicalType": "date"}),
            9 => json!({"type": "int", "logicalType": "time-millis"}),
            10 => json!({"type": "long", "logicalType": "time-micros"}),
            11 => json!({"type": "long", "logicalType": "timestamp-millis"}),
            12 => json!({"type": "long", "logicalType": "timestamp-micros"}),
            13 => json!({"type": "long", "logicalType": "timestamp-nanos"}),
            14 => json!({"type": "long", "logicalType": "local-timestamp-millis"}),
            15 => json!({"type": "long", "logicalType": "local-timestamp-micros"}),
            16 => json!({"type": "long", "logicalType": "local-timestamp-nanos"}),
            17 => json!({"type": "string", "logicalType": "uuid"}),
            18 => {
                let (precision, scale) = self.decimal(38);
                json!({"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale})
            }
            19 => {
                let (precision, scale) = self.decimal(18);
                let fixed = json!({"type": "fixed", "size": 8, "logicalType": "decimal", "precision": precision, "scale": scale});
                let decimal = self.named(fixed);
                // The crate doesn't find it again by its name.
                self.known.retain(|known| !known.ends_with(&format!(".Type{}", self.made)));
                decimal
            }
            20 => {
                let size = self.random.random_range(0..20);
                self.named(json!({"type": "fixed", "size": size}))
            }
            21 => self.named(json!({"type": "enum", "symbols": ["NEW", "PAID", "sent_2"]})),
            22 => match self.known.last() {
                Some(name) => json!(name),
                None => json!({"type": "long", "logicalType": "unknown to Avro"}),
            },
            23 => json!({"type": "array", "items": self.any(depth - 1)}),
            24 => json!({"type": "map", "values": self.any(depth - 1)}),
            25 => json!(["null", {"type": "array", "items": self.any(depth - 1)}]),
            26 => json!(["string", "null", "long", {"type": "map", "values": self.any(depth - 1)}, "boolean"]),
            _ => self.record(depth - 1),
        }
    }
}

/// A value of a schema.
pub fn value<R: Rng>(schema: &str, random: &mut R) -> Value {
    let schema: Json = serde_json::from_str(schema).expect("JSON");
    let mut names = HashMap::new();
    collect(&schema, &mut names);
    Values { names, random }.of(&schema, 4)
}

fn collect<'a>(schema: &'a Json, names: &mut HashMap<String, &'a Json>) {
    match schema {
        Json::Object(attributes) => {
            if let Some(name) = attributes.get("name").and_then(Json::as_str) {
                names.insert(name.to_owned(), schema);
                let space = attributes.get("namespace").and_then(Json::as_str).unwrap_or_default();
                names.insert(format!("{space}.{name}"), schema);
            }
            attributes.values().for_each(|inner| collect(inner, names));
        }
        Json::Array(all) => all.iter().for_each(|inner| collect(inner, names)),
        _ => {}
    }
}

struct Values<'a, R> {
    names: HashMap<String, &'a Json>,
    random: &'a mut R,
}

impl<R: Rng> Values<'_, R> {
    /// Small numbers, large ones and the limits.
    fn long(&mut self) -> i64 {
        match self.random.random_range(0..4) {
            0 => [i64::MIN, i64::MAX, 0, -1, 63, 64, -64, -65][self.random.random_range(0..8)],
            1 => self.random.random_range(-1000..1000),
            _ => self.random::<i64>() >> self.random.random_range(0..60),
        }
    }

    fn random<T>(&mut self) -> T
    where
        rand::distr::StandardUniform: rand::distr::Distribution<T>,
    {
        self.random.random()
    }

    /// Seconds of the years 0 to 9999.
    fn seconds(&mut self) -> i64 {
        self.random.random_range(-62_167_219_200..=253_402_300_799)
    }

    fn text(&mut self) -> String {
        const LETTERS: [char; 12] = ['a', 'Z', '0', ' ', '"', '\\', '\n', '\u{1}', 'é', '日', '😀', '/'];
        let count = self.random.random_range(0..12);
        (0..count).map(|_| LETTERS[self.random.random_range(0..LETTERS.len())]).collect()
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.random()).collect()
    }

    fn of(&mut self, schema: &Json, depth: u32) -> Value {
        let kind = match schema {
            Json::String(name) => name.as_str(),
            Json::Array(branches) => {
                let index = if depth == 0 {
                    branches.iter().position(|branch| branch == "null").expect("unions have null")
                } else {
                    self.random.random_range(0..branches.len())
                };
                return Value::Union(index as u32, Box::new(self.of(&branches[index], depth)));
            }
            _ => schema["type"].as_str().expect("a type"),
        };
        let scaled =
            |seconds: i64, per_second: i64, fraction: u32| seconds * per_second + i64::from(fraction) % per_second;
        let (seconds, fraction) = (self.seconds(), self.random::<u32>() % 1_000_000_000);
        // A long holds fewer years of nanoseconds.
        let nanos = seconds % 9_000_000_000 * 1_000_000_000 + i64::from(fraction);
        match (kind, schema["logicalType"].as_str()) {
            (_, Some("date")) => Value::Date(seconds.div_euclid(86_400) as i32),
            (_, Some("time-millis")) => {
                Value::TimeMillis((seconds.rem_euclid(86_400) * 1000) as i32 + (fraction % 1000) as i32)
            }
            (_, Some("time-micros")) => Value::TimeMicros(scaled(seconds.rem_euclid(86_400), 1_000_000, fraction)),
            (_, Some("timestamp-millis")) => Value::TimestampMillis(scaled(seconds, 1000, fraction)),
            (_, Some("timestamp-micros")) => Value::TimestampMicros(scaled(seconds, 1_000_000, fraction)),
            (_, Some("timestamp-nanos")) => Value::TimestampNanos(nanos),
            (_, Some("local-timestamp-millis")) => Value::LocalTimestampMillis(scaled(seconds, 1000, fraction)),
            (_, Some("local-timestamp-micros")) => Value::LocalTimestampMicros(scaled(seconds, 1_000_000, fraction)),
            (_, Some("local-timestamp-nanos")) => Value::LocalTimestampNanos(nanos),
            (_, Some("uuid")) => Value::Uuid(apache_avro::Uuid::from_u128(self.random())),
            (_, Some("decimal")) => self.decimal(schema),
            ("null", _) => Value::Null,
            ("boolean", _) => Value::Boolean(self.random()),
            ("int", _) => Value::Int(self.long().clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32),
            ("long", _) => Value::Long(self.long()),
            ("float", _) => Value::Float(Some(f32::from_bits(self.random())).filter(|f| f.is_finite()).unwrap_or(0.1)),
            ("double", _) => {
                Value::Double(Some(f64::from_bits(self.random())).filter(|f| f.is_finite()).unwrap_or(0.1))
            }
            ("bytes", _) => {
                let count = self.random.random_range(0..20);
                Value::Bytes(self.bytes(count))
            }
            ("string", _) => Value::String(self.text()),
            ("fixed", _) => {
                let size = schema["size"].as_u64().expect("a size") as usize;
                Value::Fixed(size, self.bytes(size))
            }
            ("enum", _) => {
                let index = self.random.random_range(0..3);
                Value::Enum(index as u32, schema["symbols"][index].as_str().expect("a symbol").to_owned())
            }
            ("array", _) => {
                let count = self.random.random_range(0..4);
                Value::Array((0..count).map(|_| self.of(&schema["items"], depth.saturating_sub(1))).collect())
            }
            ("map", _) => {
                let count = self.random.random_range(0..4);
                let entries = (0..count).map(|_| (self.text(), self.of(&schema["values"], depth.saturating_sub(1))));
                Value::Map(entries.collect())
            }
            ("record", _) => {
                let fields = schema["fields"].as_array().expect("fields").iter();
                let fields = fields.map(|field| {
                    let name = field["name"].as_str().expect("a name").to_owned();
                    (name, self.of(&field["type"], depth.saturating_sub(1)))
                });
                Value::Record(fields.collect())
            }
            (name, _) => {
                let named = self.names[name];
                self.of(named, depth)
            }
        }
    }

    fn decimal(&mut self, schema: &Json) -> Value {
        let precision = schema["precision"].as_u64().expect("a precision") as u32;
        let limit = 10_i128.pow(self.random.random_range(0..=precision));
        let unscaled = self.random.random_range(-limit + 1..limit);
        Value::Decimal(apache_avro::Decimal::from(&unscaled.to_be_bytes()[..]))
    }
}

/// The text of a value of a schema.
pub fn expected(schema: &str, value: &Value) -> String {
    let schema: Json = serde_json::from_str(schema).expect("JSON");
    let mut names = HashMap::new();
    collect(&schema, &mut names);
    text(&schema, value, &names)
}

fn string(text: &str) -> String {
    Json::String(text.to_owned()).to_string()
}

fn stamp(nanos: i128, format: &str) -> String {
    let fraction = nanos.rem_euclid(1_000_000_000) as u32;
    let time = DateTime::from_timestamp(nanos.div_euclid(1_000_000_000) as i64, fraction).expect("a time");
    string(&time.format(format).to_string())
}

fn decimal(schema: &Json, decimal: &apache_avro::Decimal) -> String {
    let bytes = <Vec<u8>>::try_from(decimal).expect("bytes");
    let unscaled = bytes[1..].iter().fold(i128::from(bytes[0] as i8), |sum, byte| (sum << 8) | i128::from(*byte));
    let scale = schema["scale"].as_u64().expect("a scale") as usize;
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn text(schema: &Json, value: &Value, names: &HashMap<String, &Json>) -> String {
    let schema = match schema.as_str().and_then(|name| names.get(name)) {
        Some(named) => named,
        None => schema,
    };
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a date");
    let time = |time: TimeDelta| string(&(NaiveTime::MIN + time).format("%H:%M:%S%.6f").to_string());
    let (zoned, local) = ("%Y-%m-%dT%H:%M:%S%.6fZ", "%Y-%m-%dT%H:%M:%S%.6f");
    match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Long(value) => value.to_string(),
        Value::Float(value) => json!(f64::from(*value)).to_string(),
        Value::Double(value) => json!(value).to_string(),
        Value::Bytes(bytes) | Value::Fixed(_, bytes) => string(&STANDARD.encode(bytes)),
        Value::String(text) | Value::Enum(_, text) => string(text),
        Value::Uuid(uuid) => string(&uuid.to_string()),
        Value::Decimal(value) => decimal(schema, value),
        Value::Union(branch, inner) => text(&schema[*branch as usize], inner, names),
        Value::Date(days) => string(&(epoch + TimeDelta::days(i64::from(*days))).format("%Y-%m-%d").to_string()),
        Value::TimeMillis(millis) => time(TimeDelta::milliseconds(i64::from(*millis))),
        Value::TimeMicros(micros) => time(TimeDelta::microseconds(*micros)),
        Value::TimestampMillis(value) => stamp(i128::from(*value) * 1_000_000, zoned),
        Value::TimestampMicros(value) => stamp(i128::from(*value) * 1000, zoned),
        Value::TimestampNanos(value) => stamp(i128::from(*value), "%Y-%m-%dT%H:%M:%S%.9fZ"),
        Value::LocalTimestampMillis(value) => stamp(i128::from(*value) * 1_000_000, local),
        Value::LocalTimestampMicros(value) => stamp(i128::from(*value) * 1000, local),
        Value::LocalTimestampNanos(value) => stamp(i128::from(*value), "%Y-%m-%dT%H:%M:%S%.9f"),
        Value::Array(items) => {
            let items = items.iter().map(|item| text(&schema["items"], item, names));
            format!("[{}]", items.collect::<Vec<_>>().join(","))
        }
        Value::Map(entries) => {
            let entries = entries.iter();
            let entries =
                entries.map(|(key, value)| format!("{}:{}", string(key), text(&schema["values"], value, names)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        Value::Record(fields) => {
            let fields = fields.iter().zip(schema["fields"].as_array().expect("fields"));
            let fields =
                fields.map(|((name, value), field)| format!("{}:{}", string(name), text(&field["type"], value, names)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        other => panic!("no text for {other:?}"),
    }
}
