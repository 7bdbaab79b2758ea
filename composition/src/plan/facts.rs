//! Facts about a source: the result of a probe.
//!
//! Facts are an argument of `compile`; only what they decide enters the plan. Names of codecs,
//! formats and colours are libav's own.

use super::number::{Ratio, SourceHash};
use serde::{Deserialize, Serialize};

/// The result of probing a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    pub hash: SourceHash,
    /// The demuxer's name, or `svg`, `font`, `subtitles`.
    pub container: String,
    /// The playing time in seconds; none for a still picture or a file without a clock.
    pub duration: Option<Ratio>,
    /// Set for a single still picture. An animated GIF or WebP is not one.
    pub image: bool,
    /// Set if the file is several put behind each other, whose times begin again in each. Its parts
    /// are played one after the other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joined: bool,
    /// The picture streams, the one to use first. A still picture or an SVG has exactly one.
    pub video: Vec<VideoFacts>,
    /// The sound streams, the one to use first.
    pub audio: Vec<AudioFacts>,
    /// The times of the words of a speech.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<SpokenWord>,
    /// The text of a subtitle file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The faces of a font file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faces: Vec<FontFace>,
    /// Set if an SVG contains text, which depends on fonts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub writes: bool,
}

impl Facts {
    /// The facts of a file without a stream, a word or a face, in which more are set.
    pub fn empty(hash: SourceHash, container: &str) -> Self {
        Self {
            hash,
            container: container.to_owned(),
            duration: None,
            image: false,
            joined: false,
            video: Vec::new(),
            audio: Vec::new(),
            words: Vec::new(),
            text: None,
            faces: Vec::new(),
            writes: false,
        }
    }
}

/// One picture stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoFacts {
    /// The stream's index in the container.
    pub index: u32,
    pub codec: String,
    /// The width in pixels as stored: before rotation and before `sar`.
    pub width: u32,
    /// The height in pixels as stored.
    pub height: u32,
    /// Degrees to turn clockwise for display: 0, 90, 180 or 270.
    pub rotation: u16,
    /// The shape of a stored pixel, width over height; 1 if unknown.
    pub sar: Ratio,
    /// The average number of frames per second; none if unknown.
    pub rate: Option<Ratio>,
    /// Set if the frames are unevenly spaced.
    pub variable_rate: bool,
    /// The number of frames, if the container states it or they were counted.
    pub frames: Option<u64>,
    pub pixel_format: String,
    /// Bits per component.
    pub bits: u8,
    pub colour: ColourFacts,
    /// Set if each frame consists of two fields.
    pub interlaced: bool,
    /// Set if pixels have alpha.
    pub alpha: bool,
    /// The time of the first frame after the start of the source, in seconds.
    pub start: Ratio,
    /// The times at which decoding can begin, in seconds after the start, ascending; empty if not
    /// indexed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keyframes: Vec<Ratio>,
}

impl VideoFacts {
    /// The size on a screen of square pixels, rotation applied: rounded to whole pixels, at least
    /// one.
    pub fn shown_size(&self) -> (u32, u32) {
        let wide = Ratio::whole(i64::from(self.width)).times(self.sar).round_half_up();
        let wide = u32::try_from(wide.max(1)).unwrap_or(self.width.max(1));
        let high = self.height.max(1);
        if self.rotation % 180 == 90 { (high, wide) } else { (wide, high) }
    }
}

/// The colour tags of a stream; `unknown` where untagged.
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
    pub codec: String,
    /// Samples per second.
    pub rate: u32,
    pub channels: u32,
    /// The time of the first sample after the start of the source, in seconds.
    pub start: Ratio,
    /// The stream's length in seconds, if known.
    pub duration: Option<Ratio>,
}

/// A word of a speech and its times, in seconds from the start of the speech.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpokenWord {
    /// The word, with its punctuation.
    pub text: String,
    pub start: Ratio,
    pub end: Ratio,
}

/// A face in a font file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FontFace {
    pub family: String,
    pub full_name: String,
    /// The weight, 100 to 900; the default one of a variable font.
    pub weight: u16,
    /// The least and the greatest weight of a variable font.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<(u16, u16)>,
    pub italic: bool,
}
