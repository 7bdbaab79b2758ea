//! Finds markup in subtitle text. Every function looks at each character a constant number of
//! times, whatever the text: files come from strangers.

use crate::plan::separates_words;
use std::borrow::Cow;

/// A stretch of subtitle text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text as it is written.
    Text(&'a str),
    /// The inside of a tag or a block, without its brackets.
    Mark(&'a str),
}

/// Splits text at its `<…>` tags. A bracket that begins no tag is text.
pub(super) fn split_tags(text: &str, is_tag: impl Fn(&str) -> bool) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut from, mut at) = (0, 0);
    while let Some(opening) = text[at..].find('<').map(|found| at + found) {
        at = opening + 1;
        let Some(length) = text[at..].find(['<', '>']) else { break };
        let inside = &text[at..at + length];
        at += length;
        if text[at..].starts_with('>') && is_tag(inside) {
            pieces.extend([Piece::Text(&text[from..opening]), Piece::Mark(inside)]);
            at += 1;
            from = at;
        }
    }
    pieces.push(Piece::Text(&text[from..]));
    pieces
}

/// Splits text at its `{…}` blocks. `begins` decides by the text after a brace if that is one; a
/// brace after a backslash is text.
pub(super) fn split_blocks(text: &str, begins: impl Fn(&str) -> bool) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut from, mut at) = (0, 0);
    while let Some(opening) = text[at..].find('{').map(|found| at + found) {
        at = opening + 1;
        if text[..opening].ends_with('\\') || !begins(&text[at..]) {
            continue;
        }
        let Some(length) = text[at..].find('}') else { break };
        pieces.extend([Piece::Text(&text[from..opening]), Piece::Mark(&text[at..at + length])]);
        at += length + 1;
        from = at;
    }
    pieces.push(Piece::Text(&text[from..]));
    pieces
}

/// Recognises HTML's line break: `br`, `BR /`.
pub(super) fn is_break(tag: &str) -> bool {
    tag.trim_end_matches(['/', ' ']).eq_ignore_ascii_case("br")
}

/// Returns whether an override block such as `{\p1}` begins or ends a drawing; none if it does
/// neither.
pub(super) fn drawing(block: &str) -> Option<bool> {
    let scales = block.split('\\').skip(1).filter_map(|tag| tag.trim().strip_prefix('p'));
    scales.filter_map(|scale| scale.parse::<u32>().ok()).last().map(|scale| scale > 0)
}

/// Replaces HTML's character references, which WebVTT shares.
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    htmlize::unescape(text)
}

/// Replaces references that end in a semicolon, or where HTML accepts them inside an attribute. In
/// a file that promises no references, `?a=1&copy=2` stays.
pub(super) fn unescaped_if_certain(text: &str) -> Cow<'_, str> {
    htmlize::unescape_attribute(text)
}

/// Escapes the characters that would begin a tag or a reference.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text without markup, which grows piece by piece, and the number of its words.
#[derive(Debug, Default)]
pub(super) struct PlainText {
    text: String,
    /// Bytes of `text` whose words are counted.
    counted: usize,
    words: usize,
    in_word: bool,
}

impl PlainText {
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The number of words that have begun. Counts each character once.
    pub fn words(&mut self) -> usize {
        for letter in self.text[self.counted..].chars() {
            let blank = separates_words(letter);
            self.words += usize::from(!blank && !self.in_word);
            self.in_word = !blank;
        }
        self.counted = self.text.len();
        self.words
    }

    /// The text without blanks at its ends; hard spaces stay.
    pub fn trimmed(&self) -> &str {
        self.text.trim_matches([' ', '\t', '\n'])
    }
}
