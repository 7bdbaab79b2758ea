//! A JSON Schema as the reference of a page: every member with its type, bounds and default.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// The longest line of a page.
const COLUMNS: usize = 100;

/// The schema's definitions in the order in which a reader meets them.
pub struct Reference {
    definitions: Map<String, Value>,
    order: Vec<String>,
    seen: BTreeSet<String>,
    elsewhere: Option<Elsewhere>,
}

/// A definition that another page describes, with all that it refers to.
#[derive(Clone, Copy)]
pub struct Elsewhere {
    pub definition: &'static str,
    /// The words and the target of the link.
    pub link: &'static str,
}

impl Reference {
    /// Lists the definitions of a schema. Those below `elsewhere` are described on another page.
    pub fn new(schema: &Value, elsewhere: Option<Elsewhere>) -> Self {
        let definitions = schema["$defs"].as_object().unwrap().clone();
        let mut reference =
            Self { definitions, order: Vec::new(), seen: BTreeSet::new(), elsewhere };
        reference.list(schema["$ref"].as_str().unwrap());
        reference
    }

    /// Lists a definition and those that it refers to, breadth first.
    fn list(&mut self, root: &str) {
        let mut queue = vec![target(root).to_owned()];
        while !queue.is_empty() {
            let name = queue.remove(0);
            if self.is_elsewhere(&name) || !self.seen.insert(name.clone()) {
                continue;
            }
            let mut references = Vec::new();
            collect(&self.definitions[&name], &mut references);
            queue.extend(references);
            self.order.push(name);
        }
    }

    fn is_elsewhere(&self, name: &str) -> bool {
        self.elsewhere.is_some_and(|elsewhere| elsewhere.definition == name)
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
        if let Some(elsewhere) = self.elsewhere.filter(|_| self.is_elsewhere(name)) {
            return elsewhere.link.to_owned();
        }
        let title = self.title(name);
        format!("[{title}](#{})", title.to_lowercase())
    }

    /// Describes every definition. The first has a heading only if `root_heading` is set.
    pub fn text(&self, root_heading: bool) -> String {
        let mut lines = Vec::new();
        for (index, name) in self.order.iter().enumerate() {
            let definition = &self.definitions[name];
            if root_heading || index > 0 {
                lines.push(format!("### {}\n", self.title(name)));
            }
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
                Value::String(text) => format!(", default `{text}`"),
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
            Some("string") if field["x-maxBytes"].is_u64() => {
                format!("text, at most {} bytes", field["x-maxBytes"])
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
pub fn wrapped(mark: &str, text: &str) -> Vec<String> {
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
