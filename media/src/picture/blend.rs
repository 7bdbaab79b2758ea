//! Blends one picture over another at whole, even pixels: the inner loops of the compositor.
//!
//! All loops run over rows of bytes widened to 16 bits, without branches, so that they vectorise on
//! every target. The division by 255 is exact and rounds to nearest: full opacity changes nothing,
//! and equal inputs stay equal.

use super::planes::{Alpha, Chroma, Picture, half};
use std::borrow::Cow;

/// Returns `value / 255`, rounded to nearest and exact for all products of two bytes.
#[inline(always)]
#[must_use]
pub const fn div255(value: u16) -> u16 {
    let value = value + 128;
    (value + (value >> 8)) >> 8
}

/// Returns `value × by / 255` for bytes.
#[inline(always)]
#[must_use]
pub const fn scale(value: u8, by: u8) -> u8 {
    div255(value as u16 * by as u16) as u8
}

/// The part of a source that shows on a canvas and its position there, in whole, even pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Overlap {
    src_x: usize,
    src_y: usize,
    dst_x: usize,
    dst_y: usize,
    width: usize,
    height: usize,
}

/// A rectangle of the canvas in whole pixels. The right and the bottom edge are excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub left: i32,
    pub top: i32,
    pub right: i32,
    pub bottom: i32,
}

impl Window {
    /// Returns all of a picture of this size.
    #[must_use]
    pub fn whole(width: usize, height: usize) -> Self {
        Self { left: 0, top: 0, right: width as i32, bottom: height as i32 }
    }

    /// Returns the intersection, which may be empty.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Self {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
    }

    /// Returns whether it has no pixels.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.left >= self.right || self.top >= self.bottom
    }

    /// Grows outward to even coordinates, on which chroma samples begin.
    #[must_use]
    pub fn to_even(self) -> Self {
        Self {
            left: self.left & !1,
            top: self.top & !1,
            right: (self.right + 1) & !1,
            bottom: (self.bottom + 1) & !1,
        }
    }

    /// Returns the width in pixels, 0 if empty.
    #[must_use]
    pub fn width(self) -> usize {
        (self.right - self.left).max(0) as usize
    }

    /// Returns the height in pixels, 0 if empty.
    #[must_use]
    pub fn height(self) -> usize {
        (self.bottom - self.top).max(0) as usize
    }
}

/// Blends `src` over `canvas` with its top left corner at (`x`, `y`), both even, at `opacity` (255
/// is full).
///
/// Pixels outside the canvas are skipped. The alpha of a canvas that has one is updated too.
pub fn over(canvas: &mut Picture, src: &Picture, x: i32, y: i32, opacity: u8) {
    debug_assert!(x % 2 == 0 && y % 2 == 0, "chroma starts at even pixels");
    debug_assert_eq!(canvas.chroma, src.chroma, "a scene samples chroma in one way");
    let Some(overlap) = overlap(canvas, src, x, y) else {
        return;
    };
    if opacity == 0 {
        return;
    }
    let full = Strides { src: src.width, dst: canvas.width };
    let sparse = Strides { src: src.chroma.of(src.width), dst: src.chroma.of(canvas.width) };
    let chroma = overlap.sampled(src.chroma);
    let covers = src.alpha.as_ref();
    let (full_alpha, chroma_alpha) =
        (covers.map(|alpha| alpha.full.as_slice()), covers.map(|alpha| alpha.chroma.as_slice()));
    blend_plane(&mut canvas.y, &src.y, full_alpha, full, overlap, opacity);
    blend_plane(&mut canvas.u, &src.u, chroma_alpha, sparse, chroma, opacity);
    blend_plane(&mut canvas.v, &src.v, chroma_alpha, sparse, chroma, opacity);
    if let Some(alpha) = &mut canvas.alpha {
        cover(alpha, covers, (full, overlap), (sparse, chroma), opacity);
    }
}

/// Updates a canvas's alpha with the same blend, in which a source's value is its coverage.
fn cover(
    canvas: &mut Alpha,
    src: Option<&Alpha>,
    (full, overlap): (Strides, Overlap),
    (sparse, chroma): (Strides, Overlap),
    opacity: u8,
) {
    match src {
        Some(src) => {
            blend_plane(&mut canvas.full, &src.full, Some(&src.full), full, overlap, opacity);
            blend_plane(
                &mut canvas.chroma,
                &src.chroma,
                Some(&src.chroma),
                sparse,
                chroma,
                opacity,
            );
        }
        None => {
            add_coverage(&mut canvas.full, full, overlap, opacity);
            add_coverage(&mut canvas.chroma, sparse, chroma, opacity);
        }
    }
}

#[derive(Clone, Copy)]
struct Strides {
    src: usize,
    dst: usize,
}

impl Overlap {
    /// Converts to samples of chroma.
    fn sampled(self, chroma: Chroma) -> Self {
        let step = chroma.step();
        Self {
            src_x: self.src_x / step,
            src_y: self.src_y / step,
            dst_x: self.dst_x / step,
            dst_y: self.dst_y / step,
            width: chroma.of(self.width),
            height: chroma.of(self.height),
        }
    }
}

