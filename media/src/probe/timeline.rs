//! Reads the times of every packet of a file: their number, their times, and the key frames.
//!
//! Reading packets costs no more than reading the file, which the caller has just done to hash it.
//! So these facts are exact where a container's own counts may be missing (Matroska has none),
//! rounded, or wrong.

use crate::decode::frame_times::has_sparse_times;
use crate::decode::joined::{JoinedClock, PaddingReader};
use crate::ffi;
use composition::plan::Ratio;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::{Packet, Rational, Stream};

/// The most packets that are read: five hours of picture and sound. For a longer file the
/// container's facts are used.
const MAX_PACKETS: usize = 2_000_000;
/// The deviation from even spacing, as a share of it, up to which frames count as of one rate:
/// containers round times.
const UNEVEN: f64 = 0.2;
/// Errors in a row after which a file counts as ended.
const MAX_ERRORS: usize = 64;

/// The packets of one stream.
#[derive(Debug, Default)]
pub(super) struct PacketTimeline {
    time_base: Option<Rational>,
    /// Set if only some packets have a time of their own.
    sparse: bool,
    /// Packets that are shown, with or without a time.
    count: u64,
    /// Set if at least one packet has no time.
    gaps: bool,
    /// The duration of every packet, if all are equal.
    step: Option<i64>,
    uneven_steps: bool,
    /// The file's start in ticks of this stream.
    origin: i64,
    padding_reader: Option<PaddingReader>,
    /// The durations of all packets, and the padding that they count, in samples.
    ticks: i64,
    padding: u64,
    /// The duration of the first packet.
    first_step: i64,
    /// The known times: in the order of the file, and sorted once it is read.
    times: Vec<i64>,
    keys: Vec<i64>,
    /// The latest end by a packet's own duration.
    end: Option<i64>,
}

/// The packets of all streams.
pub(super) struct PacketTimelines {
    streams: Vec<PacketTimeline>,
    /// Set if the whole file was read.
    complete: bool,
    /// Set if the file is several put behind each other.
    joined: bool,
}

impl PacketTimelines {
    /// Reads the file to its end. `origin_us` is its start in microseconds; `passed` receives each
    /// position in bytes.
    pub(super) fn read(input: &mut Input, origin_us: i64, passed: &mut dyn FnMut(u64)) -> Self {
        let sparse = has_sparse_times(input);
        let mut streams: Vec<PacketTimeline> = input
            .streams()
            .map(|stream| PacketTimeline::new(input, &stream, origin_us, sparse))
            .collect();
        let mut clock = JoinedClock::of(input);
        let (mut errors, mut packets) = (0, 0);
        while errors < MAX_ERRORS && packets < MAX_PACKETS {
            let mut packet = Packet::empty();
            match packet.read(input) {
                Ok(()) => {
                    errors = 0;
                    packets += 1;
                    if let Ok(at @ 1..) = u64::try_from(packet.position()) {
                        passed(at);
                    }
                    clock.shift(&mut packet);
                    if let Some(stream) = streams.get_mut(packet.stream()) {
                        stream.add(&packet);
                    }
                }
                Err(ffmpeg::Error::Eof) => break,
                Err(_) => errors += 1,
            }
        }
        for stream in &mut streams {
            stream.times.sort_unstable();
            stream.keys.sort_unstable();
            stream.keys.dedup();
        }
        Self { streams, complete: packets < MAX_PACKETS, joined: clock.is_joined() }
    }

    /// Returns whether the file is several put behind each other.
    pub(super) fn are_joined(&self) -> bool {
        self.joined
    }

    /// Returns the packets of a stream, if all of them are known and there are any.
    pub(super) fn of(&self, index: usize) -> Option<&PacketTimeline> {
        self.streams.get(index).filter(|stream| self.complete && !stream.times.is_empty())
    }
}

impl PacketTimeline {
    fn new(input: &Input, stream: &Stream<'_>, origin_us: i64, sparse: bool) -> Self {
        let time_base = stream.time_base();
        let Rational(num, den) = time_base;
        let (num, den) = (i128::from(num.max(1)), i128::from(den.max(1)));
        let origin = (i128::from(origin_us) * den).div_euclid(num * 1_000_000);
        Self {
            time_base: Some(time_base),
            sparse,
            origin: i64::try_from(origin).unwrap_or(0),
            padding_reader: Some(PaddingReader::of(input, stream)),
            ..Self::default()
        }
    }

    fn add(&mut self, packet: &Packet) {
        // Packets that an edit list excludes are decoded and not shown.
        if ffi::is_discarded(packet) {
            return;
        }
        self.count_ticks(packet);
        let padding = self.padding_reader.map_or(0, |reader| reader.ticks(packet));
        if padding > 0 && padding >= packet.duration() {
            return;
        }
        self.count += 1;
        let step = Some(packet.duration()).filter(|step| *step > 0);
        self.uneven_steps |= self.count > 1 && self.step != step;
        self.step = step;
        // A decoding time is used as the presentation time only if no packet has the latter.
        let Some(time) = packet.pts().or_else(|| packet.dts().filter(|_| !self.sparse)) else {
            self.gaps = true;
            return;
        };
        self.times.push(time);
        if packet.is_key() {
            self.keys.push(time);
        }
        if packet.duration() > 0 {
            self.end = self.end.max(Some(time.saturating_add(packet.duration() - padding)));
        }
    }

