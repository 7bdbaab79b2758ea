//! `speech`: a text spoken, with the time of every word.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{generated, whole};
use crate::{
    bounds::{PITCH, RATE, VOICE, speakable},
    defaults,
    document::{self, TextBounds, object},
    fault::Fault,
    id::Digest,
    kind::{KindSpec, Provider},
    language,
    plan::Draft,
    provenance::Provenance,
};

/// Stored name of the kind.
pub const NAME: &str = "speech";

/// The kind.
pub const SPEC: KindSpec =
    generated(NAME, 1, Provider::Speech, plan, || document::schema::<SpeechInput>(NAME));

/// Most bytes of a text: about an hour of speech.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;

const TEXT: TextBounds = TextBounds::bytes(MAX_TEXT_BYTES).and(speakable);
/// A word, with what is attached to it.
const WORD: TextBounds = TextBounds::characters(200).or_empty();

object! {
    /// Input of a `speech` job.
    #[derive(Eq, Serialize)]
    pub struct SpeechInput {
        /// Words to speak, as plain text.
        text: String = "text" within TEXT,
        /// A voice of the provider, such as `en-us` for espeak-ng. By default one that speaks the
        /// language in which the text is written.
        voice: String = "voice" within VOICE default String::new(),
        /// Words per minute.
        rate: u32 = "rate" within RATE default defaults::rate(),
        /// 0 to 99; 50 is the voice's own.
        pitch: u32 = "pitch" within PITCH default 50,
    }
}

impl SpeechInput {
    /// The input with the default voice written out, if it has none.
    pub fn with_voice(mut self) -> Self {
        if self.voice.is_empty() {
            self.voice = language::voice_for(&defaults::language(), &self.text);
        }
        self
    }
}

object! {
    /// A spoken word and its time in the sound.
    #[derive(Eq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    pub struct Word {
        /// The word as the text has it.
        word: String = "word" within WORD,
        /// Its start, in milliseconds.
        start_ms: u64 = "startMs",
        /// Its end, in milliseconds.
        end_ms: u64 = "endMs",
    }
}

/// Output of a `speech` job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpeechOutput {
    /// The sound, as an artifact.
    pub artifact: Digest,
    /// Length of the sound, in milliseconds.
    pub duration_ms: u64,
    /// Every word with its time.
    pub words: Vec<Word>,
    /// Result of probing the sound: `composition::plan::Facts` as JSON.
    pub facts: Value,
    /// Provider that spoke; `espeak-ng` if none of the network did.
    pub provider: String,
    /// Source of the words' times.
    #[serde(default)]
    pub timing: Timing,
    /// Model and usage, if a service spoke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

/// Source of the times of words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Timing {
    /// The voice reported them.
    #[default]
    Exact,
    /// A provider listened to the sound.
    Heard,
    /// The length of the sound was divided by the length of the words.
    Estimated,
}

/// Reads an input. The error lists every fault.
pub fn parse(input: &Value) -> Result<SpeechInput, Vec<Fault>> {
    document::read(input).map(SpeechInput::with_voice)
}

/// Letters of a word, about, in a language that puts spaces between words.
const LETTERS: u64 = 5;
/// Signs of a script that puts no spaces between words, for one word of other languages, about.
const SIGNS: u64 = 2;

/// The length of a speech in milliseconds, by the length of its text: right within a third.
pub fn estimated_ms(input: &SpeechInput) -> u64 {
    let is_sign = |c: &char| ('\u{2e80}'..='\u{d7ff}').contains(c);
    let count = |signs: bool| {
        let counted = input.text.chars().filter(|c| c.is_alphanumeric() && is_sign(c) == signs);
        counted.count() as u64
    };
    let per_word = 60_000 / u64::from(input.rate.max(1));
    let ms = count(false) * per_word / LETTERS + count(true) * per_word / SIGNS;
    ms.max(per_word)
}

/// Spreads the words of a text over a sound by their length.
pub fn estimated_words(text: &str, duration_ms: u64) -> Vec<Word> {
    let words: Vec<&str> = text.split_whitespace().collect();
    // A word takes a little time besides its letters.
    let weight = |word: &str| word.chars().count() as u64 + 2;
    let total: u64 = words.iter().map(|word| weight(word)).sum::<u64>().max(1);
    let mut spoken = 0;
    let timed = words.into_iter().map(|word| {
        let start_ms = duration_ms * spoken / total;
        spoken += weight(word);
        Word { word: word.to_owned(), start_ms, end_ms: duration_ms * spoken / total }
    });
    timed.collect()
}

fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    Ok(vec![Draft::only(NAME, whole(&parse(input)?)?)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::pointers;
    use serde_json::json;

    #[test]
    fn all_faults_are_reported_at_once() {
        let faults = parse(&json!({"text": " ", "rate": 5, "pitch": 101, "voice": "../x"}))
            .expect_err("faults");
        assert_eq!(pointers(&faults), ["/text", "/voice", "/rate", "/pitch"]);
        let faults = parse(&json!({"text": "a", "voice": ""})).expect_err("a fault");
        assert_eq!(pointers(&faults), ["/voice"]);
        for text in ["🚀", "a\u{0}b"] {
            let faults = parse(&json!({ "text": text })).expect_err("faults");
            assert_eq!((faults.len(), faults[0].pointer.as_str()), (1, "/text"));
        }
    }

    #[test]
    fn a_speech_lasts_as_long_as_its_text_and_rate_say() {
        let ms = |text: &str, rate: u32| {
            estimated_ms(&parse(&json!({"text": text, "rate": rate})).expect("an input"))
        };
        assert_eq!(ms("seven words every five letters again here", 100), 4_200);
        assert_eq!(ms("seven words every five letters again here", 200), 2_100);
        assert_eq!(ms("潮汐是海洋的运动", 200), 1_200);
        assert_eq!(ms("a", 200), 300, "as long as a word");
    }

    #[test]
    fn estimated_words_fill_the_sound_in_order() {
        let words = estimated_words("one  three five", 1_000);
        assert_eq!(words.first().map(|word| word.start_ms), Some(0));
        assert_eq!(words.last().map(|word| word.end_ms), Some(1_000));
        assert!(words.windows(2).all(|pair| pair[0].end_ms == pair[1].start_ms));
    }

    #[test]
    fn a_default_and_the_same_value_written_are_one_input() {
        let short = plan(&json!({"text": "Hello"})).expect("a plan");
        let long = plan(&json!({"text": "Hello", "voice": "en-us", "rate": 165, "pitch": 50}))
            .expect("a plan");
        assert_eq!(short, long);
        assert_eq!(parse(&json!({"text": "潮汐"})).expect("an input").voice, "cmn");
    }
}
