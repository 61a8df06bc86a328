//! When two values of a field mean the same.

use serde_json::{Map, Value};

use super::Comparing;

/// The value in a form that is equal for equal meanings: members sorted, nulls dropped, and sets sorted.
pub fn canonical(value: &Value, compare: Comparing) -> Value {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<(&String, Value)> = members
                .iter()
                .filter(|(_, member)| !member.is_null())
                .map(|(name, member)| (name, canonical(member, compare)))
                .collect();
            sorted.sort_by(|a, b| a.0.cmp(b.0));
            Value::Object(sorted.into_iter().map(|(name, member)| (name.clone(), member)).collect::<Map<_, _>>())
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|item| canonical(item, compare)).collect();
            if compare == Comparing::AsSet {
                items.sort_by_cached_key(ToString::to_string);
                items.dedup();
            }
            Value::Array(items)
        }
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => Value::from(float as i64),
            _ => value.clone(),
        },
        other => other.clone(),
    }
}
