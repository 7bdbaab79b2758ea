//! `speech`: a text spoken, with the time of every word: as the voice tells them, else as a provider hears them, else shared out by length.

use common::{
    error::JobError,
    kinds::speech::{self, SpeechInput, SpeechOutput, Timing, Word},
    provenance::Provenance,
};
use composition::plan::Facts;

use super::image::{bad, not_media};
use crate::{
    context::{Context, HandlerError, HandlerOutput, json, unread},
    providers::Providers,
    providers::port::{Voiced, estimated},
};

pub(super) async fn run(
    context: &Context,
    providers: &Providers,
) -> Result<HandlerOutput, HandlerError> {
    let speech = speech::parse(&context.claimed.input).map_err(JobError::refused)?;
    let scratch = context.scratch()?;
    let out = scratch.path().join("speech.wav");
    context.reporter.report(0.0, "speaking");
    let Voiced { words, media_type, made } = providers.speak(context, &speech, &out).await?;
    let heard = scratch.path().join("heard.wav");
    tokio::fs::hard_link(&out, &heard).await.map_err(|error| unread(&error))?;
    let artifact = context.keep(&out, media_type).await?;
    let facts = context
        .facts(&artifact.hash, &scratch)
        .await
        .map_err(|ended| not_media(ended, &made.provider))?;
    let duration_ms =
        duration(&facts).ok_or_else(|| bad(&made.provider, "is no sound that plays"))?;
    let told = words.is_some();
    let (words, timing, ears) = match words {
        Some(words) => (words, Timing::Exact, Provenance::default()),
        None => listen(context, providers, &speech, &heard, duration_ms).await?,
    };
    let spoken = SpeechOutput {
        artifact: artifact.hash,
        duration_ms,
        words,
        facts: json(&facts)?,
        provider: made.provider.clone(),
        timing,
        provenance: (!told || !made.fallback_for.is_empty()).then(|| with_ears(made, ears)),
    };
    Ok(HandlerOutput { output: json(&spoken)?, artifacts: vec![artifact] })
}

/// The words of a sound whose voice does not tell them, and what listening took. Where nobody can listen the video still gets captions, if
/// less exact ones; where those who can are away, they are waited for until the last attempt, and stood in for then.
async fn listen(
    context: &Context,
    providers: &Providers,
    speech: &SpeechInput,
    sound: &std::path::Path,
    duration_ms: u64,
) -> Result<(Vec<Word>, Timing, Provenance), HandlerError> {
    let mut made = Provenance::default();
    if let Some(first) = providers.listener() {
        context.reporter.report(0.6, "listening");
        match providers.listen(context, None, sound, None).await {
            Ok(heard) if !heard.words.is_empty() => {
                return Ok((within(heard.words, duration_ms), Timing::Heard, heard.made));
            }
            Err(HandlerError::Stopped) => return Err(HandlerError::Stopped),
            Ok(_) => {}
            Err(HandlerError::Failed(error)) => {
                let claimed = &context.claimed;
                if error.retryable && claimed.attempt < claimed.max_attempts {
                    return Err(error.into());
                }
                tracing::warn!(task = %claimed.task, %error, "words are estimated");
                made.fallback_for.extend(error.retryable.then(|| first.to_owned()));
            }
        }
    }
    Ok((estimated(&speech.text, duration_ms), Timing::Estimated, made))
}

/// No word outlasts the sound.
fn within(mut words: Vec<Word>, duration_ms: u64) -> Vec<Word> {
    for word in &mut words {
        word.start_ms = word.start_ms.min(duration_ms);
        word.end_ms = word.end_ms.min(duration_ms);
    }
    words
}

fn with_ears(voice: Provenance, ears: Provenance) -> Provenance {
    let fallback_for = [voice.fallback_for, ears.fallback_for].concat();
    Provenance {
        usage: voice.usage.plus(&ears.usage),
        notice: voice.notice.or(ears.notice),
        fallback_for,
        ..voice
    }
}

/// How long a sound plays, in milliseconds.
fn duration(facts: &Facts) -> Option<u64> {
    let seconds = facts.duration.filter(|_| !facts.audio.is_empty())?;
    Some((seconds.to_f64() * 1_000.0).round() as u64).filter(|ms| *ms > 0)
}
