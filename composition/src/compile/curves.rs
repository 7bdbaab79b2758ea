//! Builds a plan's curves from animated numbers of the composition.

use crate::document::{Decimal, Moving};
use crate::plan::{Curve, Micro, Ratio, Tween};

/// Converts an animated number to a curve: the unit, the clock, and the clip's length.
pub(super) struct CurveBuilder<'a> {
    /// Converts a number in the caller's unit to the plan's.
    pub value: &'a dyn Fn(Ratio) -> Micro,
    /// The tick of a time in seconds of the clip.
    pub tick: &'a dyn Fn(Ratio) -> u64,
    /// The clip's length in ticks.
    pub ticks: u64,
}

impl CurveBuilder<'_> {
    /// Builds the curve of a number; `default` is used where none is written.
    pub fn curve(&self, written: Option<&Moving>, default: Ratio) -> Curve {
        match written {
            None => Curve::Still((self.value)(default)),
            Some(Moving::Still(number)) => Curve::Still((self.value)(number.0)),
            Some(Moving::Tweens(tweens)) => self.tweens(tweens, default),
        }
    }

    fn tweens(&self, written: &[crate::document::Tweened], default: Ratio) -> Curve {
        let mut tweens: Vec<Tween> = Vec::with_capacity(written.len());
        let (mut at, mut value) = (Ratio::ZERO, default);
        for tween in written {
            let start = tween.start.map_or(at, |Decimal(start)| start);
            let from = tween.from.map_or(value, |Decimal(from)| from);
            let first = (self.tick)(start);
            let last =
                tween.length.map_or(self.ticks, |Decimal(length)| (self.tick)(start.plus(length)));
            tweens.push(Tween {
                start: first,
                length: last.saturating_sub(first),
                from: (self.value)(from),
                to: (self.value)(tween.to.0),
                easing: tween.pace(),
            });
            at = tween.length.map_or(start, |Decimal(length)| start.plus(length));
            value = tween.to.0;
        }
        tweens.sort_by_key(|tween| tween.start);
        Curve::Tweens(tweens)
    }
}

/// The part of a curve that matters for the ticks `from` to just before `to`, on the same clock:
/// one value if the curve is still there, or else the running tweens and the one before them.
///
/// A tween that ends exactly on `from` is kept: a motion that stops there is drawn differently on
/// that frame from one that goes on.
pub(super) fn part(curve: &Curve, from: u64, to: u64) -> Curve {
    if let Some(still) = curve.still_within(from, to) {
        return Curve::Still(still);
    }
    let Curve::Tweens(tweens) = curve else { return curve.clone() };
    let ends = |tween: &Tween| tween.start + tween.length == from;
    let running = tweens.iter().rposition(|tween| tween.start <= from).unwrap_or(0);
    let first = tweens.iter().position(ends).map_or(running, |ended| ended.min(running));
    let kept =
        tweens.iter().enumerate().filter(|(index, tween)| *index >= first && tween.start < to);
    Curve::Tweens(kept.map(|(_, tween)| *tween).collect())
}
