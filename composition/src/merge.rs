//! Merge fields: `{{ NAME }}` in any string is replaced before the document is read.
//!
//! Replacement works on the plain JSON, so a placeholder can be a whole number or colour as well as
//! part of a text. Inserted text is not searched again.

use crate::limits::{MAX_LINE, MAX_MERGED_BYTES};
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

/// The bytes of the longest name.
const MAX_NAME_BYTES: usize = MAX_LINE * char::MAX_LEN_UTF8;
/// Bytes that each value of an inserted list or object counts for, besides its text: about what it
/// takes in memory.
const VALUE_BYTES: usize = 128;

/// The well-formed fields by name. The reader reports the others as faults.
fn fields_of(document: &Value) -> BTreeMap<&str, &Value> {
    let entries =
        document.get("merge").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| Some((entry.get("find")?.as_str()?.trim(), entry.get("replace")?)))
        .filter(|(name, _)| name.len() <= MAX_NAME_BYTES)
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
///
/// An opening ends at the next closing, which may serve many openings before it (`{{{{{{ a }}`).
/// It is looked for once, and names longer than any field are not compared, so the time is linear.
fn filled_text(
    text: &str,
    fields: &BTreeMap<&str, &Value>,
    bytes_left: &mut usize,
) -> Result<Value, TooLarge> {
    let mut result = String::new();
    let mut copied = 0;
    let mut closing = Closing::after(text, 0);
    while let Some(before) = text[copied..].find("{{") {
        let opening = copied + before;
        let name_start = opening + 2;
        if closing.is_some_and(|closing| closing.start < name_start) {
            closing = Closing::after(text, name_start);
        }
        let Some(Closing { start, name_end }) = closing else { break };
        let Some(replacement) = field(text, name_start, name_end, fields) else {
            result.push_str(&text[copied..name_start]);
            copied = name_start;
            continue;
        };
        let inserted = as_text(replacement);
        let cost = inserted.len() + VALUE_BYTES * inner_values(replacement);
        *bytes_left = bytes_left.checked_sub(cost).ok_or(TooLarge)?;
        let end = start + 2;
        if opening == 0 && end == text.len() {
            return Ok(replacement.clone());
        }
        result.push_str(&text[copied..opening]);
        result.push_str(&inserted);
        copied = end;
    }
    result.push_str(&text[copied..]);
    Ok(Value::String(result))
}

/// The next `}}` of a text.
#[derive(Clone, Copy)]
struct Closing {
    start: usize,
    /// The end of the name before it, without white space.
    name_end: usize,
}

impl Closing {
    fn after(text: &str, from: usize) -> Option<Self> {
        let inner = text[from..].split_once("}}")?.0;
        Some(Self { start: from + inner.len(), name_end: from + inner.trim_end().len() })
    }
}

/// The value of the field that is named between two places of a text.
fn field<'v>(
    text: &str,
    from: usize,
    to: usize,
    fields: &BTreeMap<&str, &'v Value>,
) -> Option<&'v Value> {
    let name = text.get(from..to).unwrap_or_default().trim_start();
    if name.len() > MAX_NAME_BYTES {
        return None;
    }
    fields.get(name).copied()
}

/// A value as it appears within a text.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The number of values within a list or an object.
fn inner_values(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(|item| 1 + inner_values(item)).sum(),
        Value::Object(members) => members.values().map(|member| 1 + inner_values(member)).sum(),
        _ => 0,
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

    #[test]
    fn an_opening_without_a_field_leaves_the_ones_behind_it() {
        let fields = json!([{"find": "a", "replace": 1}, {"find": "b {{ c", "replace": 2}]);
        for (text, filled) in [
            ("{{{{a}}", json!("{{1")),
            ("{{{a}}", json!("{{{a}}")),
            ("{{ x {{ a }} }}", json!("{{ x 1 }}")),
            ("{{ b {{ c }}", json!(2)),
            ("{{a}}{{a}}", json!("11")),
            ("{{a}} {{", json!("1 {{")),
            ("}}{{a}}", json!("}}1")),
            ("{{}}", json!("{{}}")),
            ("ä{{\u{3000}a\u{3000}}}ä", json!("ä1ä")),
        ] {
            let document = json!({"timeline": text, "merge": fields});
            let merged = merged(&document).expect("small").expect("fields");
            assert_eq!(merged["timeline"], filled, "{text}");
        }
    }

    #[test]
    fn lists_and_objects_count_for_the_memory_that_they_take() {
        let document = json!({
            "timeline": ["{{a}}"],
            "merge": [{"find": "a", "replace": vec![0; 200_000]}],
        });
        assert_eq!(merged(&document).expect_err("too large")[0].pointer, "/merge");
    }

    /// CPU time of this thread while it fills a text.
    fn cost(text: &str, name: &str) -> std::time::Duration {
        let document = json!({
            "timeline": text, "merge": [{"find": name, "replace": "b"}],
        });
        let spent = || {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
            std::time::Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
        };
        let before = spent();
        let _ = merged(&document);
        spent() - before
    }

    #[test]
    fn twice_the_text_costs_about_twice_the_time() {
        let long = "{{".repeat(80);
        for (repeated, end, name) in [
            ("{{", "", "a"),
            ("{{", "}}", "a"),
            ("{{", " }}", "a"),
            ("{{ ", "}}", "a"),
            ("{{a}}", "", "a"),
            ("{{b}}", "", "a"),
            ("{{", "}}", &long),
            ("{{ x }} }}", "", "a"),
        ] {
            let text = |count: usize| {
                [repeated.repeat(count), end.replace(' ', &" ".repeat(count))].concat()
            };
            let (once, twice) = (cost(&text(40_000), name), cost(&text(80_000), name));
            // Four times is what a quadratic reader takes; a little on top for a busy machine.
            let bound = once * 3 + std::time::Duration::from_millis(40);
            assert!(twice < bound, "{repeated:?}…{end:?}: {once:?}, then {twice:?}");
        }
    }
}
