//! The numbers of a plan: integers and fractions of integers, so that equal plans have equal bytes.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

/// The number of [`Micro`] in one unit.
pub const MICRO: i64 = 1_000_000;

/// A fixed-point number: millionths of the unit that the field names (a pixel, a degree, a share of
/// one).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Micro(pub i64);

impl Micro {
    pub const ZERO: Micro = Micro(0);
    pub const ONE: Micro = Micro(MICRO);

    /// A whole number of units.
    pub const fn whole(units: i64) -> Micro {
        Micro(units.saturating_mul(MICRO))
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0 == 0
    }

    /// The value as a float, for drawing.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / MICRO as f64
    }

    /// The nearest fixed-point number. Not-a-number becomes zero; a value out of range becomes the
    /// nearest bound.
    pub fn from_f64(value: f64) -> Micro {
        Micro((value * MICRO as f64).round() as i64)
    }

    /// The product of two fixed-point numbers, rounded to the nearest.
    pub fn times(self, other: Micro) -> Micro {
        let product = i128::from(self.0) * i128::from(other.0);
        let half = i128::from(MICRO / 2);
        Micro((product + half).div_euclid(i128::from(MICRO)) as i64)
    }
}

/// An exact fraction in lowest terms with a positive denominator, `[num, den]` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "[i64; 2]", into = "[i64; 2]")]
pub struct Ratio {
    num: i64,
    den: i64,
}

/// The error of a fraction whose denominator is zero or that does not fit into 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}/{1} is not a fraction that can be held in 64 bits")]
pub struct RatioError(pub i128, pub i128);

impl Ratio {
    pub const ZERO: Ratio = Ratio { num: 0, den: 1 };
    pub const ONE: Ratio = Ratio { num: 1, den: 1 };

    /// The fraction in lowest terms.
    pub fn new(num: i64, den: i64) -> Result<Ratio, RatioError> {
        Ratio::reduced(i128::from(num), i128::from(den))
    }

    /// As [`Ratio::new`], from wide integers.
    pub fn reduced(num: i128, den: i128) -> Result<Ratio, RatioError> {
        if den == 0 {
            return Err(RatioError(num, den));
        }
        let sign = if den < 0 { -1 } else { 1 };
        let divisor = gcd(num.unsigned_abs(), den.unsigned_abs()).max(1) as i128;
        let narrow = |n: i128| i64::try_from(sign * n / divisor).map_err(|_| RatioError(num, den));
        Ok(Ratio { num: narrow(num)?, den: narrow(den)? })
    }

    /// A whole number.
    pub const fn whole(value: i64) -> Ratio {
        Ratio { num: value, den: 1 }
    }

    /// The numerator.
    pub const fn num(self) -> i64 {
        self.num
    }

    /// The denominator; always positive.
    pub const fn den(self) -> i64 {
        self.den
    }

    /// The fraction if it fits into 64 bits, or else the nearest number of billionths or the
    /// nearest bound.
    fn nearest(num: i128, den: i128) -> Ratio {
        const BILLION: i128 = 1_000_000_000;
        Ratio::reduced(num, den).unwrap_or_else(|_| {
            let (num, den) = if den < 0 { (-num, -den) } else { (num, den.max(1)) };
            let (whole, rest) = (num.div_euclid(den), num.rem_euclid(den));
            let scale = (den / BILLION).max(1);
            let part = (rest / scale) * BILLION / (den / scale).max(1);
            let bound = i128::from(i64::MAX) / BILLION;
            Ratio::reduced(whole.clamp(-bound, bound - 1) * BILLION + part, BILLION)
                .unwrap_or(Ratio::ZERO)
        })
    }

    /// The sum. All sums here are exact if they fit into 64 bits, and else right to a billionth.
    pub fn plus(self, other: Ratio) -> Ratio {
        let num = i128::from(self.num) * i128::from(other.den)
            + i128::from(other.num) * i128::from(self.den);
        Ratio::nearest(num, i128::from(self.den) * i128::from(other.den))
    }

    pub fn minus(self, other: Ratio) -> Ratio {
        let num = i128::from(self.num) * i128::from(other.den)
            - i128::from(other.num) * i128::from(self.den);
        Ratio::nearest(num, i128::from(self.den) * i128::from(other.den))
    }

    pub fn times(self, other: Ratio) -> Ratio {
        Ratio::nearest(
            i128::from(self.num) * i128::from(other.num),
            i128::from(self.den) * i128::from(other.den),
        )
    }

    /// The quotient; none if `other` is zero.
    pub fn over(self, other: Ratio) -> Option<Ratio> {
        let den = i128::from(self.den) * i128::from(other.num);
        (den != 0).then(|| Ratio::nearest(i128::from(self.num) * i128::from(other.den), den))
    }

    /// The nearest whole number; halves go up.
    pub fn round_half_up(self) -> i64 {
        let (num, den) = (i128::from(self.num), i128::from(self.den));
        (2 * num + den).div_euclid(2 * den) as i64
    }

    /// The largest whole number that is not above it.
    pub fn floor(self) -> i64 {
        self.num.div_euclid(self.den)
    }

    /// The value as a float, for drawing.
    pub fn to_f64(self) -> f64 {
        self.num as f64 / self.den as f64
    }

