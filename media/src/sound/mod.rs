//! Renders the sound of a composition: mixes, ducks, normalises loudness and encodes.
//!
//! One pass mixes everything into a file of raw samples; the loudness passes read that file; the
//! last pass encodes it. Each works in blocks, so memory does not grow with the length.

mod duck;
pub(crate) mod encode;
mod item;
mod limit;
mod loudness;
mod mix;
pub(crate) mod reader;
mod resample;
mod spill;
mod stereo;
mod stretch;
#[cfg(test)]
mod tests;

use crate::file_size::file_size;
use crate::protocol::{Files, Progress, SoundOutput};
use crate::{MediaError, Result};
use composition::plan::{Sound, SoundCodec};
use loudness::{LoudnessMeter, MixLevel, PASSES};
use spill::{Spill, SpillWriter};
use std::path::Path;

/// The overshoot of lossy codecs at peaks, in dB, kept free below the target's true peak.
const CODEC_HEADROOM: f64 = 0.5;

/// Renders a sound into `out`. The container follows from the codec: MP4 for AAC, WebM for Opus,
/// else the codec's own. The folder of `out` also needs room for the raw mix: 8 bytes a sample.
///
/// # Errors
/// Errors from the sources, the disk and the encoder.
pub fn render(
    sound: &Sound,
    files: &Files,
    out: &Path,
    report: &mut dyn FnMut(Progress),
) -> Result<SoundOutput> {
    let mut progress = StageProgress { report, done: 0, passes_done: 0, samples: sound.samples };
    let mix = mix_down(sound, files, &out.with_extension("mix"), &mut progress)?;
    let level = level_of(sound, &mix, &mut progress)?;
    let (samples, measurement) = encode(sound, &mix, level, out, &mut progress)?;
    Ok(SoundOutput {
        samples,
        bytes: file_size(out)?,
        loudness: measurement.integrated,
        true_peak: measurement.true_peak,
        gain: level.gain(),
    })
}

/// Progress in samples, over three stages of equal weight: mixing, finding the level, encoding.
struct StageProgress<'a> {
    report: &'a mut dyn FnMut(Progress),
    done: u64,
    /// Samples of the second stage for one pass.
    passes_done: u64,
    samples: u64,
}

impl StageProgress<'_> {
    fn advance(&mut self, samples: usize) {
        self.reach(self.done + samples as u64);
    }

    fn pass(&mut self, samples: usize) {
        self.passes_done += samples as u64;
        self.reach(self.samples + self.passes_done / PASSES as u64);
    }

    fn reach(&mut self, done: u64) {
        self.done = done;
        (self.report)(Progress { done, total: self.samples * 3 });
    }
}

fn mix_down(
    sound: &Sound,
    files: &Files,
    path: &Path,
    progress: &mut StageProgress<'_>,
) -> Result<Spill> {
    let mut mixer = mix::Mixer::new(sound, files);
    let mut spill = SpillWriter::create(path)?;
    while let Some(block) = mixer.next_block()? {
        spill.write(&block)?;
        progress.advance(block.len());
    }
    spill.finish()
}

fn level_of(sound: &Sound, mix: &Spill, progress: &mut StageProgress<'_>) -> Result<MixLevel> {
    let Some(target) = &sound.loudness else {
        return Ok(MixLevel::Unchanged);
    };
    let headroom = match sound.recipe.codec {
        SoundCodec::Pcm16 => 0.0,
        SoundCodec::Aac | SoundCodec::Opus | SoundCodec::Mp3 => CODEC_HEADROOM,
    };
    loudness::find_level(mix, sound.recipe.rate, target, headroom, &mut |samples| {
        progress.pass(samples)
    })
}

fn encode(
    sound: &Sound,
    mix: &Spill,
    level: MixLevel,
    out: &Path,
    progress: &mut StageProgress<'_>,
) -> Result<(u64, loudness::Measurement)> {
    let mut writer = encode::SoundWriter::create(&sound.recipe, out)?;
    let mut meter =
        LoudnessMeter::new(sound.recipe.rate, ebur128::Mode::I | ebur128::Mode::TRUE_PEAK)?;
    progress.reach(sound.samples * 2);
    level.each_block(mix, |block| {
        writer.push(block)?;
        meter.add(block)?;
        progress.advance(block.len());
        Ok(())
    })?;
    let samples = writer.finish()?;
    if samples != sound.samples {
        return Err(MediaError::Internal(format!(
            "the sound has {samples} samples and should have {}",
            sound.samples
        )));
    }
    Ok((samples, meter.finish()))
}
