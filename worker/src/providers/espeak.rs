//! Speech without a network: espeak-ng in a caged child, which tells when it says each word.

use std::path::Path;

use async_trait::async_trait;
use common::kinds::{
    made::{Made, Usage},
    speech::{Speech, Word},
};
use media::{
    child::{ChildJob, Output},
    speech::SpokenText,
};

use super::{OFFLINE, Speaker, Voiced, unwritten};
use crate::kinds::{Context, Ended, wrong_answer};

/// As results have always named it.
const ESPEAK: &str = "espeak-ng";

/// The voice that is always there.
pub(super) struct Espeak;

#[async_trait]
impl Speaker for Espeak {
    fn name(&self) -> &str {
        OFFLINE
    }

    async fn speak(&self, context: &Context, speech: &Speech, out: &Path) -> Result<Voiced, Ended> {
        let Speech { text, voice, rate, pitch } = speech.clone();
        let usage = Usage { characters: text.chars().count() as u64, ..Usage::default() };
        // The child writes only inside the folder it is given, and reads nothing of the attempt's.
        let scratch = context.scratch()?;
        let sound = scratch.path().join("speech.wav");
        let job = ChildJob::Speech { speech: SpokenText { text, voice, rate, pitch }, out: sound.clone() };
        let Output::Speech(made) = context.child(&job, &scratch, "speaking").await? else {
            return Err(wrong_answer("speech").into());
        };
        tokio::fs::rename(&sound, out).await.map_err(unwritten)?;
        let word =
            |word: media::speech::TimedWord| Word { word: word.word, start_ms: word.start_ms, end_ms: word.end_ms };
        let made_by = Made { provider: ESPEAK.to_owned(), usage, ..Made::default() };
        Ok(Voiced { words: Some(made.words.into_iter().map(word).collect()), media_type: "audio/wav", made: made_by })
    }
}
