//! Measures one sound stream, from its first decoded block and the times of its packets.

use super::timeline::PacketTimeline;
use crate::Result;
use crate::sound::reader::SoundReader;
use composition::plan::{AudioFacts, Ratio};
use ffmpeg_next::{Rational, Stream};
use std::path::Path;

/// A rate at which the stream is opened. No sample is read at it.
const ANY_RATE: u32 = 48_000;

/// Decodes the stream's first block and returns the stream's facts.
///
/// # Errors
/// Errors from opening the stream; bad input if nothing decodes.
pub(super) fn facts(
    path: &Path,
    stream: &Stream<'_>,
    timeline: Option<&PacketTimeline>,
) -> Result<AudioFacts> {
    let index = u32::try_from(stream.index()).unwrap_or(u32::MAX);
    let format = SoundReader::open(path, index, ANY_RATE, 0)?.format()?;
    let start = timeline.map_or(Ratio::ZERO, PacketTimeline::start);
    let counted = timeline.and_then(PacketTimeline::end).map(|end| end.minus(start));
    Ok(AudioFacts {
        index,
        codec: stream.parameters().id().name().to_owned(),
        rate: format.rate,
        channels: format.channels,
        start,
        duration: container_duration(stream).or(counted),
    })
}

/// Returns the container's duration, which excludes what the encoder added to fill its frames.
fn container_duration(stream: &Stream<'_>) -> Option<Ratio> {
    let Rational(num, den) = stream.time_base();
    let seconds =
        Ratio::reduced(i128::from(stream.duration()) * i128::from(num), i128::from(den)).ok()?;
    (stream.duration() > 0).then_some(seconds)
}
