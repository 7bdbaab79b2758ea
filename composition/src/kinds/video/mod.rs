//! `video`: a topic or a script in, a finished video out, as one plan whose shape follows the script.
//!
//! ```text
//! script? ─▶ video (grows) ─▶ speech ∥ picture of every scene, music ─▶ video-compose (grows)
//!         ─▶ segment … ∥ sound ─▶ assemble ─▶ video-result
//! ```
//!
//! The tasks that grow are cheap and run each time; what costs is in the others, which are memoised by what decides them. So the same video
//! costs a look, and an edited scene costs that scene. (It stands here and not in `common` because growing it takes the compiler's plan.)

pub mod compose;
mod input;
pub mod result;
mod timeline;

use std::time::Duration;

use common::{
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

/// The stored name.
pub const NAME: &str = "video";

/// The kind. Its own task turns what was asked and what was written into scenes.
pub const SPEC: KindSpec =
    KindSpec { timeout: Duration::from_secs(60), ..deciding(NAME, 1, Some(plan), Some(grow)) };

/// What is told, scene by scene: the output of this kind's task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    /// What was asked.
    pub input: VideoInput,
    /// The title.
    pub title: String,
    /// The scenes.
    pub scenes: Vec<VideoScene>,
    /// Who wrote it; none where the caller did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

impl Story {
    /// The story of a script: the caller's, or the one that was written on the topic. Where a scene does not say what is seen, that is by
    /// `seeing`.
    pub fn of(
        input: VideoInput,
        written: Option<script::Script>,
        seeing: DefaultPicture,
    ) -> Result<Self, JobError> {
        match (input.script.clone(), written) {
            (Some(given), _) => {
                let scenes = seeing.told(&given.title, given.scenes);
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

/// The script where there is only a topic, then the scenes.
fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    let request = parse(input)?;
    let mut own = Draft::only(NAME, whole(&request)?);
    let Some(topic) = &request.topic else { return Ok(vec![own]) };
    let written = script::parse(&json!({
        "topic": topic, "duration": request.duration, "style": request.style, "language": request.language,
    }))?;
    own.needs.push((script::NAME.to_owned(), OnFailure::Cancel));
    let first = Draft { result: false, ..Draft::only(script::NAME, whole(&written)?) };
    Ok(vec![first, own])
}

/// SpeechInput and picture of every scene beside each other, the music, and what composes them.
fn grow(_input: &Value, output: &Value) -> Result<Vec<Draft>, JobError> {
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

/// The clip that the caller gave, or a picture to be made.
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

fn json_of(value: &impl Serialize) -> Result<Value, JobError> {
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
    fn a_topic_is_written_first_and_a_script_is_taken_as_it_is() {
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
    fn a_story_says_what_is_seen_so_that_other_words_under_it_leave_the_picture() {
        let first = json!({"script": {"scenes": [{"text": "One"}, {"text": "Two", "clip": "https://a/b.mp4"}]}});
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
        assert_ne!(before[0], after[0], "it is spoken anew");
        assert_eq!(before[1..], after[1..], "and nothing else");
    }

    #[test]
    fn where_nobody_reads_what_is_seen_a_place_keeps_its_picture() {
        let pictures = |script: &Value| -> Vec<String> {
            let request = parse(&json!({ "script": script })).expect("an input");
            let story = Story::of(request, None, DefaultPicture::Position).expect("a story");
            story.scenes.into_iter().map(|scene| scene.picture).collect()
        };
        let script = |second: &str| json!({"title": "T", "scenes": [{"text": "One"}, {"text": second}, {"text": "Three"}]});
        assert_eq!(pictures(&script("Two")), ["T, view 1", "T, view 2", "T, view 3"]);
        assert_eq!(pictures(&script("Two")), pictures(&script("Other words")));
        let mut grown = json!({"title": "T", "scenes": [{"text": "New"}, {"text": "One", "picture": "T, view 1"}]});
        assert_eq!(pictures(&grown), ["T, view 2", "T, view 1"], "no two scenes have one view");
        grown["title"] = json!("");
        assert_eq!(pictures(&grown), ["view 1", "T, view 1"]);
        let clip = json!({"scenes": [{"text": "One", "clip": "https://a/b.mp4"}, {"text": "Two"}]});
        assert_eq!(pictures(&clip), ["", "view 2"]);
    }

    #[test]
    fn every_scene_is_spoken_and_seen_and_its_failure_is_as_harmful_as_was_said() {
        for (said, edge) in [
            ("fail", OnFailure::Cancel),
            ("skip", OnFailure::Proceed),
            ("placeholder", OnFailure::Proceed),
        ] {
            let input = json!({
                "script": {"title": "T", "scenes": [{"text": "One"}, {"text": "Two", "clip": "https://a/b.mp4"}]},
                "music": "https://a/c.mp3", "onSceneError": said,
            });
            let request = parse(&input).expect("an input");
            let story = Story::of(request, None, DefaultPicture::Words).expect("a story");
            let drafts = grow(&input, &json!(story)).expect("drafts");
            assert_eq!(
                drafts[1].input["prompt"], "One",
                "what is seen is what is said, unless said"
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
