//! The last step of a plan: the parts become one file.

use super::number::{Micro, Rate};
use super::recipe::{SoundCodec, VideoCodec};
use serde::{Deserialize, Serialize};

/// The last step: joins the segments, in order, and the sound into one file, and takes pictures
/// from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assemble {
    pub format: Format,
    pub width: u32,
    pub height: u32,
    pub rate: Rate,
    /// Frames of all segments; 0 if the format has sound alone.
    pub frames: u64,
    /// The number of segments.
    pub segments: u32,
    /// The number of frames of each segment: timestamps follow from a segment's index alone.
    pub segment_frames: Vec<u64>,
    /// The segments' codec; none if the format has sound alone.
    pub video: Option<VideoCodec>,
    /// The sound's codec, if there is sound.
    pub sound: Option<SoundCodec>,
    /// A picture of one frame at full size, as JPEG.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poster: Option<Poster>,
    /// A smaller picture of one frame, as JPEG.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<Poster>,
    /// How often a GIF or an animated WebP plays; none repeats for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plays: Option<u32>,
    pub tags: Tags,
}

/// The formats of a finished file. GIFs and pictures are encoded by this step from lossless
/// segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
    /// The frame, counted over all segments.
    pub frame: u64,
    /// The picture's size, as a factor of the canvas.
    pub scale: Micro,
}

/// The metadata written into the file: no dates, and no encoder's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tags {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}
