//! The facts about a finished job, beside its files.

use composition::plan::Facts;
use serde::{Deserialize, Serialize};

/// The output of a job, beside its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Output {
    /// The output of [`MediaJob::Probe`](super::MediaJob::Probe).
    Probe(Box<Facts>),
    /// The output of [`MediaJob::Segment`](super::MediaJob::Segment) and
    /// [`MediaJob::Still`](super::MediaJob::Still).
    Picture(PictureOutput),
    /// The output of [`MediaJob::Sound`](super::MediaJob::Sound).
    Sound(SoundOutput),
    /// The output of [`MediaJob::Assemble`](super::MediaJob::Assemble).
    Assemble(AssembleOutput),
    /// The output of [`MediaJob::Speech`](super::MediaJob::Speech).
    Speech(SpeechOutput),
    /// The output of [`MediaJob::Confine`](super::MediaJob::Confine).
    Confine,
    /// The output of the tests' job.
    #[cfg(feature = "test-doubles")]
    Test,
}

/// Facts about rendered pictures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PictureOutput {
    /// The number of frames in the file.
    pub frames: u64,
    /// The file's size in bytes.
    pub bytes: u64,
    /// Differences between what was asked and what was drawn, e.g. a glyph that no font has.
    pub warnings: Vec<String>,
}

/// Facts about a mixed and encoded sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SoundOutput {
    /// The number of samples in the file, which is that of the plan.
    pub samples: u64,
    /// The file's size in bytes.
    pub bytes: u64,
    /// Integrated loudness in LUFS of the encoded sound; none if it is silent, or too short to
    /// have one.
    pub loudness: Option<f64>,
    /// True peak in dBTP of the encoded sound; none if it is silent.
    pub true_peak: Option<f64>,
    /// The gain of the loudness pass in dB; 0 if the mix was left as it was.
    pub gain: f64,
}

/// Facts about an assembled file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssembleOutput {
    /// The number of frames in the file.
    pub frames: u64,
    /// The file's size in bytes.
    pub bytes: u64,
    /// The length in milliseconds, rounded; 0 for a single picture.
    pub duration_ms: u64,
    /// The poster's size in bytes, if one was asked for.
    pub poster_bytes: Option<u64>,
    /// The thumbnail's size in bytes, if one was asked for.
    pub thumbnail_bytes: Option<u64>,
}

/// A text to speak, and how to speak it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpokenText {
    /// The text: up to 50,000 characters.
    pub text: String,
    /// The voice: espeak-ng's name of it or of its language, e.g. `en`, `en-us`, `de`, `en+f3`.
    pub voice: String,
    /// Words a minute, 80 to 450; espeak-ng's own default is 175.
    pub rate: u32,
    /// The pitch, 0 to 99; espeak-ng's own default is 50.
    pub pitch: u32,
}

/// Facts about a spoken text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpeechOutput {
    /// The length of the sound in milliseconds.
    pub duration_ms: u64,
    /// Samples a second.
    pub sample_rate: u32,
    /// The words with their times, in ascending order and without overlap.
    pub words: Vec<TimedWord>,
}

/// A word and the time at which it is spoken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimedWord {
    /// The word as in the text, with its punctuation.
    pub word: String,
    /// The start in milliseconds from the start of the sound.
    pub start_ms: u64,
    /// The end in milliseconds from the start of the sound.
    pub end_ms: u64,
    /// The position in the text, in characters (Unicode scalar values) from 0.
    pub char_offset: usize,
}
