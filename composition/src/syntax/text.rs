//! Writing as it is written.

use super::asset::{GradientAsset, OutlineForm};
use crate::document::{
    Bounded, Count, Decimal, Definitions, DocumentReader, Flag, Form, Line, Prose, choice, object,
};
use crate::limits::{
    BOX, FONT_SIZE, FONT_WEIGHT, LENGTH, LINE_HEIGHT, PIXELS, RUNS, SHARE, SPACING,
};
use crate::plan::Rgba;
use serde_json::{Value, json};

object! {
    /// Writing in a box.
    pub(crate) struct TextAsset {
        /// The text; `
        /// ` breaks the line. It may be empty where there is a background or there are runs.
        text: Option<Prose> = "text",
        /// More writing, in runs of a look of their own.
        runs: Option<Vec<RunForm>> = "runs" within RUNS,
        /// The font.
        font: Option<FontForm> = "font",
        /// Spacing and decoration.
        style: Option<StyleForm> = "style",
        /// The place in the box; the middle unless said.
        align: Option<AlignForm> = "align",
        /// The background; none unless said.
        background: Option<BackgroundForm> = "background",
        /// Room kept free inside the box, in pixels; without a width or height, a twentieth of the
        /// frame's on each side.
        padding: Option<Padding> = "padding",
        /// An outline of the letters; a black one if there is no colour, shadow or background.
        stroke: Option<OutlineForm> = "stroke",
        /// A shadow of the letters.
        shadow: Option<ShadowForm> = "shadow",
        /// How the writing appears.
        animation: Option<AnimationForm> = "animation",
        /// The treatment of lines too long for the box; `wrap` unless said.
        overflow: Option<Overflow> = "overflow",
        /// The box's width, in pixels; the clip's or the frame's unless said.
        width: Option<Count> = "width" within BOX,
        /// The box's height, in pixels; the clip's or the frame's unless said.
        height: Option<Count> = "height" within BOX,
    }
}

object! {
    /// Writing with a look of its own.
    pub(crate) struct RunForm {
        /// The text of the run.
        text: Prose = "text",
        /// The members of the font that differ.
        font: Option<FontForm> = "font",
        /// The spacing and decoration that differ.
        style: Option<StyleForm> = "style",
    }
}

object! {
    /// A font.
    pub(crate) struct FontForm {
        /// The family, full name or file's stem; `Open Sans` unless said.
        family: Option<Line> = "family",
        /// The size, in pixels; a fifteenth of the frame's shorter side unless said.
        size: Option<Decimal> = "size" within FONT_SIZE,
        /// 100 (thin) to 900 (black); 400 unless said.
        weight: Option<Count> = "weight" within FONT_WEIGHT,
        /// `true` slants the letters.
        italic: Option<Flag> = "italic",
        /// The colour; white unless said.
        color: Option<Rgba> = "color",
        /// 0 to 1; 1 unless said.
        opacity: Option<Decimal> = "opacity" within SHARE,
        /// A line's height, in font sizes; 1.2 unless said.
        line_height: Option<Decimal> = "lineHeight" within LINE_HEIGHT,
    }
}

object! {
    /// Spacing and decoration.
    pub(crate) struct StyleForm {
        /// Added between letters, in pixels.
        letter_spacing: Option<Decimal> = "letterSpacing" within SPACING,
        /// Added between words, in pixels.
        word_spacing: Option<Decimal> = "wordSpacing" within SPACING,
        /// A line's height, in font sizes; 1.2 unless said.
        line_height: Option<Decimal> = "lineHeight" within LINE_HEIGHT,
        /// A change of case.
        text_transform: Option<TextTransform> = "textTransform",
        /// A line through or beneath.
        text_decoration: Option<TextDecoration> = "textDecoration",
        /// A gradient over the writing, in place of the colour.
        gradient: Option<GradientAsset> = "gradient",
    }
}

choice! {
    /// A change of case.
    pub(crate) enum TextTransform {
        /// As written.
        None = "none",
        /// ALL CAPITALS.
        Uppercase = "uppercase",
        /// no capitals.
        Lowercase = "lowercase",
        /// Each Word's First.
        Capitalize = "capitalize",
    }
}

choice! {
    /// A line with the writing.
    pub(crate) enum TextDecoration {
        /// None.
        None = "none",
        /// Beneath.
        Underline = "underline",
        /// Through.
        LineThrough = "line-through",
    }
}

object! {
    /// The place in the box.
    pub(crate) struct AlignForm {
        /// Sideways; `center` unless said.
        horizontal: Option<HorizontalAlign> = "horizontal",
        /// Up and down; `center` unless said (`bottom` for captions).
        vertical: Option<VerticalAlignName> = "vertical",
    }
}

choice! {
    /// Sideways.
    pub(crate) enum HorizontalAlign {
        /// To the left.
        Left = "left",
        /// In the middle.
        Center = "center",
        /// To the right.
        Right = "right",
        /// The side on which the language begins a line.
        Start = "start",
        /// The side on which the language ends a line.
        End = "end",
        /// To both edges.
        Justify = "justify",
    }
}

