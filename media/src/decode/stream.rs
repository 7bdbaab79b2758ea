//! Picks the frames of one stream that libav reads, by time.
//!
//! A seek gives the same frames as reading from the start. After a seek, frames before the first
//! key frame's own time are discarded (an open GOP's leading frames refer to pictures that were
//! never decoded). If that key frame is too late, the seek is repeated from further back.

use super::clock::StreamClock;
use super::decoders::listed_decoder;
use super::exif::exif_orientation;
use super::frame_times::FrameTimes;
use super::joined::JoinedClock;
use super::mirror::unmirrored;
use super::open::open_input;
use super::rotation::{Orientation, frame_orientation, stream_orientation};
use super::shown_frame::ShownFrame;
use crate::error::{MediaError, Result, libav_text};
use crate::ffi;
use composition::plan::Ratio;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::{codec, decoder, frame};
use std::path::{Path, PathBuf};

/// The most pixels in one frame: 8K with a margin, and far below the claims of a decompression
/// bomb.
const MAX_PIXELS: &str = "100000000";

/// Seconds of reading ahead beyond which the index is asked for a nearer key frame.
const READ_AHEAD_SECONDS: i64 = 1;

/// The same for streams in which some frames have no time. After a seek, libav gives some of them
/// their neighbour's time, so targets in the first minutes are reached by reading. Further in,
/// reading takes too long to be worth a frame's error.
const UNTIMED_READ_AHEAD_SECONDS: i64 = 300;

/// Broken packets in a row after which a stream is given up.
const MAX_BROKEN: u32 = 64;

/// An open video stream and its position.
pub(crate) struct StreamReader {
    path: PathBuf,
    input: Input,
    stream: usize,
    decoder: decoder::Video,
    clock: StreamClock,
    /// Set if the file is several put behind each other. Then it is read in order, as its times are
    /// ambiguous.
    joined: Option<JoinedClock>,
    /// Packets of the stream that are still to be skipped.
    skipped: u64,
    times: FrameTimes,
    orientation: Option<Orientation>,
    /// The frame to show, and the one after it.
    current: Option<TimedFrame>,
    ahead: Option<TimedFrame>,
    /// Frames before this tick are discarded: it is the time of the key frame that a seek led to.
    trusted_from: i64,
    awaits_key: bool,
    drained: bool,
    broken: u32,
    last_ticks: i64,
}

struct TimedFrame {
    ticks: i64,
    frame: frame::Video,
    /// Degrees by which it is turned clockwise for showing.
    rotation: u16,
}

impl TimedFrame {
    /// Wraps a decoded frame and mirrors it if needed. `orientation` is the stream's, which
    /// overrides the frame's.
    fn new(ticks: i64, frame: frame::Video, orientation: Option<Orientation>) -> Self {
        let Some(orientation) = orientation.or_else(|| frame_orientation(&frame)) else {
            return Self { ticks, frame, rotation: 0 };
        };
        let (frame, rotation) = unmirrored(frame, orientation);
        Self { ticks, frame, rotation }
    }
}

impl StreamReader {
    /// Opens a stream by its index in the container.
    ///
    /// # Errors
    /// Bad input if the file is damaged or has no such stream; unsupported if its codec is not
    /// read.
    pub(crate) fn open(path: &Path, stream: u32) -> Result<Self> {
        let input = open_input(path)?;
        let requested = input.stream(stream as usize).ok_or_else(|| {
            MediaError::BadInput(format!("{} has no stream {stream}", path.display()))
        })?;
        let clock = StreamClock::of(&input, &requested);
        let orientation = stream_orientation(&requested).or_else(|| exif_orientation(path));
        let decoder = open_decoder(path, &requested)?;
        let stream = requested.index();
        Ok(Self {
            path: path.to_owned(),
            times: FrameTimes::of(&input, &decoder),
            joined: None,
            skipped: 0,
            input,
            stream,
            decoder,
            clock,
            orientation,
            current: None,
            ahead: None,
            trusted_from: i64::MIN,
            awaits_key: false,
            drained: false,
            broken: 0,
            last_ticks: i64::MIN,
        })
    }

