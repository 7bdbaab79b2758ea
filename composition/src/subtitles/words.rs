//! Words and their times: from marks within a cue, and grouped into cues.

use super::{Cue, Word};
use crate::plan::Ratio;

/// The words of a cue's text with times. A mark gives the time from which the words at its index on
/// are spoken; indices never fall. Returns none if there are no marks.
pub(super) fn timed_words(
    text: &str,
    start: Ratio,
    end: Ratio,
    marks: &[(Ratio, usize)],
) -> Vec<Word> {
    if marks.is_empty() {
        return Vec::new();
    }
    let mut marks = marks.iter().filter(|(time, _)| start <= *time && *time < end).peekable();
    let mut begin = start;
    let mut words: Vec<Word> = Vec::new();
    for (index, text) in text.split_whitespace().enumerate() {
        // The last mark before a word decides. Marks are in the order of the text.
        while let Some((time, _)) = marks.next_if(|(_, from)| *from <= index) {
            begin = *time;
        }
        if let Some(before) = words.last_mut() {
            before.end = begin.max(before.start);
        }
        words.push(Word { text: text.to_owned(), start: begin, end });
    }
    words
}

/// The size of cues that are built from words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// The most characters of a line; a longer word has a line to itself.
    pub characters: usize,
    /// The most lines of a cue.
    pub lines: usize,
}

impl Default for Grouping {
    /// Two lines of 32 characters, which fit on a phone.
    fn default() -> Self {
        Grouping { characters: 32, lines: 2 }
    }
}

/// A silence that ends a cue, in seconds.
const PAUSE: Ratio = Ratio::ONE;

/// Groups words into cues. A new cue begins after a pause, after the end of a sentence, and when
/// the next word does not fit. A cue stays until the next one if that follows soon.
///
/// ```
/// use composition::plan::Ratio;
/// use composition::subtitles::{Grouping, Word, cues_from_words};
///
/// let words = ["Good", "morning.", "Welcome!"].into_iter().zip(0..).map(|(text, second)| Word {
///     text: text.into(),
///     start: Ratio::whole(second),
///     end: Ratio::whole(second + 1),
/// });
/// let cues = cues_from_words(&words.collect::<Vec<_>>(), Grouping::default());
/// let texts: Vec<_> = cues.iter().map(|cue| cue.text.as_str()).collect();
/// assert_eq!(texts, ["Good morning.", "Welcome!"]);
/// ```
pub fn cues_from_words(words: &[Word], grouping: Grouping) -> Vec<Cue> {
    let mut cues: Vec<Cue> = Vec::new();
    let mut lines = 1;
    for word in words.iter().filter(|word| !word.text.trim().is_empty()) {
        // White space within a word would make it two words to readers that split the text.
        let text = word.text.split_whitespace().collect::<Vec<_>>().join("\u{a0}");
        let word = Word { text, start: word.start, end: word.end.max(word.start) };
        let joined = cues.last_mut().is_some_and(|cue| join(cue, &word, &mut lines, grouping));
        if !joined {
            lines = 1;
            cues.push(Cue {
                start: word.start,
                end: word.end,
                text: word.text.clone(),
                words: vec![word],
            });
        }
    }
    close_gaps(&mut cues);
    cues
}

/// Adds a word to a cue, on its last line or on a new one, if it belongs there.
fn join(cue: &mut Cue, word: &Word, lines: &mut usize, grouping: Grouping) -> bool {
    let ended = cue.text.ends_with(['.', '!', '?', '…', '。', '！', '？']);
    if ended || word.start.minus(cue.end) >= PAUSE {
        return false;
    }
    let line = cue.text.rsplit('\n').next().unwrap_or_default().chars().count();
    let fits = line + 1 + word.text.chars().count() <= grouping.characters;
    if !fits && *lines >= grouping.lines {
        return false;
    }
    if !fits {
        *lines += 1;
    }
    cue.text.push(if fits { ' ' } else { '\n' });
    cue.text.push_str(&word.text);
    cue.end = cue.end.max(word.end);
    cue.words.push(word.clone());
    true
}

/// Extends a cue to the next one if less than half a second lies between, and never beyond it.
fn close_gaps(cues: &mut [Cue]) {
    let starts: Vec<Ratio> = cues.iter().skip(1).map(|cue| cue.start).collect();
    for (cue, next) in cues.iter_mut().zip(starts) {
        let soon = next.minus(cue.end).times(Ratio::whole(2)) < Ratio::ONE;
        if soon && cue.start < next {
            cue.end = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, start: i64, end: i64) -> Word {
        let at = |tenths| Ratio::new(tenths, 10).expect("a time");
        Word { text: text.to_owned(), start: at(start), end: at(end) }
    }

    #[test]
    fn words_are_grouped_by_length_sentence_and_pause() {
        let words = [
            word("one", 0, 5),
            word("two", 5, 9),
            word("three", 10, 15),
            word("four.", 15, 20),
            word("Five", 22, 30),
            word("six", 45, 50),
        ];
        let cues = cues_from_words(&words, Grouping { characters: 8, lines: 2 });
        let texts: Vec<&str> = cues.iter().map(|cue| cue.text.as_str()).collect();
        assert_eq!(texts, ["one two\nthree", "four.", "Five", "six"]);
        let ends: Vec<f64> = cues.iter().map(|cue| cue.end.to_f64()).collect();
        assert_eq!(ends, [1.5, 2.2, 3.0, 5.0]);
        assert_eq!(cues[0].words.len(), 3);
    }
}
