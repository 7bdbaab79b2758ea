//! The reader of JSON from outside: bodies, files, replies of services.
//!
//! A lexical scan comes before the parser, because a parsed value can take a hundred times the
//! memory of its text, and because serde_json unpacks objects whose key begins with
//! `$serde_json::private::`, also past its own bound on depth. The scan takes time in proportion to
//! the text and holds one frame per level.
//!
//! JSON that Spool wrote itself (rows, messages, cached values, replies of the media process) is
//! read without a scan: it is typed, or was made of values that had passed it.

use serde_json::Value;

use crate::{
    document::crop,
    fault::step,
    limits::{MAX_JSON_DEPTH, MAX_JSON_MEMORY},
};

/// The beginning of the keys that serde_json keeps for itself.
const RESERVED: &str = "$serde_json::private::";

/// Memory of an object's node, which holds up to 11 members, in bytes.
const NODE_BYTES: usize = 640;
const NODE_MEMBERS: usize = 11;
/// Members that a full node leaves to the next one when it is split.
const SPLIT_MEMBERS: usize = 6;
/// Memory of a value in a list, in bytes.
const VALUE_BYTES: usize = 32;
/// Values that the smallest list has room for. A longer one doubles, so it has up to twice the room
/// that it needs.
const LEAST_ROOM: usize = 4;
/// The smallest piece of memory that is handed out for a text or a number, in bytes.
const LEAST_TEXT_BYTES: usize = 32;

/// Characters of a pointer that a refusal shows.
const MAX_POINTER_CHARACTERS: usize = 400;

/// Why JSON from outside is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonRefusalKind {
    Malformed,
    TooDeep,
    /// Its values would take too much memory.
    TooLarge,
    /// A key belongs to serde_json.
    ReservedKey,
}

/// A refusal of JSON. Its text completes a sentence such as "the body …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct JsonRefusal {
    pub kind: JsonRefusalKind,
    /// JSON Pointer to the value at fault; empty where the text is not JSON.
    pub pointer: String,
    pub detail: String,
}

/// JSON text within all bounds, not parsed yet.
#[derive(Debug, Clone)]
pub struct ScannedJson<B> {
    text: B,
    memory: usize,
}

impl<B: AsRef<[u8]>> ScannedJson<B> {
    /// Estimated memory of the parsed value, in bytes.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Parses the text.
    pub fn parse(&self) -> Result<Value, JsonRefusal> {
        serde_json::from_slice(self.text.as_ref()).map_err(|error| JsonRefusal {
            kind: JsonRefusalKind::Malformed,
            pointer: String::new(),
            detail: format!("is not JSON: {error}"),
        })
    }
}

/// Checks the bounds of JSON text without parsing it. Errors of grammar are left to the parser.
pub fn scan<B: AsRef<[u8]>>(text: B) -> Result<ScannedJson<B>, JsonRefusal> {
    let memory = Scan::of(text.as_ref())?;
    Ok(ScannedJson { text, memory })
}

/// Reads JSON from outside.
pub fn parse(text: impl AsRef<[u8]>) -> Result<Value, JsonRefusal> {
    scan(text)?.parse()
}

/// An open list or object.
struct Frame {
    is_object: bool,
    /// Set where the next text is a key.
    key_next: bool,
    /// The current key, with its quotes.
    key: (usize, usize),
    /// Commas so far.
    index: usize,
    is_empty: bool,
}

struct Scan<'t> {
    text: &'t [u8],
    frames: Vec<Frame>,
    memory: usize,
}

