//! Joins single characters to phrases. Languages without spaces are timed by the character but read
//! by the clause, and a caption of single words would show spaces within a clause.

use common::language::is_han;

use super::Word;

/// The most characters of a phrase: as many as fit on a line of an upright video.
const MAX_CHARACTERS: usize = 12;

/// Joins Chinese and Japanese characters that follow each other, up to the end of a clause.
///
/// ```
/// use composition::plan::Ratio;
/// use composition::subtitles::{Word, phrases};
///
/// let words = ["今", "天", "下", "雨"].into_iter().zip(0..).map(|(text, second)| Word {
///     text: text.into(),
///     start: Ratio::whole(second),
///     end: Ratio::whole(second + 1),
/// });
/// let joined = phrases(&words.collect::<Vec<_>>());
/// assert_eq!((joined.len(), joined[0].text.as_str()), (1, "今天下雨"));
/// ```
pub fn phrases(words: &[Word]) -> Vec<Word> {
    let mut joined: Vec<Word> = Vec::with_capacity(words.len());
    for word in words {
        match joined.last_mut() {
            Some(last) if continues(&last.text, &word.text) => {
                last.text.push_str(&word.text);
                last.end = last.end.max(word.end);
            }
            _ => joined.push(word.clone()),
        }
    }
    joined
}

/// Returns whether a word belongs to the phrase before it: both are unspaced (punctuation is not,
/// so a clause ends there), and there is room.
fn continues(phrase: &str, word: &str) -> bool {
    let unspaced =
        |letter: Option<char>| letter.is_some_and(|letter| is_han(letter) || is_kana(letter));
    unspaced(phrase.chars().next_back())
        && unspaced(word.chars().next())
        && phrase.chars().count() + word.chars().count() <= MAX_CHARACTERS
}

fn is_kana(letter: char) -> bool {
    ('\u{3040}'..='\u{30ff}').contains(&letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Ratio;

    fn said(words: &[&str]) -> Vec<Word> {
        let at = |index: usize| Ratio::whole(i64::try_from(index).expect("small"));
        let word = |(index, text): (usize, &&str)| Word {
            text: (*text).to_owned(),
            start: at(index),
            end: at(index + 1),
        };
        words.iter().enumerate().map(word).collect()
    }

    #[test]
    fn characters_become_clauses_and_spaced_words_stay() {
        let texts = |words: &[&str]| {
            phrases(&said(words)).into_iter().map(|word| word.text).collect::<Vec<_>>()
        };
        assert_eq!(
            texts(&["今", "天：", "为", "什", "么", "NASA", "去", "月", "球？"]),
            ["今天：", "为什么", "NASA", "去月球？"]
        );
        assert_eq!(texts(&["Why", "the", "sea"]), ["Why", "the", "sea"]);
        assert_eq!(texts(&["空"; 14]), ["空".repeat(12), "空".repeat(2)]);
        let phrase = &phrases(&said(&["今", "天"]))[0];
        assert_eq!((phrase.start, phrase.end), (Ratio::whole(0), Ratio::whole(2)));
    }
}
