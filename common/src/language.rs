//! Which voice speaks a language, or a writing, where the caller names no voice: an English voice would spell out Arabic letter by letter.
//!
//! Voices are named as espeak-ng names them; a provider with names of its own takes them for "whoever speaks that".

/// Writings, the voice of the commonest language in each, and other languages that are written so.
const WRITINGS: [(Writing, &str, &[&str]); 22] = [
    (Writing::Han, "cmn", &["yue", "hak", "ja"]),
    (Writing::Kana, "ja", &[]),
    (Writing::Range('\u{ac00}', '\u{d7a3}'), "ko", &[]),
    (Writing::Range('\u{600}', '\u{6ff}'), "ar", &["fa", "ur", "sd", "ug"]),
    (Writing::Range('\u{590}', '\u{5ff}'), "he", &[]),
    (Writing::Range('\u{900}', '\u{97f}'), "hi", &["mr", "ne", "kok"]),
    (Writing::Range('\u{980}', '\u{9ff}'), "bn", &["as", "bpy"]),
    (Writing::Range('\u{a00}', '\u{a7f}'), "pa", &[]),
    (Writing::Range('\u{a80}', '\u{aff}'), "gu", &[]),
    (Writing::Range('\u{b00}', '\u{b7f}'), "or", &[]),
    (Writing::Range('\u{b80}', '\u{bff}'), "ta", &[]),
    (Writing::Range('\u{c00}', '\u{c7f}'), "te", &[]),
    (Writing::Range('\u{c80}', '\u{cff}'), "kn", &[]),
    (Writing::Range('\u{d00}', '\u{d7f}'), "ml", &[]),
    (Writing::Range('\u{d80}', '\u{dff}'), "si", &[]),
    (Writing::Range('\u{e00}', '\u{e7f}'), "th", &[]),
    (Writing::Range('\u{1000}', '\u{109f}'), "my", &["shn"]),
    (Writing::Range('\u{10a0}', '\u{10ff}'), "ka", &[]),
    (Writing::Range('\u{530}', '\u{58f}'), "hy", &["hyw"]),
    (Writing::Range('\u{1200}', '\u{137f}'), "am", &[]),
    (Writing::Range('\u{370}', '\u{3ff}'), "el", &["grc"]),
    (
        Writing::Range('\u{400}', '\u{4ff}'),
        "ru",
        &["uk", "be", "bg", "mk", "kk", "ky", "ba", "cv", "tt", "ru-lv"],
    ),
];

/// Languages in Latin letters that there is a voice for, by their first subtag.
const LATIN: [&str; 48] = [
    "af", "an", "az", "bs", "ca", "cs", "cy", "da", "de", "en", "eo", "es", "et", "eu", "fi", "fr",
    "ga", "gd", "gn", "hr", "ht", "hu", "ia", "id", "is", "it", "ku", "la", "lb", "lt", "lv", "mi",
    "ms", "mt", "nb", "nl", "om", "pl", "pt", "ro", "sk", "sl", "sq", "sv", "sw", "tr", "uz", "vi",
];

/// Languages and regions with a voice of their own.
const REGIONAL: [&str; 6] = ["en-gb", "en-us", "es-419", "fr-be", "fr-ch", "pt-br"];

/// What is spoken where nothing says otherwise.
const USUAL: &str = "en-us";

#[derive(Clone, Copy)]
enum Writing {
    Han,
    Kana,
    Range(char, char),
}

impl Writing {
    fn has(self, letter: char) -> bool {
        match self {
            Self::Han => is_han(letter),
            Self::Kana => ('\u{3040}'..='\u{30ff}').contains(&letter),
            Self::Range(first, last) => (first..=last).contains(&letter),
        }
    }
}

