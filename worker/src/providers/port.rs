//! The traits of providers, one for each role, with their inputs and replies.

use std::path::Path;

use async_trait::async_trait;
use common::{
    error::JobError,
    kinds::{
        image,
        speech::{SpeechInput, Word},
    },
    provenance::Provenance,
};
use serde_json::Value;

use crate::context::{Context, HandlerError};

/// The name of the providers that need no network, in the configuration, in inputs and in results.
pub const OFFLINE: &str = "offline";

/// The error code for a provider's reply that cannot be used.
pub(crate) const BAD_ANSWER: &str = "bad_answer";

/// A question for a writer.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The offline reply, as JSON of the schema.
    pub outline: Value,
    /// The instruction to the model.
    pub system: String,
    /// The caller's data.
    pub user: String,
    /// The name of the schema.
    pub name: &'static str,
    /// The JSON Schema of the reply.
    pub schema: Value,
    /// Makes a reply repeatable.
    pub seed: Option<u32>,
    /// An earlier reply that could not be used, and the request to correct it.
    pub before: Option<(String, String)>,
}

/// A writer's reply, not read yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TextReply {
    pub text: String,
    pub provenance: Provenance,
}

/// A speech that was written to the file `out`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SpeechReply {
    /// The words with their times, if the voice reports them.
    pub words: Option<Vec<Word>>,
    /// A media type such as `audio/wav`.
    pub media_type: &'static str,
    pub provenance: Provenance,
}

/// The words of a recording.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Transcript {
    /// Every word with its time.
    pub words: Vec<Word>,
    pub provenance: Provenance,
}

/// A provider of text.
#[async_trait]
pub(crate) trait Writer: Send + Sync {
    /// Returns the configured name.
    fn name(&self) -> &str;
    /// Replies to a question. `call` names the call among those of the attempt.
    async fn write(
        &self,
        context: &Context,
        question: &Question,
        call: &str,
    ) -> Result<TextReply, HandlerError>;
}

/// A provider of speech.
#[async_trait]
pub(crate) trait Speaker: Send + Sync {
    /// Returns the configured name.
    fn name(&self) -> &str;
    /// Speaks into the file `out`.
    async fn speak(
        &self,
        context: &Context,
        speech: &SpeechInput,
        out: &Path,
    ) -> Result<SpeechReply, HandlerError>;
}

/// A provider of pictures.
#[async_trait]
pub(crate) trait Painter: Send + Sync {
    /// Returns the configured name.
    fn name(&self) -> &str;
    /// Returns whether it makes moving pictures.
    fn moves(&self) -> bool {
        false
    }
    /// Returns whether its pictures show what the prompt describes. If not, another prompt only
    /// gives another pattern.
    fn reads(&self) -> bool {
        true
    }
    /// Paints into the file `out`.
    async fn paint(
        &self,
        context: &Context,
        input: &image::ImageInput,
        out: &Path,
    ) -> Result<Provenance, HandlerError>;
}

/// A provider of transcripts.
#[async_trait]
pub(crate) trait Listener: Send + Sync {
    /// Returns the configured name.
    fn name(&self) -> &str;
    /// Transcribes the file `sound`.
    async fn listen(
        &self,
        context: &Context,
        sound: &Path,
        language: Option<&str>,
    ) -> Result<Transcript, HandlerError>;
}

/// Returns the error for a scratch folder that cannot be written.
pub(super) fn unwritten(error: std::io::Error) -> JobError {
    JobError::from_io(format!("the scratch folder can't be written: {error}"), &error)
}
