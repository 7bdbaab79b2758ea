//! Writing, as far as it is decided before a font is opened: what is written, how it looks, how it may break.

use super::asset::Gradient;
use super::number::{Micro, Rgba};
use serde::{Deserialize, Serialize};

/// Writing in a box (the layer's placement at scale 1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Text {
    /// The writing, in runs of one style each; `\n` breaks the line.
    pub runs: Vec<TextRun>,
    /// Sideways. `start` and `end` follow the paragraph's own direction.
    pub align: Align,
    /// Up and down in the box.
    pub vertical: VerticalAlign,
    /// A line's height, in font sizes.
    pub line_height: Micro,
    /// Room kept free inside the box: top, right, bottom, left, in pixels.
    pub padding: [Micro; 4],
    /// What lies behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
    /// What happens to lines that do not fit.
    pub fitting: Fitting,
    /// How the writing appears, by the clip's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub animation: Option<Animation>,
}

/// A run of one style.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TextRun {
    /// The writing.
    pub text: String,
    /// Its look.
    pub style: TextStyle,
}

/// The look of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TextStyle {
    /// The font: a family, a full name or a file's stem, as the caller wrote it (trimmed). Unknown ones fall back with a
    /// warning.
    pub family: String,
    /// The size of the em square, in pixels.
    pub size: Micro,
    /// 100 to 900.
    pub weight: u16,
    /// Set if it slants.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub italic: bool,
    /// The colour, where there is no gradient.
    pub colour: Rgba,
    /// A gradient over the whole block of writing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient: Option<Gradient>,
    /// Added between letters, in pixels.
    #[serde(default, skip_serializing_if = "Micro::is_nought")]
    pub letter_spacing: Micro,
    /// Added between words, in pixels.
    #[serde(default, skip_serializing_if = "Micro::is_nought")]
    pub word_spacing: Micro,
    /// A line beneath.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub underline: bool,
    /// A line through.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strike: bool,
    /// An outline, drawn behind the fill and centred on the letters' edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stroke: Option<Stroke>,
    /// A shadow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
}

/// An outline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stroke {
    /// How wide in all, in pixels.
    pub width: Micro,
    /// Its colour.
    pub colour: Rgba,
}

/// A shadow of the letters and their outline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shadow {
    /// Pixels to the right.
    pub x: Micro,
    /// Pixels down.
    pub y: Micro,
    /// The blur's standard deviation, in pixels.
    pub sigma: Micro,
    /// Its colour.
    pub colour: Rgba,
}

/// What lies behind writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Background {
    /// The colour.
    pub colour: Rgba,
    /// The radius of its corners, in pixels.
    pub radius: Micro,
    /// Set if it hugs the lines (with this much room around, in pixels) instead of filling the box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hug: Option<Micro>,
}

/// Sideways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Align {
    Left,
    Centre,
    Right,
    Start,
    End,
    Justify,
}

/// Up and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum VerticalAlign {
    Top,
    Middle,
    Bottom,
}

/// What happens to writing that is too large for its box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fitting {
    /// Lines break where the language lets them; what is too high runs over the box.
    Wrap,
    /// As `wrap`, and all sizes shrink by one factor until it fits, no run below this many pixels.
    Shrink {
        /// The smallest size, in pixels.
        least: Micro,
    },
    /// Lines break only at `\n`.
    None,
}

/// How writing appears. With `n` units each takes `frames·2/(n+1)`, begun `frames/(n+1)` after the one before, so that the last
/// ends on `frames`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Animation {
    /// What a unit does.
    pub kind: AnimationKind,
    /// What moves as one.
    pub by: AnimationUnit,
    /// Frames that the whole takes, from the clip's first.
    pub frames: u64,
}

/// What a unit of writing does as it appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AnimationKind {
    /// Grows opaque.
    FadeIn,
    /// Comes in from a side, growing opaque.
    SlideIn(super::motion::Direction),
    /// Is there at once, one unit after the other.
    Typewriter,
    /// Rises from below its line, behind the line's edge.
    Ascend,
    /// Comes from a little way off in a direction.
    Shift(super::motion::Direction),
    /// Letters drop, swing and settle one after the other.
    MovingLetters(super::motion::Direction),
}

/// What moves as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum AnimationUnit {
    Whole,
    Line,
    Word,
    Character,
}
