//! What a type means beyond its bytes: Avro's logical types, and the names that Kafka Connect gives to its own.

use serde_json::{Map, Value};

use super::{Fixed, Node};
use crate::calendar::Unit;

/// The node that a plain type's attributes make of it. A logical type that doesn't fit is ignored, as Avro demands.
pub(crate) fn meaning(plain: Node, attributes: &Map<String, Value>) -> Node {
    let text = |name: &str| attributes.get(name).and_then(Value::as_str);
    match (text("logicalType"), text("connect.name")) {
        (Some(logical), _) => logical_type(logical, plain, attributes),
        (None, Some(connect)) => connect_type(connect, plain),
        (None, None) => plain,
    }
}

fn logical_type(logical: &str, plain: Node, attributes: &Map<String, Value>) -> Node {
    match (logical, plain) {
        ("date", Node::Int) => Node::Date,
        ("time-millis", Node::Int) => Node::Time(Unit::Millis),
        ("time-micros", Node::Long) => Node::Time(Unit::Micros),
        ("timestamp-millis", Node::Long) => Node::Timestamp { unit: Unit::Millis, zoned: true },
        ("timestamp-micros", Node::Long) => Node::Timestamp { unit: Unit::Micros, zoned: true },
        ("timestamp-nanos", Node::Long) => Node::Timestamp { unit: Unit::Nanos, zoned: true },
        ("local-timestamp-millis", Node::Long) => Node::Timestamp { unit: Unit::Millis, zoned: false },
        ("local-timestamp-micros", Node::Long) => Node::Timestamp { unit: Unit::Micros, zoned: false },
        ("local-timestamp-nanos", Node::Long) => Node::Timestamp { unit: Unit::Nanos, zoned: false },
        ("uuid", Node::String) => Node::UuidText,
        ("uuid", Node::Fixed(fixed)) if fixed.size == 16 => Node::Uuid(fixed),
        ("duration", Node::Fixed(fixed)) if fixed.size == 12 => Node::Duration(fixed),
        ("decimal", plain @ (Node::Bytes | Node::Fixed(_))) => decimal(plain, attributes),
        (_, plain) => plain,
    }
}

fn decimal(plain: Node, attributes: &Map<String, Value>) -> Node {
    let number = |name: &str| attributes.get(name).map(|value| value.as_u64().and_then(|n| u32::try_from(n).ok()));
    let (Some(Some(precision)), Some(scale)) = (number("precision"), number("scale").unwrap_or(Some(0))) else {
        return plain;
    };
    let fixed = match &plain {
        Node::Fixed(fixed) => Some(fixed.clone()),
        _ => None,
    };
    if precision == 0 || scale > precision || fixed.as_ref().is_some_and(|fixed| precision > digits(fixed)) {
        return plain;
    }
    Node::Decimal { precision, scale, fixed }
}

/// The most digits that all fit so many bytes: floor(log10(2^(8n-1) - 1)), Avro's rule for a decimal on a fixed.
fn digits(fixed: &Fixed) -> u32 {
    let bits = u32::try_from(fixed.size).unwrap_or(u32::MAX).saturating_mul(8).saturating_sub(1);
    (f64::from(bits) * std::f64::consts::LOG10_2).floor() as u32
}

/// Types of Debezium and Kafka Connect without a logical type in Avro.
fn connect_type(connect: &str, plain: Node) -> Node {
    match (connect, plain) {
        ("io.debezium.time.Date", Node::Int) => Node::Date,
        ("io.debezium.time.Time", Node::Int) => Node::Time(Unit::Millis),
        ("io.debezium.time.MicroTime", Node::Long) => Node::Time(Unit::Micros),
        ("io.debezium.time.NanoTime", Node::Long) => Node::Time(Unit::Nanos),
        ("io.debezium.time.Timestamp", Node::Long) => Node::Timestamp { unit: Unit::Millis, zoned: false },
        ("io.debezium.time.MicroTimestamp", Node::Long) => Node::Timestamp { unit: Unit::Micros, zoned: false },
        ("io.debezium.time.NanoTimestamp", Node::Long) => Node::Timestamp { unit: Unit::Nanos, zoned: false },
        (_, plain) => plain,
    }
}
