//! `hook`: first sentences that keep people watching.

use serde::Serialize;
use serde_json::{Value, json};

use super::{generated, script::TOPIC, whole};
use crate::{
    bounds::{LANGUAGE, PROVIDER, STYLE},
    defaults,
    document::{self, ListBounds, NumberBounds, TextBounds, object},
    fault::Fault,
    kind::{KindSpec, Provider},
    plan::Draft,
    provenance::Provenance,
};

/// Stored name of the kind.
pub const NAME: &str = "hook";

/// The kind. Its version is that of its prompt.
pub const SPEC: KindSpec =
    generated(NAME, 1, Provider::Text, plan, || document::schema::<HookInput>(NAME));

/// Hooks of one answer.
const COUNT: NumberBounds = NumberBounds::new(1, 20, " hooks");
/// A hook is at most what is said in ten seconds.
const HOOKS: ListBounds<TextBounds> = COUNT.of(TextBounds::characters(300));

object! {
    /// Input of a `hook` job.
    #[derive(Eq, Serialize)]
    pub struct HookInput {
        /// Subject of the video, or its script.
        topic: String = "topic" within TOPIC,
        /// Number of hooks.
        count: u32 = "count" within COUNT default 5,
        /// How the hooks sound, in words.
        style: String = "style" within STYLE default String::new(),
        /// Language, as a BCP 47 tag.
        language: String = "language" within LANGUAGE default defaults::language(),
        /// One provider of the configuration, in place of the default chain.
        #[serde(skip_serializing_if = "Option::is_none")]
        provider: Option<String> = "provider" within PROVIDER,
        /// Another number gives other hooks.
        #[serde(skip_serializing_if = "Option::is_none")]
        seed: Option<u32> = "seed",
    }
}

object! {
    /// Reply of a model.
    #[derive(Eq, Serialize)]
    pub struct HookReply {
        /// Hooks, best first.
        hooks: Vec<String> = "hooks" within HOOKS,
    }
}

/// Output of a `hook` job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hooks {
    /// Hooks, best first.
    pub hooks: Vec<String>,
    /// Provider that wrote them.
    pub provenance: Provenance,
}

/// Reads an input. The error lists every fault.
pub fn parse(input: &Value) -> Result<HookInput, Vec<Fault>> {
    document::read(input)
}

/// JSON Schema of the reply.
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
