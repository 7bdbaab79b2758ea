//! A true-peak limiter: no peak exceeds the ceiling, not even between samples.
//!
//! Peaks are found as in ITU-R BS.1770-4, annex 2: four times oversampled by its 48-tap filter. The
//! gain that a peak needs is held over a window, may rise again only slowly, and is averaged over
//! the attack, so it is fully down when the peak comes and has no corners. The output lags behind
//! the input by [`DELAY`] samples, which [`Limiter::finish`] returns.

use super::stereo::Stereo;
use std::collections::VecDeque;

/// Five milliseconds at 48 kHz.
const ATTACK: usize = 240;
/// Samples around a peak over which the gain is fully down: the oversampling filter's length.
const MARGIN: usize = 12;
/// The output's lag: the attack, and the filter's reach beyond it.
const DELAY: usize = ATTACK + MARGIN - 1;
/// The release: a time constant of 100 ms at 48 kHz.
const RELEASE: f64 = 1.0 / 4_800.0;
/// Bound of an interpolated value over the samples around it: above the largest sum of a phase's
/// magnitudes.
const MAX_OVERSHOOT: f32 = 2.1;

/// The table of BS.1770-4, annex 2. The last two phases are the first two reversed.
const PHASES: [[f32; 12]; 2] = [
    [
        0.001_708_984_4,
        0.010_986_328,
        -0.019_653_32,
        0.033_203_125,
        -0.059_448_242,
        0.137_329_1,
        0.972_167_97,
        -0.102_294_92,
        0.047_607_422,
        -0.026_611_328,
        0.014_892_578,
        -0.008_300_781,
    ],
    [
        -0.029_174_805,
        0.029_296_875,
        -0.051_757_812,
        0.089_111_33,
        -0.166_503_9,
        0.465_087_9,
        0.779_785_16,
        -0.200_317_38,
        0.101_562_5,
        -0.058_227_54,
        0.033_081_055,
        -0.018_920_898,
    ],
];

/// Applies a gain, and limits peaks to the ceiling.
pub(super) struct Limiter {
    gain: f32,
    ceiling: f32,
    /// The last samples for the oversampling filter, the newest last.
    recent: [Stereo; 12],
    delayed: VecDeque<Stereo>,
    /// Needed gains with their times, ascending: the window's minimum is at the front.
    needs: VecDeque<(u64, f64)>,
    released: f64,
    window: VecDeque<f64>,
    window_sum: f64,
    clock: u64,
}

impl Limiter {
    /// Both are factors of amplitude.
    pub(super) fn new(gain: f32, ceiling: f32) -> Self {
        Self {
            gain,
            ceiling,
            recent: [[0.0; 2]; 12],
            delayed: VecDeque::with_capacity(DELAY + 1),
            needs: VecDeque::new(),
            released: 1.0,
            window: VecDeque::from(vec![1.0; ATTACK]),
            window_sum: ATTACK as f64,
            clock: 0,
        }
    }

    /// Takes samples and returns as many finished ones.
    pub(super) fn process(&mut self, samples: &[Stereo]) -> Vec<Stereo> {
        samples
            .iter()
            .filter_map(|sample| self.step(sample.map(|channel| channel * self.gain)))
            .collect()
    }

    /// Returns the samples still delayed.
    pub(super) fn finish(mut self) -> Vec<Stereo> {
        (0..DELAY).filter_map(|_| self.step([0.0; 2])).collect()
    }

    fn step(&mut self, sample: Stereo) -> Option<Stereo> {
        self.recent.rotate_left(1);
        self.recent[11] = sample;
        let need = f64::from((self.ceiling / self.true_peak()).min(1.0));
        let held = self.hold(need);
        self.released = held.min(self.released + (1.0 - self.released) * RELEASE);
        self.window.push_back(self.released);
        self.window_sum += self.released - self.window.pop_front().unwrap_or(1.0);
        self.clock += 1;
        self.delayed.push_back(sample);
        if self.delayed.len() <= DELAY {
            return None;
        }
        let gain = (self.window_sum / ATTACK as f64).min(1.0) as f32;
        self.delayed.pop_front().map(|delayed| delayed.map(|channel| channel * gain))
    }

    /// Returns the least gain needed over the attack and the margin.
    fn hold(&mut self, need: f64) -> f64 {
        while self.needs.back().is_some_and(|(_, last)| *last >= need) {
            self.needs.pop_back();
        }
        self.needs.push_back((self.clock, need));
        let oldest = self.clock.saturating_sub((ATTACK + MARGIN) as u64);
        while self.needs.front().is_some_and(|(time, _)| *time < oldest) {
            self.needs.pop_front();
        }
        self.needs.front().map_or(1.0, |(_, least)| *least)
    }

    /// Returns the highest magnitude of the signal about six samples ago, between samples too.
    fn true_peak(&self) -> f32 {
        let plain =
            self.recent.iter().flatten().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        if plain * MAX_OVERSHOOT < self.ceiling {
            return plain;
        }
        let mut peak = self.recent[5]
            .into_iter()
            .chain(self.recent[6])
            .fold(0.0_f32, |peak, x| peak.max(x.abs()));
        for channel in 0..2 {
            for phase in &PHASES {
                let (mut forward, mut backward) = (0.0_f32, 0.0_f32);
                for (tap, sample) in phase.iter().zip(&self.recent) {
                    forward += tap * sample[channel];
                }
                for (tap, sample) in phase.iter().rev().zip(&self.recent) {
                    backward += tap * sample[channel];
                }
                peak = peak.max(forward.abs()).max(backward.abs());
            }
        }
        peak
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ebur128::{EbuR128, Mode};

    fn limited(samples: &[Stereo], gain: f32, ceiling: f32) -> Vec<Stereo> {
        let mut limiter = Limiter::new(gain, ceiling);
        let mut out = limiter.process(samples);
        out.extend(limiter.finish());
        out
    }

    #[test]
    fn sound_below_the_ceiling_passes_unchanged() {
        let quiet: Vec<Stereo> = (0..2_000).map(|n| [(n as f32 * 0.1).sin() * 0.3, 0.1]).collect();
        let out = limited(&quiet, 1.0, 0.8);
        assert_eq!(out.len(), quiet.len());
        assert!(out.iter().zip(&quiet).all(|(out, quiet)| (out[0] - quiet[0]).abs() < 1e-6));
    }

    #[test]
    fn no_peak_between_the_samples_exceeds_the_ceiling() {
        // A quarter of the sample rate at 45°: every sample is 3 dB below the true peak.
        let signal: Vec<Stereo> = (0..24_000)
            .map(|n| {
                let phase = std::f32::consts::FRAC_PI_2 * n as f32 + std::f32::consts::FRAC_PI_4;
                let swell = if n % 6_000 < 400 { 1.4 } else { 0.2 };
                [phase.sin() * swell; 2]
            })
            .collect();
        let ceiling = 10_f32.powf(-1.0 / 20.0);
        let out = limited(&signal, 1.0, ceiling);
        let mut meter = EbuR128::new(2, 48_000, Mode::TRUE_PEAK).unwrap();
        meter.add_frames_f32(out.as_flattened()).unwrap();
        let peak = 20.0 * meter.true_peak(0).unwrap().log10();
        assert!(peak <= -0.95, "{peak}");
        assert!(peak > -1.6, "it is not lowered more than needed: {peak}");
    }
}