fn overlap(canvas: &Picture, src: &Picture, x: i32, y: i32) -> Option<Overlap> {
    let placed =
        Window { left: x, top: y, right: x + src.width as i32, bottom: y + src.height as i32 };
    let seen = placed.intersect(Window::whole(canvas.width, canvas.height));
    (!seen.is_empty()).then(|| Overlap {
        src_x: (seen.left - x) as usize,
        src_y: (seen.top - y) as usize,
        dst_x: seen.left as usize,
        dst_y: seen.top as usize,
        width: seen.width(),
        height: seen.height(),
    })
}

fn blend_plane(
    dst: &mut [u8],
    src: &[u8],
    alpha: Option<&[u8]>,
    strides: Strides,
    overlap: Overlap,
    opacity: u8,
) {
    for row in 0..overlap.height {
        let from = (overlap.src_y + row) * strides.src + overlap.src_x;
        let to = (overlap.dst_y + row) * strides.dst + overlap.dst_x;
        let dst = &mut dst[to..to + overlap.width];
        let src = &src[from..from + overlap.width];
        match (alpha, opacity) {
            (None, 255) => dst.copy_from_slice(src),
            (None, _) => mix_row(dst, src, opacity),
            (Some(alpha), 255) => over_row(dst, src, &alpha[from..from + overlap.width]),
            (Some(alpha), _) => {
                over_row_faded(dst, src, &alpha[from..from + overlap.width], opacity);
            }
        }
    }
}

fn add_coverage(alpha: &mut [u8], strides: Strides, overlap: Overlap, opacity: u8) {
    for row in 0..overlap.height {
        let to = (overlap.dst_y + row) * strides.dst + overlap.dst_x;
        for value in &mut alpha[to..to + overlap.width] {
            *value = (div255(u16::from(*value) * u16::from(255 - opacity)) as u8)
                .saturating_add(opacity);
        }
    }
}

/// Computes `dst = src·k + dst·(1 − k)` for an opaque source.
fn mix_row(dst: &mut [u8], src: &[u8], opacity: u8) {
    let (k, rest) = (u16::from(opacity), u16::from(255 - opacity));
    for (dst, &src) in dst.iter_mut().zip(src) {
        *dst = div255(u16::from(src) * k + u16::from(*dst) * rest) as u8;
    }
}

/// Computes `dst = src + dst·(1 − a)` for a premultiplied source.
fn over_row(dst: &mut [u8], src: &[u8], alpha: &[u8]) {
    for ((dst, &src), &alpha) in dst.iter_mut().zip(src).zip(alpha) {
        *dst = (div255(u16::from(*dst) * u16::from(255 - alpha)) as u8).saturating_add(src);
    }
}

/// Computes `dst = src·k + dst·(1 − a·k)` for a premultiplied source.
fn over_row_faded(dst: &mut [u8], src: &[u8], alpha: &[u8], opacity: u8) {
    for ((dst, &src), &alpha) in dst.iter_mut().zip(src).zip(alpha) {
        let rest = 255 - scale(alpha, opacity);
        *dst = scale(*dst, rest).saturating_add(scale(src, opacity));
    }
}

/// Multiplies a picture by a coverage of its own size, in place, for masks, mattes and soft edges.
///
/// `full` has one value for each luma sample. A chroma sample takes the mean of its pixels.
pub fn mask(picture: &mut Picture, full: &[u8]) {
    let sparse = picture.chroma.thinned(full, picture.width, picture.height);
    let mut masked = std::mem::replace(picture, Picture::clear(0, 0, picture.chroma)).with_alpha();
    scale_plane(&mut masked.y, full);
    scale_plane(&mut masked.u, &sparse);
    scale_plane(&mut masked.v, &sparse);
    if let Some(alpha) = &mut masked.alpha {
        scale_plane(&mut alpha.full, full);
        scale_plane(&mut alpha.chroma, &sparse);
    }
    *picture = masked;
}

fn scale_plane(plane: &mut [u8], by: &[u8]) {
    for (value, &by) in plane.iter_mut().zip(by) {
        *value = scale(*value, by);
    }
}

impl Chroma {
    /// Reduces a plane of luma's size to a value for each chroma sample.
    #[must_use]
    pub fn thinned(self, plane: &[u8], width: usize, height: usize) -> Cow<'_, [u8]> {
        match self {
            Self::Halved => Cow::Owned(halve_plane(plane, width, height)),
            Self::Full => Cow::Borrowed(plane),
        }
    }

    /// Expands a plane of chroma's size to a value for each pixel.
    #[must_use]
    pub fn spread(self, plane: &[u8], width: usize, height: usize) -> Cow<'_, [u8]> {
        match self {
            Self::Halved => Cow::Owned(double_plane(plane, width, height)),
            Self::Full => Cow::Borrowed(plane),
        }
    }
}

