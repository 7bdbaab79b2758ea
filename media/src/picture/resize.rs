//! The filter weights that change the length of a row or column.

/// The taps of one output sample.
pub(crate) struct Kernel {
    /// The first input sample.
    pub first: usize,
    /// The weights of it and of those that follow. They sum to `1 << BITS`.
    pub weights: Vec<i32>,
}

impl Kernel {
    const BITS: u32 = 14;
    /// Rounds a sum to the nearest.
    pub(crate) const HALF: i32 = 1 << (Self::BITS - 1);

    /// Returns a weighted sum of bytes as a byte.
    #[inline(always)]
    pub(crate) fn place(sum: i32) -> u8 {
        (sum >> Self::BITS).clamp(0, 255) as u8
    }
}

/// Computes a kernel for each output sample, by the Catmull-Rom cubic. If the length shrinks,
/// kernels widen so that every input sample counts.
pub(crate) fn kernels(from: usize, to: usize) -> Vec<Kernel> {
    let ratio = from as f64 / to as f64;
    let widen = ratio.max(1.0);
    let reach = 2.0 * widen;
    (0..to)
        .map(|sample| {
            let centre = (sample as f64 + 0.5) * ratio;
            let first = (centre - reach).floor().max(0.0) as usize;
            let last = ((centre + reach).ceil() as usize).min(from);
            let raw: Vec<f64> =
                (first..last).map(|tap| catmull_rom((tap as f64 + 0.5 - centre) / widen)).collect();
            Kernel { first, weights: whole_weights(&raw) }
        })
        .collect()
}

/// Keys' cubic with a = −½ (Catmull and Rom): 1 at 0, and 0 at every other whole number.
fn catmull_rom(x: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        (1.5 * x - 2.5) * x * x + 1.0
    } else if x < 2.0 {
        ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    } else {
        0.0
    }
}

/// Rounds weights to fixed point with an exact sum; the largest weight takes the remainder.
fn whole_weights(raw: &[f64]) -> Vec<i32> {
    let one = f64::from(1 << Kernel::BITS);
    let sum: f64 = raw.iter().sum();
    let mut weights: Vec<i32> =
        raw.iter().map(|weight| (weight / sum * one).round() as i32).collect();
    let rest = (1 << Kernel::BITS) - weights.iter().sum::<i32>();
    if let Some(largest) = weights.iter_mut().max_by_key(|weight| **weight) {
        *largest += rest;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one_for_any_lengths() {
        for (from, to) in [(10, 3), (3, 10), (1, 7), (1920, 1), (5, 5)] {
            for kernel in kernels(from, to) {
                assert_eq!(kernel.weights.iter().sum::<i32>(), 1 << Kernel::BITS);
                assert!(kernel.first + kernel.weights.len() <= from);
            }
        }
    }
}
