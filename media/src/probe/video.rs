//! Measures one picture stream, from its first decoded frame and the times of its packets.

use super::timeline::PacketTimeline;
use crate::decode::reader::VideoReader;
use crate::decode::shown_frame::ShownFrame;
use crate::{Result, ffi};
use composition::plan::{ColourFacts, Ratio, VideoFacts};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Rational, Stream, color, frame};
use std::path::Path;

/// Rates above this mean that the container does not know the rate.
const MAX_FRAMES_A_SECOND: i64 = 1_000;

/// Decodes the stream's first frame and returns the stream's facts.
///
/// # Errors
/// Errors from opening the stream; bad input if no frame decodes.
pub(super) fn facts(
    path: &Path,
    stream: &Stream<'_>,
    timeline: Option<&PacketTimeline>,
) -> Result<VideoFacts> {
    let index = u32::try_from(stream.index()).unwrap_or(u32::MAX);
    let mut reader = VideoReader::open(path, index)?;
    let shown = reader.frame_at(Ratio::ZERO)?;
    let variable_rate = timeline.is_some_and(PacketTimeline::is_uneven);
    Ok(VideoFacts {
        index,
        sar: pixel_shape([ffi::stated_pixel_shape(stream), shown.frame.aspect_ratio()]),
        rate: rate(stream, timeline, variable_rate),
        variable_rate,
        frames: timeline
            .map(PacketTimeline::count)
            .or_else(|| u64::try_from(stream.frames()).ok().filter(|n| *n > 0)),
        start: timeline.map_or(Ratio::ZERO, PacketTimeline::start),
        keyframes: timeline.map(PacketTimeline::keyframes).unwrap_or_default(),
        ..still_facts(&shown, stream.parameters().id().name())
    })
}

/// Returns the facts of one frame, which are all of a still picture's.
pub(super) fn still_facts(shown: &ShownFrame<'_>, codec: &str) -> VideoFacts {
    let frame = shown.frame;
    let (bits, alpha) = ffi::bits_and_alpha(frame.format());
    VideoFacts {
        index: 0,
        codec: codec.to_owned(),
        width: frame.width(),
        height: frame.height(),
        rotation: shown.rotation,
        sar: pixel_shape([frame.aspect_ratio()]),
        rate: None,
        variable_rate: false,
        frames: Some(1),
        pixel_format: format_name(frame.format()),
        bits,
        colour: colour(frame),
        interlaced: frame.is_interlaced(),
        alpha,
        start: Ratio::ZERO,
        keyframes: Vec::new(),
    }
}

/// Removes the facts that only a moving picture has.
pub(super) fn make_still(facts: &mut VideoFacts) {
    facts.rate = None;
    facts.frames = Some(1);
    facts.variable_rate = false;
    facts.start = Ratio::ZERO;
    facts.keyframes.clear();
}

/// Returns the first shape that is known. The container's comes before the codec's, as in players:
/// it is the one that tools change without encoding again.
fn pixel_shape(stated: impl IntoIterator<Item = Rational>) -> Ratio {
    stated
        .into_iter()
        .filter_map(|Rational(num, den)| Ratio::new(i64::from(num), i64::from(den)).ok())
        .find(|shape| *shape > Ratio::ZERO)
        .unwrap_or(Ratio::ONE)
}

/// Returns the container's rate if frames are even and their number agrees with it, otherwise the
/// mean.
fn rate(stream: &Stream<'_>, timeline: Option<&PacketTimeline>, variable: bool) -> Option<Ratio> {
    let mean = timeline.and_then(PacketTimeline::mean_rate);
    let stated = [stream.avg_frame_rate(), stream.rate()]
        .into_iter()
        .filter_map(|Rational(num, den)| Ratio::new(i64::from(num), i64::from(den)).ok())
        .find(|rate| *rate > Ratio::ZERO && *rate <= Ratio::whole(MAX_FRAMES_A_SECOND));
    match (stated, mean) {
        (Some(stated), Some(mean)) if variable || !agree(stated, mean) => Some(mean),
        (stated, mean) => stated.or(mean),
    }
}

/// Allows two in a hundred: times rounded to milliseconds, over a few frames.
fn agree(stated: Ratio, mean: Ratio) -> bool {
    (stated.to_f64() / mean.to_f64() - 1.0).abs() < 0.02
}

fn format_name(format: Pixel) -> String {
    format.descriptor().map_or("unknown", |descriptor| descriptor.name()).to_owned()
}

fn colour(frame: &frame::Video) -> ColourFacts {
    let named = |name: Option<&str>| name.unwrap_or("unknown").to_owned();
    let range = match frame.color_range() {
        color::Range::MPEG => Some("tv"),
        color::Range::JPEG => Some("pc"),
        color::Range::Unspecified => None,
    };
    ColourFacts {
        matrix: named(frame.color_space().name()),
        primaries: named(frame.color_primaries().name()),
        transfer: named(frame.color_transfer_characteristic().name()),
        range: named(range),
    }
}
