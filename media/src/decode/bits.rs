//! Unpacks pictures of one bit a pixel, such as fax pages and QR codes, to bytes.
//!
//! libav crops a frame by moving the pointers to its planes, which cannot point into a byte: such a
//! frame would keep its left and top edges.

use ffmpeg_next::format::Pixel;
use ffmpeg_next::{color, frame};

/// Returns the frame with a byte for each pixel; none if it has that already.
pub(crate) fn unpacked(frame: &frame::Video) -> Option<frame::Video> {
    let zero_is = match frame.format() {
        Pixel::MonoBlack => 0,
        Pixel::MonoWhite => 255,
        _ => return None,
    };
    let mut grey = frame::Video::new(Pixel::GRAY8, frame.width(), frame.height());
    grey.set_color_range(color::Range::JPEG);
    let (stride, width) = (grey.stride(0), frame.width() as usize);
    let rows = frame.data(0).chunks(frame.stride(0)).zip(grey.data_mut(0).chunks_mut(stride));
    for (bits, line) in rows.take(frame.height() as usize) {
        for (x, pixel) in line.iter_mut().take(width).enumerate() {
            let set = bits[x / 8] >> (7 - x % 8) & 1 == 1;
            *pixel = if set { 255 - zero_is } else { zero_is };
        }
    }
    Some(grey)
}
