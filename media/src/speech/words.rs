//! Converts espeak-ng's events to the time of each word of the text.
//!
//! The library reports a position in the text whenever it begins a word of its own, and its words
//! are not the text's: "1234" is five of them with positions beside the number, "of the" may be
//! one, and the last may be empty. So the text is split into words here, an event gives only the
//! start of the word around its position, and a word without an event shares the time of the word
//! before it, by length. The end of a word before a pause comes from the samples, because the
//! library counts the pause in.

use super::ffi::WordEvent;
use crate::protocol::TimedWord;

/// A word of the text.
struct Token {
    text: String,
    /// Its first character, and the one after its last.
    from: usize,
    to: usize,
    begins_ms: Option<u64>,
}

/// Samples quieter than this are a pause: the quiet end of a vowel is ten times louder.
const QUIET_LEVEL: u16 = 40;

/// Returns the time of each word of `text` in `samples`, in ascending order and without overlap.
pub(super) fn timed_words(
    text: &str,
    events: &[WordEvent],
    samples: &[i16],
    sample_rate: u32,
) -> Vec<TimedWord> {
    let sound = SpokenSamples { samples, sample_rate };
    let duration_ms = sound.duration_ms();
    let mut tokens = tokens(text);
    let mut current = 0;
    for event in events {
        let at = token_at(&tokens, event.character).max(current);
        if let Some(token) = tokens.get_mut(at) {
            token.begins_ms.get_or_insert(event.at_ms.min(duration_ms));
            current = at;
        }
    }
    spread(&tokens, &sound)
}

/// The spoken samples, in which pauses are found.
struct SpokenSamples<'a> {
    samples: &'a [i16],
    sample_rate: u32,
}

impl SpokenSamples<'_> {
    fn duration_ms(&self) -> u64 {
        self.samples.len() as u64 * 1000 / u64::from(self.sample_rate)
    }

    /// Returns the end of the last sound between two times, or the later time if there is none.
    fn end_between(&self, from_ms: u64, to_ms: u64) -> u64 {
        let index = |ms: u64| (ms * u64::from(self.sample_rate) / 1000) as usize;
        let (from, to) = (index(from_ms), index(to_ms).min(self.samples.len()));
        let loud = |sample: &i16| sample.unsigned_abs() >= QUIET_LEVEL;
        match self.samples.get(from..to).and_then(|part| part.iter().rposition(loud)) {
            Some(last) => {
                ((from + last + 1) as u64 * 1000).div_ceil(u64::from(self.sample_rate)).min(to_ms)
            }
            None => to_ms,
        }
    }
}

/// Splits text at white space. Each Chinese or Japanese character is a word. Tokens without a
/// letter or digit belong to the word before them.
fn tokens(text: &str) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    let mut open = false;
    for (at, c) in text.chars().enumerate() {
        if c.is_whitespace() {
            open = false;
            continue;
        }
        let is_own_word = is_ideograph(c);
        if !open || is_own_word {
            found.push(Token { text: String::new(), from: at, to: at, begins_ms: None });
        }
        if let Some(token) = found.last_mut() {
            token.text.push(c);
            token.to = at + 1;
        }
        open = true;
    }
    join_marks(found)
}

fn join_marks(tokens: Vec<Token>) -> Vec<Token> {
    let mut joined: Vec<Token> = Vec::new();
    for token in tokens {
        let is_mark = !token.text.chars().any(char::is_alphanumeric);
        match joined.last_mut() {
            Some(before) if is_mark => {
                before.text.push(' ');
                before.text.push_str(&token.text);
                before.to = token.to;
            }
            _ => joined.push(token),
        }
    }
    joined
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}')
}

/// Returns the last word that begins at or before a character.
fn token_at(tokens: &[Token], character: usize) -> usize {
    tokens.partition_point(|token| token.from <= character).saturating_sub(1)
}

