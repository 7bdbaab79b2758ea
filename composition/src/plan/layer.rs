//! A layer: one clip as a segment shows it, in frames, pixels and shares of one.

use super::asset::Asset;
use super::motion::{Curve, Drift, Transition};
use super::number::{Micro, Rgba, SourceHash};
use serde::{Deserialize, Serialize};

/// One drawn item of a segment.
///
/// Its clock counts whole output frames from the clip's first one: on segment frame `f` (within
/// `show`) it reads `clock + f - show.from`. If nothing in the layer moves, `clock` is 0, so that
/// equal stills have equal bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// The frames of the segment on which the layer shows.
    pub show: Span,
    /// The clip's clock on the first of them, in frames.
    pub clock: u64,
    pub asset: Asset,
    pub placement: Placement,
    /// The opacity, 0 to 1, by the clip's clock.
    #[serde(default = "Curve::one", skip_serializing_if = "Curve::is_one")]
    pub opacity: Curve,
    /// The transition at the clip's start, if part of it falls into this segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enter: Option<Transition>,
    /// The transition at the clip's end, if part of it falls into this segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leave: Option<Transition>,
    /// Filters of colour and sharpness, in order. They run after the crop and before everything
    /// else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
    /// A colour that becomes transparent, before the filters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chroma_key: Option<ChromaKey>,
    /// Luma mattes. While one shows, the layer's alpha is multiplied by the matte's brightness
    /// (bt709 luma, full range) at each canvas pixel; it is zero outside the matte. A matte has no
    /// mattes of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mattes: Vec<Layer>,
    /// The blend mode with the layers below.
    #[serde(default, skip_serializing_if = "Blend::is_normal")]
    pub blend: Blend,
}

impl Layer {
    /// The clip's clock on a frame of the segment; none if the layer does not show there.
    pub fn clock_at(&self, frame: u64) -> Option<u64> {
        self.show.contains(frame).then(|| self.clock + (frame - self.show.from))
    }

    pub(super) fn collect_sources(&self, into: &mut Vec<SourceHash>) {
        self.asset.collect_sources(into);
        for filter in &self.filters {
            if let Filter::Lut { source } = filter {
                into.push(source.clone());
            }
        }
        for matte in &self.mattes {
            matte.collect_sources(into);
        }
    }
}

/// The frames `from` to just before `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The first frame.
    pub from: u64,
    /// The frame after the last.
    pub to: u64,
}

impl Span {
    /// Returns whether a frame is in the span.
    pub const fn contains(self, frame: u64) -> bool {
        self.from <= frame && frame < self.to
    }

    /// The number of frames.
    pub const fn len(self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// Returns whether the span has no frame.
    pub const fn is_empty(self) -> bool {
        self.to <= self.from
    }

    /// The frames in both spans.
    pub fn meet(self, other: Span) -> Span {
        Span { from: self.from.max(other.from), to: self.to.min(other.to) }
    }
}

/// The place of a layer's box on the canvas.
///
/// At scale `s` (by the clock) the box is `s·width` by `s·height` pixels, and its top left corner
/// is at `anchor_x·(W − s·width) + x`, `anchor_y·(H − s·height) + y` on a canvas of W × H.
/// Then the drift applies, and the box is flipped, skewed and turned about its own centre.
/// `Layer::pose_at` computes all of this, transitions included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// The box's width at scale 1, in pixels.
    pub width: Micro,
    /// The box's height at scale 1, in pixels.
    pub height: Micro,
    /// The horizontal anchor: 0 aligns the left edges, ½ the centres, 1 the right edges.
    pub anchor_x: Micro,
    /// The vertical anchor, from top (0) to bottom (1).
    pub anchor_y: Micro,
    /// Pixels to the right of the anchored place.
    #[serde(default = "Curve::zero", skip_serializing_if = "Curve::is_zero")]
    pub x: Curve,
    /// Pixels below the anchored place.
    #[serde(default = "Curve::zero", skip_serializing_if = "Curve::is_zero")]
    pub y: Curve,
    /// The scale; 1 is the box's own size.
    #[serde(default = "Curve::one", skip_serializing_if = "Curve::is_one")]
    pub scale: Curve,
    /// The rotation in degrees, clockwise.
    #[serde(default = "Curve::zero", skip_serializing_if = "Curve::is_zero")]
    pub angle: Curve,
    /// Degrees of skew along x.
    #[serde(default = "Curve::zero", skip_serializing_if = "Curve::is_zero")]
    pub skew_x: Curve,
    /// Degrees of skew along y.
    #[serde(default = "Curve::zero", skip_serializing_if = "Curve::is_zero")]
    pub skew_y: Curve,
    /// Mirrored left to right.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flip_x: bool,
    /// Mirrored top to bottom.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flip_y: bool,
    /// A slow motion over the whole clip (Ken Burns).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
}

/// A change of colour or sharpness, on straight RGB of 0 to 1 unless stated otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Filter {
    /// A Gaussian blur.
    Blur {
        /// The standard deviation, in pixels of the canvas.
        sigma: Micro,
    },
    /// `c → (c − ½)·contrast + ½ + brightness`, then differences from luma times
    /// `saturation`, clamped.
    #[serde(rename_all = "camelCase")]
    Adjust {
        /// An addend; 0 changes nothing.
        brightness: Micro,
        /// A factor; 1 changes nothing.
        contrast: Micro,
        /// A factor; 1 changes nothing.
        saturation: Micro,
    },
    /// The bt709 luma in all three components.
    Greyscale,
    /// `c → 1 − c`.
    Negative,
    /// A three-dimensional lookup table, from a `.cube` file.
    Lut { source: SourceHash },
}

/// A colour that becomes transparent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChromaKey {
    pub colour: Rgba,
    /// The distance in chroma, 0 to 1, within which a pixel vanishes (`similarity` of the filter
    /// `chromakey`).
    pub threshold: Micro,
    /// The further distance, 0 to 1, over which a pixel fades (`blend` of that filter).
    pub halo: Micro,
}

/// Blend modes, as CSS `mix-blend-mode` names them. Their definitions are in W3C Compositing and
/// Blending Level 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Blend {
    #[default]
    Normal,
    Multiply,
    Screen,
    Overlay,
    Darken,
    Lighten,
    ColorDodge,
    ColorBurn,
    HardLight,
    SoftLight,
    Difference,
    Exclusion,
    Hue,
    Saturation,
    Color,
    Luminosity,
    Add,
}

impl Blend {
    fn is_normal(&self) -> bool {
        *self == Blend::Normal
    }
}
