//! `check`: length, segments, keys and calls of a composition, or of a job, without making it.
//!
//! It goes through the queue because sources must be fetched and probed first, and only workers do
//! that. A render afterwards finds them fetched. No provider is asked: speech and pictures that do
//! not exist yet are estimated.

use common::{
    document::{self, Untouched, choice, has_member, object},
    error::JobError,
    fault::Fault,
    kind::KindSpec,
    kinds::{
        image,
        script::{self, ScriptInput},
        speech,
    },
    plan::Draft,
};
use serde_json::{Value, json};

use super::{
    deciding, render,
    video::{self, Story, VideoInput},
};
use crate::{Composition, Origin, TakenFor, parse, plan::ENGINE_VERSION, schema, sources};

/// Stored name of the kind.
pub const NAME: &str = "check";

/// The kind. Its output is a [`crate::Summary`], and the calls of providers that the job makes. Its
/// schema is that of a composition, which is its usual input.
pub const SPEC: KindSpec = deciding(NAME, ENGINE_VERSION, Some(plan), Some(schema), None);

/// Input of a `check` job.
#[derive(Debug)]
pub enum CheckInput {
    Composition(Box<Composition>),
    Video(Box<VideoInput>),
    Script(Box<ScriptInput>),
}

object! {
    /// Job to check, in place of a composition.
    struct CheckedJob {
        /// Its kind.
        kind: CheckedKind = "kind",
        /// Its input.
        input: Untouched = "input",
    }
}

choice! {
    /// Kinds of job that can be checked.
    enum CheckedKind {
        /// A composition.
        Render = "render",
        /// A script.
        Script = "script",
        /// A video.
        Video = "video",
    }
}

/// A file that is fetched for a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedFile {
    pub src: String,
    pub taken_for: TakenFor,
    /// JSON Pointer to its place in the input.
    pub pointer: String,
}

/// Reads an input: a composition, or a job with `kind` and `input`.
///
/// # Errors
/// Every fault, with the JSON Pointer to its place.
pub fn read_input(input: &Value) -> Result<CheckInput, Vec<Fault>> {
    if !has_member(input, "kind") {
        return parse(input).map(|composition| CheckInput::Composition(Box::new(composition)));
    }
    let CheckedJob { kind, input: Untouched } = document::read(input)?;
    let input = &input["input"];
    let read = match kind {
        CheckedKind::Render => parse(input).map(Box::new).map(CheckInput::Composition),
        CheckedKind::Video => video::parse(input).map(Box::new).map(CheckInput::Video),
        CheckedKind::Script => script::parse(input).map(Box::new).map(CheckInput::Script),
    };
    read.map_err(|faults| faults.into_iter().map(|fault| fault.under("/input")).collect())
}

impl CheckInput {
    /// The files to fetch, in the order of the check's needs.
    pub fn files(&self) -> Vec<CheckedFile> {
        match self {
            Self::Composition(composition) => files_of_composition(composition),
            Self::Video(video) => files_of_video(video),
            Self::Script(_) => Vec::new(),
        }
    }
}

fn files_of_composition(composition: &Composition) -> Vec<CheckedFile> {
    let fetched = sources(composition).into_iter().filter_map(|source| match source.origin {
        Origin::Fetch { src, taken_for } => {
            Some(CheckedFile { src, taken_for, pointer: source.pointer })
        }
        Origin::Speak(_) => None,
    });
    fetched.collect()
}

/// The clips of the scenes in order, then the music.
fn files_of_video(video: &VideoInput) -> Vec<CheckedFile> {
    let file = |src: &String, pointer: String| CheckedFile {
        src: src.clone(),
        taken_for: TakenFor::Media,
        pointer,
    };
    let scenes = video.script.iter().flat_map(|script| script.scenes.iter().enumerate());
    let clips = scenes.filter_map(|(index, scene)| {
        Some(file(scene.clip.as_ref()?, format!("/input/script/scenes/{index}/clip")))
    });
    clips.chain(video.music.iter().map(|src| file(src, "/input/music".to_owned()))).collect()
}

/// The tasks of a composition that ask a provider.
pub fn calls_of_composition(composition: &Composition) -> Vec<Draft> {
    let spoken = sources(composition).into_iter().filter_map(|source| match source.origin {
        Origin::Speak(spoken) => Some(Draft::only(speech::NAME, json!(spoken))),
        Origin::Fetch { .. } => None,
    });
    spoken.collect()
}

/// The tasks of a video's story that ask a provider.
pub fn calls_of_story(story: &Story) -> Result<Vec<Draft>, JobError> {
    let drafts = video::grow(&Value::Null, &video::json_of(story)?)?;
    Ok(drafts
        .into_iter()
        .filter(|draft| matches!(draft.kind, speech::NAME | image::NAME))
        .collect())
}

fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    let files = read_input(input)?.files();
    let fetch =
        |(file, number): (CheckedFile, usize)| render::fetching(number, &file.src, file.taken_for);
    let drafts = files.into_iter().zip(1..).map(fetch).collect();
    Ok(render::behind(NAME, input, drafts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(input: &Value) -> Vec<&'static str> {
        plan(input).expect("a plan").iter().map(|draft| draft.kind).collect()
    }

    #[test]
    fn a_check_fetches_files_and_asks_no_provider() {
        let clips = json!([
            {"asset": {"type": "speech", "text": "Hello there"}, "start": 0},
            {"asset": {"type": "image", "src": "https://a.com/a.png"}, "start": 0, "length": 2},
        ]);
        let composition = json!({"timeline": {"tracks": [{"clips": clips}]}});
        let scenes = json!([
            {"text": "One"}, {"text": "Two", "clip": "https://example.com/b.mp4"},
        ]);
        let video = json!({"script": {"scenes": scenes}, "music": "https://example.com/c.mp3"});
        let (source, topic) = (common::kinds::source::NAME, json!({"topic": "Tides"}));
        assert_eq!(kinds(&composition), [source, NAME]);
        assert_eq!(kinds(&json!({"kind": "render", "input": composition})), [source, NAME]);
        assert_eq!(kinds(&json!({"kind": "video", "input": video})), [source, source, NAME]);
        assert_eq!(kinds(&json!({"kind": "video", "input": topic})), [NAME]);
        assert_eq!(kinds(&json!({"kind": "script", "input": topic})), [NAME]);
    }

    #[test]
    fn faults_of_a_job_have_their_pointers() {
        let pointers = |input: Value| -> Vec<String> {
            read_input(&input).expect_err("faults").into_iter().map(|one| one.pointer).collect()
        };
        assert_eq!(pointers(json!({"kind": "echo", "input": {}})), ["/kind"]);
        assert_eq!(pointers(json!({"kind": "video"})), ["/input"]);
        let video = json!({"topic": "Tides", "duration": 3});
        assert_eq!(pointers(json!({"kind": "video", "input": video})), ["/input/duration"]);
    }
}
