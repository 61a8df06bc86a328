//! What the schema part of Kafka Connect's JSON says of values, and their conversion.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::members::{elements, members};
use crate::calendar::{Unit, push_date, push_time, push_timestamp};
use crate::decimal::push_scaled;
use crate::reject::{Wrong, shown};
use crate::text::push_string;

type Done = Result<(), Wrong>;

/// Envelopes' schemas that are kept, and their bytes of text.
const MAX_KEPT: usize = 32;
const MAX_BYTES: usize = 1 << 20;

/// How the text of a value becomes what it means.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Kind {
    /// As it is.
    #[default]
    Plain,
    Date,
    Time(Unit),
    Timestamp {
        unit: Unit,
        zoned: bool,
    },
    /// Base64 of an unscaled value.
    Decimal {
        scale: i64,
    },
    /// A scale and Base64 of an unscaled value.
    Scaled,
    Struct(HashMap<String, Kind>),
    Array(Box<Kind>),
    Map(Box<Kind>),
}

/// Both rows of an envelope.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) before: Kind,
    pub(crate) after: Kind,
}

/// The schemas of the envelopes that came last, by their very text.
#[derive(Debug, Default, Clone)]
pub(crate) struct Envelopes {
    kept: Vec<(Arc<str>, Arc<Rows>)>,
}

/// A schema as Kafka Connect writes it.
#[derive(Debug, Deserialize)]
struct Schema {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    field: Option<String>,
    #[serde(default)]
    fields: Vec<Schema>,
    items: Option<Box<Schema>>,
    values: Option<Box<Schema>>,
    #[serde(default)]
    parameters: HashMap<String, String>,
}

impl Envelopes {
    /// What a schema part says.
    ///
    /// # Errors
    /// It is no schema of an envelope.
    pub(crate) fn of(&mut self, text: &str) -> Result<Arc<Rows>, String> {
        if let Some(index) = self.kept.iter().position(|(kept, _)| **kept == *text) {
            let found = self.kept.remove(index);
            let rows = Arc::clone(&found.1);
            self.kept.push(found);
            return Ok(rows);
        }
        let schema: Schema = serde_json::from_str(text).map_err(|error| format!("`schema`: {error}"))?;
        let mut rows = Rows::default();
        for field in &schema.fields {
            match field.field.as_deref() {
                Some("before") => rows.before = kind(field).map_err(|wrong| format!("`schema`, `before`: {wrong}"))?,
                Some("after") => rows.after = kind(field).map_err(|wrong| format!("`schema`, `after`: {wrong}"))?,
                _ => {}
            }
        }
        let rows = Arc::new(rows);
        self.kept.push((text.into(), Arc::clone(&rows)));
        let bytes = |kept: &[(Arc<str>, Arc<Rows>)]| kept.iter().map(|(text, _)| text.len()).sum::<usize>();
        while self.kept.len() > MAX_KEPT || (self.kept.len() > 1 && bytes(&self.kept) > MAX_BYTES) {
            self.kept.remove(0);
        }
        Ok(rows)
    }
}

fn kind(schema: &Schema) -> Result<Kind, String> {
    Ok(match (schema.name.as_deref().unwrap_or_default(), schema.kind.as_str()) {
        ("io.debezium.time.Date" | "org.apache.kafka.connect.data.Date", _) => Kind::Date,
        ("io.debezium.time.Time" | "org.apache.kafka.connect.data.Time", _) => Kind::Time(Unit::Millis),
        ("io.debezium.time.MicroTime", _) => Kind::Time(Unit::Micros),
        ("io.debezium.time.NanoTime", _) => Kind::Time(Unit::Nanos),
        ("io.debezium.time.Timestamp", _) => Kind::Timestamp { unit: Unit::Millis, zoned: false },
        ("io.debezium.time.MicroTimestamp", _) => Kind::Timestamp { unit: Unit::Micros, zoned: false },
        ("io.debezium.time.NanoTimestamp", _) => Kind::Timestamp { unit: Unit::Nanos, zoned: false },
        ("org.apache.kafka.connect.data.Timestamp", _) => Kind::Timestamp { unit: Unit::Millis, zoned: true },
        ("org.apache.kafka.connect.data.Decimal", _) => {
            let scale = schema.parameters.get("scale").and_then(|scale| scale.parse().ok());
            Kind::Decimal { scale: scale.ok_or("a decimal lacks the parameter `scale`")? }
        }
        ("io.debezium.data.VariableScaleDecimal", _) => Kind::Scaled,
        (_, "struct") => {
            let mut fields = HashMap::new();
            for field in &schema.fields {
                let name = field.field.as_deref().ok_or("a field lacks its name")?;
                let kind = kind(field).map_err(|wrong| format!("`{}`: {wrong}", shown(name)))?;
                if kind != Kind::Plain {
                    fields.insert(name.to_owned(), kind);
                }
            }
            if fields.is_empty() { Kind::Plain } else { Kind::Struct(fields) }
        }
        (_, "array") => match kind(schema.items.as_deref().ok_or("an array lacks its `items`")?)? {
            Kind::Plain => Kind::Plain,
            items => Kind::Array(Box::new(items)),
        },
        (_, "map") => match kind(schema.values.as_deref().ok_or("a map lacks its `values`")?)? {
            Kind::Plain => Kind::Plain,
            values => Kind::Map(Box::new(values)),
        },
        _ => Kind::Plain,
    })
}

