//! Text, as far as it is decided before a font is opened: characters, styles and line breaking.

use super::asset::Gradient;
use super::number::{Micro, Rgba};
use serde::{Deserialize, Serialize};

/// Text in a box (the layer's placement at scale 1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Text {
    /// Runs of one style each; `
    /// ` breaks the line.
    pub runs: Vec<TextRun>,
    /// The horizontal alignment. `start` and `end` follow the paragraph's own direction.
    pub align: Align,
    /// The vertical alignment in the box.
    pub vertical: VerticalAlign,
    /// A line's height, in font sizes.
    pub line_height: Micro,
    /// Space kept free inside the box: top, right, bottom, left, in pixels.
    pub padding: [Micro; 4],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
    /// The treatment of lines that do not fit.
    pub fitting: Fitting,
    /// The most lines: letters shrink, down to half their size, until there are no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_lines: Option<u32>,
    /// The way the text appears, by the clip's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub animation: Option<Animation>,
}

/// A run of text in one style.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TextRun {
    pub text: String,
    pub style: TextStyle,
}

/// The style of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TextStyle {
    /// The font as the caller wrote it (trimmed): a family, a full name or a file's stem. An
    /// unknown font falls back to another with a warning.
    pub family: String,
    /// The size of the em square, in pixels.
    pub size: Micro,
    /// 100 to 900.
    pub weight: u16,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub italic: bool,
    /// The colour, if there is no gradient.
    pub colour: Rgba,
    /// A gradient over the whole block of text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient: Option<Gradient>,
    /// Space added between letters, in pixels.
    #[serde(default, skip_serializing_if = "Micro::is_zero")]
    pub letter_spacing: Micro,
    /// Space added between words, in pixels.
    #[serde(default, skip_serializing_if = "Micro::is_zero")]
    pub word_spacing: Micro,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub underline: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strike: bool,
    /// An outline, drawn behind the fill and centred on the letters' edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stroke: Option<Stroke>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
}

/// An outline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stroke {
    /// The full width, in pixels.
    pub width: Micro,
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
    pub colour: Rgba,
}

/// A coloured area behind text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Background {
    pub colour: Rgba,
    /// The radius of its corners, in pixels.
    pub radius: Micro,
    /// The margin around the lines, in pixels, if the area follows the lines; none fills the box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hug: Option<Micro>,
}

/// Horizontal alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Align {
    Left,
    Centre,
    Right,
    Start,
    End,
    Justify,
}

/// Vertical alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VerticalAlign {
    Top,
    Middle,
    Bottom,
}

/// The treatment of text that is too large for its box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fitting {
    /// Lines break where the language allows, a few lines so that they are about equally long; text
    /// that is too high runs over the box.
    Wrap,
    /// As `wrap`, and all sizes shrink by one factor until the text fits, but no run below `least`.
    Shrink {
        /// The smallest size, in pixels.
        least: Micro,
    },
    /// Lines break only at `
    /// `.
    None,
}

/// The way text appears. Each of `n` units takes `frames·2/(n+1)` and begins `frames/(n+1)` after
/// the one before, so the last one ends on `frames`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Animation {
    pub kind: AnimationKind,
    /// The unit that moves as one.
    pub by: AnimationUnit,
    /// The length of the whole animation in frames, from the clip's first.
    pub frames: u64,
}

/// The motion of a unit of text as it appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AnimationKind {
    /// Fades in.
    FadeIn,
    /// Moves in from a side, fading in.
    SlideIn(super::motion::Direction),
    /// Units appear at once, one after the other.
    Typewriter,
    /// Rises from below its line, hidden by the line's edge.
    Ascend,
    /// Moves in from a short way off.
    Shift(super::motion::Direction),
    /// Letters drop, swing and settle one after the other.
    MovingLetters(super::motion::Direction),
}

/// The unit of text that moves as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AnimationUnit {
    Whole,
    Line,
    Word,
    Character,
}

/// Returns whether a character separates the words of a caption: white space at which a line may
/// break, and the zero-width space, which joins words of scripts that write none.
pub fn separates_words(letter: char) -> bool {
    let unbreakable = matches!(letter, '\u{a0}' | '\u{2007}' | '\u{202f}');
    letter == '\u{200b}' || (letter.is_whitespace() && !unbreakable)
}

/// The words of a caption in order.
pub fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(separates_words).filter(|word| !word.is_empty())
}
