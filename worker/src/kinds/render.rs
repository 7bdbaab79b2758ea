//! `render`: compiles a composition against the facts of its sources. Pure, so it needs no child.

use common::{
    error::{JobError, code},
    kinds::{source::Sourced, speech::Spoken},
};
use composition::{
    Composition, Origin,
    kinds::render,
    plan::{Facts, Ratio, RenderPlan, SpokenWord},
};
use media::text::FontFolders;
use serde_json::Value;

use super::{Context, Done, Ended, json, typed};

pub(super) async fn run(context: &Context) -> Result<Done, Ended> {
    let composition = composition::parse(&context.claimed.input).map_err(JobError::refused)?;
    Ok(Done { output: json(&compiled(context, &composition).await?)?, artifacts: Vec::new() })
}

/// A composition compiled against what the task's needs came to.
pub(super) async fn compiled(context: &Context, composition: &Composition) -> Result<RenderPlan, JobError> {
    let facts = brought(context, composition)?;
    name_fonts(render::run(composition, facts.clone())?, facts).await
}

/// The facts of a composition's sources, which are the task's needs, in their order.
pub(super) fn brought(context: &Context, composition: &Composition) -> Result<Vec<Facts>, JobError> {
    let wanted = composition::sources(composition);
    let facts = wanted.iter().enumerate().map(|(index, source)| match source.origin {
        Origin::Fetch { .. } => facts(context.need::<Sourced>(index)?.facts),
        Origin::Speak(_) => spoken(context.need(index)?),
    });
    facts.collect()
}

/// The plan with this machine's fonts named where they can show: the segments' keys are made from it.
pub(super) async fn name_fonts(mut plan: RenderPlan, facts: Vec<Facts>) -> Result<RenderPlan, JobError> {
    let naming = tokio::task::spawn_blocking(move || {
        media::text::name_fonts(&mut plan, &facts, &FontFolders::default());
        plan
    });
    naming.await.map_err(|error| JobError::bug(code::INTERNAL, format!("naming the fonts of a plan: {error}")))
}

pub(super) fn facts(value: Value) -> Result<Facts, JobError> {
    typed(&value, "facts of a source")
}

/// The facts of a spoken sound, with its words.
pub(super) fn spoken(spoken: Spoken) -> Result<Facts, JobError> {
    let seconds = |ms: u64| {
        let ms = i64::try_from(ms).unwrap_or(i64::MAX);
        Ratio::new(ms, 1000).map_err(|error| JobError::bug(code::INTERNAL, format!("a word's time: {error}")))
    };
    let word = |word: common::kinds::speech::Word| {
        Ok(SpokenWord { text: word.word, start: seconds(word.start_ms)?, end: seconds(word.end_ms)? })
    };
    let words = spoken.words.into_iter().map(word).collect::<Result<_, JobError>>()?;
    Ok(Facts { words, ..facts(spoken.facts)? })
}
