//! Derives the resource limits of a media process from its job.
//!
//! The numbers are ceilings against runaway and hostile input, not estimates: honest work should
//! stay under a tenth of each. They grow with the size of the work (pixels, frames, samples) from
//! a floor that suits a slow, shared machine.

use crate::protocol::{Bounds, MediaJob};
use composition::plan::{Assemble, Segment, Sound};
use std::path::Path;
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// Decoders keep about 18 frames in flight, whatever the canvas: 2 GiB is enough for 8K sources of
/// 10 bits, and for a still picture of 200 megapixels with 8 bytes a pixel.
const PICTURE_MEMORY: u64 = 2048 * MIB;
/// Encoder lookahead (x264: 60 frames of 1.5 B, with half-size copies and motion tables), layers
/// of 4 × f32, and slack.
const MEMORY_PER_PIXEL: u64 = 640;
/// Mixing is streamed, so only libav and the threads' stacks need memory.
const LIGHT_MEMORY: u64 = 1024 * MIB;
/// A lossless frame is at most about its raw 4 bytes a pixel.
const FILE_PER_PIXEL: u64 = 5;
const FILE_FLOOR: u64 = 64 * MIB;

const DEADLINE_FLOOR: Duration = Duration::from_secs(120);
const DEADLINE_CEILING: Duration = Duration::from_secs(2 * 3600);
/// A frame of a million pixels may take two seconds: about a hundred times as long as a simple one.
const NANOS_PER_PIXEL: u64 = 2_000;
/// Sound is mixed at about a hundred times real time; a tenth of real time is still accepted.
const NANOS_PER_SAMPLE: u64 = 200_000;
/// A slow disk reads 20 MB a second.
const NANOS_PER_BYTE: u64 = 50;
/// The longest honest pause is one frame after a seek into a long GOP of large frames, or a still
/// picture of 200 megapixels. It counts in processor time.
const STALL: Duration = Duration::from_secs(60);

impl Bounds {
    /// Derives the bounds from the size of a job. A caller's own deadline can only shorten the
    /// derived one: see [`Bounds::within`].
    #[must_use]
    pub fn of(job: &MediaJob) -> Self {
        match job {
            MediaJob::Segment { segment, .. } => Self::of_pictures(segment, segment.frames),
            MediaJob::Still { segment, .. } => Self::of_pictures(segment, 1),
            MediaJob::Sound { sound, .. } => Self::of_sound(sound),
            MediaJob::Assemble { assemble, .. } => Self::of_assembly(assemble),
            MediaJob::Probe { source, .. } => Self::of_reading(source),
            MediaJob::Speech { .. } | MediaJob::Confine => Self::light(),
            #[cfg(feature = "test-doubles")]
            MediaJob::Test(_) => Self::light(),
        }
    }

    /// The same bounds with a deadline of at most `deadline`.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = self.deadline.min(deadline);
        self
    }

    const fn light() -> Self {
        Self {
            memory: LIGHT_MEMORY,
            file_size: 2048 * MIB,
            handles: 256,
            deadline: DEADLINE_FLOOR,
            stall: STALL,
        }
    }

    fn of_reading(source: &Path) -> Self {
        // The media process refuses an unreadable file with a better sentence than this could.
        let bytes = std::fs::metadata(source).map_or(0, |metadata| metadata.len());
        Self {
            // The first frame is decoded, as for pictures.
            memory: PICTURE_MEMORY,
            deadline: deadline(bytes.saturating_mul(NANOS_PER_BYTE)),
            ..Self::light()
        }
    }

    fn of_pictures(segment: &Segment, frames: u64) -> Self {
        let pixels = u64::from(segment.canvas.width) * u64::from(segment.canvas.height);
        let all = pixels.saturating_mul(frames);
        Self {
            memory: PICTURE_MEMORY.saturating_add(pixels.saturating_mul(MEMORY_PER_PIXEL)),
            file_size: FILE_FLOOR.saturating_add(all.saturating_mul(FILE_PER_PIXEL)),
            deadline: deadline(all.saturating_mul(NANOS_PER_PIXEL)),
            ..Self::light()
        }
    }

    fn of_sound(sound: &Sound) -> Self {
        // No codec writes more than uncompressed 16-bit stereo.
        let bytes = sound.samples.saturating_mul(4);
        // Each item is decoded separately, from its trim on.
        let work =
            sound.items.iter().fold(sound.samples, |sum, item| sum.saturating_add(item.samples));
        Self {
            file_size: FILE_FLOOR.saturating_add(bytes.saturating_mul(4)),
            deadline: deadline(work.saturating_mul(NANOS_PER_SAMPLE)),
            ..Self::light()
        }
    }

    fn of_assembly(assemble: &Assemble) -> Self {
        let pixels = u64::from(assemble.width) * u64::from(assemble.height);
        let all = pixels.saturating_mul(assemble.frames);
        Self {
            memory: PICTURE_MEMORY.saturating_add(pixels.saturating_mul(MEMORY_PER_PIXEL)),
            file_size: FILE_FLOOR.saturating_add(all.saturating_mul(FILE_PER_PIXEL)),
            deadline: deadline(all.saturating_mul(NANOS_PER_PIXEL / 10)),
            ..Self::light()
        }
    }
}

fn deadline(nanos: u64) -> Duration {
    (DEADLINE_FLOOR + Duration::from_nanos(nanos)).min(DEADLINE_CEILING)
}
