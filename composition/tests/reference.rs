//! Keeps the reference in `docs/compositions.md` equal to the JSON Schema.
//!
//! `SPOOL_DOCS=write cargo nextest run -p composition reference` writes it again.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, env, fs, path::Path};

use serde_json::{Map, Value, json};

const PAGE: &str = "../docs/compositions.md";
const BEGIN: &str = "<!-- begin: written by composition/tests/reference.rs -->\n";
const END: &str = "<!-- end -->\n";
const COLUMNS: usize = 100;

/// The schema's definitions in the order in which a reader meets them.
struct Reference {
    definitions: Map<String, Value>,
    order: Vec<String>,
    seen: BTreeSet<String>,
}

impl Reference {
    fn new(schema: &Value) -> Self {
        let definitions = schema["$defs"].as_object().unwrap().clone();
        let mut reference = Self { definitions, order: Vec::new(), seen: BTreeSet::new() };
        reference.list(schema["$ref"].as_str().unwrap());
        reference
    }

    /// Lists a definition and those that it refers to, breadth first.
    fn list(&mut self, root: &str) {
        let mut queue = vec![target(root).to_owned()];
        while !queue.is_empty() {
            let name = queue.remove(0);
            if !self.seen.insert(name.clone()) {
                continue;
            }
            let mut references = Vec::new();
            collect(&self.definitions[&name], &mut references);
            queue.extend(references);
            self.order.push(name);
        }
    }

    /// The name for headings, without the suffix that distinguishes the Rust type.
    fn title(&self, name: &str) -> String {
        let short = ["Form", "Name", "Object"].iter().find_map(|suffix| name.strip_suffix(suffix));
        match short {
            Some(short) if !self.definitions.contains_key(short) => short.to_owned(),
            _ => name.to_owned(),
        }
    }

    fn link(&self, name: &str) -> String {
        let title = self.title(name);
        format!("[{title}](#{})", title.to_lowercase())
    }

    fn text(&self) -> String {
        let mut lines = Vec::new();
        for name in &self.order {
            let definition = &self.definitions[name];
            lines.push(format!("### {}\n", self.title(name)));
            lines.extend(wrapped("", description(definition)));
            lines.push(String::new());
            self.write_body(definition, &mut lines);
        }
        let mut text = lines.join("\n");
        while text.ends_with("\n\n") {
            text.pop();
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }

    fn write_body(&self, definition: &Value, lines: &mut Vec<String>) {
        if definition["properties"].is_object() {
            self.write_fields(definition, lines);
        } else if let Some(choices) = definition["oneOf"].as_array() {
            self.write_choices(choices, lines);
        } else {
            lines.extend(wrapped("- ", &self.kind(definition)));
            lines.push(String::new());
        }
    }

    fn write_choices(&self, choices: &[Value], lines: &mut Vec<String>) {
        let tagged = |choice: &Value| choice["properties"]["type"]["const"].is_string();
        for choice in choices {
            if tagged(choice) {
                lines.push(format!("#### `type: {}`\n", choice["properties"]["type"]["const"]));
                lines.extend(wrapped("", description(choice)));
                lines.push(String::new());
                self.write_fields(choice, lines);
            } else if let Some(word) = choice["const"].as_str() {
                lines.extend(wrapped("- ", &format!("`{word}`: {}", description(choice))));
            } else {
                lines.extend(wrapped("- ", &self.kind(choice)));
            }
        }
        if !choices.iter().all(tagged) {
            lines.push(String::new());
        }
    }

    fn write_fields(&self, object: &Value, lines: &mut Vec<String>) {
        let required: Vec<&str> =
            object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, field) in object["properties"].as_object().unwrap() {
            if name == "type" && field["const"].is_string() {
                continue;
            }
            let needed = if required.contains(&name.as_str()) { ", required" } else { "" };
            let default = match &field["default"] {
                Value::Null => String::new(),
                default => format!(", default `{default}`"),
            };
            let kind = self.kind(field);
            let text = format!("`{name}` ({kind}{needed}{default}): {}", description(field));
            lines.extend(wrapped("- ", &text));
        }
        lines.push(String::new());
    }

    /// A field's type and bounds in words.
    fn kind(&self, field: &Value) -> String {
        if let Some(reference) = field["$ref"].as_str() {
            return self.link(target(reference));
        }
        if let Some(choices) = field["oneOf"].as_array() {
            let kinds: Vec<String> = choices.iter().map(|choice| self.kind(choice)).collect();
            return kinds.join(" or ");
        }
        if let Some(words) = field["enum"].as_array() {
            let words: Vec<String> =
                words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
            return words.join(", ");
        }
        if let Some(word) = field["const"].as_str() {
            return format!("`{word}`");
        }
        let bounded = |low: &str, high: &str, unit: &str| bounds(field, low, high, unit);
        if let Some(kinds) = field["type"].as_array() {
            let kinds: Vec<String> =
                kinds.iter().map(|kind| self.kind(&json!({ "type": kind }))).collect();
            return kinds.join(" or ");
        }
        match field["type"].as_str() {
            Some("array") => {
                let items = self.kind(&field["items"]);
                format!("list of {items}{}", bounded("minItems", "maxItems", " items"))
            }
            Some("string") => format!("text{}", bounded("minLength", "maxLength", " characters")),
            Some("boolean") => "true or false".to_owned(),
            Some(number @ ("number" | "integer")) => {
                format!("{number}{}", bounded("minimum", "maximum", ""))
            }
            _ => "any value".to_owned(),
        }
    }
}

fn bounds(field: &Value, low: &str, high: &str, unit: &str) -> String {
    match (&field[low], &field[high]) {
        (Value::Null, Value::Null) => String::new(),
        (low, Value::Null) if low == 1 => ", not empty".to_owned(),
        (low, Value::Null) => format!(", at least {low}{unit}"),
        (Value::Null, high) => format!(", at most {high}{unit}"),
        (low, high) if low == high => format!(", {low}{unit}"),
        (low, high) => format!(", {low} to {high}{unit}"),
    }
}

fn description(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

fn target(reference: &str) -> &str {
    reference.strip_prefix("#/$defs/").expect("a local reference")
}

fn collect(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                found.push(target(reference).to_owned());
            }
            members.values().for_each(|member| collect(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// A paragraph or a list item in lines of at most `COLUMNS`.
fn wrapped(mark: &str, text: &str) -> Vec<String> {
    let indent = " ".repeat(mark.chars().count());
    let mut lines = vec![mark.to_owned()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().unwrap();
        let length = line.chars().count();
        if length > indent.len() && length + 1 + word.chars().count() > COLUMNS {
            lines.push(format!("{indent}{word}"));
        } else {
            if length > indent.len() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[test]
fn the_reference_of_compositions_in_the_documents_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page marks where it begins");
    let (_, after) = rest.split_once(END).expect("the page marks where it ends");
    let text = Reference::new(&composition::schema()).text();
    let current = format!("{before}{BEGIN}\n{text}\n{END}{after}");
    if env::var_os("SPOOL_DOCS").is_some_and(|value| value == "write") {
        fs::write(&path, current).unwrap();
        return;
    }
    let stale = "run `SPOOL_DOCS=write cargo nextest run -p composition reference`";
    assert!(page == current, "docs/compositions.md is not what the schema says: {stale}");
}
