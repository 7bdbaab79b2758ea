//! Who writes, speaks, draws and listens: providers behind four traits, each with an adapter for the OpenAI protocol, and all but
//! listening with one that needs no network.
//!
//! Only this module talks to them. A chain is asked in order: where one can't be used the next is, and an error that is the caller's ends it.
//! What a chain consists of decides the output, so it is part of the version of the kinds that use it, and so of every key ([`specs`]).

mod answer;
mod body;
mod breaker;
mod bucket;
mod cached;
mod check;
mod config;
mod espeak;
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

use port::{Heard, Listener, Painter, Question, Speaker, Voiced, Writer, Written};

use crate::context::{Context, HandlerError};

/// Why a picture can't move.
const STANDS_STILL: &str = "/motion: no provider of pictures that move is configured: leave it out, or have `offline` in the \
    configuration's `providers.image` and name it as `provider`";

/// The providers of one worker, in the order they are asked.
pub struct Providers {
    writers: Vec<Arc<dyn Writer>>,
    speakers: Vec<Arc<dyn Speaker>>,
    painters: Vec<Arc<dyn Painter>>,
    listeners: Vec<Arc<dyn Listener>>,
    services: Vec<Arc<openai::OpenAi>>,
    config: Config,
}

impl Providers {
    /// The providers that a configuration names.
    ///
    /// # Errors
    /// A sentence that names the setting, where a chain names what is not configured or a service can't be set up.
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
        let heard = config.chain(&config.transcription);
        providers
            .listeners
            .extend(heard.iter().filter_map(|name| find(name)).map(|service| service as _));
        Ok(providers)
    }

    /// Tries each provider that a chain names, and says of each what was found. `program` is run for what speaks without a network.
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
            let spoken = espeak::try_out(program)
                .await
                .map(|()| format!("no network for {}", roles.join(", ")));
            answers.push((format!("provider {OFFLINE}"), spoken));
        }
        answers
    }

    /// Asks the writers, or the one that the input names.
    pub(crate) async fn write(
        &self,
        context: &Context,
        named: Option<&str>,
        question: &Question,
        call: &str,
    ) -> Result<Written, HandlerError> {
        let mut failures = Failures::default();
        for writer in chosen(&self.writers, |writer| writer.name(), named)? {
            match writer.write(context, question, call).await {
                Ok(written) => {
                    return Ok(Written { made: failures.stood_in_for(written.made), ..written });
                }
                Err(ended) => failures.note(writer.name(), ended)?,
            }
        }
        Err(failures.into_error("text").into())
    }

    /// Asks the speakers.
    pub(crate) async fn speak(
        &self,
        context: &Context,
        speech: &SpeechInput,
        out: &Path,
    ) -> Result<Voiced, HandlerError> {
        let mut failures = Failures::default();
        for speaker in &self.speakers {
            let speech =
                if failures.said.is_empty() { speech } else { &spoken_by(speaker.name(), speech) };
            match speaker.speak(context, speech, out).await {
                Ok(voiced) => {
                    return Ok(Voiced { made: failures.stood_in_for(voiced.made), ..voiced });
                }
                Err(ended) => failures.note(speaker.name(), ended)?,
            }
        }
        Err(failures.into_error("speech").into())
    }

    /// Asks the painters, or the one that the input names.
    pub(crate) async fn paint(
        &self,
        context: &Context,
        ask: &image::ImageInput,
        out: &Path,
    ) -> Result<Provenance, HandlerError> {
        let mut failures = Failures::default();
        let mut painters =
            chosen(&self.painters, |painter| painter.name(), ask.provider.as_deref())?;
        if ask.motion {
            painters.retain(|painter| painter.moves());
            if painters.is_empty() {
                return Err(JobError::caller(code::INVALID_INPUT, STANDS_STILL).into());
            }
        }
        for painter in painters {
            match painter.paint(context, ask, out).await {
                Ok(made) => return Ok(failures.stood_in_for(made)),
                Err(ended) => failures.note(painter.name(), ended)?,
            }
        }
        Err(failures.into_error("image").into())
    }

    /// Returns whether any painter that makes such pictures reads what they are to show.
    pub(crate) fn read_prompts(&self, motion: bool) -> bool {
        self.painters.iter().any(|painter| painter.reads() && (!motion || painter.moves()))
    }

    /// Asks the listeners, or the one that the input names.
    pub(crate) async fn listen(
        &self,
        context: &Context,
        named: Option<&str>,
        sound: &Path,
        language: Option<&str>,
    ) -> Result<Heard, HandlerError> {
        let mut failures = Failures::default();
        for listener in chosen(&self.listeners, |listener| listener.name(), named)? {
            match listener.listen(context, sound, language).await {
                Ok(heard) => return Ok(Heard { made: failures.stood_in_for(heard.made), ..heard }),
                Err(ended) => failures.note(listener.name(), ended)?,
            }
        }
        Err(failures.into_error("transcription").into())
    }

    /// Who is asked first for a voice's words where it does not tell them.
    pub(crate) fn listener(&self) -> Option<&str> {
        self.listeners.first().map(|listener| listener.name())
    }
}

