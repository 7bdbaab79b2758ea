//! The traits of providers, one for each role, with their inputs and replies.

use std::path::Path;

use async_trait::async_trait;
use common::{
    error::{JobError, code},
    kinds::{
        image,
        speech::{SpeechInput, Word},
    },
    provenance::Provenance,
};
use serde_json::Value;

use crate::context::{Context, HandlerError};

/// The name of what needs no network, in the configuration, in inputs and in results.
pub const OFFLINE: &str = "offline";

/// A provider's answer can't be used.
pub(crate) const BAD_ANSWER: &str = "bad_answer";

/// A question for a text.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The offline reply, as JSON of the schema.
    pub outline: Value,
    /// The instruction to the model.
    pub system: String,
    /// The caller's data.
    pub user: String,
    /// The schema's name.
    pub name: &'static str,
    /// JSON Schema of the answer.
    pub schema: Value,
    /// For answers that can be repeated.
    pub seed: Option<u32>,
    /// An answer that could not be used, and why.
    pub before: Option<(String, String)>,
}

/// An answer in text, as it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Written {
    /// The text.
    pub text: String,
    /// By whom.
    pub made: Provenance,
}

/// A sound of a voice, in the file that was named.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Voiced {
    /// When each word is said, where the voice tells.
    pub words: Option<Vec<Word>>,
    /// Such as `audio/wav`.
    pub media_type: &'static str,
    /// By whom.
    pub made: Provenance,
}

/// The words of a recording.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heard {
    /// Every word with its time.
    pub words: Vec<Word>,
    /// By whom.
    pub made: Provenance,
}

/// Writes text.
#[async_trait]
pub(crate) trait Writer: Send + Sync {
    /// Its configured name.
    fn name(&self) -> &str;
    /// Answers a question. `call` tells this question from others of the attempt.
    async fn write(
        &self,
        context: &Context,
        question: &Question,
        call: &str,
    ) -> Result<Written, HandlerError>;
}

/// Speaks.
#[async_trait]
pub(crate) trait Speaker: Send + Sync {
    /// Its configured name.
    fn name(&self) -> &str;
    /// Speaks into the file `out`.
    async fn speak(
        &self,
        context: &Context,
        speech: &SpeechInput,
        out: &Path,
    ) -> Result<Voiced, HandlerError>;
}

/// Makes pictures.
#[async_trait]
pub(crate) trait Painter: Send + Sync {
    /// Its configured name.
    fn name(&self) -> &str;
    /// Returns whether it makes pictures that move.
    fn moves(&self) -> bool {
        false
    }
    /// Returns whether it reads what a picture is to show; one that does not draws another pattern
    /// for other words, and that is all.
    fn reads(&self) -> bool {
        true
    }
    /// Paints into the file `out`.
    async fn paint(
        &self,
        context: &Context,
        ask: &image::ImageInput,
        out: &Path,
    ) -> Result<Provenance, HandlerError>;
}

/// Listens to recordings.
#[async_trait]
pub(crate) trait Listener: Send + Sync {
    /// Its configured name.
    fn name(&self) -> &str;
    /// Tells the words of the file `sound`.
    async fn listen(
        &self,
        context: &Context,
        sound: &Path,
        language: Option<&str>,
    ) -> Result<Heard, HandlerError>;
}

/// The scratch folder can't take what was made.
pub(super) fn unwritten(error: std::io::Error) -> JobError {
    JobError::transient(code::OUT_OF_SPACE, format!("the scratch folder can't be written: {error}"))
}

/// Words spread over a sound by their length, for where nobody tells when they are said.
pub(crate) fn estimated(text: &str, duration_ms: u64) -> Vec<Word> {
    let words: Vec<&str> = text.split_whitespace().collect();
    // A word costs a little besides its letters.
    let weight = |word: &str| word.chars().count() as u64 + 2;
    let total: u64 = words.iter().map(|word| weight(word)).sum::<u64>().max(1);
    let mut said = 0;
    let timed = words.into_iter().map(|word| {
        let start_ms = duration_ms * said / total;
        said += weight(word);
        Word { word: word.to_owned(), start_ms, end_ms: duration_ms * said / total }
    });
    timed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimated_words_fill_the_sound_in_order() {
        let words = estimated("one  three five", 1_000);
        assert_eq!(words.first().map(|word| word.start_ms), Some(0));
        assert_eq!(words.last().map(|word| word.end_ms), Some(1_000));
        assert!(words.windows(2).all(|pair| pair[0].end_ms == pair[1].start_ms));
    }
}
