//! `script`: a topic in, the scenes of a short video out.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{generated, whole};
use crate::{
    bounds::{LANGUAGE, PROVIDER, STYLE, speakable},
    defaults,
    document::{self, NumberBounds, TextBounds, object},
    fault::Fault,
    kind::{KindSpec, Provider},
    plan::Draft,
    provenance::Provenance,
};

/// Stored name of the kind.
pub const NAME: &str = "script";

/// The kind. Its version is that of its prompt.
pub const SPEC: KindSpec =
    generated(NAME, 1, Provider::Text, plan, || document::schema::<ScriptInput>(NAME));

/// Most characters of a picture's description.
pub const MAX_PICTURE: usize = 1_000;
/// Most characters of a title.
pub const MAX_TITLE: usize = 160;
/// Most characters of a scene's text: a minute of speech.
pub const MAX_SCENE_TEXT: usize = 1_200;

/// Subject of a video: at most a page.
pub const TOPIC: TextBounds = TextBounds::characters(4_000);
/// Length of a video on a topic.
pub const DURATION: NumberBounds = NumberBounds::new(5, 600, " seconds");
/// Scenes of a script: at most ten minutes of ten seconds each.
pub const SCENE_COUNT: NumberBounds = NumberBounds::new(1, 60, " scenes");
/// Text of a scene.
pub const SCENE_TEXT: TextBounds = TextBounds::characters(MAX_SCENE_TEXT);
/// Text of a scene that is to be spoken.
pub const SPOKEN_TEXT: TextBounds = SCENE_TEXT.and(speakable);
/// Description of a picture.
pub const PICTURE: TextBounds = TextBounds::characters(MAX_PICTURE);
/// Title of a video.
pub const TITLE: TextBounds = TextBounds::characters(MAX_TITLE);

object! {
    /// Input of a `script` job.
    #[derive(Eq, Serialize)]
    pub struct ScriptInput {
        /// Subject of the video.
        topic: String = "topic" within TOPIC,
        /// Length of the video, in seconds.
        duration: u32 = "duration" within DURATION default defaults::duration(),
        /// Number of scenes; by default it follows from the duration.
        #[serde(skip_serializing_if = "Option::is_none")]
        scenes: Option<u32> = "scenes" within SCENE_COUNT,
        /// How the video sounds and looks, in words.
        style: String = "style" within STYLE default String::new(),
        /// Language, as a BCP 47 tag.
        language: String = "language" within LANGUAGE default defaults::language(),
        /// One provider of the configuration, in place of the default chain.
        #[serde(skip_serializing_if = "Option::is_none")]
        provider: Option<String> = "provider" within PROVIDER,
        /// Another number gives another script.
        #[serde(skip_serializing_if = "Option::is_none")]
        seed: Option<u32> = "seed",
    }
}

/// Seconds that a scene commonly lasts.
const SCENE_SECONDS: u32 = 6;

impl ScriptInput {
    /// Number of scenes to write.
    pub fn scene_count(&self) -> u32 {
        self.scenes.unwrap_or_else(|| (self.duration / SCENE_SECONDS).clamp(2, 24))
    }
}

object! {
    /// Scene of a script.
    #[derive(Eq, Serialize, Deserialize)]
    pub struct ScriptScene {
        /// Words to speak.
        text: String = "text" within SPOKEN_TEXT,
        /// Description of the picture.
        picture: String = "picture" within PICTURE,
    }
}

object! {
    /// Reply of a model.
    #[derive(Eq, Serialize)]
    pub struct ScriptReply {
        /// Title of the video.
        title: String = "title" within TITLE,
        /// Scenes, in order.
        scenes: Vec<ScriptScene> = "scenes" within SCENE_COUNT,
    }
}

/// Output of a `script` job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// Title of the video.
    pub title: String,
    /// Scenes, in order.
    pub scenes: Vec<ScriptScene>,
    /// Provider that wrote it.
    pub provenance: Provenance,
}

/// Reads an input. The error lists every fault.
pub fn parse(input: &Value) -> Result<ScriptInput, Vec<Fault>> {
    document::read(input)
}

/// JSON Schema of the reply, as the strict mode of the OpenAI protocol takes it.
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
    use crate::kinds::pointers;

    #[test]
    fn all_faults_are_reported_at_once() {
        let input = json!({
            "topic": " ", "duration": 1, "scenes": 0, "language": "../x", "provider": "a b",
        });
        assert_eq!(
            pointers(&parse(&input).expect_err("faults")),
            ["/topic", "/duration", "/scenes", "/language", "/provider"]
        );
    }

    #[test]
    fn a_member_of_another_type_hides_no_other_fault() {
        let input = json!({"topic": "", "duration": 3, "style": ["calm"], "aspectRatio": "9x16"});
        assert_eq!(
            pointers(&parse(&input).expect_err("faults")),
            ["/aspectRatio", "/topic", "/duration", "/style"]
        );
    }

    #[test]
    fn a_default_and_the_same_value_written_are_one_input() {
        let short = plan(&json!({"topic": "Tides"})).expect("a plan");
        let long = plan(&json!({"topic": "Tides", "duration": 30, "style": "", "language": "en"}))
            .expect("a plan");
        assert_eq!(short, long);
    }
}
