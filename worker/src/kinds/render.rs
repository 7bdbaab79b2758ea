//! `render`: compiles a composition against the facts of its sources. It decodes no media, so it
//! needs no media process.

use std::sync::Arc;

use common::{
    error::{ErrorClass, JobError, code},
    fault::Fault,
    kinds::{source::SourceOutput, speech::SpeechOutput},
};
use composition::{
    Composition, Origin,
    kinds::render,
    plan::{Facts, Ratio, RenderPlan, SpokenWord},
};
use media::text::FontFolders;
use serde_json::Value;

use crate::context::{Context, HandlerError, HandlerOutput, json, typed};

pub(super) async fn run(context: &Arc<Context>) -> Result<HandlerOutput, HandlerError> {
    let compiling = |context: &Context| json(&compiled(context, composition::parse)?);
    Ok(HandlerOutput { output: context.compute(compiling).await?, artifacts: Vec::new() })
}

/// Reads the task's composition with `read` and compiles it against the outputs of the task's
/// needs. A long composition takes seconds: call it within [`Context::compute`].
pub(super) fn compiled(
    context: &Context,
    read: fn(&Value) -> Result<Composition, Vec<Fault>>,
) -> Result<RenderPlan, JobError> {
    let composition = read(&context.claimed.input).map_err(JobError::refused)?;
    let facts = facts_of_needs(context, &composition)?;
    Ok(with_machine_fonts(render::run(&composition, facts.clone())?, &facts))
}

/// Returns the facts of a composition's sources. They are the outputs of the task's needs, in their
/// order.
pub(super) fn facts_of_needs(
    context: &Context,
    composition: &Composition,
) -> Result<Vec<Facts>, JobError> {
    let sources = composition::sources(composition);
    let found = sources.into_iter().enumerate().map(|(index, source)| {
        let facts = match source.origin {
            Origin::Fetch { .. } => {
                context.need::<SourceOutput>(index).and_then(|sourced| facts(sourced.facts))
            }
            Origin::Speak(_) => context.need(index).and_then(spoken),
        };
        (source.pointer, facts)
    });
    all_usable(found.collect())
}

/// Returns the facts of all sources, or one error that lists every source that cannot be used. An
/// error that is not the caller's comes first, because it may have caused the others.
pub(super) fn all_usable(
    found: Vec<(String, Result<Facts, JobError>)>,
) -> Result<Vec<Facts>, JobError> {
    let (mut usable, mut faults, mut first) = (Vec::with_capacity(found.len()), Vec::new(), None);
    for (pointer, facts) in found {
        match facts {
            Ok(facts) => usable.push(facts),
            Err(error) if error.class == ErrorClass::Caller => {
                faults.push(Fault::new(pointer, error.detail.clone()));
                first.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    let Some(first) = first else { return Ok(usable) };
    let detail = match faults.len() {
        1 => first.detail,
        count => format!("{count} sources can't be used; `errors` lists them"),
    };
    Err(JobError { detail, errors: faults, ..first })
}

/// Names this machine's fonts in the plan where text may need them. They become part of the
/// segments' keys.
pub(super) fn with_machine_fonts(mut plan: RenderPlan, facts: &[Facts]) -> RenderPlan {
    media::text::set_machine_fonts(&mut plan, facts, &FontFolders::default());
    plan
}

pub(super) fn facts(value: Value) -> Result<Facts, JobError> {
    typed(&value, "facts of a source")
}

/// Returns the facts of a speech, with its words.
pub(super) fn spoken(spoken: SpeechOutput) -> Result<Facts, JobError> {
    let seconds = |ms: u64| {
        let ms = i64::try_from(ms).unwrap_or(i64::MAX);
        Ratio::new(ms, 1000)
            .map_err(|error| JobError::bug(code::INTERNAL, format!("a word's time: {error}")))
    };
    let word = |word: common::kinds::speech::Word| {
        Ok(SpokenWord {
            text: word.word,
            start: seconds(word.start_ms)?,
            end: seconds(word.end_ms)?,
        })
    };
    let words = spoken.words.into_iter().map(word).collect::<Result<_, JobError>>()?;
    Ok(Facts { words, ..facts(spoken.facts)? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_source_that_cannot_be_used_is_reported_with_its_place() {
        let bad =
            |src: &str| Err(JobError::caller(code::BAD_SOURCE, format!("`{src}` does not exist")));
        let both =
            all_usable(vec![("/a".into(), bad("a.mp4")), ("/b".into(), bad("b.mp4"))]).unwrap_err();
        let places: Vec<&str> = both.errors.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!((both.code.as_str(), places), (code::BAD_SOURCE, vec!["/a", "/b"]));
        let one = all_usable(vec![("/a".into(), bad("a.mp4"))]).unwrap_err();
        assert_eq!((one.detail.as_str(), one.errors.len()), ("`a.mp4` does not exist", 1));
        let away = JobError::transient(code::UNAVAILABLE, "the store is away");
        assert_eq!(
            all_usable(vec![("/a".into(), bad("a.mp4")), ("/b".into(), Err(away.clone()))]),
            Err(away)
        );
    }
}
