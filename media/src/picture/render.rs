//! Renders a segment into a file, or one of its frames into a picture.

use super::scene::Scene;
use crate::encode::still::write_still;
use crate::encode::verify::verify;
use crate::encode::writer::SegmentWriter;
use crate::error::Result;
use crate::file_size::file_size;
use crate::protocol::Files;
use crate::protocol::{PictureOutput, Progress};
use crate::text::fonts::FontFolders;
use composition::plan::Segment;
use std::path::Path;

/// Renders a segment into `out`: composites each frame, encodes it by the recipe, and verifies the
/// file. The container follows from the codec ([`crate::encode::container`]), not from the file's
/// name.
///
/// # Errors
/// Errors from the sources, the disk and the encoder; internal if the finished file is not what the
/// plan asks for.
pub fn render_segment(
    segment: &Segment,
    files: &Files,
    fonts: &FontFolders,
    out: &Path,
    report: &mut dyn FnMut(Progress),
) -> Result<PictureOutput> {
    let mut scene = Scene::open(segment, files, fonts)?;
    let mut writer = SegmentWriter::create(&segment.recipe, &segment.canvas, out)?;
    for frame in 0..segment.frames {
        writer.push(&scene.frame(frame)?)?;
        report(Progress { done: frame + 1, total: segment.frames });
    }
    let frames = writer.finish()?;
    verify(segment, out)?;
    Ok(PictureOutput { frames, bytes: file_size(out)?, warnings: scene.warnings() })
}

/// Renders one frame of a segment into `out` as a picture. The extension (`png`, `jpg`, `webp`)
/// gives the format.
///
/// # Errors
/// Errors from the sources and the disk; unsupported for other extensions.
pub fn render_still(
    segment: &Segment,
    frame: u64,
    files: &Files,
    fonts: &FontFolders,
    out: &Path,
) -> Result<PictureOutput> {
    let mut scene = Scene::open(segment, files, fonts)?;
    let picture = scene.frame(frame)?;
    write_still(&picture, out)?;
    Ok(PictureOutput { frames: 1, bytes: file_size(out)?, warnings: scene.warnings() })
}
