//! What is known of a source: the answer of a probe, by content hash.
//!
//! Facts enter `compile`, and only what they decide enters the plan. Names of codecs, formats and colours are libav's own.

use super::number::{Ratio, SourceHash};
use serde::{Deserialize, Serialize};

/// What a probe found in a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// The hash of the source's bytes.
    pub hash: SourceHash,
    /// The demuxer's name, or `svg`, `font`, `subtitles`.
    pub container: String,
    /// How long it plays, in seconds; none for a still picture or a file without a clock.
    pub duration: Option<Ratio>,
    /// Set if it is one still picture (an animated GIF or WebP is not).
    pub image: bool,
    /// Its picture streams, the one to use first. A still picture or an SVG has exactly one.
    pub video: Vec<VideoFacts>,
    /// Its sound streams, the one to use first.
    pub audio: Vec<AudioFacts>,
    /// For speech: when each word is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<SpokenWord>,
    /// For subtitles: the file's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// For a font file: the faces in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faces: Vec<FontFace>,
    /// For an SVG: whether anything is written in it, which fonts decide.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub writes: bool,
}

/// One picture stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoFacts {
    /// The stream's index in the container.
    pub index: u32,
    /// The codec's name.
    pub codec: String,
    /// Pixels across, as stored: before rotation and before `sar`.
    pub width: u32,
    /// Pixels down, as stored.
    pub height: u32,
    /// Degrees to turn clockwise for showing: 0, 90, 180 or 270.
    pub rotation: u16,
    /// The shape of a stored pixel, width over height; 1 where unknown.
    pub sar: Ratio,
    /// Frames a second, on average; none where unknown.
    pub rate: Option<Ratio>,
    /// Set if frames are unevenly spaced.
    pub variable_rate: bool,
    /// How many frames, where the container says so or they were counted.
    pub frames: Option<u64>,
    /// The pixel format's name.
    pub pixel_format: String,
    /// Bits per component.
    pub bits: u8,
    /// Colour tags.
    pub colour: ColourFacts,
    /// Set if frames are made of two fields.
    pub interlaced: bool,
    /// Set if pixels have alpha.
    pub alpha: bool,
    /// The first frame's time after the start of the source, in seconds.
    pub start: Ratio,
    /// Times of the frames decoding can begin at, in seconds after the start, ascending; empty where not indexed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keyframes: Vec<Ratio>,
}

impl VideoFacts {
    /// The size on a screen of square pixels, rotation applied: rounded to whole pixels, at least one.
    pub fn shown_size(&self) -> (u32, u32) {
        let wide = Ratio::whole(i64::from(self.width)).times(self.sar).round_half_up();
        let wide = u32::try_from(wide.max(1)).unwrap_or(self.width.max(1));
        let high = self.height.max(1);
        if self.rotation % 180 == 90 { (high, wide) } else { (wide, high) }
    }
}

/// How a stream's numbers mean colours; `unknown` where untagged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ColourFacts {
    /// `bt709`, `smpte170m`, `bt2020nc`, …
    pub matrix: String,
    /// `bt709`, `bt2020`, …
    pub primaries: String,
    /// `bt709`, `smpte2084`, `arib-std-b67`, …
    pub transfer: String,
    /// `tv` or `pc`.
    pub range: String,
}

/// One sound stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AudioFacts {
    /// The stream's index in the container.
    pub index: u32,
    /// The codec's name.
    pub codec: String,
    /// Samples a second.
    pub rate: u32,
    /// How many channels.
    pub channels: u32,
    /// The first sample's time after the start of the source, in seconds.
    pub start: Ratio,
    /// How long the stream lasts, in seconds, where known.
    pub duration: Option<Ratio>,
}

/// When a word of a speech is said, in seconds from its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpokenWord {
    /// The word, with its punctuation.
    pub text: String,
    /// Its beginning.
    pub start: Ratio,
    /// Its end.
    pub end: Ratio,
}

/// A face in a font file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FontFace {
    /// The family's name.
    pub family: String,
    /// The full name.
    pub full_name: String,
    /// The weight, 100 to 900; the default one of a variable font.
    pub weight: u16,
    /// Set if it slants.
    pub italic: bool,
}
