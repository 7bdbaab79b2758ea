//! The value of a curve at a tick of its clock.

use super::motion::{Curve, Easing, Tween};
use super::number::Micro;

impl Curve {
    /// The value at a tick.
    pub fn value_at(&self, tick: u64) -> f64 {
        match self {
            Curve::Still(value) => value.to_f64(),
            Curve::Tweens(tweens) => {
                let begun = tweens.partition_point(|tween| tween.start <= tick);
                match begun.checked_sub(1).and_then(|index| tweens.get(index)) {
                    Some(tween) => tween.value_at(tick),
                    None => tweens.first().map_or(0.0, |first| first.from.to_f64()),
                }
            }
        }
    }

    /// Returns whether the curve has more than one value for the ticks `from` to just before `to`.
    pub fn moves_within(&self, from: u64, to: u64) -> bool {
        let Curve::Tweens(tweens) = self else { return false };
        if to <= from {
            return false;
        }
        let first = self.value_at(from);
        let runs = tweens.iter().any(|tween| {
            tween.from != tween.to
                && tween.start < to.saturating_sub(1)
                && from < tween.start.saturating_add(tween.length)
        });
        runs || self.value_at(to - 1) != first
            || tweens.iter().any(|t| from < t.start && t.start < to && t.value_at(t.start) != first)
    }

    /// The curve's only value for the ticks `from` to just before `to`, if it has only one.
    pub fn still_within(&self, from: u64, to: u64) -> Option<Micro> {
        (!self.moves_within(from, to)).then(|| Micro::from_f64(self.value_at(from)))
    }
}

impl Tween {
    /// The value at a tick not before the tween's start.
    fn value_at(&self, tick: u64) -> f64 {
        let done = tick.saturating_sub(self.start);
        if done >= self.length {
            return self.to.to_f64();
        }
        let share = self.easing.ease(done as f64 / self.length as f64);
        let (from, to) = (self.from.to_f64(), self.to.to_f64());
        from + (to - from) * share
    }
}

impl Easing {
    /// CSS `ease`.
    pub const EASE: Easing = bezier(250_000, 100_000, 250_000, 1_000_000);
    /// Fast at first, slow at the end: `cubic-bezier(0.33, 1, 0.68, 1)` (easings.net,
    /// easeOutCubic).
    pub const OUT: Easing = bezier(330_000, 1_000_000, 680_000, 1_000_000);
    /// Slow at both ends: `cubic-bezier(0.65, 0, 0.35, 1)` (easings.net, easeInOutCubic).
    pub const IN_OUT: Easing = bezier(650_000, 0, 350_000, 1_000_000);

    /// The share of a motion that is done when `share` of its time has passed. Below 0 it is 0,
    /// above 1 it is 1.
    pub fn ease(self, share: f64) -> f64 {
        if share <= 0.0 {
            return 0.0;
        }
        if share >= 1.0 {
            return 1.0;
        }
        match self {
            Easing::Linear => share,
            Easing::Hold => 0.0,
            Easing::Bezier([x1, y1, x2, y2]) => {
                let parameter = solve(x1.to_f64(), x2.to_f64(), share);
                cubic(y1.to_f64(), y2.to_f64(), parameter)
            }
        }
    }
}

const fn bezier(x1: i64, y1: i64, x2: i64, y2: i64) -> Easing {
    Easing::Bezier([Micro(x1), Micro(y1), Micro(x2), Micro(y2)])
}

/// One coordinate of a cubic Bézier curve from 0 to 1 with inner control values `a` and `b`.
fn cubic(a: f64, b: f64, t: f64) -> f64 {
    let rest = 1.0 - t;
    3.0 * rest * rest * t * a + 3.0 * rest * t * t * b + t * t * t
}

/// The parameter at which x is `share`, by bisection: x rises steadily, and the result must be the
/// same on every machine.
fn solve(x1: f64, x2: f64, share: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..48 {
        let middle = (low + high) / 2.0;
        if cubic(x1, x2, middle) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rise(start: u64, length: u64, easing: Easing) -> Tween {
        Tween { start, length, from: Micro::ZERO, to: Micro::ONE, easing }
    }

    #[test]
    fn a_curve_holds_its_first_value_before_and_its_last_after() {
        let curve = Curve::Tweens(vec![rise(10, 10, Easing::Linear)]);
        let seen: Vec<f64> = [0, 10, 15, 20, 99].iter().map(|tick| curve.value_at(*tick)).collect();
        assert_eq!(seen, [0.0, 0.0, 0.5, 1.0, 1.0]);
    }

    #[test]
    fn a_curve_is_still_where_nothing_changes() {
        let curve = Curve::Tweens(vec![rise(10, 10, Easing::EASE)]);
        assert_eq!(curve.still_within(0, 11), Some(Micro::ZERO));
        assert_eq!(curve.still_within(0, 12), None);
        assert_eq!(curve.still_within(20, 90), Some(Micro::ONE));
        assert_eq!(curve.still_within(19, 90), None);
    }

    #[test]
    fn a_jump_counts_as_motion() {
        let curve = Curve::Tweens(vec![rise(10, 0, Easing::Linear)]);
        assert!(curve.moves_within(0, 11));
        assert!(!curve.moves_within(0, 10));
        assert!(!curve.moves_within(10, 20));
    }

    /// Values of CSS `ease` as a browser computes them.
    #[test]
    fn ease_is_the_css_curve() {
        for (at, want) in [(0.25, 0.4085), (0.5, 0.8024), (0.75, 0.9605)] {
            let got = Easing::EASE.ease(at);
            assert!((got - want).abs() < 1e-3, "ease({at}) = {got}");
        }
    }

    #[test]
    fn hold_jumps_at_its_end() {
        let curve = Curve::Tweens(vec![rise(0, 4, Easing::Hold)]);
        assert_eq!([curve.value_at(3), curve.value_at(4)], [0.0, 1.0]);
    }
}
