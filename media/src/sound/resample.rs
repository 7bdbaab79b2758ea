//! Converts decoded sound of any format to stereo samples at the engine's rate.

use super::stereo::Stereo;
use crate::error::libav_text;
use crate::{MediaError, Result};
use ffmpeg_next::software::resampling::Context;
use ffmpeg_next::util::format::sample::{Sample, Type};
use ffmpeg_next::{ChannelLayout, frame};

/// Samples beyond the exact ratio that the filter may return at once.
const SLACK: usize = 256;

/// A resampler for one input format. If the format changes, another takes over.
pub(super) struct Resampler {
    context: Context,
    input_format: InputFormat,
}

/// The properties of a frame that decide its conversion.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct InputFormat {
    format: Sample,
    layout: ChannelLayout,
    rate: u32,
}

impl InputFormat {
    /// Reads a decoded frame. A missing layout is the default one for the number of channels.
    pub(super) fn of(frame: &frame::Audio) -> Self {
        let layout = match frame.channel_layout() {
            stated if !stated.is_empty() => stated,
            _ => ChannelLayout::default(i32::from(frame.channels())),
        };
        Self { format: frame.format(), layout, rate: frame.rate() }
    }
}

impl Resampler {
    /// Creates a conversion to stereo at `rate`.
    ///
    /// # Errors
    /// Unsupported if there is no such conversion.
    pub(super) fn new(input_format: InputFormat, rate: u32) -> Result<Self> {
        // A single channel is doubled here at its own level: libswresample would lower it by 3 dB.
        let layout = match input_format.layout.channels() {
            1 => ChannelLayout::MONO,
            _ => ChannelLayout::STEREO,
        };
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
        Ok(Self { context, input_format })
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
        frame.set_channel_layout(self.input_format.layout);
        let exact = frame.samples() as u64 * u64::from(self.context.output().rate);
        let capacity = (exact / u64::from(self.input_format.rate.max(1))) as usize + SLACK;
        let mut out = self.output_frame(capacity);
        self.context
            .run(frame, &mut out)
            .map_err(|error| MediaError::from_libav("converting sound", error))?;
        collect(&out, into);
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
            collect(&out, into);
        }
    }

    fn output_frame(&self, samples: usize) -> frame::Audio {
        let to = self.context.output();
        frame::Audio::new(to.format, samples, to.channel_layout)
    }
}

fn collect(frame: &frame::Audio, into: &mut Vec<Stereo>) {
    if frame.samples() == 0 {
        return;
    }
    let left: &[f32] = frame.plane(0);
    let right: &[f32] = if frame.planes() > 1 { frame.plane(1) } else { left };
    // A damaged float file may hold infinities; from here on every sample is finite.
    let bounded = |sample: f32| if sample.is_finite() { sample.clamp(-8.0, 8.0) } else { 0.0 };
    into.extend(left.iter().zip(right).map(|(left, right)| [bounded(*left), bounded(*right)]));
}
