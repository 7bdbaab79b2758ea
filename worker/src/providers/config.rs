//! Which providers there are and in which order they are asked: the `[providers]` part of the configuration.
//!
//! Where a chain is not written down it is all configured services, or `offline` where there is none. It never falls back on
//! `offline` by itself: whoever pays for a model's answer would be given an outline that nobody asked for.

use std::collections::BTreeMap;

use common::{
    kind::KindSpec,
    kinds::{hook, ideas, image, score, script, speech, subtitles},
};
use serde::Deserialize;

use super::{port::OFFLINE, secret::Secret};

/// Providers by task, and the services they are.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who writes, in the order they are asked.
    pub text: Option<Vec<String>>,
    /// Who speaks.
    pub speech: Option<Vec<String>>,
    /// Who paints.
    pub image: Option<Vec<String>>,
    /// Who listens.
    pub transcription: Option<Vec<String>>,
    /// Services that speak the OpenAI protocol, by name.
    pub services: BTreeMap<String, Service>,
}

/// A service that speaks the OpenAI protocol.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Service {
    /// What stands before `/chat/completions`.
    pub base_url: String,
    /// Sent as a bearer token.
    pub api_key: Option<Secret>,
    /// The model that writes.
    pub text_model: String,
    /// The model that speaks.
    pub speech_model: String,
    /// The voice where the input names none of the service's.
    pub voice: String,
    /// The model that listens; it must know the times of words.
    pub transcription_model: String,
    /// The model that paints.
    pub image_model: String,
    /// Set if texts are asked for as a stream, so that their progress shows.
    pub stream: bool,
    /// Seconds to connect.
    pub connect_seconds: u64,
    /// Seconds for one call, its repetitions included.
    pub timeout_seconds: u64,
    /// How often a call is repeated that failed in a way that may go away.
    pub retries: u32,
    /// Calls side by side, which is also the size of the connection pool; what is over waits. More than a worker's usual slots, as the
    /// slots are the bound that operators set.
    pub connections: u32,
    /// Calls a minute; none for no limit.
    pub requests_per_minute: Option<u32>,
    /// Failures in a row after which it is left alone for a while.
    pub breaker_failures: u32,
    /// Seconds that it is left alone.
    pub breaker_seconds: u64,
    /// What it takes, for the cost in results.
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
    /// Of a million tokens read.
    pub input_tokens: Option<f64>,
    /// Of a million tokens written.
    pub output_tokens: Option<f64>,
    /// Of a million characters spoken.
    pub characters: Option<f64>,
    /// Of a minute listened to.
    pub minute: Option<f64>,
    /// Of a picture.
    pub image: Option<f64>,
}

impl Config {
    /// A chain as it is, or as it is meant where it is not written down.
    pub(super) fn chain(&self, written: &Option<Vec<String>>) -> Vec<String> {
        match written {
            Some(chain) => chain.clone(),
            None if self.services.is_empty() => vec![OFFLINE.to_owned()],
            None => self.services.keys().cloned().collect(),
        }
    }

    /// What a provider is asked for, by the chains that name it.
    pub(super) fn roles(&self, name: &str) -> Vec<&'static str> {
        let chains = [
            ("text", &self.text),
            ("speech", &self.speech),
            ("image", &self.image),
            ("transcription", &self.transcription),
        ];
        let named =
            chains.into_iter().filter(|(_, chain)| self.chain(chain).iter().any(|one| one == name));
        named
            .map(|(role, _)| role)
            .filter(|role| name != OFFLINE || *role != "transcription")
            .collect()
    }

    /// What of a chain decides an output; nothing where no service is asked, so that keys do not change with a version's wording.
    fn print(&self, chain: &[String], model: impl Fn(&Service) -> String) -> Option<String> {
        let part = |name: &String| match self.services.get(name) {
            Some(service) => format!("{name} {} {}\n", service.base_url, model(service)),
            None => format!("{name}\n"),
        };
        let outside = chain.iter().any(|name| self.services.contains_key(name));
        outside.then(|| chain.iter().map(part).collect())
    }
}

/// The kinds that providers decide, each with a version that changes with the providers: so it is part of their keys.
///
/// Who plans and who runs must be configured alike; else a changed configuration finds what the old one remembered.
pub fn specs(config: &Config) -> Vec<KindSpec> {
    let chain = |written| config.chain(written);
    let text = config.print(&chain(&config.text), |service| service.text_model.clone());
    let image = config.print(&chain(&config.image), |service| service.image_model.clone());
    let heard =
        config.print(&chain(&config.transcription), |service| service.transcription_model.clone());
    let spoken = config
        .print(&chain(&config.speech), |service| {
            format!("{} {}", service.speech_model, service.voice)
        })
        .map(|spoken| spoken + heard.as_deref().unwrap_or_default());
    let mut specs: Vec<KindSpec> = [script::SPEC, ideas::SPEC, hook::SPEC, score::SPEC]
        .into_iter()
        .map(|spec| versioned(spec, &text))
        .collect();
    specs.push(versioned(speech::SPEC, &spoken));
    specs.push(versioned(image::SPEC, &image));
    specs.push(versioned(subtitles::SPEC, &heard));
    specs
}

fn versioned(spec: KindSpec, print: &Option<String>) -> KindSpec {
    let Some(print) = print else { return spec };
    let hash = blake3::hash(format!("{}\n{print}", spec.version).as_bytes());
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
    fn a_chain_is_what_is_configured_and_offline_only_where_said() {
        assert_eq!(Config::default().chain(&None), [OFFLINE]);
        assert_eq!(with(Service::default()).chain(&None), ["openai"]);
    }
}
