//! Reads one sound stream of a source as stereo samples at a given rate, each at its exact position
//! on the source's clock.
//!
//! The clock starts where the file starts (its container's start time). A stream that starts later
//! is silent until then. Gaps in its timestamps are silent too, and overlaps are heard once.
//! Timestamps that only jitter (Matroska rounds to milliseconds) are ignored: samples are counted.
//! If the timestamps begin again inside the file, its parts follow each other.

use super::resample::{InputFormat, Resampler};
use super::stereo::Stereo;
use crate::decode::decoders::listed_decoder;
use crate::decode::joined::JoinedClock;
use crate::decode::open::open_input;
use crate::error::libav_text;
use crate::{MediaError, Result, ffi};
use composition::plan::Ratio;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::{Packet, Rational, Rescale, codec, decoder, frame};
use std::path::{Path, PathBuf};

/// Differences between timestamps and the count of samples below this are jitter.
const JITTER_SECONDS: f64 = 0.05;
/// Broken packets in a row after which a stream counts as ended.
const MAX_BROKEN: u32 = 64;
/// Starts further in than this are reached by seeking, if the container's timestamps are exact.
const SEEK_BEYOND_SECONDS: i64 = 10;
/// Seconds decoded before a seek's target: some codecs need a few packets to converge.
const PREROLL_SECONDS: i64 = 1;

/// An open sound stream, read from start to end.
pub(crate) struct SoundReader {
    path: PathBuf,
    input: Input,
    stream: usize,
    time_base: Rational,
    /// The file's start, in microseconds.
    origin_us: i64,
    decoder: decoder::Audio,
    clock: JoinedClock,
    /// The timestamp of the first packet of a part, until samples are counted from it.
    part_begins: Option<i64>,
    rate: u32,
    resampler: Option<Resampler>,
    anchor: Option<Anchor>,
    /// A frame of another format or position, held until the samples before it have been returned.
    held_frame: Option<frame::Audio>,
    /// Converted samples that are not read yet, and the position of the first.
    ready: Vec<Stereo>,
    ready_at: i64,
    /// The position that is read next.
    position: i64,
    /// The stream's end by the container in seconds, if the container is exact.
    stream_end: Option<Ratio>,
    drained: bool,
    over: bool,
    broken: u32,
    decoded_any: bool,
}

/// The position from which samples are counted.
#[derive(Clone, Copy)]
struct Anchor {
    /// The source's rate.
    rate: u32,
    /// In samples of the source, on the source's clock.
    source_at: i64,
    /// Samples of the source since then.
    source_count: i64,
    /// The same position at the reader's rate.
    at: i64,
    /// Samples at the reader's rate since then.
    count: i64,
}

/// The format and the extent of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SoundDescription {
    /// Samples a second.
    pub rate: u32,
    pub channels: u32,
    /// The time of the first sample on the source's clock, in seconds.
    pub start: Ratio,
    /// The samples of the first decoded block.
    pub first_samples: i64,
    /// The end by the container in seconds, if the container is exact.
    pub end: Option<Ratio>,
}

impl SoundReader {
    /// Opens a stream by its index in the container, to be read at `rate` from sample `from` of the
    /// source's clock on.
    ///
    /// # Errors
    /// Bad input if the file is damaged or has no such stream; unsupported if its codec is not
    /// read.
    pub(crate) fn open(path: &Path, stream: u32, rate: u32, from: i64) -> Result<Self> {
        let input = open_input(path)?;
        let requested = input
            .stream(stream as usize)
            .filter(|stream| stream.parameters().medium() == ffmpeg::media::Type::Audio)
            .ok_or_else(|| {
                MediaError::BadInput(format!("{} has no sound stream {stream}", path.display()))
            })?;
        let found = listed_decoder(path, requested.parameters().id())?;
        let decoder =
            open_decoder(&requested, found).map_err(|error| decoder_error(path, error))?;
        let mut reader = Self {
            path: path.to_owned(),
            stream_end: exact_end(&input, &requested),
            stream: requested.index(),
            time_base: requested.time_base(),
            origin_us: ffi::start_time(&input).unwrap_or(0),
            clock: JoinedClock::of(&input),
            part_begins: None,
            input,
            decoder,
            rate,
            resampler: None,
            anchor: None,
            held_frame: None,
            ready: Vec::new(),
            ready_at: from,
            position: from,
            drained: false,
            over: false,
            broken: 0,
            decoded_any: false,
        };
        reader.seek_near(from);
        Ok(reader)
    }

