//! Reads a segment's packets, each with its frame's number in the whole video.

use crate::decode::open::{open_input, open_own};
use crate::{MediaError, Result, ffi};
use composition::plan::{Assemble, Rate};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::{self, packet::side_data};
use ffmpeg_next::format::context::Input;
use ffmpeg_next::{Packet, Rational};
use std::path::{Path, PathBuf};

/// The format that all segments share, and the facts needed to number their packets.
pub(super) struct SharedFormat {
    /// The first segment's parameters, which all others must equal.
    pub parameters: codec::Parameters,
    /// The number of frames by which a packet may come before the frame that it shows, because
    /// B-frames are reordered.
    pub lead: u64,
    /// Set if packets carry alpha beside the picture.
    pub alpha: bool,
}

/// An open segment.
pub(super) struct SegmentReader {
    input: Input,
    time_base: Rational,
    rate: Rate,
    /// The number of its first frame in the whole video.
    first: u64,
}

impl SegmentReader {
    /// Opens a segment whose first frame has the number `first`.
    ///
    /// # Errors
    /// Errors from opening; internal if it has no stream.
    pub(super) fn open(path: &Path, rate: Rate, first: u64) -> Result<Self> {
        Self::of(open_own(path)?, path, rate, first)
    }

    /// Opens the first segment and probes it, because the whole file takes its parameters.
    ///
    /// # Errors
    /// As [`SegmentReader::open`].
    fn open_probed(path: &Path, rate: Rate, first: u64) -> Result<Self> {
        Self::of(open_input(path)?, path, rate, first)
    }

    fn of(input: Input, path: &Path, rate: Rate, first: u64) -> Result<Self> {
        let time_base = input.stream(0).map(|stream| stream.time_base()).ok_or_else(|| {
            MediaError::Internal(format!("the segment {} is empty", path.display()))
        })?;
        Ok(Self { input, time_base, rate, first })
    }

    /// Returns the next packet and the number of the frame that it shows; none at the end.
    ///
    /// # Errors
    /// Internal if a packet has no time.
    pub(super) fn next_packet(&mut self) -> Result<Option<(Packet, u64)>> {
        let mut packet = Packet::empty();
        match packet.read(&mut self.input) {
            Ok(()) => {}
            Err(ffmpeg::Error::Eof) => return Ok(None),
            Err(error) => return Err(MediaError::from_libav("reading a segment", error)),
        }
        let time = packet.pts().or(packet.dts());
        let number = time.and_then(|ticks| self.number(ticks));
        match number {
            Some(number) => Ok(Some((packet, self.first + number))),
            None => Err(MediaError::Internal("a segment has a packet without a time".into())),
        }
    }

    /// Returns the number of the frame nearest to a time of the segment.
    fn number(&self, ticks: i64) -> Option<u64> {
        let num = i128::from(ticks) * i128::from(self.time_base.0) * i128::from(self.rate.num);
        let den = i128::from(self.time_base.1) * i128::from(self.rate.den);
        u64::try_from((2 * num + den).div_euclid(2 * den)).ok()
    }

    fn parameters(&self) -> Option<codec::Parameters> {
        self.input.stream(0).map(|stream| stream.parameters())
    }
}

/// Pairs each segment's path with the number of its first frame.
pub(super) fn numbered<'a>(
    plan: &'a Assemble,
    paths: &'a [PathBuf],
) -> impl Iterator<Item = (&'a Path, u64)> {
    let firsts = plan.segment_frames.iter().scan(0, |next, frames| {
        let first = *next;
        *next += frames;
        Some(first)
    });
    paths.iter().map(PathBuf::as_path).zip(firsts)
}

/// Reads every segment once and checks that it holds exactly its own frames, begins with a key
/// frame, and has the first segment's parameter sets. All of this was true when it was rendered,
/// but a cache may have returned another file.
///
/// # Errors
/// Internal, naming the segment.
pub(super) fn check_segments(plan: &Assemble, paths: &[PathBuf]) -> Result<SharedFormat> {
    let mut shared: Option<(SharedFormat, Vec<u8>)> = None;
    for ((path, first), frames) in numbered(plan, paths).zip(&plan.segment_frames) {
        let wrong =
            |what: &str| MediaError::Internal(format!("the segment {} {what}", path.display()));
        let open = if first == 0 { SegmentReader::open_probed } else { SegmentReader::open };
        let mut segment = open(path, plan.rate, first)?;
        let parameters = segment.parameters().ok_or_else(|| wrong("is empty"))?;
        let header = ffi::header_bytes(&parameters);
        let (shared, expected) = shared.get_or_insert_with(|| {
            (SharedFormat { parameters: parameters.clone(), lead: 0, alpha: false }, header.clone())
        });
        if header != *expected || parameters.id() != shared.parameters.id() {
            return Err(wrong("has other parameter sets than the first"));
        }
        let mut shown = vec![false; usize::try_from(*frames).unwrap_or(0)];
        let mut order = first;
        while let Some((packet, number)) = segment.next_packet()? {
            if order == first && !packet.is_key() {
                return Err(wrong("does not begin with a key frame"));
            }
            let seen = usize::try_from(number - first).ok().and_then(|index| shown.get_mut(index));
            if seen.is_none_or(|seen| std::mem::replace(seen, true)) {
                return Err(wrong("shows a frame twice, or one that is not its own"));
            }
            shared.lead = shared.lead.max(order.saturating_sub(number));
            shared.alpha |= packet
                .side_data()
                .any(|data| data.kind() == side_data::Type::MatroskaBlockAdditional);
            order += 1;
        }
        if shown.contains(&false) {
            return Err(wrong("lacks a frame"));
        }
    }
    shared
        .map(|(shared, _)| shared)
        .ok_or_else(|| MediaError::Internal("there is no segment to assemble".into()))
}
