//! Drawings in premultiplied 8-bit RGBA, in which text, shapes, gradients and pictures with alpha
//! are drawn before they become planes.

use super::blend::{div255, scale};
use super::planes::{Alpha, Chroma, Picture, SHIFT, weigh};
use super::resize::{Kernel, kernels};
use crate::decode::profile::ToSrgb;
use ffmpeg_next::frame;

/// Premultiplied RGBA, 4 bytes a pixel, with tight rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Raster {
    pub width: usize,
    pub height: usize,
    /// `width × height × 4` bytes.
    pub data: Vec<u8>,
}

impl Raster {
    /// Creates a clear drawing.
    pub(crate) fn clear(width: usize, height: usize) -> Self {
        Self { width, height, data: vec![0; width * height * 4] }
    }

    /// Converts a frame in straight RGBA, and its colours to sRGB if they need it.
    pub(crate) fn from_straight(frame: &frame::Video, to_srgb: Option<&ToSrgb>) -> Self {
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        let (data, stride) = (frame.data(0), frame.stride(0));
        let mut out = Vec::with_capacity(width * height * 4);
        let mut converted = Vec::new();
        for row in 0..height {
            let mut pixels = &data[row * stride..][..width * 4];
            if let Some(to_srgb) = to_srgb {
                converted.clear();
                converted.extend_from_slice(pixels);
                to_srgb.apply(&mut converted);
                pixels = &converted;
            }
            for pixel in pixels.chunks_exact(4) {
                let a = pixel[3];
                out.extend([scale(pixel[0], a), scale(pixel[1], a), scale(pixel[2], a), a]);
            }
        }
        Self { width, height, data: out }
    }

    /// Adds the rows of another drawing of the same width below.
    pub(crate) fn append(&mut self, below: Self) {
        self.data.extend(below.data);
        self.height += below.height;
    }

    /// Resizes the drawing by a cubic filter that widens as the drawing shrinks.
    pub(crate) fn resized(self, width: usize, height: usize) -> Self {
        if (self.width, self.height) == (width, height) || self.width == 0 || self.height == 0 {
            return self;
        }
        let narrow = self.columns_to(width);
        narrow.rows_to(height)
    }

    /// Resizes the rows alone.
    pub(crate) fn columns_to(self, width: usize) -> Self {
        let kernels = kernels(self.width, width);
        let mut data = Vec::with_capacity(width * self.height * 4);
        for row in self.data.chunks_exact(self.width * 4) {
            for kernel in &kernels {
                let pixels = row[kernel.first * 4..].chunks_exact(4);
                data.extend(weighted(kernel, pixels));
            }
        }
        Self { width, height: self.height, data }
    }

    /// Resizes the columns alone.
    pub(crate) fn rows_to(self, height: usize) -> Self {
        let stride = self.width * 4;
        let mut data = Vec::with_capacity(stride * height);
        let mut sums = vec![0i32; stride];
        for kernel in &kernels(self.height, height) {
            sums.fill(Kernel::HALF);
            for (tap, &weight) in kernel.weights.iter().enumerate() {
                let row = &self.data[(kernel.first + tap) * stride..][..stride];
                for (sum, &value) in sums.iter_mut().zip(row) {
                    *sum += i32::from(value) * weight;
                }
            }
            data.extend(sums.iter().map(|&sum| Kernel::place(sum)));
        }
        let mut done = Self { width: self.width, height, data };
        done.keep_below_alpha();
        done
    }

    /// A cubic overshoots, and no colour may be brighter than its coverage.
    fn keep_below_alpha(&mut self) {
        for pixel in self.data.chunks_exact_mut(4) {
            let a = pixel[3];
            for value in &mut pixel[..3] {
                *value = (*value).min(a);
            }
        }
    }

    /// Draws another drawing over this one with its corner at (`x`, `y`). It must fit inside.
    pub(crate) fn draw_over(&mut self, top: &Self, x: usize, y: usize) {
        for (row, line) in top.data.chunks_exact(top.width * 4).enumerate() {
            let from = ((y + row) * self.width + x) * 4;
            let below = self.data[from..from + line.len()].chunks_exact_mut(4);
            for (below, above) in below.zip(line.chunks_exact(4)) {
                let rest = 255 - above[3];
                for (below, &above) in below.iter_mut().zip(above) {
                    *below = scale(*below, rest).saturating_add(above);
                }
            }
        }
    }

    /// Returns whether every pixel is opaque.
    pub(crate) fn is_opaque(&self) -> bool {
        self.data.chunks_exact(4).all(|pixel| pixel[3] == 255)
    }

    /// Converts to planes. If every pixel is opaque, the picture has no alpha.
    pub(crate) fn into_picture(self, chroma: Chroma) -> Picture {
        let opaque = self.is_opaque();
        let (width, height) = (self.width, self.height);
        let mut picture = Picture::clear(width, height, chroma);
        let alpha: Vec<u8> = self.data.chunks_exact(4).map(|pixel| pixel[3]).collect();
        for (y, pixel) in picture.y.iter_mut().zip(self.data.chunks_exact(4)) {
            *y = luma(pixel);
        }
        let (cw, ch, step) = (chroma.of(width), chroma.of(height), chroma.step());
        let mut chroma_alpha = vec![0; cw * ch];
        for row in 0..ch {
            for column in 0..cw {
                let at = row * cw + column;
                let mean = self.sum_of_four(column * step, row * step, step - 1);
                let [_, u, v] = weigh(mean[0], mean[1], mean[2]);
                let base = mean[3] * ((128 << SHIFT) / 255);
                picture.u[at] = quarter(u + base);
                picture.v[at] = quarter(v + base);
                chroma_alpha[at] = ((mean[3] + 2) / 4) as u8;
            }
        }
        picture.alpha = (!opaque).then_some(Alpha { full: alpha, chroma: chroma_alpha });
        picture
    }