    /// Fills `out` with the samples that follow. Before the stream and after its end there is
    /// silence.
    ///
    /// # Errors
    /// Bad input if nothing can be decoded at all.
    pub(crate) fn fill(&mut self, out: &mut [Stereo]) -> Result<()> {
        let mut filled = 0;
        while filled < out.len() {
            let at = self.position;
            if self.end() <= at {
                if self.decode_more()? {
                    continue;
                }
                self.over = true;
                out[filled..].fill([0.0; 2]);
                self.position += (out.len() - filled) as i64;
                return Ok(());
            }
            let rest = out.len() - filled;
            let taken = if self.ready_at > at {
                let silent = usize::try_from(self.ready_at - at).unwrap_or(rest).min(rest);
                out[filled..filled + silent].fill([0.0; 2]);
                silent
            } else {
                let from = (at - self.ready_at) as usize;
                let copied = (self.ready.len() - from).min(rest);
                out[filled..filled + copied].copy_from_slice(&self.ready[from..from + copied]);
                copied
            };
            filled += taken;
            self.position += taken as i64;
        }
        Ok(())
    }

    /// Returns whether the stream has ended before the position that is read next.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Returns the end of the decoded samples, which is the stream's end once it is over.
    pub(crate) fn end(&self) -> i64 {
        self.ready_at + self.ready.len() as i64
    }

    /// Describes the stream, by its first decoded frame.
    ///
    /// # Errors
    /// Bad input if nothing can be decoded; unsupported if it can't be converted to stereo.
    pub(crate) fn describe(&mut self) -> Result<SoundDescription> {
        let Some(frame) = self.next_frame()? else { return Err(self.nothing_decoded()) };
        Resampler::new(InputFormat::of(&frame), self.rate)?;
        let rate = sample_rate_of(&frame);
        let start = self.position_by_timestamp(&frame).unwrap_or(0);
        Ok(SoundDescription {
            rate,
            channels: u32::from(frame.channels()),
            start: Ratio::new(start, i64::from(rate)).unwrap_or(Ratio::ZERO),
            first_samples: frame.samples() as i64,
            end: self.stream_end,
        })
    }

    /// Seeks near `from`, but only if timestamps count single samples: otherwise a seek leads to
    /// other samples than reading from the start.
    fn seek_near(&mut self, from: i64) {
        let seconds = from / i64::from(self.rate.max(1)) - PREROLL_SECONDS;
        let exact = is_mp4(&self.input);
        if !exact || seconds < SEEK_BEYOND_SECONDS {
            return;
        }
        let us = seconds * 1_000_000 + self.origin_us;
        let ticks = us.rescale(Rational(1, 1_000_000), self.time_base);
        // If seeking fails, the stream is read from the start.
        let _ = ffi::seek_before(&mut self.input, self.stream, ticks);
    }

