//! Words and their times: from marks within a cue, and grouped into cues.

use super::{Cue, Word};
use crate::plan::{Ratio, words_of};
use common::language::is_han;

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
    for (index, text) in words_of(text).enumerate() {
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
/// the next word does not fit; the cues of a sentence and the lines of a cue are about equally
/// long. A cue stays until the next one if that follows soon.
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
    let words: Vec<Word> = words.iter().filter_map(joinable).collect();
    let sentences = words.chunk_by(|word, next| {
        !word.text.ends_with(['.', '!', '?', '…', '。', '！', '？'])
            && next.start.minus(word.end) < PAUSE
    });
    let parts =
        sentences.flat_map(|sentence| even_parts(sentence, grouping.characters, grouping.lines));
    let mut cues: Vec<Cue> = parts.filter_map(|part| cue_of(part, grouping.characters)).collect();
    close_gaps(&mut cues);
    cues
}

/// The word without white space at which it would fall apart; none if nothing is left.
fn joinable(word: &Word) -> Option<Word> {
    let text = words_of(&word.text).collect::<Vec<_>>().join("\u{a0}");
    let end = word.end.max(word.start);
    (!text.trim().is_empty()).then_some(Word { text, start: word.start, end })
}

fn cue_of(words: &[Word], characters: usize) -> Option<Cue> {
    let lines: Vec<String> = even_parts(words, characters, 1).into_iter().map(joined).collect();
    Some(Cue {
        start: words.first()?.start,
        end: words.iter().map(|word| word.end).max()?,
        text: lines.join("\n"),
        words: words.to_vec(),
    })
}

/// The words on one line.
pub(crate) fn joined(words: &[Word]) -> String {
    let mut line = String::new();
    for word in words {
        line.push_str(separator(&line, &word.text));
        line.push_str(&word.text);
    }
    line
}

/// The character between two words. Where the script writes no spaces it has no width, but the
/// words still count as two.
fn separator(before: &str, after: &str) -> &'static str {
    match (before.chars().next_back(), after.chars().next()) {
        (None, _) | (_, None) => "",
        (Some(before), Some(after)) if is_unspaced(before, after) => "\u{200b}",
        _ => " ",
    }
}

/// Returns whether no space is written between two letters: beside Chinese and Japanese ones, and
/// between Thai, Lao, Khmer or Burmese ones.
fn is_unspaced(before: char, after: char) -> bool {
    let south_east = |letter: char| {
        let scripts = ['\u{e00}'..='\u{eff}', '\u{1000}'..='\u{109f}', '\u{1780}'..='\u{17ff}'];
        scripts.iter().any(|script| script.contains(&letter))
    };
    is_wide(before) || is_wide(after) || (south_east(before) && south_east(after))
}

/// Returns whether a letter is Chinese or Japanese, and so as wide as it is high.
pub(crate) fn is_wide(letter: char) -> bool {
    is_han(letter) || matches!(letter, '\u{3000}'..='\u{30ff}' | '\u{ff00}'..='\u{ffef}')
}

/// Splits words into as few parts as there can be, each of at most `lines` lines of `characters`.
/// The sum of their squared lengths is the least, so parts are about equally long: a last word by
/// itself would flash by. A word that is too long is a part by itself.
fn even_parts(words: &[Word], characters: usize, lines: usize) -> Vec<&[Word]> {
    let widths: Vec<LineWidth> = line_widths(words);
    // For each number of words: the parts they make, the squares of their lengths, and the start
    // of the last one.
    let mut best = vec![(usize::MAX, usize::MAX, 0); words.len() + 1];
    best[0] = (0, 0, 0);
    for from in 0..words.len() {
        let (parts, squares, _) = best[from];
        let (mut length, mut line, mut line_count) = (0, 0, 1);
        for (to, width) in (from + 1..).zip(&widths[from..]) {
            if to == from + 1 {
                (length, line) = (width.letters, width.letters);
            } else if line + width.gap + width.letters <= characters {
                length += width.gap + width.letters;
                line += width.gap + width.letters;
            } else if line_count < lines {
                length += width.gap + width.letters;
                line = width.letters;
                line_count += 1;
            } else {
                break;
            }
            best[to] = best[to].min((parts + 1, squares + length * length, from));
        }
    }
    let mut parts = Vec::new();
    let mut to = words.len();
    while to > 0 {
        let (.., from) = best[to];
        parts.push(&words[from..to]);
        to = from;
    }
    parts.reverse();
    parts
}

