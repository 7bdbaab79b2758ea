//! The last step: joins segments and sound into one file, and takes pictures from it.
//!
//! Videos are joined by copying packets, never by encoding again: a segment's bytes are the video's
//! bytes. Times follow from a frame's number alone, because every container rounds in its own way
//! and sums of roundings drift. Formats that can't hold the segments' packets (GIF, WebP, single
//! pictures) are encoded here, from lossless segments.
//!
//! No file records when it was made or by which software, so that equal parts give equal bytes.

mod animate;
mod frames;
mod join;
mod parts;
mod picture;
mod verify;

use crate::protocol::{AssembleOutput, Progress};
use crate::{MediaError, Result};
use composition::plan::{Assemble, Format};
use frames::Frames;
use std::path::{Path, PathBuf};

/// The input and output files of an assembly.
#[derive(Debug, Clone, Copy)]
pub struct AssembleFiles<'a> {
    /// The segments, in order.
    pub segments: &'a [PathBuf],
    /// The sound, if the plan has sound.
    pub sound: Option<&'a Path>,
    pub out: &'a Path,
    /// The poster to write, a JPEG, if the plan asks for one.
    pub poster: Option<&'a Path>,
    /// The thumbnail to write, a JPEG, if the plan asks for one.
    pub thumbnail: Option<&'a Path>,
}

/// Makes the file that the plan asks for, verifies it, and takes poster and thumbnail from it.
///
/// # Errors
/// Internal if the segments or the finished file are not as the plan says; else errors from the
/// disk and from libav.
pub fn assemble(
    plan: &Assemble,
    parts: &AssembleFiles<'_>,
    report: &mut dyn FnMut(Progress),
) -> Result<AssembleOutput> {
    check(plan, parts)?;
    let frames = Frames::new(plan, parts.segments);
    let duration_ms = match plan.format {
        Format::Mp4 | Format::Webm => {
            join::join(plan, parts, report)?;
            verify::verify(plan, parts.out)?;
            milliseconds(plan)
        }
        Format::Gif => {
            animate::gif(plan, &frames, parts.out, report)?;
            milliseconds(plan)
        }
        Format::Webp if plan.frames > 1 => {
            animate::webp(plan, &frames, parts.out, report)?;
            milliseconds(plan)
        }
        Format::Webp | Format::Jpg | Format::Png => {
            picture::whole(plan, &frames, parts.out)?;
            0
        }
        Format::Mp3 | Format::Wav => copy_sound(parts)?,
    };
    Ok(AssembleOutput {
        frames: plan.frames,
        bytes: size_of(parts.out)?,
        duration_ms,
        poster_bytes: picture::poster(plan, plan.poster, &frames, parts.poster)?,
        thumbnail_bytes: picture::poster(plan, plan.thumbnail, &frames, parts.thumbnail)?,
    })
}

fn check(plan: &Assemble, parts: &AssembleFiles<'_>) -> Result<()> {
    let wrong = |what: String| {
        Err(MediaError::Internal(format!("assembling {}: {what}", parts.out.display())))
    };
    if parts.segments.len() != plan.segment_frames.len() {
        return wrong(format!(
            "{} segments came and {} were planned",
            parts.segments.len(),
            plan.segment_frames.len()
        ));
    }
    if plan.segment_frames.iter().sum::<u64>() != plan.frames {
        return wrong(format!("the segments' frames are not the {} of the whole", plan.frames));
    }
    match (plan.sound, parts.sound) {
        (Some(_), None) => wrong("the sound that was planned did not come".into()),
        (None, Some(_)) => wrong("a sound came that was not planned".into()),
        _ => Ok(()),
    }
}

/// Copies the sound's file, which is the whole output of a format without pictures.
fn copy_sound(parts: &AssembleFiles<'_>) -> Result<u64> {
    let Some(sound) = parts.sound else {
        return Err(MediaError::Internal(format!(
            "{} is sound alone and there is none",
            parts.out.display()
        )));
    };
    std::fs::copy(sound, parts.out).map_err(|error| {
        MediaError::from_io(format_args!("writing {}", parts.out.display()), &error)
    })?;
    verify::sound_milliseconds(parts.out)
}

fn milliseconds(plan: &Assemble) -> u64 {
    plan.rate.samples(plan.frames, 1000)
}

fn size_of(path: &Path) -> Result<u64> {
    std::fs::metadata(path)
        .map(|metadata| metadata.len())
        .map_err(|error| MediaError::from_io(format_args!("reading {}", path.display()), &error))
}

#[cfg(test)]
mod tests;
