//! A clip as it is written: what, when, where, how.

use super::asset::Asset;
use super::names::{EffectForm, FilterForm, TransitionForm};
use crate::document::{
    Bounded, Count, Decimal, Definitions, DocumentReader, Flag, Form, Line, Moving, brief, choice,
    object,
};
use crate::limits::{BOX, FILTERS, LENGTH, OFFSET, SCALE, SECONDS, SHARE, SKEW, TURN};
use serde_json::{Value, json};

object! {
    /// Something on the timeline.
    pub(crate) struct Clip {
        /// The picture, text or sound that the clip shows or plays.
        asset: Asset = "asset",
        /// When it begins: seconds, or `auto`, after the clip before it on the track. `auto` unless
        /// said.
        start: Option<Start> = "start",
        /// How long it lasts: seconds, `auto` (as long as the asset; 3 s for what has no length),
        /// or `end` (to the end of the composition). `auto` unless said.
        length: Option<Length> = "length",
        /// How the asset fills its box; `cover` unless said.
        fit: Option<Fit> = "fit",
        /// How large, 1 being as fitted. A number or tweens.
        scale: Option<Moving> = "scale" within SCALE,
        /// The width of the box, in pixels; the frame's unless said.
        width: Option<Count> = "width" within BOX,
        /// The height of the box, in pixels; the frame's unless said.
        height: Option<Count> = "height" within BOX,
        /// Which edge or corner of the frame it keeps to; `center` unless said.
        position: Option<Position> = "position",
        /// How far from there, in shares of the frame.
        offset: Option<Offset> = "offset",
        /// 0 (not to be seen) to 1. A number or tweens.
        opacity: Option<Moving> = "opacity" within SHARE,
        /// How it comes and goes.
        transition: Option<Transitions> = "transition",
        /// A slow motion over the whole clip.
        effect: Option<EffectForm> = "effect",
        /// A change of colour or sharpness, or a list of them.
        filter: Option<Filters> = "filter",
        /// Turning, skewing, mirroring.
        transform: Option<Transform> = "transform",
        /// How its colours meet those below; `normal` unless said.
        blend: Option<BlendName> = "blend",
        /// A name by which captions and waveforms refer to this clip as `alias://name`.
        alias: Option<Line> = "alias",
    }
}

/// When a clip begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Start {
    /// After the clip before it on the track.
    Auto,
    /// Seconds after the start of the timeline.
    At(Decimal),
}

impl Form for Start {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        match value.as_str() {
            Some("auto") => Some(Start::Auto),
            Some(text)
                if !text.trim_start().starts_with(|c: char| c.is_ascii_digit() || c == '-') =>
            {
                reader.fault(format!("is {}: give seconds or `auto`", brief(value)))
            }
            _ => {
                let seconds = Decimal::read(value, reader)?;
                seconds.check(&SECONDS, reader);
                Some(Start::At(seconds))
            }
        }
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "oneOf": [SECONDS.restrict(json!({ "type": "number" })), { "const": "auto" }] })
    }
}

/// How long a clip lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Length {
    /// As long as its asset.
    Auto,
    /// To the end of the composition.
    End,
    /// Seconds.
    Of(Decimal),
}

impl Form for Length {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        match value.as_str() {
            Some("auto") => Some(Length::Auto),
            Some("end") => Some(Length::End),
            Some(text)
                if !text.trim_start().starts_with(|c: char| c.is_ascii_digit() || c == '-') =>
            {
                reader.fault(format!("is {}: give seconds, `auto` or `end`", brief(value)))
            }
            _ => {
                let seconds = Decimal::read(value, reader)?;
                seconds.check(&LENGTH, reader);
                Some(Length::Of(seconds))
            }
        }
    }

    fn schema(_: &mut Definitions) -> Value {
        let seconds = LENGTH.restrict(json!({ "type": "number" }));
        json!({ "oneOf": [seconds, { "enum": ["auto", "end"] }] })
    }
}

choice! {
    /// How a picture fills its box, as CSS `object-fit` has it.
    pub(crate) enum Fit {
        /// All of the box, cutting what is over.
        Cover = "cover",
        /// All of the picture, leaving room.
        Contain = "contain",
        /// Stretched to the box.
        Fill = "fill",
        /// At its own size.
        None = "none",
        /// All of the picture, over a blurred copy that covers the box.
        Blur = "blur",
    }
}

