//! The content of a layer.

use super::caption::Captions;
use super::layer::Span;
use super::motion::WHOLE;
use super::number::{Micro, Rate, Ratio, Rect, Rgba, SourceHash};
use super::text::Text;
use serde::{Deserialize, Serialize};

/// The content drawn into a layer's box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Asset {
    /// A video or an animated picture.
    Video(Video),
    /// A still: PNG, JPEG, WebP, AVIF, or SVG (drawn at the size at which it is shown).
    Image(Picture),
    /// Text in one box, plain or rich.
    Text(Text),
    /// The cues that the segment shows.
    Captions(Captions),
    Shape(Shape),
    /// One colour over the whole box.
    Colour(Rgba),
    /// A gradient over the whole box.
    Gradient(Gradient),
    /// A picture of a sound.
    Waveform(Waveform),
}

impl Asset {
    /// Returns whether drawing it needs fonts.
    pub fn writes(&self) -> bool {
        matches!(self, Asset::Text(_) | Asset::Captions(_))
    }

    /// Returns whether its picture changes with the clip's clock. Captions change with the
    /// segment's frames instead.
    pub fn moves(&self) -> bool {
        match self {
            Asset::Video(_) | Asset::Waveform(_) => true,
            Asset::Text(text) => text.animation.is_some(),
            Asset::Image(_)
            | Asset::Captions(_)
            | Asset::Shape(_)
            | Asset::Colour(_)
            | Asset::Gradient(_) => false,
        }
    }

    pub(super) fn collect_sources(&self, into: &mut Vec<SourceHash>) {
        match self {
            Asset::Video(video) => into.push(video.picture.source.hash.clone()),
            Asset::Image(picture) => into.push(picture.source.hash.clone()),
            Asset::Waveform(wave) => into.push(wave.source.hash.clone()),
            Asset::Text(_)
            | Asset::Captions(_)
            | Asset::Shape(_)
            | Asset::Colour(_)
            | Asset::Gradient(_) => {}
        }
    }
}

/// One stream of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    pub hash: SourceHash,
    /// The stream's index in the container; 0 for an SVG.
    pub stream: u32,
    /// Set if the file is several put behind each other, which must be read in order.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joined: bool,
}

/// A part of a picture and its place in the box. The box is transparent outside `into`, unless
/// there is a backdrop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Picture {
    pub source: Source,
    /// The part that is used, in shares of the shown picture (rotation applied). By default all of
    /// it.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub crop: Rect,
    /// The place of that part, in shares of the box; the part is stretched to it. By default the
    /// whole box.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub into: Rect,
    /// A blurred copy behind it, over the whole box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backdrop: Option<Backdrop>,
}

fn whole() -> Rect {
    WHOLE
}

fn is_whole(rect: &Rect) -> bool {
    *rect == WHOLE
}

/// The blurred copy of `fit: "blur"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backdrop {
    /// The part that covers the box, in shares of the shown picture.
    pub crop: Rect,
    /// The blur's standard deviation, in pixels of the box at scale 1.
    pub sigma: Micro,
}

/// A moving picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Video {
    pub picture: Picture,
    /// Seconds of the source before the clip's first frame.
    pub trim: Ratio,
    /// Seconds of the source per second of output; positive.
    pub speed: Ratio,
    /// Set if each frame consists of two fields. A filter that looks at most one frame ahead and
    /// back joins them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deinterlace: bool,
    /// The length in seconds after which an animated picture starts again. Without it the last
    /// frame stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Ratio>,
}

impl Video {
    /// The time in the source, in seconds from its start, at a tick of the clip's clock. The frame
    /// to show is the last one not after that time; before the first frame it is the first.
    pub fn source_time(&self, clock: u64, rate: Rate) -> Ratio {
        let time = self.trim.plus(rate.seconds(clock).times(self.speed));
        match self.repeat {
            Some(length) if length > Ratio::ZERO => {
                let rounds = time.over(length).map_or(0, Ratio::floor);
                time.minus(length.times(Ratio::whole(rounds)))
            }
            _ => time,
        }
    }
}

/// A figure, centred in the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    pub kind: ShapeKind,
    /// The colour inside.
    pub fill: Rgba,
    /// The colour of the outline, which is drawn inside the figure's edge.
    pub stroke: Rgba,
    /// The outline's width, in pixels.
    pub stroke_width: Micro,
}

/// The figures that can be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ShapeKind {
    /// A rectangle that fills the box.
    Rectangle {
        /// The radius of its corners, in pixels.
        radius: Micro,
    },
    /// An ellipse that fills the box.
    Ellipse,
    /// A horizontal bar with round ends across the box, as thick as the box is high.
    Line,
}

/// A gradient of colours, mixed in sRGB with alpha multiplied in, as in CSS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gradient {
    /// The direction of a linear gradient in degrees, clockwise: 0 runs upwards and 90 to the
    /// right, as in CSS. None is a radial gradient, from the centre to the farthest corner.
    pub angle: Option<Micro>,
    /// At least two stops, ascending.
    pub stops: Vec<GradientStop>,
}

/// A colour at a position of a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GradientStop {
    /// The position, 0 to 1.
    pub at: Micro,
    pub colour: Rgba,
}

/// A picture of the sound around the clip's present time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waveform {
    pub source: Source,
    /// Seconds of the source before the clip's first frame.
    pub trim: Ratio,
    /// Seconds of the source per second of output.
    pub speed: Ratio,
    pub style: WaveStyle,
    pub colour: Rgba,
    /// The seconds of sound that the box spans, with the present in its middle.
    pub window: Ratio,
    /// The clip's frames: sound after its end is drawn as silence.
    pub clip: Span,
}

/// The way a waveform is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WaveStyle {
    /// Upright bars, mirrored about the middle.
    Bars {
        /// The number of bars across the box.
        count: u32,
    },
    /// One line.
    Line {
        /// The line's width, in pixels.
        width: Micro,
    },
    /// A filled outline, mirrored about the middle.
    Filled,
}
