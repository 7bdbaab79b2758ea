//! Captions: the cues that a segment shows, and how spoken words are marked.

use super::number::{Micro, Rgba};
use super::text::{Stroke, Text};
use serde::{Deserialize, Serialize};

/// Cues and their style.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Captions {
    /// The cues that show, by time. Two that overlap are both drawn, the earlier one above.
    pub cues: Vec<Cue>,
    /// The style: one run with an empty text. Each cue's text takes its place.
    pub look: Text,
    /// The way the spoken word is marked; none for plain captions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<WordStyle>,
    /// Set if letters become capitals.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub capitals: bool,
}

/// A caption text and its frames, counted from the segment's first. A cue is cut to the segment,
/// unless its words are animated: then frames before the segment are negative.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cue {
    /// The first frame.
    pub from: i64,
    /// The frame after the last.
    pub to: i64,
    /// The lines, separated by `
    /// `.
    pub text: String,
    /// The times of the words, if they matter: the words of `text` in order, split at white space.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<CaptionWord>,
}

/// A word and the frames in which it is spoken, counted from the segment's first.
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

/// The way the spoken word is marked among the others of its cue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WordStyle {
    /// The word takes another colour, and may have a patch behind it.
    #[serde(rename_all = "camelCase")]
    Highlight {
        /// The letters' colour.
        colour: Rgba,
        /// The patch's colour; transparent for none.
        patch: Rgba,
        /// The letters' outline, if it differs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stroke: Option<Stroke>,
    },
    /// The word takes another colour and keeps it, as in karaoke.
    Fill {
        /// The colour of words that have been spoken.
        colour: Rgba,
    },
    /// The word grows to `scale` and back over its first `frames`.
    #[serde(rename_all = "camelCase")]
    Pop {
        /// The colour while it is spoken.
        colour: Rgba,
        /// The largest size, as a factor.
        scale: Micro,
        /// The length of the motion, in frames.
        frames: u64,
    },
    /// The word rises by `height` and falls back over its first `frames`.
    #[serde(rename_all = "camelCase")]
    Bounce {
        /// The colour while it is spoken.
        colour: Rgba,
        /// The height, in font sizes.
        height: Micro,
        /// The length of the motion, in frames.
        frames: u64,
    },
    /// Words come in one by one from below, fading in over their first `frames`, and stay.
    #[serde(rename_all = "camelCase")]
    Slide {
        /// The colour while it is spoken.
        colour: Rgba,
        /// The distance, in font sizes.
        distance: Micro,
        /// The length of the motion, in frames.
        frames: u64,
    },
    /// Words appear one by one as they are spoken, and stay.
    Typewriter {
        /// The colour while it is spoken.
        colour: Rgba,
    },
}
