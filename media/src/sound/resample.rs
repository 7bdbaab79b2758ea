//! Converts decoded sound of any format to stereo samples at the engine's rate.

use super::stereo::Stereo;
use crate::error::libav_text;
use crate::{MediaError, Result, ffi};
use ffmpeg_next::software::resampling::Context;
use ffmpeg_next::util::format::sample::{Sample, Type};
use ffmpeg_next::{ChannelLayout, frame};

/// Samples beyond the exact ratio that the filter may return at once.
const SLACK: usize = 256;

/// The most channels that libswresample mixes down. It knows no layout of nine and more, and drops
/// the channels of height of those that a file states.
const MOST_MIXED: i32 = 8;
/// The most channels that are read: libswresample has a bit for each, and converts no more.
const MAX_CHANNELS: u16 = 63;

/// A resampler for one input format. If the format changes, another takes over.
pub(super) struct Resampler {
    context: Context,
    input_format: InputFormat,
    /// The share of each channel in left and right, if they are mixed down here.
    shares: Option<Vec<Stereo>>,
}

/// The properties of a frame that decide its conversion.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct InputFormat {
    format: Sample,
    channels: u16,
    layout: ChannelLayout,
    rate: u32,
}

impl InputFormat {
    /// Reads a decoded frame. A missing layout is the default one for the number of channels. More
    /// channels than any default has are named by the first bits.
    pub(super) fn of(frame: &frame::Audio) -> Self {
        let layout = match (frame.channel_layout(), frame.channels()) {
            (stated, channels) if stated.channels() == i32::from(channels) => stated,
            (_, channels) if i32::from(channels) <= MOST_MIXED => {
                ChannelLayout::default(i32::from(channels))
            }
            (_, channels @ ..=MAX_CHANNELS) => ChannelLayout::from_bits_retain((1 << channels) - 1),
            _ => ChannelLayout::empty(),
        };
        Self { format: frame.format(), channels: frame.channels(), layout, rate: frame.rate() }
    }
}

/// Returns the share of each channel in left and right, by its place in the usual order of 7.1.
/// Those beyond are taken for pairs of height, left before right. As in libswresample, a channel
/// that is not at the front left or right is 3 dB lower, and the one for low frequencies is left
/// out.
fn shares(channels: u16) -> Vec<Stereo> {
    const LOWER: f32 = std::f32::consts::FRAC_1_SQRT_2;
    let share = |channel: u16| match channel {
        0 => [1.0, 0.0],
        1 => [0.0, 1.0],
        2 => [LOWER, LOWER],
        3 => [0.0, 0.0],
        left if left % 2 == 0 => [LOWER, 0.0],
        _ => [0.0, LOWER],
    };
    (0..channels).map(share).collect()
}

impl Resampler {
    /// Creates a conversion to stereo at `rate`.
    ///
    /// # Errors
    /// Unsupported if there is no such conversion.
    pub(super) fn new(input_format: InputFormat, rate: u32) -> Result<Self> {
        if input_format.layout.is_empty() {
            return Err(MediaError::Unsupported(format!(
                "sound of {} channels can't be mixed down: export it with at most {MAX_CHANNELS}, \
                 or as stereo",
                input_format.channels
            )));
        }
        // A single channel is doubled here at its own level: libswresample would lower it by 3 dB.
        let layout = match input_format.layout.channels() {
            1 => ChannelLayout::MONO,
            2..=MOST_MIXED => ChannelLayout::STEREO,
            _ => input_format.layout,
        };
        let shares = (layout.channels() > 2).then(|| shares(input_format.channels));
        let context = Context::get(
            input_format.format,
            input_format.layout,
            input_format.rate,
            Sample::F32(Type::Planar),
            layout,
            rate,
        )
        .map_err(|error| {
            MediaError::Unsupported(format!(
                "sound of {} Hz in {:?} can't be converted: {}",
                input_format.rate,
                input_format.format,
                libav_text(error)
            ))
        })?;
        Ok(Self { context, input_format, shares })
    }

    pub(super) fn input_format(&self) -> InputFormat {
        self.input_format
    }

    /// Converts a frame of this format. Some of its samples may come with the next frame.
    ///
    /// # Errors
    /// Bad input if libav refuses the frame.
    pub(super) fn convert(
        &mut self,
        frame: &mut frame::Audio,
        into: &mut Vec<Stereo>,
    ) -> Result<()> {
        ffi::set_channel_layout(frame, self.input_format.layout)
            .map_err(|error| MediaError::from_libav("converting sound", error))?;
        let exact = frame.samples() as u64 * u64::from(self.context.output().rate);
        let capacity = (exact / u64::from(self.input_format.rate.max(1))) as usize + SLACK;
        let mut out = self.output_frame(capacity);
        self.context
            .run(frame, &mut out)
            .map_err(|error| MediaError::from_libav("converting sound", error))?;
        self.collect(&out, into);
        Ok(())
    }

    /// Returns the samples still in the filter when the sound ends.
    ///
    /// # Errors
    /// As [`Resampler::convert`].
    pub(super) fn finish(mut self, into: &mut Vec<Stereo>) -> Result<()> {
        loop {
            let mut out = self.output_frame(SLACK);
            self.context
                .flush(&mut out)
                .map_err(|error| MediaError::from_libav("converting sound", error))?;
            if out.samples() == 0 {
                return Ok(());
            }
            self.collect(&out, into);
        }
    }

    fn output_frame(&self, samples: usize) -> frame::Audio {
        let to = self.context.output();
        frame::Audio::new(to.format, samples, to.channel_layout)
    }

    fn collect(&self, frame: &frame::Audio, into: &mut Vec<Stereo>) {
        if frame.samples() == 0 {
            return;
        }
        if let Some(shares) = &self.shares {
            return into.extend(mixed_down(frame, shares));
        }
        let left: &[f32] = frame.plane(0);
        let right: &[f32] = if frame.planes() > 1 { frame.plane(1) } else { left };
        into.extend(left.iter().zip(right).map(|(left, right)| [bounded(*left), bounded(*right)]));
    }
}

fn mixed_down(frame: &frame::Audio, shares: &[Stereo]) -> Vec<Stereo> {
    let mut mixed = vec![[0.0; 2]; frame.samples()];
    for (channel, [left, right]) in shares.iter().enumerate().take(frame.planes()) {
        let plane: &[f32] = frame.plane(channel);
        for (sum, sample) in mixed.iter_mut().zip(plane) {
            let sample = bounded(*sample);
            sum[0] += sample * left;
            sum[1] += sample * right;
        }
    }
    mixed
}

/// Limits a sample. A damaged float file may hold infinities; from here on every sample is finite.
fn bounded(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-8.0, 8.0) } else { 0.0 }
}