    /// Converts to planes to be placed at (`x`, `y`), any whole pixel. Returns the picture and the
    /// even corner to place it at.
    ///
    /// An odd corner is padded with a clear row or column, so that chroma is covered by exactly its
    /// share.
    pub(crate) fn into_picture_at(self, x: i32, y: i32, chroma: Chroma) -> (Picture, i32, i32) {
        let (left, top) = ((x & 1) as usize, (y & 1) as usize);
        let (width, height) =
            ((self.width + left).next_multiple_of(2), (self.height + top).next_multiple_of(2));
        if (width, height) == (self.width, self.height) {
            return (self.into_picture(chroma), x, y);
        }
        let mut padded = Self::clear(width, height);
        for row in 0..self.height {
            let from = row * self.width * 4;
            let to = ((row + top) * width + left) * 4;
            padded.data[to..to + self.width * 4]
                .copy_from_slice(&self.data[from..from + self.width * 4]);
        }
        (padded.into_picture(chroma), x - left as i32, y - top as i32)
    }

    /// Sums the four pixels at the corners of a chroma sample `reach` pixels wider than one. The
    /// last row and column count twice if the size is odd; a sample of a single pixel counts it
    /// four times.
    fn sum_of_four(&self, x: usize, y: usize, reach: usize) -> [i32; 4] {
        let right = (x + reach).min(self.width - 1);
        let below = (y + reach).min(self.height - 1);
        let mut sums = [0; 4];
        for (x, y) in [(x, y), (right, y), (x, below), (right, below)] {
            let pixel = &self.data[(y * self.width + x) * 4..][..4];
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += i32::from(value);
            }
        }
        sums
    }
}

fn weighted<'a>(kernel: &Kernel, pixels: impl Iterator<Item = &'a [u8]>) -> [u8; 4] {
    let mut sums = [Kernel::HALF; 4];
    for (pixel, &weight) in pixels.zip(&kernel.weights) {
        for (sum, &value) in sums.iter_mut().zip(pixel) {
            *sum += i32::from(value) * weight;
        }
    }
    sums.map(Kernel::place)
}

/// Computes premultiplied luma: black's 16 is scaled by coverage too.
fn luma(pixel: &[u8]) -> u8 {
    let [y, _, _] = weigh(i32::from(pixel[0]), i32::from(pixel[1]), i32::from(pixel[2]));
    let base = i32::from(div255(u16::from(pixel[3]) * 16));
    (base + ((y + (1 << (SHIFT - 1))) >> SHIFT)) as u8
}

/// Returns a quarter of a fixed-point sum, rounded.
fn quarter(sum: i32) -> u8 {
    ((sum + (1 << (SHIFT + 1))) >> (SHIFT + 2)).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::super::planes::yuv_of;
    use super::*;

    fn flat(width: usize, height: usize, pixel: [u8; 4]) -> Raster {
        Raster { width, height, data: pixel.repeat(width * height) }
    }

    #[test]
    fn an_opaque_drawing_becomes_the_planes_of_its_colour() {
        let picture = flat(4, 4, [200, 30, 90, 255]).into_picture(Chroma::Halved);
        let [y, u, v] = yuv_of(200, 30, 90);
        assert!(picture.is_opaque());
        assert!(picture.y.iter().all(|&value| value == y));
        assert!(picture.u.iter().all(|&value| value.abs_diff(u) <= 1));
        assert!(picture.v.iter().all(|&value| value.abs_diff(v) <= 1));
    }

    #[test]
    fn resizing_a_flat_drawing_keeps_its_colour() {
        for (width, height) in [(3, 2), (40, 60), (10, 100)] {
            let resized = flat(10, 20, [80, 40, 20, 160]).resized(width, height);
            assert_eq!(resized, flat(width, height, [80, 40, 20, 160]));
        }
    }

    #[test]
    fn a_clear_neighbour_lends_no_colour_to_an_edge() {
        let mut edge = flat(8, 4, [255, 255, 255, 255]);
        for pixel in edge.data.chunks_exact_mut(4).step_by(2) {
            pixel.fill(0);
        }
        for pixel in edge.resized(4, 4).data.chunks_exact(4) {
            assert!(pixel[..3].iter().all(|value| *value == pixel[3]));
        }
    }

    #[test]
    fn an_odd_corner_is_padded_to_an_even_one() {
        let (picture, x, y) = flat(3, 3, [255; 4]).into_picture_at(5, -3, Chroma::Halved);
        assert_eq!((picture.width, picture.height, x, y), (4, 4, 4, -4));
        let alpha = picture.alpha.expect("the padding is clear");
        assert_eq!(alpha.full[..4], [0, 0, 0, 0]);
        assert_eq!(alpha.chroma, [64, 128, 128, 255]);
    }
}
