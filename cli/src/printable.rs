//! Text from outside as it is printed: sources, names, errors and metadata are a client's, messages
//! are a provider's, and none of them may steer the terminal of the person who reads them.

use std::{
    borrow::Cow,
    fmt::{self, Debug, Write as _},
    io,
};

use tracing::field::Field;
use tracing_subscriber::fmt::format::Writer;

/// Writes control characters, line breaks and marks that turn the direction of text as escapes such
/// as `\u001b`. They are those of JSON, so that a JSON document keeps its meaning.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            // All of these have at most four hex digits.
            character if is_escaped(character) => {
                let _ = write!(shown, "\\u{:04x}", u32::from(character));
            }
            character => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

/// Returns whether a character acts on a terminal or on its neighbours: C0, C1 and DEL, the line
/// and paragraph separators, and the marks of bidirectional text (Unicode Standard Annex 9).
fn is_escaped(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Writes one field of a log line for people.
pub fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    let text = format!("{value:?}");
    match field.name() {
        "message" => write!(writer, "{}", printable(&text)),
        name => write!(writer, "{name}={}", printable(&text)),
    }
}

/// A log of JSON lines. Each write is a whole line.
pub struct PrintableLines<W>(pub W);

impl<W: io::Write> io::Write for PrintableLines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let mut shown = printable(text.trim_end_matches('\n')).into_owned();
        shown.push('\n');
        self.0.write_all(shown.as_bytes()).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing_subscriber::{layer::SubscriberExt, registry};

    use super::*;
    use crate::log;

    /// A title for the terminal, colours in both encodings, a reversed name, and a line that looks
    /// like one of ours.
    const HOSTILE: &str =
        "x\u{1b}]0;OWNED\u{7}\u{9b}31m\u{202e}\u{2066}\u{200f}\r\nFAKE\u{2028}LINE";
    const SHOWN: &str =
        "x\\u001b]0;OWNED\\u0007\\u009b31m\\u202e\\u2066\\u200f\\r\\nFAKE\\u2028LINE";

    #[test]
    fn text_that_acts_on_a_terminal_is_written_as_escapes() {
        assert_eq!(printable(HOSTILE), SHOWN);
        for plain in ["", "Ærø – 日本語 🎬 שלום", "C:\\new", "`a` \"b\""] {
            assert!(matches!(printable(plain), Cow::Borrowed(text) if text == plain), "{plain}");
        }
    }

    #[test]
    fn a_json_document_keeps_its_meaning() {
        let document = json!({"src": HOSTILE});
        let text = document.to_string();
        let shown = printable(&text);
        assert!(!shown.contains(is_escaped), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), document);
    }

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_line_is_one_line_and_carries_no_escape_sequence_from_outside() {
        for for_people in [true, false] {
            let written = Written::default();
            let lines = written.clone();
            let log = registry().with(log::layer(for_people, move || lines.clone()));
            tracing::subscriber::with_default(log, || {
                let _in = tracing::info_span!("request", path = HOSTILE).entered();
                tracing::warn!(src = HOSTILE, error = %HOSTILE, "refused {HOSTILE}");
            });
            let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
            let line = text.strip_suffix('\n').unwrap();
            assert!(line.contains("OWNED") && !line.contains("\u{1b}]"), "{line}");
            // Our own colours may stay.
            let uncoloured = line.replace("\u{1b}[", "");
            assert!(!uncoloured.contains(is_escaped), "{uncoloured}");
        }
    }
}
