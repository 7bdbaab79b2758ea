//! A look at a composition without making it.

use crate::composition::Composition;
use crate::kinds::{segment, sound};
use crate::plan::{Facts, Rate, Ratio, RenderPlan};
use crate::sources::Slot;
use common::fault::Fault;
use common::id::Digest;
use common::key::{input_key, task_key};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

/// What a composition comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// How long it is, in seconds.
    pub duration: Ratio,
    /// Frames in all.
    pub frames: u64,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Frames a second.
    pub rate: Rate,
    /// The segments, in order.
    pub segments: Vec<SegmentSummary>,
    /// The key of the sound's task, where there is sound: the same key found again means the sound is there.
    pub sound: Option<Digest>,
    /// What was taken otherwise than may have been meant.
    pub warnings: Vec<String>,
}

/// One segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentSummary {
    /// The frame of the whole that it begins on.
    pub start: u64,
    /// Its frames.
    pub frames: u64,
    /// The key of its task: the same key found again means it is rendered.
    pub key: Digest,
}

/// Compiles a composition and says what it comes to.
///
/// # Errors
/// Those of [`crate::compile`].
pub fn check(composition: &Composition, facts: &BTreeMap<Slot, Facts>) -> Result<Summary, Vec<Fault>> {
    crate::compile(composition, facts).map(|plan| summary(&plan))
}

/// What a plan comes to.
pub fn summary(plan: &RenderPlan) -> Summary {
    let assemble = &plan.assemble;
    let mut start = 0;
    let segments = plan.segments.iter().map(|segment| {
        let summary = SegmentSummary {
            start,
            frames: segment.frames,
            key: task_key(input_key(segment::NAME, segment::SPEC.version, &json!(segment)), &[]),
        };
        start += segment.frames;
        summary
    });
    let segments: Vec<SegmentSummary> = segments.collect();
    let heard = plan.sound.as_ref().map(|sound| {
        Ratio::new(i64::try_from(sound.samples).unwrap_or(i64::MAX), i64::from(sound.recipe.rate.max(1)))
            .unwrap_or(Ratio::ZERO)
    });
    let seen = (assemble.frames > 0).then(|| assemble.rate.seconds(assemble.frames));
    Summary {
        duration: seen.or(heard).unwrap_or(Ratio::ZERO),
        frames: assemble.frames,
        width: assemble.width,
        height: assemble.height,
        rate: assemble.rate,
        segments,
        sound: plan.sound.as_ref().map(|part| task_key(input_key(sound::NAME, sound::SPEC.version, &json!(part)), &[])),
        warnings: plan.warnings.clone(),
    }
}
