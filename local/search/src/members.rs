//! Objects of requests of which every member is read: one that nobody reads is refused by its name, never ignored.

use serde_json::Value;

use crate::answer::SearchError;

/// The members of an object that are not read yet.
#[derive(Debug)]
pub struct Members<'a> {
    what: String,
    left: Vec<(&'a str, &'a Value)>,
}

impl<'a> Members<'a> {
    /// Those of an object, which is called so in errors.
    ///
    /// # Errors
    /// It is no object.
    pub fn of(value: &'a Value, what: impl Into<String>) -> Result<Self, SearchError> {
        let what = what.into();
        let members = value
            .as_object()
            .ok_or_else(|| SearchError::parsing(format!("[{what}] malformed query, expected an object")))?;
        Ok(Self { what, left: members.iter().map(|(name, value)| (name.as_str(), value)).collect() })
    }

    /// A member, whatever it is.
    pub fn take(&mut self, name: &str) -> Option<&'a Value> {
        let place = self.left.iter().position(|(member, _)| *member == name)?;
        Some(self.left.remove(place).1)
    }

    /// A scalar, as text.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, SearchError> {
        match self.take(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => scalar(value).map(Some).ok_or_else(|| self.wrong(name, "a text")),
        }
    }

    /// A number.
    pub fn number(&mut self, name: &str) -> Result<Option<f64>, SearchError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
        number.filter(|number| number.is_finite()).map(Some).ok_or_else(|| self.wrong(name, "a number"))
    }

    /// A whole number of at least 0.
    pub fn whole(&mut self, name: &str) -> Result<Option<u64>, SearchError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        number.map(Some).ok_or_else(|| self.wrong(name, "a number of at least 0"))
    }

    /// True or false.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, SearchError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let flag = value.as_bool().or_else(|| value.as_str()?.parse().ok());
        flag.map(Some).ok_or_else(|| self.wrong(name, "true or false"))
    }

    /// The query's boost, 1 without one; its name, which changes nothing, is read too.
    pub fn boost(&mut self) -> Result<f32, SearchError> {
        self.take("_name");
        let boost = self.number("boost")?.unwrap_or(1.0);
        if boost < 0.0 {
            return Err(SearchError::illegal(format!("negative [boost] are not allowed in [{}]", self.what)));
        }
        let boost = boost as f32;
        if boost.is_finite() { Ok(boost) } else { Err(self.wrong("boost", "a number of 32 bits")) }
    }

    /// The only member besides those that were read.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn only(mut self) -> Result<(&'a str, &'a Value), SearchError> {
        match (self.left.pop(), self.left.pop()) {
            (Some(one), None) => Ok(one),
            (None, _) => {
                Err(SearchError::parsing(format!("[{}] query malformed, no start_object after query name", self.what)))
            }
            (Some((more, _)), Some((field, _))) => Err(SearchError::parsing(format!(
                "[{0}] query doesn't support multiple fields, found [{field}] and [{more}]",
                self.what
            ))),
        }
    }

    /// All others, by their names.
    pub fn rest(self) -> Vec<(&'a str, &'a Value)> {
        self.left
    }

    /// Refuses what was not read.
    ///
    /// # Errors
    /// There is such a member.
    pub fn end(self) -> Result<(), SearchError> {
        match self.left.first() {
            None => Ok(()),
            Some((name, _)) => Err(SearchError::parsing(format!("[{}] query does not support [{name}]", self.what))),
        }
    }

    /// A member that has no value of that kind.
    fn wrong(&self, name: &str, wanted: &str) -> SearchError {
        SearchError::parsing(format!("[{}] [{name}] must be {wanted}", self.what))
    }
}

/// A scalar as text; none for null, arrays and objects.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_nobody_reads_is_refused_by_its_name() {
        let body = json!({"query": 5, "boost": "2", "fuzzyness": "AUTO"});
        let mut members = Members::of(&body, "match").expect("an object");
        assert_eq!(members.text("query").expect("a scalar"), Some("5".to_owned()));
        assert!((members.boost().expect("a number") - 2.0).abs() < f32::EPSILON);
        let refused = members.end().expect_err("nobody reads it");
        assert_eq!((refused.status, refused.reason.as_str()), (400, "[match] query does not support [fuzzyness]"));
        for (body, part) in [
            (json!({"boost": -1}), "negative [boost]"),
            (json!({"boost": "NaN"}), "[boost] must be a number"),
            (json!({"boost": []}), "[boost] must be a number"),
        ] {
            let error = Members::of(&body, "x").and_then(|mut members| members.boost()).expect_err("refused");
            assert!(error.reason.contains(part), "{error:?}");
        }
        assert!(Members::of(&json!([]), "x").is_err());
    }
}
