//! Speech without a network: espeak-ng.

use serde::{Deserialize, Serialize};

/// What is to be said, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpokenText {
    /// The text.
    pub text: String,
    /// The voice, by espeak-ng's name for it: `en`, `en-us`, `de`, `fr-fr`, `en+f3`, …
    pub voice: String,
    /// Words a minute, 80 to 450; 175 is espeak-ng's own.
    pub rate: u32,
    /// 0 to 99; 50 is espeak-ng's own.
    pub pitch: u32,
}

/// What came of speaking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpeechOutput {
    /// The length of the sound in milliseconds.
    pub duration_ms: u64,
    /// Samples a second.
    pub sample_rate: u32,
    /// When each word is said; ascending, not overlapping.
    pub words: Vec<TimedWord>,
}

/// A word and when it is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimedWord {
    /// The word as it stands in the text, with its punctuation.
    pub word: String,
    /// When it begins, in milliseconds from the start of the sound.
    pub start_ms: u64,
    /// When it ends.
    pub end_ms: u64,
    /// Where it begins in the text, in characters (Unicode scalar values) from 0.
    pub char_offset: usize,
}
