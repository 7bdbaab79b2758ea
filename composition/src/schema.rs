//! The JSON Schema of a composition, from the declarations that the reader uses.

use common::document;
use serde_json::Value;

use crate::syntax::Edit;

/// The JSON Schema (draft 2020-12) of a composition, with a description for each field. It holds
/// the rules of single fields; [`crate::parse`] checks the rules between fields (one source of
/// captions, even sizes).
///
/// ```
/// let schema = composition::schema();
/// assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
/// assert!(schema["$defs"]["Clip"]["properties"]["asset"].is_object());
/// ```
pub fn schema() -> Value {
    document::schema::<Edit>("Composition")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Collects every `$ref` of a schema.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn the_committed_schema_is_current() {
        let committed: Value =
            serde_json::from_str(include_str!("../schema.json")).expect("schema.json is JSON");
        assert_eq!(
            committed,
            schema(),
            "run `cargo run -p composition --example schema > composition/schema.json`"
        );
    }

    #[test]
    fn every_reference_has_its_definition() {
        let schema = schema();
        let mut found = Vec::new();
        references(&schema, &mut found);
        for reference in found {
            let name = reference.strip_prefix("#/$defs/").expect("a local reference");
            assert!(schema["$defs"][name].is_object(), "{reference}");
        }
    }

    #[test]
    fn every_field_is_described() {
        let schema = schema();
        let undescribed: Vec<String> = schema["$defs"]
            .as_object()
            .expect("definitions")
            .iter()
            .flat_map(|(name, form)| {
                let fields = form["properties"].as_object().into_iter().flatten();
                fields
                    .filter(|(_, field)| !field["description"].is_string())
                    .map(move |(field, _)| format!("{name}.{field}"))
            })
            .collect();
        assert_eq!(undescribed, Vec::<String>::new());
    }

    #[test]
    fn assets_are_distinguished_by_their_type() {
        let schema = schema();
        let kinds = schema["$defs"]["Asset"]["oneOf"].as_array().expect("a union");
        let video = kinds
            .iter()
            .find(|kind| kind["properties"]["type"]["const"] == "video")
            .expect("a video");
        assert_eq!(video["required"], json!(["type", "src"]));
        assert_eq!(video["additionalProperties"], json!(false));
        assert_eq!(video["properties"]["speed"]["maximum"], json!(20));
    }
}
