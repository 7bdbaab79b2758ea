//! How frames and samples become packets.

use serde::{Deserialize, Serialize};

/// How a segment's frames are encoded. All segments of a plan share one, so that they can be joined by copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recipe {
    /// The codec.
    pub codec: VideoCodec,
    /// How good.
    pub quality: Quality,
    /// How the pixels are stored.
    pub pixel_format: PixelFormat,
    /// How the numbers mean colours.
    pub colour: ColourTags,
    /// Frames from one IDR to the next at most; closed GOPs, fixed, no scene cuts.
    pub gop: u32,
}

/// Codecs of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VideoCodec {
    /// H.264 by x264.
    H264,
    /// H.265 by x265.
    H265,
    /// VP9 by libvpx.
    Vp9,
    /// Lossless FFV1: for formats that `assemble` encodes as a whole (GIF, pictures, animated WebP).
    Ffv1,
}

/// How good, and how hard the encoder tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quality {
    /// The constant rate factor of the codec; ignored by lossless ones.
    pub crf: u8,
    /// The effort, 0 fastest to 9 slowest: x264's and x265's presets `ultrafast` (0) … `placebo` (9), `medium` being 5; libvpx's
    /// `cpu-used` is 9 − effort, at most 8.
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

/// How the encoded numbers mean colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ColourTags {
    /// bt709 matrix, primaries and transfer, limited range.
    Bt709Limited,
    /// sRGB, full range: for pictures.
    SrgbFull,
}

/// How the sound is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SoundRecipe {
    /// The codec.
    pub codec: SoundCodec,
    /// Bits a second; ignored by PCM.
    pub bitrate: u32,
    /// Samples a second.
    pub rate: u32,
    /// Channels: 2.
    pub channels: u8,
}

/// Codecs of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SoundCodec {
    /// AAC-LC, for MP4.
    Aac,
    /// Opus, for WebM.
    Opus,
    /// MP3.
    Mp3,
    /// 16-bit PCM, for WAV.
    Pcm16,
}