    fn count_ticks(&mut self, packet: &Packet) {
        if self.ticks == 0 {
            self.first_step = packet.duration();
        }
        self.ticks = self.ticks.saturating_add(packet.duration().max(0));
        let padding = self.padding_reader.map_or(0, |reader| reader.samples(packet));
        self.padding = self.padding.saturating_add(u64::from(padding));
    }

    /// Returns the end of a sound that begins at `start` with a decoded block of `first_samples` at
    /// `rate`, in seconds from the start of the file.
    ///
    /// If the container rounds times more than to a sample, the durations of packets are added up:
    /// those of Opus are whole milliseconds. If that disagrees with the times, the times count.
    pub(super) fn sound_end(&self, start: Ratio, first_samples: i64, rate: u32) -> Option<Ratio> {
        let end = self.end()?;
        let Rational(num, den) = self.time_base?;
        let (tick, sample) = (Ratio::new(num.into(), den.into()), Ratio::new(1, rate.into()));
        let (Ok(tick), Ok(sample)) = (tick, sample) else { return Some(end) };
        if tick <= sample {
            return Some(end);
        }
        let ticks = |count: i64| tick.times(Ratio::whole(count));
        let samples = |count: i64| sample.times(Ratio::whole(count));
        let dropped = ticks(self.first_step).minus(samples(first_samples));
        let padding = samples(i64::try_from(self.padding).ok()?);
        let counted = start.plus(ticks(self.ticks)).minus(dropped).minus(padding);
        let difference = counted.minus(end).max(end.minus(counted));
        Some(if difference <= ticks(2) { counted } else { end })
    }

    /// Returns the number of packets that are shown.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the duration of every packet, if some have no time of their own.
    fn uniform_step(&self) -> Option<i64> {
        self.step.filter(|_| self.gaps && !self.uneven_steps)
    }

    /// Returns the first packet's time, in seconds from the start of the file; zero if it is a
    /// codec's priming.
    pub(super) fn start(&self) -> Ratio {
        self.times.first().map_or(Ratio::ZERO, |first| self.seconds(*first)).max(Ratio::ZERO)
    }

    /// Returns the end of the last packet, in seconds from the start of the file.
    pub(super) fn end(&self) -> Option<Ratio> {
        let last = self.times.last().copied()?;
        if let Some((first, step)) = self.times.first().zip(self.uniform_step()) {
            let end = i64::try_from(self.count)
                .ok()
                .and_then(|count| first.checked_add(step.checked_mul(count)?));
            return end.map(|end| self.seconds(end));
        }
        let own_end = self.end.filter(|end| *end > last);
        Some(
            self.seconds(
                own_end.unwrap_or_else(|| last.saturating_add(self.spacing().unwrap_or(0))),
            ),
        )
    }

    /// Returns the times of key frames, in seconds from the start of the file.
    pub(super) fn keyframes(&self) -> Vec<Ratio> {
        self.keys.iter().map(|key| self.seconds(*key)).collect()
    }

    /// Returns the mean number of packets a second.
    pub(super) fn mean_rate(&self) -> Option<Ratio> {
        if self.gaps {
            return None;
        }
        let (first, last) = (self.times.first()?, self.times.last()?);
        let span = self.seconds(*last).minus(self.seconds(*first));
        let steps = Ratio::whole(i64::try_from(self.times.len()).ok()? - 1);
        steps.over(span).filter(|rate| *rate > Ratio::ZERO)
    }

    /// Returns whether packets are unevenly spaced, beyond what rounding explains.
    pub(super) fn is_uneven(&self) -> bool {
        if self.gaps {
            return self.uneven_steps;
        }
        let Some(mean) = self.mean_spacing() else { return false };
        // A tick either way is rounding.
        let slack = (mean * UNEVEN).max(1.5);
        self.times.windows(2).any(|pair| ((pair[1] - pair[0]) as f64 - mean).abs() > slack)
    }

    fn mean_spacing(&self) -> Option<f64> {
        let (first, last) = (self.times.first()?, self.times.last()?);
        (self.times.len() > 1)
            .then(|| last.saturating_sub(*first) as f64 / (self.times.len() - 1) as f64)
    }

    fn spacing(&self) -> Option<i64> {
        self.mean_spacing().map(|spacing| spacing.round() as i64)
    }

    fn seconds(&self, ticks: i64) -> Ratio {
        let Rational(num, den) = self.time_base.unwrap_or(Rational(1, 1));
        let ticks = i128::from(ticks) - i128::from(self.origin);
        Ratio::reduced(ticks * i128::from(num), i128::from(den.max(1))).unwrap_or(Ratio::ZERO)
    }
}
