//! Exchanges left and right in frames that say they are mirrored, as front cameras store them.

use super::rotation::Orientation;
use crate::ffi;
use ffmpeg_next::frame;

/// Mirrors a frame if its orientation says so. Returns it with the degrees by which it is turned
/// clockwise for showing.
pub(crate) fn unmirrored(frame: frame::Video, orientation: Orientation) -> (frame::Video, u16) {
    match orientation.mirrored.then(|| mirrored(&frame)).flatten() {
        Some(frame) => (frame, orientation.after_mirroring()),
        None => (frame, orientation.degrees),
    }
}

/// Returns the mirrored frame; none for formats whose pixels are not whole bytes, which no camera
/// writes.
fn mirrored(frame: &frame::Video) -> Option<frame::Video> {
    let steps = ffi::pixel_bytes(frame.format())?;
    let mut turned = frame::Video::new(frame.format(), frame.width(), frame.height());
    for (plane, step) in
        steps.into_iter().enumerate().take(frame.planes()).filter(|(_, step)| *step > 0)
    {
        let row = frame.plane_width(plane) as usize * step;
        let (from, to) = (frame.stride(plane), turned.stride(plane));
        let rows = turned.data_mut(plane).chunks_mut(to).zip(frame.data(plane).chunks(from));
        for (out, line) in rows.take(frame.plane_height(plane) as usize) {
            let pixels = line[..row].chunks_exact(step).rev();
            out[..row]
                .chunks_exact_mut(step)
                .zip(pixels)
                .for_each(|(out, pixel)| out.copy_from_slice(pixel));
        }
    }
    ffi::copy_properties(frame, &mut turned).ok()?;
    Some(turned)
}
