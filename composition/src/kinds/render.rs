//! `render`: a composition in, a finished file out. Its plan is its sources, a compile, and what
//! the compile adds.

use std::collections::BTreeMap;

use common::{
    error::{JobError, code},
    fault::Fault,
    kind::KindSpec,
    kinds::{source, speech},
    plan::{Draft, OnFailure},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{assemble, deciding, segment, sound};
use crate::{
    Composition, Origin, SourceKey, TakenFor, compile, parse,
    plan::{ENGINE_VERSION, Facts, RenderPlan},
    schema, sources,
};

/// Stored name of the kind.
pub const NAME: &str = "render";

/// The kind. Its own task compiles, which is pure and quick. It grows, so it is not memoised; the
/// tasks that it adds are.
pub const SPEC: KindSpec = deciding(NAME, ENGINE_VERSION, Some(plan), Some(schema), Some(grow));

fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    let composition = parse(input)?;
    Ok(behind_sources(NAME, input, &composition))
}

/// Plans a `source` or `speech` task for each source, and a task of `kind` that needs them all in
/// the order of [`sources`] and holds the result.
pub(super) fn behind_sources(
    kind: &'static str,
    input: &Value,
    composition: &Composition,
) -> Vec<Draft> {
    let wanted = sources(composition).into_iter().zip(1..);
    let drafts = wanted.map(|(wanted, number)| match wanted.origin {
        Origin::Fetch { src, taken_for } => fetching(number, &src, taken_for),
        Origin::Speak(spoken) => draft(speech::NAME, number, json!(spoken)),
    });
    behind(kind, input, drafts.collect())
}

/// Plans a task of `kind` after the given ones. It runs whatever their outcome, so that it can
/// report every failed source at once, each with its pointer.
pub(super) fn behind(kind: &'static str, input: &Value, mut drafts: Vec<Draft>) -> Vec<Draft> {
    let needs = drafts.iter().map(|draft| (draft.name.clone(), OnFailure::Proceed)).collect();
    drafts.push(Draft { needs, ..Draft::only(kind, input.clone()) });
    drafts
}

/// The task that fetches a file.
pub(super) fn fetching(number: usize, src: &str, taken_for: TakenFor) -> Draft {
    draft(source::NAME, number, json!({"src": src, "takenFor": taken_for}))
}

fn draft(kind: &'static str, number: usize, input: Value) -> Draft {
    Draft { name: format!("{kind}-{number}"), kind, input, needs: Vec::new(), result: false }
}

/// Compiles, given the facts of the sources in the order of [`sources`].
pub fn run(composition: &Composition, facts: Vec<Facts>) -> Result<RenderPlan, JobError> {
    let wanted = sources(composition);
    if wanted.len() != facts.len() {
        let detail = format!(
            "{} sources were brought where the composition names {}",
            facts.len(),
            wanted.len()
        );
        return Err(JobError::bug(code::INTERNAL, detail));
    }
    let facts: BTreeMap<SourceKey, Facts> =
        wanted.into_iter().map(|source| source.key).zip(facts).collect();
    compile(composition, &facts).map_err(JobError::refused)
}

/// Plans the tasks of a compiled plan: segments and sound side by side, then `assemble`, which
/// holds the result. The sound cannot be divided, so it comes first: started last, it would run
/// alone while other slots are free.
pub(super) fn grow(_input: &Value, output: &Value) -> Result<Vec<Draft>, JobError> {
    let unreadable =
        |error| JobError::bug(code::INTERNAL, format!("the plan can't be read back: {error}"));
    let plan: RenderPlan = serde_json::from_value(output.clone()).map_err(unreadable)?;
    let mut drafts = Vec::with_capacity(plan.segments.len() + 2);
    if let Some(part) = &plan.sound {
        drafts.push(part_of(sound::NAME.to_owned(), sound::NAME, part)?);
    }
    for (index, part) in plan.segments.iter().enumerate() {
        drafts.push(part_of(format!("segment-{}", index + 1), segment::NAME, part)?);
    }
    // The need of `assemble` for the sound comes after those for the segments.
    let mut needs: Vec<_> =
        drafts.iter().map(|draft| (draft.name.clone(), OnFailure::Cancel)).collect();
    if plan.sound.is_some() {
        needs.rotate_left(1);
    }
    let assembly = assemble::Assembly { assemble: plan.assemble, warnings: plan.warnings };
    let last = part_of(assemble::NAME.to_owned(), assemble::NAME, &assembly)?;
    drafts.push(Draft { needs, result: true, ..last });
    Ok(drafts)
}

