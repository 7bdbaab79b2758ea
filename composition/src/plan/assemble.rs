//! How the parts become one file.

use super::number::{Micro, Rate};
use super::recipe::{SoundCodec, VideoCodec};
use serde::{Deserialize, Serialize};

/// The last step: segments in order, and the sound, into one file; and the pictures taken from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assemble {
    /// The file to make.
    pub format: Format,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Frames a second.
    pub rate: Rate,
    /// Frames in all; 0 where the format is sound alone.
    pub frames: u64,
    /// How many segments come in, in order.
    pub segments: u32,
    /// The frames of each, so that timestamps follow from the index alone.
    pub segment_frames: Vec<u64>,
    /// The segments' codec; none where the format is sound alone.
    pub video: Option<VideoCodec>,
    /// The sound's codec, where there is sound.
    pub sound: Option<SoundCodec>,
    /// A picture of one frame at full size, as JPEG.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poster: Option<Poster>,
    /// A picture of one frame, smaller, as JPEG.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<Poster>,
    /// How often a GIF or animated WebP plays; none for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plays: Option<u32>,
    /// What is written into the file about itself.
    pub tags: Tags,
}

/// Files that can be made. Those whose name is a picture or a GIF are encoded from lossless segments by this step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Format {
    Mp4,
    Webm,
    Gif,
    Mp3,
    Wav,
    Jpg,
    Png,
    Webp,
}

/// A picture of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Poster {
    /// Which frame of the whole.
    pub frame: u64,
    /// Its size, as a factor of the canvas.
    pub scale: Micro,
}

/// What the file says about itself; no dates, no encoder's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tags {
    /// A title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}