/// A speech as one who stands in for another speaks it: who needs no network knows none of a service's voices, and takes that of the language.
fn spoken_by(speaker: &str, speech: &SpeechInput) -> SpeechInput {
    if speaker != OFFLINE || language::is_language(&speech.voice) {
        return speech.clone();
    }
    SpeechInput {
        voice: language::voice_for(&defaults::language(), &speech.text),
        ..speech.clone()
    }
}

/// Those of a chain that are to be asked.
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

/// What those before said.
#[derive(Default)]
struct Failures {
    said: Vec<(String, JobError)>,
}

impl Failures {
    /// Keeps the error and goes on, unless it is the caller's or we are to stop.
    fn note(&mut self, name: &str, ended: HandlerError) -> Result<(), HandlerError> {
        match ended {
            HandlerError::Failed(error) if error.class != ErrorClass::Caller => {
                self.said.push((name.to_owned(), error));
                Ok(())
            }
            other => Err(other),
        }
    }

    /// What was made, with whom it stood in for: those that were away. Who refused, or gave what can't be used, would do so again, and many a
    /// service offers only a part of the protocol: so whoever comes next in the chain is simply who makes it.
    fn stood_in_for(self, made: Provenance) -> Provenance {
        let away = self.said.into_iter().filter(|(_, error)| error.retryable);
        Provenance { fallback_for: away.map(|(name, _)| name).collect(), ..made }
    }

    /// One error of all: worth another attempt if one of them is.
    fn into_error(self, what: &str) -> JobError {
        match self.said.len() {
            0 => JobError::permanent(
                "no_provider",
                format!(
                    "no provider of {what} is configured: name one in the configuration's `[providers]`"
                ),
            ),
            1 => self
                .said
                .into_iter()
                .map(|(_, error)| error)
                .next()
                .unwrap_or_else(|| no_error(what)),
            _ => {
                let sentences: Vec<&str> =
                    self.said.iter().map(|(_, error)| error.detail.as_str()).collect();
                let sentence = sentences.join("; then ");
                let best = self.said.iter().map(|(_, error)| error).find(|error| error.retryable);
                let (code, class) = best
                    .or(self.said.last().map(|(_, error)| error))
                    .map_or((code::UNAVAILABLE.to_owned(), ErrorClass::Transient), |e| {
                        (e.code.clone(), e.class)
                    });
                let wait = self.said.iter().filter_map(|(_, error)| error.retry_after_ms).min();
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
    fn only_who_was_away_is_stood_in_for() {
        let mut failures = Failures::default();
        failures.note("away", JobError::transient("unavailable", "busy").into()).expect("goes on");
        failures
            .note("wrong", JobError::permanent(BAD_ANSWER, "no sound").into())
            .expect("goes on");
        assert_eq!(failures.stood_in_for(Provenance::default()).fallback_for, ["away"]);
    }

    #[test]
    fn a_chain_is_worth_another_attempt_if_one_of_it_is() {
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
