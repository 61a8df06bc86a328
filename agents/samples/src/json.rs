//! Values as JSON text, as the stream agent reads the column's type.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat};
use lakewright_config::{ColumnType, TimeUnit};

use crate::value::Value;

const DAY_SECONDS: i64 = 86_400;

/// Appends a value of that type; its times are numbers of the unit, or texts without one.
pub(crate) fn push(value: &Value, kind: &ColumnType, unit: Option<TimeUnit>, out: &mut String) {
    match (value, kind) {
        (Value::Whole(days), ColumnType::Date) => {
            let date = DateTime::from_timestamp(days * DAY_SECONDS, 0).unwrap_or_default();
            text(&date.format("%Y-%m-%d").to_string(), out);
        }
        (Value::Whole(micros), ColumnType::Time | ColumnType::Timestamp | ColumnType::Timestamptz)
            if unit.is_some() =>
        {
            out.push_str(&counted(*micros, unit).to_string());
        }
        (Value::Whole(micros), ColumnType::Time) => text(&time(*micros, "%H:%M:%S%.6f"), out),
        (Value::Whole(micros), ColumnType::Timestamp) => text(&time(*micros, "%Y-%m-%dT%H:%M:%S%.6f"), out),
        (Value::Whole(micros), ColumnType::Timestamptz) => {
            let time = DateTime::from_timestamp_micros(*micros).unwrap_or_default();
            text(&time.to_rfc3339_opts(SecondsFormat::Millis, true), out);
        }
        (Value::Whole(number), _) => out.push_str(&number.to_string()),
        (Value::Real(number), ColumnType::Float) => out.push_str(&(*number as f32).to_string()),
        (Value::Real(number), _) => out.push_str(&number.to_string()),
        (Value::Decimal(unscaled), ColumnType::Decimal(_, scale)) => out.push_str(&scaled(*unscaled, *scale)),
        (Value::Bytes(bytes), _) => text(&STANDARD.encode(bytes), out),
        (Value::Text(value), _) => text(value, out),
        (Value::Bool(value), _) => out.push_str(if *value { "true" } else { "false" }),
        (Value::List(elements), ColumnType::List(element)) => {
            out.push('[');
            for (index, value) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push(value, element, unit, out);
            }
            out.push(']');
        }
        (Value::Map(entries), ColumnType::Map(inner)) => {
            object(entries.iter().map(|(key, value)| (key.as_str(), value, &**inner, unit)), out);
        }
        (Value::Struct(members), ColumnType::Struct(fields)) => {
            let members = fields.iter().zip(members);
            object(members.map(|(field, value)| (field.name.as_str(), value, &field.field_type, unit)), out);
        }
        _ => out.push_str("null"),
    }
}

/// Appends an object of those members that aren't missing.
pub(crate) fn object<'a>(
    members: impl IntoIterator<Item = (&'a str, &'a Value, &'a ColumnType, Option<TimeUnit>)>,
    out: &mut String,
) {
    out.push('{');
    let start = out.len();
    for (name, value, kind, unit) in members {
        if *value == Value::Missing {
            continue;
        }
        if out.len() > start {
            out.push(',');
        }
        text(name, out);
        out.push(':');
        push(value, kind, unit, out);
    }
    out.push('}');
}

/// Appends a text with its quotation marks.
pub(crate) fn text(value: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(value).to_string());
}

/// How many whole units microseconds are.
pub(crate) fn counted(micros: i64, unit: Option<TimeUnit>) -> i64 {
    match unit {
        Some(TimeUnit::Seconds) => micros.div_euclid(1_000_000),
        Some(TimeUnit::Millis) => micros.div_euclid(1000),
        Some(TimeUnit::Micros) | None => micros,
    }
}

fn time(micros: i64, format: &str) -> String {
    DateTime::from_timestamp_micros(micros).unwrap_or_default().format(format).to_string()
}

/// A number that isn't negative, with as many decimal places as its scale.
fn scaled(unscaled: i128, scale: u8) -> String {
    if scale == 0 {
        return unscaled.to_string();
    }
    let factor = 10_i128.pow(u32::from(scale));
    format!("{}.{:0width$}", unscaled / factor, unscaled % factor, width = usize::from(scale))
}
