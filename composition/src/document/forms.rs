//! Names, prose, sources, and flags that merge fields may have put into quotes.

use super::{Definitions, DocumentReader, Form, brief};
use crate::limits::{MAX_LINE, MAX_PROSE};
use crate::mandatory_breaks::with_line_feeds;
use serde_json::{Value, json};

/// Name: one line of text that is not empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line(pub String);

impl Form for Line {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        let text = read_text(value, MAX_LINE, reader)?.trim();
        if text.is_empty() {
            return reader.fault("is empty: give a name");
        }
        Some(Line(text.to_owned()))
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "type": "string", "minLength": 1, "maxLength": MAX_LINE })
    }
}

/// Text of any number of lines, which may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prose(pub String);

impl Form for Prose {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        let text = read_text(value, MAX_PROSE, reader)?;
        Some(Prose(with_line_feeds(text).into_owned()))
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "type": "string", "maxLength": MAX_PROSE })
    }
}

fn read_text<'v>(value: &'v Value, most: usize, reader: &mut DocumentReader) -> Option<&'v str> {
    let Some(text) = value.as_str() else {
        return reader.fault(format!("is {}: give text in quotes", brief(value)));
    };
    let length = text.chars().count();
    if length > most {
        return reader.fault(format!("has {length} characters: at most {most} are taken"));
    }
    Some(text)
}

/// Address of a source: an `https`, `http` or `file` URL, or a path below an allowed folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Src(pub String);

impl Src {
    /// The clip's name, if it is `alias://…`.
    pub fn alias(&self) -> Option<&str> {
        self.0.strip_prefix("alias://")
    }
}

impl Form for Src {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        let Some(text) = value.as_str() else {
            return reader.fault(format!("is {}: give an https URL in quotes", brief(value)));
        };
        let src = Src(text.trim().to_owned());
        let fault = match src.alias() {
            Some("") => Some("names no clip: write `alias://` and the clip's `alias`".to_owned()),
            Some(_) => None,
            None => common::kinds::source::check_src(&src.0).err(),
        };
        match fault {
            Some(detail) => reader.fault(detail),
            None => Some(src),
        }
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "type": "string", "minLength": 1 })
    }
}

/// A flag. The words are accepted too, in any case: Python writes `True`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flag(pub bool);

impl Form for Flag {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            Value::Bool(flag) => Some(Flag(*flag)),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(Flag(true)),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(Flag(false)),
            other => reader.fault(format!("is {}: write true or false", brief(other))),
        }
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "type": "boolean" })
    }
}
