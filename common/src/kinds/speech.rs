//! `speech`: a text spoken, with the time of every word.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{checks::unspeakable, generated, read, whole};
use crate::{
    defaults,
    fault::Fault,
    id::Digest,
    kind::{KindSpec, Provider},
    language,
    plan::Draft,
    provenance::Provenance,
};

/// The stored name.
pub const NAME: &str = "speech";

/// The kind.
pub const SPEC: KindSpec = generated(NAME, 1, Provider::Speech, plan);

/// The longest text: about an hour of speech.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;

/// What to say and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SpeechInput {
    /// The text, plain.
    pub text: String,
    /// A voice of the provider, such as `en` or `en-us` for espeak-ng; one that speaks what the text is written in unless said.
    #[serde(default)]
    pub voice: String,
    /// Words per minute, 80 to 450.
    #[serde(default = "defaults::rate")]
    pub rate: u32,
    /// 0 to 99; 50 is the voice's own.
    #[serde(default = "default_pitch")]
    pub pitch: u32,
}

fn default_pitch() -> u32 {
    50
}

/// One spoken word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Word {
    /// As it stands in the text.
    pub word: String,
    /// When it begins, in milliseconds from the start of the sound.
    pub start_ms: u64,
    /// When it ends.
    pub end_ms: u64,
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpeechOutput {
    /// The sound, as an artifact.
    pub artifact: Digest,
    /// Its length in milliseconds.
    pub duration_ms: u64,
    /// Every word with its time.
    pub words: Vec<Word>,
    /// What the probe said of the sound: `composition::plan::Facts` as JSON.
    pub facts: Value,
    /// Who spoke: `espeak-ng` where no model was asked.
    pub provider: String,
    /// How the words' times are known.
    #[serde(default)]
    pub timing: Timing,
    /// The model, where there was one, and what it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

/// How the times of words are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Timing {
    /// The voice told them.
    #[default]
    Exact,
    /// A provider listened to the sound.
    Heard,
    /// The length of the sound was shared out by the length of the words.
    Estimated,
}

/// Reads an input, refusing what can't be spoken.
pub fn parse(input: &Value) -> Result<SpeechInput, Vec<Fault>> {
    let mut speech: SpeechInput = read(input)?;
    if input.get("voice").is_none() {
        speech.voice = language::voice_for(&defaults::language(), &speech.text);
    }
    let mut faults = Vec::new();
    let mut fault = |pointer: &str, detail: String| faults.push(Fault::new(pointer, detail));
    if speech.text.trim().is_empty() {
        fault("/text", "is empty: give the words to speak".into());
    }
    if let Some(detail) = unspeakable(&speech.text) {
        fault("/text", detail.into());
    }
    if speech.text.len() > MAX_TEXT_BYTES {
        fault("/text", format!("is {} bytes long: at most {MAX_TEXT_BYTES}", speech.text.len()));
    }
    if !(80..=450).contains(&speech.rate) {
        fault("/rate", format!("{} is out of range: 80 to 450 words per minute", speech.rate));
    }
    if speech.pitch > 99 {
        fault("/pitch", format!("{} is out of range: 0 to 99", speech.pitch));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_+".contains(c);
    if speech.voice.is_empty() || speech.voice.len() > 64 || !speech.voice.chars().all(plain) {
        fault(
            "/voice",
            "is not a voice's name: letters, digits, `-`, `_`, `+`, such as `en-us`".into(),
        );
    }
    if faults.is_empty() { Ok(speech) } else { Err(faults) }
}

fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    let speech = parse(input)?;
    Ok(vec![Draft::only(NAME, whole(&speech)?)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_faults_are_said_at_once() {
        let faults = parse(&json!({"text": " ", "rate": 5, "pitch": 101, "voice": "../x"}))
            .expect_err("faults");
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/text", "/rate", "/pitch", "/voice"]);
        for text in ["🚀", "a\u{0}b"] {
            let faults = parse(&json!({ "text": text })).expect_err("faults");
            assert_eq!((faults.len(), faults[0].pointer.as_str()), (1, "/text"));
        }
    }

    #[test]
    fn a_default_and_the_same_value_spelled_are_one_input() {
        let short = plan(&json!({"text": "Hello"})).expect("a plan");
        let long = plan(&json!({"text": "Hello", "voice": "en-us", "rate": 165, "pitch": 50}))
            .expect("a plan");
        assert_eq!(short, long);
        assert_eq!(parse(&json!({"text": "潮汐"})).expect("an input").voice, "cmn");
    }
}
