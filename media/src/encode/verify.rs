//! Looks at a finished segment before anyone relies on it.

use crate::decode::open::open_input;
use crate::error::{MediaError, Result, libav_text};
use crate::ffi;
use composition::plan::{Segment, VideoCodec};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::{self, Parameters};
use ffmpeg_next::{Discard, Packet, frame};
use std::path::Path;

/// Reads a segment back: as many frames as the plan says, the first packet a clean start, parameter sets in the header, and
/// its first and its last frame decode to the plan's size.
///
/// # Errors
/// Internal, naming what is wrong: a segment that fails this is the engine's fault.
pub(crate) fn verify(segment: &Segment, path: &Path) -> Result<()> {
    check(segment, path)
        .map_err(|what| MediaError::Internal(format!("the segment {}: {what}", path.display())))
}

fn check(segment: &Segment, path: &Path) -> Result<(), String> {
    let mut input = open_input(path).map_err(|error| error.to_string())?;
    let parameters = input.stream(0).ok_or("it has no stream")?.parameters();
    let header = ffi::header_bytes(&parameters);
    if header.is_empty() && segment.recipe.codec != VideoCodec::Vp9 {
        return Err("its header has no parameter sets".into());
    }
    let ends = Ends::read(&mut input);
    if ends.packets != segment.frames {
        let (found, planned) = (ends.packets, segment.frames);
        return Err(format!("it has {found} frames and should have {planned}"));
    }
    let first = ends.first.as_ref().filter(|packet| packet.is_key());
    let first = first.ok_or("its first packet is no key frame")?;
    let size = (segment.canvas.width, segment.canvas.height);
    expect_last(&parameters, std::slice::from_ref(first), size)?;
    expect_last(&parameters, &ends.last_group, size)?;
    Ok(())
}

/// The packets that are decoded again, and how many there are in all.
struct Ends {
    packets: u64,
    first: Option<Packet>,
    last_group: Vec<Packet>,
}

impl Ends {
    fn read(input: &mut ffmpeg::format::context::Input) -> Self {
        let mut ends = Self { packets: 0, first: None, last_group: Vec::new() };
        loop {
            let mut packet = Packet::empty();
            if packet.read(input).is_err() {
                return ends;
            }
            ends.packets += 1;
            if packet.is_key() {
                ends.last_group.clear();
            }
            ends.first.get_or_insert_with(|| packet.clone());
            ends.last_group.push(packet);
        }
    }
}

/// Decodes packets that begin with a key frame as far as their last frame needs it, and checks that it comes, of this `size`.
///
/// Frames that no other refers to are passed over, and edges are not smoothed: a segment is one group of pictures, and to
/// decode it in full costs as much as a twentieth of encoding it. Where the last frame is itself such a one, all are decoded.
fn expect_last(
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

/// The latest time among the frames that packets decode to.
fn last_decoded(
    parameters: &Parameters,
    packets: &[Packet],
    size: (u32, u32),
    skipped: Discard,
) -> Result<Option<i64>, String> {
    let failed = |error: ffmpeg::Error| format!("it does not decode: {}", libav_text(error));
    let context = codec::Context::from_parameters(parameters.clone()).map_err(failed)?;
    let mut decoder = context.decoder();
    if skipped != Discard::None {
        decoder.skip_frame(skipped);
        decoder.skip_loop_filter(Discard::All);
    }
    let mut decoder = decoder.video().map_err(failed)?;
    let mut latest = None;
    for packet in packets {
        decoder.send_packet(packet).map_err(failed)?;
        latest = latest.max(received(&mut decoder, size)?);
    }
    decoder.send_eof().map_err(failed)?;
    Ok(latest.max(received(&mut decoder, size)?))
}

fn received(decoder: &mut ffmpeg::decoder::Video, size: (u32, u32)) -> Result<Option<i64>, String> {
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
