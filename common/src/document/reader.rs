//! The walk through a document: the pointer to the current value, and the faults so far.

use serde_json::{Map, Value};

use super::{Definitions, has_member};
use crate::{
    fault::{Fault, step},
    limits::MAX_FAULTS,
};

/// A type that can be read from a JSON value.
pub trait Form: Sized {
    /// Reads a value. Faults go to the reader. A value that is out of bounds is still returned, so
    /// that rules between members can be checked; a value that is none of this form is not.
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self>;

    /// JSON Schema (draft 2020-12) of the form. A form with a name puts itself into `definitions`
    /// and returns a reference.
    fn schema(definitions: &mut Definitions) -> Value;

    /// Completes the sentence "is missing: give …".
    fn expected() -> String {
        "it".to_owned()
    }
}

/// Position in a document, and the faults found so far.
#[derive(Debug, Default)]
pub struct DocumentReader {
    pointer: String,
    faults: Vec<Fault>,
    /// Set if a union has already read the `type` of the next object.
    tagged: bool,
}

impl DocumentReader {
    /// Reads a whole document and returns both what could be read of it and its faults. At least
    /// one of the two is there.
    pub fn read_whole<F: Form>(document: &Value) -> (Option<F>, Vec<Fault>) {
        let mut reader = Self::default();
        let form = F::read(document, &mut reader);
        if form.is_none() {
            reader.fault_if_none();
        }
        (form, reader.faults)
    }

    /// Returns what was read, or all faults.
    pub fn finish<T>(mut self, read: Option<T>) -> Result<T, Vec<Fault>> {
        match read {
            Some(read) if self.faults.is_empty() => Ok(read),
            _ => {
                self.fault_if_none();
                Err(self.faults)
            }
        }
    }

    fn fault_if_none(&mut self) {
        if self.faults.is_empty() {
            self.fault::<()>("cannot be read: compare it with the documentation");
        }
    }

    /// Reports a fault of the current value. Returns none, so that a form can end with it.
    pub fn fault<T>(&mut self, detail: impl Into<String>) -> Option<T> {
        self.add(Fault::new("", detail));
        None
    }

    /// Reports a fault that another parser found in the current value.
    pub fn add(&mut self, fault: Fault) {
        if !self.is_full() {
            self.faults.push(fault.under(&self.pointer));
        }
    }

    fn is_full(&self) -> bool {
        self.faults.len() >= MAX_FAULTS
    }

    /// Reads a member or an item of the current value.
    pub fn within<T>(&mut self, token: &str, read: impl FnOnce(&mut DocumentReader) -> T) -> T {
        let length = self.pointer.len();
        self.pointer.push_str(&step(token));
        let result = read(self);
        self.pointer.truncate(length);
        result
    }

    /// Reads every item of a list, also those after one at fault.
    pub fn items<T>(
        &mut self,
        value: &Value,
        mut read: impl FnMut(&Value, &mut DocumentReader) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Some(items) = value.as_array() else {
            return self.fault(format!("is {}: give a list", brief(value)));
        };
        let mut all = Some(Vec::with_capacity(items.len()));
        for (index, item) in items.iter().enumerate() {
            let item = self.within(&index.to_string(), |reader| read(item, reader));
            all = all.zip(item).map(|(mut all, item)| {
                all.push(item);
                all
            });
        }
        all
    }

    /// Reads an object of a union, whose member `type` was read already and is allowed.
    pub fn tagged<F: Form>(&mut self, value: &Value) -> Option<F> {
        self.tagged = true;
        let form = F::read(value, self);
        self.tagged = false;
        form
    }

    /// The members of an object. Reports those that are not among `known`.
    pub fn members<'v>(
        &mut self,
        value: &'v Value,
        known: &[&str],
    ) -> Option<&'v Map<String, Value>> {
        let tagged = std::mem::take(&mut self.tagged);
        let Value::Object(members) = value else {
            return self.fault(format!("is {}: give an object with {}", brief(value), list(known)));
        };
        for name in members.keys() {
            let is_known = known.contains(&name.as_str()) || (tagged && name == "type");
            if !is_known && !self.is_full() {
                self.within(name, |reader| reader.fault::<()>(unknown(name, known)));
            }
        }
        Some(members)
    }

    /// Checks that an object has exactly one of the members `names`.
    pub fn one_of(&mut self, value: &Value, names: &[&str]) {
        let given = names.iter().filter(|name| has_member(value, name)).count();
        if value.is_object() && given != 1 {
            let given = if given == 0 { "none" } else { "more than one" };
            self.fault::<()>(format!("has {given} of {}: give exactly one of them", list(names)));
        }
    }
}

fn unknown(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("is not known here: did you mean `{near}`?"),
        None => format!("is not known here: remove it; there are {}", list(known)),
    }
}

/// Returns the known name that a misspelt one was meant to be.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = |known: &&&str| known.eq_ignore_ascii_case(name) || differs_by_few(known, name);
    known.iter().find(near).copied()
}

/// Returns whether one letter was left out, put in or mistaken, or two beside each other changed
/// places.
fn differs_by_few(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let before = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let room = a.len().min(b.len()) - before;
    let after = a.iter().rev().zip(b.iter().rev()).take(room).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[before..a.len() - after], &b[before..b.len() - after]);
    a.len().max(b.len()) <= 1 || matches!((a, b), ([p, q], [r, s]) if (p, q) == (s, r))
}

/// Names as a sentence lists them.
pub fn list(names: &[&str]) -> String {
    match names {
        [] => "no members".to_owned(),
        [one] => format!("`{one}`"),
        [rest @ .., last] => format!("`{}` or `{last}`", rest.join("`, `")),
    }
}

/// A value as a sentence quotes it.
pub fn brief(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => crop(&number.to_string()),
        Value::String(text) => format!("`{}`", crop(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// The first 40 characters of a text, for a sentence.
pub fn crop(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
