//! Assets as they are written.

use super::caption::CaptionAsset;
use super::sound::{AudioAsset, FadeEffect, RoleName, SpeechAsset};
use super::text::TextAsset;
use crate::document::{Count, Decimal, Flag, Moving, Src, choice, object, union};
use crate::limits::{BARS, PIXELS, SECONDS, SHARE, SOURCE_SECONDS, SPEED, STOPS, TURN, VOLUME};
use crate::plan::Rgba;

union! {
    /// The content of a clip, told apart by `type`.
    pub(crate) enum Asset {
        Video(VideoAsset) = "video",
        Image(ImageAsset) = "image",
        Text(TextAsset) = "text",
        RichText(TextAsset) = "rich-text",
        Caption(CaptionAsset) = "caption",
        RichCaption(CaptionAsset) = "rich-caption",
        Audio(AudioAsset) = "audio",
        Speech(SpeechAsset) = "speech",
        Shape(ShapeAsset) = "shape",
        Color(ColorAsset) = "color",
        Gradient(GradientAsset) = "gradient",
        Waveform(WaveformAsset) = "waveform",
        Luma(LumaAsset) = "luma",
    }
}

object! {
    /// A moving picture, with its sound.
    pub(crate) struct VideoAsset {
        /// The address of the video.
        src: Src = "src",
        /// Seconds of it to leave out at the start.
        trim: Option<Decimal> = "trim" within SOURCE_SECONDS,
        /// How loud its sound is: 1 leaves it as it is, 0 is silence. A number or tweens.
        volume: Option<Moving> = "volume" within VOLUME,
        /// Fades of its sound.
        volume_effect: Option<FadeEffect> = "volumeEffect",
        /// Seconds of its sound fading in.
        fade_in: Option<Decimal> = "fadeIn" within SECONDS,
        /// Seconds of its sound fading out.
        fade_out: Option<Decimal> = "fadeOut" within SECONDS,
        /// How fast it plays, pitch kept; 1 unless said.
        speed: Option<Decimal> = "speed" within SPEED,
        /// The part to cut off, in shares of the picture.
        crop: Option<Crop> = "crop",
        /// A colour to make transparent.
        chroma_key: Option<ChromaKeyForm> = "chromaKey",
        /// The part its sound plays; `effect` unless said.
        role: Option<RoleName> = "role",
        /// `true` repeats it when it ends; otherwise its last frame is held.
        repeat: Option<Flag> = "repeat",
    }
}

object! {
    /// A still picture: JPEG, PNG, WebP, AVIF, SVG. An animated GIF or WebP moves.
    pub(crate) struct ImageAsset {
        /// The address of the picture.
        src: Src = "src",
        /// The part to cut off, in shares of the picture.
        crop: Option<Crop> = "crop",
        /// A colour to make transparent.
        chroma_key: Option<ChromaKeyForm> = "chromaKey",
    }
}

object! {
    /// A mask for the other clips of its track: they show where it is bright.
    pub(crate) struct LumaAsset {
        /// The address of the picture or video.
        src: Src = "src",
        /// Seconds of it to leave out at the start.
        trim: Option<Decimal> = "trim" within SOURCE_SECONDS,
        /// How fast it plays; 1 unless said.
        speed: Option<Decimal> = "speed" within SPEED,
        /// The part to cut off, in shares of the picture.
        crop: Option<Crop> = "crop",
    }
}

object! {
    /// The part to cut off each side, in shares of the picture.
    pub(crate) struct Crop {
        /// Off the top.
        top: Option<Decimal> = "top" within SHARE,
        /// Off the right.
        right: Option<Decimal> = "right" within SHARE,
        /// Off the bottom.
        bottom: Option<Decimal> = "bottom" within SHARE,
        /// Off the left.
        left: Option<Decimal> = "left" within SHARE,
    }
}

object! {
    /// A colour made transparent.
    pub(crate) struct ChromaKeyForm {
        /// The colour.
        color: Rgba = "color",
        /// How far a colour may be from it and still vanish, 0 to 1; 0.15 unless said.
        threshold: Option<Decimal> = "threshold" within SHARE,
        /// How far beyond that it is half there, 0 to 1; 0.1 unless said.
        halo: Option<Decimal> = "halo" within SHARE,
    }
}