fn part_of(name: String, kind: &'static str, part: &impl Serialize) -> Result<Draft, JobError> {
    let input = serde_json::to_value(part)
        .map_err(|error| JobError::bug(code::INTERNAL, format!("{name} is not JSON: {error}")))?;
    Ok(Draft { name, kind, input, needs: Vec::new(), result: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{AudioFacts, Ratio, SourceHash};
    use common::{
        id::JobId,
        kind::Catalog,
        kinds,
        plan::{Overrides, Parent, build},
    };

    fn catalog() -> Catalog {
        Catalog::new(&[kinds::ALL, super::super::ALL])
    }

    fn composition() -> Value {
        json!({
            "timeline": {"background": "#102030", "tracks": [
                {"clips": [{"asset": {"type": "text", "text": "Hello"}, "start": 0, "length": 5}]},
                {"clips": [
                    {"asset": {"type": "speech", "text": "Hello there"}, "start": 0, "length": 5},
                ]},
            ]},
            "output": {"format": "mp4", "size": {"width": 320, "height": 180}, "fps": 25},
        })
    }

    #[test]
    fn sources_come_before_the_compile_which_holds_the_result() {
        let drafts = plan(&composition()).expect("a plan");
        let names: Vec<_> =
            drafts.iter().map(|draft| (draft.name.as_str(), draft.result)).collect();
        assert_eq!(names, [("speech-1", false), ("render", true)]);
        build(job(), drafts, true, Overrides::default(), &catalog()).expect("tasks");
    }

    #[test]
    fn a_compiled_plan_grows_segments_and_an_assemble_that_needs_them_all() {
        let mut silent = composition();
        silent["timeline"]["tracks"].as_array_mut().expect("tracks").pop();
        let compiled = run(&parse(&silent).expect("a composition"), Vec::new()).expect("a plan");
        let drafts =
            grow(&silent, &serde_json::to_value(&compiled).expect("json")).expect("drafts");
        assert!(drafts.len() >= 2);
        let last = drafts.last().expect("assemble");
        assert_eq!(
            (last.kind, last.result, last.needs.len()),
            (assemble::NAME, true, drafts.len() - 1)
        );
        build(job(), drafts, true, Overrides::default(), &catalog()).expect("tasks");
    }

    #[test]
    fn the_sound_is_planned_first_and_needed_last() {
        let spoken = Facts {
            duration: Some(Ratio::whole(5)),
            audio: vec![AudioFacts {
                index: 0,
                codec: "pcm_s16le".into(),
                rate: 22_050,
                channels: 1,
                start: Ratio::ZERO,
                duration: None,
            }],
            ..Facts::empty(SourceHash("00".into()), "wav")
        };
        let compiled =
            run(&parse(&composition()).expect("a composition"), vec![spoken]).expect("a plan");
        let drafts =
            grow(&composition(), &serde_json::to_value(&compiled).expect("json")).expect("drafts");
        let names: Vec<&str> = drafts.iter().map(|draft| draft.name.as_str()).collect();
        let needs: Vec<&str> =
            drafts.last().expect("assemble").needs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["sound", "segment-1", "segment-2", "assemble"]);
        assert_eq!(needs, ["segment-1", "segment-2", "sound"]);
    }

    #[test]
    fn a_fault_keeps_its_place() {
        let faults = plan(&json!({"timeline": {"tracks": []}, "output": {"format": "mp5"}}))
            .expect_err("faults");
        assert!(faults.iter().any(|fault| fault.pointer == "/output/format"), "{faults:?}");
    }

    fn job() -> Parent {
        Parent::Job(JobId::new())
    }
}
