//! The key of a task: one hash of everything that decides its output.
//!
//! `input key = BLAKE3(kind, kind version, canonical input)`. The key of a task without needs is
//! its input key; that of any other is `SHA-256(input key ‖ output hash of each need)`, in the
//! plan's order. It is SHA-256 because PostgreSQL can compute that in the statement that settles
//! the last need.

use serde_json::{Number, Value};
use sha2::{Digest as _, Sha256};

use crate::id::Digest;

/// The hash of a task's kind and input.
pub fn input_key(kind: &str, version: u32, input: &Value) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("spool 2026-11 input key");
    hasher.update(&(kind.len() as u64).to_be_bytes());
    hasher.update(kind.as_bytes());
    hasher.update(&version.to_be_bytes());
    hasher.update(canonical(input).as_bytes());
    Digest(*hasher.finalize().as_bytes())
}

/// The key of a task whose needs have these output hashes, in the plan's order.
pub fn task_key(input_key: Digest, needs: &[Digest]) -> Digest {
    if needs.is_empty() {
        return input_key;
    }
    let mut hasher = Sha256::new();
    hasher.update(input_key.0);
    needs.iter().for_each(|need| hasher.update(need.0));
    Digest(hasher.finalize().into())
}

/// The hash of a task's output.
pub fn output_hash(output: &Value) -> Digest {
    Digest::of(canonical(output).as_bytes())
}

/// JSON with one spelling for each value: no white space, members sorted by their bytes, numbers as
/// `digits` or `digits`e`exponent` without leading or trailing zeros. So `1`, `1.0` and `10e-1` are
/// one number, and no digit is lost to a float.
///
/// It is for hashing alone: the stored document keeps the caller's spelling.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&canonical_number(number)),
        Value::String(string) => write_string(text, string),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_value(text, item);
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| name.as_str());
            text.push('{');
            for (index, (name, member)) in members.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_string(text, name);
                text.push(':');
                write_value(text, member);
            }
            text.push('}');
        }
    }
}

fn write_string(text: &mut String, string: &str) {
    text.push_str(&Value::from(string).to_string());
}

/// A number's digits and decimal exponent, in one spelling for each value. An exponent beyond 32
/// bits keeps its own spelling.
fn canonical_number(number: &Number) -> String {
    let spelled = number.to_string().to_ascii_lowercase();
    let (sign, magnitude) =
        spelled.strip_prefix('-').map_or(("", spelled.as_str()), |rest| ("-", rest));
    let (mantissa, exponent) = magnitude.split_once('e').unwrap_or((magnitude, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return "0".to_owned();
    }
    let Ok(exponent) = exponent.parse::<i32>() else {
        return spelled;
    };
    let exponent =
        i64::from(exponent) - fraction.len() as i64 + (digits.len() - significant.len()) as i64;
    match exponent {
        0 => format!("{sign}{significant}"),
        _ => format!("{sign}{significant}e{exponent}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(text: &str) -> Value {
        serde_json::from_str(text).expect("json")
    }

    #[test]
    fn a_value_has_one_spelling() {
        let same = [
            r#"{"b":[1.50, true, null],"a":"é\n"}"#,
            r#"{ "a": "\u00e9\u000a", "b": [15e-1, true, null] }"#,
            r#"{"a":"é\n","b":[0.15E+1,true,null]}"#,
        ];
        for text in same {
            assert_eq!(canonical(&parse(text)), r#"{"a":"é\n","b":[15e-1,true,null]}"#, "{text}");
        }
    }

    #[test]
    fn different_numbers_have_different_spellings() {
        let spelled = [
            "0",
            "1",
            "-1",
            "100",
            "9007199254740993",
            "9007199254740992",
            "0.1",
            "0.10000000000000001",
            "1e400",
        ];
        let canonical: std::collections::BTreeSet<_> =
            spelled.map(|text| canonical(&parse(text))).into_iter().collect();
        assert_eq!(canonical.len(), spelled.len());
        assert_eq!(super::canonical(&parse("-0.0")), "0");
    }

    /// Stored keys must never change: a change here would lose every memo.
    #[test]
    fn keys_never_change() {
        let key = input_key("echo", 1, &json!({"value": {"b": 1, "a": [1.5, "x"]}}));
        assert_eq!(
            key.to_string(),
            "438dc428ae71e07466df84c19d4f53538de428b2425dad58f971382c76cd7696"
        );
        assert_eq!(task_key(key, &[]), key);
        let need = output_hash(&json!({"artifact": "00"}));
        assert_eq!(
            need.to_string(),
            "bc686fb34fa18beea577e03d4f7a0c7cb1523f4ff9aad8c553f11a8697d7c473"
        );
        assert_eq!(
            task_key(key, &[need, key]).to_string(),
            "fc361aa3a1e758aa7fdfe5c71cffa3fc6e0393255d83b2d667b73179edfb2315"
        );
        assert_ne!(task_key(key, &[need, key]), task_key(key, &[key, need]));
    }

    #[test]
    fn kind_and_version_are_part_of_the_key() {
        let input = json!({});
        assert_ne!(input_key("a", 1, &input), input_key("a", 2, &input));
        assert_ne!(input_key("a", 1, &input), input_key("b", 1, &input));
    }
}
