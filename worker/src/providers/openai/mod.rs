//! The OpenAI protocol, which LocalAI, Ollama, vLLM, llama.cpp, speaches and Kokoro offer too. See
//! <https://platform.openai.com/docs/api-reference>. Each endpoint has a file.

mod completion;
mod image;
mod speech;
mod text;
mod transcription;

use common::{
    error::JobError,
    provenance::{Provenance, Usage, rounded},
};

use super::{
    config::{Prices, Service as ServiceConfig},
    guard::Guard,
    metrics::Metrics,
};
use crate::context::Context;

/// A service with the OpenAI protocol.
pub(super) struct OpenAi {
    guard: Guard,
    config: ServiceConfig,
}

/// Most bytes of a list of models. Some services list thousands.
const MAX_LIST_BYTES: usize = 8 << 20;

impl OpenAi {
    /// Sets up the service. It makes no call.
    pub fn new(name: &str, config: &ServiceConfig, metrics: &Metrics) -> Result<Self, String> {
        Ok(Self { guard: Guard::new(name, config, metrics)?, config: config.clone() })
    }

    /// Returns the configured name.
    pub fn name(&self) -> &str {
        self.guard.name()
    }

    /// Requests the list of models, which costs nothing and shows that URL and key are right.
    /// Returns a summary of the models for `roles`.
    pub async fn try_out(&self, roles: &[&'static str]) -> Result<String, JobError> {
        let read = |response| async { self.guard.json(response, MAX_LIST_BYTES).await };
        let listed = self.guard.call_in_time(|| self.guard.get("/models"), read).await?;
        let names: Vec<&str> = listed["data"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|model| model["id"].as_str())
            .collect();
        let summary = roles.iter().map(|role| {
            let model = self.model(role);
            // Some services offer models that they do not list, so this is no error.
            let listed = if names.contains(&model) { "" } else { " (which is not among them)" };
            format!("{role} by {model}{listed}")
        });
        Ok(format!("{} models; {}", names.len(), summary.collect::<Vec<_>>().join(", ")))
    }

    fn model(&self, role: &str) -> &str {
        match role {
            "speech" => &self.config.speech_model,
            "image" => &self.config.image_model,
            "transcription" => &self.config.transcription_model,
            _ => &self.config.text_model,
        }
    }

    fn provenance(&self, model: &str, usage: Usage) -> Provenance {
        let cost = cost(&self.config.prices, &usage);
        Provenance {
            provider: self.name().to_owned(),
            model: Some(model.to_owned()),
            usage: Usage { cost, ..usage },
            ..Provenance::default()
        }
    }
}

/// Returns the cost of a usage, if the price of anything used is known. A quantity that the service
/// does not count is left out, and the cost is not given as zero.
pub(super) fn cost(prices: &Prices, usage: &Usage) -> Option<f64> {
    let million = |count: u64| count as f64 / 1e6;
    let parts = [
        (prices.input_tokens, million(usage.input_tokens)),
        (prices.output_tokens, million(usage.output_tokens)),
        (prices.characters, million(usage.characters)),
        (prices.minute, usage.sound_ms as f64 / 60_000.0),
        (prices.image, usage.images as f64),
    ];
    let known: Vec<f64> = parts
        .into_iter()
        .filter(|(_, count)| *count > 0.0)
        .filter_map(|(price, count)| Some(price? * count))
        .collect();
    (!known.is_empty()).then(|| rounded(known.into_iter().sum()))
}

/// Returns a key that is the same in every attempt of a task, and differs between its calls.
fn idempotency_key(context: &Context, call: &str) -> String {
    format!("spool-{}-{call}", context.claimed.task)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_follows_the_prices_that_are_known() {
        let usage = Usage { input_tokens: 2_000_000, output_tokens: 500_000, ..Usage::default() };
        assert_eq!(cost(&Prices::default(), &usage), None);
        let prices =
            Prices { input_tokens: Some(0.5), output_tokens: Some(2.0), ..Prices::default() };
        assert_eq!(cost(&prices, &usage), Some(2.0));
        assert_eq!(cost(&prices, &Usage::default()), None, "nothing was counted");
    }
}
