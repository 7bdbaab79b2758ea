//! `speech`: a text spoken by espeak-ng in a child, with the time of every word.

use common::kinds::speech::{self, Speech, Spoken, Word};
use media::{
    child::{ChildJob, Output},
    speech::{SpeechOutput, SpokenText},
};

use super::{Context, Done, Ended, child::wrong_answer, json};

/// The provider, as results name it.
const ESPEAK: &str = "espeak-ng";

pub(super) async fn run(context: &Context) -> Result<Done, Ended> {
    let Speech { text, voice, rate, pitch } =
        speech::parse(&context.claimed.input).map_err(common::error::JobError::refused)?;
    let scratch = context.scratch()?;
    let out = scratch.path().join("speech.wav");
    let job = ChildJob::Speech { speech: SpokenText { text, voice, rate, pitch }, out: out.clone() };
    let Output::Speech(made) = context.child(&job, &scratch, "speaking").await? else {
        return Err(wrong_answer("speech").into());
    };
    let artifact = context.keep(&out, "audio/wav").await?;
    let facts = context.facts(&artifact.hash, &scratch).await?;
    let spoken = Spoken {
        artifact: artifact.hash,
        duration_ms: made.duration_ms,
        words: words(made),
        facts: json(&facts)?,
        provider: ESPEAK.to_owned(),
    };
    Ok(Done { output: json(&spoken)?, artifacts: vec![artifact] })
}

fn words(made: SpeechOutput) -> Vec<Word> {
    let word = |word: media::speech::TimedWord| Word { word: word.word, start_ms: word.start_ms, end_ms: word.end_ms };
    made.words.into_iter().map(word).collect()
}
