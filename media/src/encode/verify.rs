//! Looks at a finished segment before anyone relies on it.

use crate::decode::open::open_input;
use crate::error::{MediaError, Result};
use crate::ffi;
use composition::plan::{Segment, VideoCodec};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::{self, Parameters};
use ffmpeg_next::{Packet, frame};
use std::path::Path;

/// Reads a segment back: as many frames as the plan says, the first packet a clean start, parameter sets in the header, and
/// its first frame and its last group of pictures decode to frames of the plan's size.
///
/// # Errors
/// Internal, naming what is wrong: a segment that fails this is the engine's fault.
pub(crate) fn verify(segment: &Segment, path: &Path) -> Result<()> {
    check(segment, path).map_err(|what| MediaError::Internal(format!("the segment {}: {what}", path.display())))
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
    expect_frames(&parameters, std::slice::from_ref(first), size)?;
    expect_frames(&parameters, &ends.last_group, size)?;
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

/// Decodes packets that begin with a key frame and checks that each gives a frame of `size`.
fn expect_frames(parameters: &Parameters, packets: &[Packet], size: (u32, u32)) -> Result<(), String> {
    let failed = |error: ffmpeg::Error| format!("it does not decode: {error}");
    let context = codec::Context::from_parameters(parameters.clone()).map_err(failed)?;
    let mut decoder = context.decoder().video().map_err(failed)?;
    let mut frames = 0;
    for packet in packets {
        decoder.send_packet(packet).map_err(failed)?;
        frames += received(&mut decoder, size)?;
    }
    decoder.send_eof().map_err(failed)?;
    frames += received(&mut decoder, size)?;
    if frames != packets.len() {
        return Err(format!("{frames} of {} frames decode", packets.len()));
    }
    Ok(())
}

fn received(decoder: &mut ffmpeg::decoder::Video, size: (u32, u32)) -> Result<usize, String> {
    let mut frames = 0;
    let mut decoded = frame::Video::empty();
    while decoder.receive_frame(&mut decoded).is_ok() {
        let found = (decoded.width(), decoded.height());
        if found != size {
            return Err(format!("a frame is {found:?} and should be {size:?}"));
        }
        frames += 1;
    }
    Ok(frames)
}
