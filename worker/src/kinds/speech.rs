//! `speech`: speaks a text and gives the time of every word. The times come from the voice, or else
//! from a transcription, or else they are estimated by the length of the words.

use common::{
    error::JobError,
    kinds::speech::{self, SpeechInput, SpeechOutput, Timing, Word},
    provenance::Provenance,
};
use composition::plan::Facts;

use super::image::{bad_file, not_media};
use crate::{
    context::{Context, HandlerError, HandlerOutput, json, unread},
    providers::Providers,
    providers::port::SpeechReply,
};

pub(super) async fn run(
    context: &Context,
    providers: &Providers,
) -> Result<HandlerOutput, HandlerError> {
    let speech = speech::parse(&context.claimed.input).map_err(JobError::refused)?;
    let scratch = context.scratch()?;
    let out = scratch.inputs().join("speech.wav");
    context.reporter.report(0.0, "speaking");
    let SpeechReply { words, media_type, provenance } =
        providers.speak(context, &speech, &out).await?;
    let copy = scratch.inputs().join("heard.wav");
    tokio::fs::hard_link(&out, &copy).await.map_err(|error| unread(&error))?;
    let artifact = context.store_file(&out, media_type).await?;
    let facts = context
        .facts(&artifact.hash, &scratch)
        .await
        .map_err(|error| not_media(error, &provenance.provider))?;
    let duration_ms =
        duration(&facts).ok_or_else(|| bad_file(&provenance.provider, "is no sound that plays"))?;
    let timed = words.is_some();
    let (words, timing, listening) = match words {
        Some(words) => (words, Timing::Exact, Provenance::default()),
        None => listen(context, providers, &speech, &copy, duration_ms).await?,
    };
    let spoken = SpeechOutput {
        artifact: artifact.hash,
        duration_ms,
        words,
        facts: json(&facts)?,
        provider: provenance.provider.clone(),
        timing,
        provenance: (!timed || !provenance.fallback_for.is_empty())
            .then(|| joined(provenance, listening)),
    };
    Ok(HandlerOutput { output: json(&spoken)?, artifacts: vec![artifact] })
}

/// Finds the words of a speech whose voice gave no times. Without a listener the times are
/// estimated, so that a video still gets captions. Listeners that are away are waited for until the
/// last attempt, whose estimate then counts as a fallback.
async fn listen(
    context: &Context,
    providers: &Providers,
    speech: &SpeechInput,
    sound: &std::path::Path,
    duration_ms: u64,
) -> Result<(Vec<Word>, Timing, Provenance), HandlerError> {
    let mut provenance = Provenance::default();
    if let Some(first) = providers.listener() {
        context.reporter.report(0.6, "listening");
        match providers.listen(context, None, sound, None).await {
            Ok(transcript) if !transcript.words.is_empty() => {
                return Ok((
                    within(transcript.words, duration_ms),
                    Timing::Heard,
                    transcript.provenance,
                ));
            }
            Err(HandlerError::Stopped) => return Err(HandlerError::Stopped),
            Ok(_) => {}
            Err(HandlerError::Failed(error)) => {
                let claimed = &context.claimed;
                if error.retryable && claimed.attempt < claimed.max_attempts {
                    return Err(error.into());
                }
                tracing::warn!(task = %claimed.task, %error, "words are estimated");
                provenance.fallback_for.extend(error.retryable.then(|| first.to_owned()));
            }
        }
    }
    Ok((speech::estimated_words(&speech.text, duration_ms), Timing::Estimated, provenance))
}

/// Ends every word within the sound.
fn within(mut words: Vec<Word>, duration_ms: u64) -> Vec<Word> {
    for word in &mut words {
        word.start_ms = word.start_ms.min(duration_ms);
        word.end_ms = word.end_ms.min(duration_ms);
    }
    words
}

fn joined(voice: Provenance, listening: Provenance) -> Provenance {
    let fallback_for = [voice.fallback_for, listening.fallback_for].concat();
    Provenance {
        usage: voice.usage.plus(&listening.usage),
        notice: voice.notice.or(listening.notice),
        fallback_for,
        ..voice
    }
}

/// Returns the length of a sound in milliseconds.
fn duration(facts: &Facts) -> Option<u64> {
    let seconds = facts.duration.filter(|_| !facts.audio.is_empty())?;
    Some((seconds.to_f64() * 1_000.0).round() as u64).filter(|ms| *ms > 0)
}
