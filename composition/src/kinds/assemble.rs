//! `assemble`: joins segments and sound into one file, by stream copy. It needs the segments in
//! order, then the sound if there is one. Its output is the result of a `render` job.

use std::time::Duration;

use common::{id::Digest, kind::KindSpec, queue::Queue, retry::RetryPolicy};
use serde::{Deserialize, Serialize};

use crate::plan::{self, ENGINE_VERSION};

/// Stored name of the kind.
pub const NAME: &str = "assemble";

/// The kind; occurs only inside plans.
pub const SPEC: KindSpec = KindSpec {
    name: NAME,
    version: ENGINE_VERSION,
    queue: Queue::Light,
    timeout: Duration::from_secs(2 * 3600),
    max_attempts: 3,
    retry: RetryPolicy::DEFAULT,
    provider: None,
    memo: true,
    plan: None,
    schema: None,
    grow: None,
};

/// Input of an `assemble` task, besides its needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assembly {
    /// How segments and sound become one file.
    pub assemble: plan::Assemble,
    /// Warnings of the compiler.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Output of an `assemble` task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assembled {
    /// The finished file.
    pub artifact: Digest,
    /// Such as `video/mp4`.
    pub media_type: String,
    /// Length in seconds.
    pub duration: f64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: f64,
    /// Number of frames.
    pub frames: u64,
    /// Size of the file in bytes.
    pub size: u64,
    /// Integrated loudness in LUFS; none if the sound has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loudness: Option<f64>,
    /// One frame as a picture, if the output asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poster: Option<Still>,
    /// A small picture of one frame, if the output asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<Still>,
    /// Differences between the file and the composition.
    pub warnings: Vec<String>,
}

/// A picture beside the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Still {
    pub artifact: Digest,
}

/// Media type of a format's files.
pub fn media_type(format: plan::Format) -> &'static str {
    match format {
        plan::Format::Mp4 => "video/mp4",
        plan::Format::Webm => "video/webm",
        plan::Format::Gif => "image/gif",
        plan::Format::Mp3 => "audio/mpeg",
        plan::Format::Wav => "audio/wav",
        plan::Format::Jpg => "image/jpeg",
        plan::Format::Png => "image/png",
        plan::Format::Webp => "image/webp",
    }
}
