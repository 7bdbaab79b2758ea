//! Declarations: objects with members, choices among names, and unions told apart by `type`.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{DocumentReader, Form, brief, list};

/// The type of a member: a form, or an `Option` of a form that may be left out.
pub trait Member: Sized {
    /// The form of the value.
    type Form: Form;
    /// Set if the member must be given unless the declaration has a default.
    const REQUIRED: bool;

    /// Reads the member from its value, which is none where it is left out.
    fn read(
        value: Option<&Value>,
        read: impl FnOnce(&Value, &mut DocumentReader) -> Option<Self::Form>,
        reader: &mut DocumentReader,
    ) -> Option<Self>;
}

impl<F: Form> Member for F {
    type Form = F;
    const REQUIRED: bool = true;

    fn read(
        value: Option<&Value>,
        read: impl FnOnce(&Value, &mut DocumentReader) -> Option<F>,
        reader: &mut DocumentReader,
    ) -> Option<Self> {
        match value {
            Some(value) => read(value, reader),
            None => reader.fault(format!("is missing: give {}", F::expected())),
        }
    }
}

impl<F: Form> Member for Option<F> {
    type Form = F;
    const REQUIRED: bool = false;

    fn read(
        value: Option<&Value>,
        read: impl FnOnce(&Value, &mut DocumentReader) -> Option<F>,
        reader: &mut DocumentReader,
    ) -> Option<Self> {
        match value {
            Some(value) => read(value, reader).map(Some),
            None => Some(None),
        }
    }
}

/// Reads the member `name`. Null counts as left out, except where there is a default.
pub fn read_member<M: Member>(
    members: &Map<String, Value>,
    name: &str,
    default: Option<fn() -> M>,
    read: impl FnOnce(&Value, &mut DocumentReader) -> Option<M::Form>,
    reader: &mut DocumentReader,
) -> Option<M> {
    match (members.get(name), default) {
        (None, Some(default)) => Some(default()),
        (value, default) => {
            let value = value.filter(|value| default.is_some() || !value.is_null());
            reader.within(name, |reader| M::read(value, read, reader))
        }
    }
}

/// Adds a default to the schema of a member. Null, an empty text and an empty list only say that
/// there is none.
pub fn write_default(schema: &mut Value, default: &impl Serialize) {
    let written = serde_json::to_value(default).unwrap_or_default();
    let is_none = written.is_null() || written == "" || written == Value::Array(Vec::new());
    if let (Value::Object(members), false) = (schema, is_none) {
        members.insert("default".to_owned(), written);
    }
}

