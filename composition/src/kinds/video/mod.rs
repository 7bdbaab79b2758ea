//! `video`: a topic or a script in, a finished video out. The shape of its plan follows the script.
//!
//! ```text
//! script? ─▶ video (grows) ─▶ speech ∥ picture of every scene, music ─▶ video-compose (grows)
//!         ─▶ segment … ∥ sound ─▶ assemble ─▶ video-result
//! ```
//!
//! The tasks that grow are cheap and run each time. The costly ones are memoised, so posting the
//! same video again costs little, and an edited scene costs that scene. The kind is here and not in
//! `common` because its growth needs the compiler.

pub mod compose;
mod input;
pub mod result;
mod timeline;

use std::time::Duration;

use common::{
    document,
    error::{JobError, code},
    fault::Fault,
    kind::KindSpec,
    kinds::{image, script, source, speech, whole},
    plan::{Draft, OnFailure},
    provenance::Provenance,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::deciding;

pub use input::{
    DefaultPicture, FrameShape, FrameSize, OnSceneError, VideoInput, VideoScene, VideoScript, parse,
};

/// Stored name of the kind.
pub const NAME: &str = "video";

/// The kind. Its own task turns the input and the script into scenes.
pub const SPEC: KindSpec = KindSpec {
    timeout: Duration::from_secs(60),
    ..deciding(NAME, 1, Some(plan), Some(schema), Some(grow))
};

/// Output of a `video` task: the scenes to make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    pub input: VideoInput,
    pub title: String,
    pub scenes: Vec<VideoScene>,
    /// Provider that wrote the script; none if the caller did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

impl Story {
    /// The story of the caller's script, or of the one that was written on the topic.
    /// `default_picture` describes the pictures of scenes that have no description.
    pub fn of(
        input: VideoInput,
        written: Option<script::Script>,
        default_picture: DefaultPicture,
    ) -> Result<Self, JobError> {
        match (input.script.clone(), written) {
            (Some(given), _) => {
                let scenes = default_picture.describe(&given.title, given.scenes);
                Ok(Self { title: given.title, scenes, provenance: None, input })
            }
            (None, Some(script)) => {
                let scene = |scene: script::ScriptScene| VideoScene {
                    text: scene.text,
                    picture: scene.picture,
                    clip: None,
                };
                let scenes = script.scenes.into_iter().map(scene).collect();
                Ok(Self { title: script.title, scenes, provenance: Some(script.provenance), input })
            }
            (None, None) => {
                Err(JobError::bug(code::INTERNAL, "a video has neither a script nor a topic"))
            }
        }
    }
}

fn schema() -> Value {
    document::schema::<VideoInput>(NAME)
}

/// Plans the script, if there is only a topic, and the task that turns it into scenes.
fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    let request = parse(input)?;
    let mut own = Draft::only(NAME, whole(&request)?);
    let Some(script) = request.script_input() else { return Ok(vec![own]) };
    own.needs.push((script::NAME.to_owned(), OnFailure::Cancel));
    let first = Draft { result: false, ..Draft::only(script::NAME, whole(&script)?) };
    Ok(vec![first, own])
}

/// Plans speech and picture of every scene side by side, the music, and what composes them.
pub(super) fn grow(_input: &Value, output: &Value) -> Result<Vec<Draft>, JobError> {
    let story: Story = read_back(output)?;
    let edge = match story.input.on_scene_error {
        OnSceneError::Fail => OnFailure::Cancel,
        OnSceneError::Skip | OnSceneError::Placeholder => OnFailure::Proceed,
    };
    let mut drafts = Vec::with_capacity(2 * story.scenes.len() + 2);
    let mut needs = Vec::with_capacity(2 * story.scenes.len() + 1);
    for (index, scene) in story.scenes.iter().enumerate() {
        let spoken = (
            format!("speech-{}", index + 1),
            speech::NAME,
            json_of(&story.input.speech(&scene.text))?,
        );
        let (kind, input) = picture(&story.input, scene)?;
        for (name, kind, input) in [spoken, (format!("picture-{}", index + 1), kind, input)] {
            needs.push((name.clone(), edge));
            drafts.push(Draft { name, kind, input, needs: Vec::new(), result: false });
        }
    }
    if let Some(src) = &story.input.music {
        let input = json!({"src": src, "takenFor": source::TakenFor::Media});
        needs.push(("music".to_owned(), OnFailure::Cancel));
        drafts.push(Draft {
            name: "music".to_owned(),
            kind: source::NAME,
            input,
            needs: Vec::new(),
            result: false,
        });
    }
    drafts.push(Draft { needs, ..Draft::only(compose::NAME, json_of(&story)?) });
    Ok(drafts)
}

/// Kind and input of the task for a scene's picture: it fetches the caller's clip, or generates
/// one.
fn picture(request: &VideoInput, scene: &VideoScene) -> Result<(&'static str, Value), JobError> {
    if let Some(src) = &scene.clip {
        return Ok((source::NAME, json!({"src": src, "takenFor": source::TakenFor::Media})));
    }
    let (width, height) = request.aspect_ratio.picture();
    let wanted = image::ImageInput {
        style: request.style.clone(),
        width,
        height,
        motion: request.motion,
        ..image::ImageInput::of(scene.clone().seen().picture)
    };
    Ok((image::NAME, json_of(&wanted)?))
}

