//! Providers of text, speech, pictures and transcripts, behind four traits. Each trait has an
//! adapter for the OpenAI protocol, and all but transcription have one that needs no network.
//!
//! The providers of a chain are tried in order. If one cannot be used, the next one is tried; an
//! error that is the caller's ends the chain. The chain decides the output, so it is part of the
//! version of the kinds that use it, and of every key ([`specs`]).

mod answer;
mod body;
mod breaker;
mod bucket;
mod cached;
mod check;
mod config;
mod espeak;
mod estimate;
mod guard;
mod metrics;
mod moving;
mod openai;
pub(crate) mod outline;
pub(crate) mod port;
mod procedural;
mod prompts;
mod secret;
mod sse;
pub(crate) mod structured;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use common::{
    defaults,
    error::{ErrorClass, JobError, code},
    kinds::{image, speech::SpeechInput},
    language,
    provenance::Provenance,
};

pub use config::{Config, Prices, Service as ServiceConfig, specs};
pub use metrics::Metrics;
pub use port::OFFLINE;
pub(crate) use prompts::Prompt;
pub use secret::Secret;

use port::{Listener, Painter, Question, Speaker, SpeechReply, TextReply, Transcript, Writer};

use crate::context::{Context, HandlerError};

/// The error for a moving picture that no provider can make.
const NO_MOVING_PICTURES: &str = "/motion: no provider of pictures that move is configured: leave \
                                  it out, or have `offline` in the configuration's \
                                  `providers.image` and name it as `provider`";

/// The providers of one worker, each role in the order in which they are tried.
pub struct Providers {
    writers: Vec<Arc<dyn Writer>>,
    speakers: Vec<Arc<dyn Speaker>>,
    painters: Vec<Arc<dyn Painter>>,
    listeners: Vec<Arc<dyn Listener>>,
    services: Vec<Arc<openai::OpenAi>>,
    config: Config,
}

impl Providers {
    /// Creates the configured providers.
    ///
    /// # Errors
    /// A sentence that names the setting, if a chain names an unknown provider or a service cannot
    /// be set up.
    pub fn new(config: &Config, metrics: &Metrics) -> Result<Self, String> {
        config.check()?;
        let services = config
            .services
            .iter()
            .map(|(name, service)| openai::OpenAi::new(name, service, metrics).map(Arc::new))
            .collect::<Result<Vec<_>, String>>()?;
        let find = |name: &str| services.iter().find(|service| service.name() == name).cloned();
        let mut providers = Self {
            writers: Vec::new(),
            speakers: Vec::new(),
            painters: Vec::new(),
            listeners: Vec::new(),
            services: services.clone(),
            config: config.clone(),
        };
        for name in config.chain(&config.text) {
            providers.writers.push(
                find(&name).map_or_else(|| Arc::new(outline::Outline) as _, |service| service as _),
            );
        }
        for name in config.chain(&config.speech) {
            providers.speakers.push(
                find(&name).map_or_else(|| Arc::new(espeak::Espeak) as _, |service| service as _),
            );
        }
        for name in config.chain(&config.image) {
            let offline = || Arc::new(procedural::Procedural::new()) as _;
            providers.painters.push(find(&name).map_or_else(offline, |service| service as _));
        }
        let listeners = config.chain(&config.transcription);
        providers
            .listeners
            .extend(listeners.iter().filter_map(|name| find(name)).map(|service| service as _));
        Ok(providers)
    }

    /// Tries each provider that a chain names, and returns its name with the finding. `program`
    /// runs as the media process of the offline voice.
    pub async fn check(&self, program: PathBuf) -> Vec<(String, Result<String, String>)> {
        let tried = self.services.iter().map(|service| async move {
            let answer = service
                .try_out(&self.config.roles(service.name()))
                .await
                .map_err(|error| error.detail);
            (format!("provider {}", service.name()), answer)
        });
        let mut answers = futures::future::join_all(tried).await;
        let roles = self.config.roles(OFFLINE);
        if roles.contains(&"speech") {
            let voice = espeak::try_out(program)
                .await
                .map(|()| format!("no network for {}", roles.join(", ")));
            answers.push((format!("provider {OFFLINE}"), voice));
        }
        answers
    }

