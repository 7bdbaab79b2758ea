//! Bounds of members that several kinds take, so that none is stricter than another.

use crate::document::{NumberBounds, TextBounds};

/// Description of how something sounds or looks.
pub const STYLE: TextBounds = TextBounds::characters(500).or_empty();
/// Language tag. It becomes part of a prompt, so it holds nothing else.
pub const LANGUAGE: TextBounds = TextBounds::passing(language_tag);
/// Name of a provider, as the configuration has it.
pub const PROVIDER: TextBounds = TextBounds::passing(provider_name);
/// Name of a provider's voice, such as `en-us`.
pub const VOICE: TextBounds = TextBounds::passing(voice_name);
/// Speed of speech.
pub const RATE: NumberBounds = NumberBounds::new(80, 450, " words a minute");
/// Pitch of speech, as espeak-ng counts it.
pub const PITCH: NumberBounds = NumberBounds::new(0, 99, "");

fn language_tag(tag: &str) -> Result<(), String> {
    is_word(tag, 35, "-")
        .then_some(())
        .ok_or_else(|| "is not a language tag: give one such as `en` or `pt-BR`".to_owned())
}

fn provider_name(name: &str) -> Result<(), String> {
    is_word(name, 64, "-_").then_some(()).ok_or_else(|| {
        "is not a provider's name: give letters, digits, `-` and `_`, such as `openai`".to_owned()
    })
}

fn voice_name(name: &str) -> Result<(), String> {
    is_word(name, 64, "-_+").then_some(()).ok_or_else(|| {
        "is not a voice's name: give letters, digits, `-`, `_` and `+`, such as `en-us`".to_owned()
    })
}

/// Returns whether a text is 1 to `most` ASCII letters, digits and `others`.
fn is_word(text: &str, most: usize, others: &str) -> bool {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c));
    !text.is_empty() && text.len() <= most && plain
}

/// Refuses a text that no voice can say. An empty one is refused by its length already.
pub fn speakable(text: &str) -> Result<(), String> {
    if text.contains('\0') {
        return Err("holds a NUL character: take it out".to_owned());
    }
    if !text.trim().is_empty() && !text.chars().any(char::is_alphanumeric) {
        return Err("has no letter and no digit, so nothing can be said: write words".to_owned());
    }
    Ok(())
}
