//! Converts composited pictures to the frames that encoders take.

use crate::error::{MediaError, Result};
use crate::ffi;
use crate::picture::planes::{Alpha, Chroma, Picture, half, rgb_of};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame;

/// A frame that is filled again for each picture.
pub(crate) struct FrameSlot {
    frame: frame::Video,
}

impl FrameSlot {
    /// Allocates a frame of one of the formats that the engine encodes.
    pub(crate) fn new(format: Pixel, width: u32, height: u32) -> Self {
        Self { frame: frame::Video::new(format, width, height) }
    }

    /// Fills the frame with a picture, in the frame's format.
    ///
    /// # Errors
    /// Out of memory, if the encoder still holds the last frame and a copy is needed.
    pub(crate) fn fill(&mut self, picture: &Picture) -> Result<&mut frame::Video> {
        ffi::make_writable(&mut self.frame)
            .map_err(|error| MediaError::from_libav("making room for a frame", error))?;
        match self.frame.format() {
            Pixel::YUV420P => self.fill_planes(picture),
            Pixel::YUVA420P => self.fill_straight(picture),
            Pixel::YUVJ420P => self.fill_jpeg(picture),
            _ => self.fill_packed(picture),
        }
        Ok(&mut self.frame)
    }

    fn fill_planes(&mut self, picture: &Picture) {
        debug_assert_eq!(picture.chroma, Chroma::Halved, "video is composited as it is encoded");
        for (index, (plane, width, _)) in picture.planes().into_iter().enumerate() {
            self.write_plane(index, plane, width);
        }
    }

    fn write_plane(&mut self, index: usize, plane: &[u8], width: usize) {
        let stride = self.frame.stride(index);
        let rows = self.frame.data_mut(index).chunks_mut(stride);
        for (row, values) in rows.zip(plane.chunks_exact(width)) {
            row[..width].copy_from_slice(values);
        }
    }

    /// Fills the frame with straight alpha, as VP9 stores it: the premultiplied alpha is divided
    /// out.
    fn fill_straight(&mut self, picture: &Picture) {
        let Some(alpha) = &picture.alpha else {
            self.fill_planes(picture);
            let opaque = vec![255; picture.y.len()];
            return self.write_plane(3, &opaque, picture.width);
        };
        let chroma = half(picture.width);
        self.write_plane(0, &divide_by_alpha(&picture.y, &alpha.full, 16), picture.width);
        self.write_plane(1, &divide_by_alpha(&picture.u, &alpha.chroma, 128), chroma);
        self.write_plane(2, &divide_by_alpha(&picture.v, &alpha.chroma, 128), chroma);
        self.write_plane(3, &alpha.full, picture.width);
    }

    /// Fills the frame with full range and BT.601's matrix, as JPEG files have it: the writer tags
    /// nothing else, so the codes are converted through RGB.
    fn fill_jpeg(&mut self, picture: &Picture) {
        let (width, height) = (picture.width, picture.height);
        let pixels = rgb_rows(picture);
        let full = |r: i32, g: i32, b: i32| (19_595 * r + 38_470 * g + 7_471 * b + (1 << 15)) >> 16;
        let luma: Vec<u8> = pixels
            .chunks_exact(3)
            .map(|p| full(p[0].into(), p[1].into(), p[2].into()) as u8)
            .collect();
        let (cw, ch) = (half(width), half(height));
        let (mut u, mut v) = (Vec::with_capacity(cw * ch), Vec::with_capacity(cw * ch));
        for row in 0..ch {
            for column in 0..cw {
                let [r, g, b] = mean_rgb(&pixels, width, height, column * 2, row * 2);
                u.push(chroma_of(-11_056 * r - 21_712 * g + 32_768 * b));
                v.push(chroma_of(32_768 * r - 27_440 * g - 5_328 * b));
            }
        }
        self.write_plane(0, &luma, width);
        self.write_plane(1, &u, cw);
        self.write_plane(2, &v, cw);
    }

