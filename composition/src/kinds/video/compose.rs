//! `video-compose`: what was spoken and painted becomes a composition, which is compiled at once, as all its sources are known.
//!
//! The composition stands in the result, and can be posted as a `render`: it asks for the same speech by its words and for the pictures by
//! their hash, so that everything it does not change is found again. Scenes begin on frames and are cut hard, so that a scene
//! that grows longer moves those behind it without changing a segment of theirs.

use common::{
    error::JobError,
    id::Digest,
    kind::KindSpec,
    kinds::{
        image::Picture,
        source::SourceOutput,
        speech::{SpeechOutput, Word},
    },
    plan::{Draft, OnFailure},
    provenance::{Provenance, Usage},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Story, json_of, read_back, result, timeline::TimelineBuilder};
use crate::{
    kinds::{assemble, deciding, render},
    plan::{ENGINE_VERSION, Facts, RenderPlan},
};

/// The stored name.
pub const NAME: &str = "video-compose";

/// The kind; occurs only inside plans.
pub const SPEC: KindSpec = deciding(NAME, ENGINE_VERSION, None, Some(grow));

/// What is seen in a scene.
#[derive(Debug, Clone, PartialEq)]
pub enum ScenePicture {
    /// A picture that was made.
    Generated(Box<Picture>),
    /// A file of the caller's.
    Clip(Box<SourceOutput>),
}

/// What a scene's tasks came to.
#[derive(Debug, Clone, PartialEq)]
pub struct SceneInputs {
    /// The voice, with what is known of its sound.
    pub spoken: Result<(SpeechOutput, Facts), JobError>,
    /// The picture.
    pub seen: Result<ScenePicture, JobError>,
}

/// The output of this kind's task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComposedVideo {
    /// How it is rendered.
    pub plan: RenderPlan,
    /// What the result holds besides the file.
    pub details: VideoDetails,
}

/// What the result holds besides the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoDetails {
    /// The script: title and scenes, and who wrote it.
    pub script: Value,
    /// The scenes as they came out.
    pub scenes: Vec<SceneResult>,
    /// The voices, in order.
    pub audio: Vec<SceneAudio>,
    /// Every word with its time in the video.
    pub words: Vec<Word>,
    /// The words as an SRT file.
    pub srt: String,
    /// The composition: edit it and post it as a `render`.
    pub composition: Value,
    /// What providers counted, all together.
    pub usage: Usage,
    /// What was made otherwise than asked.
    pub warnings: Vec<String>,
}

/// A scene as it came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SceneResult {
    /// What is said.
    pub text: String,
    /// When it begins, in milliseconds; none where it was left out.
    pub start_ms: Option<u64>,
    /// How long it lasts.
    pub duration_ms: u64,
    /// The picture, where one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<SceneImage>,
    /// Why something of it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
}

/// A picture of a scene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SceneImage {
    /// The file.
    pub artifact: Digest,
    /// Who made it.
    pub provenance: Provenance,
}

/// A voice and its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SceneAudio {
    /// The sound.
    pub artifact: Digest,
    /// The scene, from 1.
    pub scene: usize,
    /// When it begins, in milliseconds.
    pub start_ms: u64,
    /// How long it is.
    pub duration_ms: u64,
    /// Who spoke.
    pub provider: String,
}

/// Composes and compiles. `came` are the scenes' ends, in order; `music` is what the music was found to be.
pub fn run(
    story: &Story,
    came: Vec<SceneInputs>,
    music: Option<Facts>,
) -> Result<ComposedVideo, JobError> {
    let mut timeline = TimelineBuilder::new(story);
    for (index, (scene, came)) in story.scenes.iter().zip(came).enumerate() {
        timeline.scene(index + 1, scene, came)?;
    }
    if let (Some(src), Some(facts)) = (&story.input.music, music) {
        timeline.music(src, facts);
    }
    timeline.finish()
}

/// The tasks of a render, whose file the last one puts beside what else the result holds.
fn grow(_input: &Value, output: &Value) -> Result<Vec<Draft>, JobError> {
    let composed: ComposedVideo = read_back(output)?;
    let mut drafts =
        render::grow(&json_of(&composed.details.composition)?, &json_of(&composed.plan)?)?;
    drafts.iter_mut().for_each(|draft| draft.result = false);
    let needs = vec![(assemble::NAME.to_owned(), OnFailure::Cancel)];
    drafts.push(Draft { needs, ..Draft::only(result::NAME, json_of(&composed.details)?) });
    Ok(drafts)
}
