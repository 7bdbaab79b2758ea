//! Copies segments and sound into one container.

use super::files::AssembleFiles;
use super::segment::{SegmentReader, SharedFormat, check_segments, numbered};
use crate::decode::open::open_input;
use crate::protocol::Progress;
use crate::{MediaError, Result, ffi};
use composition::plan::{Assemble, Format, VideoCodec};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec;
use ffmpeg_next::format::context::{Input, Output};
use ffmpeg_next::{Dictionary, Packet, Rational, Rescale};
use std::path::{Path, PathBuf};

/// Ticks a second in edit lists. Every usual frame rate (24, 25, 30, 50, 60, and these over 1.001)
/// and 48 kHz divide it, so sound and picture end exactly on their last sample and frame.
const MOVIE_TIMESCALE: &str = "240000";

/// Writes the file.
///
/// # Errors
/// Internal if the segments do not fit each other; else errors from reading and writing.
pub(super) fn join(
    plan: &Assemble,
    files: &AssembleFiles<'_>,
    report: &mut dyn FnMut(Progress),
) -> Result<()> {
    let shared = check_segments(plan, files.segments)?;
    let mut sound = files.sound.map(|path| SoundPackets::open(path, plan.format)).transpose()?;
    let mut writer = ContainerWriter::create(plan, &shared, sound.as_ref(), files.out)?;
    let mut pictures = VideoPackets::new(plan, files.segments, shared.lead);
    let mut done = 0;
    while let Some(picture) = pictures.next()? {
        if let Some(sound) = &mut sound {
            // Packets are interleaved by time: a player finds both streams near each other, and
            // nothing piles up in memory.
            while let Some(packet) = sound.next_before(picture.decoded, writer.frame_time)? {
                writer.write_sound(packet, sound.time_base)?;
            }
        }
        writer.write_picture(picture)?;
        done += 1;
        report(Progress { done, total: plan.frames });
    }
    if let Some(sound) = &mut sound {
        while let Some(packet) = sound.next()? {
            writer.write_sound(packet, sound.time_base)?;
        }
    }
    writer.finish()
}

/// A video packet with its times in frames.
struct TimedPacket {
    packet: Packet,
    shown: i64,
    decoded: i64,
}

/// The packets of all segments, in order.
struct VideoPackets<'a> {
    remaining: std::vec::IntoIter<(&'a Path, u64)>,
    rate: composition::plan::Rate,
    open: Option<SegmentReader>,
    /// Packets read so far, which is also the next packet's place in decoding order.
    read: i64,
    lead: i64,
}

impl<'a> VideoPackets<'a> {
    fn new(plan: &'a Assemble, paths: &'a [PathBuf], lead: u64) -> Self {
        let remaining: Vec<_> = numbered(plan, paths).collect();
        Self {
            remaining: remaining.into_iter(),
            rate: plan.rate,
            open: None,
            read: 0,
            lead: lead as i64,
        }
    }

    fn next(&mut self) -> Result<Option<TimedPacket>> {
        loop {
            if let Some(segment) = &mut self.open {
                if let Some((packet, shown)) = segment.next_packet()? {
                    let decoded = self.read - self.lead;
                    self.read += 1;
                    return Ok(Some(TimedPacket { packet, shown: shown as i64, decoded }));
                }
                self.open = None;
            }
            let Some((path, first)) = self.remaining.next() else {
                return Ok(None);
            };
            self.open = Some(SegmentReader::open(path, self.rate, first)?);
        }
    }
}

/// The packets of the only sound stream.
struct SoundPackets {
    input: Input,
    time_base: Rational,
    next: Option<Packet>,
    /// Ticks added to every time.
    shift: i64,
}

impl SoundPackets {
    fn open(path: &Path, format: Format) -> Result<Self> {
        let input = open_input(path)?;
        let stream = input
            .streams()
            .best(ffmpeg::media::Type::Audio)
            .ok_or_else(|| MediaError::Internal(format!("{} has no sound", path.display())))?;
        let time_base = stream.time_base();
        let mut sound = Self { input, time_base, next: None, shift: 0 };
        sound.next = sound.read()?;
        if let (Format::Webm, Some(first)) = (format, &mut sound.next) {
            // Opus needs priming. The container stores it as a delay of the track, and readers
            // subtract it again.
            sound.shift = -first.pts().unwrap_or(0);
            shift(first, sound.shift);
        }
        Ok(sound)
    }

    fn parameters(&self) -> Option<codec::Parameters> {
        self.input.streams().best(ffmpeg::media::Type::Audio).map(|stream| stream.parameters())
    }

    fn read(&mut self) -> Result<Option<Packet>> {
        let mut packet = Packet::empty();
        match packet.read(&mut self.input) {
            Ok(()) => {
                shift(&mut packet, self.shift);
                Ok(Some(packet))
            }
            Err(ffmpeg::Error::Eof) => Ok(None),
            Err(error) => Err(MediaError::from_libav("reading the sound", error)),
        }
    }

