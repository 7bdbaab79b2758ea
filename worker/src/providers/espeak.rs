//! Speech without a network: espeak-ng in the media process, which reports the time of each word.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use common::{
    kinds::speech::{SpeechInput, Word},
    provenance::{Provenance, Usage},
};
use media::{
    protocol::{MediaJob, Output},
    sandbox::{Bounds, ProcessExit, Scratch},
    speech::SpokenText,
};
use tokio_util::sync::CancellationToken;

use super::port::{OFFLINE, Speaker, SpeechReply, unwritten};
use crate::{
    context::{Context, HandlerError},
    media_process::wrong_answer,
};

/// The provider's name in results.
const ESPEAK: &str = "espeak-ng";

/// The offline speaker.
pub(super) struct Espeak;

#[async_trait]
impl Speaker for Espeak {
    fn name(&self) -> &str {
        OFFLINE
    }

    async fn speak(
        &self,
        context: &Context,
        speech: &SpeechInput,
        out: &Path,
    ) -> Result<SpeechReply, HandlerError> {
        let SpeechInput { text, voice, rate, pitch } = speech.clone();
        let usage = Usage { characters: text.chars().count() as u64, ..Usage::default() };
        // The media process writes only inside the folder it is given, and must not read the
        // attempt's files.
        let scratch = context.scratch()?;
        let sound = scratch.path().join("speech.wav");
        let job = MediaJob::Speech {
            speech: SpokenText { text, voice, rate, pitch },
            out: sound.clone(),
        };
        let Output::Speech(reply) = context.run_media(&job, &scratch, "speaking").await? else {
            return Err(wrong_answer("speech").into());
        };
        tokio::fs::rename(&sound, out).await.map_err(unwritten)?;
        let word = |word: media::speech::TimedWord| Word {
            word: word.word,
            start_ms: word.start_ms,
            end_ms: word.end_ms,
        };
        let provenance = Provenance { provider: ESPEAK.to_owned(), usage, ..Provenance::default() };
        Ok(SpeechReply {
            words: Some(reply.words.into_iter().map(word).collect()),
            media_type: "audio/wav",
            provenance,
        })
    }
}

/// Speaks a word in a media process of `program`, to show that the voice, its data and the sandbox
/// work. Nothing of it is left on the disk.
pub(super) async fn try_out(program: PathBuf) -> Result<(), String> {
    let root = std::env::temp_dir().join(format!("spool-check-{}", std::process::id()));
    let tried = try_out_below(&root, program).await;
    // A folder that cannot be removed is one of the temporary folder.
    let _ = std::fs::remove_dir_all(&root);
    tried
}

async fn try_out_below(root: &Path, program: PathBuf) -> Result<(), String> {
    let scratch =
        Scratch::create(root).map_err(|error| format!("no scratch folder can be made: {error}"))?;
    let sandbox = crate::media_process::sandbox(program)
        .map_err(|error| format!("the sandbox can't be made: {error}"))?;
    let speech = SpokenText { text: "ready".into(), voice: "en-us".into(), rate: 165, pitch: 50 };
    let job = MediaJob::Speech { speech, out: scratch.path().join("speech.wav") };
    let report = sandbox
        .run(&job, scratch.path(), Bounds::of(&job), &CancellationToken::new(), |_| {})
        .await;
    match report.exit {
        ProcessExit::Done(_) => Ok(()),
        other => Err(format!("{ESPEAK} can't speak: {}", other.sentence())),
    }
}
