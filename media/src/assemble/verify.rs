//! Verifies a finished file before anyone relies on it.

use crate::decode::open::open_input;
use crate::decode::reader::VideoReader;
use crate::sound::reader::SoundReader;
use crate::{MediaError, Result};
use composition::plan::Assemble;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::{Packet, Rational};
use std::path::Path;

/// The most by which a container may round a frame's time: Matroska counts milliseconds.
const ROUNDING_SECONDS: f64 = 0.001;

/// Reads the file back and checks the number of frames, the time of each, the sound stream, and
/// that the first and the last frame decode.
///
/// # Errors
/// Internal, naming what is wrong.
pub(super) fn verify(plan: &Assemble, path: &Path) -> Result<()> {
    check(plan, path).map_err(|problem| {
        MediaError::Internal(format!("the finished {}: {problem}", path.display()))
    })
}

fn check(plan: &Assemble, path: &Path) -> Result<(), String> {
    let to_text = |error: MediaError| error.to_string();
    let mut input = open_input(path).map_err(to_text)?;
    let kinds: Vec<_> = input.streams().map(|stream| stream.parameters().medium()).collect();
    let mut expected = vec![ffmpeg::media::Type::Video];
    expected.extend(plan.sound.map(|_| ffmpeg::media::Type::Audio));
    if kinds != expected {
        return Err(format!("it has the streams {kinds:?} and should have {expected:?}"));
    }
    let time_base = input.stream(0).map_or(Rational(1, 1), |stream| stream.time_base());
    let mut times = picture_times(&mut input)?;
    times.sort_unstable();
    if times.len() as u64 != plan.frames {
        return Err(format!("it has {} frames and should have {}", times.len(), plan.frames));
    }
    for (number, ticks) in times.iter().enumerate() {
        let found = *ticks as f64 * f64::from(time_base.0) / f64::from(time_base.1);
        let exact = number as f64 / plan.rate.to_f64();
        if (found - exact).abs() > ROUNDING_SECONDS {
            return Err(format!("frame {number} is at {found} s and should be at {exact} s"));
        }
    }
    let mut reader = VideoReader::open(path, 0).map_err(to_text)?;
    for number in [0, plan.frames - 1] {
        let shown = reader.frame_at(plan.rate.seconds(number)).map_err(to_text)?;
        let found = (shown.frame.width(), shown.frame.height());
        if found != (plan.width, plan.height) {
            return Err(format!(
                "frame {number} is {found:?} and should be {:?}",
                (plan.width, plan.height)
            ));
        }
    }
    Ok(())
}

fn picture_times(input: &mut ffmpeg::format::context::Input) -> Result<Vec<i64>, String> {
    let mut times = Vec::new();
    loop {
        let mut packet = Packet::empty();
        match packet.read(input) {
            Ok(()) if packet.stream() == 0 => {
                times.push(packet.pts().ok_or("a frame has no time")?)
            }
            Ok(()) => {}
            Err(ffmpeg::Error::Eof) => return Ok(times),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Returns the length of a sound file in milliseconds, by reading all of it.
///
/// # Errors
/// Errors from reading it.
pub(super) fn sound_milliseconds(path: &Path) -> Result<u64> {
    const RATE: u32 = 48_000;
    const BLOCK: usize = 48_000;
    let mut reader = SoundReader::open(path, 0, RATE, 0)?;
    let mut block = vec![[0.0; 2]; BLOCK];
    while !reader.is_over() {
        reader.fill(&mut block)?;
    }
    Ok(u64::try_from(reader.end()).unwrap_or(0) * 1000 / u64::from(RATE))
}
