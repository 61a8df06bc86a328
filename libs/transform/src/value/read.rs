//! Objects and arrays of JSON, read one level deep.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Object, Value};

/// The most members or items that are looked into: each takes some 60 bytes of memory, more than its shortest text.
const MAX_MEMBERS: usize = 10_000;
/// Up to how many members a name is looked for one by one.
const FEW: usize = 32;

impl<'a> Object<'a> {
    /// Reads an object one level deep: its values stay texts. Of members with one name the last one counts.
    ///
    /// The text must be JSON as a whole; an error says what it is else.
    pub(crate) fn read(text: &'a str) -> Result<Self, String> {
        match serde_json::from_str::<Members<'_>>(text) {
            Ok(Members(members)) => Ok(members),
            Err(error) => Err(plain(&error)),
        }
    }
}

/// Reads an array one level deep.
pub(super) fn array(text: &str) -> Result<Vec<Value<'_>>, String> {
    match serde_json::from_str::<Items<'_>>(text) {
        Ok(Items(items)) => Ok(items),
        Err(error) => Err(plain(&error)),
    }
}

fn plain(error: &serde_json::Error) -> String {
    if error.classify() == serde_json::error::Category::Data {
        // Data of another shape has no place that would help.
        let text = error.to_string();
        return text.split(" at line ").next().unwrap_or_default().to_owned();
    }
    error.to_string()
}

struct Members<'a>(Object<'a>);
struct Items<'a>(Vec<Value<'a>>);
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Of;
        impl<'de> Visitor<'de> for Of {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut object = Object::with_capacity(16);
                let mut places: HashMap<Cow<'de, str>, usize> = HashMap::new();
                while let Some(Name(name)) = map.next_key()? {
                    let value = Value::Raw(Cow::Borrowed(map.next_value::<&'de RawValue>()?.get()));
                    if object.len() < FEW {
                        object.insert(name, value);
                        continue;
                    }
                    if places.is_empty() {
                        places = object.names().enumerate().map(|(place, name)| (name.clone(), place)).collect();
                    }
                    if let Some(place) = places.get(&name) {
                        object.replace(*place, value);
                    } else if object.len() >= MAX_MEMBERS {
                        return Err(serde::de::Error::custom(format!("more than {MAX_MEMBERS} members")));
                    } else {
                        places.insert(name.clone(), object.len());
                        object.push(name, value);
                    }
                }
                Ok(Members(object))
            }
        }
        deserializer.deserialize_map(Of)
    }
}

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Of;
        impl<'de> Visitor<'de> for Of {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Items<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element::<&'de RawValue>()? {
                    if all.len() >= MAX_MEMBERS {
                        return Err(serde::de::Error::custom(format!("more than {MAX_MEMBERS} items")));
                    }
                    all.push(Value::Raw(Cow::Borrowed(item.get())));
                }
                Ok(Items(all))
            }
        }
        deserializer.deserialize_seq(Of)
    }
}

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Of;
        impl<'de> Visitor<'de> for Of {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_members_with_one_name_the_last_counts() {
        let many: Vec<String> = (0..50).map(|n| format!("\"m{n}\":{n}")).collect();
        let text = format!("{{\"a\":1,{},\"m40\":\"x\",\"a\":2}}", many.join(","));
        let object = Object::read(&text).expect("an object");
        assert_eq!(object.len(), 51);
        assert_eq!(object.names().next().map(AsRef::as_ref), Some("a"));
        let value: serde_json::Value = serde_json::from_slice(&object.to_json()).expect("JSON");
        assert_eq!((&value["a"], &value["m40"]), (&2.into(), &"x".into()));
    }

    #[test]
    fn what_is_no_object_is_told() {
        for (text, part) in [
            ("[1]", "expected a JSON object"),
            ("7", "expected a JSON object"),
            ("{\"a\":1} x", "trailing characters"),
            ("{\"a\":", "EOF"),
            ("{\"a\":\"\u{1}\"}", "control character"),
        ] {
            let error = Object::read(text).expect_err("no object");
            assert!(error.contains(part), "{text}: {error}");
        }
        let many = format!("{{{}\"z\":0}}", (0..MAX_MEMBERS).map(|n| format!("\"{n}\":0,")).collect::<String>());
        assert_eq!(Object::read(&many).expect_err("too many"), format!("more than {MAX_MEMBERS} members"));
        assert!(Object::read(&"{\"a\":".repeat(100_000)).is_err());
    }
}
