//! The settings of the encoders.

use serde::{Deserialize, Serialize};

/// The encoding of a segment's frames. All segments of a plan share one, so they can be joined by
/// copying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recipe {
    pub codec: VideoCodec,
    pub quality: Quality,
    pub pixel_format: PixelFormat,
    pub colour: ColourTags,
    /// The most frames from one IDR frame to the next. Groups of pictures are closed and of fixed
    /// length, without scene cuts.
    pub gop: u32,
}

/// Video codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VideoCodec {
    /// H.264 by x264.
    H264,
    /// H.265 by x265.
    H265,
    /// VP9 by libvpx.
    Vp9,
    /// Lossless FFV1, for formats that `assemble` encodes as a whole (GIF, pictures, animated
    /// WebP).
    Ffv1,
}

/// The quality of the picture and the effort of the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quality {
    /// The constant rate factor of the codec; ignored by lossless ones.
    pub crf: u8,
    /// The effort, 0 (fastest) to 9 (slowest). For x264 and x265 these are the presets `ultrafast`
    /// (0) to `placebo` (9), with `medium` at 5; libvpx's `cpu-used` is 9 − effort, at most 8.
    pub effort: u8,
}

/// Pixel formats that the engine encodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PixelFormat {
    /// 8-bit 4:2:0.
    Yuv420p,
    /// 8-bit 4:2:0 with alpha.
    Yuva420p,
    /// 8-bit RGB (libav's `bgr0`).
    Rgb,
    /// 8-bit RGB with alpha (libav's `bgra`).
    Rgba,
}

/// Colour tags of the encoded frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ColourTags {
    /// The bt709 matrix, primaries and transfer, in limited range.
    Bt709Limited,
    /// sRGB in full range, for pictures.
    SrgbFull,
}

/// The encoding of the sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SoundRecipe {
    pub codec: SoundCodec,
    /// Bits per second; ignored by PCM.
    pub bitrate: u32,
    /// Samples per second.
    pub rate: u32,
    /// Always 2.
    pub channels: u8,
}

/// Sound codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SoundCodec {
    /// AAC-LC, for MP4.
    Aac,
    /// Opus, for WebM.
    Opus,
    Mp3,
    /// 16-bit PCM, for WAV.
    Pcm16,
}
