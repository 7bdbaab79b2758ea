//! The JSON Schema of declared forms.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Form;

/// The JSON Schema (draft 2020-12) of a form.
pub fn schema<F: Form>(title: &str) -> Value {
    let mut definitions = Definitions::default();
    let root = F::schema(&mut definitions);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "$ref": root["$ref"],
        "$defs": definitions.finish(&root),
    })
}

/// The forms of a schema that have a name.
#[derive(Debug, Default)]
pub struct Definitions {
    known: BTreeMap<&'static str, Value>,
}

impl Definitions {
    /// A reference to a named form, which is described at its first use.
    pub fn named(
        &mut self,
        name: &'static str,
        describe: impl FnOnce(&mut Definitions) -> Value,
    ) -> Value {
        if !self.known.contains_key(name) {
            // A form that contains itself finds its name taken.
            self.known.insert(name, Value::Null);
            let schema = describe(self);
            self.known.insert(name, schema);
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    /// A named object's schema with a `type` beside its members, in place of the name.
    pub fn tag(&mut self, name: &'static str, reference: &Value) -> Value {
        let form = referred(reference).and_then(|name| self.known.get(name));
        let mut schema = form.cloned().unwrap_or_default();
        schema["properties"]["type"] = json!({ "const": name });
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        schema["required"] = std::iter::once(json!("type")).chain(required).collect();
        schema
    }

    /// The forms that `root` needs by name, without those that a union has written out.
    pub fn finish(self, root: &Value) -> Map<String, Value> {
        let mut needed = Map::new();
        let mut open = references(root);
        while let Some(name) = open.pop() {
            if let Some(schema) = self.known.get(name.as_str())
                && !needed.contains_key(&name)
            {
                open.extend(references(schema));
                needed.insert(name, schema.clone());
            }
        }
        needed
    }
}

fn referred(reference: &Value) -> Option<&str> {
    reference["$ref"].as_str()?.strip_prefix("#/$defs/")
}

/// The names that a schema refers to.
fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(members) => referred(schema)
            .map(str::to_owned)
            .into_iter()
            .chain(members.values().flat_map(references))
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// A schema with the lines of a doc comment as its description.
pub fn described(mut schema: Value, doc: &[&str]) -> Value {
    let lines = doc.iter().map(|line| line.trim()).filter(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join(" ");
    if let Value::Object(members) = &mut schema {
        members.insert("description".to_owned(), json!(text));
    }
    schema
}
