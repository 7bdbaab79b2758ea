//! `script`: a topic in, the scenes of a short video out.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{checks::Checks, generated, read, whole};
use crate::{
    defaults,
    fault::Fault,
    kind::{KindSpec, Provider},
    plan::Draft,
    provenance::Provenance,
};

/// The stored name.
pub const NAME: &str = "script";

/// The kind. Its version is that of its prompt.
pub const SPEC: KindSpec = generated(NAME, 1, Provider::Text, plan);

/// The longest topic, in characters: a page.
pub const MAX_TOPIC: usize = 4_000;
/// The most scenes of a script: ten minutes of ten seconds each.
pub const MAX_SCENES: usize = 60;
/// The longest text of one scene, in characters: a minute of speech.
pub const MAX_SCENE_TEXT: usize = 1_200;
/// The longest description of a picture, in characters.
pub const MAX_PICTURE: usize = 1_000;
/// The longest title, in characters.
pub const MAX_TITLE: usize = 160;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScriptInput {
    /// What it is about.
    pub topic: String,
    /// How long the video is to be, in seconds: 5 to 600.
    #[serde(default = "defaults::duration")]
    pub duration: u32,
    /// How many scenes; as many as the duration bears unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenes: Option<u32>,
    /// How it is to sound and look, in words.
    #[serde(default)]
    pub style: String,
    /// The language, as a BCP 47 tag.
    #[serde(default = "defaults::language")]
    pub language: String,
    /// One provider of the configuration, instead of the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Another number gives another script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u32>,
}

/// Seconds that a scene commonly lasts.
const SCENE_SECONDS: u32 = 6;

impl ScriptInput {
    /// How many scenes there are to be.
    pub fn scene_count(&self) -> u32 {
        self.scenes.unwrap_or_else(|| (self.duration / SCENE_SECONDS).clamp(2, 24))
    }
}

/// A scene: what is said, and what is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScriptScene {
    /// The words to speak.
    pub text: String,
    /// What the picture shows.
    pub picture: String,
}

/// What a model answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScriptReply {
    /// The title.
    pub title: String,
    /// The scenes, in order.
    pub scenes: Vec<ScriptScene>,
}

/// What the kind answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Script {
    /// The title.
    pub title: String,
    /// The scenes, in order.
    pub scenes: Vec<ScriptScene>,
    /// Who wrote it.
    pub provenance: Provenance,
}

/// Reads an input, with all its faults.
pub fn parse(input: &Value) -> Result<ScriptInput, Vec<Fault>> {
    let request: ScriptInput = read(input)?;
    let mut checks = Checks::default();
    checks.text("/topic", &request.topic, MAX_TOPIC);
    checks.within("/duration", request.duration, 5, 600);
    if let Some(scenes) = request.scenes {
        checks.within("/scenes", scenes, 1, MAX_SCENES as u32);
    }
    checks.style(&request.style);
    checks.language(&request.language);
    checks.provider(request.provider.as_ref());
    checks.of(request)
}

/// What is wrong with an answer.
pub fn check(answer: &ScriptReply) -> Vec<Fault> {
    let mut checks = Checks::default();
    checks.text("/title", &answer.title, MAX_TITLE);
    if answer.scenes.is_empty() || answer.scenes.len() > MAX_SCENES {
        checks.fault(
            "/scenes",
            format!("has {} scenes: 1 to {MAX_SCENES} are taken", answer.scenes.len()),
        );
    }
    for (index, scene) in answer.scenes.iter().enumerate() {
        checks.spoken(format!("/scenes/{index}/text"), &scene.text, MAX_SCENE_TEXT);
        checks.text(format!("/scenes/{index}/picture"), &scene.picture, MAX_PICTURE);
    }
    checks.into_faults()
}

/// The answer's JSON Schema, as the OpenAI protocol's strict mode takes it.
pub fn schema() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "properties": {
            "title": text,
            "scenes": {"type": "array", "items": {
                "type": "object",
                "properties": {"text": text, "picture": text},
                "required": ["text", "picture"],
                "additionalProperties": false,
            }},
        },
        "required": ["title", "scenes"],
        "additionalProperties": false,
    })
}

fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    Ok(vec![Draft::only(NAME, whole(&parse(input)?)?)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_are_said_at_once() {
        let input = json!({"topic": " ", "duration": 1, "scenes": 0, "language": "../x", "provider": "a b"});
        let pointers: Vec<String> =
            parse(&input).expect_err("faults").into_iter().map(|fault| fault.pointer).collect();
        assert_eq!(pointers, ["/topic", "/duration", "/scenes", "/language", "/provider"]);
    }

    #[test]
    fn a_default_and_the_same_value_spelled_are_one_input() {
        let short = plan(&json!({"topic": "Tides"})).expect("a plan");
        let long = plan(&json!({"topic": "Tides", "duration": 30, "style": "", "language": "en"}))
            .expect("a plan");
        assert_eq!(short, long);
    }
}
