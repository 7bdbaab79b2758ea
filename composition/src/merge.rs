//! Merge fields: `{{ NAME }}` in any string is replaced before the document is read.
//!
//! Replacement works on the plain JSON, so a placeholder can be a whole number or colour as well as
//! part of a text. Inserted text is not searched again.

use crate::limits::MAX_MERGED_BYTES;
use common::fault::Fault;
use serde_json::Value;
use std::collections::BTreeMap;

/// Fills the document's merge fields in. Placeholders without a field stay as they are. Returns
/// none if the document has no fields.
pub(crate) fn merged(document: &Value) -> Result<Option<Value>, Vec<Fault>> {
    let fields = fields_of(document);
    if fields.is_empty() {
        return Ok(None);
    }
    let mut filled = document.clone();
    let mut bytes_left = MAX_MERGED_BYTES;
    for part in ["timeline", "output"] {
        if let Some(value) = filled.get_mut(part) {
            fill(value, &fields, &mut bytes_left).map_err(|TooLarge| {
                vec![Fault::new(
                    "/merge",
                    format!(
                        "puts in more than {MAX_MERGED_BYTES} bytes in all: use shorter values"
                    ),
                )]
            })?;
        }
    }
    Ok(Some(filled))
}

/// The well-formed fields by name. The reader reports the others as faults.
fn fields_of(document: &Value) -> BTreeMap<&str, &Value> {
    let entries =
        document.get("merge").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| Some((entry.get("find")?.as_str()?.trim(), entry.get("replace")?)))
        .collect()
}

struct TooLarge;

fn fill(
    value: &mut Value,
    fields: &BTreeMap<&str, &Value>,
    bytes_left: &mut usize,
) -> Result<(), TooLarge> {
    match value {
        Value::String(text) if text.contains("{{") => {
            *value = filled_text(text, fields, bytes_left)?;
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| fill(item, fields, bytes_left)),
        Value::Object(members) => {
            members.values_mut().try_for_each(|member| fill(member, fields, bytes_left))
        }
        _ => Ok(()),
    }
}

/// Fills the placeholders of one text. A text that is nothing but one placeholder takes the type of
/// its value.
fn filled_text(
    text: &str,
    fields: &BTreeMap<&str, &Value>,
    bytes_left: &mut usize,
) -> Result<Value, TooLarge> {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, opened)) = rest.split_once("{{") {
        let found = opened
            .split_once("}}")
            .and_then(|(name, after)| Some((*fields.get(name.trim())?, after)));
        result.push_str(before);
        let Some((replacement, after)) = found else {
            result.push_str("{{");
            rest = opened;
            continue;
        };
        let inserted = as_text(replacement);
        *bytes_left = bytes_left.checked_sub(inserted.len()).ok_or(TooLarge)?;
        if before.is_empty() && after.is_empty() && result.is_empty() {
            return Ok(replacement.clone());
        }
        result.push_str(&inserted);
        rest = after;
    }
    result.push_str(rest);
    Ok(Value::String(result))
}

/// A value as it appears within a text.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn placeholders_are_filled_in_every_string_and_only_once() {
        let document = json!({
            "timeline": {
                "a": "{{ NAME }} & {{NAME}}",
                "b": ["{{n}}", "x{{n}}px"],
                "c": "{{NAMEX}} {{",
                "d": "{{gone}}",
            },
            "output": {"fps": "{{ n }}"},
            "merge": [
                {"find": "NAME", "replace": "{{n}}"},
                {"find": "n", "replace": 30},
                {"find": "unused", "replace": 1},
            ],
        });
        let filled = merged(&document).expect("small").expect("fields");
        assert_eq!(
            filled["timeline"],
            json!({"a": "{{n}} & {{n}}", "b": [30, "x30px"], "c": "{{NAMEX}} {{", "d": "{{gone}}"})
        );
        assert_eq!(filled["output"], json!({"fps": 30}));
    }

    #[test]
    fn merge_fields_that_insert_too_much_are_refused() {
        let document = json!({
            "timeline": vec!["{{a}}-"; 1_000].concat(),
            "merge": [{"find": "a", "replace": "x".repeat(100_000)}],
        });
        let faults = merged(&document).expect_err("too large");
        assert_eq!(faults[0].pointer, "/merge");
    }
}
