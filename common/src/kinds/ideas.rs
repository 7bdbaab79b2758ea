//! `ideas`: pictures for each scene of a script.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    generated,
    script::{PICTURE, SCENE_COUNT, SCENE_TEXT},
    whole,
};
use crate::{
    bounds::{PROVIDER, STYLE},
    document::{self, ListBounds, NumberBounds, TextBounds, object},
    fault::Fault,
    kind::{KindSpec, Provider},
    plan::Draft,
    provenance::Provenance,
};

/// Stored name of the kind.
pub const NAME: &str = "ideas";

/// The kind. Its version is that of its prompt.
pub const SPEC: KindSpec =
    generated(NAME, 1, Provider::Text, plan, || document::schema::<IdeasInput>(NAME));

const SCENES: ListBounds<TextBounds> = SCENE_COUNT.of(SCENE_TEXT);
const KEYWORDS: ListBounds<TextBounds> =
    NumberBounds::new(0, 20, " keywords").of(TextBounds::characters(80));

object! {
    /// Input of an `ideas` job.
    #[derive(Eq, Serialize)]
    pub struct IdeasInput {
        /// Text of each scene, in order.
        scenes: Vec<String> = "scenes" within SCENES,
        /// How the pictures look, in words.
        style: String = "style" within STYLE default String::new(),
        /// One provider of the configuration, in place of the default chain.
        #[serde(skip_serializing_if = "Option::is_none")]
        provider: Option<String> = "provider" within PROVIDER,
        /// Another number gives other ideas.
        #[serde(skip_serializing_if = "Option::is_none")]
        seed: Option<u32> = "seed",
    }
}

object! {
    /// Picture for one scene.
    #[derive(Eq, Serialize, Deserialize)]
    pub struct Idea {
        /// Description for a model that makes pictures.
        picture: String = "picture" within PICTURE,
        /// Words to search a library of footage for.
        keywords: Vec<String> = "keywords" within KEYWORDS,
    }
}

object! {
    /// Reply of a model.
    #[derive(Eq, Serialize)]
    pub struct IdeasReply {
        /// One for each scene, in order.
        ideas: Vec<Idea> = "ideas",
    }
}

/// Output of an `ideas` job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ideas {
    /// One for each scene, in order.
    pub ideas: Vec<Idea>,
    /// Provider that had them.
    pub provenance: Provenance,
}

/// Reads an input. The error lists every fault.
pub fn parse(input: &Value) -> Result<IdeasInput, Vec<Fault>> {
    document::read(input)
}

/// Checks that a reply has an idea for each of `scenes` scenes.
pub fn check(reply: &IdeasReply, scenes: usize) -> Vec<Fault> {
    let ideas = reply.ideas.len();
    let detail = || format!("has {ideas} ideas for {scenes} scenes: give one for each");
    (ideas != scenes).then(|| Fault::new("/ideas", detail())).into_iter().collect()
}

/// JSON Schema of the reply.
pub fn schema() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "properties": {"ideas": {"type": "array", "items": {
            "type": "object",
            "properties": {"picture": text, "keywords": {"type": "array", "items": text}},
            "required": ["picture", "keywords"],
            "additionalProperties": false,
        }}},
        "required": ["ideas"],
        "additionalProperties": false,
    })
}

fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    Ok(vec![Draft::only(NAME, whole(&parse(input)?)?)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::pointers;

    #[test]
    fn a_reply_needs_an_idea_for_each_scene() {
        let idea = |picture: &str| json!({"picture": picture, "keywords": ["sea"]});
        let reply: IdeasReply =
            document::read(&json!({"ideas": [idea("waves")]})).expect("a reply");
        assert_eq!(check(&reply, 1), []);
        assert_eq!(pointers(&check(&reply, 2)), ["/ideas"]);
        let faults = document::read::<IdeasReply>(&json!({"ideas": [idea(" ")]}));
        assert_eq!(pointers(&faults.expect_err("a fault")), ["/ideas/0/picture"]);
    }
}
