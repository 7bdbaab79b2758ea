//! A layer: one clip as a segment sees it, everything resolved into frames, pixels and shares of one.

use super::asset::Asset;
use super::motion::{Curve, Drift, Transition};
use super::number::{Micro, Rgba, SourceHash};
use serde::{Deserialize, Serialize};

/// One thing drawn.
///
/// Its clock counts whole output frames from the clip's own first: on segment frame `f` (within `show`) it stands at
/// `clock + f - show.from`. Where nothing in the layer moves, `clock` is 0, so that equal stills are equal bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// The segment's frames that it shows on.
    pub show: Span,
    /// Where the clip's clock stands on the first of them, in frames.
    pub clock: u64,
    /// What is drawn.
    pub asset: Asset,
    /// Where it is drawn.
    pub placement: Placement,
    /// How opaque, 0 to 1; by the clip's clock.
    #[serde(default = "Curve::one", skip_serializing_if = "Curve::is_one")]
    pub opacity: Curve,
    /// How it comes in, where some of that falls into this segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enter: Option<Transition>,
    /// How it goes out, where some of that falls into this segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leave: Option<Transition>,
    /// Changes of colour and sharpness, in order, before everything else that is done to the picture but the crop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
    /// A colour that is made transparent, before the filters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chroma_key: Option<ChromaKey>,
    /// Luma mattes: while one shows, this layer's alpha is multiplied by the matte's brightness (bt709 luma, full range) at
    /// each canvas pixel, nought where the matte does not reach. A matte's own `mattes` are empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mattes: Vec<Layer>,
    /// How its colours meet those below.
    #[serde(default, skip_serializing_if = "Blend::is_normal")]
    pub blend: Blend,
}

impl Layer {
    /// Where the clip's clock stands on a segment's frame; none where the layer does not show.
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

/// Frames `from` to just before `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The first frame.
    pub from: u64,
    /// The frame after the last.
    pub to: u64,
}

impl Span {
    /// Returns whether a frame is in it.
    pub const fn contains(self, frame: u64) -> bool {
        self.from <= frame && frame < self.to
    }

    /// How many frames.
    pub const fn len(self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// Returns whether it has no frame.
    pub const fn is_empty(self) -> bool {
        self.to <= self.from
    }

    /// The frames in both.
    pub fn meet(self, other: Span) -> Span {
        Span { from: self.from.max(other.from), to: self.to.min(other.to) }
    }
}

/// Where a layer's box stands on the canvas.
///
/// At scale `s` (by the clock) the box is `s·width` by `s·height` pixels, and its left top corner is at
/// `anchor_x·(W − s·width) + x`, `anchor_y·(H − s·height) + y` for a canvas of W × H. It then drifts, and is flipped, skewed and turned
/// about its own centre. `Layer::pose_at` does this sum, transitions and drift included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// The box's width at scale 1, in pixels.
    pub width: Micro,
    /// The box's height at scale 1, in pixels.
    pub height: Micro,
    /// Which part of the box is held where: 0 left edge to left edge, ½ centre to centre, 1 right edge to right edge.
    pub anchor_x: Micro,
    /// As `anchor_x`, from top to bottom.
    pub anchor_y: Micro,
    /// Pixels to the right of that.
    #[serde(default = "Curve::nought", skip_serializing_if = "Curve::is_nought")]
    pub x: Curve,
    /// Pixels further down.
    #[serde(default = "Curve::nought", skip_serializing_if = "Curve::is_nought")]
    pub y: Curve,
    /// How large, 1 being the box as it is.
    #[serde(default = "Curve::one", skip_serializing_if = "Curve::is_one")]
    pub scale: Curve,
    /// Degrees, clockwise.
    #[serde(default = "Curve::nought", skip_serializing_if = "Curve::is_nought")]
    pub angle: Curve,
    /// Degrees of skew along x.
    #[serde(default = "Curve::nought", skip_serializing_if = "Curve::is_nought")]
    pub skew_x: Curve,
    /// Degrees of skew along y.
    #[serde(default = "Curve::nought", skip_serializing_if = "Curve::is_nought")]
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

/// A change of colour or sharpness, on straight RGB of 0 to 1 unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Filter {
    /// A Gaussian blur.
    Blur {
        /// The standard deviation, in pixels of the canvas.
        sigma: Micro,
    },
    /// `c → (c − ½)·contrast + ½ + brightness`, then colour differences from luma times `saturation`; clamped.
    #[serde(rename_all = "camelCase")]
    Adjust {
        /// Added; 0 leaves it.
        brightness: Micro,
        /// Times; 1 leaves it.
        contrast: Micro,
        /// Times; 1 leaves it.
        saturation: Micro,
    },
    /// bt709 luma in all three.
    Greyscale,
    /// `c → 1 − c`.
    Negative,
    /// A three-dimensional table, a `.cube` file.
    Lut {
        /// The table.
        source: SourceHash,
    },
}

/// A colour made transparent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChromaKey {
    /// The colour.
    pub colour: Rgba,
    /// How far in chroma a pixel may be and still vanish, 0 to 1 (as the filter `chromakey`'s `similarity`).
    pub threshold: Micro,
    /// How far beyond that it is half there, 0 to 1 (as `blend`).
    pub halo: Micro,
}

/// How colours meet those below, as CSS `mix-blend-mode` names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // The names are the definition: W3C Compositing and Blending Level 1.
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
