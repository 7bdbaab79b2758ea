//! Captions: the cues a segment shows, word by word where words are lit.

use super::number::{Micro, Rgba};
use super::text::{Stroke, Text};
use serde::{Deserialize, Serialize};

/// Cues and their look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Captions {
    /// The cues that show, by time. Where two overlap, both are drawn, the earlier above.
    pub cues: Vec<Cue>,
    /// The look: one run whose writing is empty gives the style; each cue's own words are set in its place.
    pub look: Text,
    /// How the word that is being said stands out; none for plain captions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<WordStyle>,
    /// Letters become capitals.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub capitals: bool,
}

/// What is written from one frame to another. Frames count from the segment's first; those before it are negative where a
/// word's motion needs them, else the cue is cut to the segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cue {
    /// The first frame.
    pub from: i64,
    /// The frame after the last.
    pub to: i64,
    /// The lines, with `\n` between.
    pub text: String,
    /// When each word is said, where that matters: they are the words of `text` in order, split at white space.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<CaptionWord>,
}

/// When a word is said, in frames from the segment's first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CaptionWord {
    /// The word as written in the cue.
    pub text: String,
    /// The first frame.
    pub from: i64,
    /// The frame after the last.
    pub to: i64,
}

/// How the word that is being said stands out from the others of its cue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WordStyle {
    /// It takes another colour, and may stand on a patch.
    #[serde(rename_all = "camelCase")]
    Highlight {
        /// The letters' colour.
        colour: Rgba,
        /// The patch's colour, clear for none.
        patch: Rgba,
        /// The letters' outline, where it differs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stroke: Option<Stroke>,
    },
    /// It takes another colour and stays so: karaoke.
    Fill {
        /// The colour of what has been said.
        colour: Rgba,
    },
    /// It grows to `scale` and back over its first `frames`.
    #[serde(rename_all = "camelCase")]
    Pop {
        /// Its colour meanwhile.
        colour: Rgba,
        /// The largest size, as a factor.
        scale: Micro,
        /// How long that takes, in frames.
        frames: u64,
    },
    /// It rises by `height` and falls back over its first `frames`.
    #[serde(rename_all = "camelCase")]
    Bounce {
        /// Its colour meanwhile.
        colour: Rgba,
        /// How high, in font sizes.
        height: Micro,
        /// How long that takes, in frames.
        frames: u64,
    },
    /// Words come in one by one from below, growing opaque, over their first `frames`, and stay.
    #[serde(rename_all = "camelCase")]
    Slide {
        /// The colour while it is being said.
        colour: Rgba,
        /// How far, in font sizes.
        distance: Micro,
        /// How long that takes, in frames.
        frames: u64,
    },
    /// Words appear one by one as they are said, and stay.
    Typewriter {
        /// The colour while it is being said.
        colour: Rgba,
    },
}
