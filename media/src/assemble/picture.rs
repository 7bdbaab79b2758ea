//! Writes single frames as pictures: posters, thumbnails, and formats that hold one picture.

use super::frames::FrameSource;
use crate::decode::convert::{Conversion, Converter};
use crate::encode::still::write_still;
use crate::file_size::file_size;
use crate::picture::planes::Chroma;
use crate::{MediaError, Result};
use composition::plan::{Assemble, Poster};
use std::path::Path;

/// Writes one frame as a JPEG, scaled as the plan says, and returns its size in bytes; none if the
/// plan asks for none.
///
/// # Errors
/// Internal if no path was given for it; else errors from decoding and writing.
pub(super) fn poster(
    plan: &Assemble,
    poster: Option<Poster>,
    frames: &FrameSource<'_>,
    out: Option<&Path>,
) -> Result<Option<u64>> {
    let Some(poster) = poster else {
        return Ok(None);
    };
    let out = out.ok_or_else(|| {
        MediaError::Internal("a picture of a frame was planned and no path was given".into())
    })?;
    let scaled =
        |length: u32| (f64::from(length) * poster.scale.to_f64()).round().max(1.0) as usize;
    write(frames, poster.frame, (scaled(plan.width), scaled(plan.height)), out)?;
    file_size(out).map(Some)
}

/// Writes the only frame at full size. The extension of `out` gives the format.
///
/// # Errors
/// Errors from decoding and writing.
pub(super) fn whole(plan: &Assemble, frames: &FrameSource<'_>, out: &Path) -> Result<()> {
    write(frames, 0, (plan.width as usize, plan.height as usize), out)
}

fn write(
    frames: &FrameSource<'_>,
    number: u64,
    (width, height): (usize, usize),
    out: &Path,
) -> Result<()> {
    frames.with(number, |frame| {
        let conversion = Conversion {
            crop: [0.0, 0.0, 1.0, 1.0],
            width,
            height,
            chroma: Chroma::Full,
            rotation: 0,
        };
        let picture = Converter::default().convert(frame, None, conversion)?;
        write_still(&picture, out)
    })
}
