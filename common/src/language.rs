//! Chooses the voice for a language or script if the caller names none: an English voice would
//! spell out Arabic letter by letter.
//!
//! Voices have espeak-ng's names. A provider with names of its own reads them as "any voice of that
//! language".

/// Scripts, the voice of the most common language in each, and other languages in the same script.
const SCRIPTS: [(Script, &str, &[&str]); 22] = [
    (Script::Han, "cmn", &["yue", "hak", "ja"]),
    (Script::Kana, "ja", &[]),
    (Script::Range('\u{ac00}', '\u{d7a3}'), "ko", &[]),
    (Script::Range('\u{600}', '\u{6ff}'), "ar", &["fa", "ur", "sd", "ug"]),
    (Script::Range('\u{590}', '\u{5ff}'), "he", &[]),
    (Script::Range('\u{900}', '\u{97f}'), "hi", &["mr", "ne", "kok"]),
    (Script::Range('\u{980}', '\u{9ff}'), "bn", &["as", "bpy"]),
    (Script::Range('\u{a00}', '\u{a7f}'), "pa", &[]),
    (Script::Range('\u{a80}', '\u{aff}'), "gu", &[]),
    (Script::Range('\u{b00}', '\u{b7f}'), "or", &[]),
    (Script::Range('\u{b80}', '\u{bff}'), "ta", &[]),
    (Script::Range('\u{c00}', '\u{c7f}'), "te", &[]),
    (Script::Range('\u{c80}', '\u{cff}'), "kn", &[]),
    (Script::Range('\u{d00}', '\u{d7f}'), "ml", &[]),
    (Script::Range('\u{d80}', '\u{dff}'), "si", &[]),
    (Script::Range('\u{e00}', '\u{e7f}'), "th", &[]),
    (Script::Range('\u{1000}', '\u{109f}'), "my", &["shn"]),
    (Script::Range('\u{10a0}', '\u{10ff}'), "ka", &[]),
    (Script::Range('\u{530}', '\u{58f}'), "hy", &["hyw"]),
    (Script::Range('\u{1200}', '\u{137f}'), "am", &[]),
    (Script::Range('\u{370}', '\u{3ff}'), "el", &["grc"]),
    (
        Script::Range('\u{400}', '\u{4ff}'),
        "ru",
        &["uk", "be", "bg", "mk", "kk", "ky", "ba", "cv", "tt", "ru-lv"],
    ),
];

/// Languages in the Latin script that have a voice, by their first subtag.
const LATIN: [&str; 48] = [
    "af", "an", "az", "bs", "ca", "cs", "cy", "da", "de", "en", "eo", "es", "et", "eu", "fi", "fr",
    "ga", "gd", "gn", "hr", "ht", "hu", "ia", "id", "is", "it", "ku", "la", "lb", "lt", "lv", "mi",
    "ms", "mt", "nb", "nl", "om", "pl", "pt", "ro", "sk", "sl", "sq", "sv", "sw", "tr", "uz", "vi",
];

/// Languages with a voice for one region.
const REGIONAL: [&str; 6] = ["en-gb", "en-us", "es-419", "fr-be", "fr-ch", "pt-br"];

/// The voice if nothing else decides.
const DEFAULT_VOICE: &str = "en-us";

#[derive(Clone, Copy)]
enum Script {
    Han,
    Kana,
    Range(char, char),
}

impl Script {
    fn has(self, letter: char) -> bool {
        match self {
            Self::Han => is_han(letter),
            Self::Kana => ('\u{3040}'..='\u{30ff}').contains(&letter),
            Self::Range(first, last) => (first..=last).contains(&letter),
        }
    }
}

/// Returns whether a letter is a Chinese character, as used in several languages.
pub fn is_han(letter: char) -> bool {
    matches!(
        letter,
        '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}'
    )
}

/// The voice for a text in a language (a BCP 47 tag): the language's own, unless the text is in a
/// script that the language does not use.
pub fn voice_for(language: &str, text: &str) -> String {
    let spoken = voice_of(language);
    let voice = match script_of(text) {
        Some((default, others)) => match spoken {
            Some(voice) if voice == default || others.contains(&voice) => voice,
            _ => default,
        },
        None => spoken.unwrap_or(DEFAULT_VOICE),
    };
    voice.to_owned()
}

/// The language of a text by its first subtag: the given one, unless the text's script says
/// otherwise.
pub fn language_of(language: &str, text: &str) -> String {
    voice_for(language, text).split('-').next().unwrap_or_default().to_owned()
}

/// Returns whether a name is that of a language or of a language's voice (`en`, `pt-br`, `zh-Hant`,
/// `en_US`, `de+f2`). Voice names of services are not, though some begin like a language (`ash`,
/// `af_heart`, `en-US-AriaNeural`).
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
    let is_language_subtag =
        letters(first) && (first.len() == 2 || first.len() == 3 && voice_of(first).is_some());
    let is_subtag = |part: &str| match part.len() {
        2 | 4 => letters(part),
        3 => part.chars().all(|c| c.is_ascii_digit()),
        _ => false,
    };
    is_language_subtag && parts.all(is_subtag)
}

fn voice_of(language: &str) -> Option<&'static str> {
    let tag = language.to_ascii_lowercase();
    if let Some(voice) = REGIONAL.into_iter().find(|voice| *voice == tag) {
        return Some(voice);
    }
    let found = |first: &str| {
        let written =
            SCRIPTS.iter().flat_map(|(_, default, others)| others.iter().chain([default]));
        written.chain(&LATIN).copied().find(|voice| *voice == first)
    };
    match tag.split('-').next().unwrap_or_default() {
        "en" => Some(DEFAULT_VOICE),
        "zh" => Some("cmn"),
        "no" | "nn" => Some("nb"),
        "fr" => Some("fr-fr"),
        "iw" => Some("he"),
        first => found(first),
    }
}

/// The script of most letters of a text, unless it is Latin.
fn script_of(text: &str) -> Option<(&'static str, &'static [&'static str])> {
    let letters = || text.chars().filter(|letter| letter.is_alphabetic());
    let count = |script: Script| letters().filter(|letter| script.has(*letter)).count();
    // Japanese mixes Chinese characters with kana.
    let kana = count(Script::Kana);
    let counted = SCRIPTS.iter().map(|(script, default, others)| {
        let japanese = matches!(script, Script::Kana) && kana > 0;
        (if japanese { kana + count(Script::Han) + 1 } else { count(*script) }, (*default, *others))
    });
    let (most, found) = counted.max_by_key(|(letters, _)| *letters)?;
    (most * 2 > letters().count()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_distinguished_from_voices_that_begin_like_one() {
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
    fn the_voice_follows_the_language_and_the_script() {
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
