//! The picture in memory: planar YUV, 4:2:0 or 4:4:4, 8 bits, BT.709, limited range, with or
//! without alpha.
//!
//! Everything is composited in the encoder's own format: the commonest frame, one opaque clip that
//! fills the picture, then costs a copy and no conversion. A picture with alpha is *premultiplied*,
//! offsets included: a plane holds `a·value`, so "over" is `src + (1 − a)·dst` on every plane,
//! limited range or not, because that is an affine mix. Chroma has an alpha plane of its own size;
//! the alternative, averaging alpha while blending, costs a gather for every overlay of every
//! frame.

use composition::plan::Rgba;

/// Returns half of a length in pixels, rounded up.
#[must_use]
pub const fn half(length: usize) -> usize {
    length.div_ceil(2)
}

/// The density of a picture's chroma samples.
///
/// Video is composited with a quarter of them, as it is stored. Output in RGB is composited with
/// all of them by the same code, so it loses no colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chroma {
    /// 4:2:0: one sample for two by two pixels.
    Halved,
    /// 4:4:4: one sample for each pixel.
    Full,
}

impl Chroma {
    /// Returns the pixels from one sample to the next, in each direction.
    #[must_use]
    pub const fn step(self) -> usize {
        match self {
            Self::Halved => 2,
            Self::Full => 1,
        }
    }

    /// Returns the number of samples along a length in pixels.
    #[must_use]
    pub const fn of(self, length: usize) -> usize {
        length.div_ceil(self.step())
    }
}

/// The coverage of a picture: 0 is clear, 255 opaque.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alpha {
    /// One value for each luma sample.
    pub full: Vec<u8>,
    /// One value for each chroma sample.
    pub chroma: Vec<u8>,
}

/// A picture in planar YUV. Rows are tight: the stride is the width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in luma samples.
    pub width: usize,
    /// Height in luma samples.
    pub height: usize,
    /// The density of `u` and `v`.
    pub chroma: Chroma,
    /// Luma, `width × height`.
    pub y: Vec<u8>,
    /// Blue difference, `chroma.of(width) × chroma.of(height)`.
    pub u: Vec<u8>,
    /// Red difference, of the same size.
    pub v: Vec<u8>,
    /// Coverage; `None` means opaque throughout. With alpha, `y`, `u` and `v` are premultiplied.
    pub alpha: Option<Alpha>,
}

impl Picture {
    /// Creates a picture that is clear everywhere.
    #[must_use]
    pub fn clear(width: usize, height: usize, chroma: Chroma) -> Self {
        let (pixels, samples) = (width * height, chroma.of(width) * chroma.of(height));
        Self {
            width,
            height,
            chroma,
            y: vec![0; pixels],
            u: vec![0; samples],
            v: vec![0; samples],
            alpha: Some(Alpha { full: vec![0; pixels], chroma: vec![0; samples] }),
        }
    }

    /// Creates an opaque picture of one colour in 4:2:0. The colour's own alpha is ignored.
    #[must_use]
    pub fn filled(width: usize, height: usize, colour: Rgba) -> Self {
        Self::filled_in(Chroma::Halved, width, height, colour)
    }

    /// As [`Picture::filled`], with this density of chroma.
    #[must_use]
    pub fn filled_in(chroma: Chroma, width: usize, height: usize, colour: Rgba) -> Self {
        let samples = chroma.of(width) * chroma.of(height);
        let [r, g, b, _] = colour.0;
        let [y, u, v] = yuv_of(r, g, b);
        let planes = [vec![y; width * height], vec![u; samples], vec![v; samples]];
        let [y, u, v] = planes;
        Self { width, height, chroma, y, u, v, alpha: None }
    }