/// Declares an object: a struct, how it is read, and its JSON Schema.
///
/// A member is `name: Type = "jsonName"`, and then
///
/// - `within BOUNDS` to set bounds, a constant of a type that fits the member, as
///   [`Bounded`](crate::document::Bounded) has it;
/// - `default VALUE` for a member that may be left out. The default is not held to the bounds. Its
///   type is `Serialize`, for the schema.
///
/// A member of type `Option` may be left out or null. Members that are not declared are faults. The
/// doc comments are the descriptions in the schema. Other attributes (`serde`, derives) go to the
/// struct, whose members are as visible as itself.
#[macro_export]
macro_rules! object {
    (@read) => { $crate::document::Form::read };
    (@read $bounds:ident) => {
        |value: &$crate::document::serde_json::Value,
         reader: &mut $crate::document::DocumentReader| {
            $crate::document::Bounded::read_within(value, &$bounds, reader)
        }
    };
    (@restrict $type:ty, $schema:expr) => { $schema };
    (@restrict $type:ty, $schema:expr, $bounds:ident) => {
        <<$type as $crate::document::Member>::Form as $crate::document::Bounded<_>>::restrict(
            &$bounds, $schema,
        )
    };
    (@write_default $schema:ident $type:ty) => {};
    (@write_default $schema:ident $type:ty, $default:expr) => {
        let default: $type = $default;
        $crate::document::write_default(&mut $schema, &default);
    };
    (@default) => { None };
    (@default $default:expr) => { Some(|| $default) };
    (@doc doc = $doc:literal) => { $doc };
    (@doc $($other:tt)*) => { "" };
    ($(#[$($about:tt)*])* $vis:vis struct $object:ident {
        $(
            $(#[$($doc:tt)*])*
            $member:ident : $type:ty = $name:literal
                $(within $bounds:ident)? $(default $default:expr)?
        ),* $(,)?
    }) => {
        #[derive(Clone, Debug, PartialEq)]
        $(#[$($about)*])*
        $vis struct $object {
            $($(#[$($doc)*])* $vis $member: $type),*
        }

        impl $crate::document::Form for $object {
            fn read(
                value: &$crate::document::serde_json::Value,
                reader: &mut $crate::document::DocumentReader,
            ) -> Option<Self> {
                let members = reader.members(value, &[$($name),*])?;
                $(
                    let $member = $crate::document::read_member::<$type>(
                        members,
                        $name,
                        $crate::object!(@default $($default)?),
                        $crate::object!(@read $($bounds)?),
                        reader,
                    );
                )*
                Some(Self { $($member: $member?),* })
            }

            fn schema(
                definitions: &mut $crate::document::Definitions,
            ) -> $crate::document::serde_json::Value {
                use $crate::document::{Form, Member, described, serde_json::json};
                definitions.named(stringify!($object), |definitions| {
                    let mut properties = $crate::document::serde_json::Map::new();
                    let mut required: Vec<&str> = Vec::new();
                    $(
                        let form = <<$type as Member>::Form as Form>::schema(definitions);
                        #[allow(unused_mut)]
                        let mut schema = $crate::object!(@restrict $type, form $(, $bounds)?);
                        $crate::object!(@write_default schema $type $(, $default)?);
                        let doc = [$($crate::object!(@doc $($doc)*)),*];
                        properties.insert($name.to_owned(), described(schema, &doc));
                        let default: Option<fn() -> $type> =
                            $crate::object!(@default $($default)?);
                        if <$type as Member>::REQUIRED && default.is_none() {
                            required.push($name);
                        }
                    )*
                    let mut schema = json!({
                        "type": "object", "properties": properties, "additionalProperties": false,
                    });
                    if !required.is_empty() {
                        schema["required"] = json!(required);
                    }
                    described(schema, &[$($crate::object!(@doc $($about)*)),*])
                })
            }

            fn expected() -> String {
                format!("an object with {}", $crate::document::list(&[$($name),*]))
            }
        }
    };
}

/// Declares a choice among names: an enum, how it is read, and its JSON Schema.
#[macro_export]
macro_rules! choice {
    ($(#[$($about:tt)*])* $vis:vis enum $choice:ident {
        $($(#[$($doc:tt)*])* $variant:ident = $name:literal),* $(,)?
    }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $(#[$($about)*])*
        $vis enum $choice {
            $($(#[$($doc)*])* $variant),*
        }

        impl $crate::document::Form for $choice {
            fn read(
                value: &$crate::document::serde_json::Value,
                reader: &mut $crate::document::DocumentReader,
            ) -> Option<Self> {
                let choices = [$(($name, Self::$variant)),*];
                $crate::document::read_choice(value, &choices, reader)
            }

            fn schema(
                definitions: &mut $crate::document::Definitions,
            ) -> $crate::document::serde_json::Value {
                use $crate::document::{described, serde_json::json};
                definitions.named(stringify!($choice), |_| {
                    let one_of = [$(described(
                        json!({ "const": $name }),
                        &[$($crate::object!(@doc $($doc)*)),*],
                    )),*];
                    described(
                        json!({ "oneOf": one_of }),
                        &[$($crate::object!(@doc $($about)*)),*],
                    )
                })
            }

            fn expected() -> String {
                $crate::document::list(&[$($name),*])
            }
        }
    };
}

/// Declares a union of objects that `type` tells apart.
#[macro_export]
macro_rules! union {
    ($(#[$($about:tt)*])* $vis:vis enum $union:ident {
        $($variant:ident($type:ty) = $name:literal),* $(,)?
    }) => {
        #[derive(Clone, Debug, PartialEq)]
        // Read once and kept as it is; boxing each would only add words.
        #[allow(clippy::large_enum_variant)]
        $(#[$($about)*])*
        $vis enum $union {
            $(#[doc = concat!("`", $name, "`")] $variant($type)),*
        }

        impl $crate::document::Form for $union {
            fn read(
                value: &$crate::document::serde_json::Value,
                reader: &mut $crate::document::DocumentReader,
            ) -> Option<Self> {
                match value.get("type").and_then($crate::document::serde_json::Value::as_str) {
                    $(Some($name) => reader.tagged::<$type>(value).map(Self::$variant),)*
                    _ => $crate::document::wrong_type(value, &[$($name),*], reader),
                }
            }

            fn schema(
                definitions: &mut $crate::document::Definitions,
            ) -> $crate::document::serde_json::Value {
                use $crate::document::{Form, described, serde_json::json};
                definitions.named(stringify!($union), |definitions| {
                    let one_of = [$({
                        let form = <$type as Form>::schema(definitions);
                        definitions.tag($name, &form)
                    }),*];
                    described(
                        json!({ "oneOf": one_of }),
                        &[$($crate::object!(@doc $($about)*)),*],
                    )
                })
            }

            fn expected() -> String {
                let types = $crate::document::list(&[$($name),*]);
                format!("an object with a `type` of {types}")
            }
        }
    };
}

/// Reports an object of a union whose `type` is none of `types`.
pub fn wrong_type<T>(value: &Value, types: &[&str], reader: &mut DocumentReader) -> Option<T> {
    let types = list(types);
    let Value::Object(members) = value else {
        let value = brief(value);
        return reader.fault(format!("is {value}: give an object with a `type` of {types}"));
    };
    let detail = match members.get("type") {
        None | Some(Value::Null) => format!("is missing: write {types}"),
        Some(given) => format!("is {}: write {types}", brief(given)),
    };
    reader.within("type", |reader| reader.fault(detail))
}
