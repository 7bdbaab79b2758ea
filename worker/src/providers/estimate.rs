//! Estimates of calls that are not made: what they would use, cost and take.

use common::{
    error::{JobError, code},
    id::Digest,
    key::input_key,
    kinds::{
        image,
        script::{self, ScriptInput},
        speech,
    },
    plan::Draft,
    provenance::Usage,
};
use serde::Serialize;

use super::{Config, Prompt, Providers, openai::cost, specs};

/// Bytes of a token, about, in English.
const TOKEN_BYTES: u64 = 4;
/// Words of a script in a second of its video.
const WORDS_A_SECOND: f64 = 2.5;
/// Tokens of a word, about, with the punctuation around it.
const TOKENS_A_WORD: f64 = 1.4;
/// Tokens of the description of a scene's picture, about.
const TOKENS_A_PICTURE: u64 = 60;

/// A call of a provider that is not made.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallEstimate {
    kind: &'static str,
    /// The key of its task: one that has run need not run again.
    key: Digest,
    /// Amounts and cost. The cost is none if the provider has no prices.
    usage: Usage,
    /// Milliseconds that it takes.
    ms: u64,
}

/// Amounts of a call to a service, and its time there and in the offline engine.
struct Amounts {
    usage: Usage,
    service_ms: u64,
    offline_ms: u64,
}

impl Providers {
    /// Estimates the call that a task would make to the first provider of its chain.
    pub(crate) fn estimate(&self, task: &Draft) -> Result<CallEstimate, JobError> {
        let config = &self.config;
        let refused = JobError::refused;
        let (amounts, provider) = match task.kind {
            script::NAME => {
                let input = script::parse(&task.input).map_err(refused)?;
                (writing(&input), first(config, &config.text, input.provider))
            }
            speech::NAME => {
                let input = speech::parse(&task.input).map_err(refused)?;
                (speaking(&input), first(config, &config.speech, None))
            }
            image::NAME => {
                let input = image::parse(&task.input).map_err(refused)?;
                (painting(input.motion), first(config, &config.image, input.provider))
            }
            other => {
                let detail = format!("calls of `{other}` can't be estimated");
                return Err(JobError::bug(code::INTERNAL, detail));
            }
        };
        let (mut usage, mut ms) = match config.services.get(&provider) {
            Some(service) => {
                let cost = cost(&service.prices, &amounts.usage);
                (Usage { cost, ..amounts.usage }, amounts.service_ms)
            }
            None => (free(), amounts.offline_ms),
        };
        if task.kind == speech::NAME && config.services.contains_key(&provider) {
            let (heard, heard_ms) = self.listening(&task.input)?;
            (usage, ms) = (sum(&usage, &heard), ms + heard_ms);
        }
        let version = specs(config).iter().find(|spec| spec.name == task.kind).map(|s| s.version);
        let key = input_key(task.kind, version.unwrap_or_default(), &task.input);
        Ok(CallEstimate { kind: task.kind, key, usage, ms })
    }

    /// Estimates the transcription that finds the words of a service's speech.
    fn listening(&self, speech: &serde_json::Value) -> Result<(Usage, u64), JobError> {
        let service = self.listener().and_then(|name| self.config.services.get(name));
        let Some(service) = service else { return Ok((free(), 0)) };
        let input = speech::parse(speech).map_err(JobError::refused)?;
        let sound_ms = speech::estimated_ms(&input);
        let usage = Usage { sound_ms, ..Usage::default() };
        Ok((Usage { cost: cost(&service.prices, &usage), ..usage }, 1_000 + sound_ms / 20))
    }
}

fn free() -> Usage {
    Usage { cost: Some(0.0), ..Usage::default() }
}

/// The sum of two calls, whose cost is known if both costs are.
fn sum(one: &Usage, other: &Usage) -> Usage {
    let known = one.cost.is_some() && other.cost.is_some();
    let sum = one.plus(other);
    Usage { cost: sum.cost.filter(|_| known), ..sum }
}