    /// Decodes more samples; false at the end.
    fn decode_more(&mut self) -> Result<bool> {
        let Some(mut frame) = self.take_frame()? else {
            return self.finish_resampler();
        };
        let input_format = InputFormat::of(&frame);
        let position = self.position_by_timestamp(&frame);
        let continues = position.is_none()
            && self.resampler.as_ref().is_none_or(|current| current.input_format() == input_format);
        if !continues && self.resampler.is_some() {
            // The samples still in the filter belong before this frame.
            self.held_frame = Some(frame);
            return self.finish_resampler();
        }
        if self.resampler.is_none() {
            let rate = sample_rate_of(&frame);
            let source_at = position.or_else(|| self.expected(rate)).unwrap_or(0);
            self.resampler = Some(Resampler::new(input_format, self.rate)?);
            self.anchor = Some(Anchor {
                rate,
                source_at,
                source_count: 0,
                at: rescale(source_at, rate, self.rate),
                count: 0,
            });
        }
        let samples = frame.samples() as i64;
        self.begin_batch();
        if let Some(resampler) = &mut self.resampler {
            resampler.convert(&mut frame, &mut self.ready)?;
        }
        self.count(samples);
        Ok(true)
    }

    fn take_frame(&mut self) -> Result<Option<frame::Audio>> {
        match self.held_frame.take() {
            Some(frame) => Ok(Some(frame)),
            None => self.next_frame(),
        }
    }

    fn finish_resampler(&mut self) -> Result<bool> {
        match self.resampler.take() {
            None => Ok(false),
            Some(resampler) => {
                self.begin_batch();
                resampler.finish(&mut self.ready)?;
                self.count(0);
                Ok(true)
            }
        }
    }

    fn begin_batch(&mut self) {
        self.ready.clear();
        if let Some(anchor) = &self.anchor {
            self.ready_at = anchor.at + anchor.count;
        }
    }

    fn count(&mut self, source_samples: i64) {
        let stream_end = self
            .stream_end
            .map_or(i64::MAX, |end| end.times(Ratio::whole(i64::from(self.rate))).round_half_up());
        let capacity = stream_end.saturating_sub(self.ready_at);
        self.ready.truncate(usize::try_from(capacity).unwrap_or(0));
        if let Some(anchor) = &mut self.anchor {
            anchor.source_count += source_samples;
            anchor.count += self.ready.len() as i64;
        }
    }

    /// Returns the position of the next frame if nothing is missing, in samples at `rate`.
    fn expected(&self, rate: u32) -> Option<i64> {
        self.anchor.map(|anchor| rescale(anchor.source_at + anchor.source_count, anchor.rate, rate))
    }

    /// Returns the position of a frame by its timestamp, unless it follows the samples before it.
    fn position_by_timestamp(&mut self, frame: &frame::Audio) -> Option<i64> {
        let rate = sample_rate_of(frame);
        let Some(pts) = frame.timestamp() else {
            return self.anchor.is_none().then_some(0);
        };
        let origin = self.origin_us.rescale(Rational(1, 1_000_000), Rational(1, rate as i32));
        let position = pts.rescale(self.time_base, Rational(1, rate as i32)).saturating_sub(origin);
        if self.part_begins.take_if(|begin| *begin <= pts).is_some() {
            return Some(position);
        }
        match self.expected(rate) {
            Some(expected) => {
                let jitter = (f64::from(rate) * JITTER_SECONDS) as u64;
                (position.abs_diff(expected) > jitter).then_some(position)
            }
            None => Some(position),
        }
    }

    /// Returns the next decoded frame; none after the last.
    fn next_frame(&mut self) -> Result<Option<frame::Audio>> {
        loop {
            let mut decoded = frame::Audio::empty();
            match self.decoder.receive_frame(&mut decoded) {
                Ok(()) if decoded.samples() == 0 || decoded.rate() == 0 => {}
                Ok(()) => {
                    self.broken = 0;
                    self.decoded_any = true;
                    return Ok(Some(decoded));
                }
                Err(ffmpeg::Error::Other { errno }) if errno == libc::EAGAIN => self.feed()?,
                Err(ffmpeg::Error::Eof) => return self.end_decoding(),
                Err(_) if self.drained => return self.end_decoding(),
                Err(error) => self.tolerate(error)?,
            }
        }
    }

    fn end_decoding(&mut self) -> Result<Option<frame::Audio>> {
        self.drained = true;
        if self.decoded_any { Ok(None) } else { Err(self.nothing_decoded()) }
    }

