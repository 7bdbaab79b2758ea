//! Takes a JSON object apart, field by field, and notes all that is wrong with it instead of stopping at the first fault.
//!
//! serde stops at the first, which would have a caller mend a request one round trip at a time.

use common::fault::{Fault, step};
use serde_json::{Map, Value};

/// An object whose fields are being taken.
#[derive(Debug)]
pub struct Fields {
    what: &'static str,
    members: Map<String, Value>,
    known: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl Fields {
    /// Opens `value`, which the caller thinks of as `what` ("a job").
    pub fn open(what: &'static str, value: Value) -> Self {
        let (members, faults) = match value {
            Value::Object(members) => (members, Vec::new()),
            other => (
                Map::new(),
                vec![Fault::new("", format!("{} is not {what}: give an object", describe(&other)))],
            ),
        };
        Self { what, members, known: Vec::new(), faults }
    }

    /// Takes a field that may be left out (or be `null`), read by `read`, which says in its error what is wrong with the value.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Value) -> Result<T, String>,
    ) -> Option<T> {
        self.known.push(name);
        let value = self.members.remove(name).filter(|value| !value.is_null())?;
        read(value).map_err(|detail| self.fault(step(name), detail)).ok()
    }

    /// Takes a field that must be there.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Value) -> Result<T, String>,
    ) -> Option<T> {
        if self.members.get(name).is_none_or(Value::is_null) && !self.is_no_object() {
            self.fault(step(name), format!("is missing: {} must have it", self.what));
        }
        self.optional(name, read)
    }

    /// Refuses a field that is spelled right and can't be had, if it is there.
    pub fn not_yet(&mut self, name: &'static str, instead: &str) {
        if self.members.remove(name).is_some_and(|value| !value.is_null()) {
            self.fault(step(name), format!("is not supported yet: {instead}"));
        }
    }

    /// Notes a fault found by other means.
    pub fn fault(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.faults.push(Fault::new(pointer, detail));
    }

    /// All that is wrong, with what was never taken.
    pub fn close(self) -> Vec<Fault> {
        let Self { what, members, known, mut faults } = self;
        let unknown = members.keys().take(MOST_FAULTS).map(|name| {
            let known = known.join("`, `");
            Fault::new(
                step(name),
                format!("is not a field of {what}: remove it, or correct its name (`{known}`)"),
            )
        });
        faults.extend(unknown);
        faults
    }

    fn is_no_object(&self) -> bool {
        self.faults.first().is_some_and(|fault| fault.pointer.is_empty())
    }
}

/// Unknown fields named in one answer: past that the document is of another kind altogether.
const MOST_FAULTS: usize = 100;

/// A value in a sentence: what it is, and itself where it is short.
pub fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => {
            let text = value.to_string();
            if text.len() <= 40 { format!("`{text}`") } else { "that number".to_owned() }
        }
        Value::String(text) => format!("`{}`", text.chars().take(40).collect::<String>()),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// Reads a text.
pub fn text(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(format!("{} is not a text", describe(&other))),
    }
}

/// Reads `true` or `false`.
pub fn flag(value: Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("{} is neither true nor false", describe(&value)))
}

/// Reads a whole number from `least` to `most`.
pub fn whole(least: u64, most: u64) -> impl FnOnce(Value) -> Result<u64, String> {
    move |value| match value.as_u64() {
        Some(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("{} is not a whole number from {least} to {most}", describe(&value))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_fault_is_noted_and_an_unknown_field_hears_the_known_ones() {
        let mut fields = Fields::open("a thing", json!({"a": "x", "b": 11, "d/e": 1}));
        assert_eq!(fields.optional("a", flag), None);
        assert_eq!(fields.optional("b", whole(0, 10)), None);
        assert_eq!(fields.required("c", text), None);
        let faults = fields.close();
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/a", "/b", "/c", "/d~1e"]);
        assert!(faults[3].detail.contains("`a`, `b`, `c`"), "{:?}", faults[3]);
    }

    #[test]
    fn what_is_no_object_has_that_one_fault() {
        let mut fields = Fields::open("a thing", json!([1]));
        assert_eq!(fields.required("a", text), None);
        assert_eq!(fields.close(), [Fault::new("", "a list is not a thing: give an object")]);
    }

    #[test]
    fn null_is_a_field_left_out() {
        let mut fields = Fields::open("a thing", json!({"a": null}));
        assert_eq!(fields.optional("a", text), None);
        assert_eq!(fields.close(), []);
    }

    #[test]
    fn a_whole_number_has_no_fraction_sign_or_excess() {
        for bad in ["1.0", "-1", "1e1", "99999999999999999999", "\"1\"", "11"] {
            let value = serde_json::from_str(bad).expect("json");
            assert!(whole(0, 10)(value).is_err(), "{bad}");
        }
    }
}