pub(super) fn json_of(value: &impl Serialize) -> Result<Value, JobError> {
    serde_json::to_value(value)
        .map_err(|error| JobError::bug(code::INTERNAL, format!("not JSON: {error}")))
}

fn read_back<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, JobError> {
    T::deserialize(value).map_err(|error| {
        JobError::bug(code::INTERNAL, format!("a video's task can't be read back: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::{
        id::JobId,
        kind::Catalog,
        kinds,
        plan::{Overrides, Parent, build},
    };

    fn tasks(drafts: Vec<Draft>) -> Vec<common::plan::NewTask> {
        let catalog = Catalog::new(&[kinds::ALL, super::super::ALL]);
        build(Parent::Job(JobId::new()), drafts, true, Overrides::default(), &catalog)
            .expect("tasks")
    }

    #[test]
    fn a_topic_gets_a_script_first_and_a_script_is_used_as_it_is() {
        let kinds = |input| {
            tasks(plan(&input).expect("a plan"))
                .into_iter()
                .map(|task| task.kind)
                .collect::<Vec<_>>()
        };
        assert_eq!(kinds(json!({"topic": "Tides"})), ["script", "video"]);
        assert_eq!(kinds(json!({"script": {"scenes": [{"text": "Hello"}]}})), ["video"]);
    }

    #[test]
    fn a_story_describes_its_pictures_so_that_other_words_keep_them() {
        let clip = json!({"text": "Two", "clip": "https://a/b.mp4"});
        let first = json!({"script": {"scenes": [{"text": "One"}, clip]}});
        let story = Story::of(parse(&first).expect("an input"), None, DefaultPicture::Words)
            .expect("a story");
        let mut script = json!({"scenes": story.scenes});
        assert_eq!(
            (&script["scenes"][0]["picture"], &script["scenes"][1]["picture"]),
            (&json!("One"), &json!(""))
        );
        script["scenes"][0]["text"] = json!("Another");
        let edited = json!({ "script": script });
        let edited_story =
            Story::of(parse(&edited).expect("an input"), None, DefaultPicture::Words)
                .expect("a story");
        let inputs = |story: &Story| -> Vec<Value> {
            grow(&first, &json!(story))
                .expect("drafts")
                .into_iter()
                .map(|draft| draft.input)
                .take(4)
                .collect()
        };
        let (before, after) = (inputs(&story), inputs(&edited_story));
        assert_ne!(before[0], after[0], "it is spoken again");
        assert_eq!(before[1..], after[1..], "and nothing else");
    }

    #[test]
    fn a_pattern_belongs_to_the_place_of_a_scene_and_not_to_its_words() {
        let pictures = |script: &Value| -> Vec<String> {
            let request = parse(&json!({ "script": script })).expect("an input");
            let story = Story::of(request, None, DefaultPicture::Position).expect("a story");
            story.scenes.into_iter().map(|scene| scene.picture).collect()
        };
        let script = |second: &str| {
            let scenes = ["One", second, "Three"].map(|text| json!({ "text": text }));
            json!({"title": "T", "scenes": scenes})
        };
        assert_eq!(pictures(&script("Two")), ["T, view 1", "T, view 2", "T, view 3"]);
        assert_eq!(pictures(&script("Two")), pictures(&script("Other words")));
        let one = json!({"text": "One", "picture": "T, view 1"});
        let mut grown = json!({"title": "T", "scenes": [{"text": "New"}, one]});
        assert_eq!(pictures(&grown), ["T, view 2", "T, view 1"], "no two scenes have one view");
        grown["title"] = json!("");
        assert_eq!(pictures(&grown), ["view 1", "T, view 1"]);
        let clip = json!({"scenes": [{"text": "One", "clip": "https://a/b.mp4"}, {"text": "Two"}]});
        assert_eq!(pictures(&clip), ["", "view 2"]);
    }

    #[test]
    fn every_scene_has_speech_and_a_picture_and_its_failure_has_the_chosen_consequence() {
        for (consequence, edge) in [
            ("fail", OnFailure::Cancel),
            ("skip", OnFailure::Proceed),
            ("placeholder", OnFailure::Proceed),
        ] {
            let input = json!({
                "script": {"title": "T", "scenes": [
                    {"text": "One"}, {"text": "Two", "clip": "https://a/b.mp4"},
                ]},
                "music": "https://a/c.mp3", "onSceneError": consequence,
            });
            let request = parse(&input).expect("an input");
            let story = Story::of(request, None, DefaultPicture::Words).expect("a story");
            let drafts = grow(&input, &json!(story)).expect("drafts");
            assert_eq!(
                drafts[1].input["prompt"], "One",
                "the words describe the picture by default"
            );
            let names: Vec<_> =
                drafts.iter().map(|draft| (draft.name.as_str(), draft.kind)).collect();
            let wanted = [
                ("speech-1", "speech"),
                ("picture-1", "image"),
                ("speech-2", "speech"),
                ("picture-2", "source"),
                ("music", "source"),
                ("video-compose", "video-compose"),
            ];
            assert_eq!(names, wanted);
            assert_eq!((&drafts[5].needs[0].1, &drafts[5].needs[4].1), (&edge, &OnFailure::Cancel));
            tasks(drafts);
        }
    }
}