object! {
    /// A drawn figure.
    pub(crate) struct ShapeAsset {
        /// Which figure.
        shape: ShapeName = "shape",
        /// The rectangle's size.
        rectangle: Option<RectangleForm> = "rectangle",
        /// The circle's size.
        circle: Option<CircleForm> = "circle",
        /// The line's size.
        line: Option<LineForm> = "line",
        /// The colour inside; white unless said.
        fill: Option<FillForm> = "fill",
        /// The outline; none unless said.
        stroke: Option<OutlineForm> = "stroke",
    }
}

choice! {
    /// A figure.
    pub(crate) enum ShapeName {
        /// A rectangle, its corners perhaps round.
        Rectangle = "rectangle",
        /// A circle; an ellipse where the clip's box says so.
        Circle = "circle",
        /// A level line.
        Line = "line",
    }
}

object! {
    /// A rectangle's size, in pixels; the clip's box unless said.
    pub(crate) struct RectangleForm {
        /// Across.
        width: Option<Decimal> = "width" within PIXELS,
        /// Down.
        height: Option<Decimal> = "height" within PIXELS,
        /// The radius of its corners.
        corner_radius: Option<Decimal> = "cornerRadius" within PIXELS,
    }
}

object! {
    /// A circle's size, in pixels.
    pub(crate) struct CircleForm {
        /// From its centre to its edge.
        radius: Decimal = "radius" within PIXELS,
    }
}

object! {
    /// A line's size, in pixels.
    pub(crate) struct LineForm {
        /// From end to end.
        length: Decimal = "length" within PIXELS,
        /// How thick; 4 unless said.
        thickness: Option<Decimal> = "thickness" within PIXELS,
    }
}

object! {
    /// The colour inside.
    pub(crate) struct FillForm {
        /// The colour.
        color: Option<Rgba> = "color",
        /// 0 to 1; 1 unless said.
        opacity: Option<Decimal> = "opacity" within SHARE,
    }
}

object! {
    /// An outline.
    pub(crate) struct OutlineForm {
        /// Its colour; black unless said.
        color: Option<Rgba> = "color",
        /// Its width, in pixels; 1 unless said.
        width: Option<Decimal> = "width" within PIXELS,
        /// 0 to 1; 1 unless said.
        opacity: Option<Decimal> = "opacity" within SHARE,
    }
}

object! {
    /// One colour over the clip's box.
    pub(crate) struct ColorAsset {
        /// The colour.
        color: Rgba = "color",
    }
}

object! {
    /// Colours that flow into each other over the clip's box.
    pub(crate) struct GradientAsset {
        /// Straight or round; straight unless said.
        shape: Option<GradientShape> = "shape",
        /// Degrees, clockwise, of a straight one: 0 runs upwards, 90 to the right; 180 unless said.
        angle: Option<Decimal> = "angle" within TURN,
        /// The colours, by place.
        stops: Vec<StopForm> = "stops" within STOPS,
    }
}

choice! {
    /// The shape of a gradient.
    pub(crate) enum GradientShape {
        /// Along a line.
        Linear = "linear",
        /// From the middle outwards.
        Radial = "radial",
    }
}

object! {
    /// A colour at a place.
    pub(crate) struct StopForm {
        /// The place, 0 to 1; evenly spread where left out.
        offset: Option<Decimal> = "offset" within SHARE,
        /// The colour.
        color: Rgba = "color",
    }
}

object! {
    /// A picture of a sound as it plays.
    pub(crate) struct WaveformAsset {
        /// The address of the sound, or `alias://` and the alias of a video, audio or speech clip.
        src: Src = "src",
        /// Seconds of it to leave out at the start; that of the clip for an alias.
        trim: Option<Decimal> = "trim" within SOURCE_SECONDS,
        /// How it is drawn; `bars` unless said.
        style: Option<WaveName> = "style",
        /// The colour; white unless said.
        color: Option<Rgba> = "color",
        /// How many bars; 64 unless said.
        bars: Option<Count> = "bars" within BARS,
        /// How thick a line is, in pixels; 4 unless said.
        thickness: Option<Decimal> = "thickness" within PIXELS,
        /// Seconds of sound that the box spans; 1 unless said.
        window: Option<Decimal> = "window" within SECONDS,
    }
}

choice! {
    /// How a waveform is drawn.
    pub(crate) enum WaveName {
        /// Upright bars.
        Bars = "bars",
        /// One line.
        Line = "line",
        /// A filled outline.
        Filled = "filled",
    }
}