choice! {
    /// Up and down.
    pub(crate) enum VerticalAlignName {
        /// To the top.
        Top = "top",
        /// In the middle.
        Center = "center",
        /// In the middle.
        Middle = "middle",
        /// To the bottom.
        Bottom = "bottom",
    }
}

object! {
    /// The background of a text.
    pub(crate) struct BackgroundForm {
        /// The colour; none draws nothing.
        color: Option<Rgba> = "color",
        /// 0 to 1; 1 unless said.
        opacity: Option<Decimal> = "opacity" within SHARE,
        /// Room between the writing and the background's edge, in pixels.
        padding: Option<Decimal> = "padding" within PIXELS,
        /// The radius of its corners, in pixels.
        border_radius: Option<Decimal> = "borderRadius" within PIXELS,
        /// `true` fits it to the lines instead of the box.
        wrap: Option<Flag> = "wrap",
    }
}

/// Room on four sides, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Padding {
    /// At the top.
    pub top: Decimal,
    /// At the right.
    pub right: Decimal,
    /// At the bottom.
    pub bottom: Decimal,
    /// At the left.
    pub left: Decimal,
}

object! {
    /// Room on each side, in pixels.
    pub(crate) struct Sides {
        /// At the top.
        top: Option<Decimal> = "top" within PIXELS,
        /// At the right.
        right: Option<Decimal> = "right" within PIXELS,
        /// At the bottom.
        bottom: Option<Decimal> = "bottom" within PIXELS,
        /// At the left.
        left: Option<Decimal> = "left" within PIXELS,
    }
}

impl Form for Padding {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        if value.is_object() {
            let sides = Sides::read(value, reader)?;
            let side = |side: Option<Decimal>| side.unwrap_or(Decimal(crate::plan::Ratio::ZERO));
            return Some(Padding {
                top: side(sides.top),
                right: side(sides.right),
                bottom: side(sides.bottom),
                left: side(sides.left),
            });
        }
        let all = Decimal::read(value, reader)?;
        all.check(&PIXELS, reader);
        Some(Padding { top: all, right: all, bottom: all, left: all })
    }

    fn schema(definitions: &mut Definitions) -> Value {
        let all = PIXELS.restrict(json!({ "type": "number" }));
        json!({ "oneOf": [all, Sides::schema(definitions)] })
    }
}

object! {
    /// A shadow.
    pub(crate) struct ShadowForm {
        /// Pixels to the right; 2 unless said.
        offset_x: Option<Decimal> = "offsetX" within SPACING,
        /// Pixels down; 2 unless said.
        offset_y: Option<Decimal> = "offsetY" within SPACING,
        /// How soft, as the standard deviation in pixels; 2 unless said.
        blur: Option<Decimal> = "blur" within PIXELS,
        /// The colour; black unless said.
        color: Option<Rgba> = "color",
        /// 0 to 1; 0.5 unless said.
        opacity: Option<Decimal> = "opacity" within SHARE,
    }
}

object! {
    /// How writing appears.
    pub(crate) struct AnimationForm {
        /// The animation.
        preset: AnimationPreset = "preset",
        /// The unit that moves as one; the whole unless said (`character` for typewriter and
        /// movingLetters).
        style: Option<AnimationStyle> = "style",
        /// Which way it moves; `up` unless said.
        direction: Option<DirectionName> = "direction",
        /// Seconds that the whole takes; 1 unless said.
        duration: Option<Decimal> = "duration" within LENGTH,
    }
}

choice! {
    /// How writing appears.
    pub(crate) enum AnimationPreset {
        /// Grows opaque.
        FadeIn = "fadeIn",
        /// Comes in from a side.
        SlideIn = "slideIn",
        /// Letter after letter.
        Typewriter = "typewriter",
        /// Rises from its line.
        Ascend = "ascend",
        /// Comes from a little way off.
        Shift = "shift",
        /// Letters swing into place.
        MovingLetters = "movingLetters",
    }
}

choice! {
    /// The unit that moves as one.
    pub(crate) enum AnimationStyle {
        /// All of it.
        Whole = "whole",
        /// A line.
        Line = "line",
        /// A word.
        Word = "word",
        /// A letter.
        Character = "character",
    }
}

choice! {
    /// A way to move.
    pub(crate) enum DirectionName {
        /// To the left.
        Left = "left",
        /// To the right.
        Right = "right",
        /// Upwards.
        Up = "up",
        /// Downwards.
        Down = "down",
    }
}

choice! {
    /// The treatment of a text too large for its box.
    pub(crate) enum Overflow {
        /// Lines break; what is too high runs over.
        Wrap = "wrap",
        /// Lines break, and the writing shrinks until it fits.
        Shrink = "shrink",
        /// Lines break only where written.
        None = "none",
    }
}
