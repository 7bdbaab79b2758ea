//! How much a child may take before it is ended, derived from its work.
//!
//! The numbers are ceilings against runaways and hostile input, not estimates: honest work should stay under a tenth of
//! each. So they grow with what honest work grows with (pixels, frames, samples) from a floor that suits a slow and
//! shared machine.

use crate::child::ChildJob;
use composition::plan::{Assemble, Segment, Sound};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// Decoders keep a dozen and a half of frames in flight, whatever the canvas: 2 GiB carries 8K sources of 10 bits.
const PICTURE_MEMORY: u64 = 2048 * MIB;
/// Encoder lookahead (x264: 60 frames of 1.5 B, with half-size copies and motion tables), layers of 4 × f32, and slack.
const MEMORY_PER_PIXEL: u64 = 640;
/// Mixing is streamed; what remains is libav's own and the threads' stacks.
const LIGHT_MEMORY: u64 = 1024 * MIB;
/// A lossless frame is at most about its raw 4 bytes a pixel.
const FILE_PER_PIXEL: u64 = 5;
const FILE_FLOOR: u64 = 64 * MIB;

const DEADLINE_FLOOR: Duration = Duration::from_secs(120);
const DEADLINE_CEILING: Duration = Duration::from_secs(2 * 3600);
/// A frame of a million pixels may take two seconds: some hundred times what a simple one takes.
const NANOS_PER_PIXEL: u64 = 2_000;
/// Sound is mixed at some hundred times real time; a tenth of real time would still be honest.
const NANOS_PER_SAMPLE: u64 = 200_000;
/// A slow disk reads 20 MB a second.
const NANOS_PER_BYTE: u64 = 50;
/// The longest honest pause is one frame after a seek into a long GOP of large frames.
const STALL: Duration = Duration::from_secs(60);

/// What one run may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bounds {
    /// Bytes of memory that it may write to (`RLIMIT_DATA`).
    pub memory: u64,
    /// Bytes in any file it writes (`RLIMIT_FSIZE`).
    pub file_size: u64,
    /// Files it may hold open at once (`RLIMIT_NOFILE`).
    pub handles: u64,
    /// Wall time from start to end. Processor time is bounded by as much per core.
    pub deadline: Duration,
    /// Wall time without progress.
    pub stall: Duration,
}

impl Bounds {
    /// The bounds that a job's size asks for. A caller's own deadline may only shorten this one:
    /// see [`Bounds::within`].
    #[must_use]
    pub fn of(job: &ChildJob) -> Self {
        match job {
            ChildJob::Segment { segment, .. } => Self::of_pictures(segment, segment.frames),
            ChildJob::Still { segment, .. } => Self::of_pictures(segment, 1),
            ChildJob::Sound { sound, .. } => Self::of_sound(sound),
            ChildJob::Assemble { assemble, .. } => Self::of_assembly(assemble),
            ChildJob::Probe { source, .. } => Self::of_reading(source),
            ChildJob::Speech { .. } | ChildJob::Echo(_) => Self::light(),
        }
    }

    /// The same, ended after `deadline` if that is sooner.
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
        // A file that can't be looked at now is refused by the child, and better than here.
        let bytes = std::fs::metadata(source).map_or(0, |metadata| metadata.len());
        Self { deadline: deadline(bytes.saturating_mul(NANOS_PER_BYTE)), ..Self::light() }
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
        // Uncompressed 16-bit stereo bounds what any codec makes of it.
        let bytes = sound.samples.saturating_mul(4);
        // Every item is decoded from its trim on, so several items cost several times.
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
