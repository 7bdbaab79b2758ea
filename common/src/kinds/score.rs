//! `score`: how likely a script is to be watched and shared, and what would help.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{checks::Checks, generated, read, whole};
use crate::{
    fault::Fault,
    kind::{KindSpec, Provider},
    plan::Draft,
    provenance::Provenance,
};

/// The stored name.
pub const NAME: &str = "score";

/// The kind. Its version is that of its prompt.
pub const SPEC: KindSpec = generated(NAME, 1, Provider::Text, plan);

/// The longest script, in characters: half an hour of speech.
pub const MAX_SCRIPT: usize = 40_000;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScoreInput {
    /// The words of the video.
    pub script: String,
    /// One provider of the configuration, instead of the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Another number may give another score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u32>,
}

/// One side of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Criterion {
    /// What was judged.
    pub name: String,
    /// 0 to 100.
    pub score: u32,
    /// Why.
    pub reason: String,
}

/// What a model answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScoreReply {
    /// 0 to 100.
    pub score: u32,
    /// Its sides.
    pub criteria: Vec<Criterion>,
    /// What would help.
    pub advice: Vec<String>,
}

/// What the kind answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// 0 to 100.
    pub score: u32,
    /// Its sides.
    pub criteria: Vec<Criterion>,
    /// What would help.
    pub advice: Vec<String>,
    /// Who judged.
    pub provenance: Provenance,
}

/// Reads an input, with all its faults.
pub fn parse(input: &Value) -> Result<ScoreInput, Vec<Fault>> {
    let request: ScoreInput = read(input)?;
    let mut checks = Checks::default();
    checks.text("/script", &request.script, MAX_SCRIPT);
    checks.provider(request.provider.as_ref());
    checks.of(request)
}

/// What is wrong with an answer.
pub fn check(answer: &ScoreReply) -> Vec<Fault> {
    let mut checks = Checks::default();
    checks.within("/score", answer.score, 0, 100);
    for (name, length) in [("/criteria", answer.criteria.len()), ("/advice", answer.advice.len())] {
        if length > 20 {
            checks.fault(name, format!("has {length} entries: at most 20 are taken"));
        }
    }
    for (index, criterion) in answer.criteria.iter().enumerate() {
        checks.within(&format!("/criteria/{index}/score"), criterion.score, 0, 100);
        checks.text(format!("/criteria/{index}/name"), &criterion.name, 80);
        checks.short(format!("/criteria/{index}/reason"), &criterion.reason, 1_000);
    }
    for (index, advice) in answer.advice.iter().enumerate() {
        checks.text(format!("/advice/{index}"), advice, 1_000);
    }
    checks.into_faults()
}

/// The answer's JSON Schema.
pub fn schema() -> Value {
    let (text, number) = (json!({"type": "string"}), json!({"type": "integer"}));
    json!({
        "type": "object",
        "properties": {
            "score": number,
            "criteria": {"type": "array", "items": {
                "type": "object",
                "properties": {"name": text, "score": number, "reason": text},
                "required": ["name", "score", "reason"],
                "additionalProperties": false,
            }},
            "advice": {"type": "array", "items": text},
        },
        "required": ["score", "criteria", "advice"],
        "additionalProperties": false,
    })
}

fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    Ok(vec![Draft::only(NAME, whole(&parse(input)?)?)])
}
