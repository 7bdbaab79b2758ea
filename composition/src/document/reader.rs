//! The way through a document: where the reader stands, and what it has found wrong.

use common::fault::{Fault, step};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use crate::limits::MAX_FAULTS;

/// A kind of value that a document may hold.
pub(crate) trait Form: Sized {
    /// Reads a value. What is wrong goes to the reader, and then there may be no result.
    fn read(value: &Value, reader: &mut Reader) -> Option<Self>;

    /// Its JSON Schema (draft 2020-12); named forms put themselves into `definitions` and return a reference.
    fn schema(definitions: &mut Definitions) -> Value;
}

/// The named forms of a schema.
#[derive(Default)]
pub(crate) struct Definitions {
    known: BTreeMap<&'static str, Value>,
}

impl Definitions {
    /// A reference to a named form, which is described at its first mention.
    pub fn named(
        &mut self,
        name: &'static str,
        describe: impl FnOnce(&mut Definitions) -> Value,
    ) -> Value {
        if !self.known.contains_key(name) {
            self.known.insert(name, Value::Null);
            let schema = describe(self);
            self.known.insert(name, schema);
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    /// The form behind a reference, to be written out in place.
    pub fn take_in(&self, reference: &Value) -> Value {
        let name = reference["$ref"]
            .as_str()
            .and_then(|path| path.strip_prefix("#/$defs/"))
            .unwrap_or_default();
        self.known.get(name).cloned().unwrap_or_default()
    }

    /// The forms that `root` needs by name; those written out where they are used are not among them.
    pub fn finish(self, root: &Value) -> Map<String, Value> {
        let mut needed = Map::new();
        let mut open = references(root);
        while let Some(name) = open.pop() {
            if let Some((_, schema)) = self.known.iter().find(|(known, _)| **known == name)
                && !needed.contains_key(&name)
            {
                open.extend(references(schema));
                needed.insert(name, schema.clone());
            }
        }
        needed
    }
}

/// The names that a schema refers to.
fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(members) => {
            let own = members
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|path| path.strip_prefix("#/$defs/"));
            own.map(str::to_owned)
                .into_iter()
                .chain(members.values().flat_map(references))
                .collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// Where in the document we are, and the faults so far.
#[derive(Default)]
pub(crate) struct Reader {
    path: Vec<String>,
    faults: Vec<Fault>,
    /// The next object's `type` has been read by the union it belongs to.
    tagged: bool,
}

impl Reader {
    /// Reads a whole document: what could be read of it, and all that is wrong. One of the two has something in it.
    pub fn read_whole<F: Form>(value: &Value) -> (Option<F>, Vec<Fault>) {
        let mut reader = Reader::default();
        let form = F::read(value, &mut reader);
        if form.is_none() && reader.faults.is_empty() {
            reader.fault::<()>("can't be read: compare it with the schema");
        }
        (form, reader.faults)
    }

    /// The JSON Pointer of where we are.
    pub fn pointer(&self) -> String {
        self.path.concat()
    }

    /// Something is wrong here. Returns none, so that a reader can end with it.
    pub fn fault<T>(&mut self, detail: impl Into<String>) -> Option<T> {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(Fault::new(self.pointer(), detail));
        }
        None
    }

    /// Reads one step further down.
    pub fn within<T>(&mut self, token: &str, read: impl FnOnce(&mut Reader) -> T) -> T {
        self.path.push(step(token));
        let result = read(self);
        self.path.pop();
        result
    }

    /// Reads the object that a union's `type` has chosen.
    pub fn tagged<F: Form>(&mut self, value: &Value) -> Option<F> {
        self.tagged = true;
        let form = F::read(value, self);
        self.tagged = false;
        form
    }

    /// The members of an object; those not known are faults.
    pub fn members<'v>(
        &mut self,
        value: &'v Value,
        known: &[&str],
    ) -> Option<&'v Map<String, Value>> {
        let tagged = std::mem::take(&mut self.tagged);
        let Value::Object(members) = value else {
            return self.fault(format!(
                "is {}: give an object with {}",
                kind_of(value),
                list(known)
            ));
        };
        for name in members.keys() {
            let is_known = known.contains(&name.as_str()) || (tagged && name == "type");
            if !is_known {
                let said = unknown(name, known);
                self.within(name, |reader| reader.fault::<()>(said));
            }
        }
        Some(members)
    }
}

fn unknown(name: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .find(|candidate| candidate.eq_ignore_ascii_case(name) || differs_by_one(candidate, name));
    match near {
        Some(near) => format!("is not known here: did you mean `{near}`?"),
        None => format!("is not known here: remove it; there are {}", list(known)),
    }
}

/// Returns whether one letter was left out, put in or mistaken.
fn differs_by_one(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let before = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let room = a.len().min(b.len()) - before;
    let after = a.iter().rev().zip(b.iter().rev()).take(room).take_while(|(x, y)| x == y).count();
    a.len().max(b.len()) - before - after <= 1
}

/// Names as a sentence lists them.
pub(crate) fn list(names: &[&str]) -> String {
    match names {
        [] => "no fields".to_owned(),
        [one] => format!("`{one}`"),
        [rest @ .., last] => format!("`{}` or `{last}`", rest.join("`, `")),
    }
}

/// What a value is, for a sentence.
pub(crate) fn kind_of(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => format!("{flag}"),
        Value::Number(number) => crop(&number.to_string()),
        Value::String(text) => format!("`{}`", crop(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// The beginning of a text, for a sentence.
pub(crate) fn crop(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
