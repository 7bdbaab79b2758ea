//! Declaring forms: objects with fields, choices among words, unions told apart by `type`.

use super::reader::{Definitions, Form, Reader};
use serde_json::{Map, Value, json};

/// A field of an object: there, or perhaps there.
pub(crate) trait Member: Sized {
    /// Whether it must be there.
    const REQUIRED: bool;
    /// Reads the field `name`. A null counts as left out.
    fn member(members: &Map<String, Value>, name: &str, reader: &mut Reader) -> Option<Self>;
    /// Its schema.
    fn schema(definitions: &mut Definitions) -> Value;
}

impl<F: Form> Member for F {
    const REQUIRED: bool = true;

    fn member(members: &Map<String, Value>, name: &str, reader: &mut Reader) -> Option<Self> {
        reader.within(name, |reader| match members.get(name) {
            None | Some(Value::Null) => reader.fault("is missing: give it"),
            Some(value) => F::read(value, reader),
        })
    }

    fn schema(definitions: &mut Definitions) -> Value {
        F::schema(definitions)
    }
}

impl<F: Form> Member for Option<F> {
    const REQUIRED: bool = false;

    fn member(members: &Map<String, Value>, name: &str, reader: &mut Reader) -> Option<Self> {
        match members.get(name) {
            None | Some(Value::Null) => Some(None),
            Some(value) => reader.within(name, |reader| F::read(value, reader)).map(Some),
        }
    }

    fn schema(definitions: &mut Definitions) -> Value {
        F::schema(definitions)
    }
}

/// A schema with words beside it.
pub(crate) fn described(schema: Value, about: &[&str]) -> Value {
    let text = about.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    match schema {
        Value::Object(mut members) => {
            members.insert("description".to_owned(), json!(text));
            Value::Object(members)
        }
        other => other,
    }
}

/// Declares an object: its type, its reader, its schema. `field: Type = "name" within BOUNDS` sets bounds; an `Option` may be left out.
macro_rules! object {
    ($(#[doc = $about:literal])* $object:ident {
        $($(#[doc = $doc:literal])* $field:ident : $type:ty = $name:literal $(within $bounds:expr)?),* $(,)?
    }) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) struct $object {
            $($(#[doc = $doc])* pub $field: $type),*
        }

        impl $crate::document::Form for $object {
            fn read(value: &serde_json::Value, reader: &mut $crate::document::Reader) -> Option<Self> {
                let members = reader.members(value, &[$($name),*])?;
                $(
                    let $field = <$type as $crate::document::Member>::member(members, $name, reader);
                    $(if let Some(read) = &$field {
                        reader.within($name, |reader| $crate::document::Bounded::check(read, &$bounds, reader));
                    })?
                )*
                Some(Self { $($field: $field?),* })
            }

            fn schema(definitions: &mut $crate::document::Definitions) -> serde_json::Value {
                definitions.named(stringify!($object), |definitions| {
                    let mut properties = serde_json::Map::new();
                    let mut required: Vec<&str> = Vec::new();
                    $(
                        let schema = <$type as $crate::document::Member>::schema(definitions);
                        $(let schema = $bounds.restrict(schema);)?
                        properties.insert($name.to_owned(), $crate::document::described(schema, &[$($doc),*]));
                        if <$type as $crate::document::Member>::REQUIRED {
                            required.push($name);
                        }
                    )*
                    let mut schema = serde_json::json!({
                        "type": "object", "properties": properties, "additionalProperties": false,
                    });
                    if !required.is_empty() {
                        schema["required"] = serde_json::json!(required);
                    }
                    $crate::document::described(schema, &[$($about),*])
                })
            }
        }
    };
}

/// Declares a choice among words.
macro_rules! choice {
    ($(#[doc = $about:literal])* $choice:ident { $($(#[doc = $doc:literal])* $variant:ident = $name:literal),* $(,)? }) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $choice {
            $($(#[doc = $doc])* $variant),*
        }

        impl $crate::document::Form for $choice {
            fn read(value: &serde_json::Value, reader: &mut $crate::document::Reader) -> Option<Self> {
                match value.as_str() {
                    $(Some($name) => Some(Self::$variant),)*
                    _ => reader.fault(format!(
                        "is {}: write {}",
                        $crate::document::kind_of(value),
                        $crate::document::list(&[$($name),*])
                    )),
                }
            }

            fn schema(definitions: &mut $crate::document::Definitions) -> serde_json::Value {
                definitions.named(stringify!($choice), |_| {
                    let one_of: Vec<serde_json::Value> = vec![
                        $($crate::document::described(serde_json::json!({ "const": $name }), &[$($doc),*])),*
                    ];
                    $crate::document::described(serde_json::json!({ "oneOf": one_of }), &[$($about),*])
                })
            }
        }
    };
}

/// Declares a union of objects that `type` tells apart.
macro_rules! union {
    ($(#[doc = $about:literal])* $union:ident { $($variant:ident($type:ty) = $name:literal),* $(,)? }) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::large_enum_variant)] // Read once and kept as it is; boxing each would only add words.
        pub(crate) enum $union {
            $(#[doc = concat!("`", $name, "`")] $variant($type)),*
        }

        impl $crate::document::Form for $union {
            fn read(value: &serde_json::Value, reader: &mut $crate::document::Reader) -> Option<Self> {
                const KINDS: &[&str] = &[$($name),*];
                match value.get("type").and_then(serde_json::Value::as_str) {
                    $(Some($name) => reader.tagged::<$type>(value).map(Self::$variant),)*
                    _ => $crate::document::wrong_type(value, KINDS, reader),
                }
            }

            fn schema(definitions: &mut $crate::document::Definitions) -> serde_json::Value {
                definitions.named(stringify!($union), |definitions| {
                    let one_of: Vec<serde_json::Value> = vec![$({
                        let form = <$type as $crate::document::Form>::schema(definitions);
                        definitions.tag($name, &form)
                    }),*];
                    $crate::document::described(serde_json::json!({ "oneOf": one_of }), &[$($about),*])
                })
            }
        }
    };
}

/// The fault of an object whose `type` names nothing.
pub(crate) fn wrong_type<T>(value: &Value, kinds: &[&str], reader: &mut Reader) -> Option<T> {
    use super::reader::{kind_of, list};
    let Value::Object(members) = value else {
        return reader.fault(format!(
            "is {}: give an object with a `type` of {}",
            kind_of(value),
            list(kinds)
        ));
    };
    let said = match members.get("type") {
        None | Some(Value::Null) => format!("is missing: write {}", list(kinds)),
        Some(kind) => format!("is {}: write {}", kind_of(kind), list(kinds)),
    };
    reader.within("type", |reader| reader.fault(said))
}

impl Definitions {
    /// A named object's schema with a `type` beside its fields, in place of the name.
    pub fn tag(&mut self, name: &'static str, form: &Value) -> Value {
        let mut schema = self.take_in(form);
        schema["properties"]["type"] = json!({ "const": name });
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        schema["required"] = std::iter::once(json!("type")).chain(required).collect();
        schema
    }
}

pub(crate) use {choice, object, union};
