//! The protocol between a worker and its media process: one JSON line for each message.
//!
//! The parent writes one `JobRequest` and reads `Reply` lines until the process exits. All types
//! are plain data and hold no libav type. The sandbox, the media process and the engine import
//! this module, and it imports none of them.

mod bounds;
mod job;
mod output;
mod reply;
#[cfg(feature = "test-doubles")]
mod test_job;

pub use bounds::Bounds;
pub use job::{Files, MediaJob};
pub use output::{
    AssembleOutput, Output, PictureOutput, SoundOutput, SpeechOutput, SpokenText, TimedWord,
};
pub use reply::{Confinement, Progress, SandboxPolicy};
pub(crate) use reply::{JobRequest, Reply};
#[cfg(feature = "test-doubles")]
pub use test_job::{EscapeAttempt, TestJob};
