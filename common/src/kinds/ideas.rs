//! `ideas`: what could be seen behind each scene of a script.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    checks::Checks,
    generated, read,
    script::{MAX_PICTURE, MAX_SCENE_TEXT, MAX_SCENES},
    whole,
};
use crate::{
    fault::Fault,
    kind::{KindSpec, Provider},
    plan::Draft,
    provenance::Provenance,
};

/// The stored name.
pub const NAME: &str = "ideas";

/// The kind. Its version is that of its prompt.
pub const SPEC: KindSpec = generated(NAME, 1, Provider::Text, plan);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdeasInput {
    /// What each scene says, in order.
    pub scenes: Vec<String>,
    /// How it is to look, in words.
    #[serde(default)]
    pub style: String,
    /// One provider of the configuration, instead of the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Another number gives other ideas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u32>,
}

/// What could be seen behind one scene.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Idea {
    /// A picture, described for a model that makes one.
    pub picture: String,
    /// Words to search a library of footage for.
    pub keywords: Vec<String>,
}

/// What a model answers: an idea for each scene, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdeasReply {
    /// One for each scene.
    pub ideas: Vec<Idea>,
}

/// What the kind answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ideas {
    /// One for each scene.
    pub ideas: Vec<Idea>,
    /// Who had them.
    pub provenance: Provenance,
}

/// Reads an input, with all its faults.
pub fn parse(input: &Value) -> Result<IdeasInput, Vec<Fault>> {
    let request: IdeasInput = read(input)?;
    let mut checks = Checks::default();
    if request.scenes.is_empty() || request.scenes.len() > MAX_SCENES {
        checks.fault(
            "/scenes",
            format!("has {} scenes: give 1 to {MAX_SCENES}", request.scenes.len()),
        );
    }
    for (index, text) in request.scenes.iter().enumerate() {
        checks.text(format!("/scenes/{index}"), text, MAX_SCENE_TEXT);
    }
    checks.style(&request.style);
    checks.provider(request.provider.as_ref());
    checks.of(request)
}

/// What is wrong with an answer to a question about `scenes` scenes.
pub fn check(answer: &IdeasReply, scenes: usize) -> Vec<Fault> {
    let mut checks = Checks::default();
    if answer.ideas.len() != scenes {
        checks.fault(
            "/ideas",
            format!(
                "has {} ideas where there are {scenes} scenes: give one for each",
                answer.ideas.len()
            ),
        );
    }
    for (index, idea) in answer.ideas.iter().enumerate() {
        checks.text(format!("/ideas/{index}/picture"), &idea.picture, MAX_PICTURE);
        if idea.keywords.len() > 20 {
            checks
                .fault(format!("/ideas/{index}/keywords"), "has more than 20 entries: give fewer");
        }
        for (word, keyword) in idea.keywords.iter().enumerate() {
            checks.text(format!("/ideas/{index}/keywords/{word}"), keyword, 80);
        }
    }
    checks.into_faults()
}

/// The answer's JSON Schema.
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

    #[test]
    fn an_answer_needs_an_idea_for_each_scene() {
        let idea = |picture: &str| Idea { picture: picture.into(), keywords: vec!["sea".into()] };
        assert_eq!(check(&IdeasReply { ideas: vec![idea("waves")] }, 1), []);
        let faults = check(&IdeasReply { ideas: vec![idea(" ")] }, 2);
        let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/ideas", "/ideas/0/picture"]);
    }
}
