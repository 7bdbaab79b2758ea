//! Checks the configuration of providers before anything starts. An error names the setting, its
//! value and the remedy.

use super::{
    config::{Config, Prices, Service as ServiceConfig},
    port::OFFLINE,
};

/// Most seconds in a setting. No kind may run longer than an hour.
const MOST_SECONDS: u64 = 3_600;

impl Config {
    /// Checks every setting.
    ///
    /// # Errors
    /// The first error found, in a sentence that names the setting, its value (never a key's) and
    /// the remedy.
    pub fn check(&self) -> Result<(), String> {
        self.services.iter().try_for_each(|(name, service)| check_service(name, service))?;
        let chains = [
            ("text", &self.text),
            ("speech", &self.speech),
            ("image", &self.image),
            ("transcription", &self.transcription),
        ];
        chains.into_iter().try_for_each(|(role, chain)| {
            self.check_chain(role, chain.as_deref().unwrap_or_default())
        })
    }

    fn check_chain(&self, role: &str, chain: &[String]) -> Result<(), String> {
        for (index, name) in chain.iter().enumerate() {
            if role == "transcription" && name == OFFLINE {
                return Err(format!(
                    "providers.{role} names `{OFFLINE}`, and nothing here can listen: name a \
                     service, or give []"
                ));
            }
            if name != OFFLINE && !self.services.contains_key(name) {
                let known: Vec<&str> =
                    self.services.keys().map(String::as_str).chain([OFFLINE]).collect();
                return Err(format!(
                    "providers.{role} names `{name}`, and there is no \
                     [providers.services.{name}]: add it, or name one of {}",
                    known.join(", ")
                ));
            }
            if chain[..index].contains(name) {
                return Err(format!("providers.{role} names `{name}` twice: name it once"));
            }
        }
        Ok(())
    }
}

fn check_service(name: &str, service: &ServiceConfig) -> Result<(), String> {
    let wrong = |key: &str, value: &str, remedy: &str| {
        Err(format!("providers.services.{name}.{key} is {value}: {remedy}"))
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    if name == OFFLINE {
        return Err(format!(
            "[providers.services.{OFFLINE}]: the offline providers have this name; give another"
        ));
    }
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return Err(format!(
            "[providers.services.{name}]: a name is of a-z, 0-9, `-` and `_`; give such a one"
        ));
    }
    let url = reqwest::Url::parse(&service.base_url).ok();
    if !url.as_ref().is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
        let example = "give an http or https URL, such as https://api.openai.com/v1";
        return wrong("base_url", &format!("`{}`", service.base_url), example);
    }
    if url.is_some_and(|url| !url.username().is_empty() || url.password().is_some()) {
        return wrong("base_url", "one with a password in it", "leave that out and set api_key");
    }
    if service.api_key.as_ref().is_some_and(|key| !key.fits_a_header()) {
        return wrong(
            "api_key",
            "no key (its value is not shown)",
            "give printable ASCII without spaces, or leave it out",
        );
    }
    let counts =
        [("connections", service.connections), ("breaker_failures", service.breaker_failures)];
    if let Some((key, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
        return wrong(key, "0", "give at least 1");
    }
    if service.requests_per_minute == Some(0) {
        return wrong("requests_per_minute", "0", "leave it out for no limit");
    }
    if service.retries > 10 {
        return wrong(
            "retries",
            &service.retries.to_string(),
            "give 0 to 10; the queue has attempts of its own",
        );
    }
    let seconds = [
        ("connect_seconds", service.connect_seconds),
        ("timeout_seconds", service.timeout_seconds),
        ("breaker_seconds", service.breaker_seconds),
    ];
    if let Some((key, value)) =
        seconds.into_iter().find(|(_, value)| !(1..=MOST_SECONDS).contains(value))
    {
        return wrong(key, &value.to_string(), &format!("give 1 to {MOST_SECONDS}"));
    }
    match prices(&service.prices)
        .into_iter()
        .find(|(_, price)| !(*price >= 0.0 && price.is_finite()))
    {
        Some((key, price)) => {
            wrong(&format!("prices.{key}"), &price.to_string(), "give a price of 0 or more")
        }
        None => Ok(()),
    }
}

fn prices(prices: &Prices) -> Vec<(&'static str, f64)> {
    let all = [
        ("input_tokens", prices.input_tokens),
        ("output_tokens", prices.output_tokens),
        ("characters", prices.characters),
        ("minute", prices.minute),
        ("image", prices.image),
    ];
    all.into_iter().filter_map(|(key, price)| Some((key, price?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::secret::Secret;

    fn error_of(change: impl FnOnce(&mut ServiceConfig)) -> String {
        let mut service = ServiceConfig::default();
        change(&mut service);
        let config =
            Config { services: [("mine".to_owned(), service)].into(), ..Config::default() };
        config.check().expect_err("a fault")
    }

    #[test]
    fn every_fault_names_the_setting_its_value_and_the_remedy() {
        let cases = [
            (
                error_of(|s| s.base_url = "ftp://x".into()),
                "mine.base_url is `ftp://x`: give an http or https URL",
            ),
            (
                error_of(|s| s.base_url = "https://u:hush@x/v1".into()),
                "mine.base_url is one with a password",
            ),
            (error_of(|s| s.api_key = Some(Secret::new("sk\nhush"))), "mine.api_key is no key"),
            (error_of(|s| s.connections = 0), "mine.connections is 0: give at least 1"),
            (
                error_of(|s| s.requests_per_minute = Some(0)),
                "mine.requests_per_minute is 0: leave it out",
            ),
            (error_of(|s| s.retries = 99), "mine.retries is 99: give 0 to 10"),
            (error_of(|s| s.timeout_seconds = 0), "mine.timeout_seconds is 0: give 1 to 3600"),
            (error_of(|s| s.prices.minute = Some(-1.0)), "mine.prices.minute is -1: give a price"),
        ];
        for (fault, sentence) in cases {
            assert!(fault.contains(sentence) && !fault.contains("hush"), "{fault}");
        }
    }

    #[test]
    fn a_chain_names_what_there_is_once() {
        let text = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            Config { text: Some(names), ..Config::default() }
        };
        assert!(
            text(&["opnai"]).check().expect_err("a fault").contains("providers.text names `opnai`")
        );
        assert!(text(&[OFFLINE, OFFLINE]).check().expect_err("a fault").contains("twice"));
        assert_eq!(text(&[OFFLINE]).check(), Ok(()));
        let listener = Config { transcription: Some(vec![OFFLINE.into()]), ..Config::default() };
        assert!(listener.check().expect_err("a fault").contains("can listen"));
        let taken = Config {
            services: [(OFFLINE.to_owned(), ServiceConfig::default())].into(),
            ..Config::default()
        };
        assert!(taken.check().expect_err("a fault").contains("have this name"));
    }
}
