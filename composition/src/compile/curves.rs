//! From numbers that move, as written, to curves on a clock.

use crate::document::{Decimal, Moving};
use crate::plan::{Curve, Micro, Ratio, Tween};

/// How a written number becomes a curve: its unit, its clock, and how long the clip is.
pub(super) struct Drawing<'a> {
    /// The plan's number for a written one.
    pub value: &'a dyn Fn(Ratio) -> Micro,
    /// The tick that a second of the clip falls on.
    pub tick: &'a dyn Fn(Ratio) -> u64,
    /// The clip's ticks.
    pub ticks: u64,
}

impl Drawing<'_> {
    /// The curve of a number; `default` where none is written.
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

/// The part of a curve that matters for the ticks `from` to just before `to`, its clock unchanged: one value where it is still, else
/// the tweens that run, and the one before them; also one that ends on `from`, because whether what moves stops there or
/// goes on decides how it is drawn on that frame.
pub(super) fn part(curve: &Curve, from: u64, to: u64) -> Curve {
    if let Some(still) = curve.still_within(from, to) {
        return Curve::Still(still);
    }
    let Curve::Tweens(tweens) = curve else { return curve.clone() };
    let ends = |tween: &Tween| tween.start + tween.length == from;
    let begun = tweens.iter().rposition(|tween| tween.start <= from).unwrap_or(0);
    let begun = tweens.iter().position(ends).map_or(begun, |ended| ended.min(begun));
    let kept =
        tweens.iter().enumerate().filter(|(index, tween)| *index >= begun && tween.start < to);
    Curve::Tweens(kept.map(|(_, tween)| *tween).collect())
}
