//! Verifies a finished segment before anyone relies on it.

use crate::decode::open::open_input;
use crate::error::{MediaError, Result, libav_text};
use crate::ffi;
use composition::plan::{Segment, VideoCodec};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::{self, Parameters};
use ffmpeg_next::{Discard, Packet, frame};
use std::path::Path;

/// Reads a segment back and checks the number of frames, that it begins with a key frame, that its
/// header has parameter sets, and that its first and last frames decode to the plan's size.
///
/// # Errors
/// Internal, naming what is wrong: a segment that fails is the engine's fault.
pub(crate) fn verify(segment: &Segment, path: &Path) -> Result<()> {
    check(segment, path).map_err(|problem| {
        MediaError::Internal(format!("the segment {}: {problem}", path.display()))
    })
}

fn check(segment: &Segment, path: &Path) -> Result<(), String> {
    let mut input = open_input(path).map_err(|error| error.to_string())?;
    let parameters = input.stream(0).ok_or("it has no stream")?.parameters();
    let header = ffi::header_bytes(&parameters);
    if header.is_empty() && segment.recipe.codec != VideoCodec::Vp9 {
        return Err("its header has no parameter sets".into());
    }
    let edges = EdgePackets::read(&mut input);
    if edges.packets != segment.frames {
        let (found, planned) = (edges.packets, segment.frames);
        return Err(format!("it has {found} frames and should have {planned}"));
    }
    let first = edges.first.as_ref().filter(|packet| packet.is_key());
    let first = first.ok_or("its first packet is no key frame")?;
    let size = (segment.canvas.width, segment.canvas.height);
    check_last_frame(&parameters, std::slice::from_ref(first), size)?;
    check_last_frame(&parameters, &edges.last_group, size)?;
    Ok(())
}

/// The packets to decode, and the number of all packets.
struct EdgePackets {
    packets: u64,
    first: Option<Packet>,
    last_group: Vec<Packet>,
}

impl EdgePackets {
    fn read(input: &mut ffmpeg::format::context::Input) -> Self {
        let mut edges = Self { packets: 0, first: None, last_group: Vec::new() };
        loop {
            let mut packet = Packet::empty();
            if packet.read(input).is_err() {
                return edges;
            }
            edges.packets += 1;
            if packet.is_key() {
                edges.last_group.clear();
            }
            edges.first.get_or_insert_with(|| packet.clone());
            edges.last_group.push(packet);
        }
    }
}

/// Decodes packets that begin with a key frame, as far as their last frame needs it, and checks
/// that this frame appears with this `size`.
///
/// Frames to which no other frame refers are skipped, and edges are not smoothed: a segment is one
/// group of pictures, and decoding it in full costs a twentieth of encoding it. If the last frame
/// would be skipped, all are decoded.
fn check_last_frame(
    parameters: &Parameters,
    packets: &[Packet],
    size: (u32, u32),
) -> Result<(), String> {
    let last = packets.iter().filter_map(Packet::pts).max();
    let found = last_decoded(parameters, packets, size, Discard::NonReference)?;
    if found == last || last_decoded(parameters, packets, size, Discard::None)? == last {
        return Ok(());
    }
    Err("its last frame does not decode".into())
}

/// Returns the latest time among the frames that packets decode to.
fn last_decoded(
    parameters: &Parameters,
    packets: &[Packet],
    size: (u32, u32),
    discard: Discard,
) -> Result<Option<i64>, String> {
    let failed = |error: ffmpeg::Error| format!("it does not decode: {}", libav_text(error));
    let context = codec::Context::from_parameters(parameters.clone()).map_err(failed)?;
    let mut decoder = context.decoder();
    if discard != Discard::None {
        decoder.skip_frame(discard);
        decoder.skip_loop_filter(Discard::All);
    }
    let mut decoder = decoder.video().map_err(failed)?;
    let mut latest = None;
    for packet in packets {
        decoder.send_packet(packet).map_err(failed)?;
        latest = latest.max(latest_received(&mut decoder, size)?);
    }
    decoder.send_eof().map_err(failed)?;
    Ok(latest.max(latest_received(&mut decoder, size)?))
}

fn latest_received(
    decoder: &mut ffmpeg::decoder::Video,
    size: (u32, u32),
) -> Result<Option<i64>, String> {
    let mut latest = None;
    let mut decoded = frame::Video::empty();
    while decoder.receive_frame(&mut decoded).is_ok() {
        let found = (decoded.width(), decoded.height());
        if found != size {
            return Err(format!("a frame is {found:?} and should be {size:?}"));
        }
        latest = latest.max(decoded.timestamp());
    }
    Ok(latest)
}