    fn next(&mut self) -> Result<Option<Packet>> {
        let after = self.read()?;
        Ok(std::mem::replace(&mut self.next, after))
    }

    /// Returns the next packet if it belongs before a picture's time.
    fn next_before(&mut self, time: i64, base: Rational) -> Result<Option<Packet>> {
        let limit = time.rescale(base, self.time_base);
        match &self.next {
            Some(packet) if packet.dts().unwrap_or(i64::MIN) <= limit => self.next(),
            _ => Ok(None),
        }
    }
}

fn shift(packet: &mut Packet, ticks: i64) {
    packet.set_pts(packet.pts().map(|pts| pts + ticks));
    packet.set_dts(packet.dts().map(|dts| dts + ticks));
}

/// The container that is being written.
struct ContainerWriter<'a> {
    path: &'a Path,
    output: Output,
    /// The time base in which a frame lasts one tick.
    frame_time: Rational,
    picture_time: Rational,
    sound_time: Rational,
}

impl<'a> ContainerWriter<'a> {
    fn create(
        plan: &Assemble,
        shared: &SharedFormat,
        sound: Option<&SoundPackets>,
        path: &'a Path,
    ) -> Result<Self> {
        let failed =
            |error| MediaError::from_libav(format_args!("creating {}", path.display()), error);
        let container = if plan.format == Format::Webm { "webm" } else { "mp4" };
        let mut output = ffmpeg::format::output_as(path, container).map_err(failed)?;
        let frame_time = Rational(plan.rate.den as i32, plan.rate.num as i32);
        add_pictures(&mut output, plan, shared, frame_time).map_err(failed)?;
        if let Some(parameters) = sound.and_then(SoundPackets::parameters) {
            let time_base = sound.map_or(frame_time, |sound| sound.time_base);
            let mut stream = output.add_stream(codec::Id::None).map_err(failed)?;
            stream.set_parameters(ffi::retagged(&parameters, 0));
            stream.set_time_base(time_base);
        }
        if let Some(title) = &plan.tags.title {
            let mut tags = Dictionary::new();
            tags.set("title", title);
            output.set_metadata(tags);
        }
        output.write_header_with(options(plan.format)).map_err(failed)?;
        let time_of = |index| output.stream(index).map_or(frame_time, |stream| stream.time_base());
        let (picture_time, sound_time) = (time_of(0), time_of(1));
        Ok(Self { path, output, frame_time, picture_time, sound_time })
    }

    fn write_picture(&mut self, picture: TimedPacket) -> Result<()> {
        let TimedPacket { mut packet, shown, decoded } = picture;
        packet.set_pts(Some(shown));
        packet.set_dts(Some(decoded));
        packet.set_duration(1);
        packet.rescale_ts(self.frame_time, self.picture_time);
        self.write(packet, 0)
    }

    fn write_sound(&mut self, mut packet: Packet, time_base: Rational) -> Result<()> {
        packet.rescale_ts(time_base, self.sound_time);
        self.write(packet, 1)
    }

    fn write(&mut self, mut packet: Packet, stream: usize) -> Result<()> {
        packet.set_stream(stream);
        packet.set_position(-1);
        packet.write_interleaved(&mut self.output).map_err(|error| {
            MediaError::from_libav(format_args!("writing {}", self.path.display()), error)
        })
    }

    fn finish(mut self) -> Result<()> {
        self.output.write_trailer().map_err(|error| {
            MediaError::from_libav(format_args!("closing {}", self.path.display()), error)
        })
    }
}

fn add_pictures(
    output: &mut Output,
    plan: &Assemble,
    shared: &SharedFormat,
    frame_time: Rational,
) -> Result<(), ffmpeg::Error> {
    // Apple's players take H.265 only if its parameter sets are outside the packets, which this tag
    // states.
    let tag = match plan.video {
        Some(VideoCodec::H265) => u32::from_le_bytes(*b"hvc1"),
        _ => 0,
    };
    let mut stream = output.add_stream(codec::Id::None)?;
    stream.set_parameters(ffi::retagged(&shared.parameters, tag));
    stream.set_time_base(frame_time);
    stream.set_avg_frame_rate(frame_time.invert());
    if shared.alpha {
        let mut tags = Dictionary::new();
        tags.set("alpha_mode", "1");
        stream.set_metadata(tags);
    }
    Ok(())
}

fn options(format: Format) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    options.set("fflags", "+bitexact");
    if format == Format::Mp4 {
        options.set("movflags", "+faststart");
        options.set("movie_timescale", MOVIE_TIMESCALE);
    } else {
        // Players look for cues before the clusters.
        options.set("cues_to_front", "1");
    }
    options
}
