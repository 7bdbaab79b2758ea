//! Lowers music under speech.
//!
//! The voices' level is a mean square over about ten milliseconds. Above the threshold, the target
//! is to lower music by the depth, with a knee of 6 dB so that a voice at the threshold does not
//! make it flutter. The gain approaches the target in decibels, fast downwards and slowly back. All
//! of it is computed once a millisecond from the samples alone, so equal voices give equal gains.

use super::stereo::Stereo;
use composition::plan::Ducking;

/// Samples per step: a millisecond at 48 kHz.
const STEP: usize = 48;
/// The time constant of the level's mean, in steps.
const LEVEL_STEPS: f64 = 10.0;
/// The level range from the threshold to the full depth, in dB.
const KNEE: f64 = 6.0;
/// Time constants after which an exponential has covered nine tenths of its way: ln 10.
const TIME_CONSTANTS: f64 = std::f64::consts::LN_10;

/// The sidechain compressor of the music.
pub(super) struct Ducker {
    threshold: f64,
    depth: f64,
    attack: f64,
    release: f64,
    /// The voices' mean square.
    level: f64,
    /// The reduction of the music at the end of the last step, in dB.
    reduction: f64,
}

impl Ducker {
    pub(super) fn new(ducking: &Ducking, rate: u32) -> Self {
        let step_ms = STEP as f64 * 1000.0 / f64::from(rate);
        let share = |ms: u32| 1.0 - (-TIME_CONSTANTS * step_ms / f64::from(ms.max(1))).exp();
        Self {
            threshold: ducking.threshold.to_f64(),
            depth: ducking.depth.to_f64().max(0.0),
            attack: share(ducking.attack_ms),
            release: share(ducking.release_ms),
            level: 0.0,
            reduction: 0.0,
        }
    }

    /// Lowers `music` under the `voice` of the same time. Both must have the same length; only the
    /// last block of all may end within a step.
    pub(super) fn duck(&mut self, voice: &[Stereo], music: &mut [Stereo]) {
        for (voice, music) in voice.chunks(STEP).zip(music.chunks_mut(STEP)) {
            let from = gain(self.reduction);
            self.step(voice);
            let to = gain(self.reduction);
            for (index, sample) in music.iter_mut().enumerate() {
                let now = from + (to - from) * (index + 1) as f32 / STEP as f32;
                sample[0] *= now;
                sample[1] *= now;
            }
        }
    }

    fn step(&mut self, voice: &[Stereo]) {
        let sum: f64 = voice
            .iter()
            .map(|[left, right]| f64::from(left * left).max(f64::from(right * right)))
            .sum();
        let square = sum / voice.len().max(1) as f64;
        self.level += (square - self.level) / LEVEL_STEPS;
        let over = 10.0 * self.level.max(1e-12).log10() - self.threshold;
        let target = self.depth * (over / KNEE).clamp(0.0, 1.0);
        let share = if target > self.reduction { self.attack } else { self.release };
        self.reduction += (target - self.reduction) * share;
    }
}

fn gain(reduction: f64) -> f32 {
    10_f64.powf(-reduction / 20.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use composition::plan::Micro;

    fn ducker() -> Ducker {
        let ducking = Ducking {
            threshold: Micro::whole(-30),
            depth: Micro::whole(12),
            attack_ms: 20,
            release_ms: 300,
        };
        Ducker::new(&ducking, 48_000)
    }

    #[test]
    fn music_is_lowered_by_the_depth_under_a_voice_and_comes_back_after_it() {
        let mut ducker = ducker();
        let (loud, silent) = (vec![[0.3; 2]; 9_600], vec![[0.0; 2]; 48_000]);
        let mut under = vec![[1.0; 2]; loud.len()];
        ducker.duck(&loud, &mut under);
        let lowered = under[9_599][0];
        assert!((20.0 * lowered.log10() + 12.0).abs() < 0.1, "{lowered}");

        let mut after = vec![[1.0; 2]; silent.len()];
        ducker.duck(&silent, &mut after);
        assert!(after[4_800][0] < 0.7, "it comes back slowly");
        assert!(after[47_999][0] > 0.98);
    }

    #[test]
    fn a_voice_below_the_threshold_lowers_nothing() {
        let mut music = vec![[1.0; 2]; 4_800];
        ducker().duck(&vec![[0.01; 2]; 4_800], &mut music);
        assert!(music.iter().all(|sample| sample[0] == 1.0));
    }
}
