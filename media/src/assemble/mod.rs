//! The last step: joins segments and sound into one file, and takes pictures from it.
//!
//! Videos are joined by copying packets, never by encoding again: a segment's bytes are the video's
//! bytes. Times follow from a frame's number alone, because every container rounds in its own way
//! and sums of roundings drift. Formats that can't hold the segments' packets (GIF, WebP, single
//! pictures) are encoded here, from lossless segments.
//!
//! No file records when it was made or by which software, so that equal parts give equal bytes.

mod animate;
mod files;
mod frames;
mod join;
mod picture;
mod segment;
mod verify;

pub use files::AssembleFiles;

use crate::file_size::file_size;
use crate::protocol::{AssembleOutput, Progress};
use crate::{MediaError, Result};
use composition::plan::{Assemble, Format};
use frames::FrameSource;
use std::fs::File;
use std::io;

/// Makes the file that the plan asks for, verifies it, and takes poster and thumbnail from it.
///
/// # Errors
/// Internal if the segments or the finished file are not as the plan says; else errors from the
/// disk and from libav.
pub fn assemble(
    plan: &Assemble,
    files: &AssembleFiles<'_>,
    report: &mut dyn FnMut(Progress),
) -> Result<AssembleOutput> {
    check(plan, files)?;
    let frames = FrameSource::new(plan, files.segments);
    let mut frame_count = plan.frames;
    let duration_ms = match plan.format {
        Format::Mp4 | Format::Webm => {
            join::join(plan, files, report)?;
            verify::verify(plan, files.out)?;
            milliseconds(plan)
        }
        Format::Gif => {
            frame_count = animate::gif(plan, &frames, files.out, report)?;
            milliseconds(plan)
        }
        Format::Webp if plan.frames > 1 => {
            animate::webp(plan, &frames, files.out, report)?;
            milliseconds(plan)
        }
        Format::Webp | Format::Jpg | Format::Png => {
            picture::whole(plan, &frames, files.out)?;
            0
        }
        Format::Mp3 | Format::Wav => copy_sound(files)?,
    };
    Ok(AssembleOutput {
        frames: frame_count,
        bytes: file_size(files.out)?,
        duration_ms,
        poster_bytes: picture::poster(plan, plan.poster, &frames, files.poster)?,
        thumbnail_bytes: picture::poster(plan, plan.thumbnail, &frames, files.thumbnail)?,
    })
}

fn check(plan: &Assemble, files: &AssembleFiles<'_>) -> Result<()> {
    let internal = |problem: String| {
        Err(MediaError::Internal(format!("assembling {}: {problem}", files.out.display())))
    };
    if files.segments.len() != plan.segment_frames.len() {
        return internal(format!(
            "{} segments were given and {} were planned",
            files.segments.len(),
            plan.segment_frames.len()
        ));
    }
    if plan.segment_frames.iter().sum::<u64>() != plan.frames {
        return internal(format!("the segments' frames are not the {} of the whole", plan.frames));
    }
    match (plan.sound, files.sound) {
        (Some(_), None) => internal("the planned sound is missing".into()),
        (None, Some(_)) => internal("a sound was given that was not planned".into()),
        _ => Ok(()),
    }
}

/// Copies the sound's file, which is the whole output of a format without pictures.
fn copy_sound(files: &AssembleFiles<'_>) -> Result<u64> {
    let Some(sound) = files.sound else {
        return Err(MediaError::Internal(format!(
            "{} has only sound, and none was given",
            files.out.display()
        )));
    };
    // Not `fs::copy`, which also sets the file's mode: the sandbox denies that.
    File::open(sound)
        .and_then(|mut sound| io::copy(&mut sound, &mut File::create(files.out)?))
        .map_err(|error| {
            MediaError::from_io(format_args!("writing {}", files.out.display()), &error)
        })?;
    verify::sound_milliseconds(files.out)
}

fn milliseconds(plan: &Assemble) -> u64 {
    plan.rate.samples(plan.frames, 1000)
}

#[cfg(test)]
mod tests;
