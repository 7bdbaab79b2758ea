//! Plain forms: text, flag, whole number, list, time, and JSON of any shape.

use jiff::{Timestamp, fmt::temporal::Pieces};
use serde_json::{Value, json};

use super::{Definitions, DocumentReader, Form, bounds::quoted, brief, list};
use crate::{error::ErrorClass, schedule::CatchUp};

impl Form for String {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            Value::String(text) => Some(text.clone()),
            other => reader.fault(format!("is {}: give {}", brief(other), Self::expected())),
        }
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "type": "string" })
    }

    fn expected() -> String {
        "text in quotes".to_owned()
    }
}

impl Form for bool {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            Value::Bool(flag) => Some(*flag),
            other => reader.fault(format!("is {}: give {}", quoted(other), Self::expected())),
        }
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "type": "boolean" })
    }

    fn expected() -> String {
        "true or false".to_owned()
    }
}

macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl Form for $number {
            fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
                let number = value.as_u64().and_then(|number| Self::try_from(number).ok());
                if number.is_none() {
                    let most = Self::MAX;
                    let value = quoted(value);
                    reader.fault::<()>(format!("is {value}: give a whole number from 0 to {most}"));
                }
                number
            }

            fn schema(_: &mut Definitions) -> Value {
                json!({ "type": "integer", "minimum": 0 })
            }

            fn expected() -> String {
                "a whole number".to_owned()
            }
        }
    )*};
}

whole_numbers!(u8, u16, u32, u64);

impl<F: Form> Form for Vec<F> {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        reader.items(value, F::read)
    }

    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "type": "array", "items": F::schema(definitions) })
    }

    fn expected() -> String {
        "a list".to_owned()
    }
}

impl Form for Timestamp {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        match value.as_str().and_then(instant) {
            Some(time) => Some(time),
            None => reader.fault(format!("is {}: give {}", brief(value), Self::expected())),
        }
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "type": "string", "format": "date-time" })
    }

    fn expected() -> String {
        "a time such as `2026-01-31T12:00:00Z`".to_owned()
    }
}

/// Reads a time as RFC 3339 writes it. `jiff` also takes offsets of more than a day and the name of
/// a zone that nobody would check against the offset.
fn instant(text: &str) -> Option<Timestamp> {
    let pieces = Pieces::parse(text).ok()?;
    let offset = pieces.to_numeric_offset()?.seconds();
    let is_plain = offset.abs() < 24 * 3600 && pieces.time_zone_annotation().is_none();
    is_plain.then(|| text.parse().ok())?
}

/// JSON of any shape, copied as it is.
impl Form for Value {
    fn read(value: &Value, _: &mut DocumentReader) -> Option<Self> {
        Some(value.clone())
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({})
    }
}

/// JSON of any shape that stays in the document: too large to copy, and taken from there later.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Untouched;

impl Form for Untouched {
    fn read(_: &Value, _: &mut DocumentReader) -> Option<Self> {
        Some(Self)
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({})
    }
}

/// Reads a choice among names.
pub fn read_choice<T: Copy>(
    value: &Value,
    choices: &[(&'static str, T)],
    reader: &mut DocumentReader,
) -> Option<T> {
    let text = value.as_str();
    match choices.iter().find(|(name, _)| text == Some(name)) {
        Some((_, choice)) => Some(*choice),
        None => {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            reader.fault(format!("is {}: write {}", brief(value), list(&names)))
        }
    }
}

/// Forms of enums that list their stored names themselves.
macro_rules! stored_names {
    ($($choice:ty),*) => {$(
        impl Form for $choice {
            fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
                let choices = Self::ALL.map(|choice| (choice.as_str(), choice));
                read_choice(value, &choices, reader)
            }

            fn schema(_: &mut Definitions) -> Value {
                json!({ "enum": Self::ALL.map(Self::as_str) })
            }

            fn expected() -> String {
                list(&Self::ALL.map(Self::as_str))
            }
        }
    )*};
}

stored_names!(CatchUp, ErrorClass);
