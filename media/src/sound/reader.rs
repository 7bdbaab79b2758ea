//! One sound stream of a source, as stereo samples at a rate of our choosing, each at its exact place on the source's clock.
//!
//! The clock starts where the file starts (its container's start time). A stream that starts later is silent until then;
//! a hole in its timestamps is silence too, and what overlaps is heard once. Timestamps that only jitter (Matroska
//! rounds to milliseconds) are not believed: samples are counted.

use super::Stereo;
use super::resample::{Kind, Resampler};
use crate::decode::open::open_input;
use crate::{MediaError, Result, ffi};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::{Packet, Rational, Rescale, codec, decoder, frame};
use std::path::{Path, PathBuf};

/// Timestamps that differ by less than this from the count of samples are jitter.
const JITTER_SECONDS: f64 = 0.05;
/// Broken packets in a row after which a stream is over.
const MAX_BROKEN: u32 = 64;
/// A start further in than this is sought, where the container's timestamps are exact.
const SEEK_BEYOND_SECONDS: i64 = 10;
/// How much is decoded before the place that was sought: codecs need some packets to come to themselves.
const PREROLL_SECONDS: i64 = 1;

/// A sound stream that is open and read from front to back.
pub(crate) struct SoundReader {
    path: PathBuf,
    input: Input,
    stream: usize,
    time_base: Rational,
    /// The file's start, in microseconds.
    origin_us: i64,
    decoder: decoder::Audio,
    rate: u32,
    resampler: Option<Resampler>,
    anchor: Option<Anchor>,
    /// A frame of another kind or place, until the samples before it have been handed out.
    waiting: Option<frame::Audio>,
    /// Converted samples that are not read yet, and the place of the first.
    ready: Vec<Stereo>,
    ready_at: i64,
    /// The place that is read next.
    position: i64,
    /// Where the container says that the stream ends, where it says so exactly.
    told_end: Option<i64>,
    drained: bool,
    over: bool,
    broken: u32,
    decoded_any: bool,
}

/// Where counting began.
#[derive(Clone, Copy)]
struct Anchor {
    /// The source's rate.
    rate: u32,
    /// In samples of the source, on the source's clock.
    source_at: i64,
    /// Samples of the source since.
    source_count: i64,
    /// The same place at our rate.
    at: i64,
    /// Samples at our rate since.
    count: i64,
}

/// What a stream sounds like, technically.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sounding {
    /// Samples a second.
    pub rate: u32,
    /// Channels.
    pub channels: u32,
}

