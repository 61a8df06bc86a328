//! The members of a JSON object and the elements of an array, one by one, as the text that they are.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::reject::Wrong;

type Done = Result<(), Wrong>;

/// Calls `each` with the name and the value of every member.
///
/// # Errors
/// The text is no object, or what `each` says.
pub(crate) fn members(text: &str, each: impl FnMut(&str, &str) -> Done) -> Done {
    let mut failed = None;
    walked(text, Members { each, failed: &mut failed }).map_err(|error| failed.unwrap_or(error))
}

/// Calls `each` with every element.
///
/// # Errors
/// The text is no array, or what `each` says.
pub(crate) fn elements(text: &str, each: impl FnMut(&str) -> Done) -> Done {
    let mut failed = None;
    walked(text, Elements { each, failed: &mut failed }).map_err(|error| failed.unwrap_or(error))
}

fn walked<'a, S: DeserializeSeed<'a, Value = ()>>(text: &'a str, seed: S) -> Done {
    let mut json = serde_json::Deserializer::from_str(text);
    seed.deserialize(&mut json).and_then(|()| json.end()).map_err(|error| Wrong::data(error.to_string()))
}

/// A name, copied only when it has escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        text.deserialize_str(Text).map(Self)
    }
}

struct Members<'f, F> {
    each: F,
    failed: &'f mut Option<Wrong>,
}

impl<'de, F: FnMut(&str, &str) -> Done> Visitor<'de> for Members<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &RawValue>()? {
            if let Err(wrong) = (self.each)(&name, value.get()) {
                *self.failed = Some(wrong);
                return Err(A::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

impl<'de, F: FnMut(&str, &str) -> Done> DeserializeSeed<'de> for Members<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

struct Elements<'f, F> {
    each: F,
    failed: &'f mut Option<Wrong>,
}

impl<'de, F: FnMut(&str) -> Done> Visitor<'de> for Elements<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        while let Some(value) = elements.next_element::<&RawValue>()? {
            if let Err(wrong) = (self.each)(value.get()) {
                *self.failed = Some(wrong);
                return Err(A::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

impl<'de, F: FnMut(&str) -> Done> DeserializeSeed<'de> for Elements<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}
