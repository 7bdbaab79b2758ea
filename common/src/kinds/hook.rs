//! `hook`: first sentences that keep people watching.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{checks::Checks, generated, read, script::MAX_TOPIC, whole};
use crate::{
    defaults,
    fault::Fault,
    kind::{KindSpec, Provider},
    plan::Draft,
    provenance::Provenance,
};

/// The stored name.
pub const NAME: &str = "hook";

/// The kind. Its version is that of its prompt.
pub const SPEC: KindSpec = generated(NAME, 1, Provider::Text, plan);

/// The most hooks of one answer.
const MAX_HOOKS: u32 = 20;
/// The longest hook, in characters: what is said in ten seconds.
const MAX_HOOK: usize = 300;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HookInput {
    /// What the video is about, or its script.
    pub topic: String,
    /// How many, 1 to 20.
    #[serde(default = "default_count")]
    pub count: u32,
    /// How they are to sound, in words.
    #[serde(default)]
    pub style: String,
    /// The language, as a BCP 47 tag.
    #[serde(default = "defaults::language")]
    pub language: String,
    /// One provider of the configuration, instead of the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Another number gives other hooks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u32>,
}

fn default_count() -> u32 {
    5
}

/// What a model answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HookReply {
    /// The hooks, best first.
    pub hooks: Vec<String>,
}

/// What the kind answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hooks {
    /// The hooks, best first.
    pub hooks: Vec<String>,
    /// Who wrote them.
    pub provenance: Provenance,
}

/// Reads an input, with all its faults.
pub fn parse(input: &Value) -> Result<HookInput, Vec<Fault>> {
    let request: HookInput = read(input)?;
    let mut checks = Checks::default();
    checks.text("/topic", &request.topic, MAX_TOPIC);
    checks.within("/count", request.count, 1, MAX_HOOKS);
    checks.style(&request.style);
    checks.language(&request.language);
    checks.provider(request.provider.as_ref());
    checks.of(request)
}

/// What is wrong with an answer.
pub fn check(answer: &HookReply) -> Vec<Fault> {
    let mut checks = Checks::default();
    if answer.hooks.is_empty() || answer.hooks.len() > MAX_HOOKS as usize {
        checks.fault(
            "/hooks",
            format!("has {} entries: 1 to {MAX_HOOKS} are taken", answer.hooks.len()),
        );
    }
    for (index, hook) in answer.hooks.iter().enumerate() {
        checks.text(format!("/hooks/{index}"), hook, MAX_HOOK);
    }
    checks.into_faults()
}

/// The answer's JSON Schema.
pub fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {"hooks": {"type": "array", "items": {"type": "string"}}},
        "required": ["hooks"],
        "additionalProperties": false,
    })
}

fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    Ok(vec![Draft::only(NAME, whole(&parse(input)?)?)])
}