    /// Returns whether every sample is opaque.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        self.alpha.is_none()
    }

    /// Adds an alpha plane, opaque throughout, if there is none.
    #[must_use]
    pub fn with_alpha(mut self) -> Self {
        if self.alpha.is_none() {
            self.alpha =
                Some(Alpha { full: vec![255; self.y.len()], chroma: vec![255; self.u.len()] });
        }
        self
    }

    /// Returns the colour planes in order, each with its width and height.
    #[must_use]
    pub fn planes(&self) -> [(&[u8], usize, usize); 3] {
        let (cw, ch) = (self.chroma.of(self.width), self.chroma.of(self.height));
        [(&self.y, self.width, self.height), (&self.u, cw, ch), (&self.v, cw, ch)]
    }

    /// Returns the bytes that it holds, for bounds on caches.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let colour = self.y.len() + self.u.len() + self.v.len();
        colour + self.alpha.as_ref().map_or(0, |alpha| alpha.full.len() + alpha.chroma.len())
    }

    /// Returns a digest of every sample, by which tests compare frames before the encoder.
    #[must_use]
    pub fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(self.width as u64).to_le_bytes());
        hasher.update(&(self.height as u64).to_le_bytes());
        for (plane, _, _) in self.planes() {
            hasher.update(plane);
        }
        if let Some(alpha) = &self.alpha {
            hasher.update(&alpha.full);
        }
        hasher.finalize()
    }
}

/// Converts an 8-bit R′G′B′ colour to BT.709 limited-range Y′CbCr, rounded to nearest (ITU-R
/// BT.709-6, §3).
#[must_use]
pub fn yuv_of(r: u8, g: u8, b: u8) -> [u8; 3] {
    let [y, u, v] = weigh(i32::from(r), i32::from(g), i32::from(b));
    [
        ((y + (16 << SHIFT) + ROUND) >> SHIFT) as u8,
        ((u + (128 << SHIFT) + ROUND) >> SHIFT) as u8,
        ((v + (128 << SHIFT) + ROUND) >> SHIFT) as u8,
    ]
}

/// Binary places of the fixed-point weights.
pub(crate) const SHIFT: i32 = 16;
const ROUND: i32 = 1 << (SHIFT - 1);

/// Multiplies by the BT.709 matrix scaled to limited range, without offsets, with `SHIFT` binary
/// places. Each chroma row sums to 0, so greys have no colour.
pub(crate) fn weigh(r: i32, g: i32, b: i32) -> [i32; 3] {
    [
        11_966 * r + 40_254 * g + 4_064 * b,
        -6_596 * r - 22_189 * g + 28_785 * b,
        28_785 * r - 26_145 * g - 2_640 * b,
    ]
}

/// Converts a BT.709 limited-range sample to 8-bit R′G′B′, clamped: the inverse of [`yuv_of`].
#[must_use]
pub fn rgb_of(y: u8, u: u8, v: u8) -> [u8; 3] {
    let luma = (i32::from(y) - 16) * 76_309;
    let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
    let place = |value: i32| ((value + ROUND) >> SHIFT).clamp(0, 255) as u8;
    [place(luma + 117_489 * v), place(luma - 13_975 * u - 34_925 * v), place(luma + 138_438 * u)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corners_of_rgb_are_the_known_codes_of_bt709() {
        assert_eq!(yuv_of(0, 0, 0), [16, 128, 128]);
        assert_eq!(yuv_of(255, 255, 255), [235, 128, 128]);
        assert_eq!(yuv_of(255, 0, 0), [63, 102, 240]);
        assert_eq!(yuv_of(0, 255, 0), [173, 42, 26]);
        assert_eq!(yuv_of(0, 0, 255), [32, 240, 118]);
    }

    #[test]
    fn every_colour_comes_back_within_the_step_of_eight_bits() {
        for r in (0..=255).step_by(15) {
            for g in (0..=255).step_by(15) {
                for b in (0..=255).step_by(15) {
                    let [y, u, v] = yuv_of(r, g, b);
                    for (was, is) in [r, g, b].into_iter().zip(rgb_of(y, u, v)) {
                        assert!(was.abs_diff(is) <= 2, "{r},{g},{b} came back as {is}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_picture_of_odd_size_has_chroma_for_its_last_row_and_column() {
        let picture = Picture::filled(5, 3, Rgba::WHITE);
        assert_eq!((picture.y.len(), picture.u.len()), (15, 6));
    }
}