/// Returns the named provider, or the first of a chain.
fn first(config: &Config, chain: &Option<Vec<String>>, named: Option<String>) -> String {
    named.or_else(|| config.chain(chain).into_iter().next()).unwrap_or_default()
}

fn writing(input: &ScriptInput) -> Amounts {
    let asked = input.topic.len() + input.style.len();
    let prompt = Prompt::SCRIPT.text(&input.language).len() + script::schema().to_string().len();
    let words = f64::from(input.duration) * WORDS_A_SECOND * TOKENS_A_WORD;
    let output_tokens = words as u64 + u64::from(input.scene_count()) * TOKENS_A_PICTURE;
    let input_tokens = (asked + prompt) as u64 / TOKEN_BYTES;
    Amounts {
        usage: Usage { input_tokens, output_tokens, ..Usage::default() },
        service_ms: 1_000 + output_tokens * 20,
        offline_ms: 10,
    }
}

fn speaking(input: &speech::SpeechInput) -> Amounts {
    let sound_ms = speech::estimated_ms(input);
    let characters = input.text.chars().count() as u64;
    Amounts {
        usage: Usage { characters, ..Usage::default() },
        service_ms: 1_000 + sound_ms / 10,
        offline_ms: 100 + sound_ms / 50,
    }
}

fn painting(motion: bool) -> Amounts {
    Amounts {
        usage: Usage { images: 1, ..Usage::default() },
        service_ms: 15_000,
        offline_ms: if motion { 4_000 } else { 1_000 },
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;
    use serde_json::json;

    use super::*;
    use crate::providers::{Metrics, Prices, ServiceConfig};

    fn providers(prices: Option<Prices>) -> Providers {
        let service = |prices| ServiceConfig { prices, ..ServiceConfig::default() };
        let services = prices.map(|prices| ("paid".to_owned(), service(prices)));
        let config = Config { services: services.into_iter().collect(), ..Config::default() };
        let metrics = Metrics::new(&Registry::new()).expect("new metrics");
        Providers::new(&config, &metrics).expect("providers")
    }

    fn estimated(providers: &Providers, kind: &'static str, input: serde_json::Value) -> Usage {
        providers.estimate(&Draft::only(kind, input)).expect("an estimate").usage
    }

    #[test]
    fn a_call_costs_what_its_amounts_cost_at_the_configured_prices() {
        let prices = Prices {
            input_tokens: Some(1.0),
            output_tokens: Some(1.0),
            characters: Some(15.0),
            minute: Some(0.006),
            image: Some(0.04),
        };
        let paid = providers(Some(prices));
        let spoken = estimated(&paid, "speech", json!({"text": "a".repeat(1_000)}));
        let heard = spoken.sound_ms as f64 / 60_000.0 * 0.006;
        assert_eq!(spoken.characters, 1_000);
        assert!(spoken.cost.is_some_and(|cost| (cost - 0.015 - heard).abs() < 1e-6), "{spoken:?}");
        assert_eq!(estimated(&paid, "image", json!({"prompt": "sea"})).cost, Some(0.04));
        let written = estimated(&paid, "script", json!({"topic": "Tides", "duration": 60}));
        assert!((200..2_000).contains(&written.output_tokens), "{written:?}");
        assert!(written.cost.is_some_and(|cost| cost > 0.0));
    }

    #[test]
    fn without_a_service_a_call_is_free_and_without_prices_its_cost_is_not_known() {
        let image = json!({"prompt": "sea"});
        assert_eq!(estimated(&providers(None), "image", image.clone()).cost, Some(0.0));
        let unpriced = providers(Some(Prices::default()));
        assert_eq!(estimated(&unpriced, "image", image).cost, None);
        let characters = Prices { characters: Some(15.0), ..Prices::default() };
        let spoken = estimated(&providers(Some(characters)), "speech", json!({"text": "Hello"}));
        assert_eq!(spoken.cost, None, "the price of listening is not known");
    }
}
