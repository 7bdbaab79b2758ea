//! The canvas on which an animated WebP's frames are put together: straight RGBA, clear at first.
//!
//! The file may name a background colour. RFC 9649 lets a reader ignore it, and all browsers do.

use super::chunks::WebpFrame;

/// A canvas of straight RGBA.
pub(super) struct WebpCanvas {
    width: usize,
    pub(super) pixels: Vec<u8>,
}

impl WebpCanvas {
    pub(super) fn clear(width: u32, height: u32) -> Self {
        let (width, height) = (width as usize, height as usize);
        Self { width, pixels: vec![0; width * height * 4] }
    }

    /// Draws a frame's picture at its position. `stride` is the bytes from one line to the next.
    pub(super) fn draw(&mut self, frame: &WebpFrame, picture: &[u8], stride: usize) {
        self.each_line(frame, |row, line| {
            let new = &picture[row * stride..][..line.len()];
            if frame.blends {
                line.as_chunks_mut::<4>().0.iter_mut().zip(new.as_chunks::<4>().0).for_each(
                    |(under, over)| {
                        *under = blended(*under, *over);
                    },
                );
            } else {
                line.copy_from_slice(new);
            }
        });
    }

    /// Clears a frame's rectangle if the frame asks for it.
    pub(super) fn clear_after(&mut self, frame: &WebpFrame) {
        if frame.clears {
            self.each_line(frame, |_, line| line.fill(0));
        }
    }

    fn each_line(&mut self, frame: &WebpFrame, mut change: impl FnMut(usize, &mut [u8])) {
        let (left, width) = (frame.left as usize * 4, frame.width as usize * 4);
        let lines = self
            .pixels
            .chunks_exact_mut(self.width * 4)
            .skip(frame.top as usize)
            .take(frame.height as usize);
        lines.enumerate().for_each(|(row, line)| change(row, &mut line[left..left + width]));
    }
}

/// Blends one colour over another, both straight (RFC 9649, §2.7.1.1, "Alpha-blending").
fn blended(under: [u8; 4], over: [u8; 4]) -> [u8; 4] {
    let [over_alpha, under_alpha] = [over[3], under[3]].map(u32::from);
    if over_alpha == 255 || under_alpha == 0 {
        return over;
    }
    if over_alpha == 0 {
        return under;
    }
    // In units of 1 / (255 × 255).
    let kept = under_alpha * (255 - over_alpha);
    let alpha = over_alpha * 255 + kept;
    let mix = |part: usize| {
        let sum = u32::from(over[part]) * over_alpha * 255 + u32::from(under[part]) * kept;
        ((sum + alpha / 2) / alpha) as u8
    };
    [mix(0), mix(1), mix(2), ((alpha + 127) / 255) as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_over_another_is_mixed_by_both_alphas() {
        assert_eq!(blended([10, 20, 30, 255], [200, 100, 50, 0]), [10, 20, 30, 255]);
        assert_eq!(blended([10, 20, 30, 0], [200, 100, 50, 7]), [200, 100, 50, 7]);
        assert_eq!(blended([0, 0, 0, 255], [255, 255, 255, 128]), [128, 128, 128, 255]);
        // Half over half covers three quarters, of which the upper colour has two thirds.
        let [red, _, blue, alpha] = blended([0, 0, 255, 128], [255, 0, 0, 128]);
        assert!(red.abs_diff(170) <= 1 && blue.abs_diff(85) <= 1 && alpha.abs_diff(192) <= 1);
    }
}
