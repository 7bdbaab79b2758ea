//! `assemble`: segments and sound into one file, by stream copy. Needs the segments in order, then the sound where there is one;
//! its answer is the result of a `render` job.

use std::time::Duration;

use common::{id::Digest, kind::KindSpec, queue::Queue, retry::RetryPolicy};
use serde::{Deserialize, Serialize};

use crate::plan::{self, ENGINE_VERSION};

/// The stored name.
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
    grow: None,
};

/// What it takes besides the needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assembly {
    /// How the parts become one file.
    pub assemble: plan::Assemble,
    /// What the compiler had to say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assembled {
    /// The finished file.
    pub artifact: Digest,
    /// Such as `video/mp4`.
    pub media_type: String,
    /// Seconds.
    pub duration: f64,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Frames a second.
    pub fps: f64,
    /// Frames in all.
    pub frames: u64,
    /// Bytes of the file.
    pub size: u64,
    /// Integrated loudness in LUFS, where there is sound that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loudness: Option<f64>,
    /// A frame as a picture, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poster: Option<Still>,
    /// The same, small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<Still>,
    /// What was made otherwise than asked.
    pub warnings: Vec<String>,
}

/// A picture that belongs to the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Still {
    /// The picture.
    pub artifact: Digest,
}

/// The media type of a format's files.
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