    /// Reads the file as several put behind each other. Call it before the first frame.
    pub(crate) fn read_as_joined(&mut self) {
        self.joined = Some(JoinedClock::of(&self.input));
    }

    /// Returns the frame to show at `seconds` from the file's start.
    ///
    /// # Errors
    /// Bad input if nothing can be decoded.
    pub(crate) fn frame_at(&mut self, seconds: Ratio) -> Result<ShownFrame<'_>> {
        let target = self.clock.latest(seconds);
        self.seek_if_far(target)?;
        while self.ahead.as_ref().is_some_and(|ahead| ahead.ticks <= target) {
            self.current = self.ahead.take();
            self.ahead = self.next_frame()?;
        }
        let (shown, next) = match (&self.current, &self.ahead) {
            (Some(shown), next) => (shown, next.as_ref()),
            (None, Some(shown)) => (shown, None),
            (None, None) => {
                let path = self.path.display();
                return Err(MediaError::BadInput(format!(
                    "{path} has no frame that can be decoded"
                )));
            }
        };
        Ok(ShownFrame {
            frame: &shown.frame,
            next: next.map(|next| &next.frame),
            ticks: shown.ticks,
            rotation: shown.rotation,
        })
    }

    /// Seeks if needed, so that reading on from here reaches the frame at `target`.
    fn seek_if_far(&mut self, target: i64) -> Result<()> {
        if self.last_ticks == i64::MIN && !self.drained {
            return self.begin(target);
        }
        let from_start = self.trusted_from == i64::MIN && self.current.is_none();
        let begun = self.current.as_ref().is_some_and(|shown| shown.ticks <= target);
        if (from_start || begun) && !self.is_far(target) {
            return Ok(());
        }
        self.seek(target)
    }

    /// Positions the first read: at the start, unless the target is well inside.
    fn begin(&mut self, target: i64) -> Result<()> {
        if self.clock.is_far_from_start(target, self.read_ahead_at_start()) {
            return self.seek(target);
        }
        self.ahead = self.next_frame()?;
        Ok(())
    }

    /// Returns the seconds into the file up to which a target is reached by reading from the start.
    fn read_ahead_at_start(&self) -> i64 {
        if self.times.are_complete() { READ_AHEAD_SECONDS } else { UNTIMED_READ_AHEAD_SECONDS }
    }

    /// Returns whether a key frame lies between the current frames and a target that is well ahead.
    fn is_far(&self, target: i64) -> bool {
        let Some(ahead) = &self.ahead else {
            return false;
        };
        let read_ahead = self.clock.ticks(READ_AHEAD_SECONDS);
        self.joined.is_none()
            && target.saturating_sub(ahead.ticks) > read_ahead
            && ffi::indexed_key_before(&self.input, self.stream, target)
                .is_some_and(|key| key > ahead.ticks.saturating_add(read_ahead / 2))
    }

    /// Seeks to a key frame at or before `target`, and further back until the frame there can be
    /// trusted.
    fn seek(&mut self, target: i64) -> Result<()> {
        if !self.clock.is_far_from_start(target, self.read_ahead_at_start()) {
            return self.restart(None);
        }
        if self.joined.is_some() {
            let key = self.last_key(target)?;
            return self.restart(key);
        }
        let mut aim = target;
        let mut step = self.clock.ticks(1).max(1);
        for _ in 0..MAX_SEEKS {
            if ffi::seek_before(&mut self.input, self.stream, aim).is_err() {
                break;
            }
            self.reset(true);
            self.ahead = self.next_frame()?;
            if self.ahead.as_ref().is_some_and(|ahead| ahead.ticks <= target) {
                return Ok(());
            }
            aim = aim.saturating_sub(step);
            step = step.saturating_mul(2);
        }
        self.restart(None)
    }

    /// Opens the file again, for containers that cannot seek and targets before the first key
    /// frame. Packets before `key` are not decoded.
    fn restart(&mut self, key: Option<KeyPacket>) -> Result<()> {
        let stream = u32::try_from(self.stream).unwrap_or(0);
        let path = std::mem::take(&mut self.path);
        let opened = Self::open(&path, stream);
        self.path = path;
        let was_joined = self.joined.is_some();
        *self = opened?;
        if was_joined {
            self.read_as_joined();
        }
        if let Some(key) = key {
            (self.skipped, self.trusted_from) = (key.number, key.ticks);
        }
        self.ahead = self.next_frame()?;
        Ok(())
    }

    /// Returns the stream's last key frame at or before `target`, by reading the packets up to it.
    fn last_key(&self, target: i64) -> Result<Option<KeyPacket>> {
        let mut input = open_input(&self.path)?;
        let mut clock = JoinedClock::of(&input);
        let (mut number, mut last) = (0, None);
        loop {
            let mut packet = ffmpeg::Packet::empty();
            match packet.read(&mut input) {
                Ok(()) => {}
                Err(ffmpeg::Error::Other { errno }) if errno == libc::EAGAIN => continue,
                Err(_) => return Ok(last),
            }
            clock.shift(&mut packet);
            if packet.stream() != self.stream {
                continue;
            }
            if packet.dts().is_some_and(|dts| dts > target) {
                return Ok(last);
            }
            if let Some(ticks) = packet.pts().filter(|pts| packet.is_key() && *pts <= target) {
                last = Some(KeyPacket { number, ticks });
            }
            number += 1;
        }
    }

    fn reset(&mut self, awaits_key: bool) {
        self.decoder.flush();
        self.times.clear();
        self.current = None;
        self.ahead = None;
        self.trusted_from = i64::MAX;
        self.awaits_key = awaits_key;
        self.drained = false;
        self.last_ticks = i64::MIN;
    }

    /// Returns the next frame that can be trusted, in presentation order; none after the last.
    fn next_frame(&mut self) -> Result<Option<TimedFrame>> {
        loop {
            let mut decoded = frame::Video::empty();
            match self.decoder.receive_frame(&mut decoded) {
                Ok(()) => {
                    self.broken = 0;
                    if self.is_first_after_seek() && !self.times.can_begin_with(&decoded) {
                        continue;
                    }
                    let last = self.last_ticks();
                    let ticks = self.times.next(&decoded, last);
                    if ticks >= self.trusted_from && ticks > self.last_ticks {
                        self.last_ticks = ticks;
                        return Ok(Some(TimedFrame::new(ticks, decoded, self.orientation)));
                    }
                }
                Err(ffmpeg::Error::Eof) => return Ok(None),
                Err(ffmpeg::Error::Other { errno }) if errno == libc::EAGAIN => self.feed()?,
                Err(error) => self.tolerate(error)?,
            }
        }
    }

    /// Returns the time of the frame before; none at the start and after a seek.
    fn last_ticks(&self) -> Option<i64> {
        Some(self.last_ticks).filter(|ticks| *ticks != i64::MIN)
    }

    fn is_first_after_seek(&self) -> bool {
        self.trusted_from != i64::MIN && self.last_ticks == i64::MIN
    }

    /// Gives the decoder the stream's next packet, or its end.
    fn feed(&mut self) -> Result<()> {
        loop {
            // A new packet each time: reading into one that holds data leaks it.
            let mut packet = ffmpeg::Packet::empty();
            let read = packet.read(&mut self.input);
            if let (Ok(()), Some(clock)) = (&read, &mut self.joined) {
                clock.shift(&mut packet);
            }
            match read {
                Ok(()) if packet.stream() != self.stream => {}
                Ok(()) if self.skipped > 0 => self.skipped -= 1,
                Ok(()) if self.awaits_key && !self.times.can_begin_at(&packet) => {}
                Ok(()) => {
                    if self.awaits_key {
                        self.awaits_key = false;
                        self.trusted_from = packet.pts().or(packet.dts()).unwrap_or(i64::MIN);
                    }
                    if let Err(error) = self.decoder.send_packet(&packet) {
                        return self.tolerate(error);
                    }
                    self.times.take(&packet);
                    return Ok(());
                }
                Err(ffmpeg::Error::Other { errno }) if errno == libc::EAGAIN => {}
                // At the end, or if the file was cut short, the frames read so far are all there
                // are.
                Err(_) if self.drained => return Ok(()),
                Err(_) => {
                    self.drained = true;
                    return match self.decoder.send_eof() {
                        Ok(()) | Err(ffmpeg::Error::Eof) => Ok(()),
                        Err(error) => self.tolerate(error),
                    };
                }
            }
        }
    }

    /// Tolerates a damaged packet, which costs only its own frame, unless too many follow each
    /// other.
    fn tolerate(&mut self, error: ffmpeg::Error) -> Result<()> {
        if matches!(error, ffmpeg::Error::Other { errno } if errno == libc::ENOMEM) {
            return Err(MediaError::from_libav(
                format_args!("decoding {}", self.path.display()),
                error,
            ));
        }
        self.broken += 1;
        if self.broken > MAX_BROKEN || self.drained {
            return Err(self.damaged(error));
        }
        Ok(())
    }
}

