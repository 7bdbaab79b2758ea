//! Normalises loudness by EBU R128, in passes over the finished mix: measure, choose one gain for
//! the whole, measure the result.
//!
//! One gain, not one that follows the sound: the mix keeps its dynamics. Only peaks that the gain
//! lifts above the ceiling are limited. If limiting takes loudness away, the gain is raised by the
//! difference and the result is measured again.

use super::limit::Limiter;
use super::spill::Spill;
use super::stereo::Stereo;
use crate::{MediaError, Result};
use composition::plan::Loudness;
use ebur128::{EbuR128, Mode};

/// Shorter sounds have no meaningful integrated loudness.
const MIN_SECONDS: u64 = 3;
/// The absolute gate of BS.1770, in LUFS: everything below it is silence.
const SILENCE: f64 = -70.0;
/// The most passes that raise the gain after limiting.
const CORRECTIONS: usize = 4;
/// The most passes over a mix that find its level.
pub(super) const PASSES: usize = 1 + CORRECTIONS;
/// Tolerance of the target, in LU.
const TOLERANCE: f64 = 0.1;
/// The most gain that may compensate for limiting, in dB; more would be distortion.
const MAX_CORRECTION: f64 = 6.0;

/// The measurement of a sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measurement {
    /// In LUFS; none for silence and for sounds that are too short.
    pub integrated: Option<f64>,
    /// In dBTP; none for silence.
    pub true_peak: Option<f64>,
}

/// The processing that brings a mix to its level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum MixLevel {
    Unchanged,
    /// A gain in dB, under a ceiling in dBTP.
    Limited {
        gain: f64,
        ceiling: f64,
    },
}

impl MixLevel {
    /// Returns the gain in dB.
    pub(super) fn gain(self) -> f64 {
        match self {
            Self::Unchanged => 0.0,
            Self::Limited { gain, .. } => gain,
        }
    }

    /// Visits the mix in blocks, at this level.
    ///
    /// # Errors
    /// Errors from reading the mix, and those of `visit`.
    pub(super) fn each_block(
        self,
        mix: &Spill,
        mut visit: impl FnMut(&[Stereo]) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Unchanged => mix.each_block(visit),
            Self::Limited { gain, ceiling } => {
                let mut limiter = Limiter::new(amplitude(gain), amplitude(ceiling));
                mix.each_block(|block| visit(&limiter.process(block)))?;
                visit(&limiter.finish())
            }
        }
    }
}

/// Finds the level that brings the mix to its target. `headroom` in dB is kept below the target's
/// true peak, for a codec that overshoots. `passed` receives the number of samples measured, at
/// most [`PASSES`] times each.
///
/// # Errors
/// Errors from reading the mix.
pub(super) fn find_level(
    mix: &Spill,
    rate: u32,
    target: &Loudness,
    headroom: f64,
    passed: &mut dyn FnMut(usize),
) -> Result<MixLevel> {
    let Some(before) = measure(mix, MixLevel::Unchanged, rate, passed)? else {
        return Ok(MixLevel::Unchanged);
    };
    let (goal, ceiling) = (target.integrated.to_f64(), target.true_peak.to_f64() - headroom);
    let first = goal - before;
    let mut gain = first;
    for _ in 0..CORRECTIONS {
        let Some(after) = measure(mix, MixLevel::Limited { gain, ceiling }, rate, passed)? else {
            break;
        };
        let missing = goal - after;
        if missing.abs() < TOLERANCE || gain - first >= MAX_CORRECTION {
            break;
        }
        gain = (gain + missing).min(first + MAX_CORRECTION);
    }
    Ok(MixLevel::Limited { gain, ceiling })
}

fn measure(
    mix: &Spill,
    level: MixLevel,
    rate: u32,
    passed: &mut dyn FnMut(usize),
) -> Result<Option<f64>> {
    let mut meter = LoudnessMeter::new(rate, Mode::I)?;
    level.each_block(mix, |block| {
        passed(block.len());
        meter.add(block)
    })?;
    Ok(meter.finish().integrated)
}

/// A loudness meter for stereo.
pub(super) struct LoudnessMeter {
    meter: EbuR128,
    samples: u64,
    shortest: u64,
}

impl LoudnessMeter {
    /// # Errors
    /// Internal, for an impossible rate.
    pub(super) fn new(rate: u32, mode: Mode) -> Result<Self> {
        let meter = EbuR128::new(2, rate, mode).map_err(failed)?;
        Ok(Self { meter, samples: 0, shortest: MIN_SECONDS * u64::from(rate) })
    }

    /// # Errors
    /// Out of memory.
    pub(super) fn add(&mut self, block: &[Stereo]) -> Result<()> {
        self.samples += block.len() as u64;
        self.meter.add_frames_f32(block.as_flattened()).map_err(failed)
    }

    /// Returns the measurement of all samples. True peak needs a mode that finds it.
    pub(super) fn finish(&self) -> Measurement {
        let long_enough = self.samples >= self.shortest;
        let integrated =
            self.meter.loudness_global().ok().filter(|loudness| long_enough && *loudness > SILENCE);
        let peak = |channel| self.meter.true_peak(channel).unwrap_or(0.0);
        let highest = peak(0).max(peak(1));
        Measurement { integrated, true_peak: (highest > 0.0).then(|| 20.0 * highest.log10()) }
    }
}

fn failed(error: ebur128::Error) -> MediaError {
    MediaError::Internal(format!("measuring loudness failed: {error}"))
}

fn amplitude(decibels: f64) -> f32 {
    10_f64.powf(decibels / 20.0) as f32
}