    /// Removes all keys from a text that goes into an error or a log.
    fn redacted(&self, text: &str) -> String {
        let keys = self.config.services.values().filter_map(|service| service.api_key.as_ref());
        keys.fold(text.to_owned(), |text, key| key.redact(&text))
    }

    /// Asks the writers for a text, or only the one that the input names.
    pub(crate) async fn write(
        &self,
        context: &Context,
        only: Option<&str>,
        question: &Question,
        call: &str,
    ) -> Result<TextReply, HandlerError> {
        let mut failures = Failures::default();
        for writer in chosen(&self.writers, |writer| writer.name(), only)? {
            match writer.write(context, question, call).await {
                Ok(written) => {
                    return Ok(TextReply {
                        provenance: failures.into_fallback(written.provenance),
                        ..written
                    });
                }
                Err(error) => failures.note(writer.name(), error)?,
            }
        }
        Err(failures.into_error("text").into())
    }

    /// Asks the speakers for a speech.
    pub(crate) async fn speak(
        &self,
        context: &Context,
        speech: &SpeechInput,
        out: &Path,
    ) -> Result<SpeechReply, HandlerError> {
        let mut failures = Failures::default();
        for speaker in &self.speakers {
            let speech = if failures.errors.is_empty() {
                speech
            } else {
                &as_spoken_by(speaker.name(), speech)
            };
            match speaker.speak(context, speech, out).await {
                Ok(voiced) => {
                    return Ok(SpeechReply {
                        provenance: failures.into_fallback(voiced.provenance),
                        ..voiced
                    });
                }
                Err(error) => failures.note(speaker.name(), error)?,
            }
        }
        Err(failures.into_error("speech").into())
    }

    /// Asks the painters for a picture, or only the one that the input names.
    pub(crate) async fn paint(
        &self,
        context: &Context,
        input: &image::ImageInput,
        out: &Path,
    ) -> Result<Provenance, HandlerError> {
        let mut failures = Failures::default();
        let mut painters =
            chosen(&self.painters, |painter| painter.name(), input.provider.as_deref())?;
        if input.motion {
            painters.retain(|painter| painter.moves());
            if painters.is_empty() {
                return Err(JobError::caller(code::INVALID_INPUT, NO_MOVING_PICTURES).into());
            }
        }
        for painter in painters {
            match painter.paint(context, input, out).await {
                Ok(provenance) => return Ok(failures.into_fallback(provenance)),
                Err(error) => failures.note(painter.name(), error)?,
            }
        }
        Err(failures.into_error("image").into())
    }

    /// Returns whether any painter of still, or of moving, pictures follows its prompt.
    pub(crate) fn read_prompts(&self, motion: bool) -> bool {
        self.painters.iter().any(|painter| painter.reads() && (!motion || painter.moves()))
    }

    /// Asks the listeners for a transcript, or only the one that the input names.
    pub(crate) async fn listen(
        &self,
        context: &Context,
        only: Option<&str>,
        sound: &Path,
        language: Option<&str>,
    ) -> Result<Transcript, HandlerError> {
        let mut failures = Failures::default();
        for listener in chosen(&self.listeners, |listener| listener.name(), only)? {
            match listener.listen(context, sound, language).await {
                Ok(transcript) => {
                    return Ok(Transcript {
                        provenance: failures.into_fallback(transcript.provenance),
                        ..transcript
                    });
                }
                Err(error) => failures.note(listener.name(), error)?,
            }
        }
        Err(failures.into_error("transcription").into())
    }

    /// Returns the name of the first listener.
    pub(crate) fn listener(&self) -> Option<&str> {
        self.listeners.first().map(|listener| listener.name())
    }
}

/// Returns the request as a fallback provider needs it. The offline voice does not know a service's
/// voice names, so it uses the default voice of the language.
fn as_spoken_by(speaker: &str, speech: &SpeechInput) -> SpeechInput {
    if speaker != OFFLINE || language::is_language(&speech.voice) {
        return speech.clone();
    }
    SpeechInput {
        voice: language::voice_for(&defaults::language(), &speech.text),
        ..speech.clone()
    }
}

