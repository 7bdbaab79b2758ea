//! Summaries of a composition that is compiled but not rendered.

use crate::composition::Composition;
use crate::kinds::{segment, sound};
use crate::plan::{Facts, Rate, Ratio, RenderPlan, Segment, VideoCodec};
use crate::sources::SourceKey;
use common::fault::Fault;
use common::id::Digest;
use common::key::{input_key, task_key};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

/// A compiled composition in numbers: length, size, segments and their keys.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The length in seconds, exact.
    pub duration: Ratio,
    /// The length in seconds as a float.
    pub seconds: f64,
    pub frames: u64,
    pub width: u32,
    pub height: u32,
    pub rate: Rate,
    pub segments: Vec<SegmentSummary>,
    /// The key of the sound's task, if there is sound. A task with this key that has run need not
    /// run again.
    pub sound: Option<Digest>,
    /// Settings that were read otherwise than the caller may have meant.
    pub warnings: Vec<String>,
}

/// One segment of a [`Summary`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentSummary {
    /// The frame of the whole video that the segment begins on.
    pub start: u64,
    pub frames: u64,
    /// The key of the segment's task. A task with this key that has run need not run again.
    pub key: Digest,
    /// Estimated rendering time on one core, in milliseconds.
    pub cost_ms: u64,
    /// Estimated size in the finished file, in bytes.
    pub bytes: u64,
}

/// Compiles a composition and summarises the plan.
///
/// ```
/// let document = serde_json::json!({ "timeline": { "tracks": [{
///     "clips": [{ "asset": { "type": "text", "text": "Hello" }, "length": 4 }],
/// }] } });
/// let composition = composition::parse(&document).expect("a valid composition");
/// let summary = composition::check(&composition, &Default::default()).expect("a summary");
/// assert_eq!((summary.seconds, summary.frames), (4.0, 100));
/// for segment in &summary.segments {
///     println!("from frame {}: {} ms, key {}", segment.start, segment.cost_ms, segment.key);
/// }
/// ```
///
/// # Errors
/// The faults of [`crate::compile`].
pub fn check(
    composition: &Composition,
    facts: &BTreeMap<SourceKey, Facts>,
) -> Result<Summary, Vec<Fault>> {
    crate::compile(composition, facts).map(|plan| summary(&plan))
}

/// Summarises a plan that is compiled already.
///
/// ```
/// let document = serde_json::json!({ "timeline": { "tracks": [{
///     "clips": [{ "asset": { "type": "text", "text": "Hello" }, "length": 4 }],
/// }] } });
/// let composition = composition::parse(&document).expect("a valid composition");
/// let plan = composition::compile(&composition, &Default::default()).expect("a plan");
/// assert_eq!(composition::summary(&plan).segments.len(), plan.segments.len());
/// ```
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
    let sound_length = plan.sound.as_ref().map(|sound| {
        Ratio::new(
            i64::try_from(sound.samples).unwrap_or(i64::MAX),
            i64::from(sound.recipe.rate.max(1)),
        )
        .unwrap_or(Ratio::ZERO)
    });
    let video_length = (assemble.frames > 0).then(|| assemble.rate.seconds(assemble.frames));
    let duration = video_length.or(sound_length).unwrap_or(Ratio::ZERO);
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
            .map(|item| task_key(input_key(sound::NAME, sound::SPEC.version, &json!(item)), &[])),
        warnings: plan.warnings.clone(),
    }
}

/// Pixels that one core composites and encodes in a millisecond, by codec and effort: measured by
/// scripts/bench on a server's core, rounded down. Real pictures differ from this by up to a factor
/// of two.
fn pixels_per_ms(segment: &Segment) -> u64 {
    match (segment.recipe.codec, segment.recipe.quality.effort) {
        (VideoCodec::H264, 0..=2) => 40_000,
        (VideoCodec::H264, _) => 18_000,
        (VideoCodec::H265, _) => 5_000,
        (VideoCodec::Vp9, _) => 6_000,
        (VideoCodec::Ffv1, _) => 25_000,
    }
}

/// Milliseconds to start a media process, open the sources and read the result back.
const SEGMENT_MS: u64 = 80;

fn cost_ms(segment: &Segment) -> u64 {
    SEGMENT_MS + pixels(segment) / pixels_per_ms(segment)
}

/// The estimated size of an encoded segment. Six steps of the rate factor halve the bits. At the
/// codecs' medium factors pictures with a little grain take about a twelfth of a bit per pixel.
fn bytes(segment: &Segment) -> u64 {
    let medium = match segment.recipe.codec {
        VideoCodec::H264 => 23.0,
        VideoCodec::H265 => 28.0,
        VideoCodec::Vp9 => 31.0,
        // FFV1 is lossless; the pictures made from it take about a byte per pixel.
        VideoCodec::Ffv1 => return pixels(segment),
    };
    let halvings = (medium - f64::from(segment.recipe.quality.crf)) / 6.0;
    (pixels(segment) as f64 * halvings.exp2() / 96.0) as u64
}

fn pixels(segment: &Segment) -> u64 {
    u64::from(segment.canvas.width) * u64::from(segment.canvas.height) * segment.frames
}
