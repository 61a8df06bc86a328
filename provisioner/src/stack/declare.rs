//! `section!` and `choice!`: a section's fields are declared once, for its struct, its decoder and its JSON Schema.

use schemars::{Schema, json_schema};
use serde_json::{Map, Value};

/// Builds the JSON Schema of a section field by field.
#[derive(Debug, Default)]
pub struct SectionSchema {
    properties: Map<String, Value>,
    required: Vec<Value>,
}

impl SectionSchema {
    /// Adds a field; `default` is `None` when it is required.
    pub fn field(&mut self, name: &str, schema: Schema, about: &str, default: Option<Value>) {
        let mut schema = schema.to_value();
        if let Value::Object(object) = &mut schema {
            object.insert("description".into(), about.trim().into());
            match default {
                None => self.required.push(name.into()),
                Some(Value::Null) => {}
                Some(default) => {
                    object.insert("default".into(), default);
                }
            }
        }
        self.properties.insert(name.into(), schema);
    }

    /// The finished schema.
    pub fn finish(self, about: &str) -> Schema {
        json_schema!({
            "type": "object",
            "description": about.trim(),
            "properties": self.properties,
            "required": self.required,
            "additionalProperties": false,
        })
    }
}

/// Declares a section once: the struct, its decoder and its JSON Schema. A field with `= default` may be left out.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $name:ident {
            $( $(#[doc = $doc:literal])* $field:ident : $type:ty $(= $default:expr)? , )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $( $(#[doc = $doc])* pub $field: $type, )*
            /// Where the section or its header stands, in bytes.
            pub span: std::ops::Range<usize>,
        }

        impl $crate::stack::decode::Decode for $name {
            fn decode(
                node: &$crate::stack::decode::Node<'_>,
                decoder: &mut $crate::stack::decode::Decoder,
            ) -> Option<Self> {
                let fields = decoder.fields(node, &[$( stringify!($field).trim_start_matches("r#") ),*])?;
                $(
                    let $field = section!(@decode fields, decoder, $field, $type, concat!($($doc),*) $(, $default)?);
                )*
                Some(Self { $( $field, )* span: fields.span })
            }

            fn placeholder() -> Self {
                Self { $( $field: section!(@absent $type $(, $default)?), )* span: 0..0 }
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut schema = $crate::stack::declare::SectionSchema::default();
                $(
                    schema.field(
                        stringify!($field).trim_start_matches("r#"),
                        generator.subschema_for::<$type>(),
                        concat!($($doc),*),
                        section!(@default $type $(, $default)?),
                    );
                )*
                schema.finish(concat!($($about),*))
            }
        }
    };
    (@decode $fields:ident, $decoder:ident, $field:ident, $type:ty, $doc:expr $(, $default:expr)?) => {{
        let name = stringify!($field).trim_start_matches("r#");
        match $fields.table.get(name) {
            Some(node) => {
                $fields.decode::<$type>(name, node, $decoder).unwrap_or_else(|| section!(@absent $type $(, $default)?))
            }
            None => {
                section!(@require $decoder, $fields, name, $doc $(, $default)?);
                section!(@absent $type $(, $default)?)
            }
        }
    }};
    (@require $decoder:ident, $fields:ident, $name:ident, $doc:expr) => {
        $decoder.missing($fields.span.clone(), $name, $doc)
    };
    (@require $decoder:ident, $fields:ident, $name:ident, $doc:expr, $default:expr) => {};
    (@absent $type:ty) => {
        <$type as $crate::stack::decode::Decode>::placeholder()
    };
    (@absent $type:ty, $default:expr) => {
        $default
    };
    (@default $type:ty) => {
        None
    };
    (@default $type:ty, $default:expr) => {{
        let default: $type = $default;
        Some($crate::stack::decode::Decode::json(&default))
    }};
}
pub(crate) use section;

/// Declares a value that is one of a few words; `NAME as TYPE` also how it becomes the configuration's type, whose variants
/// have the same names.
macro_rules! choice {
    (
        $(#[doc = $about:literal])*
        $name:ident as $config:path { $( $(#[doc = $doc:literal])* $variant:ident = $word:literal , )* }
    ) => {
        $crate::stack::declare::choice! {
            $(#[doc = $about])*
            $name { $( $(#[doc = $doc])* $variant = $word, )* }
        }

        impl From<$name> for $config {
            fn from(choice: $name) -> Self {
                match choice { $( $name::$variant => Self::$variant, )* }
            }
        }

        // A word that the configuration has and the file lacks doesn't compile.
        impl From<$config> for $name {
            fn from(choice: $config) -> Self {
                match choice { $( <$config>::$variant => Self::$variant, )* }
            }
        }
    };
    (
        $(#[doc = $about:literal])*
        $name:ident { $( $(#[doc = $doc:literal])* $variant:ident = $word:literal , )* }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $( $(#[doc = $doc])* $variant, )* }

        impl $name {
            /// The word that the file writes.
            pub fn word(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }
        }

        impl $crate::stack::decode::Decode for $name {
            fn decode(
                node: &$crate::stack::decode::Node<'_>,
                decoder: &mut $crate::stack::decode::Decoder,
            ) -> Option<Self> {
                let word = <String as $crate::stack::decode::Decode>::decode(node, decoder)?;
                match word.as_str() {
                    $( $word => Some(Self::$variant), )*
                    _ => {
                        let title = format!("`{}` can't be `{word}`", decoder.path());
                        let help = $crate::stack::diagnostics::suggest(&word, [$( $word ),*], "choices");
                        decoder.push(
                            $crate::stack::diagnostics::Diagnostic::new(node.span(), title, "no such choice").help(help),
                        );
                        None
                    }
                }
            }

            fn placeholder() -> Self {
                [$( Self::$variant ),*][0]
            }

            fn json(&self) -> serde_json::Value {
                self.word().into()
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "description": concat!($($about),*).trim(),
                    "oneOf": [$( { "const": $word, "description": concat!($($doc),*).trim() } ),*],
                })
            }
        }
    };
}
pub(crate) use choice;