impl SoundReader {
    /// Opens a stream by its index in the container, to be read at `rate` from sample `from` of the source's clock on.
    ///
    /// # Errors
    /// Bad input where the file is damaged or has no such stream; unsupported where its codec is not read.
    pub(crate) fn open(path: &Path, stream: u32, rate: u32, from: i64) -> Result<Self> {
        let input = open_input(path)?;
        let wanted = input
            .stream(stream as usize)
            .filter(|stream| stream.parameters().medium() == ffmpeg::media::Type::Audio)
            .ok_or_else(|| {
                MediaError::BadInput(format!("{} has no sound stream {stream}", path.display()))
            })?;
        let decoder = open_decoder(&wanted).map_err(|error| {
            MediaError::from_libav(
                format_args!("opening the sound decoder of {}", path.display()),
                error,
            )
        })?;
        let mut reader = Self {
            path: path.to_owned(),
            told_end: exact_end(&input, &wanted, rate),
            stream: wanted.index(),
            time_base: wanted.time_base(),
            origin_us: ffi::start_time(&input).unwrap_or(0),
            input,
            decoder,
            rate,
            resampler: None,
            anchor: None,
            waiting: None,
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

    /// Fills `out` with the samples that follow. Before the stream and after its end there is silence.
    ///
    /// # Errors
    /// Bad input where nothing can be decoded at all.
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
                let heard = (self.ready.len() - from).min(rest);
                out[filled..filled + heard].copy_from_slice(&self.ready[from..from + heard]);
                heard
            };
            filled += taken;
            self.position += taken as i64;
        }
        Ok(())
    }

    /// Returns whether the stream has ended before the place that is read next.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Where what has been decoded ends; the stream's end, once it is over.
    pub(crate) fn end(&self) -> i64 {
        self.ready_at + self.ready.len() as i64
    }

    /// What the stream is, by its first decoded frame.
    ///
    /// # Errors
    /// Bad input where nothing can be decoded.
    pub(crate) fn sounding(&mut self) -> Result<Sounding> {
        match self.next_frame()? {
            Some(frame) => {
                Ok(Sounding { rate: frame.rate(), channels: u32::from(frame.channels()) })
            }
            None => Err(self.nothing_decoded()),
        }
    }

    /// Only where timestamps count single samples does a jump lead to the same samples as reading from the start.
    fn seek_near(&mut self, from: i64) {
        let seconds = from / i64::from(self.rate.max(1)) - PREROLL_SECONDS;
        let exact = is_mp4(&self.input);
        if !exact || seconds < SEEK_BEYOND_SECONDS {
            return;
        }
        let us = seconds * 1_000_000 + self.origin_us;
        let ticks = us.rescale(Rational(1, 1_000_000), self.time_base);
        // Where it can't seek, it is read from the start.
        let _ = ffi::seek_before(&mut self.input, self.stream, ticks);
    }

    /// Makes the next samples ready; false at the end.
    fn decode_more(&mut self) -> Result<bool> {
        let Some(mut frame) = self.take_frame()? else {
            return self.finish_resampler();
        };
        let kind = Kind::of(&frame);
        let place = self.place_of(&frame);
        let goes_on =
            place.is_none() && self.resampler.as_ref().is_none_or(|current| current.kind() == kind);
        if !goes_on && self.resampler.is_some() {
            // What the filter still holds belongs before this frame.
            self.waiting = Some(frame);
            return self.finish_resampler();
        }
        if self.resampler.is_none() {
            let rate = kind_rate(&frame);
            let source_at = place.or_else(|| self.expected(rate)).unwrap_or(0);
            self.resampler = Some(Resampler::new(kind, self.rate)?);
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
        match self.waiting.take() {
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
        let room = self.told_end.map_or(i64::MAX, |end| end - self.ready_at);
        self.ready.truncate(usize::try_from(room).unwrap_or(0));
        if let Some(anchor) = &mut self.anchor {
            anchor.source_count += source_samples;
            anchor.count += self.ready.len() as i64;
        }
    }

    /// Where the next frame should be if nothing is missing, in samples at `rate`.
    fn expected(&self, rate: u32) -> Option<i64> {
        self.anchor.map(|anchor| rescale(anchor.source_at + anchor.source_count, anchor.rate, rate))
    }

    /// Where a frame says it is, unless it follows what came before.
    fn place_of(&self, frame: &frame::Audio) -> Option<i64> {
        let rate = kind_rate(frame);
        let Some(pts) = frame.timestamp() else {
            return self.anchor.is_none().then_some(0);
        };
        let origin = self.origin_us.rescale(Rational(1, 1_000_000), Rational(1, rate as i32));
        let place = pts.rescale(self.time_base, Rational(1, rate as i32)).saturating_sub(origin);
        match self.expected(rate) {
            Some(expected) => {
                let jitter = (f64::from(rate) * JITTER_SECONDS) as u64;
                (place.abs_diff(expected) > jitter).then_some(place)
            }
            None => Some(place),
        }
    }

    /// The next decoded frame; none after the last.
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
                Err(error) => self.forgive(error)?,
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

    /// Gives the decoder one more packet of the stream, or tells it that there is none.
    fn feed(&mut self) -> Result<()> {
        loop {
            // A fresh packet each time: reading into one that holds data leaks it.
            let mut packet = Packet::empty();
            match packet.read(&mut self.input) {
                Ok(()) if packet.stream() != self.stream => {}
                Ok(()) => {
                    return match self.decoder.send_packet(&packet) {
                        Ok(()) => Ok(()),
                        Err(error) => self.forgive(error),
                    };
                }
                Err(ffmpeg::Error::Other { errno }) if errno == libc::EAGAIN => {}
                // The end, or a file cut short: what was read so far is what there is.
                Err(_) => {
                    self.drained = true;
                    let _ = self.decoder.send_eof();
                    return Ok(());
                }
            }
        }
    }

    /// A damaged packet costs its own samples and no more, unless nothing else comes.
    fn forgive(&mut self, error: ffmpeg::Error) -> Result<()> {
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

/// The end of a stream by its edit list, which cuts off what the encoder added to fill its last frame. libav drops
/// that from the sum and leaves it in the packets. A fragmented file, which counts no frames up front, does not know its end.
fn exact_end(input: &Input, stream: &ffmpeg::Stream<'_>, rate: u32) -> Option<i64> {
    let known = is_mp4(input) && stream.frames() > 0 && stream.duration() > 0;
    let begin = if stream.start_time() == i64::MIN { 0 } else { stream.start_time() };
    let end = begin.checked_add(stream.duration())?;
    let at_rate = Rational(1, rate as i32);
    let origin = ffi::start_time(input).unwrap_or(0).rescale(Rational(1, 1_000_000), at_rate);
    known.then(|| end.rescale(stream.time_base(), at_rate).saturating_sub(origin))
}

fn kind_rate(frame: &frame::Audio) -> u32 {
    frame.rate().max(1)
}

fn rescale(samples: i64, from: u32, to: u32) -> i64 {
    samples.rescale(Rational(1, from as i32), Rational(1, to as i32))
}

fn open_decoder(stream: &ffmpeg::Stream<'_>) -> Result<decoder::Audio, ffmpeg::Error> {
    let mut context = codec::Context::from_parameters(stream.parameters())?;
    context.set_threading(codec::threading::Config {
        kind: codec::threading::Type::None,
        count: 1,
        ..Default::default()
    });
    let mut decoder = context.decoder();
    // Without it the decoder can't shift timestamps by the priming samples that it drops.
    decoder.set_packet_time_base(stream.time_base());
    decoder.audio()
}
