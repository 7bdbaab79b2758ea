//! `speech`: a text spoken, with the time of every word: as the voice tells them, else as a provider hears them, else shared out by length.

use common::{
    error::JobError,
    kinds::{
        made::Made,
        speech::{self, Speech, Spoken, Word},
    },
};
use composition::plan::Facts;

use super::{
    Context, Done, Ended,
    image::{bad, not_media},
    json,
};
use crate::providers::{Voiced, estimated, timing_of};

pub(super) async fn run(context: &Context) -> Result<Done, Ended> {
    let speech = speech::parse(&context.claimed.input).map_err(JobError::refused)?;
    let scratch = context.scratch()?;
    let out = scratch.path().join("speech.wav");
    context.reporter.tell(0.0, "speaking");
    let Voiced { words, media_type, made } = context.tools.providers.speak(context, &speech, &out).await?;
    let heard = scratch.path().join("heard.wav");
    tokio::fs::hard_link(&out, &heard).await.map_err(|error| super::unread(&error))?;
    let artifact = context.keep(&out, media_type).await?;
    let facts = context.facts(&artifact.hash, &scratch).await.map_err(|ended| not_media(ended, &made.provider))?;
    let duration_ms = duration(&facts).ok_or_else(|| bad(&made.provider, "is no sound that plays"))?;
    let told = words.is_some();
    let (words, ears) = match words {
        Some(words) => (words, None),
        None => listen(context, &speech, &heard, duration_ms).await?,
    };
    let spoken = Spoken {
        artifact: artifact.hash,
        duration_ms,
        words,
        facts: json(&facts)?,
        provider: made.provider.clone(),
        timing: timing_of(told, ears.is_some()),
        made: (!told).then(|| with_ears(made, ears)),
    };
    Ok(Done { output: json(&spoken)?, artifacts: vec![artifact] })
}

/// The words of a sound whose voice does not tell them. Where nobody can listen the video still gets captions, if less exact ones.
async fn listen(
    context: &Context,
    speech: &Speech,
    sound: &std::path::Path,
    duration_ms: u64,
) -> Result<(Vec<Word>, Option<Made>), Ended> {
    if context.tools.providers.hears() {
        context.reporter.tell(0.6, "listening");
        match context.tools.providers.listen(context, None, sound, None).await {
            Ok(heard) if !heard.words.is_empty() => return Ok((within(heard.words, duration_ms), Some(heard.made))),
            Err(Ended::Stopped) => return Err(Ended::Stopped),
            Ok(_) => {}
            Err(Ended::Failed(error)) if error.retryable => return Err(error.into()),
            Err(Ended::Failed(error)) => tracing::warn!(task = %context.claimed.task, %error, "words are estimated"),
        }
    }
    Ok((estimated(&speech.text, duration_ms), None))
}

/// No word outlasts the sound.
fn within(mut words: Vec<Word>, duration_ms: u64) -> Vec<Word> {
    for word in &mut words {
        word.start_ms = word.start_ms.min(duration_ms);
        word.end_ms = word.end_ms.min(duration_ms);
    }
    words
}

fn with_ears(voice: Made, ears: Option<Made>) -> Made {
    match ears {
        Some(ears) => Made { usage: voice.usage.plus(&ears.usage), ..voice },
        None => voice,
    }
}

/// How long a sound plays, in milliseconds.
fn duration(facts: &Facts) -> Option<u64> {
    let seconds = facts.duration.filter(|_| !facts.audio.is_empty())?;
    Some((seconds.to_f64() * 1_000.0).round() as u64).filter(|ms| *ms > 0)
}
