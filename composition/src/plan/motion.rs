//! What moves, as a function of a clip's clock alone.

use super::number::{Micro, Rect};
use serde::{Deserialize, Serialize};

/// A number that may move. Its clock ticks in frames for pictures and in samples for sound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Curve {
    /// It does not move.
    Still(Micro),
    /// By start, not overlapping, at least one. Before the first its `from` holds, after each its `to`.
    Tweens(Vec<Tween>),
}

impl Curve {
    /// Always this.
    pub const fn still(value: Micro) -> Curve {
        Curve::Still(value)
    }

    /// Always nought. As [`Curve::one`] it is left out of the plan's JSON where it is the usual: a plan has thousands of layers.
    pub(super) fn nought() -> Curve {
        Curve::Still(Micro::ZERO)
    }

    pub(super) fn is_nought(&self) -> bool {
        *self == Curve::Still(Micro::ZERO)
    }

    /// Always one.
    pub(super) fn one() -> Curve {
        Curve::Still(Micro::ONE)
    }

    pub(super) fn is_one(&self) -> bool {
        *self == Curve::Still(Micro::ONE)
    }
}

/// A way from one value to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tween {
    /// The tick it begins on.
    pub start: u64,
    /// How many ticks it takes; `to` is reached on `start + length`. Nought jumps.
    pub length: u64,
    /// The value at its start.
    pub from: Micro,
    /// The value at its end.
    pub to: Micro,
    /// The pace.
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
    /// CSS `cubic-bezier(x1, y1, x2, y2)`: x1 and x2 within 0 and 1.
    Bezier([Micro; 4]),
}

/// A slow motion over a whole clip, evenly from its first frame to its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// How many frames the clip has.
    pub frames: u64,
    /// A factor to the scale, at the first frame and after the last; about the middle of the box.
    pub scale: [Micro; 2],
    /// Pixels to the right, at the first frame and after the last.
    pub x: [Micro; 2],
    /// Pixels down, at the first frame and after the last.
    pub y: [Micro; 2],
}

/// How a clip comes in or goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// Which.
    pub kind: TransitionKind,
    /// The clock's frame it begins on: 0 for coming in.
    pub start: u64,
    /// How many frames it takes; at least one.
    pub frames: u64,
    /// The pace.
    pub easing: Easing,
}

/// The families of transitions. A direction says which way the picture (or the edge) moves. Going out is coming in seen
/// backwards, with the direction kept: what comes in moving left leaves moving left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TransitionKind {
    /// Grows opaque.
    Fade,
    /// Comes a short way, growing opaque.
    Slide(Direction),
    /// Comes all the way from outside the canvas.
    Carousel(Direction),
    /// Shrinks from larger than the canvas, growing opaque.
    Zoom,
    /// An edge uncovers it.
    Wipe(Direction),
    /// A slit opens from its middle: sideways for left and right, upright for up and down.
    Reveal(Direction),
    /// Comes from outside one side while swinging over from another, as a card that is dealt.
    Shuffle {
        /// The side it comes in over: the way it moves.
        over: Direction,
        /// The way it swings.
        swing: Direction,
    },
}

/// A way to move on the canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Direction {
    Left,
    Right,
    Up,
    Down,
}

/// All of a rectangle: shares 0, 0, 1, 1.
pub const WHOLE: Rect =
    Rect { x: Micro::ZERO, y: Micro::ZERO, width: Micro::ONE, height: Micro::ONE };