choice! {
    /// An edge or a corner of the frame.
    pub(crate) enum Position {
        /// The middle.
        Center = "center",
        /// The middle of the top edge.
        Top = "top",
        /// The top right corner.
        TopRight = "topRight",
        /// The middle of the right edge.
        Right = "right",
        /// The bottom right corner.
        BottomRight = "bottomRight",
        /// The middle of the bottom edge.
        Bottom = "bottom",
        /// The bottom left corner.
        BottomLeft = "bottomLeft",
        /// The middle of the left edge.
        Left = "left",
        /// The top left corner.
        TopLeft = "topLeft",
    }
}

object! {
    /// A distance in shares of the frame.
    pub(crate) struct Offset {
        /// To the right, as a share of the frame's width. A number or tweens.
        x: Option<Moving> = "x" within OFFSET,
        /// Upwards, as a share of the frame's height. A number or tweens.
        y: Option<Moving> = "y" within OFFSET,
    }
}

object! {
    /// How a clip comes and goes.
    ///
    /// If two pictures of a track touch (videos, images, colours or gradients, without a gap), one
    /// transition leads from one to the other, over the first frames of the later clip: the later
    /// clip's `in`, or the earlier clip's `out` if there is no `in`. Until it is done, the earlier
    /// clip goes on: a video plays on, and its last frame stays if there is no more. So `fade` is a
    /// cross-fade. To fade through black, put a black `color` clip between the two.
    pub(crate) struct Transitions {
        /// How it comes.
        enter: Option<TransitionForm> = "in",
        /// How it goes.
        leave: Option<TransitionForm> = "out",
    }
}

/// One filter or several.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Filters(pub Vec<FilterForm>);

impl Form for Filters {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        if !value.is_array() {
            return FilterForm::read(value, reader).map(|filter| Filters(vec![filter]));
        }
        let filters = Vec::<FilterForm>::read(value, reader)?;
        filters.check(&FILTERS, reader);
        Some(Filters(filters))
    }

    fn schema(definitions: &mut Definitions) -> Value {
        let many = FILTERS.restrict(Vec::<FilterForm>::schema(definitions));
        json!({ "oneOf": [FilterForm::schema(definitions), many] })
    }
}

object! {
    /// Turning, skewing, mirroring.
    pub(crate) struct Transform {
        /// A turn about the middle of the clip.
        rotate: Option<Rotate> = "rotate",
        /// A slant.
        skew: Option<Skew> = "skew",
        /// A mirror.
        flip: Option<Flip> = "flip",
    }
}

object! {
    /// A turn.
    pub(crate) struct Rotate {
        /// Degrees, clockwise. A number or tweens.
        angle: Moving = "angle" within TURN,
    }
}

object! {
    /// A slant.
    pub(crate) struct Skew {
        /// Degrees along x. A number or tweens.
        x: Option<Moving> = "x" within SKEW,
        /// Degrees along y. A number or tweens.
        y: Option<Moving> = "y" within SKEW,
    }
}

object! {
    /// A mirror.
    pub(crate) struct Flip {
        /// Left to right.
        horizontal: Option<Flag> = "horizontal",
        /// Top to bottom.
        vertical: Option<Flag> = "vertical",
    }
}

choice! {
    /// How colours meet those below, as CSS `mix-blend-mode` has it.
    pub(crate) enum BlendName {
        /// Over them.
        Normal = "normal",
        /// Darker: the product.
        Multiply = "multiply",
        /// Lighter: the product of the complements.
        Screen = "screen",
        /// Multiply or screen, by what is below.
        Overlay = "overlay",
        /// The darker of both.
        Darken = "darken",
        /// The lighter of both.
        Lighten = "lighten",
        /// Brightens what is below.
        ColorDodge = "color-dodge",
        /// Darkens what is below.
        ColorBurn = "color-burn",
        /// Multiply or screen, by what is above.
        HardLight = "hard-light",
        /// A softer hard light.
        SoftLight = "soft-light",
        /// The difference.
        Difference = "difference",
        /// The difference with less contrast.
        Exclusion = "exclusion",
        /// The hue of what is above.
        Hue = "hue",
        /// The saturation of what is above.
        Saturation = "saturation",
        /// The hue and saturation of what is above.
        Color = "color",
        /// The lightness of what is above.
        Luminosity = "luminosity",
        /// The sum.
        Add = "plus-lighter",
    }
}