impl Kind {
    /// Writes a member of a row of this kind, with its name.
    pub(crate) fn push_member(&self, name: &str, value: &str, out: &mut String) -> Done {
        push_string(name, out);
        out.push(':');
        let kind = match self {
            Self::Struct(fields) => fields.get(name).unwrap_or(&Self::Plain),
            Self::Map(values) => values,
            _ => &Self::Plain,
        };
        kind.push(value, out).map_err(|wrong| wrong.inside(name))
    }

    fn push(&self, value: &str, out: &mut String) -> Done {
        if value == "null" {
            out.push_str(value);
            return Ok(());
        }
        match self {
            Self::Plain => out.push_str(value),
            Self::Date => push_date(number(value)?, out).map_err(Wrong::unsupported)?,
            Self::Time(unit) => push_time(number(value)?, *unit, out).map_err(Wrong::unsupported)?,
            Self::Timestamp { unit, zoned } => {
                push_timestamp(number(value)?, *unit, *zoned, out).map_err(Wrong::unsupported)?;
            }
            // The converter may be set to write decimals as numbers.
            Self::Decimal { .. } if !value.starts_with('"') => out.push_str(value),
            Self::Decimal { scale } => push_scaled(&bytes(value)?, *scale, out).map_err(Wrong::unsupported)?,
            Self::Scaled => {
                #[derive(Deserialize)]
                struct Scaled<'a> {
                    scale: i32,
                    #[serde(borrow)]
                    value: &'a RawValue,
                }
                let scaled: Scaled<'_> = serde_json::from_str(value)
                    .map_err(|error| Wrong::data(format!("no decimal with its scale: {error}")))?;
                let bytes = bytes(scaled.value.get())?;
                push_scaled(&bytes, i64::from(scaled.scale), out).map_err(Wrong::unsupported)?;
            }
            Self::Array(items) => {
                out.push('[');
                let mut index = 0;
                elements(value, |element| {
                    if index > 0 {
                        out.push(',');
                    }
                    items.push(element, out).map_err(|wrong| wrong.inside(format_args!("[{index}]")))?;
                    index += 1;
                    Ok(())
                })?;
                out.push(']');
            }
            // A map whose keys are no text is an array of pairs.
            Self::Map(_) if value.starts_with('[') => out.push_str(value),
            Self::Struct(_) | Self::Map(_) => {
                out.push('{');
                let mut first = true;
                members(value, |name, value| {
                    if !first {
                        out.push(',');
                    }
                    first = false;
                    self.push_member(name, value, out)
                })?;
                out.push('}');
            }
        }
        Ok(())
    }
}

fn number(value: &str) -> Result<i64, Wrong> {
    value.parse().map_err(|_| Wrong::data(format!("{} is no whole number", shown(value))))
}

fn bytes(value: &str) -> Result<Vec<u8>, Wrong> {
    let text = serde_json::from_str::<String>(value);
    let bytes = text.ok().and_then(|text| STANDARD.decode(text).ok());
    bytes.ok_or_else(|| Wrong::data(format!("{} is no Base64", shown(value))))
}
