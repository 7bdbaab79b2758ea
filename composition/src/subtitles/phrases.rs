//! Languages that are written without spaces are spoken character by character, and read by the clause. Words of single characters become phrases, so
//! that no space stands within them.

use common::language::is_han;

use super::Word;

/// The most characters of a phrase: what fits on a line of an upright video.
const LONGEST: usize = 12;

/// The words, with Chinese and Japanese characters that follow each other as one, up to the end of a clause.
pub fn phrases(words: &[Word]) -> Vec<Word> {
    let mut joined: Vec<Word> = Vec::with_capacity(words.len());
    for word in words {
        match joined.last_mut() {
            Some(last) if goes_on(&last.text, &word.text) => {
                last.text.push_str(&word.text);
                last.end = last.end.max(word.end);
            }
            _ => joined.push(word.clone()),
        }
    }
    joined
}

/// Returns whether a word belongs to the phrase before it: both unspaced, no clause's end between
/// them, and room for it.
fn goes_on(phrase: &str, word: &str) -> bool {
    let unspaced =
        |letter: Option<char>| letter.is_some_and(|letter| is_han(letter) || is_kana(letter));
    unspaced(phrase.chars().next_back())
        && unspaced(word.chars().next())
        && phrase.chars().count() + word.chars().count() <= LONGEST
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