    /// The nearest fixed-point number.
    pub fn to_micro(self) -> Micro {
        let (num, den) = (i128::from(self.num) * i128::from(MICRO), i128::from(self.den));
        let rounded = (2 * num + den).div_euclid(2 * den);
        Micro(rounded.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl TryFrom<[i64; 2]> for Ratio {
    type Error = RatioError;
    fn try_from([num, den]: [i64; 2]) -> Result<Ratio, RatioError> {
        Ratio::new(num, den)
    }
}

impl From<Ratio> for [i64; 2] {
    fn from(ratio: Ratio) -> [i64; 2] {
        [ratio.num, ratio.den]
    }
}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Ratio) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ratio {
    fn cmp(&self, other: &Ratio) -> Ordering {
        (i128::from(self.num) * i128::from(other.den))
            .cmp(&(i128::from(other.num) * i128::from(self.den)))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.den == 1 {
            write!(f, "{}", self.num)
        } else {
            write!(f, "{}/{}", self.num, self.den)
        }
    }
}

/// Frames per second, as an exact fraction: 30/1, 30000/1001.
///
/// ```
/// use composition::plan::{Rate, Ratio};
///
/// let ntsc = Rate { num: 30_000, den: 1001 };
/// assert_eq!(ntsc.frame_at(Ratio::whole(600)), 17_982);
/// assert_eq!(ntsc.seconds(30), Ratio::new(1001, 1000).expect("a fraction"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rate {
    pub num: u32,
    /// At least 1.
    pub den: u32,
}

impl Rate {
    /// The length of `frames` frames, in seconds.
    pub fn seconds(self, frames: u64) -> Ratio {
        Ratio::nearest(i128::from(frames) * i128::from(self.den), i128::from(self.num.max(1)))
    }

    /// The frame nearest to a time; halves go up. A time before zero gives frame zero.
    pub fn frame_at(self, seconds: Ratio) -> u64 {
        let num = i128::from(seconds.num()) * i128::from(self.num);
        let den = i128::from(seconds.den()) * i128::from(self.den.max(1));
        u64::try_from((2 * num + den).div_euclid(2 * den)).unwrap_or(0)
    }

    /// The length of `frames` frames in samples at `sample_rate`, rounded half up.
    pub fn samples(self, frames: u64, sample_rate: u32) -> u64 {
        let num = u128::from(frames) * u128::from(self.den) * u128::from(sample_rate);
        let den = u128::from(self.num.max(1));
        ((2 * num + den) / (2 * den)) as u64
    }

    /// Frames per second as a float, for display.
    pub fn to_f64(self) -> f64 {
        f64::from(self.num) / f64::from(self.den.max(1))
    }
}

/// A colour: red, green, blue and alpha, each 0 to 255. Alpha is straight (not multiplied in); the
/// colour is sRGB, drawn as bt709.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rgba(pub [u8; 4]);

impl Rgba {
    pub const BLACK: Rgba = Rgba([0, 0, 0, 255]);
    pub const WHITE: Rgba = Rgba([255, 255, 255, 255]);
    /// Fully transparent.
    pub const CLEAR: Rgba = Rgba([0, 0, 0, 0]);

    /// The same colour with its alpha multiplied by a share of one.
    pub fn faded(self, opacity: Micro) -> Rgba {
        let [r, g, b, a] = self.0;
        let share = opacity.0.clamp(0, MICRO);
        Rgba([r, g, b, ((i64::from(a) * share + MICRO / 2) / MICRO) as u8])
    }
}

/// A rectangle with fractional sides. The field that holds it states the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rect {
    /// The left edge, growing to the right.
    pub x: Micro,
    /// The top edge, growing downwards.
    pub y: Micro,
    pub width: Micro,
    pub height: Micro,
}

/// A source, named by the hash of its bytes in lower-case hexadecimal. The worker knows where the
/// bytes are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceHash(pub String);

impl fmt::Display for SourceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(num: i64, den: i64) -> Ratio {
        Ratio::new(num, den).expect("a fraction")
    }

    #[test]
    fn fractions_are_in_lowest_terms_with_the_sign_above() {
        assert_eq!(<[i64; 2]>::from(ratio(6, -4)), [-3, 2]);
        assert!(Ratio::new(1, 0).is_err());
        assert!(serde_json::from_str::<Ratio>("[1,0]").is_err());
    }

    #[test]
    fn a_sum_that_64_bits_cannot_hold_is_right_to_a_billionth() {
        let (a, b) = (ratio(i64::MAX / 4, 1_000_000_007), ratio(1, 998_244_353_999));
        let sum = a.plus(b).to_f64();
        assert!((sum - (a.to_f64() + b.to_f64())).abs() < 1e-5, "{sum}");
        assert_eq!(
            Ratio::whole(i64::MAX).times(Ratio::whole(i64::MAX)).floor(),
            i64::MAX / 1_000_000_000 - 1
        );
    }

    #[test]
    fn halves_round_up_on_both_sides_of_zero() {
        let rounded = [ratio(1, 2), ratio(-1, 2), ratio(3, 2), ratio(-3, 2), ratio(7, 5)]
            .map(Ratio::round_half_up);
        assert_eq!(rounded, [1, 0, 2, -1, 1]);
    }

    #[test]
    fn ntsc_frames_fall_where_exact_division_puts_them() {
        let ntsc = Rate { num: 30_000, den: 1001 };
        assert_eq!(ntsc.frame_at(Ratio::whole(600)), 17_982);
        assert_eq!(ntsc.samples(17_982, 48_000), 28_799_971);
        assert_eq!(ntsc.frame_at(ntsc.seconds(12_345)), 12_345);
    }
}
