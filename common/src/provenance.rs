//! Who made a generated thing, and what it took: a part of every such result, so that nobody takes a template for a model's work.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a provider counted. What it does not count is left out.
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
    /// Milliseconds of sound made or listened to.
    #[serde(skip_serializing_if = "is_zero")]
    pub sound_ms: u64,
    /// Pictures made.
    #[serde(skip_serializing_if = "is_zero")]
    pub images: u64,
    /// In the currency of the configured prices; none where no price is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A cost without the dust of its sums: to a billionth.
pub fn rounded(cost: f64) -> f64 {
    (cost * 1e9).round() / 1e9
}

impl Usage {
    /// Both together.
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

/// Who made it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Provenance {
    /// The provider's configured name; `offline` where nobody was asked.
    pub provider: String,
    /// The model, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The prompt's name and version, such as `script@1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What a reader must know of how it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// Those that come first and were away: this one stood in for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fallback_for: Vec<String>,
    /// What it took.
    pub usage: Usage,
}

/// Returns whether an output was made by a fallback provider
/// (`provenance.fallbackFor`). Such an output answers who asked, and is not remembered: the next to
/// ask shall have what was asked for.
pub fn is_fallback(output: &Value) -> bool {
    output["provenance"]["fallbackFor"].as_array().is_some_and(|others| !others.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_says_whether_its_maker_is_fallback_for_another() {
        let says = |made: Provenance| is_fallback(&serde_json::json!({ "provenance": made }));
        assert!(says(Provenance {
            fallback_for: vec!["openai".to_owned()],
            ..Provenance::default()
        }));
        assert!(!says(Provenance::default()));
        assert!(!is_fallback(&serde_json::json!([])));
    }

    #[test]
    fn costs_add_up_and_no_price_stays_no_cost() {
        let priced = Usage { input_tokens: 3, cost: Some(0.25), ..Usage::default() };
        let plain = Usage { output_tokens: 2, ..Usage::default() };
        assert_eq!(plain.plus(&plain).cost, None);
        let cent = |cost| Usage { cost: Some(cost), ..Usage::default() };
        assert_eq!(cent(0.1).plus(&cent(0.2)).cost, Some(0.3), "and leave no dust");
        assert_eq!(
            plain.plus(&priced),
            Usage { input_tokens: 3, output_tokens: 2, cost: Some(0.25), ..Usage::default() }
        );
    }
}