/// Halves a plane. Each value is the mean of up to four samples.
#[must_use]
pub fn halve_plane(plane: &[u8], width: usize, height: usize) -> Vec<u8> {
    let (cw, ch) = (half(width), half(height));
    let mut out = Vec::with_capacity(cw * ch);
    for row in 0..ch {
        let upper = &plane[row * 2 * width..][..width];
        let lower_row = (row * 2 + 1).min(height.saturating_sub(1));
        let lower = &plane[lower_row * width..][..width];
        let pairs = upper.chunks(2).zip(lower.chunks(2));
        out.extend(pairs.map(|(upper, lower)| mean(upper, lower)));
    }
    out
}

/// Doubles a plane of half size. In each direction, a value is three quarters of the nearest sample
/// and a quarter of the next.
fn double_plane(plane: &[u8], width: usize, height: usize) -> Vec<u8> {
    let (cw, ch) = (half(width), half(height));
    let next = |at: usize, length: usize| {
        let next = if at.is_multiple_of(2) { (at / 2).saturating_sub(1) } else { at / 2 + 1 };
        next.min(length - 1)
    };
    let mut out = Vec::with_capacity(width * height);
    for row in 0..height {
        let near = &plane[row / 2 * cw..][..cw];
        let far = &plane[next(row, ch) * cw..][..cw];
        let at = |x: usize| u32::from(near[x]) * 3 + u32::from(far[x]);
        out.extend(
            (0..width).map(|column| ((at(column / 2) * 3 + at(next(column, cw)) + 8) / 16) as u8),
        );
    }
    out
}

fn mean(upper: &[u8], lower: &[u8]) -> u8 {
    let (a, c) = (u16::from(upper[0]), u16::from(lower[0]));
    let b = upper.get(1).map_or(a, |&value| u16::from(value));
    let d = lower.get(1).map_or(c, |&value| u16::from(value));
    ((a + b + c + d + 2) / 4) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use composition::plan::Rgba;

    fn veil(width: usize, height: usize, grey: u8, alpha: u8) -> Picture {
        let mut picture =
            Picture::filled(width, height, Rgba([grey, grey, grey, 255])).with_alpha();
        mask(&mut picture, &vec![alpha; width * height]);
        picture
    }

    #[test]
    fn division_by_255_is_exact_for_every_product_of_bytes() {
        for a in 0..=255u16 {
            for b in 0..=255u16 {
                let exact = (u32::from(a) * u32::from(b) * 2 + 255) / 510;
                assert_eq!(u32::from(div255(a * b)), exact);
            }
        }
    }

    #[test]
    fn an_opaque_picture_at_full_opacity_is_copied() {
        let mut canvas = Picture::filled(8, 8, Rgba::BLACK);
        over(&mut canvas, &Picture::filled(4, 4, Rgba::WHITE), 2, 4, 255);
        assert_eq!(canvas.y[4 * 8 + 2], 235);
        assert_eq!(canvas.y[4 * 8 + 1], 16);
        assert_eq!(canvas.y.iter().filter(|&&y| y == 235).count(), 16);
    }

    #[test]
    fn a_half_transparent_layer_over_black_gives_half_its_light() {
        let mut canvas = Picture::filled(4, 4, Rgba::BLACK);
        over(&mut canvas, &veil(4, 4, 255, 128), 0, 0, 255);
        assert!(canvas.y.iter().all(|y| y.abs_diff(126) <= 1));
        assert!(canvas.u.iter().all(|u| u.abs_diff(128) <= 1));
    }

    #[test]
    fn opacity_on_an_opaque_picture_equals_the_same_alpha_within_rounding() {
        let mut by_opacity = Picture::filled(4, 4, Rgba([10, 200, 30, 255]));
        let mut by_alpha = by_opacity.clone();
        over(&mut by_opacity, &Picture::filled(4, 4, Rgba::WHITE), 0, 0, 77);
        over(&mut by_alpha, &veil(4, 4, 255, 77), 0, 0, 255);
        for (a, b) in by_opacity.y.iter().zip(&by_alpha.y) {
            assert!(a.abs_diff(*b) <= 1);
        }
    }

    #[test]
    fn pixels_outside_the_canvas_are_skipped() {
        let mut canvas = Picture::filled(4, 4, Rgba::BLACK);
        let patch = Picture::filled(4, 4, Rgba::WHITE);
        over(&mut canvas, &patch, -2, -2, 255);
        over(&mut canvas, &patch, 40, 0, 255);
        assert_eq!(canvas.y.iter().filter(|&&y| y == 235).count(), 4);
    }

    #[test]
    fn a_clear_canvas_accumulates_coverage() {
        let mut canvas = Picture::clear(4, 4, Chroma::Halved);
        over(&mut canvas, &veil(4, 4, 255, 128), 0, 0, 255);
        over(&mut canvas, &veil(4, 4, 255, 128), 0, 0, 255);
        let alpha = canvas.alpha.expect("a clear canvas has alpha");
        assert!(alpha.full.iter().all(|a| a.abs_diff(192) <= 1));
    }
}