/// A Chinese character, as several languages write them.
pub fn is_han(letter: char) -> bool {
    matches!(letter, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// The voice for a text of a language (a BCP 47 tag): the language's, unless the text is written as that language never is.
pub fn voice_for(language: &str, text: &str) -> String {
    let spoken = voice_of(language);
    let voice = match writing_of(text) {
        Some((usual, others)) => match spoken {
            Some(voice) if voice == usual || others.contains(&voice) => voice,
            _ => usual,
        },
        None => spoken.unwrap_or(USUAL),
    };
    voice.to_owned()
}

/// The language, by its first subtag, that a text is in as far as its writing tells; else the language that was said.
pub fn language_of(language: &str, text: &str) -> String {
    voice_for(language, text).split('-').next().unwrap_or_default().to_owned()
}

/// Returns whether a name is that of a language or of a language's voice (`en`, `pt-br`, `zh-Hant`,
/// `en_US`, `de+f2`), and not that of a service's voice, of which some begin as languages do
/// (`ash`, `af_heart`, `en-US-AriaNeural`).
pub fn is_language(name: &str) -> bool {
    let name = name.split('+').next().unwrap_or_default();
    let letters = |part: &str| part.chars().all(|c| c.is_ascii_alphabetic());
    let mut parts = name.split('-');
    let first = parts.next().unwrap_or_default();
    let first = match first.split_once('_') {
        Some((first, region))
            if region.len() == 2 && region.chars().all(|c| c.is_ascii_uppercase()) =>
        {
            first
        }
        _ => first,
    };
    let is_tongue =
        letters(first) && (first.len() == 2 || first.len() == 3 && voice_of(first).is_some());
    let is_subtag = |part: &str| match part.len() {
        2 | 4 => letters(part),
        3 => part.chars().all(|c| c.is_ascii_digit()),
        _ => false,
    };
    is_tongue && parts.all(is_subtag)
}

fn voice_of(language: &str) -> Option<&'static str> {
    let tag = language.to_ascii_lowercase();
    if let Some(voice) = REGIONAL.into_iter().find(|voice| *voice == tag) {
        return Some(voice);
    }
    let found = |first: &str| {
        let written = WRITINGS.iter().flat_map(|(_, usual, others)| others.iter().chain([usual]));
        written.chain(&LATIN).copied().find(|voice| *voice == first)
    };
    match tag.split('-').next().unwrap_or_default() {
        "en" => Some(USUAL),
        "zh" => Some("cmn"),
        "no" | "nn" => Some("nb"),
        "fr" => Some("fr-fr"),
        "iw" => Some("he"),
        first => found(first),
    }
}

/// The writing that most letters of a text are of, if it is another than Latin.
fn writing_of(text: &str) -> Option<(&'static str, &'static [&'static str])> {
    let letters = || text.chars().filter(|letter| letter.is_alphabetic());
    let of = |writing: Writing| letters().filter(|letter| writing.has(*letter)).count();
    // Japanese is Chinese characters with kana between them.
    let kana = of(Writing::Kana);
    let counted = WRITINGS.iter().map(|(writing, usual, others)| {
        let japanese = matches!(writing, Writing::Kana) && kana > 0;
        (if japanese { kana + of(Writing::Han) + 1 } else { of(*writing) }, (*usual, *others))
    });
    let (count, found) = counted.max_by_key(|(count, _)| *count)?;
    (count * 2 > letters().count()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_told_from_a_voice_that_begins_like_one() {
        for language in ["en", "en-us", "pt-BR", "zh-Hant", "es-419", "cmn", "en_US", "de+f2"] {
            assert!(is_language(language), "{language}");
        }
        for voice in [
            "ash",
            "alloy",
            "af_heart",
            "am_adam",
            "af_sky+af_bella",
            "en-US-AriaNeural",
            "en_US-amy-medium",
            "",
        ] {
            assert!(!is_language(voice), "{voice}");
        }
    }

    #[test]
    fn a_voice_follows_the_language_and_the_writing() {
        let cases = [
            ("en", "Tides", "en-us"),
            ("en-GB", "Tides", "en-gb"),
            ("en-AU", "Tides", "en-us"),
            ("de-AT", "Gezeiten", "de"),
            ("pt-BR", "maré", "pt-br"),
            ("no", "tidevann", "nb"),
            ("zh", "潮汐", "cmn"),
            ("zh-Hant", "tides", "cmn"),
            ("en", "为什么天空是蓝色的", "cmn"),
            ("en", "空はなぜ青いのか", "ja"),
            ("ja", "潮汐", "ja"),
            ("en", "لماذا السماء زرقاء", "ar"),
            ("fa", "آسمان", "fa"),
            ("en", "आसमान नीला क्यों है", "hi"),
            ("uk", "Чому", "uk"),
            ("en", "Чому", "ru"),
            ("en", "Let's talk about السماء", "en-us"),
            ("tlh", "Qapla'", "en-us"),
            ("en", "123", "en-us"),
        ];
        for (language, text, voice) in cases {
            assert_eq!(voice_for(language, text), voice, "{language} {text}");
        }
        assert_eq!(
            (language_of("en", "潮汐"), language_of("pt-BR", "maré")),
            ("cmn".to_owned(), "pt".to_owned())
        );
    }
}