impl StreamReader {
    /// All objections of a decoder, such as sizes beyond its bounds, are bad input.
    fn damaged(&self, error: ffmpeg::Error) -> MediaError {
        MediaError::BadInput(format!(
            "{} cannot be decoded: {}; it is damaged, or larger than {MAX_PIXELS} pixels",
            self.path.display(),
            libav_text(error)
        ))
    }
}

/// A key frame by its place among the packets of its stream, and its time.
struct KeyPacket {
    number: u64,
    ticks: i64,
}

/// Seeks that are tried before the file is read from its start.
const MAX_SEEKS: u32 = 12;

/// Explains why no decoder takes a stream. Its parameters come from the file, so an error in them
/// is bad input.
fn decoder_error(path: &Path, error: ffmpeg::Error) -> MediaError {
    let path = path.display();
    match error {
        ffmpeg::Error::Other { errno } if errno != libc::ENOMEM => MediaError::BadInput(format!(
            "{path} cannot be decoded: {}; it is damaged, or larger than {MAX_PIXELS} pixels",
            libav_text(error)
        )),
        error => MediaError::from_libav(format_args!("opening the decoder of {path}"), error),
    }
}

/// Opens a stream's decoder with one thread: segments run in parallel already, and one thread gives
/// the same bits each time.
fn open_decoder(path: &Path, stream: &ffmpeg::Stream<'_>) -> Result<decoder::Video> {
    let found = match alpha_decoder(stream) {
        Some(found) => found,
        None => listed_decoder(path, stream.parameters().id())?,
    };
    open_found(stream, found).map_err(|error| decoder_error(path, error))
}

fn open_found(
    stream: &ffmpeg::Stream<'_>,
    found: ffmpeg::Codec,
) -> Result<decoder::Video, ffmpeg::Error> {
    let mut context = codec::Context::from_parameters(stream.parameters())?;
    context.set_threading(codec::threading::Config {
        kind: codec::threading::Type::None,
        count: 1,
        ..Default::default()
    });
    let mut decoder = context.decoder();
    decoder.set_packet_time_base(stream.time_base());
    let mut options = ffmpeg::Dictionary::new();
    options.set("max_pixels", MAX_PIXELS);
    decoder.open_as_with(found, options)?.video()
}

/// Returns libvpx if a VP8 or VP9 stream carries alpha, which libav's own decoders ignore.
fn alpha_decoder(stream: &ffmpeg::Stream<'_>) -> Option<ffmpeg::Codec> {
    let tagged = stream
        .metadata()
        .iter()
        .any(|(key, value)| key.eq_ignore_ascii_case("alpha_mode") && value == "1");
    let name = match stream.parameters().id() {
        codec::Id::VP8 => "libvpx",
        codec::Id::VP9 => "libvpx-vp9",
        _ => return None,
    };
    tagged.then(|| decoder::find_by_name(name)).flatten()
}
