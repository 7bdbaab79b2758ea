//! Marks where lines may break, and where they must not.
//!
//! The shaper breaks lines by rules alone (Unicode UAX #14). Thai, Lao, Khmer and Burmese write no
//! spaces between words and break by dictionary (class SA), so marks are put between their words.

use composition::plan::TextRun;
use icu_segmenter::LineSegmenter;
use icu_segmenter::options::LineBreakOptions;
use std::borrow::Cow;

/// A space of no width, after which a line may break (class ZW).
const MAY_BREAK: char = '\u{200b}';
/// A joiner of no width, beside which no line breaks (class WJ).
const NO_BREAK: char = '\u{2060}';

/// Returns whether a character only marks where lines may or must not break.
pub(super) fn is_mark(letter: char) -> bool {
    matches!(letter, MAY_BREAK | NO_BREAK)
}

/// The text of each run with marks in it. Positions are in bytes over all runs.
#[derive(Clone)]
pub(super) struct MarkedText<'a> {
    pub runs: Vec<Cow<'a, str>>,
    /// The positions of the marks between words of the dictionary, ascending.
    between_words: Vec<usize>,
}

impl<'a> MarkedText<'a> {
    /// Marks the places between words that a dictionary finds.
    pub(super) fn new(runs: &'a [TextRun]) -> Self {
        let mut between_words = Vec::new();
        let mut start = 0;
        let mut marked = Vec::with_capacity(runs.len());
        for run in runs {
            let text = with_marks(&run.text, start, &mut between_words);
            start += text.len();
            marked.push(text);
        }
        Self { runs: marked, between_words }
    }

    /// Returns whether this put a mark there, so that it ends no word which the caller wrote.
    pub(super) fn has_mark_at(&self, position: usize) -> bool {
        self.between_words.binary_search(&position).is_ok()
    }

    /// Lets no line break before the word at a position.
    pub(super) fn keep_together(&mut self, position: usize) {
        let mark = MAY_BREAK.len_utf8();
        let before = position.checked_sub(mark).map(|at| self.between_words.binary_search(&at));
        if let Some(Ok(index)) = before {
            self.between_words.remove(index);
            self.between_words[index..].iter_mut().for_each(|at| *at -= mark);
            self.replace(position - mark, mark, "");
        } else {
            let index = self.between_words.partition_point(|at| *at < position);
            self.between_words[index..].iter_mut().for_each(|at| *at += NO_BREAK.len_utf8());
            self.replace(position, 0, NO_BREAK.encode_utf8(&mut [0; 4]));
        }
    }

    fn replace(&mut self, position: usize, length: usize, with: &str) {
        let mut start = 0;
        for run in &mut self.runs {
            if position < start + run.len() {
                let at = position - start;
                run.to_mut().replace_range(at..at + length, with);
                return;
            }
            start += run.len();
        }
    }
}

/// Returns whether a line holds one word, or one letter of a script that breaks between any two.
pub(super) fn is_one_word(line: &str) -> bool {
    segmenter().segment_str(line.trim()).filter(|at| *at > 0).count() <= 1
}

fn segmenter() -> icu_segmenter::LineSegmenterBorrowed<'static> {
    LineSegmenter::new_dictionary(LineBreakOptions::default())
}

fn is_by_dictionary(letter: char) -> bool {
    matches!(letter,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{a9e0}'..='\u{a9ff}' | '\u{aa60}'..='\u{aa7f}')
}

/// The text with marks between the words of these scripts. Adds the position of each mark, counted
/// from a start at which the text has the position `start`.
fn with_marks<'a>(text: &'a str, start: usize, positions: &mut Vec<usize>) -> Cow<'a, str> {
    if !text.contains(is_by_dictionary) {
        return Cow::Borrowed(text);
    }
    let mut marked = String::with_capacity(text.len() * 2);
    let mut from = 0;
    for at in segmenter().segment_str(text) {
        let (before, after) = text.split_at(at);
        marked.push_str(&before[from..]);
        from = at;
        let between = before.chars().next_back().zip(after.chars().next());
        if between.is_some_and(|(a, b)| is_by_dictionary(a) && is_by_dictionary(b)) {
            positions.push(start + marked.len());
            marked.push(MAY_BREAK);
        }
    }
    marked.push_str(&text[from..]);
    Cow::Owned(marked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_between_words_and_nowhere_else() {
        for (text, want) in [
            ("สวัสดีชาวโลก", "สวัสดี|ชาว|โลก"),
            ("ประโยคภาษาไทย", "ประโยค|ภาษา|ไทย"),
            ("ສະບາຍດີ", "ສະບາຍດີ"),
            ("សួស្តីពិភពលោក", "សួស្តី|ពិភពលោក"),
            ("မင်္ဂလာပါကမ္ဘာ", "မင်္ဂလာ|ပါ|ကမ္ဘာ"),
            ("plain text, 日本語", "plain text, 日本語"),
        ] {
            let mut positions = Vec::new();
            let marked = with_marks(text, 10, &mut positions);
            assert_eq!(marked.replace(MAY_BREAK, "|"), want);
            let found: Vec<usize> =
                marked.match_indices(MAY_BREAK).map(|(at, _)| at + 10).collect();
            assert_eq!(positions, found);
        }
    }

    #[test]
    fn a_word_is_kept_with_the_one_before_it() {
        let runs = ["one two ", "ภาษาไทยดี"].map(|text| crate::text::tests::text(text, 20).runs);
        let runs = runs.concat();
        let mut marked = MarkedText::new(&runs);
        let shown = |marked: &MarkedText| {
            marked.runs.concat().replace(MAY_BREAK, "|").replace(NO_BREAK, "+")
        };
        assert_eq!(shown(&marked), "one two ภาษา|ไทย|ดี");
        marked.keep_together("one two ภาษา\u{200b}ไทย\u{200b}".len());
        marked.keep_together("one ".len());
        assert_eq!(shown(&marked), "one +two ภาษา|ไทยดี");
        assert!(marked.has_mark_at("one \u{2060}two ภาษา".len()));
    }

    #[test]
    fn a_line_of_one_word_is_known() {
        for (line, alone) in
            [("word. ", true), ("two words", false), ("語", true), ("日本", false), ("ไทย", true)]
        {
            assert_eq!(is_one_word(line), alone, "{line}");
        }
    }
}
