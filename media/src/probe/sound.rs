//! Measures one sound stream, from its first decoded block and the times of its packets.

use super::timeline::PacketTimeline;
use crate::Result;
use crate::sound::reader::SoundReader;
use composition::plan::{AudioFacts, Ratio};
use ffmpeg_next::{Rational, Stream};
use std::path::Path;

/// A rate at which the stream is opened. No sample is read at it.
const ANY_RATE: u32 = 48_000;

/// Decodes the stream's first block and returns the stream's facts. Its length is that of the sound
/// that was encoded: what the encoder added at both ends is not counted.
///
/// # Errors
/// Errors from opening the stream; bad input if nothing decodes.
pub(super) fn facts(
    path: &Path,
    stream: &Stream<'_>,
    timeline: Option<&PacketTimeline>,
) -> Result<AudioFacts> {
    let index = u32::try_from(stream.index()).unwrap_or(u32::MAX);
    let sound = SoundReader::open(path, index, ANY_RATE, 0)?.describe()?;
    let start = sound.start.max(Ratio::ZERO);
    let counted =
        timeline.and_then(|packets| packets.sound_end(start, sound.first_samples, sound.rate));
    let end = [counted, sound.end].into_iter().flatten().min();
    let length = end.map(|end| whole_samples(end.minus(start), sound.rate));
    Ok(AudioFacts {
        index,
        codec: stream.parameters().id().name().to_owned(),
        rate: sound.rate,
        channels: sound.channels,
        start,
        duration: length
            .filter(|length| *length > Ratio::ZERO)
            .or_else(|| container_duration(stream)),
    })
}

/// Rounds a length to samples: containers round times.
fn whole_samples(length: Ratio, rate: u32) -> Ratio {
    let samples = length.times(Ratio::whole(i64::from(rate))).round_half_up();
    Ratio::new(samples, i64::from(rate)).unwrap_or(length)
}

/// Returns the length that the container states, for a file too long to be read whole.
fn container_duration(stream: &Stream<'_>) -> Option<Ratio> {
    let Rational(num, den) = stream.time_base();
    let seconds =
        Ratio::reduced(i128::from(stream.duration()) * i128::from(num), i128::from(den)).ok()?;
    (stream.duration() > 0).then_some(seconds)
}
