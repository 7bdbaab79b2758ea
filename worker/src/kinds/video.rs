//! `video` and its own tasks: scenes, composition and result. All of them are pure and cheap. The
//! costly work is in other tasks.

use std::sync::Arc;

use common::{
    error::{JobError, code},
    id::Digest,
    kinds::{source::SourceOutput, speech::SpeechOutput},
    outcome::ArtifactRef,
};
use composition::{
    kinds::{
        assemble::Assembled,
        video::{
            self, DefaultPicture, Story,
            compose::{self, SceneInputs, ScenePicture, VideoDetails},
            result,
        },
    },
    plan::Facts,
};
use serde_json::Value;

use super::render;
use crate::{
    context::{Context, HandlerError, HandlerOutput, json},
    fetch::unavailable,
    providers::Providers,
};

/// Plans the scenes of a script.
pub(super) async fn run(
    context: &Context,
    providers: &Providers,
) -> Result<HandlerOutput, HandlerError> {
    let input = video::parse(&context.claimed.input).map_err(JobError::refused)?;
    let written = if input.script.is_none() { Some(context.need(0)?) } else { None };
    let picture = if providers.read_prompts(input.motion) {
        DefaultPicture::Words
    } else {
        DefaultPicture::Position
    };
    Ok(HandlerOutput { output: json(&Story::of(input, written, picture)?)?, artifacts: Vec::new() })
}

/// Composes the speeches and pictures of the scenes.
pub(super) async fn compose(context: &Arc<Context>) -> Result<HandlerOutput, HandlerError> {
    Ok(HandlerOutput { output: context.compute(composed).await?, artifacts: Vec::new() })
}

fn composed(context: &Context) -> Result<Value, JobError> {
    let story: Story = context.input()?;
    let mut scenes = Vec::with_capacity(story.scenes.len());
    for (index, scene) in story.scenes.iter().enumerate() {
        scenes.push(SceneInputs {
            spoken: spoken(context, 2 * index),
            seen: seen(context, 2 * index + 1, scene.clip.is_some()),
        });
    }
    let music = match &story.input.music {
        Some(_) => {
            Some(render::facts(context.need::<SourceOutput>(2 * story.scenes.len())?.facts)?)
        }
        None => None,
    };
    let facts = facts_of(&scenes, music.as_ref())?;
    let mut composed = compose::run(&story, scenes, music)?;
    composed.plan = render::with_machine_fonts(composed.plan, &facts);
    json(&composed)
}

/// Returns the facts of the clips and the music: these files may contain text.
pub(super) fn facts_of(
    scenes: &[SceneInputs],
    music: Option<&Facts>,
) -> Result<Vec<Facts>, JobError> {
    let clips = scenes.iter().filter_map(|scene| match &scene.seen {
        Ok(ScenePicture::Clip(sourced)) => Some(render::facts(sourced.facts.clone())),
        _ => None,
    });
    clips.chain(music.cloned().map(Ok)).collect()
}

fn spoken(
    context: &Context,
    need: usize,
) -> Result<(SpeechOutput, composition::plan::Facts), JobError> {
    let spoken: SpeechOutput = context.need(need)?;
    let facts = render::spoken(spoken.clone())?;
    Ok((spoken, facts))
}

pub(super) fn seen(
    context: &Context,
    need: usize,
    is_clip: bool,
) -> Result<ScenePicture, JobError> {
    if !is_clip {
        return Ok(ScenePicture::Generated(Box::new(context.need(need)?)));
    }
    let sourced: SourceOutput = context.need(need)?;
    if render::facts(sourced.facts.clone())?.video.is_empty() {
        let detail = "the clip has no picture: give a picture or a film, and sound as `music`";
        return Err(JobError::caller(code::BAD_SOURCE, detail));
    }
    Ok(ScenePicture::Clip(Box::new(sourced)))
}

/// Returns the finished file with the artifacts that it was made from.
pub(super) async fn finish(context: &Context) -> Result<HandlerOutput, HandlerError> {
    let details: VideoDetails = context.input()?;
    let assembled: Assembled = context.need(0)?;
    let mut artifacts = vec![ArtifactRef {
        hash: assembled.artifact,
        bytes: assembled.size,
        media_type: assembled.media_type.clone(),
    }];
    let stills = assembled
        .thumbnail
        .iter()
        .chain(&assembled.poster)
        .map(|still| (still.artifact, "image/jpeg"));
    let images =
        details.scenes.iter().filter_map(|scene| Some((scene.image.as_ref()?.artifact, "image/*")));
    let audio = details.audio.iter().map(|audio| (audio.artifact, "audio/wav"));
    let others: Vec<(Digest, &str)> = stills.chain(images).chain(audio).collect();
    for (hash, media_type) in others {
        artifacts.push(pinned(context, hash, media_type).await?);
    }
    Ok(HandlerOutput { output: result::run(&details, &assembled)?, artifacts })
}

/// Returns the reference that keeps an artifact as long as the result.
async fn pinned(
    context: &Context,
    hash: Digest,
    media_type: &str,
) -> Result<ArtifactRef, JobError> {
    let bytes = context.tools.artifacts.size(&hash).await.map_err(unavailable)?;
    let gone = || {
        JobError::transient(
            code::UNAVAILABLE,
            format!("the artifact {hash} is gone: post the job again"),
        )
    };
    Ok(ArtifactRef { hash, bytes: bytes.ok_or_else(gone)?, media_type: media_type.to_owned() })
}
