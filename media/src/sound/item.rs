//! Plays one sound item: its samples on the composition's clock, with its volume and fades.

use super::reader::SoundReader;
use super::stereo::Stereo;
use super::stretch::Stretch;
use crate::Result;
use composition::plan::{Curve, Ratio, SoundItem};
use std::path::Path;

/// Moving volume is computed every this many samples (a millisecond at 48 kHz) and interpolated in
/// between: a jump is then too quick to be heard as a slide and too slow to be heard as a click.
const VOLUME_STEP: u64 = 48;
/// Samples read at once for the time stretcher.
const STRETCH_BLOCK: usize = 4096;

/// An item that is playing.
pub(super) struct PlayingItem<'a> {
    item: &'a SoundItem,
    samples: ItemSource,
    /// Samples played so far.
    played: u64,
}

/// The source of an item's samples.
enum ItemSource {
    Plain(Box<SoundReader>),
    Stretched { reader: Box<SoundReader>, stretch: Stretch, ready: Vec<Stereo> },
}

impl<'a> PlayingItem<'a> {
    /// Opens the item's source at its trim.
    ///
    /// # Errors
    /// Errors from opening and decoding the source.
    pub(super) fn begin(item: &'a SoundItem, path: &Path, rate: u32) -> Result<Self> {
        let from = item.trim.times(Ratio::whole(i64::from(rate))).round_half_up();
        let reader = Box::new(SoundReader::open(path, item.source.stream, rate, from)?);
        let samples = if item.speed == Ratio::ONE {
            ItemSource::Plain(reader)
        } else {
            ItemSource::Stretched {
                reader,
                stretch: Stretch::new(item.speed, rate)?,
                ready: Vec::new(),
            }
        };
        Ok(Self { item, samples, played: 0 })
    }

    /// Adds the item's next samples to `bus`.
    ///
    /// # Errors
    /// Errors from decoding.
    pub(super) fn add_to(&mut self, bus: &mut [Stereo]) -> Result<()> {
        let rest = usize::try_from(self.item.samples - self.played).unwrap_or(usize::MAX);
        let count = rest.min(bus.len());
        let mut samples = vec![[0.0; 2]; count];
        self.samples.fill(&mut samples)?;
        let volume = volumes(&self.item.volume, self.played, count);
        for (index, (out, sample)) in bus.iter_mut().zip(&samples).enumerate() {
            let gain = volume[index] * fade(self.item, self.played + index as u64);
            out[0] += sample[0] * gain;
            out[1] += sample[1] * gain;
        }
        self.played += count as u64;
        Ok(())
    }

    /// Returns whether the item has ended.
    pub(super) fn is_over(&self) -> bool {
        self.played >= self.item.samples
    }
}

impl ItemSource {
    fn fill(&mut self, out: &mut [Stereo]) -> Result<()> {
        match self {
            Self::Plain(reader) => reader.fill(out),
            Self::Stretched { reader, stretch, ready } => {
                while ready.len() < out.len() {
                    if stretch.drain(ready)? {
                        continue;
                    }
                    if stretch.is_closed() {
                        ready.resize(out.len(), [0.0; 2]);
                    } else if reader.is_over() {
                        stretch.close()?;
                    } else {
                        let mut block = vec![[0.0; 2]; STRETCH_BLOCK];
                        reader.fill(&mut block)?;
                        stretch.feed(&block)?;
                    }
                }
                out.copy_from_slice(&ready[..out.len()]);
                ready.drain(..out.len());
                Ok(())
            }
        }
    }
}

/// Returns the volume of each of `count` samples from `from` on.
fn volumes(curve: &Curve, from: u64, count: usize) -> Vec<f32> {
    if let Curve::Still(value) = curve {
        return vec![value.to_f64() as f32; count];
    }
    let mut left = from / VOLUME_STEP * VOLUME_STEP;
    let mut ends = [curve.value_at(left), curve.value_at(left + VOLUME_STEP)];
    (from..from + count as u64)
        .map(|tick| {
            if tick >= left + VOLUME_STEP {
                left += VOLUME_STEP;
                ends = [ends[1], curve.value_at(left + VOLUME_STEP)];
            }
            let share = (tick - left) as f64 / VOLUME_STEP as f64;
            (ends[0] + (ends[1] - ends[0]) * share) as f32
        })
        .collect()
}

/// Returns the factor of both fades at a sample of the item.
fn fade(item: &SoundItem, tick: u64) -> f32 {
    let passed = tick + item.fade_in_before;
    let rise = if passed < item.fade_in { passed as f64 / item.fade_in as f64 } else { 1.0 };
    let left = item.samples.saturating_sub(tick) + item.fade_out_after;
    let fall = if left < item.fade_out { left as f64 / item.fade_out as f64 } else { 1.0 };
    (rise * fall) as f32
}