/// The characters of a word, and those between it and the word before.
struct LineWidth {
    letters: usize,
    gap: usize,
}

fn line_widths(words: &[Word]) -> Vec<LineWidth> {
    let mut before = "";
    let widths = words.iter().map(|word| {
        let gap = usize::from(separator(before, &word.text) == " ");
        before = &word.text;
        LineWidth { letters: word.text.chars().count(), gap }
    });
    widths.collect()
}

/// The text as a file has it: the zero-width spaces that only separated words are gone.
pub(super) fn without_separators(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let between = plain.chars().next_back().zip(letters.peek().copied());
        if letter != '\u{200b}' || !between.is_some_and(|(a, b)| is_unspaced(a, b)) {
            plain.push(letter);
        }
    }
    plain
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

    fn texts(words: &[Word], characters: usize, lines: usize) -> Vec<String> {
        let cues = cues_from_words(words, Grouping { characters, lines });
        cues.into_iter().map(|cue| cue.text).collect()
    }

    fn spoken(text: &str) -> Vec<Word> {
        text.split(' ').zip(0..).map(|(text, at)| word(text, at * 4, at * 4 + 4)).collect()
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
        assert_eq!(texts, ["one two", "three\nfour.", "Five", "six"]);
        let ends: Vec<f64> = cues.iter().map(|cue| cue.end.to_f64()).collect();
        assert_eq!(ends, [1.0, 2.2, 3.0, 5.0]);
        assert_eq!(cues[0].words.len(), 2);
    }

    #[test]
    fn no_cue_or_line_is_left_with_one_word_of_a_sentence() {
        let words = spoken("we put a kettle on the stove and waited for it");
        assert_eq!(texts(&words, 14, 2), ["we put a\nkettle on the", "stove and\nwaited for it"]);
        assert_eq!(texts(&words, 24, 2), ["we put a kettle on the\nstove and waited for it"]);
        assert_eq!(texts(&words[..4], 14, 2), ["we put\na kettle"]);
        let equal = spoken("one two six ten one two six");
        assert_eq!(texts(&equal, 11, 3), ["one two\nsix ten\none two six"]);
        assert_eq!(texts(&equal, 11, 1), ["one two", "six ten", "one two six"]);
    }

    #[test]
    fn words_of_scripts_without_spaces_are_joined_without_a_gap() {
        let cues = cues_from_words(&spoken("今日は NASA が 月へ 行く。"), Grouping::default());
        assert_eq!(cues[0].text.replace('\u{200b}', ""), "今日はNASAが月へ行く。");
        assert_eq!(words_of(&cues[0].text).count(), 5);
        let thai = cues_from_words(&spoken("สวัสดี ชาวโลก hi"), Grouping::default());
        assert_eq!(thai[0].text, "สวัสดี\u{200b}ชาวโลก hi");
        for format in [super::super::Format::Srt, super::super::Format::Vtt] {
            let file = super::super::write(&cues, format);
            assert!(file.contains("今日はNASAが月へ行く。"), "{file}");
        }
    }

    #[test]
    fn a_word_with_a_space_in_it_stays_one_word() {
        let cues = cues_from_words(&[word("New  York\n", 0, 5)], Grouping::default());
        assert_eq!(words_of(&cues[0].text).count(), 1);
    }
}
