//! The two things that are made of a segment: a file of its frames, and a picture of one.

use super::layer::Files;
use super::scene::Scene;
use crate::encode::still::write_still;
use crate::encode::verify::verify;
use crate::encode::writer::SegmentWriter;
use crate::error::{MediaError, Result};
use crate::protocol::{PictureOutput, Progress};
use crate::text::fonts::FontFolders;
use composition::plan::Segment;
use std::path::Path;

/// Renders a segment into `out`: composited frame by frame, encoded as its recipe says, and read back before it counts. The
/// container follows from the codec ([`crate::encode::container`]), whatever the file is called.
///
/// # Errors
/// Those of the sources, of the disk and of the encoder; internal where the finished file is not what the plan asked for.
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
    Ok(PictureOutput { frames, bytes: size_of(out)?, warnings: scene.warnings() })
}

/// Renders one frame of a segment into `out` as a picture; the extension (`png`, `jpg`, `webp`) says of which kind.
///
/// # Errors
/// Those of the sources and of the disk; unsupported for other extensions.
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
    Ok(PictureOutput { frames: 1, bytes: size_of(out)?, warnings: scene.warnings() })
}

fn size_of(path: &Path) -> Result<u64> {
    let metadata = std::fs::metadata(path);
    metadata
        .map(|metadata| metadata.len())
        .map_err(|error| MediaError::from_io(format_args!("reading {}", path.display()), &error))
}
