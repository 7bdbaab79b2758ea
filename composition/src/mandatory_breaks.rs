//! Mandatory line breaks: all of Unicode's become one character. Lines too long for their box are
//! broken in `media`, by its text layout.

use std::borrow::Cow;

/// Breaks a line wherever it is (Unicode UAX #14, classes BK, CR, LF and NL).
const BREAKS: [char; 6] = ['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];

/// The text with `\n` for every mandatory line break; `\r\n` is one.
///
/// Text comes from many systems: files of old ones with a lone `\r`, editors that write U+2028.
/// The code that reads or lays out text afterwards knows `\n` alone.
pub(crate) fn with_line_feeds(text: &str) -> Cow<'_, str> {
    if !text.contains(BREAKS) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("\r\n", "\n").replace(BREAKS, "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mandatory_break_becomes_a_line_feed() {
        let text = "a\rb\r\nc\nd\u{2028}e\u{2029}f\u{85}g\u{b}h\u{c}i\n\rj";
        assert_eq!(with_line_feeds(text), "a\nb\nc\nd\ne\nf\ng\nh\ni\n\nj");
        assert!(matches!(with_line_feeds("a\nb c\td"), Cow::Borrowed(_)));
    }
}