    fn fill_packed(&mut self, picture: &Picture) {
        let stride = self.frame.stride(0);
        let (order, bytes): ([usize; 3], usize) = match self.frame.format() {
            Pixel::RGB24 => ([0, 1, 2], 3),
            Pixel::RGBA => ([0, 1, 2], 4),
            _ => ([2, 1, 0], 4),
        };
        let pixels = rgb_rows(picture);
        let alpha = picture.alpha.as_ref().map(|alpha| alpha.full.as_slice());
        let width = picture.width;
        for (row, line) in self.frame.data_mut(0).chunks_mut(stride).enumerate() {
            for column in 0..width {
                let at = row * width + column;
                let out = &mut line[column * bytes..][..bytes];
                for (index, &from) in order.iter().enumerate() {
                    out[index] = pixels[at * 3 + from];
                }
                if let Some(last) = out.get_mut(3) {
                    *last = alpha.map_or(255, |alpha| alpha[at]);
                }
            }
        }
    }
}

/// Returns straight R, G, B for each pixel. Sparse chroma is interpolated between its samples.
pub(crate) fn rgb_rows(picture: &Picture) -> Vec<u8> {
    let (width, height) = (picture.width, picture.height);
    let straight = picture.alpha.as_ref().map(|alpha| to_straight(picture, alpha));
    let source = straight.as_ref().unwrap_or(picture);
    let u = source.chroma.spread(&source.u, width, height);
    let v = source.chroma.spread(&source.v, width, height);
    let mut out = Vec::with_capacity(width * height * 3);
    for ((&y, &u), &v) in source.y.iter().zip(u.iter()).zip(v.iter()) {
        out.extend(rgb_of(y, u, v));
    }
    out
}

fn to_straight(picture: &Picture, alpha: &Alpha) -> Picture {
    Picture {
        width: picture.width,
        height: picture.height,
        chroma: picture.chroma,
        y: divide_by_alpha(&picture.y, &alpha.full, 16),
        u: divide_by_alpha(&picture.u, &alpha.chroma, 128),
        v: divide_by_alpha(&picture.v, &alpha.chroma, 128),
        alpha: None,
    }
}

/// Divides values by their coverage; `clear` is the value of clear samples.
fn divide_by_alpha(values: &[u8], alpha: &[u8], clear: u8) -> Vec<u8> {
    let one = |(&value, &alpha): (&u8, &u8)| match u32::from(alpha) {
        0 => clear,
        alpha => ((u32::from(value) * 255 + alpha / 2) / alpha).min(255) as u8,
    };
    values.iter().zip(alpha).map(one).collect()
}

fn mean_rgb(pixels: &[u8], width: usize, height: usize, x: usize, y: usize) -> [i32; 3] {
    let (right, below) = ((x + 1).min(width - 1), (y + 1).min(height - 1));
    let mut sums = [0; 3];
    for (x, y) in [(x, y), (right, y), (x, below), (right, below)] {
        for (sum, &value) in sums.iter_mut().zip(&pixels[(y * width + x) * 3..][..3]) {
            *sum += i32::from(value);
        }
    }
    sums
}

/// Converts the weighted sum of four pixels to a full-range chroma code.
fn chroma_of(sum: i32) -> u8 {
    (((sum + (1 << 17)) >> 18) + 128).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use composition::plan::Rgba;

    #[test]
    fn a_flat_picture_keeps_its_colour() {
        let picture = Picture::filled(6, 4, Rgba([200, 30, 90, 255]));
        for pixel in rgb_rows(&picture).chunks_exact(3) {
            for (was, is) in [200u8, 30, 90].into_iter().zip(pixel) {
                assert!(was.abs_diff(*is) <= 2);
            }
        }
    }

    #[test]
    fn coverage_is_divided_out_of_half_transparent_pixels() {
        let mut picture = Picture::filled(4, 4, Rgba::WHITE);
        crate::picture::blend::mask(&mut picture, &[128; 16]);
        let mut slot = FrameSlot::new(Pixel::BGRA, 4, 4);
        let frame = slot.fill(&picture).expect("there is room");
        let pixel = &frame.data(0)[..4];
        assert!(pixel[..3].iter().all(|value| *value >= 252), "{pixel:?}");
        assert_eq!(pixel[3], 128);
    }
}
