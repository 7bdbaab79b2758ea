//! The origin and cost of a generated value. Every generated result carries it, so that the output
//! of a template is never taken for a model's.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The amounts that a provider counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Usage {
    /// Tokens read.
    #[serde(skip_serializing_if = "is_zero")]
    pub input_tokens: u64,
    /// Tokens written.
    #[serde(skip_serializing_if = "is_zero")]
    pub output_tokens: u64,
    /// Characters spoken.
    #[serde(skip_serializing_if = "is_zero")]
    pub characters: u64,
    /// Milliseconds of sound generated or transcribed.
    #[serde(skip_serializing_if = "is_zero")]
    pub sound_ms: u64,
    /// Pictures generated.
    #[serde(skip_serializing_if = "is_zero")]
    pub images: u64,
    /// The cost in the currency of the configured prices; none if no price is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A cost rounded to a billionth, without the rounding errors of float sums.
pub fn rounded(cost: f64) -> f64 {
    (cost * 1e9).round() / 1e9
}

impl Usage {
    /// The sum of both.
    #[must_use]
    pub fn plus(&self, other: &Usage) -> Usage {
        let cost = match (self.cost, other.cost) {
            (None, None) => None,
            (one, two) => Some(rounded(one.unwrap_or(0.0) + two.unwrap_or(0.0))),
        };
        Usage {
            input_tokens: self.input_tokens + other.input_tokens,
            output_tokens: self.output_tokens + other.output_tokens,
            characters: self.characters + other.characters,
            sound_ms: self.sound_ms + other.sound_ms,
            images: self.images + other.images,
            cost,
        }
    }
}

/// The provider, model and prompt that made a value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Provenance {
    /// The provider's configured name; `offline` for the offline engine.
    pub provider: String,
    /// The model, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The prompt's name and version, such as `script@1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// A remark for readers on how the value was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// The unavailable providers before it in the chain, for which this one was the fallback.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fallback_for: Vec<String>,
    pub usage: Usage,
}

/// Returns whether a fallback provider made an output (`provenance.fallbackFor`). Such an output is
/// given to its own caller and not memoised: the next caller shall get the provider that it asked
/// for.
pub fn is_fallback(output: &Value) -> bool {
    output["provenance"]["fallbackFor"].as_array().is_some_and(|others| !others.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_of_a_fallback_is_recognised() {
        let by_fallback =
            |provenance: Provenance| is_fallback(&serde_json::json!({ "provenance": provenance }));
        assert!(by_fallback(Provenance {
            fallback_for: vec!["openai".to_owned()],
            ..Provenance::default()
        }));
        assert!(!by_fallback(Provenance::default()));
        assert!(!is_fallback(&serde_json::json!([])));
    }

    #[test]
    fn costs_add_up_and_without_prices_there_is_no_cost() {
        let priced = Usage { input_tokens: 3, cost: Some(0.25), ..Usage::default() };
        let plain = Usage { output_tokens: 2, ..Usage::default() };
        assert_eq!(plain.plus(&plain).cost, None);
        let cent = |cost| Usage { cost: Some(cost), ..Usage::default() };
        assert_eq!(cent(0.1).plus(&cent(0.2)).cost, Some(0.3), "the sum is rounded");
        assert_eq!(
            plain.plus(&priced),
            Usage { input_tokens: 3, output_tokens: 2, cost: Some(0.25), ..Usage::default() }
        );
    }
}
