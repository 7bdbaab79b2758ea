//! `video-compose`: turns speech and pictures into a composition and compiles it at once, as all
//! its sources are known.
//!
//! The composition is part of the result and can be posted as a `render`. It names the same speech
//! by its words and the pictures by their hash, so what an edit leaves alone is a memo hit. Scenes
//! begin on frames and are cut hard, so a scene that grows longer moves those after it without
//! changing their segments.

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

/// Stored name of the kind.
pub const NAME: &str = "video-compose";

/// The kind; occurs only inside plans.
pub const SPEC: KindSpec = deciding(NAME, ENGINE_VERSION, None, None, Some(grow));

/// Picture of a scene.
#[derive(Debug, Clone, PartialEq)]
pub enum ScenePicture {
    /// A generated picture.
    Generated(Box<Picture>),
    /// A file of the caller's.
    Clip(Box<SourceOutput>),
}

/// Outputs or errors of a scene's tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct SceneInputs {
    /// The speech, with the facts of its sound.
    pub spoken: Result<(SpeechOutput, Facts), JobError>,
    pub seen: Result<ScenePicture, JobError>,
}

/// Output of a `video-compose` task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComposedVideo {
    /// The render plan of the composition.
    pub plan: RenderPlan,
    /// Members of the result besides the file.
    pub details: VideoDetails,
}

/// Members of a video's result besides the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoDetails {
    /// The script: title, scenes and provenance.
    pub script: Value,
    pub scenes: Vec<SceneResult>,
    /// The speech of each scene, in order.
    pub audio: Vec<SceneAudio>,
    /// Every word with its time in the video.
    pub words: Vec<Word>,
    /// The words as an SRT file.
    pub srt: String,
    /// The composition, to be edited and posted as a `render`.
    pub composition: Value,
    /// Usage of all providers together.
    pub usage: Usage,
    /// Differences between the video and the input.
    pub warnings: Vec<String>,
}

/// A scene of the finished video.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SceneResult {
    /// Its words.
    pub text: String,
    /// Its start, in milliseconds; none if it was left out.
    pub start_ms: Option<u64>,
    /// Its length, in milliseconds.
    pub duration_ms: u64,
    /// Its picture, if one was generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<SceneImage>,
    /// Why its speech or its picture is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
}

/// A generated picture of a scene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SceneImage {
    pub artifact: Digest,
    pub provenance: Provenance,
}

/// Speech of a scene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SceneAudio {
    /// The sound.
    pub artifact: Digest,
    /// Number of the scene, from 1.
    pub scene: usize,
    /// Its start, in milliseconds.
    pub start_ms: u64,
    /// Its length, in milliseconds.
    pub duration_ms: u64,
    /// Provider that spoke.
    pub provider: String,
}

/// Composes and compiles. `inputs` are those of the scenes, in order; `music` are the facts of the
/// music.
pub fn run(
    story: &Story,
    inputs: Vec<SceneInputs>,
    music: Option<Facts>,
) -> Result<ComposedVideo, JobError> {
    let mut timeline = TimelineBuilder::new(story);
    for (index, (scene, inputs)) in story.scenes.iter().zip(inputs).enumerate() {
        timeline.scene(index + 1, scene, inputs)?;
    }
    if let (Some(src), Some(facts)) = (&story.input.music, music) {
        timeline.music(src, facts);
    }
    timeline.finish()
}

/// Plans the tasks of a render, and a last one that joins its file with the rest of the result.
fn grow(_input: &Value, output: &Value) -> Result<Vec<Draft>, JobError> {
    let composed: ComposedVideo = read_back(output)?;
    let mut drafts =
        render::grow(&json_of(&composed.details.composition)?, &json_of(&composed.plan)?)?;
    drafts.iter_mut().for_each(|draft| draft.result = false);
    let needs = vec![(assemble::NAME.to_owned(), OnFailure::Cancel)];
    drafts.push(Draft { needs, ..Draft::only(result::NAME, json_of(&composed.details)?) });
    Ok(drafts)
}
