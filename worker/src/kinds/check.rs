//! `check`: compiles a composition or a job's estimate and describes the result. The store, not the
//! worker, knows which of its segments and calls are in the cache.

use std::sync::Arc;

use common::{
    error::JobError,
    kinds::{
        script::{self, Script},
        source::SourceOutput,
    },
    plan::Draft,
    provenance::Provenance,
};
use composition::{
    Composition, Origin,
    kinds::{
        check::{self, CheckInput},
        estimate,
        render::run as compile,
        video::{
            DefaultPicture, Story, VideoInput,
            compose::{self, SceneInputs, ScenePicture},
        },
    },
    plan::{Facts, RenderPlan},
};
use serde_json::{Value, json};

use super::{render, video};
use crate::{
    context::{Context, HandlerError, HandlerOutput, json as to_json},
    providers::{Providers, outline},
};

pub(super) async fn run(
    context: &Arc<Context>,
    providers: &Providers,
) -> Result<HandlerOutput, HandlerError> {
    let prompts = [false, true].map(|motion| providers.read_prompts(motion));
    let (mut summary, calls) = context.compute(move |context| checked(context, prompts)).await?;
    let estimate = |call: &Draft| providers.estimate(call);
    let calls = calls.iter().map(estimate).collect::<Result<Vec<_>, JobError>>()?;
    summary["calls"] = to_json(&calls)?;
    Ok(HandlerOutput { output: summary, artifacts: Vec::new() })
}

/// Returns the summary and the tasks that would ask a provider. `prompts` says for still and moving
/// pictures whether a painter follows its prompt.
fn checked(context: &Context, prompts: [bool; 2]) -> Result<(Value, Vec<Draft>), JobError> {
    match check::read_input(&context.claimed.input).map_err(JobError::refused)? {
        CheckInput::Composition(composition) => {
            let plan = compiled(context, &composition)?;
            let calls = check::calls_of_composition(&composition);
            Ok((to_json(&composition::summary(&plan))?, calls))
        }
        CheckInput::Video(input) => checked_video(context, *input, prompts),
        CheckInput::Script(input) => {
            let summary = json!({"seconds": input.duration, "warnings": []});
            Ok((summary, vec![Draft::only(script::NAME, to_json(&input)?)]))
        }
    }
}

fn compiled(context: &Context, composition: &Composition) -> Result<RenderPlan, JobError> {
    let mut needs = 0..;
    let found = composition::sources(composition).into_iter().map(|source| {
        let facts = match source.origin {
            Origin::Fetch { .. } => fetched(context, &mut needs),
            Origin::Speak(input) => estimate::spoken(&input).map(|(_, facts)| facts),
        };
        (source.pointer, facts)
    });
    let facts = render::all_usable(found.collect())?;
    Ok(render::with_machine_fonts(compile(composition, facts.clone())?, &facts))
}

fn fetched(context: &Context, needs: &mut impl Iterator<Item = usize>) -> Result<Facts, JobError> {
    let need = needs.next().unwrap_or(usize::MAX);
    context.need::<SourceOutput>(need).and_then(|sourced| render::facts(sourced.facts))
}

fn checked_video(
    context: &Context,
    input: VideoInput,
    prompts: [bool; 2],
) -> Result<(Value, Vec<Draft>), JobError> {
    let script = input.script_input();
    let picture = match prompts[usize::from(input.motion)] {
        true => DefaultPicture::Words,
        false => DefaultPicture::Position,
    };
    // The words that a model will write are not known. The outline fills the same time.
    let written = script.as_ref().map(outline::script).map(|outline| Script {
        title: outline.title,
        scenes: outline.scenes,
        provenance: Provenance::default(),
    });
    let story = Story::of(input, written, picture)?;
    let mut needs = 0..;
    let mut scenes = Vec::with_capacity(story.scenes.len());
    for (index, scene) in story.scenes.iter().enumerate() {
        let seen = match &scene.clip {
            Some(_) => video::seen(context, needs.next().unwrap_or(usize::MAX), true),
            None => {
                let size = story.input.aspect_ratio.picture();
                estimate::painted(index, size, story.input.motion)
                    .map(|picture| ScenePicture::Generated(Box::new(picture)))
            }
        };
        let spoken = estimate::spoken(&story.input.speech(&scene.text));
        scenes.push(SceneInputs { spoken, seen });
    }
    let music = story.input.music.as_ref().map(|_| fetched(context, &mut needs)).transpose()?;
    let facts = video::facts_of(&scenes, music.as_ref())?;
    let composed = compose::run(&story, scenes, music)?;
    let plan = render::with_machine_fonts(composed.plan, &facts);
    let mut summary = composition::summary(&plan);
    summary.warnings.extend(composed.details.warnings);
    let mut calls = check::calls_of_story(&story)?;
    if let Some(script) = script {
        calls.insert(0, Draft::only(script::NAME, to_json(&script)?));
    }
    Ok((to_json(&summary)?, calls))
}
