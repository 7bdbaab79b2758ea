//! What a layer draws.

use super::caption::Captions;
use super::layer::Span;
use super::motion::WHOLE;
use super::number::{Micro, Rate, Ratio, Rect, Rgba, SourceHash};
use super::text::Text;
use serde::{Deserialize, Serialize};

/// What is drawn into a layer's box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Asset {
    /// A source with a clock.
    Video(Video),
    /// A still: PNG, JPEG, WebP, AVIF, or SVG (drawn at the size it is shown at).
    Image(Picture),
    /// Writing in one box: plain and rich text alike.
    Text(Text),
    /// Cues, of which those that show are here.
    Captions(Captions),
    /// A drawn figure.
    Shape(Shape),
    /// One colour over the box.
    Colour(Rgba),
    /// A gradient over the box.
    Gradient(Gradient),
    /// A picture of a sound.
    Waveform(Waveform),
}

impl Asset {
    /// Returns whether it needs fonts.
    pub fn writes(&self) -> bool {
        matches!(self, Asset::Text(_) | Asset::Captions(_))
    }

    /// Returns whether its picture follows the clip's clock. Captions follow the segment's frames
    /// instead.
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
    /// The bytes.
    pub hash: SourceHash,
    /// The stream's index in the container; 0 for an SVG.
    pub stream: u32,
}

/// Which part of a picture goes where in the box. Outside `into` (and without a backdrop) the box is transparent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Picture {
    /// Where it comes from.
    pub source: Source,
    /// The part that is used, in shares of the shown picture (rotation applied): 0, 0, 1, 1 is all of it, as is nothing said.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub crop: Rect,
    /// Where that part is drawn, in shares of the box; it is stretched to it. All of it unless said.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub into: Rect,
    /// A blurred copy beneath, over the whole box.
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
    /// The picture of each frame.
    pub picture: Picture,
    /// Seconds of the source before the clip's first frame.
    pub trim: Ratio,
    /// Seconds of the source per second of output; positive.
    pub speed: Ratio,
    /// Set if frames are made of two fields, to be woven into one by a filter that looks one frame
    /// each way at most.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deinterlace: bool,
    /// The source's length in seconds, to begin anew at (an animated picture that repeats); without it the last frame holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Ratio>,
}

impl Video {
    /// The source's time, in seconds from its start, that shows when the clip's clock stands at `clock`: the last frame whose
    /// time is not after it is the one to show, the first frame before its own time, the last one after the end.
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

/// A drawn figure, centred in the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    /// Which figure.
    pub kind: ShapeKind,
    /// The colour inside.
    pub fill: Rgba,
    /// The colour of the outline, drawn inside the figure's edge.
    pub stroke: Rgba,
    /// The outline's width, in pixels.
    pub stroke_width: Micro,
}

/// Figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ShapeKind {
    /// A rectangle that fills the box.
    Rectangle {
        /// The radius of its corners, in pixels.
        radius: Micro,
    },
    /// The ellipse that fills the box.
    Ellipse,
    /// A level bar with round ends across the box, as thick as the box is high.
    Line,
}

/// Colours that flow into each other, mixed in sRGB with alpha multiplied in, as CSS gradients are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gradient {
    /// Degrees, clockwise, of a straight gradient: 0 runs upwards, 90 to the right, as in CSS. None: round, from the centre to
    /// the farthest corner.
    pub angle: Option<Micro>,
    /// At least two, ascending.
    pub stops: Vec<GradientStop>,
}

/// A colour at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GradientStop {
    /// The place, 0 to 1.
    pub at: Micro,
    /// The colour.
    pub colour: Rgba,
}

/// A picture of the sound around the clip's present time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waveform {
    /// The sound.
    pub source: Source,
    /// Seconds of the source before the clip's first frame.
    pub trim: Ratio,
    /// Seconds of the source per second of output.
    pub speed: Ratio,
    /// How it is drawn.
    pub style: WaveStyle,
    /// In which colour.
    pub colour: Rgba,
    /// How many seconds of sound the box spans, the present in its middle.
    pub window: Ratio,
    /// The clip's frames, so that silence after its end is drawn as silence.
    pub clip: Span,
}

/// How a waveform is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WaveStyle {
    /// Upright bars, mirrored about the middle.
    Bars {
        /// How many across the box.
        count: u32,
    },
    /// One line.
    Line {
        /// How thick, in pixels.
        width: Micro,
    },
    /// A filled outline, mirrored about the middle.
    Filled,
}
