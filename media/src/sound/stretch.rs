//! Plays sound faster or slower at the same pitch, by libavfilter's `atempo` (waveform similarity
//! overlap-add).

use super::stereo::Stereo;
use crate::error::libav_text;
use crate::{MediaError, Result};
use composition::plan::Ratio;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::filter::{self, Graph};
use ffmpeg_next::util::format::sample::{Sample, Type};
use ffmpeg_next::{ChannelLayout, frame};

/// The least speed of one `atempo`; slower speeds chain several.
const SLOWEST: f64 = 0.5;
/// The highest speed of one `atempo` here: beyond 2 it drops samples, and a chain of twos sounds
/// better.
const FASTEST: f64 = 2.0;

/// A time stretcher: samples go in, fewer or more come out, some of them later.
pub(super) struct Stretch {
    graph: Graph,
    rate: u32,
    fed: i64,
    closed: bool,
}

impl Stretch {
    /// `speed` is seconds in per second out.
    ///
    /// # Errors
    /// Internal, if libavfilter lacks the filter.
    pub(super) fn new(speed: Ratio, rate: u32) -> Result<Self> {
        let graph = build(speed.to_f64(), rate).map_err(|error| {
            MediaError::Internal(format!(
                "changing the speed of sound failed: {}",
                libav_text(error)
            ))
        })?;
        Ok(Self { graph, rate, fed: 0, closed: false })
    }

    /// Gives it samples.
    ///
    /// # Errors
    /// Out of memory, mostly.
    pub(super) fn feed(&mut self, samples: &[Stereo]) -> Result<()> {
        let mut frame =
            frame::Audio::new(Sample::F32(Type::Planar), samples.len(), ChannelLayout::STEREO);
        frame.set_rate(self.rate);
        frame.set_pts(Some(self.fed));
        for channel in 0..2 {
            let plane: &mut [f32] = frame.plane_mut(channel);
            for (place, sample) in plane.iter_mut().zip(samples) {
                *place = sample[channel];
            }
        }
        self.fed += samples.len() as i64;
        // The filter takes ownership of the frame.
        self.with_filter("in", |mut context| context.source().add(&frame))
    }

    /// Marks the end of the samples.
    ///
    /// # Errors
    /// As [`Stretch::feed`].
    pub(super) fn close(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.closed, true) {
            return Ok(());
        }
        self.with_filter("in", |mut context| context.source().flush())
    }

    /// Returns whether the end was marked.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes out the samples that are ready; false if it needs more, or has no more to give.
    ///
    /// # Errors
    /// As [`Stretch::feed`].
    pub(super) fn drain(&mut self, into: &mut Vec<Stereo>) -> Result<bool> {
        let mut frame = frame::Audio::empty();
        let outcome = self
            .graph
            .get("out")
            .ok_or(ffmpeg::Error::FilterNotFound)
            .and_then(|mut sink| sink.sink().frame(&mut frame));
        match outcome {
            Ok(()) => {
                let (left, right): (&[f32], &[f32]) = (frame.plane(0), frame.plane(1));
                into.extend(left.iter().zip(right).map(|(left, right)| [*left, *right]));
                Ok(true)
            }
            Err(ffmpeg::Error::Eof) => Ok(false),
            Err(ffmpeg::Error::Other { errno }) if errno == libc::EAGAIN => Ok(false),
            Err(error) => Err(MediaError::from_libav("changing the speed of sound", error)),
        }
    }

    fn with_filter(
        &mut self,
        name: &str,
        act: impl FnOnce(filter::Context) -> std::result::Result<(), ffmpeg::Error>,
    ) -> Result<()> {
        self.graph
            .get(name)
            .ok_or(ffmpeg::Error::FilterNotFound)
            .and_then(act)
            .map_err(|error| MediaError::from_libav("changing the speed of sound", error))
    }
}

fn build(speed: f64, rate: u32) -> Result<Graph, ffmpeg::Error> {
    let mut graph = Graph::new();
    let find = |name| filter::find(name).ok_or(ffmpeg::Error::FilterNotFound);
    let source =
        format!("time_base=1/{rate}:sample_rate={rate}:sample_fmt=fltp:channel_layout=stereo");
    graph.add(&find("abuffer")?, "in", &source)?;
    graph.add(&find("abuffersink")?, "out", "")?;
    let chain: Vec<String> = steps(speed)
        .iter()
        .map(|tempo| format!("atempo={tempo:.9}"))
        .chain(["aformat=sample_fmts=fltp:channel_layouts=stereo".into()])
        .collect();
    graph.output("in", 0)?.input("out", 0)?.parse(&chain.join(","))?;
    graph.validate()?;
    Ok(graph)
}

/// Splits `speed` into factors within the range of one filter.
fn steps(speed: f64) -> Vec<f64> {
    let mut rest = speed;
    let mut steps = Vec::new();
    while rest < SLOWEST {
        steps.push(SLOWEST);
        rest /= SLOWEST;
    }
    while rest > FASTEST {
        steps.push(FASTEST);
        rest /= FASTEST;
    }
    steps.push(rest);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_speed_is_a_product_of_speeds_that_the_filter_takes() {
        for speed in [0.1, 0.5, 0.99, 1.5, 2.0, 7.3, 100.0] {
            let steps = steps(speed);
            let product: f64 = steps.iter().product();
            assert!((product - speed).abs() < 1e-9, "{speed}");
            assert!(steps.iter().all(|step| (SLOWEST..=FASTEST).contains(step)));
        }
    }
}