impl<'t> Scan<'t> {
    /// Scans a text and returns the memory of its values.
    fn of(text: &'t [u8]) -> Result<usize, JsonRefusal> {
        let mut scan = Self { text, frames: Vec::with_capacity(MAX_JSON_DEPTH), memory: 0 };
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            at = match byte {
                b' ' | b'\t' | b'\r' | b'\n' => at + 1,
                b'"' => scan.text(at)?,
                b'{' | b'[' => scan.open(at, *byte == b'{')?,
                b'}' | b']' => {
                    scan.frames.pop();
                    at + 1
                }
                b',' => scan.comma(at),
                b':' => {
                    if let Some(frame) = scan.frames.last_mut() {
                        frame.key_next = false;
                    }
                    at + 1
                }
                _ => scan.plain(at),
            };
            if scan.memory > MAX_JSON_MEMORY {
                let most = MAX_JSON_MEMORY >> 20;
                let detail = format!("takes more than {most} MB of memory: send it in parts");
                return Err(scan.refusal(JsonRefusalKind::TooLarge, at, detail));
            }
        }
        Ok(scan.memory)
    }

    /// Passes a text. Returns the place behind it.
    fn text(&mut self, start: usize) -> Result<usize, JsonRefusal> {
        self.entry();
        let mut end = start + 1;
        let mut escaped = false;
        while let Some(byte) = self.text.get(end) {
            end += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    end += 1;
                }
                _ => {}
            }
        }
        let end = end.min(self.text.len());
        self.memory += LEAST_TEXT_BYTES.max(end - start);
        if let Some(frame) = self.frames.last_mut().filter(|frame| frame.key_next) {
            frame.key = (start, end);
            let key = self.key(start, end, escaped);
            if key.is_some_and(|key| key.starts_with(RESERVED)) {
                let detail = format!("has a key that begins with `{RESERVED}`: rename it");
                return Err(self.refusal(JsonRefusalKind::ReservedKey, start, detail));
            }
        }
        Ok(end)
    }

    /// A key without quotes and escapes. Only one that may be reserved is copied.
    fn key(&self, start: usize, end: usize, escaped: bool) -> Option<String> {
        let quoted = &self.text[start..end];
        if escaped {
            return serde_json::from_slice(quoted).ok();
        }
        let plain = quoted.get(1..=RESERVED.len())?;
        (plain == RESERVED.as_bytes()).then(|| RESERVED.to_owned())
    }

    fn open(&mut self, at: usize, is_object: bool) -> Result<usize, JsonRefusal> {
        self.entry();
        if self.frames.len() + 1 >= MAX_JSON_DEPTH {
            let detail =
                format!("has {MAX_JSON_DEPTH} levels of lists and objects or more: nest it less");
            return Err(self.refusal(JsonRefusalKind::TooDeep, at, detail));
        }
        self.frames.push(Frame {
            is_object,
            key_next: is_object,
            key: (0, 0),
            index: 0,
            is_empty: true,
        });
        Ok(at + 1)
    }

    fn comma(&mut self, at: usize) -> usize {
        if let Some(frame) = self.frames.last_mut() {
            frame.index += 1;
            frame.key_next = frame.is_object;
            self.memory += if frame.is_object {
                let behind = frame.index.checked_sub(NODE_MEMBERS);
                behind.map_or(0, |behind| NODE_BYTES * usize::from(behind % SPLIT_MEMBERS == 0))
            } else {
                2 * VALUE_BYTES * usize::from(frame.index >= LEAST_ROOM)
            };
        }
        at + 1
    }

    /// Passes a number or a word. Returns the place behind it.
    fn plain(&mut self, start: usize) -> usize {
        self.entry();
        let is_plain = |byte: &u8| {
            !matches!(
                byte,
                b' ' | b'\t' | b'\r' | b'\n' | b'"' | b',' | b':' | b'{' | b'}' | b'[' | b']'
            )
        };
        let length = self.text[start..].iter().take_while(|byte| is_plain(byte)).count();
        self.memory += LEAST_TEXT_BYTES.max(length);
        start + length
    }

    /// Counts the memory of a list or object at its first entry: an empty one takes none.
    fn entry(&mut self) {
        if let Some(frame) = self.frames.last_mut().filter(|frame| frame.is_empty) {
            frame.is_empty = false;
            self.memory += if frame.is_object { NODE_BYTES } else { LEAST_ROOM * VALUE_BYTES };
        }
    }

    fn refusal(&self, kind: JsonRefusalKind, at: usize, detail: String) -> JsonRefusal {
        let before = &self.text[..at.min(self.text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        let detail = format!("{detail} (line {line}, column {column})");
        JsonRefusal { kind, pointer: self.pointer(), detail }
    }

    fn pointer(&self) -> String {
        let steps = self.frames.iter().map(|frame| match frame.is_object {
            true => {
                let quoted = &self.text[frame.key.0..frame.key.1];
                let key: Option<String> = serde_json::from_slice(quoted).ok();
                key.map(|key| step(&crop(&key))).unwrap_or_default()
            }
            false => step(&frame.index.to_string()),
        });
        steps.collect::<String>().chars().take(MAX_POINTER_CHARACTERS).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(text: &str) -> (JsonRefusalKind, String) {
        let refusal = parse(text).expect_err(text);
        (refusal.kind, refusal.pointer)
    }

    fn nested(depth: usize) -> String {
        ["[".repeat(depth), "]".repeat(depth)].concat()
    }

    #[test]
    fn plain_json_is_read_as_it_is() {
        let text = r#" {"a": [1, "x\"]}{[", {}, []], "$serde_json": {"\\": null}, "n": 1.50 } "#;
        let value = json!({"a": [1, "x\"]}{[", {}, []], "$serde_json": {"\\": null}});
        let mut read = parse(text).expect("json");
        let number = read.as_object_mut().and_then(|members| members.remove("n"));
        assert_eq!(number.map(|number| number.to_string()).as_deref(), Some("1.50"));
        assert_eq!(read, value);
        let value = json!({"text": "$serde_json::private::Number"});
        assert_eq!(parse(value.to_string()).expect("only keys are reserved"), value);
    }

    #[test]
    fn text_that_is_no_json_is_left_to_the_parser() {
        for text in ["", "{", "]", "\"", "\"\\", "{\"a\" 1}", "[1,]", ",,:", "{}{}", "\u{e9}"] {
            assert_eq!(refused(text), (JsonRefusalKind::Malformed, String::new()), "{text}");
        }
        assert!(parse([0xff, b'"', 0x80]).is_err());
    }

    #[test]
    fn the_deepest_document_is_read_and_a_deeper_one_is_refused() {
        assert!(parse(nested(MAX_JSON_DEPTH - 1)).is_ok());
        let in_object = format!("{{\"a\":{}}}", nested(MAX_JSON_DEPTH - 1));
        let (kind, pointer) = refused(&in_object);
        assert_eq!(kind, JsonRefusalKind::TooDeep);
        assert!(pointer.starts_with("/a/0/0/0"), "{pointer}");
        assert_eq!(refused(&"[".repeat(10_000_000)).0, JsonRefusalKind::TooDeep);
        assert_eq!(refused(&"{\"\":".repeat(1_000_000)).0, JsonRefusalKind::TooDeep);
    }

    #[test]
    fn keys_of_the_parser_are_refused_in_any_spelling() {
        for key in [
            "$serde_json::private::RawValue",
            "$serde_json::private::Number",
            "$serde_json::private::",
            "\\u0024serde_json::private::Number",
            "$serde\\u005fjson::private::Raw\\u0056alue",
        ] {
            let text = format!("{{\"a\":[0,{{\"b\":1,\"{key}\":\"1\"}}]}}");
            let (kind, pointer) = refused(&text);
            assert_eq!(kind, JsonRefusalKind::ReservedKey, "{key}");
            assert!(pointer.starts_with("/a/1/$serde_json::private::"), "{pointer}");
        }
        let refusal = parse("{\n \"$serde_json::private::Number\": \"1\"}").expect_err("reserved");
        assert!(refusal.detail.ends_with("rename it (line 2, column 2)"), "{}", refusal.detail);
    }

    #[test]
    fn documents_that_take_much_memory_are_refused_by_their_text() {
        let list = |item: &str, count: usize| format!("[{}0]", format!("{item},").repeat(count));
        for item in ["{\"\":0}", "[0]", "0", "\"\"", "[[]]", "{\"\":{}}"] {
            let text = list(item, MAX_JSON_MEMORY / 64);
            assert_eq!(refused(&text).0, JsonRefusalKind::TooLarge, "{item}");
        }
        let keys: String = (0..2_000_000).map(|key| format!("\"{key}\":0,")).collect();
        assert_eq!(refused(&format!("{{{keys}\"a\":0}}")).0, JsonRefusalKind::TooLarge);
        let captions = list(r#"{"text":"word","start":1.25,"end":1.5}"#, 30_000);
        assert!(scan(captions).is_ok_and(|scanned| scanned.memory() < MAX_JSON_MEMORY / 4));
    }
}