/// Returns the providers to try: the whole chain, or the one with the wanted name.
fn chosen<P: Clone>(
    chain: &[P],
    name: impl Fn(&P) -> &str,
    wanted: Option<&str>,
) -> Result<Vec<P>, JobError> {
    let Some(wanted) = wanted else { return Ok(chain.to_vec()) };
    let found: Vec<P> = chain.iter().filter(|one| name(one) == wanted).cloned().collect();
    if found.is_empty() {
        let known: Vec<&str> = chain.iter().map(&name).collect();
        let detail = format!(
            "/provider: `{wanted}` is not configured for this: there are [{}]",
            known.join(", ")
        );
        return Err(JobError::caller(code::INVALID_INPUT, detail));
    }
    Ok(found)
}

/// The errors of the providers that were tried before.
#[derive(Default)]
struct Failures {
    errors: Vec<(String, JobError)>,
}

impl Failures {
    /// Keeps the error of a provider. The caller's error, or a stop, ends the chain and is
    /// returned.
    fn note(&mut self, name: &str, error: HandlerError) -> Result<(), HandlerError> {
        match error {
            HandlerError::Failed(failure) if failure.class != ErrorClass::Caller => {
                self.errors.push((name.to_owned(), failure));
                Ok(())
            }
            other => Err(other),
        }
    }

    /// Adds to `fallback_for` the providers that were away. Those that refused or gave a reply that
    /// cannot be used are left out: they would do the same again, and many services offer only a
    /// part of the protocol. So the next in the chain is the regular provider then.
    fn into_fallback(self, provenance: Provenance) -> Provenance {
        let away = self.errors.into_iter().filter(|(_, error)| error.retryable);
        Provenance { fallback_for: away.map(|(name, _)| name).collect(), ..provenance }
    }

    /// Joins the errors to one. It is worth another attempt if one of them is.
    fn into_error(self, what: &str) -> JobError {
        match self.errors.len() {
            0 => JobError::permanent(
                "no_provider",
                format!(
                    "no provider of {what} is configured: name one in the configuration's \
                     `[providers]`"
                ),
            ),
            1 => self
                .errors
                .into_iter()
                .map(|(_, error)| error)
                .next()
                .unwrap_or_else(|| no_error(what)),
            _ => {
                let sentences: Vec<&str> =
                    self.errors.iter().map(|(_, error)| error.detail.as_str()).collect();
                let sentence = sentences.join("; then ");
                let best = self.errors.iter().map(|(_, error)| error).find(|error| error.retryable);
                let (code, class) = best
                    .or(self.errors.last().map(|(_, error)| error))
                    .map_or((code::UNAVAILABLE.to_owned(), ErrorClass::Transient), |e| {
                        (e.code.clone(), e.class)
                    });
                let wait = self.errors.iter().filter_map(|(_, error)| error.retry_after_ms).min();
                let error = JobError::new(code, class, sentence);
                wait.map_or(error.clone(), |wait| error.after(Duration::from_millis(wait)))
            }
        }
    }
}

fn no_error(what: &str) -> JobError {
    JobError::bug(code::INTERNAL, format!("the chain of {what} ended without an error"))
}

#[cfg(test)]
mod tests {
    use super::{port::BAD_ANSWER, *};

    #[test]
    fn fallback_for_names_only_providers_that_were_away() {
        let mut failures = Failures::default();
        failures.note("away", JobError::transient("unavailable", "busy").into()).expect("goes on");
        failures
            .note("wrong", JobError::permanent(BAD_ANSWER, "no sound").into())
            .expect("goes on");
        assert_eq!(failures.into_fallback(Provenance::default()).fallback_for, ["away"]);
    }

    #[test]
    fn a_chain_is_retryable_if_one_error_is() {
        let mut failures = Failures::default();
        failures.note("a", JobError::transient("x", "busy").into()).expect("goes on");
        failures.note("b", JobError::permanent("y", "no").into()).expect("goes on");
        let error = failures.into_error("text");
        assert_eq!(
            (error.code.as_str(), error.retryable, error.detail.as_str()),
            ("x", true, "busy; then no")
        );
        let caller = Failures::default().note("a", JobError::caller("x", "bad").into());
        assert_eq!(caller, Err(JobError::caller("x", "bad").into()));
    }
}
