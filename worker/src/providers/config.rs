//! The `[providers]` part of the configuration: the services, and the order in which they are
//! tried.
//!
//! A chain that is not configured consists of all services, or of `offline` if there is none. It
//! does not end with `offline` by itself: a caller who expects a model's text would get an outline.

use std::collections::BTreeMap;

use common::{
    kind::KindSpec,
    kinds::{hook, ideas, image, score, script, speech, subtitles},
};
use serde::Deserialize;

use super::{port::OFFLINE, secret::Secret};

/// The providers of each role, and the services.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Writers of text, in the order in which they are tried. The other chains are alike.
    pub text: Option<Vec<String>>,
    pub speech: Option<Vec<String>>,
    pub image: Option<Vec<String>>,
    pub transcription: Option<Vec<String>>,
    /// Services with the OpenAI protocol, by name.
    pub services: BTreeMap<String, Service>,
}

/// A service with the OpenAI protocol.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Service {
    /// The URL before `/chat/completions`.
    pub base_url: String,
    /// Sent as a bearer token.
    pub api_key: Option<Secret>,
    pub text_model: String,
    pub speech_model: String,
    /// The voice to use if the input names none of the service's.
    pub voice: String,
    /// Must report the times of words.
    pub transcription_model: String,
    pub image_model: String,
    /// Set if texts are requested as a stream, so that their progress shows.
    pub stream: bool,
    /// Longest time to connect.
    pub connect_seconds: u64,
    /// Longest time for one call with its retries.
    pub timeout_seconds: u64,
    /// Retries of a call that failed in a way that may go away.
    pub retries: u32,
    /// Most concurrent calls, and the size of the connection pool. Further calls wait. The default
    /// is above a worker's usual slots, because the slots are the bound that operators set.
    pub connections: u32,
    /// Most calls a minute; unlimited if not set.
    pub requests_per_minute: Option<u32>,
    /// Failures in a row after which calls to the service stop for `breaker_seconds`.
    pub breaker_failures: u32,
    pub breaker_seconds: u64,
    /// Prices, to state the cost in results.
    pub prices: Prices,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            api_key: None,
            text_model: "gpt-4o-mini".to_owned(),
            speech_model: "gpt-4o-mini-tts".to_owned(),
            voice: "alloy".to_owned(),
            transcription_model: "whisper-1".to_owned(),
            image_model: "gpt-image-1".to_owned(),
            stream: true,
            connect_seconds: 10,
            timeout_seconds: 180,
            retries: 2,
            connections: 256,
            requests_per_minute: None,
            breaker_failures: 5,
            breaker_seconds: 30,
            prices: Prices::default(),
        }
    }
}

/// Prices, in any one currency.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// Price of a million input tokens.
    pub input_tokens: Option<f64>,
    /// Price of a million output tokens.
    pub output_tokens: Option<f64>,
    /// Price of a million spoken characters.
    pub characters: Option<f64>,
    /// Price of a transcribed minute.
    pub minute: Option<f64>,
    /// Price of one picture.
    pub image: Option<f64>,
}

impl Config {
    /// Returns a configured chain, or the default one.
    pub(super) fn chain(&self, configured: &Option<Vec<String>>) -> Vec<String> {
        match configured {
            Some(chain) => chain.clone(),
            None if self.services.is_empty() => vec![OFFLINE.to_owned()],
            None => self.services.keys().cloned().collect(),
        }
    }

    /// Returns the roles whose chains name a provider.
    pub(super) fn roles(&self, name: &str) -> Vec<&'static str> {
        let chains = [
            ("text", &self.text),
            ("speech", &self.speech),
            ("image", &self.image),
            ("transcription", &self.transcription),
        ];
        let used =
            chains.into_iter().filter(|(_, chain)| self.chain(chain).iter().any(|one| one == name));
        used.map(|(role, _)| role)
            .filter(|role| name != OFFLINE || *role != "transcription")
            .collect()
    }

    /// Returns the text by which a chain decides an output, or nothing if no service is in it.
    /// Without a service, keys must not change with the wording here.
    fn fingerprint(&self, chain: &[String], model: impl Fn(&Service) -> String) -> Option<String> {
        let part = |name: &String| match self.services.get(name) {
            Some(service) => format!("{name} {} {}\n", service.base_url, model(service)),
            None => format!("{name}\n"),
        };
        let outside = chain.iter().any(|name| self.services.contains_key(name));
        outside.then(|| chain.iter().map(part).collect())
    }
}

/// Returns the specs of the kinds that use providers. The version of each depends on the configured
/// providers, and so do the keys of its tasks.
///
/// Producers and workers must be configured alike. Otherwise a worker with new settings would store
/// memos under the keys of the old ones.
pub fn specs(config: &Config) -> Vec<KindSpec> {
    let chain = |configured| config.chain(configured);
    let text = config.fingerprint(&chain(&config.text), |service| service.text_model.clone());
    let image = config.fingerprint(&chain(&config.image), |service| service.image_model.clone());
    let transcription = config
        .fingerprint(&chain(&config.transcription), |service| service.transcription_model.clone());
    let speech = config
        .fingerprint(&chain(&config.speech), |service| {
            format!("{} {}", service.speech_model, service.voice)
        })
        .map(|speech| speech + transcription.as_deref().unwrap_or_default());
    let mut specs: Vec<KindSpec> = [script::SPEC, ideas::SPEC, hook::SPEC, score::SPEC]
        .into_iter()
        .map(|spec| versioned(spec, &text))
        .collect();
    specs.push(versioned(speech::SPEC, &speech));
    specs.push(versioned(image::SPEC, &image));
    specs.push(versioned(subtitles::SPEC, &transcription));
    specs
}

fn versioned(spec: KindSpec, fingerprint: &Option<String>) -> KindSpec {
    let Some(fingerprint) = fingerprint else { return spec };
    let hash = blake3::hash(format!("{}\n{fingerprint}", spec.version).as_bytes());
    let [a, b, c, d, ..] = *hash.as_bytes();
    // Stores keep a version as a signed number of 32 bits.
    KindSpec { version: u32::from_be_bytes([a, b, c, d]) >> 1, ..spec }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(service: Service) -> Config {
        Config { services: BTreeMap::from([("openai".to_owned(), service)]), ..Config::default() }
    }

    fn version(config: &Config, kind: &str) -> u32 {
        specs(config).iter().find(|spec| spec.name == kind).expect("the kind").version
    }

    #[test]
    fn the_choice_of_provider_is_part_of_the_version_and_the_key_is_not() {
        let plain = with(Service::default());
        assert_eq!(version(&Config::default(), "script"), script::SPEC.version);
        assert_ne!(version(&plain, "script"), script::SPEC.version);
        let keyed = with(Service {
            api_key: Some(Secret::new("k")),
            timeout_seconds: 1,
            ..Service::default()
        });
        assert_eq!(version(&plain, "script"), version(&keyed, "script"));
        let other = with(Service { text_model: "other".into(), ..Service::default() });
        assert_ne!(version(&plain, "script"), version(&other, "script"));
        assert_eq!(version(&plain, "image"), version(&other, "image"));
    }

    #[test]
    fn a_default_chain_has_all_services_and_offline_only_without_any() {
        assert_eq!(Config::default().chain(&None), [OFFLINE]);
        assert_eq!(with(Service::default()).chain(&None), ["openai"]);
    }
}
