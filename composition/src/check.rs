//! A look at a composition without making it.

use crate::composition::Composition;
use crate::kinds::{segment, sound};
use crate::plan::{Facts, Rate, Ratio, RenderPlan, Segment, VideoCodec};
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
    /// The same, as a number.
    pub seconds: f64,
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
    /// What rendering it takes of a core, in milliseconds: an estimate.
    pub cost_ms: u64,
    /// What it adds to the file, in bytes: an estimate.
    pub bytes: u64,
}

/// Compiles a composition and says what it comes to.
///
/// # Errors
/// Those of [`crate::compile`].
pub fn check(
    composition: &Composition,
    facts: &BTreeMap<Slot, Facts>,
) -> Result<Summary, Vec<Fault>> {
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
            cost_ms: cost_ms(segment),
            bytes: bytes(segment),
        };
        start += segment.frames;
        summary
    });
    let segments: Vec<SegmentSummary> = segments.collect();
    let heard = plan.sound.as_ref().map(|sound| {
        Ratio::new(
            i64::try_from(sound.samples).unwrap_or(i64::MAX),
            i64::from(sound.recipe.rate.max(1)),
        )
        .unwrap_or(Ratio::ZERO)
    });
    let seen = (assemble.frames > 0).then(|| assemble.rate.seconds(assemble.frames));
    let duration = seen.or(heard).unwrap_or(Ratio::ZERO);
    Summary {
        duration,
        seconds: duration.to_f64(),
        frames: assemble.frames,
        width: assemble.width,
        height: assemble.height,
        rate: assemble.rate,
        segments,
        sound: plan
            .sound
            .as_ref()
            .map(|part| task_key(input_key(sound::NAME, sound::SPEC.version, &json!(part)), &[])),
        warnings: plan.warnings.clone(),
    }
}

/// Pixels that one core composites and encodes in a millisecond, by codec and effort: what scripts/bench saw on a server's core, rounded
/// down. Pictures differ by a factor of two either way, which is why this is an estimate.
fn pixels_per_ms(segment: &Segment) -> u64 {
    match (segment.recipe.codec, segment.recipe.quality.effort) {
        (VideoCodec::H264, 0..=2) => 40_000,
        (VideoCodec::H264, _) => 18_000,
        (VideoCodec::H265, _) => 5_000,
        (VideoCodec::Vp9, _) => 6_000,
        (VideoCodec::Ffv1, _) => 25_000,
    }
}

/// Starting a child, opening sources and reading the result back.
const SEGMENT_MS: u64 = 80;

fn cost_ms(segment: &Segment) -> u64 {
    SEGMENT_MS + pixels(segment) / pixels_per_ms(segment)
}

/// Six steps of the rate factor halve the bits. At the codecs' medium factors pictures with a little grain take about a twelfth of a bit
/// for a pixel.
fn bytes(segment: &Segment) -> u64 {
    let medium = match segment.recipe.codec {
        VideoCodec::H264 => 23.0,
        VideoCodec::H265 => 28.0,
        VideoCodec::Vp9 => 31.0,
        // Kept without loss, and made into pictures of about a byte a pixel afterwards.
        VideoCodec::Ffv1 => return pixels(segment),
    };
    let finer = (medium - f64::from(segment.recipe.quality.crf)) / 6.0;
    (pixels(segment) as f64 * finer.exp2() / 96.0) as u64
}

fn pixels(segment: &Segment) -> u64 {
    u64::from(segment.canvas.width) * u64::from(segment.canvas.height) * segment.frames
}
