//! `score`: how likely a script is to be watched and shared, and what would help.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{generated, whole};
use crate::{
    bounds::PROVIDER,
    document::{self, ListBounds, NumberBounds, TextBounds, object},
    fault::Fault,
    kind::{KindSpec, Provider},
    plan::Draft,
    provenance::Provenance,
};

/// Stored name of the kind.
pub const NAME: &str = "score";

/// The kind. Its version is that of its prompt.
pub const SPEC: KindSpec =
    generated(NAME, 1, Provider::Text, plan, || document::schema::<ScoreInput>(NAME));

/// Half an hour of speech.
const SCRIPT: TextBounds = TextBounds::characters(40_000);
const POINTS: NumberBounds = NumberBounds::new(0, 100, " points");
const CRITERIA: NumberBounds = NumberBounds::new(0, 20, " criteria");
const CRITERION: TextBounds = TextBounds::characters(80);
const REASON: TextBounds = TextBounds::characters(1_000).or_empty();
const ADVICE: ListBounds<TextBounds> =
    NumberBounds::new(0, 20, " entries").of(TextBounds::characters(1_000));

object! {
    /// Input of a `score` job.
    #[derive(Eq, Serialize)]
    pub struct ScoreInput {
        /// Words of the video.
        script: String = "script" within SCRIPT,
        /// One provider of the configuration, in place of the default chain.
        #[serde(skip_serializing_if = "Option::is_none")]
        provider: Option<String> = "provider" within PROVIDER,
        /// Another number may give another score.
        #[serde(skip_serializing_if = "Option::is_none")]
        seed: Option<u32> = "seed",
    }
}

object! {
    /// Score of one aspect.
    #[derive(Eq, Serialize, Deserialize)]
    pub struct Criterion {
        /// The aspect.
        name: String = "name" within CRITERION,
        /// 0 to 100.
        score: u32 = "score" within POINTS,
        /// Why.
        reason: String = "reason" within REASON,
    }
}

object! {
    /// Reply of a model.
    #[derive(Eq, Serialize)]
    pub struct ScoreReply {
        /// 0 to 100.
        score: u32 = "score" within POINTS,
        /// Score of each aspect.
        criteria: Vec<Criterion> = "criteria" within CRITERIA,
        /// Changes that would help.
        advice: Vec<String> = "advice" within ADVICE,
    }
}

/// Output of a `score` job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// 0 to 100.
    pub score: u32,
    /// Score of each aspect.
    pub criteria: Vec<Criterion>,
    /// Changes that would help.
    pub advice: Vec<String>,
    /// Provider that gave the score.
    pub provenance: Provenance,
}

/// Reads an input. The error lists every fault.
pub fn parse(input: &Value) -> Result<ScoreInput, Vec<Fault>> {
    document::read(input)
}

/// JSON Schema of the reply.
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
