//! The last step: segments and sound become one file, and pictures are taken from it.
//!
//! Films are joined by copying packets, never by encoding again: a segment's bytes are the film's bytes. Times follow from a
//! frame's number alone, because every container rounds its own way and sums of roundings drift. What a container can't
//! hold as packets of the segments (GIF, WebP, single pictures) is encoded here, from lossless segments.
//!
//! Nothing in a file says when or by what it was made, so that the same parts give the same bytes.

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

/// The files that come in and go out.
#[derive(Debug, Clone, Copy)]
pub struct AssembleFiles<'a> {
    /// The segments' files, in order.
    pub segments: &'a [PathBuf],
    /// The sound's file, where the plan has sound.
    pub sound: Option<&'a Path>,
    /// The file to write.
    pub out: &'a Path,
    /// Where the poster goes, if the plan asks for one: a JPEG.
    pub poster: Option<&'a Path>,
    /// Where the thumbnail goes, if the plan asks for one: a JPEG.
    pub thumbnail: Option<&'a Path>,
}

/// Makes the file that the plan asks for, looks at it, and takes poster and thumbnail.
///
/// # Errors
/// Internal where the parts are not what the plan says, or the finished file is not; else those of the disk and of libav.
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

/// Where the format is sound alone, the sound's file is the file.
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
