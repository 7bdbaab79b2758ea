//! Motion, as a function of a clip's clock alone.

use super::number::{Micro, Rect};
use serde::{Deserialize, Serialize};

/// A number that may change over time. The clock ticks in frames for pictures and in samples for
/// sound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Curve {
    /// A constant.
    Still(Micro),
    /// At least one tween, ordered by start, without overlaps. Before the first one its `from`
    /// holds, after each one its `to`.
    Tweens(Vec<Tween>),
}

impl Curve {
    /// A constant curve.
    pub const fn still(value: Micro) -> Curve {
        Curve::Still(value)
    }

    /// The constant zero. A curve that has its default value is left out of the plan's JSON,
    /// because a plan has thousands of layers.
    pub(super) fn zero() -> Curve {
        Curve::Still(Micro::ZERO)
    }

    pub(super) fn is_zero(&self) -> bool {
        *self == Curve::Still(Micro::ZERO)
    }

    /// The constant one.
    pub(super) fn one() -> Curve {
        Curve::Still(Micro::ONE)
    }

    pub(super) fn is_one(&self) -> bool {
        *self == Curve::Still(Micro::ONE)
    }
}

/// A change from one value to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tween {
    /// The tick at which it begins.
    pub start: u64,
    /// The number of ticks; `to` is reached at `start + length`. Zero is a jump.
    pub length: u64,
    pub from: Micro,
    pub to: Micro,
    pub easing: Easing,
}

/// The pace of a tween.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Easing {
    /// Even.
    Linear,
    /// `from` holds until the end.
    Hold,
    /// CSS `cubic-bezier(x1, y1, x2, y2)`, with x1 and x2 within 0 and 1.
    Bezier([Micro; 4]),
}

/// A slow, even motion over a whole clip, from its first frame to its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// The number of frames of the clip.
    pub frames: u64,
    /// The scale factor about the middle of the box, at the first frame and after the last.
    pub scale: [Micro; 2],
    /// Pixels to the right, at the first frame and after the last.
    pub x: [Micro; 2],
    /// Pixels down, at the first frame and after the last.
    pub y: [Micro; 2],
}

/// The way a clip appears or disappears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    pub kind: TransitionKind,
    /// The frame of the clip's clock at which it begins: 0 if the clip appears.
    pub start: u64,
    /// The number of frames; at least one.
    pub frames: u64,
    pub easing: Easing,
}

/// The families of transitions. A direction is the one in which the picture (or the edge) moves. A
/// disappearing clip plays the transition backwards but keeps the direction: a clip that came in
/// moving left leaves moving left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TransitionKind {
    /// Fades in.
    Fade,
    /// Moves a short way, fading in.
    Slide(Direction),
    /// Moves in from outside the canvas.
    Carousel(Direction),
    /// Shrinks from larger than the canvas, fading in.
    Zoom,
    /// A moving edge uncovers it.
    Wipe(Direction),
    /// A slit opens from its middle: sideways for left and right, vertically for up and down.
    Reveal(Direction),
    /// Moves in from outside one side while swinging from another, like a card that is dealt.
    Shuffle {
        /// The direction in which it moves in.
        over: Direction,
        /// The direction in which it swings.
        swing: Direction,
    },
}

/// A direction on the canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    Left,
    Right,
    Up,
    Down,
}

/// A whole rectangle: shares 0, 0, 1, 1.
pub const WHOLE: Rect =
    Rect { x: Micro::ZERO, y: Micro::ZERO, width: Micro::ONE, height: Micro::ONE };