/// Gives every word its time: from its event to the next one's, or to the pause before that. Words
/// without an event share the time of the one before.
fn spread(tokens: &[Token], sound: &SpokenSamples<'_>) -> Vec<TimedWord> {
    let mut words: Vec<TimedWord> = Vec::with_capacity(tokens.len());
    let mut rest = tokens;
    let mut begins = tokens.first().and_then(|first| first.begins_ms).unwrap_or(0);
    while let Some((_, later)) = rest.split_first() {
        let shared = 1 + later.iter().take_while(|token| token.begins_ms.is_none()).count();
        let (group, after) = rest.split_at(shared);
        let next = after.first().and_then(|token| token.begins_ms);
        let next = next.unwrap_or(sound.duration_ms()).max(begins);
        share(group, begins, sound.end_between(begins, next), &mut words);
        begins = next;
        rest = after;
    }
    words
}

fn share(group: &[Token], from_ms: u64, to_ms: u64, words: &mut Vec<TimedWord>) {
    let letters: u64 = group.iter().map(|token| (token.to - token.from) as u64).sum();
    let mut spoken = 0;
    let at = |spoken: u64| from_ms + (to_ms - from_ms) * spoken / letters.max(1);
    for token in group {
        let start_ms = at(spoken);
        spoken += (token.to - token.from) as u64;
        words.push(TimedWord {
            word: token.text.clone(),
            start_ms,
            end_ms: at(spoken),
            char_offset: token.from,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thousand samples a second, all loud except for a pause.
    fn spoken(
        text: &str,
        events: &[(usize, u64)],
        length: usize,
        pause: std::ops::Range<usize>,
    ) -> Vec<TimedWord> {
        let mut samples = vec![1_000; length];
        samples[pause].fill(3);
        let events: Vec<WordEvent> = events
            .iter()
            .map(|(character, at_ms)| WordEvent { character: *character, at_ms: *at_ms })
            .collect();
        timed_words(text, &events, &samples, 1_000)
    }

    fn times(words: &[TimedWord]) -> Vec<(&str, u64, u64)> {
        words.iter().map(|word| (word.word.as_str(), word.start_ms, word.end_ms)).collect()
    }

    #[test]
    fn a_word_ends_where_the_next_begins_and_before_a_pause() {
        let words =
            spoken("Hello world. Again", &[(0, 0), (6, 300), (13, 1_000)], 1_500, 700..1_000);
        let expected = [("Hello", 0, 300), ("world.", 300, 700), ("Again", 1_000, 1_500)];
        assert_eq!(times(&words), expected);
        assert_eq!(words[2].char_offset, 13);
    }

    #[test]
    fn a_number_is_one_word_with_any_number_of_events() {
        let events = [(0, 0), (0, 100), (1, 200), (2, 300), (5, 400), (8, 450)];
        let words = spoken("1234 dogs", &events, 600, 0..0);
        assert_eq!(times(&words), [("1234", 0, 400), ("dogs", 400, 600)]);
    }

    #[test]
    fn words_without_events_share_the_time_by_length() {
        let words = spoken("of the sea", &[(0, 100), (7, 400)], 700, 0..0);
        assert_eq!(times(&words), [("of", 100, 220), ("the", 220, 400), ("sea", 400, 700)]);
    }

    #[test]
    fn marks_belong_to_the_word_before_them() {
        let words = spoken("yes — no !", &[(0, 0), (6, 200)], 500, 0..0);
        assert_eq!(times(&words), [("yes —", 0, 200), ("no !", 200, 500)]);
    }

    #[test]
    fn events_that_run_backwards_or_past_the_text_are_harmless() {
        let events = [(4, 100), (0, 200), (4_000, 9_000)];
        let words = spoken("one two", &events, 300, 0..0);
        assert!(words.is_sorted_by(|one, next| one.end_ms <= next.start_ms));
        assert!(words.iter().all(|word| word.end_ms <= 300));
        assert!(spoken("", &events, 300, 0..0).is_empty());
    }
}
