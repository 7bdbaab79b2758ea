//! Gives one clock to a file that is several files put behind each other.
//!
//! Transport streams, program streams and Ogg files may be joined byte by byte. Then the times of
//! each part begin again, and each part is shown after the one before it.

use crate::ffi;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::{Packet, Rational, Rescale, Stream, media, packet};

/// A step back in the decoding times of a stream, in microseconds, that begins a part. Within a
/// part they only grow.
const BACK_US: i64 = 100_000;
/// A step ahead of all streams, in microseconds, that begins a part: the part's own clock started
/// later, or libav took a step back for an overflow of the clock. Players close such a gap too.
const AHEAD_US: i64 = 10_000_000;

const MICROSECONDS: Rational = Rational(1, 1_000_000);

/// The clock of a file, by its packets in the order of the file.
pub(crate) struct JoinedClock {
    /// The streams of picture and sound; none for other streams.
    streams: Vec<Option<JoinedStream>>,
    /// The time that is added to each part, in microseconds; empty if the container is not joined.
    offsets: Vec<i64>,
    /// The latest end of all packets so far, in microseconds.
    end: i64,
}

struct JoinedStream {
    time_base: Rational,
    padding: PaddingReader,
    part: usize,
    /// The decoding time of the packet before, in microseconds.
    last: Option<i64>,
}

impl JoinedClock {
    pub(crate) fn of(input: &Input) -> Self {
        let can_be_joined = ["mpegts", "mpeg", "ogg"].contains(&input.format().name());
        Self {
            streams: input.streams().map(|stream| JoinedStream::of(input, &stream)).collect(),
            offsets: if can_be_joined { vec![0] } else { Vec::new() },
            end: i64::MIN / 2,
        }
    }

    /// Returns whether the packets so far are of more than one part.
    pub(crate) fn is_joined(&self) -> bool {
        self.offsets.len() > 1
    }

    /// Shifts a packet to the clock of the whole file. Returns whether it begins a part in its
    /// stream. All packets of the file must be passed, in order.
    pub(crate) fn shift(&mut self, packet: &mut Packet) -> bool {
        if self.offsets.is_empty() {
            return false;
        }
        let Some(Some(stream)) = self.streams.get_mut(packet.stream()) else { return false };
        let Some(time) = packet.dts().or(packet.pts()) else { return false };
        let us = |ticks: i64| ticks.rescale(stream.time_base, MICROSECONDS);
        let (decoded, shown) = (us(time), us(packet.pts().unwrap_or(time)));
        let length = us(packet.duration() - stream.padding.ticks(packet));
        let part_before = stream.part;
        match stream.last {
            // A stream begins in the part that the file has reached.
            None => stream.part = self.offsets.len() - 1,
            Some(last) => {
                stream.catch_up(decoded, last, &self.offsets);
                let at = decoded.saturating_add(self.offsets[stream.part]);
                let ahead = self.end.saturating_add(AHEAD_US);
                if at < last.saturating_sub(BACK_US) || at > ahead {
                    self.offsets.push(self.end.saturating_sub(ffi::without_priming(shown)));
                    stream.part = self.offsets.len() - 1;
                }
            }
        }
        let offset = self.offsets[stream.part];
        stream.last = Some(decoded.saturating_add(offset));
        self.end = self.end.max(shown.saturating_add(offset).saturating_add(length));
        let ticks = offset.rescale(MICROSECONDS, stream.time_base);
        packet.set_pts(packet.pts().map(|pts| pts.saturating_add(ticks)));
        packet.set_dts(packet.dts().map(|dts| dts.saturating_add(ticks)));
        stream.part != part_before
    }
}

impl JoinedStream {
    fn of(input: &Input, stream: &Stream<'_>) -> Option<Self> {
        let kind = stream.parameters().medium();
        [media::Type::Video, media::Type::Audio].contains(&kind).then(|| Self {
            time_base: stream.time_base(),
            padding: PaddingReader::of(input, stream),
            part: 0,
            last: None,
        })
    }

    /// Enters the parts that another stream has begun, if the packet fits there better.
    fn catch_up(&mut self, decoded: i64, last: i64, offsets: &[i64]) {
        let distance = |offset: &i64| decoded.saturating_add(*offset).abs_diff(last);
        while let Some([current, next]) = offsets.get(self.part..self.part + 2)
            && distance(next) < distance(current)
        {
            self.part += 1;
        }
    }
}

/// Reads how much of the end of a packet holds no sound: an encoder fills its last frames with
/// silence, and the container states how much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PaddingReader {
    time_base: Rational,
    /// Samples a second; 0 if the durations of packets leave the padding out already.
    sample_rate: u32,
}

impl PaddingReader {
    pub(crate) fn of(input: &Input, stream: &Stream<'_>) -> Self {
        let leaves_out = input.format().name() == "ogg";
        let sample_rate = if leaves_out { 0 } else { ffi::stated_sample_rate(stream) };
        Self { time_base: stream.time_base(), sample_rate }
    }

    /// Returns the samples of padding that a packet's duration counts.
    pub(crate) fn samples(self, packet: &Packet) -> u32 {
        packet
            .side_data()
            .filter(|_| self.sample_rate > 0)
            .find(|data| data.kind() == packet::side_data::Type::SkipSamples)
            .and_then(|data| Some(u32::from_le_bytes(data.data().get(4..8)?.try_into().ok()?)))
            .unwrap_or(0)
    }

    /// Returns the same in ticks, at most the packet's duration.
    pub(crate) fn ticks(self, packet: &Packet) -> i64 {
        let rate = i32::try_from(self.sample_rate.max(1)).unwrap_or(i32::MAX);
        i64::from(self.samples(packet))
            .rescale(Rational(1, rate), self.time_base)
            .clamp(0, packet.duration().max(0))
    }
}