    fn nothing_decoded(&self) -> MediaError {
        MediaError::BadInput(format!("the sound of {} can't be decoded", self.path.display()))
    }

    /// Gives the decoder the stream's next packet, or its end.
    fn feed(&mut self) -> Result<()> {
        loop {
            // A new packet each time: reading into one that holds data leaks it.
            let mut packet = Packet::empty();
            let read = packet.read(&mut self.input);
            let begins_part = read.is_ok() && self.clock.shift(&mut packet);
            match read {
                Ok(()) if packet.stream() != self.stream => {}
                Ok(()) => {
                    if begins_part {
                        self.part_begins = packet.pts().or(packet.dts());
                    }
                    return match self.decoder.send_packet(&packet) {
                        Ok(()) => Ok(()),
                        Err(error) => self.tolerate(error),
                    };
                }
                Err(ffmpeg::Error::Other { errno }) if errno == libc::EAGAIN => {}
                // At the end, or if the file was cut short, the samples read so far are all there
                // are.
                Err(_) => {
                    self.drained = true;
                    let _ = self.decoder.send_eof();
                    return Ok(());
                }
            }
        }
    }

    /// Tolerates a damaged packet, which costs only its own samples, unless too many follow each
    /// other.
    fn tolerate(&mut self, error: ffmpeg::Error) -> Result<()> {
        self.broken += 1;
        if self.broken > MAX_BROKEN {
            return Err(MediaError::from_libav(
                format_args!("decoding the sound of {}", self.path.display()),
                error,
            ));
        }
        Ok(())
    }
}

fn is_mp4(input: &Input) -> bool {
    input.format().name().split(',').any(|name| name == "mp4")
}

/// Returns the end of a stream by its edit list, which excludes what the encoder added to fill its
/// last frame. libav removes that from the total and leaves it in the packets. A fragmented file
/// does not know its end, because it counts no frames up front.
fn exact_end(input: &Input, stream: &ffmpeg::Stream<'_>) -> Option<Ratio> {
    let known = is_mp4(input) && stream.frames() > 0 && stream.duration() > 0;
    let begin = if stream.start_time() == i64::MIN { 0 } else { stream.start_time() };
    let end = begin.checked_add(stream.duration())?;
    let Rational(num, den) = stream.time_base();
    let end = Ratio::reduced(i128::from(end) * i128::from(num), i128::from(den)).ok()?;
    let origin = Ratio::new(ffi::start_time(input).unwrap_or(0), 1_000_000).ok()?;
    known.then(|| end.minus(origin))
}

fn sample_rate_of(frame: &frame::Audio) -> u32 {
    frame.rate().max(1)
}

fn rescale(samples: i64, from: u32, to: u32) -> i64 {
    samples.rescale(Rational(1, from as i32), Rational(1, to as i32))
}

/// Explains why no decoder takes a stream. Its parameters come from the file, so an error in them
/// is bad input.
fn decoder_error(path: &Path, error: ffmpeg::Error) -> MediaError {
    let path = path.display();
    match error {
        ffmpeg::Error::Other { errno } if errno != libc::ENOMEM => MediaError::BadInput(format!(
            "the sound of {path} can't be decoded: {}; its header is damaged, or states a format \
             that no decoder takes",
            libav_text(error)
        )),
        error => MediaError::from_libav(format_args!("opening the sound decoder of {path}"), error),
    }
}

fn open_decoder(
    stream: &ffmpeg::Stream<'_>,
    found: ffmpeg::Codec,
) -> Result<decoder::Audio, ffmpeg::Error> {
    let mut context = codec::Context::from_parameters(stream.parameters())?;
    context.set_threading(codec::threading::Config {
        kind: codec::threading::Type::None,
        count: 1,
        ..Default::default()
    });
    let mut decoder = context.decoder();
    // Without it the decoder can't shift timestamps by the priming samples that it drops.
    decoder.set_packet_time_base(stream.time_base());
    decoder.open_as(found)?.audio()
}
